//! One connection: bytes in, lines to the hub, and what waits for it out again.
//!
//! A single task reads and writes, as a state machine rather than two loops, so that it holds no buffer while it waits
//! and so that a peer that half-closes still gets what it is owed:
//!
//! ```text
//! Talking ──EOF, refusal, shutdown──▶ Draining ──all is written──▶ Lingering ──EOF or a second──▶ over
//! ```
//!
//! Lingering reads on and drops what it reads: to close with bytes unread would reset the connection, and a reset may
//! destroy what the peer has not read yet (RFC 9112 §9.6 has the same for HTTP).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use switchboard_core::Closed;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::admission::Pass;
use crate::buffers;
use crate::hub::Hub;
use crate::outbox::{Ending, Marks, Outbox};
use crate::pace::{self, LineRate, Pause};
use crate::speaker::Speaker;

/// How long a connection whose last word is written waits for its peer to close too.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// How long a session that is over may take to read what it is owed: as long as a full outbox takes at 56 kbit/s.
const DRAIN: Duration = Duration::from_mins(5);

/// How long what a session said before its connection broke may take to be heard.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How many turns a connection takes before others have theirs, where each finds something to read.
const TURNS_PER_POLL: usize = 4;

/// One connection, over anything that reads and writes.
pub(crate) struct Connection<S> {
    stream: S,
    hub: Arc<Hub>,
    speaker: Speaker,
    outbox: Arc<Outbox>,
    /// What was read and not taken yet, because a turn ended before it; empty but under load.
    backlog: Backlog,
    /// What the socket has not taken yet of what was taken from the outbox.
    writing: Writing,
    stage: Stage,
    pause: Option<Pause>,
    line_rate: Option<Box<LineRate>>,
    /// One clock for all that may be waited for; there only while something is.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Counts this connection for as long as it lives.
    _pass: Pass,
}

#[derive(Debug, Default)]
struct Backlog {
    bytes: Vec<u8>,
    taken: usize,
}

#[derive(Debug, Default)]
struct Writing {
    bytes: Vec<u8>,
    written: usize,
    /// Since when the socket has taken nothing.
    stalled_since: Option<Instant>,
    /// Since when the socket is broken, and takes nothing any more.
    broken_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Talking,
    Draining { why: Closed, until: Instant },
    Lingering { until: Instant },
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S, hub: Arc<Hub>, speaker: Speaker, outbox: Arc<Outbox>, pass: Pass) -> Self {
        let per_second = if pass.is_limited() { hub.settings.lines_per_second } else { 0 };
        let line_rate = (per_second > 0).then(|| Box::new(LineRate::new(per_second, Instant::now())));
        Self {
            stream,
            hub,
            speaker,
            outbox,
            backlog: Backlog::default(),
            writing: Writing::default(),
            stage: Stage::Talking,
            pause: None,
            line_rate,
            alarm: None,
            _pass: pass,
        }
    }

    fn marks(&self) -> Marks {
        self.hub.settings.marks()
    }

    /// Writes what waits, as far as the socket takes it: whether that was all, and how the session is to end.
    fn flush(&mut self, cx: &mut Context<'_>) -> (bool, Option<Ending>) {
        loop {
            let Writing { bytes, written, stalled_since, broken_since } = &mut self.writing;
            while *written < bytes.len() {
                match Pin::new(&mut self.stream).poll_write(cx, &bytes[*written..]) {
                    Poll::Ready(Ok(count)) if count > 0 => {
                        *written += count;
                        *stalled_since = None;
                    }
                    Poll::Ready(Ok(_) | Err(_)) => {
                        // It hears no more, but what it said before may still be unread: reading finds its end.
                        *written = bytes.len();
                        broken_since.get_or_insert_with(Instant::now);
                    }
                    Poll::Pending => {
                        stalled_since.get_or_insert_with(Instant::now);
                        let left = bytes.len() - *written;
                        return (false, self.outbox.progress(left, self.marks()));
                    }
                }
            }
            let written = std::mem::take(&mut self.writing.bytes);
            let (bytes, ending) = self.outbox.exchange(written, self.marks());
            self.writing = Writing { bytes, broken_since: self.writing.broken_since, ..Writing::default() };
            if self.writing.bytes.is_empty() {
                return (true, ending);
            }
        }
    }

    /// Reads once, unless this session is read later, and has the lines carried out. `Err` is why the session is over.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let lines_max = ready!(self.lines_allowed(cx));
        buffers::with_scratch(|scratch| {
            let Backlog { bytes: backlog, taken } = std::mem::take(&mut self.backlog);
            let mut unread = &backlog[taken..];
            if unread.is_empty() {
                let mut buf = ReadBuf::new(&mut scratch.read);
                let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf));
                let count = buf.filled().len();
                match read {
                    Ok(()) if count == 0 && self.writing.broken_since.is_some() => {
                        return Poll::Ready(Err(Closed::Reset));
                    }
                    Ok(()) if count == 0 => return Poll::Ready(Err(Closed::Quit)),
                    Ok(()) => unread = &scratch.read[..count],
                    Err(_) => return Poll::Ready(Err(Closed::Reset)),
                }
            }
            let turn = self.hub.turn(&mut self.speaker, &mut unread, lines_max, &mut scratch.wakers);
            scratch.wakers.drain(..).for_each(Waker::wake);
            if let Some(why) = turn.over {
                return Poll::Ready(Err(why));
            }
            if let Some(line_rate) = &mut self.line_rate {
                line_rate.spend(turn.lines);
            }
            if !unread.is_empty() {
                let left = unread.len();
                self.backlog = if backlog.is_empty() {
                    Backlog { bytes: unread.to_vec(), taken: 0 }
                } else {
                    Backlog { taken: backlog.len() - left, bytes: backlog }
                };
            }
            if let Some(outbox) = turn.crowded {
                self.pause = self.pause_for(outbox, cx);
            }
            Poll::Ready(Ok(()))
        })
    }

    /// How many lines may be taken now; not ready while this session is read later.
    fn lines_allowed(&mut self, cx: &Context<'_>) -> Poll<usize> {
        let marks = self.marks();
        if let Some(pause) = &mut self.pause {
            let is_over = match pause {
                Pause::Rate { until } => *until <= Instant::now(),
                Pause::Crowded { outbox, since, until } => {
                    let crowd = outbox.hold_back(self.speaker.id, cx.waker(), marks);
                    *until = crowd.map_or(*since, |crowd| *since + pace::delay(crowd, marks));
                    *until <= Instant::now()
                }
                Pause::OwnOutbox => self.outbox.is_below_soft(marks),
            };
            if !is_over {
                return Poll::Pending;
            }
            self.end_pause();
        }
        let turn_lines = self.hub.settings.turn_lines;
        let Some(line_rate) = self.line_rate.as_mut().filter(|_| self.writing.broken_since.is_none()) else {
            return Poll::Ready(turn_lines);
        };
        match line_rate.allowance(Instant::now()) {
            Ok(lines) => Poll::Ready(lines.min(turn_lines)),
            Err(until) => {
                self.pause = Some(Pause::Rate { until });
                Poll::Pending
            }
        }
    }

    /// How long this session is not read, after it added to an outbox above its soft mark.
    fn pause_for(&self, outbox: Arc<Outbox>, cx: &Context<'_>) -> Option<Pause> {
        if Arc::ptr_eq(&outbox, &self.outbox) {
            return Some(Pause::OwnOutbox);
        }
        let crowd = outbox.hold_back(self.speaker.id, cx.waker(), self.marks())?;
        let since = Instant::now();
        Some(Pause::Crowded { outbox, since, until: since + pace::delay(crowd, self.marks()) })
    }

    fn end_pause(&mut self) {
        if let Some(Pause::Crowded { outbox, .. }) = self.pause.take() {
            outbox.let_go(self.speaker.id);
        }
    }

    /// Ends the talking: nobody speaks to this session any more, and what it is owed is written.
    fn end(&mut self, why: Closed) {
        self.hub.leave(self.speaker.id, why);
        self.backlog = Backlog::default();
        self.end_pause();
        self.stage = Stage::Draining { why, until: Instant::now() + DRAIN };
    }

    /// Shuts the write side, then reads on until the peer closes too.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Stage::Draining { why, .. } = self.stage {
            let shut = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
            if shut.is_err() || matches!(why, Closed::Quit | Closed::Reset) {
                return Poll::Ready(());
            }
            self.stage = Stage::Lingering { until: Instant::now() + LINGER };
        }
        buffers::with_scratch(|scratch| {
            loop {
                let mut buf = ReadBuf::new(&mut scratch.read);
                let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf));
                if read.is_err() || buf.filled().is_empty() {
                    return Poll::Ready(());
                }
            }
        })
    }

    /// When the connection is over, whatever it still waits for, and why.
    fn deadline(&self) -> Option<(Instant, Closed)> {
        let Writing { stalled_since, broken_since, .. } = self.writing;
        let stalled = stalled_since.map(|since| (since + self.hub.settings.outbox_timeout, Closed::SlowConsumer));
        let broken = broken_since.map(|since| (since + LAST_WORDS, Closed::Reset));
        let stage = match self.stage {
            Stage::Talking => None,
            Stage::Draining { until, .. } | Stage::Lingering { until } => Some((until, Closed::Quit)),
        };
        [stalled, broken, stage].into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }

    /// Sets the alarm for whatever comes first. Ready once that has come.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause_end = self.pause.as_ref().and_then(Pause::until);
        let Some(until) = self.deadline().map(|(deadline, _)| deadline).into_iter().chain(pause_end).min() else {
            self.alarm = None;
            return Poll::Pending;
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if alarm.deadline() != until {
            alarm.as_mut().reset(until);
        }
        alarm.as_mut().poll(cx)
    }

    /// Moves on as far as it can. Ready with the reason once the connection is over.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        let mut turns = 0;
        loop {
            let (flushed, ending) = self.flush(cx);
            // Looked at on every round, because whoever keeps a connection busy never lets its alarm ring.
            if let Some((deadline, why)) = self.deadline()
                && deadline <= Instant::now()
            {
                return Poll::Ready(why);
            }
            match (self.stage, ending) {
                (_, Some(Ending::Now(why))) => return Poll::Ready(why),
                (Stage::Talking, Some(Ending::Drained(why))) => {
                    self.end(why);
                    continue;
                }
                (Stage::Talking, None) if turns < TURNS_PER_POLL => match self.turn(cx) {
                    Poll::Ready(Ok(())) => {
                        turns += 1;
                        continue;
                    }
                    Poll::Ready(Err(why)) => {
                        self.end(why);
                        continue;
                    }
                    Poll::Pending => {}
                },
                (Stage::Talking, None) => {
                    // What the turns were answered with is on its way; now others have theirs.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                (Stage::Draining { .. } | Stage::Lingering { .. }, _) if flushed => {
                    if self.linger(cx).is_ready() {
                        return Poll::Ready(Closed::Quit);
                    }
                }
                (Stage::Draining { .. } | Stage::Lingering { .. }, _) => {}
            }
            if self.poll_alarm(cx).is_ready() {
                continue;
            }
            if self.outbox.sleep(cx.waker(), ending, !flushed) {
                return Poll::Pending;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Connection<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let why = ready!(this.advance(cx));
        this.hub.leave(this.speaker.id, why);
        Poll::Ready(())
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        if let Some(Pause::Crowded { outbox, .. }) = &self.pause {
            outbox.let_go(self.speaker.id);
        }
        self.hub.forget(self.speaker.id);
    }
}
