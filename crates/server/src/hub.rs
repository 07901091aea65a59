//! The switchboard and all outboxes behind one lock.
//!
//! A turn takes the lock once for all its lines. While a thread holds the lock, it neither awaits nor writes to a
//! socket. It collects writes, wake-ups and the like in [`Deferred`], and performs them after it has released the lock.

mod closings;
mod operator;
mod overview;
mod store_health;
mod store_link;
mod turn_effects;

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

pub(crate) use closings::{Closing, Closings};
use operator::PendingCommands;
pub(crate) use overview::{SessionCounts, SessionRow};
use slotmap::SecondaryMap;
use store_health::StoreHealth;
pub(crate) use store_link::StoreLink;
pub use store_link::StoreStartError;
use switchboard_core::change::Change;
use switchboard_core::{
    Answer, CloseReason, Effects as _, Event, IdentityAnswer, IdentityRequest, OperatorTicket, Position, Session,
    SessionId, Switchboard,
};
use switchboard_protocol::{Command, Dialect, ErrorCode, IpPrefix, ReceivedBytes};
use switchboard_store::Generation;
use tokio::time::Instant;
use turn_effects::{SharedState, TurnEffects};

use crate::identity::challenge::SERVER_ID_BYTES;
use crate::identity::secure_transport::Transport;
use crate::identity::service::IdentityService;
use crate::outbox::{Ending, Outbox, Watermarks};
use crate::set_aside::SetAside;
use crate::settings::Settings;
use crate::socket::Socket;
use crate::speaker::{ParsedLine, Speaker};
use crate::telemetry;

/// The state that all connections share.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    /// Set once, when the server starts.
    store: OnceLock<StoreLink>,
    pub(crate) identities: IdentityService,
    /// The commands of the operator that wait for the store.
    operator: PendingCommands,
    pub(crate) started: Instant,
    store_health: StoreHealth,
    pub(crate) settings: Settings,
    pub(crate) watermarks: Watermarks,
}

#[derive(Debug)]
struct State {
    board: Switchboard,
    outboxes: SecondaryMap<SessionId, Arc<Outbox>>,
    /// The changes of the present event, which go to the store together.
    changes: Changes,
    /// The server is stopping. It handles no more lines, so it acknowledges no more messages.
    is_stopping: bool,
    counts: Counts,
    closings: Closings,
}

/// Changes on their way to the store.
#[derive(Debug, Default)]
struct Changes {
    queued: Vec<Change>,
    /// The place of the last change.
    position: Position,
    /// The generation of the store's writer to which the changes belong.
    generation: Generation,
}

/// Numbers since the start. They are counted under the lock, so they cost a message next to nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) sessions: u64,
    /// Sessions that were closed as slow consumers.
    pub(crate) slow_consumers: u64,
    /// Lines that have joined outboxes.
    pub(crate) lines: u64,
    /// Lines of version 2 that have joined the outboxes of other sessions than the one whose request caused them.
    pub(crate) fan_out_lines: u64,
    /// Errors that were sent to clients, by the place of their code in [`ErrorCode::ALL`].
    pub(crate) refusals: [u64; ErrorCode::ALL.len()],
}

impl Default for Counts {
    fn default() -> Self {
        Self { sessions: 0, slow_consumers: 0, lines: 0, fan_out_lines: 0, refusals: [0; ErrorCode::ALL.len()] }
    }
}

/// The result of one turn.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Number of handled lines.
    pub(crate) lines: usize,
    /// The session whose outbox ended the turn, and this outbox: it was above its soft mark after the turn had appended
    /// to it.
    pub(crate) congested: Option<(SessionId, Arc<Outbox>)>,
    /// The session's further lines wait, because a request of version 2 is not complete. The hub notifies the outbox
    /// when they may go on.
    pub(crate) is_paused: bool,
    /// A `WIRE` was answered after the turn, so `congested` does not tell about this answer.
    pub(crate) describes_connection: bool,
    /// Why the session has ended, if it has. Its remaining lines are ignored.
    pub(crate) closed: Option<CloseReason>,
}

impl Hub {
    /// Keeps all others from the lock.
    #[cfg(test)]
    pub(crate) fn hold_lock(&self) -> impl Drop {
        self.lock()
    }

    /// A hub with a random id.
    #[cfg(test)]
    pub(crate) fn new(settings: Settings) -> Self {
        Self::with_server_id(settings, crate::identity::random::random_bytes())
    }

    pub(crate) fn with_server_id(settings: Settings, server_id: [u8; SERVER_ID_BYTES]) -> Self {
        // Reserved memory costs nothing until it is used. A slot map never uses its first slot.
        let board = Switchboard::with_capacity(settings.register_timeout, settings.max_sessions);
        let outboxes = SecondaryMap::with_capacity(settings.max_sessions + 1);
        let state = State {
            board,
            outboxes,
            changes: Changes::default(),
            is_stopping: false,
            counts: Counts::default(),
            closings: Closings::default(),
        };
        let identities = IdentityService::new(&settings, server_id);
        let operator = PendingCommands::default();
        let watermarks = Watermarks { soft_bytes: settings.outbox_soft_bytes, hard_bytes: settings.outbox_bytes };
        Self {
            state: Mutex::new(state),
            store: OnceLock::new(),
            identities,
            operator,
            started: Instant::now(),
            store_health: StoreHealth::default(),
            settings,
            watermarks,
        }
    }

    /// Opens a session, whose replies leave through `socket`. While the server stops, the session ends at once.
    pub(crate) fn admit(
        &self,
        dialect: Dialect,
        socket: impl Socket + 'static,
        now: Instant,
    ) -> (SessionId, Arc<Outbox>) {
        let opened = now.saturating_duration_since(self.started).as_secs();
        let outbox: Arc<Outbox> = Arc::new(Outbox::new(dialect, opened.try_into().unwrap_or(u32::MAX), socket));
        let address = outbox.transport().and_then(Transport::peer).map(|peer| peer.ip());
        let id = self.with_effects(|board, effects| {
            let id = board.admit(now.into_std());
            effects.outboxes.insert(id, Arc::clone(&outbox));
            effects.counts.sessions += 1;
            // A session that opens too late still hears why it ends.
            let is_stopping = std::mem::take(effects.is_stopping);
            let ban = address.and_then(|address| board.ban_of_address(address));
            match ban.map(|ban| ban.reason.clone()) {
                None => board.handle(id, Event::Opened, effects),
                Some(reason) => drop(board.end_session(id, CloseReason::Banned, &reason, effects)),
            }
            if is_stopping {
                effects.close(id, CloseReason::Shutdown);
            }
            *effects.is_stopping = is_stopping;
            id
        });
        (id, outbox)
    }

    /// Handles at most `lines_max` lines of `unread`. The turn ends earlier if its lines have needed as much work as
    /// `turn_lines` ordinary lines, or if it has appended to an outbox that is now above its soft mark. Lines to the
    /// targets of `set_aside` join it instead, until it is full. `set_aside_for`: the lines were set aside for this
    /// session, so they are refused if it no longer has its name. Otherwise they would reach the next session of that
    /// name, after younger lines.
    ///
    /// A `WIRE` ends the turn, because it is answered after the lock is released, and before the answers to later lines.
    pub(crate) fn turn(
        &self,
        speaker: &mut Speaker,
        unread: &mut ReceivedBytes<'_>,
        lines_max: usize,
        mut set_aside: Option<&mut SetAside>,
        set_aside_for: Option<SessionId>,
    ) -> Turn {
        let from = speaker.id;
        let text_max_bytes = self.settings.text_bytes;
        self.with_effects(|board, effects| {
            effects.turn_session = Some(from);
            let closed = effects.is_stopping.then_some(CloseReason::Shutdown);
            let mut turn = Turn { lines: 0, congested: None, is_paused: false, describes_connection: false, closed };
            let mut work = 0;
            while turn.closed.is_none()
                && turn.lines < lines_max
                && work < self.settings.turn_lines
                && effects.congested.is_none()
                && !effects.describes_connection
                && !set_aside.as_ref().is_some_and(|set_aside| set_aside.is_full())
            {
                let session = board.session(from).filter(|_| effects.closing != Some(from));
                let Some(is_registered) = session.map(Session::is_registered) else {
                    // The session was closed earlier, and the client has received the reason.
                    turn.closed = Some(CloseReason::Refused);
                    break;
                };
                if speaker.is_version2() && board.is_paused(from) {
                    turn.is_paused = true;
                    break;
                }
                let Some(line) = speaker.next(unread, is_registered, text_max_bytes) else { break };
                turn.lines += 1;
                work += line.work();
                // Only the first lines of a session can be refused with a close, so the name costs later lines nothing.
                let requested_name = if is_registered { String::new() } else { line.requested_name() };
                let result = match line {
                    ParsedLine::Command(command) => {
                        let is_set_aside = match (&mut set_aside, &command) {
                            (Some(set_aside), Command::Tell { to, text }) => {
                                board.find(to).is_some_and(|target| set_aside.add(target, to, text.as_str()))
                            }
                            _ => false,
                        };
                        let has_lost_target = set_aside_for.is_some_and(
                            |target| matches!(&command, Command::Tell { to, .. } if board.find(to) != Some(target)),
                        );
                        if has_lost_target {
                            effects.send(from, &ErrorCode::UserNotFound.into())
                        } else {
                            if !is_set_aside {
                                board.handle(from, Event::Command(command), effects);
                            }
                            Ok(())
                        }
                    }
                    ParsedLine::Blank => Ok(()),
                    ParsedLine::Hello => {
                        board.hello(from, effects);
                        Ok(())
                    }
                    ParsedLine::Request(request) => {
                        board.request(from, request, effects);
                        Ok(())
                    }
                    ParsedLine::RequestError(error) => {
                        board.reject(from, &error, effects);
                        Ok(())
                    }
                    ParsedLine::Error(error, _) => effects.send_error(from, &error, is_registered),
                    ParsedLine::Foreign(foreign) => {
                        turn.closed = Some(CloseReason::WrongProtocol);
                        effects.closing_code = Some(ErrorCode::WrongProtocol);
                        effects.send(from, &foreign.refusal())
                    }
                };
                if let Some(code) = effects.closing_code.take() {
                    telemetry::refused(from, code, &requested_name);
                }
                if result.is_err() {
                    board.handle(from, Event::Closed(CloseReason::SlowConsumer), effects);
                    effects.close(from, CloseReason::SlowConsumer);
                }
            }
            turn.describes_connection = effects.describes_connection;
            turn.congested = effects.congested.map(|session| (session, Arc::clone(&effects.outboxes[session])));
            turn
        })
    }

    /// Removes a session from the switchboard, unless it was removed before. The session receives no more replies.
    pub(crate) fn close(&self, id: SessionId, reason: CloseReason) {
        self.with_effects(|board, effects| board.handle(id, Event::Closed(reason), effects));
    }

    /// Removes a session whose connection is dropped, and its outbox.
    pub(crate) fn remove(&self, id: SessionId) {
        self.with_effects(|board, effects| {
            // A task may end without `close`, for example by a panic.
            board.handle(id, Event::Closed(CloseReason::Reset), effects);
            if let Some(outbox) = effects.outboxes.remove(id) {
                // Resumes the senders that the outbox has paused. They then drop their references to the outbox.
                outbox.end(Ending::Now(CloseReason::Reset), &mut effects.deferred.wakers);
            }
        });
    }

    /// The next sessions after `last` whose connections exist, in the order of their ids, and at most `max` of them.
    /// Without a `last`, the first sessions.
    pub(crate) fn sessions_after(&self, last: Option<SessionId>, max: usize) -> Vec<SessionId> {
        // Both the ids and the table are in the order of the slots.
        self.lock().outboxes.keys().filter(|&id| last.is_none_or(|last| last < id)).take(max).collect()
    }

    /// The outbox of a session, unless its connection is gone.
    pub(crate) fn outbox(&self, id: SessionId) -> Option<Arc<Outbox>> {
        self.lock().outboxes.get(id).cloned()
    }

    /// Removes a session from the switchboard, and ends its connection.
    pub(crate) fn end(&self, id: SessionId, reason: CloseReason) {
        self.with_effects(|board, effects| {
            board.handle(id, Event::Closed(reason), effects);
            effects.close(id, reason);
        });
    }

    /// Closes the sessions that did not register in time.
    pub(crate) fn expire(&self, now: Instant) {
        self.with_effects(|board, effects| {
            board.expire(now.into_std(), effects);
            board.tick(effects);
        });
    }

    /// Starts the drain: the hub handles no more lines. All sessions receive `SERVER_SHUTDOWN`, and are closed after
    /// their unsent bytes are written.
    pub(crate) fn stop(&self) {
        self.with_effects(|board, effects| {
            for session in board.sessions() {
                effects.close(session, CloseReason::Shutdown);
            }
            // Set before the lock is released, so that no reply follows `SERVER_SHUTDOWN`.
            *effects.is_stopping = true;
        });
    }

    /// Closes all sessions at once, and returns the number of sessions with unsent bytes.
    pub(crate) fn close_now(&self) -> usize {
        self.with_effects(|_, effects| {
            let outboxes = || effects.outboxes.values();
            let abandoned = outboxes().filter(|outbox| outbox.has_unsent_bytes()).count();
            for outbox in outboxes() {
                outbox.end(Ending::Now(CloseReason::Shutdown), &mut effects.deferred.wakers);
            }
            abandoned
        })
    }

    /// Takes the answer to a check of an identity.
    pub(crate) fn identified(&self, session: SessionId, answer: IdentityAnswer) {
        self.with_effects(|board, effects| board.identified(session, answer, effects));
    }

    /// Answers the `WIRE` of a session with the figures of its connection.
    fn describe_connection(&self, session: SessionId, figures: &str) {
        self.with_effects(|board, effects| board.connection_described(session, figures, effects));
    }

    /// The outbox of a session is below its soft mark again.
    pub(crate) fn outbox_has_room(&self, session: SessionId) {
        self.with_effects(|board, effects| board.outbox_has_room(session, effects));
    }

    /// Whether the further lines of a session wait.
    pub(crate) fn is_paused(&self, session: SessionId) -> bool {
        self.lock().board.is_paused(session)
    }

    /// The client has sent its last line. Returns whether replies to earlier lines are not complete.
    pub(crate) fn end_of_input(&self, session: SessionId) -> bool {
        self.lock().board.end_of_input(session)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Whether the drain has begun.
    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Runs `work` under the lock, and its deferred writes and wake-ups after the lock is released.
    fn with_effects<R>(&self, work: impl FnOnce(&mut Switchboard, &mut TurnEffects<'_>) -> R) -> R {
        self.with_effects_and(DIRECT_WRITES_MAX, work)
    }

    /// Like [`Hub::with_effects`], but writes to at most `direct_writes_max` sessions directly.
    fn with_effects_and<R>(
        &self,
        direct_writes_max: usize,
        work: impl FnOnce(&mut Switchboard, &mut TurnEffects<'_>) -> R,
    ) -> R {
        // The order of declaration matters. On return, `effects` adds its open outboxes to `deferred`, then `guard`
        // releases the lock, and then `deferred` writes and wakes.
        let mut deferred = DeferredGuard::new(self, direct_writes_max);
        let mut guard = self.lock();
        let State { board, outboxes, changes, is_stopping, counts, closings } = &mut *guard;
        let shared = SharedState { outboxes, changes, counts, closings, is_stopping };
        let mut effects = TurnEffects::new(shared, self, &mut deferred.deferred);
        let result = work(board, &mut effects);
        while let Some(ticket) = effects.unanswerable.pop() {
            board.answer(ticket, Answer::Failed, &mut effects);
        }
        if !effects.changes.queued.is_empty()
            && let Some(store) = self.store.get()
        {
            // Under the lock, so that the changes reach the store in the order of their places.
            store.submit(effects.changes.generation, &mut effects.changes.queued);
        }
        if board.has_work()
            && let Some(store) = self.store.get()
        {
            store.start_work();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The switchboard does not panic on any input. If it ever does, the other sessions continue with its state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maximum number of peers that a turn writes to directly. The tasks of further peers are woken instead. This limits
/// the duration of a turn with many peers.
const DIRECT_WRITES_MAX: usize = 8;

/// Work of a turn that is done after the hub's lock is released.
#[derive(Debug, Default)]
struct Deferred {
    /// Tasks to wake.
    wakers: Vec<Waker>,
    /// Outboxes to write, because their connections' tasks are `Idle` or `Congested`.
    unwritten: Vec<Arc<Outbox>>,
    calls: Vec<DeferredCall>,
}

/// A call that needs the runtime or another lock.
#[derive(Debug)]
enum DeferredCall {
    /// Begin a check for the session with this outbox.
    Identify(SessionId, Arc<Outbox>, IdentityRequest),
    /// Answer the `WIRE` of the session with this outbox.
    Describe(SessionId, Arc<Outbox>),
    /// Tell the session why its client's last one was ended.
    TellClosing(SessionId, Closing),
    /// Answer a command of the operator.
    Operated(OperatorTicket, Result<(), ErrorCode>),
    /// End the sessions from these addresses, with the reason of the operator.
    EndAddresses(IpPrefix, CloseReason, String),
}

thread_local! {
    /// An empty `Deferred`, which is reused to save its allocations.
    static DEFERRED: Cell<Deferred> = Cell::default();
}

impl Deferred {
    fn run(&mut self, hub: &Hub, direct_writes_max: usize) {
        for (number, outbox) in self.unwritten.drain(..).enumerate() {
            if number < direct_writes_max {
                outbox.write_directly(hub.watermarks);
            } else {
                outbox.wake_task(&mut self.wakers);
            }
        }
        // Before the wake-ups: a session that goes on must not be answered before its `WIRE` is.
        for call in self.calls.drain(..) {
            match call {
                DeferredCall::Identify(session, outbox, request) => {
                    hub.identities.start(session, outbox.transport(), request);
                }
                DeferredCall::Describe(session, outbox) => hub.describe_connection(session, &outbox.wire_figures()),
                DeferredCall::TellClosing(session, closing) => hub.tell_closing(session, &closing),
                DeferredCall::Operated(ticket, result) => hub.operator.answer(ticket, result),
                DeferredCall::EndAddresses(addresses, reason, detail) => hub.end_addresses(addresses, reason, &detail),
            }
        }
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

/// Runs a [`Deferred`] on drop, even after a panic, because other sessions wait for its wake-ups.
struct DeferredGuard<'a> {
    deferred: Deferred,
    hub: &'a Hub,
    direct_writes_max: usize,
}

impl<'a> DeferredGuard<'a> {
    /// Takes the thread's `Deferred`, or creates one if the thread is ending and has destroyed it.
    fn new(hub: &'a Hub, direct_writes_max: usize) -> Self {
        Self { deferred: DEFERRED.try_with(Cell::take).unwrap_or_default(), hub, direct_writes_max }
    }
}

impl Drop for DeferredGuard<'_> {
    fn drop(&mut self) {
        self.deferred.run(self.hub, self.direct_writes_max);
        let deferred = std::mem::take(&mut self.deferred);
        let _ = DEFERRED.try_with(|cell| cell.set(deferred));
    }
}

#[cfg(test)]
mod tests;
