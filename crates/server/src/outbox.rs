//! What waits to leave for one session.
//!
//! Whoever has something to say appends whole lines; the session's own connection takes all of it and writes it in as
//! few calls as the socket takes. Bounded in bytes: above a soft mark those who fill it are read later, at the hard
//! mark nothing more goes in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use switchboard_core::{Closed, Full, SessionId};
use switchboard_protocol::limits::LINE_MAX_BYTES;
use switchboard_protocol::{Dialect, Then};

use crate::buffers;

/// The bounds of every outbox, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// Above this, those who fill the outbox are read later.
    pub(crate) soft_bytes: usize,
    /// Beyond this nothing goes in.
    pub(crate) hard_bytes: usize,
}

/// How a session is to end, decided by somebody other than its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// What waits is written first.
    Drained(Closed),
    /// At once.
    Now(Closed),
}

/// What waits to leave for one session, shared between its connection and all who speak to it.
#[derive(Debug)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// What its session speaks.
    dialect: Dialect,
    /// Whole lines that its connection has not taken yet.
    queue: Vec<u8>,
    /// What its connection took and the socket did not, in bytes. These two are no `usize`, because there is an outbox
    /// for each session.
    in_flight: u32,
    /// What was here when a draft was opened, in bytes, until that is closed.
    drafted: u32,
    ending: Option<Ending>,
    /// Its connection, and what that sleeps for.
    waker: Option<Waker>,
    sleep: Sleep,
    /// Sessions that are read later because of what waits here, the longest held first.
    held_back: Vec<(SessionId, Waker)>,
}

/// What a connection has to be woken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sleep {
    /// Nothing: it is awake, and will look.
    Awake,
    /// An end, or something to write.
    Idle,
    /// An end: its socket takes nothing, so more to write is no news.
    Blocked,
}

impl Inner {
    fn waiting_bytes(&self) -> usize {
        self.queue.len() + self.in_flight as usize + self.drafted as usize
    }

    fn is_below_soft(&self, marks: Marks) -> bool {
        self.waiting_bytes() <= marks.soft_bytes || self.ending.is_some()
    }

    fn wake(&mut self, wakers: &mut Vec<Waker>) {
        if std::mem::replace(&mut self.sleep, Sleep::Awake) != Sleep::Awake {
            wakers.extend(self.waker.clone());
        }
    }

    fn let_go(&mut self, who: SessionId) {
        self.held_back.retain(|(held, _)| *held != who);
    }

    /// Lets as many go as there is room for the lines of, so that a crowd does not fill at once what was emptied.
    fn release(&mut self, marks: Marks) -> Vec<Waker> {
        let Some(room) = marks.soft_bytes.checked_sub(self.waiting_bytes()) else { return Vec::new() };
        let count = self.held_back.len().min(1 + room / LINE_MAX_BYTES);
        self.held_back.drain(..count).map(|(_, waker)| waker).collect()
    }
}

/// A number of bytes that has a bound of fewer ([`Settings`](crate::Settings)).
fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// How crowded an outbox above its soft mark is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    /// How much waits there, in bytes.
    pub(crate) waiting_bytes: usize,
    /// How many sessions are read later because of it.
    pub(crate) fillers: usize,
}

/// An outbox that somebody writes to: its lock is taken once for all that is said in a turn, and once to close it.
///
/// Meanwhile its connection finds nothing to take, and is woken when this is closed if it waits for something to write;
/// what was there when it was opened still counts for the marks.
#[derive(Debug)]
pub(crate) struct Draft {
    outbox: Arc<Outbox>,
    dialect: Dialect,
    queue: Vec<u8>,
    /// What the socket had not taken when this was opened, in bytes: it may only have become less.
    in_flight: usize,
    /// The session ends at once, and hears no more.
    is_over: bool,
}

impl Draft {
    /// Appends what `encode` does, or nothing of it where that would pass the hard mark.
    #[inline]
    pub(crate) fn append(
        &mut self,
        marks: Marks,
        encode: impl FnOnce(Dialect, &mut Vec<u8>) -> Then,
    ) -> Result<Pushed, Full> {
        if self.is_over {
            return Err(Full);
        }
        if self.queue.capacity() == 0 {
            self.queue = buffers::take();
        }
        let before = self.queue.len();
        let then = encode(self.dialect, &mut self.queue);
        let waiting_bytes = self.queue.len() + self.in_flight;
        if waiting_bytes > marks.hard_bytes {
            self.queue.truncate(before);
            return Err(Full);
        }
        Ok(Pushed { waiting_bytes, then })
    }

    /// Puts back what waits. Its connection joins `wakers` if it has to be woken for it.
    pub(crate) fn close(self, wakers: &mut Vec<Waker>) {
        if self.queue.is_empty() {
            // A reply for which the dialect has no words must not leave a buffer with a session that waits.
            return buffers::give_back(self.queue);
        }
        let mut inner = self.outbox.lock();
        inner.queue = self.queue;
        inner.drafted = 0;
        if inner.sleep == Sleep::Idle {
            inner.wake(wakers);
        }
    }
}

/// What waits after a reply went in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pushed {
    /// How much waits now, in bytes.
    pub(crate) waiting_bytes: usize,
    /// Whether the reply was the dialect's last word.
    pub(crate) then: Then,
}

impl Outbox {
    /// An empty one, of a session that speaks `dialect`.
    pub(crate) fn new(dialect: Dialect) -> Self {
        let inner = Inner {
            dialect,
            queue: Vec::new(),
            in_flight: 0,
            drafted: 0,
            ending: None,
            waker: None,
            sleep: Sleep::Awake,
            held_back: Vec::new(),
        };
        Self { inner: Mutex::new(inner) }
    }

    /// Opens it for whoever writes to it now. There is one at a time: nobody writes but under the hub's lock.
    pub(crate) fn open(self: &Arc<Self>) -> Draft {
        let mut inner = self.lock();
        let queue = std::mem::take(&mut inner.queue);
        inner.drafted = small(queue.len());
        Draft {
            outbox: Arc::clone(self),
            dialect: inner.dialect,
            queue,
            in_flight: inner.in_flight as usize,
            is_over: matches!(inner.ending, Some(Ending::Now(_))),
        }
    }

    /// Says how the session is to end. The first word stands, but for an end at once.
    pub(crate) fn end(&self, ending: Ending, wakers: &mut Vec<Waker>) {
        let mut inner = self.lock();
        if inner.ending.is_none() || matches!(ending, Ending::Now(_)) {
            inner.ending = Some(ending);
        }
        inner.wake(wakers);
        wakers.extend(inner.held_back.drain(..).map(|(_, waker)| waker));
    }

    /// For the connection, when all that it took is written: gives it what waits, if anything does, in exchange for
    /// the buffer that it had.
    pub(crate) fn exchange(&self, written: Vec<u8>, marks: Marks) -> (Vec<u8>, Option<Ending>) {
        let (taken, ending, held_back) = {
            let mut inner = self.lock();
            inner.sleep = Sleep::Awake;
            let taken = std::mem::take(&mut inner.queue);
            inner.in_flight = small(taken.len());
            let held_back = inner.release(marks);
            (taken, inner.ending, held_back)
        };
        buffers::give_back(written);
        held_back.into_iter().for_each(Waker::wake);
        (taken, ending)
    }

    /// For the connection, when the socket took a part: `left` bytes of what it took are still to be written.
    pub(crate) fn progress(&self, left: usize, marks: Marks) -> Option<Ending> {
        let (ending, held_back) = {
            let mut inner = self.lock();
            inner.sleep = Sleep::Awake;
            inner.in_flight = small(left);
            let held_back = inner.release(marks);
            (inner.ending, held_back)
        };
        held_back.into_iter().for_each(Waker::wake);
        ending
    }

    /// For the connection, before it sleeps: true if it may, false if something came since it looked.
    ///
    /// It knows of `ending`, and more to write is no reason to wake while it is `blocked` by its socket.
    pub(crate) fn sleep(&self, waker: &Waker, ending: Option<Ending>, blocked: bool) -> bool {
        let mut inner = self.lock();
        if inner.ending != ending || !(blocked || inner.queue.is_empty()) {
            return false;
        }
        if !inner.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            inner.waker = Some(waker.clone());
        }
        inner.sleep = if blocked { Sleep::Blocked } else { Sleep::Idle };
        true
    }

    /// Has `waker` woken when there is room for what `who` says, and tells how crowded it is; `None` where there is room
    /// already.
    pub(crate) fn hold_back(&self, who: SessionId, waker: &Waker, marks: Marks) -> Option<Crowd> {
        let mut inner = self.lock();
        if inner.is_below_soft(marks) {
            inner.let_go(who);
            return None;
        }
        match inner.held_back.iter_mut().find(|(held, _)| *held == who) {
            Some((_, held)) => held.clone_from(waker),
            None => inner.held_back.push((who, waker.clone())),
        }
        Some(Crowd { waiting_bytes: inner.waiting_bytes(), fillers: inner.held_back.len() })
    }

    /// Forgets that `who` is held back.
    pub(crate) fn let_go(&self, who: SessionId) {
        self.lock().let_go(who);
    }

    /// Whether less waits here than the soft mark.
    pub(crate) fn is_below_soft(&self, marks: Marks) -> bool {
        self.lock().is_below_soft(marks)
    }

    /// Whether something waits here.
    pub(crate) fn owes(&self) -> bool {
        self.lock().waiting_bytes() > 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change under this lock is whole before anything can panic, so a poisoned one is as good as any.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_draft_still_counts() {
        let marks = Marks { soft_bytes: 10, hard_bytes: 100 };
        let outbox = Arc::new(Outbox::new(Dialect::Commands));
        let write = |draft: &mut Draft| {
            let written = draft.append(marks, |_, queue| {
                queue.extend_from_slice(b"twenty bytes of text");
                Then::Carry
            });
            written.expect("there is room");
        };
        let mut draft = outbox.open();
        write(&mut draft);
        draft.close(&mut Vec::new());

        let mut draft = outbox.open();
        let held_back =
            || outbox.hold_back(SessionId::default(), Waker::noop(), marks).map(|crowd| crowd.waiting_bytes);
        assert_eq!(held_back(), Some(20), "while it is written to");
        let (nothing, _) = outbox.exchange(Vec::new(), marks);
        assert_eq!((nothing.len(), outbox.lock().held_back.len()), (0, 1), "nobody is let go for what is out of sight");
        write(&mut draft);
        draft.close(&mut Vec::new());
        assert_eq!(held_back(), Some(40), "when it is closed");
        let (all, _) = outbox.exchange(Vec::new(), marks);
        assert_eq!((all.len(), held_back()), (40, Some(40)), "until it is written");
        outbox.exchange(all, marks);
        assert_eq!((held_back(), outbox.lock().held_back.len()), (None, 0), "and no longer");
    }
}
