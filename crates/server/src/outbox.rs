//! What waits to leave for one session, and the socket through which it leaves.
//!
//! Whoever has something to say appends whole lines, and writes all that waits once its turn is over, while what it said
//! is still at hand: nobody has to be woken for it. What the socket does not take is left to the session's own connection.
//! Bounded in bytes: above a soft mark those who fill it are read later, at the hard mark nothing more goes in.

use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use switchboard_core::{CloseReason, Full, SessionId};
use switchboard_protocol::limits::LINE_MAX_BYTES;
use switchboard_protocol::{Dialect, Then};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::buffers;

/// The bounds of every outbox, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watermarks {
    /// Above this, those who fill the outbox are read later.
    pub(crate) soft_bytes: usize,
    /// Beyond this nothing goes in.
    pub(crate) hard_bytes: usize,
}

/// How a session is to end, decided by somebody other than its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// What waits is written first.
    Drained(CloseReason),
    /// At once.
    Now(CloseReason),
}

/// What a session is spoken to through.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Debug {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Debug> Socket for S {}

/// What waits to leave for one session, shared between its connection and all who speak to it.
#[derive(Debug)]
pub(crate) struct Outbox<S: ?Sized = dyn Socket> {
    inner: Mutex<Inner>,
    /// Taken before `inner`, and held while bytes move, so that they leave in the order in which they came.
    line: Mutex<Line<S>>,
}

/// The socket, and what it has not taken yet.
#[derive(Debug)]
struct Line<S: ?Sized> {
    writing: Option<Box<Writing>>,
    /// It takes nothing any more.
    is_broken: bool,
    socket: S,
}

/// What was taken from the queue, and not by the socket yet.
#[derive(Debug, Default)]
struct Writing {
    bytes: Vec<u8>,
    written: usize,
}

/// How far the socket took what waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FlushOutcome {
    /// All of it.
    Whole,
    /// Not all of it, but something if `some`. The connection is woken when it takes more.
    Blocked { some: bool },
    /// The socket is broken, and what waited is lost.
    Broken,
}

#[derive(Debug)]
struct Inner {
    /// What its session speaks.
    dialect: Dialect,
    /// Whole lines that its connection has not taken yet.
    queue: Vec<u8>,
    /// What was taken to be written and the socket did not take yet, in bytes. These two are no `usize`, because there is an outbox
    /// for each session.
    in_flight: u32,
    /// What was here when a draft was opened, in bytes, until that is closed.
    drafted: u32,
    /// Whether more waits than answers that may.
    is_urgent: bool,
    ending: Option<Ending>,
    /// Whether its own session is not read until there is room.
    owner_waits: bool,
    /// Its connection, and what that sleeps for.
    waker: Option<Waker>,
    sleep: Sleep,
    /// Sessions that are read later because of what waits here, the longest held first.
    paused_senders: Vec<(SessionId, Waker)>,
}

/// What a connection has to be woken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sleep {
    /// Nothing: it is awake, and will look.
    Awake,
    /// An end, or that something cannot be written.
    Idle,
    /// An end: its socket takes nothing, so more to write is no news.
    Blocked,
}

impl Inner {
    fn waiting_bytes(&self) -> usize {
        self.queue.len() + self.in_flight as usize + self.drafted as usize
    }

    fn is_below_soft(&self, watermarks: Watermarks) -> bool {
        self.waiting_bytes() <= watermarks.soft_bytes || self.ending.is_some()
    }

    fn wake(&mut self, wakers: &mut Vec<Waker>) {
        if std::mem::replace(&mut self.sleep, Sleep::Awake) != Sleep::Awake {
            wakers.extend(self.waker.clone());
        }
    }

    fn fall_asleep(&mut self, waker: &Waker, sleep: Sleep) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
        self.sleep = sleep;
    }

    fn remove_paused(&mut self, who: SessionId) {
        self.paused_senders.retain(|(held, _)| *held != who);
    }

    /// Lets as many go as there is room for the lines of, so that a crowd does not fill at once what was emptied.
    fn release(&mut self, watermarks: Watermarks) -> Vec<Waker> {
        let Some(room) = watermarks.soft_bytes.checked_sub(self.waiting_bytes()) else { return Vec::new() };
        let count = self.paused_senders.len().min(1 + room / LINE_MAX_BYTES);
        self.paused_senders.drain(..count).map(|(_, waker)| waker).collect()
    }
}

/// A number of bytes that has a bound of fewer ([`Settings`](crate::Settings)).
fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// How crowded an outbox above its soft mark is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Congestion {
    /// How much waits there, in bytes.
    pub(crate) waiting_bytes: usize,
    /// How many sessions are read later because of it.
    pub(crate) senders: usize,
}

/// An outbox that somebody writes to: its lock is taken once for all that is said in a turn, and once to close it.
///
/// Meanwhile there is nothing to take; what was there when it was opened still counts for the marks.
#[derive(Debug)]
pub(crate) struct OutboxWriter {
    outbox: Arc<Outbox>,
    dialect: Dialect,
    queue: Vec<u8>,
    /// What the socket had not taken when this was opened, in bytes: it may only have become less.
    in_flight: usize,
    /// What is appended is not to wait: more than answers to the session itself.
    is_urgent: bool,
    /// The session ends at once, and hears no more.
    is_over: bool,
}

impl OutboxWriter {
    /// Appends what `encode` does, or nothing of it where that would pass the hard mark.
    #[inline]
    pub(crate) fn append(
        &mut self,
        watermarks: Watermarks,
        encode: impl FnOnce(Dialect, &mut Vec<u8>) -> Then,
    ) -> Result<Appended, Full> {
        if self.is_over {
            return Err(Full);
        }
        if self.queue.capacity() == 0 {
            self.queue = buffers::take();
        }
        let before = self.queue.len();
        let then = encode(self.dialect, &mut self.queue);
        let waiting_bytes = self.queue.len() + self.in_flight;
        if waiting_bytes > watermarks.hard_bytes {
            self.queue.truncate(before);
            return Err(Full);
        }
        Ok(Appended { waiting_bytes, then })
    }

    /// What is appended is not to wait.
    pub(crate) fn hurry(&mut self) {
        self.is_urgent = true;
    }

    /// Puts back the queue. Returns the outbox where its connection sleeps, so that the caller has to write the queue.
    #[must_use]
    pub(crate) fn close(self) -> Option<Arc<Outbox>> {
        if self.queue.is_empty() {
            // A reply for which the dialect has no words must not leave a buffer with a session that waits.
            buffers::give_back(self.queue);
            return None;
        }
        let is_idle = {
            let mut inner = self.outbox.lock();
            inner.queue = self.queue;
            inner.drafted = 0;
            inner.is_urgent |= self.is_urgent;
            inner.sleep == Sleep::Idle
        };
        is_idle.then_some(self.outbox)
    }
}

/// What waits after a reply went in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended {
    /// How much waits now, in bytes.
    pub(crate) waiting_bytes: usize,
    /// Whether the reply was the dialect's last word.
    pub(crate) then: Then,
}

impl<S> Outbox<S> {
    /// An empty one, of a session that speaks `dialect` through `socket`.
    pub(crate) fn new(dialect: Dialect, socket: S) -> Self {
        let inner = Inner {
            dialect,
            queue: Vec::new(),
            in_flight: 0,
            drafted: 0,
            is_urgent: false,
            ending: None,
            owner_waits: false,
            waker: None,
            sleep: Sleep::Awake,
            paused_senders: Vec::new(),
        };
        Self { inner: Mutex::new(inner), line: Mutex::new(Line { writing: None, is_broken: false, socket }) }
    }
}

impl Outbox {
    /// For the connection: reads from the socket.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line().socket).poll_read(cx, buf)
    }

    /// For the connection: shuts the write side of the socket.
    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line().socket).poll_shutdown(cx)
    }

    /// For the connection: writes what waits, as far as the socket takes it, and tells how the session is to end.
    pub(crate) fn flush(&self, cx: &mut Context<'_>, watermarks: Watermarks) -> (FlushOutcome, Option<Ending>) {
        self.wake_up();
        self.write(cx, watermarks)
    }

    /// For whoever said something to a session that sleeps: writes it. Where that is not all there is to do, its
    /// connection is woken.
    pub(crate) fn write_directly(&self, watermarks: Watermarks) {
        let waker = {
            let inner = self.lock();
            match (&inner.waker, inner.sleep) {
                (Some(waker), Sleep::Idle) => waker.clone(),
                _ => return,
            }
        };
        let is_more_to_do = self.write(&mut Context::from_waker(&waker), watermarks) != (FlushOutcome::Whole, None);
        {
            let mut inner = self.lock();
            if !std::mem::take(&mut inner.owner_waits) && !is_more_to_do {
                return;
            }
            inner.sleep = Sleep::Awake;
        }
        waker.wake();
    }

    fn write(&self, cx: &mut Context<'_>, watermarks: Watermarks) -> (FlushOutcome, Option<Ending>) {
        let mut line = self.line();
        let mut writing = line.writing.take().map(|writing| *writing).unwrap_or_default();
        let mut some = false;
        loop {
            while writing.written < writing.bytes.len() {
                match Pin::new(&mut line.socket).poll_write(cx, &writing.bytes[writing.written..]) {
                    Poll::Ready(Ok(count)) if count > 0 => {
                        writing.written += count;
                        some = true;
                    }
                    Poll::Ready(Ok(_) | Err(_)) => {
                        writing.written = writing.bytes.len();
                        line.is_broken = true;
                    }
                    Poll::Pending => {
                        let left = writing.bytes.len() - writing.written;
                        line.writing = Some(Box::new(writing));
                        return (FlushOutcome::Blocked { some }, self.progress(left, watermarks));
                    }
                }
            }
            let (bytes, ending) = self.exchange(writing.bytes, watermarks);
            if bytes.is_empty() {
                return (if line.is_broken { FlushOutcome::Broken } else { FlushOutcome::Whole }, ending);
            }
            writing = Writing { bytes, written: 0 };
        }
    }

    /// Opens it for whoever writes to it now. What is appended is urgent, but for answers to the session itself. There is one
    /// at a time: nobody writes but under the hub's lock.
    pub(crate) fn open(self: &Arc<Self>, is_urgent: bool) -> OutboxWriter {
        let mut inner = self.lock();
        let queue = std::mem::take(&mut inner.queue);
        inner.drafted = small(queue.len());
        OutboxWriter {
            outbox: Arc::clone(self),
            dialect: inner.dialect,
            queue,
            in_flight: inner.in_flight as usize,
            is_urgent,
            is_over: matches!(inner.ending, Some(Ending::Now(_))),
        }
    }

    /// Has the connection woken, to write the queue.
    pub(crate) fn wake_connection(&self, wakers: &mut Vec<Waker>) {
        self.lock().wake(wakers);
    }

    /// Says how the session is to end. The first word stands, but for an end at once.
    pub(crate) fn end(&self, ending: Ending, wakers: &mut Vec<Waker>) {
        let mut inner = self.lock();
        if inner.ending.is_none() || matches!(ending, Ending::Now(_)) {
            inner.ending = Some(ending);
        }
        inner.wake(wakers);
        wakers.extend(inner.paused_senders.drain(..).map(|(_, waker)| waker));
    }

    /// When all that was taken is written: gives what waits, if anything does, in exchange for the buffer that it was in.
    fn exchange(&self, written: Vec<u8>, watermarks: Watermarks) -> (Vec<u8>, Option<Ending>) {
        let (taken, ending, paused_senders) = {
            let mut inner = self.lock();
            let taken = std::mem::take(&mut inner.queue);
            inner.in_flight = small(taken.len());
            // What is in a draft was not taken.
            inner.is_urgent &= taken.is_empty();
            let paused_senders = inner.release(watermarks);
            (taken, inner.ending, paused_senders)
        };
        buffers::give_back(written);
        paused_senders.into_iter().for_each(Waker::wake);
        (taken, ending)
    }

    /// When the socket took a part: `left` bytes of what was taken are still to be written.
    fn progress(&self, left: usize, watermarks: Watermarks) -> Option<Ending> {
        let (ending, paused_senders) = {
            let mut inner = self.lock();
            inner.in_flight = small(left);
            let paused_senders = inner.release(watermarks);
            (inner.ending, paused_senders)
        };
        paused_senders.into_iter().for_each(Waker::wake);
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
        inner.fall_asleep(waker, if blocked { Sleep::Blocked } else { Sleep::Idle });
        true
    }

    /// For the connection: it is awake, and will look.
    pub(crate) fn wake_up(&self) {
        self.lock().sleep = Sleep::Awake;
    }

    /// For the connection, before it sleeps while answers wait: true if it may, false if nothing waits, or more than answers.
    pub(crate) fn sleep_over_answers(&self, waker: &Waker) -> bool {
        let mut inner = self.lock();
        if inner.ending.is_some() || inner.is_urgent || inner.queue.is_empty() || inner.in_flight > 0 {
            return false;
        }
        inner.fall_asleep(waker, Sleep::Idle);
        true
    }

    /// Has `waker` woken when there is room for what `who` says, and tells how crowded it is; `None` where there is room
    /// already.
    pub(crate) fn pause_sender(&self, who: SessionId, waker: &Waker, watermarks: Watermarks) -> Option<Congestion> {
        let mut inner = self.lock();
        if inner.is_below_soft(watermarks) {
            inner.remove_paused(who);
            return None;
        }
        match inner.paused_senders.iter_mut().find(|(held, _)| *held == who) {
            Some((_, held)) => held.clone_from(waker),
            None => inner.paused_senders.push((who, waker.clone())),
        }
        Some(Congestion { waiting_bytes: inner.waiting_bytes(), senders: inner.paused_senders.len() })
    }

    /// Forgets that `who` is held back.
    pub(crate) fn remove_paused(&self, who: SessionId) {
        self.lock().remove_paused(who);
    }

    /// For the connection: whether less waits here than the soft mark. Where not, it is woken when somebody else has
    /// written what waits.
    pub(crate) fn is_below_soft(&self, watermarks: Watermarks) -> bool {
        let mut inner = self.lock();
        inner.owner_waits = !inner.is_below_soft(watermarks);
        !inner.owner_waits
    }

    /// Whether something waits here.
    pub(crate) fn owes(&self) -> bool {
        self.lock().waiting_bytes() > 0
    }

    fn line(&self) -> MutexGuard<'_, Line<dyn Socket + 'static>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
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
        let watermarks = Watermarks { soft_bytes: 10, hard_bytes: 100 };
        let outbox: Arc<Outbox> = Arc::new(Outbox::new(Dialect::Commands, tokio::io::empty()));
        let write = |writer: &mut OutboxWriter| {
            let written = writer.append(watermarks, |_, queue| {
                queue.extend_from_slice(b"twenty bytes of text");
                Then::Carry
            });
            written.expect("there is room");
        };
        let mut writer = outbox.open(true);
        write(&mut writer);
        assert!(writer.close().is_none(), "its connection is awake");

        let mut writer = outbox.open(true);
        let paused_senders = || {
            outbox
                .pause_sender(SessionId::default(), Waker::noop(), watermarks)
                .map(|congestion| congestion.waiting_bytes)
        };
        assert_eq!(paused_senders(), Some(20), "while it is written to");
        let (nothing, _) = outbox.exchange(Vec::new(), watermarks);
        assert_eq!(
            (nothing.len(), outbox.lock().paused_senders.len()),
            (0, 1),
            "nobody is let go for what is out of sight"
        );
        write(&mut writer);
        assert!(writer.close().is_none(), "its connection is awake");
        assert_eq!(paused_senders(), Some(40), "when it is closed");
        let (all, _) = outbox.exchange(Vec::new(), watermarks);
        assert_eq!((all.len(), paused_senders()), (40, Some(40)), "until it is written");
        outbox.exchange(all, watermarks);
        assert_eq!((paused_senders(), outbox.lock().paused_senders.len()), (None, 0), "and no longer");
    }
}
