//! The task of one connection: reads lines, passes them to the hub, and writes the outbox.
//!
//! One task reads and writes. It is a state machine instead of two loops, for two reasons: the task holds no buffer
//! while it waits, and a client that half-closes still receives its unsent bytes.
//!
//! ```text
//! Open ──EOF, refusal, shutdown──▶ Draining ──all bytes sent──▶ Lingering ──EOF or 1 s──▶ closed
//! ```
//!
//! A lingering connection reads and discards. A close with unread bytes would reset the connection, and a reset may
//! destroy bytes that the client has not read yet (compare RFC 9112 §9.6 for HTTP). If the client has closed its side,
//! the first read is the last. A WebSocket ends its input with a Close, after which bytes may follow.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use switchboard_core::{CloseReason, SessionId};
use switchboard_protocol::{Dialect, ReceivedBytes};
use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep};

use crate::admission::Permit;
use crate::buffers;
use crate::hub::Hub;
use crate::linger::LINGER_MAX;
use crate::outbox::{Ending, FlushOutcome, Outbox, TaskState, Watermarks};
use crate::reply_delay::{self, ReplyDelay};
use crate::set_aside::SetAside;
use crate::speaker::Speaker;
use crate::tcp_info;
use crate::throttle::{CongestedTarget, Pause, TokenBucket};

/// Maximum time that a connection drains: the time in which a full outbox of 2 MiB is sent at 56 kbit/s.
const DRAIN_MAX: Duration = Duration::from_mins(5);

/// Maximum time to handle the lines that a client sent before a write to it failed.
const BROKEN_READ_MAX: Duration = Duration::from_secs(2);

/// Maximum lines of a turn that handles a backlog, and the intended number of lines in a read from a flooding session.
/// This is fewer than the default `turn_lines`, so that a flood delays other sessions less. If `turn_lines` is set to
/// an even lower number, that number applies here, too.
const FLOOD_LINES: usize = 64;

/// Minimum size of a read from a flooding session, in bytes.
const FLOOD_READ_MIN_BYTES: usize = 4 * 1024;

/// A connection and its task.
///
/// Most connections are idle, so the state that an idle connection does not need is boxed.
pub(crate) struct Connection {
    hub: Arc<Hub>,
    speaker: Speaker,
    outbox: Arc<Outbox>,
    reply_delay: ReplyDelay,
    /// The mean length of a line in the last turn, in bytes. `None` unless the session floods: its last read filled the
    /// buffer.
    flood_line_bytes: Option<u16>,
    backlog: Backlog,
    slow: Option<Box<SlowState>>,
    line_bucket: Option<Box<TokenBucket>>,
    /// Dropped last, so that the session counts until its socket is closed.
    _permit: Permit,
}

// The runtime adds 104 bytes, and rounds the size of a task up to a multiple of 128 bytes. With this limit, a task has
// 256 bytes.
const _: () = assert!(size_of::<Connection>() <= 2 * 128 - 104);

/// The state of a connection that is not simply open and idle: blocked, paused, delayed or closing. Freed when none of
/// these holds.
#[derive(Debug, Default)]
struct SlowState {
    stage: Stage,
    /// The time at which the socket stopped taking bytes.
    stalled_since: Option<Instant>,
    /// The time of the first failed write.
    broken_since: Option<Instant>,
    pause: Option<Pause>,
    /// The client has closed its sending side, and waits for the answer to a request, but not longer than this. The store
    /// may be unable to give the answer.
    last_answer_until: Option<Instant>,
    set_aside: SetAside,
    delayed_replies: Option<DelayedReplies>,
    /// One timer for all deadlines. It is removed when it has fired and no deadline is left.
    timer: Option<Pin<Box<Sleep>>>,
}

/// Replies that wait for the session's next command.
#[derive(Clone, Copy, Debug)]
struct DelayedReplies {
    until: Instant,
    /// The value of [`ReplyDelay::unwritten_turns`] when the delay began. That value grows when a command arrives.
    unwritten_turns: u8,
}

/// Bytes that were read but not handled, because a turn ended before them.
#[derive(Debug, Default)]
struct Backlog {
    bytes: Vec<u8>,
    /// Number of bytes at the front that later turns have handled.
    handled: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Open,
    /// The session has ended for `reason`. Its unsent bytes are written, but not after `until`.
    Draining { reason: CloseReason, until: Instant },
    /// The write side is shut down. The client's bytes are read and discarded, but not after `until`.
    Lingering { until: Instant },
}

impl SlowState {
    /// The earliest deadline at which the connection ends, and the reason for this end. If the system reports
    /// acknowledgements, `reader_watch` decides about stalled readers.
    fn deadline(&self, outbox_timeout: Duration) -> Option<(Instant, CloseReason)> {
        let stalled_since = self.stalled_since.filter(|_| !tcp_info::IS_AVAILABLE);
        let stalled = stalled_since.map(|since| (since + outbox_timeout, CloseReason::SlowConsumer));
        let broken = self.broken_since.map(|since| (since + BROKEN_READ_MAX, CloseReason::Reset));
        let stage = match self.stage {
            Stage::Open => self.last_answer_until.map(|until| (until, CloseReason::Quit)),
            Stage::Draining { until, .. } | Stage::Lingering { until } => Some((until, CloseReason::Quit)),
        };
        [stalled, broken, stage].into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }

    /// Whether all fields have their default values.
    fn is_empty(&self) -> bool {
        self.is_unimpeded() && self.delayed_replies.is_none() && self.timer.is_none()
    }

    /// Whether the connection is open, its socket takes bytes, and reading is not paused.
    fn is_unimpeded(&self) -> bool {
        matches!(self.stage, Stage::Open)
            && self.stalled_since.is_none()
            && self.broken_since.is_none()
            && self.pause.is_none()
            && self.set_aside.is_empty()
    }
}

impl Connection {
    pub(crate) fn new(hub: Arc<Hub>, speaker: Speaker, outbox: Arc<Outbox>, permit: Permit) -> Self {
        let per_second = if permit.is_limited() { hub.settings.lines_per_second } else { 0 };
        let line_bucket = (per_second > 0).then(|| Box::new(TokenBucket::new(per_second, Instant::now())));
        Self {
            hub,
            _permit: permit,
            speaker,
            outbox,
            reply_delay: ReplyDelay::new(),
            flood_line_bytes: None,
            backlog: Backlog::default(),
            slow: None,
            line_bucket,
        }
    }

    fn watermarks(&self) -> Watermarks {
        self.hub.watermarks
    }

    fn stage(&self) -> Stage {
        self.slow.as_ref().map_or(Stage::Open, |slow| slow.stage)
    }

    fn is_broken(&self) -> bool {
        self.slow.as_ref().is_some_and(|slow| slow.broken_since.is_some())
    }

    fn has_delayed_replies(&self) -> bool {
        self.slow.as_ref().is_some_and(|slow| slow.delayed_replies.is_some())
    }

    /// The state of a connection that is not simply open and idle, created if needed.
    fn slow_mut(&mut self) -> &mut SlowState {
        self.slow.get_or_insert_default()
    }

    /// Writes unsent bytes until the socket takes no more. Returns whether no unsent bytes are left, and how the hub
    /// wants the session to end, if it does. If the socket is broken, the unsent bytes are lost, so none are left.
    fn flush(&mut self, cx: &mut Context<'_>) -> (bool, Option<Ending>) {
        let (outcome, ending) = self.outbox.flush(cx, self.watermarks());
        match outcome {
            FlushOutcome::Complete => {
                if let Some(slow) = &mut self.slow {
                    slow.stalled_since = None;
                }
            }
            FlushOutcome::Blocked { has_progress } => {
                let stalled_since = &mut self.slow_mut().stalled_since;
                if has_progress {
                    *stalled_since = None;
                }
                stalled_since.get_or_insert_with(Instant::now);
            }
            FlushOutcome::Broken => {
                // The client's last lines may be unread, so the connection goes on reading until the end of the input.
                let slow = self.slow_mut();
                slow.stalled_since = None;
                slow.broken_since.get_or_insert_with(Instant::now);
            }
        }
        (!matches!(outcome, FlushOutcome::Blocked { .. }), ending)
    }

    /// Handles lines of the backlog, or of one read if there is no backlog. Pending if reading is paused or there is no
    /// input. `Err` if the session has ended.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        if let Some(result) = self.turn_of_set_aside(cx) {
            return Poll::Ready(result);
        }
        if let Some(SlowState { set_aside, .. }) = self.slow.as_deref() {
            match set_aside.end_of_input {
                Some(reason) if !set_aside.has_lines() => return Poll::Ready(Err(reason)),
                None if !set_aside.is_full() => {}
                _ => return Poll::Pending,
            }
        }
        let lines_max = ready!(self.lines_allowed(cx));
        buffers::with_read_buffer(|read_buffer| {
            let Backlog { bytes: backlog, handled } = std::mem::take(&mut self.backlog);
            let mut read = &backlog[handled..];
            let mut is_flood = self.flood_line_bytes.is_some();
            if read.is_empty() {
                let read_bytes = self.read_bytes();
                let mut buf = ReadBuf::new(&mut read_buffer[..read_bytes]);
                let outcome = ready!(self.outbox.poll_read(cx, &mut buf));
                let count = buf.filled().len();
                is_flood = count == read_bytes;
                match outcome {
                    Ok(()) if count == 0 && self.is_broken() => return self.end_of_input(CloseReason::Reset, cx),
                    Ok(()) if count == 0 => {
                        if self.speaker.is_version2() && self.hub.end_of_input(self.speaker.id) {
                            let slow = self.slow_mut();
                            slow.pause = Some(Pause::Request);
                            slow.last_answer_until = Some(Instant::now() + DRAIN_MAX);
                            return Poll::Ready(Ok(()));
                        }
                        return self.end_of_input(CloseReason::Quit, cx);
                    }
                    Ok(()) => read = &read_buffer[..count],
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        return self.end_of_input(CloseReason::WrongProtocol, cx);
                    }
                    Err(_) => return self.end_of_input(CloseReason::Reset, cx),
                }
            }
            // A turn handles only a part of a long backlog, so a scan of all its bytes would cost more than it saves.
            let (mut unread, lines_max) = if backlog.is_empty() {
                (ReceivedBytes::with_ascii_scan(read), lines_max)
            } else {
                (ReceivedBytes::new(read), lines_max.min(FLOOD_LINES))
            };
            let set_aside =
                self.slow.as_mut().map(|slow| &mut slow.set_aside).filter(|set_aside| !set_aside.is_empty());
            let turn = self.hub.turn(&mut self.speaker, &mut unread, lines_max, set_aside, None);
            if let Some(reason) = turn.closed {
                return Poll::Ready(Err(reason));
            }
            if let Some(line_bucket) = &mut self.line_bucket {
                line_bucket.take(turn.lines);
            }
            let unhandled = unread.as_bytes();
            self.flood_line_bytes = is_flood.then(|| {
                let line_bytes = (read.len() - unhandled.len()) / turn.lines.max(1);
                u16::try_from(line_bytes).unwrap_or(u16::MAX)
            });
            if unhandled.is_empty() {
                buffers::give_back(backlog);
            } else if backlog.is_empty() {
                let mut bytes = buffers::take();
                bytes.extend_from_slice(unhandled);
                self.backlog = Backlog { bytes, handled: 0 };
            } else {
                self.backlog = Backlog { handled: backlog.len() - unhandled.len(), bytes: backlog };
            }
            if turn.is_paused {
                self.end_pause();
                self.slow_mut().pause = Some(Pause::Request);
            } else if let Some((target, outbox)) = turn.congested {
                self.pause_after(target, outbox, cx);
            } else if turn.describes_connection && !self.outbox.is_below_soft_mark(self.watermarks()) {
                self.pause_after(self.speaker.id, Arc::clone(&self.outbox), cx);
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Takes a turn with lines that were set aside, if the pause of their target is over.
    fn turn_of_set_aside(&mut self, cx: &Context<'_>) -> Option<Result<(), CloseReason>> {
        let watermarks = self.watermarks();
        let SlowState { set_aside, pause, .. } = self.slow.as_deref_mut()?;
        if set_aside.is_empty() {
            return None;
        }
        if let Some(Pause::OwnOutbox) = pause {
            if !self.outbox.is_below_soft_mark(watermarks) {
                return None;
            }
            *pause = None;
        }
        let (target, lines) = set_aside.next_ready(self.speaker.id, cx.waker(), watermarks)?;
        let mut unread = ReceivedBytes::new(&lines);
        let mut speaker = Speaker::new(self.speaker.id, self.speaker.dialect, self.hub.settings.line_bytes);
        let lines_max = FLOOD_LINES.min(self.hub.settings.turn_lines);
        let turn = self.hub.turn(&mut speaker, &mut unread, lines_max, None, Some(target));
        let handled = lines.len() - unread.as_bytes().len();
        set_aside.give_back(target, lines, handled);
        if let Some(reason) = turn.closed {
            return Some(Err(reason));
        }
        if let Some((target, outbox)) = turn.congested {
            self.pause_after(target, outbox, cx);
        }
        Some(Ok(()))
    }

    /// Ends the session for `reason`, or waits until the lines that were set aside are handled.
    fn end_of_input(&mut self, reason: CloseReason, cx: &Context<'_>) -> Poll<Result<(), CloseReason>> {
        match self.slow.as_mut().map(|slow| &mut slow.set_aside).filter(|set_aside| set_aside.has_lines()) {
            Some(set_aside) => {
                set_aside.end_of_input = Some(reason);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(Err(reason)),
        }
    }

    /// The size of the next read, in bytes: about [`FLOOD_LINES`] lines if the session floods, else the whole buffer.
    fn read_bytes(&self) -> usize {
        self.flood_line_bytes.map_or(buffers::READ_BYTES, |line_bytes| {
            (FLOOD_LINES * usize::from(line_bytes)).clamp(FLOOD_READ_MIN_BYTES, buffers::READ_BYTES)
        })
    }

    /// The maximum number of lines in the next turn. Pending while reading is paused.
    fn lines_allowed(&mut self, cx: &Context<'_>) -> Poll<usize> {
        let watermarks = self.watermarks();
        if let Some(pause) = self.slow.as_mut().and_then(|slow| slow.pause.as_mut()) {
            let is_pause_over = match pause {
                Pause::Rate { until } => *until <= Instant::now(),
                Pause::Congested(target) => target.is_pause_over(self.speaker.id, cx.waker(), watermarks),
                Pause::OwnOutbox => self.outbox.is_below_soft_mark(watermarks),
                Pause::Request => !self.hub.is_paused(self.speaker.id),
            };
            if !is_pause_over {
                return Poll::Pending;
            }
            self.end_pause();
        }
        let turn_lines = self.hub.settings.turn_lines;
        // A broken connection has no limit, so that its last lines are handled before `BROKEN_READ_MAX`.
        let is_broken = self.is_broken();
        let Some(line_bucket) = self.line_bucket.as_mut().filter(|_| !is_broken) else {
            return Poll::Ready(turn_lines);
        };
        match line_bucket.available(Instant::now()) {
            Ok(lines) => Poll::Ready(lines.min(turn_lines)),
            Err(until) => {
                self.slow_mut().pause = Some(Pause::Rate { until });
                Poll::Pending
            }
        }
    }

    /// Pauses after a turn that appended to the outbox of `target` and left it above its soft mark, unless it has room
    /// again. In the line dialect, only the lines to this target are paused, if possible.
    fn pause_after(&mut self, target: SessionId, mut outbox: Arc<Outbox>, cx: &Context<'_>) {
        let (id, watermarks) = (self.speaker.id, self.watermarks());
        if target == id {
            // It may replace the pause for another outbox. The next line to that outbox begins a new one.
            self.end_pause();
            self.slow_mut().pause = Some(Pause::OwnOutbox);
            return;
        }
        if self.speaker.dialect == Dialect::Line {
            match self.slow_mut().set_aside.pause(id, target, outbox, cx.waker(), watermarks) {
                Ok(()) => return,
                Err(unpaused) => outbox = unpaused,
            }
        }
        let Some(congested) = CongestedTarget::pause(id, outbox, cx.waker(), watermarks) else { return };
        self.end_pause();
        self.slow_mut().pause = Some(Pause::Congested(congested));
    }

    /// Ends the session in the hub, and starts to drain its outbox.
    fn end(&mut self, reason: CloseReason) {
        self.hub.close(self.speaker.id, reason);
        self.end_pauses();
        self.backlog = Backlog::default();
        let slow = self.slow_mut();
        slow.stage = Stage::Draining { reason, until: Instant::now() + DRAIN_MAX };
    }

    /// Shuts down the write side, and then reads until the client closes. Ready when the connection can be closed.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Stage::Draining { reason, .. } = self.stage() {
            // After `Reset`, the connection is broken.
            if reason == CloseReason::Reset || ready!(self.outbox.poll_shutdown(reason, cx)).is_err() {
                return Poll::Ready(());
            }
            self.slow_mut().stage = Stage::Lingering { until: Instant::now() + LINGER_MAX };
        }
        buffers::with_read_buffer(|read_buffer| {
            loop {
                let mut buf = ReadBuf::new(read_buffer);
                let read = ready!(self.outbox.poll_read(cx, &mut buf));
                if read.is_err() || buf.filled().is_empty() {
                    return Poll::Ready(());
                }
            }
        })
    }

    /// Sets the timer to the earliest deadline. Ready when this deadline has passed.
    ///
    /// If the deadline has moved to a later time, the timer is reset only when it fires: a reset costs more than an
    /// early wake-up.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let outbox_timeout = self.hub.settings.outbox_timeout;
        let Some(slow) = &mut self.slow else { return Poll::Pending };
        let pause_end = slow.pause.as_ref().and_then(Pause::until);
        // While the session's own outbox is full, no line that was set aside may go.
        let is_congested = matches!(slow.pause, Some(Pause::OwnOutbox));
        let target_pause_end = slow.set_aside.next_due().filter(|_| !is_congested);
        let replies_due = slow.delayed_replies.map(|delayed_replies| delayed_replies.until);
        let deadline = slow.deadline(outbox_timeout).map(|(deadline, _)| deadline);
        let Some(until) = [deadline, pause_end, target_pause_end, replies_due].into_iter().flatten().min() else {
            slow.timer.take_if(|timer| timer.is_elapsed());
            return Poll::Pending;
        };
        let timer = slow.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if until < timer.deadline() {
            timer.as_mut().reset(until);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if until <= timer.deadline() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
        Poll::Pending
    }

    /// Records that the task sleeps while its replies wait for the next command. Returns false if the replies must be
    /// written now.
    fn sleep_with_delayed_replies(&mut self, cx: &mut Context<'_>) -> bool {
        let is_unimpeded = self.slow.as_ref().is_none_or(|slow| slow.is_unimpeded());
        if !is_unimpeded || !self.reply_delay.should_delay() || !self.outbox.delay_replies(cx.waker()) {
            return false;
        }
        let unwritten_turns = self.reply_delay.unwritten_turns();
        let new_delay = || DelayedReplies { until: Instant::now() + reply_delay::DELAY_MAX, unwritten_turns };
        let delayed_replies = *self.slow_mut().delayed_replies.get_or_insert_with(new_delay);
        if self.poll_timer(cx).is_pending() {
            return true;
        }
        // No command has arrived since the delay began, so the guess was wrong.
        if delayed_replies.unwritten_turns == unwritten_turns {
            self.reply_delay.after_timeout();
        }
        false
    }

    /// Reads and writes until neither is possible. Ready with the reason when the connection ends.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        loop {
            if self.has_delayed_replies() {
                // Until now, the outbox has recorded the task as asleep.
                self.outbox.set_awake();
            }
            // After a turn, the connection tries another turn before it writes, so that the replies to both turns leave
            // in one write. If reading is paused, it writes first, because the pause may end only after this write.
            let is_paused = self.slow.as_ref().is_some_and(|slow| slow.pause.is_some());
            let reads_first = !is_paused && self.reply_delay.should_read_first();
            if reads_first && (self.take_turn(cx) || self.sleep_with_delayed_replies(cx)) {
                return Poll::Pending;
            }
            self.reply_delay.after_write();
            if let Some(slow) = &mut self.slow {
                slow.delayed_replies = None;
            }
            let (is_flushed, ending) = self.flush(cx);
            if self.speaker.is_version2() && self.outbox.takes_room_report(self.watermarks()) {
                self.hub.outbox_has_room(self.speaker.id);
            }
            // Deadlines are checked here, because the timer is not polled while the client keeps the connection busy.
            if let Some(slow) = &self.slow
                && let Some((deadline, reason)) = slow.deadline(self.hub.settings.outbox_timeout)
                && deadline <= Instant::now()
            {
                return Poll::Ready(reason);
            }
            match (self.stage(), ending) {
                (_, Some(Ending::Now(reason))) => return Poll::Ready(reason),
                (Stage::Open, Some(Ending::Drain(reason))) => {
                    self.end(reason);
                    continue;
                }
                (Stage::Open, None) => {
                    if !reads_first && self.take_turn(cx) {
                        return Poll::Pending;
                    }
                    if !matches!(self.stage(), Stage::Open) {
                        continue;
                    }
                }
                (Stage::Draining { .. } | Stage::Lingering { .. }, _) if is_flushed => {
                    if self.linger(cx).is_ready() {
                        return Poll::Ready(CloseReason::Quit);
                    }
                }
                (Stage::Draining { .. } | Stage::Lingering { .. }, _) => {}
            }
            self.slow.take_if(|slow| slow.is_empty());
            if self.poll_timer(cx).is_ready() {
                continue;
            }
            let task_state = match self.slow.as_ref().and_then(|slow| slow.pause.as_ref()) {
                _ if !is_flushed => TaskState::Blocked,
                Some(Pause::OwnOutbox) => TaskState::Congested,
                _ => TaskState::Idle,
            };
            if self.outbox.sleep(cx.waker(), ending, task_state, self.watermarks()) {
                return Poll::Pending;
            }
        }
    }

    /// Takes a turn if there is input, and then schedules the task again, behind other tasks that are ready. Returns
    /// false if there was no turn, or if the turn ended the session.
    fn take_turn(&mut self, cx: &mut Context<'_>) -> bool {
        match self.turn(cx) {
            Poll::Ready(Ok(())) => {
                self.reply_delay.after_turn();
                cx.waker().wake_by_ref();
                return true;
            }
            Poll::Ready(Err(reason)) => self.end(reason),
            Poll::Pending => {}
        }
        false
    }

    /// Ends all pauses, and drops the lines that were set aside.
    fn end_pauses(&mut self) {
        self.end_pause();
        if let Some(slow) = &mut self.slow {
            slow.set_aside.clear(self.speaker.id);
        }
    }

    /// Ends the pause in reading, if there is one. A congested outbox then no longer counts this session as a sender.
    fn end_pause(&mut self) {
        let pause = self.slow.as_mut().and_then(|slow| slow.pause.take());
        if let Some(Pause::Congested(target)) = pause {
            target.resume(self.speaker.id);
        }
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let reason = ready!(this.advance(cx));
        this.hub.close(this.speaker.id, reason);
        Poll::Ready(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end_pauses();
        self.hub.remove(self.speaker.id);
    }
}

#[cfg(test)]
mod tests;
