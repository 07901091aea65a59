//! What waits to leave for one session.
//!
//! Whoever has something to say appends whole lines; the session's own connection takes all of it and writes it in as
//! few calls as the socket takes. Bounded in bytes: above a soft mark those who fill it are read later, at the hard
//! mark nothing more goes in.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use switchboard_core::{Closed, Full};
use switchboard_protocol::Then;

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
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Whole lines that its connection has not taken yet.
    queue: Vec<u8>,
    /// What its connection took and the socket did not, in bytes.
    in_flight: usize,
    ending: Option<Ending>,
    /// Its connection, while that sleeps.
    sleeper: Option<Waker>,
    /// Sessions that are read later because of what waits here.
    held_back: Vec<Waker>,
}

impl Inner {
    fn waiting_bytes(&self) -> usize {
        self.queue.len() + self.in_flight
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
    /// Appends what `encode` does, or nothing of it where that would pass the hard mark. Whoever has to be woken joins
    /// `wakers`.
    pub(crate) fn append(
        &self,
        marks: Marks,
        wakers: &mut Vec<Waker>,
        encode: impl FnOnce(&mut Vec<u8>) -> Then,
    ) -> Result<Pushed, Full> {
        let mut inner = self.lock();
        if inner.queue.capacity() == 0 {
            inner.queue = buffers::take();
        }
        let before = inner.queue.len();
        let then = encode(&mut inner.queue);
        let waiting_bytes = inner.waiting_bytes();
        if waiting_bytes > marks.hard_bytes {
            inner.queue.truncate(before);
            return Err(Full);
        }
        if inner.queue.len() > before {
            wakers.extend(inner.sleeper.take());
        }
        Ok(Pushed { waiting_bytes, then })
    }

    /// Says how the session is to end. The first word stands, but for an end at once.
    pub(crate) fn end(&self, ending: Ending, wakers: &mut Vec<Waker>) {
        let mut inner = self.lock();
        if inner.ending.is_none() || matches!(ending, Ending::Now(_)) {
            inner.ending = Some(ending);
        }
        wakers.extend(inner.sleeper.take());
        wakers.append(&mut inner.held_back);
    }

    /// For the connection, when all that it took is written: gives it what waits, if anything does, in exchange for
    /// the buffer that it had.
    pub(crate) fn exchange(&self, written: Vec<u8>, marks: Marks) -> (Vec<u8>, Option<Ending>) {
        let (taken, ending, held_back) = {
            let mut inner = self.lock();
            let taken = std::mem::take(&mut inner.queue);
            inner.in_flight = taken.len();
            let held_back = inner.release_below(marks);
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
            inner.in_flight = left;
            let held_back = inner.release_below(marks);
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
        if !inner.sleeper.as_ref().is_some_and(|sleeper| sleeper.will_wake(waker)) {
            inner.sleeper = Some(waker.clone());
        }
        true
    }

    /// Has `waker` woken when less waits here than the soft mark. False if that is so already.
    pub(crate) fn hold_back(&self, waker: &Waker, marks: Marks) -> bool {
        let mut inner = self.lock();
        if inner.waiting_bytes() <= marks.soft_bytes || inner.ending.is_some() {
            return false;
        }
        if !inner.held_back.iter().any(|held| held.will_wake(waker)) {
            inner.held_back.push(waker.clone());
        }
        true
    }

    /// Whether less waits here than the soft mark.
    pub(crate) fn is_below_soft(&self, marks: Marks) -> bool {
        let inner = self.lock();
        inner.waiting_bytes() <= marks.soft_bytes || inner.ending.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change under this lock is whole before anything can panic, so a poisoned one is as good as any.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn release_below(&mut self, marks: Marks) -> Vec<Waker> {
        if self.held_back.is_empty() || self.waiting_bytes() > marks.soft_bytes {
            return Vec::new();
        }
        std::mem::take(&mut self.held_back)
    }
}
