//! The outbox of one session: encoded lines that wait to be sent, and the socket through which they leave.
//!
//! A turn appends whole lines to the outboxes of its peers. After the turn, its thread writes each outbox to its socket
//! directly, without waking the peer's task. The peer's task is needed only for bytes that the socket did not take.
//!
//! An outbox is bounded in bytes. Above the soft mark, the server delays reading from the sessions that fill the outbox
//! (its senders). At the hard mark, the outbox accepts no more bytes.
//!
//! Every unsent byte is in one of three places, and counts in `unsent_bytes` until the socket has it:
//!
//! ```text
//! OutboxWriter ◀──open── queue ──exchange──▶ in flight ──poll_write──▶ sent
//!     append    ──close─▶                    (`Output`)
//! ```
//!
//! The task of the connection is in one of four states:
//!
//! | `TaskState` | set by | a peer's turn | the outbox wakes the task for |
//! |---|---|---|---|
//! | `Awake` | `flush`, `set_awake`, a wake-up | appends | nothing |
//! | `Idle` | `sleep`, `delay_replies` | appends, writes directly | an ending, an incomplete write, a large turn |
//! | `Congested` | `sleep`, if its replies fill the outbox | the same | an ending, any write, a large turn |
//! | `Blocked` | `sleep`, if the socket takes nothing | appends | an ending |
//!
//! A peer's direct write is incomplete if it blocks, fails, or finds an ending. A turn is large if it appends to more
//! than `DIRECT_WRITES_MAX` peers. It then wakes the tasks of the further peers, instead of writing to their sockets.
//!
//! A peer's turn does not wake an `Awake` task. So before a task becomes `Idle` or `Congested`, `sleep` checks that
//! the queue is empty. `Blocked` needs no such check, because the socket wakes the task.
//!
//! The socket and the connection's timer wake the task, too, but they leave the state unchanged. So the state stays
//! `Idle`, and peers still write directly, until the task flushes.
//!
//! ```text
//!          ┌──── sleep ────▶ Idle ───────┐
//! Awake ───┼──── sleep ────▶ Congested ──┼── wake-up ──▶ Awake
//!          └──── sleep ────▶ Blocked ────┘
//! ```
//!
//! `ending` goes from `None` to `Drain` to `Now` and never back. `Output` goes from `Clear` to `Partial` and back, and
//! ends in `Broken`.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use switchboard_core::{CloseReason, Full, SessionId};
use switchboard_protocol::limits::LINE_MAX_BYTES;
use switchboard_protocol::{AfterReply, Dialect};
use tokio::io::ReadBuf;

use crate::identity::secure_transport::{Transport, TransportKind};
use crate::socket::{Probe, Socket};
use crate::tcp_info::SendState;
use crate::{buffers, tcp, tcp_info, wire_figures};

/// The bounds of every outbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watermarks {
    /// Above this, the server delays reading from the outbox's senders.
    pub(crate) soft_bytes: usize,
    /// An append that would exceed this is refused.
    pub(crate) hard_bytes: usize,
}

/// How a session ends when the hub, not the connection, decides it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// The connection ends after its unsent bytes are written.
    Drain(CloseReason),
    /// The connection ends at once, and its unsent bytes are lost.
    Now(CloseReason),
}

/// The outbox of one session. Its connection and the turns of its peers share it.
#[derive(Debug)]
pub(crate) struct Outbox<S: ?Sized = dyn Socket> {
    dialect: Dialect,
    /// When the session opened, in seconds since the start of the server.
    opened_seconds: u32,
    /// The address of the client. After a reset, the system does not know it any more.
    peer: Option<IpAddr>,
    transport: Option<TransportKind>,
    state: Mutex<State>,
    /// Locked before `state`, and until the bytes in flight are written, so that all bytes leave in order.
    io: Mutex<Io<S>>,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    /// Whether the socket has taken bytes since [`Outbox::send_state`] was called.
    has_sent: bool,
    /// Number of bytes that are in `queue`, in flight, or lent to an [`OutboxWriter`].
    unsent_bytes: usize,
    ending: Option<Ending>,
    task: TaskState,
    /// The waker of the connection's task. `None` until the task first sleeps.
    waker: Option<Waker>,
    /// The hub has notified the task since it last slept. The task takes one more pass before it sleeps, so that it
    /// misses no notification.
    is_notified: bool,
    /// The core sends nothing more to this session until the outbox is below its soft mark. Its task then calls
    /// [`Hub::outbox_has_room`](crate::hub::Hub::outbox_has_room).
    reports_room_to_hub: bool,
    /// Senders from which the server does not read, because this outbox is above its soft mark. The sender that has
    /// waited longest comes first.
    paused_senders: Vec<(SessionId, Waker)>,
}

/// Whole lines that wait to be passed to the socket.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// The lines must be written without delay, because one of them comes from a peer or is a `PONG`.
    is_urgent: bool,
}

/// The state of a connection's task. The table in the module documentation explains the states.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TaskState {
    Awake,
    Idle,
    Congested,
    Blocked,
}

#[derive(Debug)]
struct Io<S: ?Sized> {
    output: Output,
    socket: S,
}

#[derive(Debug, Default)]
enum Output {
    /// The socket has taken all bytes of the last write.
    #[default]
    Clear,
    /// The socket has taken only the first `sent` of `bytes`. Boxed, because few sessions have a partial write.
    Partial(Box<PartialWrite>),
    /// A write failed. Later bytes are dropped.
    Broken,
}

#[derive(Debug)]
struct PartialWrite {
    bytes: Vec<u8>,
    sent: usize,
}

/// The result of writing an outbox to its socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FlushOutcome {
    /// All bytes were sent.
    Complete,
    /// Unsent bytes are left. The socket wakes the task when it takes more. `has_progress`: some bytes were sent.
    Blocked { has_progress: bool },
    /// The socket is broken, and unsent bytes are lost.
    Broken,
}

// Every session has these values of an `Outbox`.
const _: () = assert!(size_of::<(Dialect, u32, Option<IpAddr>, Option<TransportKind>)>() <= 24);

// Every session has a `State`, so its size matters for the memory of a server with many idle sessions.
const _: () = assert!(size_of::<State>() <= 88);

impl State {
    /// Whether the outbox is not above its soft mark, or the session ends. In both cases, no sender waits for room.
    fn is_below_soft_mark(&self, watermarks: Watermarks) -> bool {
        self.unsent_bytes <= watermarks.soft_bytes || self.ending.is_some()
    }

    /// Adds the waker of the task to `wakers`, unless the task is awake.
    fn wake(&mut self, wakers: &mut Vec<Waker>) {
        if std::mem::replace(&mut self.task, TaskState::Awake) != TaskState::Awake {
            wakers.extend(self.waker.clone());
        }
    }

    fn sleep(&mut self, waker: &Waker, task_state: TaskState) {
        if !self.waker.as_ref().is_some_and(|current| current.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
        self.task = task_state;
    }

    /// Whether the turns of peers write to the socket directly.
    fn is_written_directly(&self) -> bool {
        matches!(self.task, TaskState::Idle | TaskState::Congested)
    }

    fn resume_sender(&mut self, sender: SessionId) {
        self.paused_senders.retain(|(paused, _)| *paused != sender);
    }

    /// Subtracts sent bytes, and returns the wakers of the senders to resume. Above the soft mark, no sender resumes.
    /// Else one sender resumes, and one more for each line of `LINE_MAX_BYTES` that fits below the soft mark. If more
    /// senders resumed, they would fill the outbox again immediately.
    fn subtract_sent(&mut self, sent_bytes: usize, watermarks: Watermarks) -> Vec<Waker> {
        self.unsent_bytes -= sent_bytes;
        self.has_sent |= sent_bytes > 0;
        let Some(room) = watermarks.soft_bytes.checked_sub(self.unsent_bytes) else { return Vec::new() };
        let resumed = self.paused_senders.len().min(1 + room / LINE_MAX_BYTES);
        self.paused_senders.drain(..resumed).map(|(_, waker)| waker).collect()
    }
}

/// The state of an outbox above its soft mark: its unsent bytes, and the number of sessions that fill it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Congestion {
    pub(crate) unsent_bytes: usize,
    pub(crate) senders: usize,
}

/// The queue of an outbox, lent to one turn. So the turn locks the outbox only twice, and not for each line. Meanwhile
/// the outbox still counts the bytes that were queued before.
#[derive(Debug)]
pub(crate) struct OutboxWriter {
    outbox: Arc<Outbox>,
    queue: Queue,
    /// Length of the queue in bytes when it was lent.
    lent_bytes: usize,
    /// Number of bytes in flight when the queue was lent. Some of them may be sent since.
    in_flight_bytes: usize,
}

impl OutboxWriter {
    /// Appends the output of `encode`. Returns [`Full`], and appends nothing, if the output would exceed the hard mark.
    #[inline]
    pub(crate) fn append(
        &mut self,
        watermarks: Watermarks,
        encode: impl FnOnce(Dialect, &mut Vec<u8>) -> AfterReply,
    ) -> Result<Appended, Full> {
        let bytes = &mut self.queue.bytes;
        if bytes.capacity() == 0 {
            *bytes = buffers::take();
        }
        let old_len = bytes.len();
        let after_reply = encode(self.outbox.dialect, bytes);
        let unsent_bytes = bytes.len() + self.in_flight_bytes;
        if unsent_bytes > watermarks.hard_bytes {
            bytes.truncate(old_len);
            return Err(Full);
        }
        Ok(Appended { unsent_bytes, after_reply })
    }

    /// The unsent bytes of the outbox, with those that this writer has appended.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.queue.bytes.len() + self.in_flight_bytes
    }

    /// Marks the queue to be sent without delay.
    pub(crate) fn set_urgent(&mut self) {
        self.queue.is_urgent = true;
    }

    /// Gives the queue back. Returns the outbox if its task is `Idle` or `Congested`: then the caller must write the
    /// outbox.
    #[must_use]
    pub(crate) fn close(self) -> Option<Arc<Outbox>> {
        if self.queue.bytes.is_empty() {
            // The line dialect encodes some replies as nothing. An idle session must hold no buffer.
            buffers::give_back(self.queue.bytes);
            return None;
        }
        let caller_must_write = {
            let mut state = self.outbox.lock();
            state.unsent_bytes += self.queue.bytes.len() - self.lent_bytes;
            state.queue = self.queue;
            state.is_written_directly()
        };
        caller_must_write.then_some(self.outbox)
    }
}

/// The outbox after an append.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended {
    pub(crate) unsent_bytes: usize,
    /// Whether the dialect closes the session after this reply.
    pub(crate) after_reply: AfterReply,
}

impl<S: Socket> Outbox<S> {
    /// `opened_seconds`: the time of the session's opening, since the start of the server.
    pub(crate) fn new(dialect: Dialect, opened_seconds: u32, socket: S) -> Self {
        let state = State {
            queue: Queue::default(),
            has_sent: false,
            unsent_bytes: 0,
            ending: None,
            task: TaskState::Awake,
            waker: None,
            is_notified: false,
            reports_room_to_hub: false,
            paused_senders: Vec::new(),
        };
        let transport = socket.transport();
        let io = Io { output: Output::Clear, socket };
        Self {
            dialect,
            opened_seconds,
            peer: transport.and_then(Transport::peer).map(|peer| peer.ip().to_canonical()),
            transport: transport.map(Transport::kind),
            state: Mutex::new(state),
            io: Mutex::new(io),
        }
    }
}

/// Methods for the connection's own task.
impl Outbox {
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io().socket).poll_read(cx, buf)
    }

    /// Shuts down the socket's write side, because the session has ended for `reason`.
    pub(crate) fn poll_shutdown(&self, reason: CloseReason, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut io = self.io();
        io.socket.set_close_reason(reason);
        Pin::new(&mut io.socket).poll_shutdown(cx)
    }

    /// Writes unsent bytes until the socket takes no more. Also returns the ending that the hub has decided, if any.
    pub(crate) fn flush(&self, cx: &mut Context<'_>, watermarks: Watermarks) -> (FlushOutcome, Option<Ending>) {
        self.set_awake();
        self.write(cx, watermarks)
    }

    /// Records that the task runs.
    pub(crate) fn set_awake(&self) {
        self.lock().task = TaskState::Awake;
    }

    /// Records that the task sleeps. Returns false if the task must not sleep: the ending is no longer `ending`, bytes
    /// are queued, or there is room and the task awaits room. A blocked task sleeps although bytes are queued.
    pub(crate) fn sleep(
        &self,
        waker: &Waker,
        ending: Option<Ending>,
        task_state: TaskState,
        watermarks: Watermarks,
    ) -> bool {
        let mut state = self.lock();
        let can_write = task_state != TaskState::Blocked && !state.queue.bytes.is_empty();
        // A direct write may have made room before this lock was taken. It has seen the state `Awake`, so it did not
        // wake the task.
        let is_congested = task_state == TaskState::Congested || state.reports_room_to_hub;
        let has_room = is_congested && state.is_below_soft_mark(watermarks);
        let is_notified = std::mem::take(&mut state.is_notified);
        if state.ending != ending || can_write || has_room || is_notified {
            return false;
        }
        state.sleep(waker, task_state);
        true
    }

    /// Records that the task sleeps while replies are queued. Returns false if the task must not sleep: the queue is
    /// empty or urgent, other bytes are unsent, or the session ends.
    pub(crate) fn delay_replies(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        let queued_bytes = state.queue.bytes.len();
        if std::mem::take(&mut state.is_notified)
            || state.ending.is_some()
            || state.queue.is_urgent
            || queued_bytes == 0
            || state.unsent_bytes > queued_bytes
        {
            return false;
        }
        state.sleep(waker, TaskState::Idle);
        true
    }

    /// Whether the task must report to the hub that the outbox is below its soft mark again. Returns true once for
    /// each [`Outbox::report_room_to_hub`].
    pub(crate) fn takes_room_report(&self, watermarks: Watermarks) -> bool {
        let mut state = self.lock();
        let has_report = state.reports_room_to_hub && state.is_below_soft_mark(watermarks);
        state.reports_room_to_hub &= !has_report;
        has_report
    }

    pub(crate) fn is_below_soft_mark(&self, watermarks: Watermarks) -> bool {
        self.lock().is_below_soft_mark(watermarks)
    }
}

/// Methods for the hub and for the turns of other sessions.
impl Outbox {
    /// Lends the queue. `is_urgent`: the bytes to append must be written without delay. Returns `None` if the session
    /// ends at once. There is one writer at a time, because only the thread that holds the hub's lock opens writers.
    pub(crate) fn open(self: &Arc<Self>, is_urgent: bool) -> Option<OutboxWriter> {
        let mut state = self.lock();
        if matches!(state.ending, Some(Ending::Now(_))) {
            return None;
        }
        let mut queue = std::mem::take(&mut state.queue);
        queue.is_urgent |= is_urgent;
        let lent_bytes = queue.bytes.len();
        let in_flight_bytes = state.unsent_bytes - lent_bytes;
        Some(OutboxWriter { outbox: Arc::clone(self), queue, lent_bytes, in_flight_bytes })
    }

    /// Writes unsent bytes if the task is `Idle` or `Congested`. Wakes the task if more has to be done.
    pub(crate) fn write_directly(&self, watermarks: Watermarks) {
        if !self.lock().is_written_directly() {
            return;
        }
        // The task registers its own waker when it is woken to write the rest.
        let mut cx = Context::from_waker(Waker::noop());
        let is_done = self.write(&mut cx, watermarks) == (FlushOutcome::Complete, None);
        let waker = {
            let mut state = self.lock();
            if is_done && state.task != TaskState::Congested && !state.reports_room_to_hub {
                return;
            }
            state.task = TaskState::Awake;
            state.waker.clone()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Adds the waker of the connection's task to `wakers`, unless the task is awake.
    pub(crate) fn wake_task(&self, wakers: &mut Vec<Waker>) {
        self.lock().wake(wakers);
    }

    /// Wakes the task, or keeps it from sleeping, because its session may go on.
    pub(crate) fn notify(&self, wakers: &mut Vec<Waker>) {
        let mut state = self.lock();
        state.is_notified = true;
        state.wake(wakers);
    }

    /// Asks the task to report to the hub as soon as the outbox is below its soft mark.
    pub(crate) fn report_room_to_hub(&self, wakers: &mut Vec<Waker>) {
        let mut state = self.lock();
        state.reports_room_to_hub = true;
        state.is_notified = true;
        state.wake(wakers);
    }

    /// Decides how the session ends. A later ending replaces the first only if it is [`Ending::Now`].
    pub(crate) fn end(&self, ending: Ending, wakers: &mut Vec<Waker>) {
        let mut state = self.lock();
        if state.ending.is_none() || matches!(ending, Ending::Now(_)) {
            state.ending = Some(ending);
        }
        state.wake(wakers);
        wakers.extend(state.paused_senders.drain(..).map(|(_, waker)| waker));
    }

    /// Pauses `sender`, and wakes `waker` when there is room. Returns `None`, without a pause, if there is room now.
    pub(crate) fn pause_sender(&self, sender: SessionId, waker: &Waker, watermarks: Watermarks) -> Option<Congestion> {
        let mut state = self.lock();
        if state.is_below_soft_mark(watermarks) {
            state.resume_sender(sender);
            return None;
        }
        match state.paused_senders.iter_mut().find(|(paused, _)| *paused == sender) {
            Some((_, paused_waker)) => paused_waker.clone_from(waker),
            None => state.paused_senders.push((sender, waker.clone())),
        }
        Some(Congestion { unsent_bytes: state.unsent_bytes, senders: state.paused_senders.len() })
    }

    /// Undoes [`Outbox::pause_sender`].
    pub(crate) fn resume_sender(&self, sender: SessionId) {
        self.lock().resume_sender(sender);
    }

    /// How the bytes travel, and from where.
    pub(crate) fn transport(&self) -> Option<Transport> {
        self.io().socket.transport()
    }

    /// The figures of the connection that `WIRE` shows.
    pub(crate) fn wire_figures(&self) -> String {
        wire_figures::of(&self.io().socket)
    }

    pub(crate) fn has_unsent_bytes(&self) -> bool {
        self.unsent_bytes() > 0
    }

    pub(crate) fn unsent_bytes(&self) -> usize {
        self.lock().unsent_bytes
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The address of the client, also after the end of the connection.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// The transport of the connection, also after its end.
    pub(crate) fn transport_kind(&self) -> Option<TransportKind> {
        self.transport
    }

    /// When the session opened, in seconds since the start of the server.
    pub(crate) fn opened_seconds(&self) -> u32 {
        self.opened_seconds
    }

    /// The time since the client's last byte, if the system reports it.
    pub(crate) fn idle(&self) -> Option<Duration> {
        self.io().socket.tcp().and_then(tcp_info::idle)
    }

    #[cfg(test)]
    pub(crate) fn queued_bytes(&self) -> Vec<u8> {
        self.lock().queue.bytes.clone()
    }
}

/// Methods for the watch of readers, and for the probes of WebSockets.
impl Outbox {
    /// Asks a peer that has been silent for a sign of life, and wakes the task, which sends the question. Asks no peer
    /// that has not received everything yet: the watch of readers judges it.
    pub(crate) fn probe(&self) -> Probe {
        if self.has_unsent_bytes() {
            return Probe::Unneeded;
        }
        let probe = self.io().socket.probe();
        if probe == Probe::Asked {
            let mut wakers = Vec::new();
            self.notify(&mut wakers);
            wakers.into_iter().for_each(Waker::wake);
        }
        probe
    }

    /// The state of the socket's sending direction, if the system reports it. Asks the system only if the socket has
    /// taken bytes since the last call, if unsent bytes are left, or if the reader `is_stalled`.
    pub(crate) fn send_state(&self, is_stalled: bool) -> Option<SendState> {
        let must_ask = {
            let mut state = self.lock();
            std::mem::take(&mut state.has_sent) || state.unsent_bytes > 0 || is_stalled
        };
        if must_ask { self.io().socket.tcp().and_then(tcp_info::send_state) } else { None }
    }

    /// Sets the socket's user timeout, or turns it off.
    pub(crate) fn set_user_timeout(&self, timeout: Option<Duration>) {
        if let Some(tcp) = self.io().socket.tcp() {
            tcp::set_user_timeout(tcp, timeout);
        }
    }
}

impl Outbox {
    /// Writes the bytes in flight and then the queue, until the socket takes no more.
    fn write(&self, cx: &mut Context<'_>, watermarks: Watermarks) -> (FlushOutcome, Option<Ending>) {
        let mut io = self.io();
        let Io { output, socket } = &mut *io;
        let mut is_broken = false;
        let PartialWrite { mut bytes, mut sent } = match std::mem::take(output) {
            Output::Clear => PartialWrite { bytes: Vec::new(), sent: 0 },
            Output::Partial(partial) => *partial,
            Output::Broken => {
                is_broken = true;
                PartialWrite { bytes: Vec::new(), sent: 0 }
            }
        };
        // These bytes were subtracted from `unsent_bytes` in an earlier call.
        let mut subtracted = sent;
        let mut has_progress = false;
        loop {
            while sent < bytes.len() && !is_broken {
                match Pin::new(&mut *socket).poll_write(cx, &bytes[sent..]) {
                    Poll::Ready(Ok(count)) if count > 0 => {
                        sent += count;
                        has_progress = true;
                    }
                    Poll::Ready(Ok(_) | Err(_)) => is_broken = true,
                    Poll::Pending => break,
                }
            }
            // TLS takes bytes before the TCP socket has taken all of them.
            let is_flushed = is_broken || {
                let flushed = Pin::new(&mut *socket).poll_flush(cx);
                is_broken |= matches!(flushed, Poll::Ready(Err(_)));
                flushed.is_ready()
            };
            if sent < bytes.len() && !is_broken || !is_flushed {
                let ending = self.subtract_sent(sent - subtracted, watermarks);
                *output = Output::Partial(Box::new(PartialWrite { bytes, sent }));
                return (FlushOutcome::Blocked { has_progress }, ending);
            }
            let (next_bytes, ending) = self.exchange(bytes, subtracted, watermarks);
            if next_bytes.is_empty() {
                if is_broken {
                    *output = Output::Broken;
                    return (FlushOutcome::Broken, ending);
                }
                return (FlushOutcome::Complete, ending);
            }
            (bytes, sent, subtracted) = (next_bytes, 0, 0);
        }
    }

    /// Gives back the buffer `done`, whose bytes were sent or lost, and takes the queue. The first `subtracted` bytes
    /// of `done` were subtracted from `unsent_bytes` before.
    fn exchange(&self, done: Vec<u8>, subtracted: usize, watermarks: Watermarks) -> (Vec<u8>, Option<Ending>) {
        let (queue, ending, resumed) = {
            let mut state = self.lock();
            let queue = std::mem::take(&mut state.queue);
            let resumed = state.subtract_sent(done.len() - subtracted, watermarks);
            (queue, state.ending, resumed)
        };
        buffers::give_back(done);
        resumed.into_iter().for_each(Waker::wake);
        (queue.bytes, ending)
    }

    fn subtract_sent(&self, sent_bytes: usize, watermarks: Watermarks) -> Option<Ending> {
        let (ending, resumed) = {
            let mut state = self.lock();
            let resumed = state.subtract_sent(sent_bytes, watermarks);
            (state.ending, resumed)
        };
        resumed.into_iter().for_each(Waker::wake);
        ending
    }

    fn io(&self) -> MutexGuard<'_, Io<dyn Socket + 'static>> {
        self.io.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No change under this lock can panic halfway, so the state behind a poisoned lock is still valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
