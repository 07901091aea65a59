//! The switchboard and everybody's outbox behind one lock, held for a batch and never across an await.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use slotmap::SecondaryMap;
use switchboard_core::{CloseReason, Effects, Event, Fact, Full, SessionId, Switchboard};
use switchboard_protocol::{AfterReply, Dialect, ParseError, ReceivedBytes, Reply};
use tokio::time::Instant;

use crate::outbox::{Ending, Outbox, OutboxWriter, Socket, Watermarks};
use crate::settings::Settings;
use crate::speaker::{ParsedLine, Speaker};
use crate::telemetry;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    pub(crate) settings: Settings,
    /// The watermarks of every outbox.
    pub(crate) watermarks: Watermarks,
}

#[derive(Debug)]
struct State {
    board: Switchboard,
    outboxes: SecondaryMap<SessionId, Arc<Outbox>>,
    /// Set once the server is being stopped: from then on nothing is taken, so nothing is acknowledged.
    stopping: bool,
    counts: Counts,
}

/// How many sessions there were since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) sessions: u64,
    /// Those of them that were closed because they did not read.
    pub(crate) slow_consumers: u64,
}

/// What came of one turn of lines.
#[derive(Debug)]
pub(crate) struct Turn {
    /// How many lines were taken.
    pub(crate) lines: usize,
    /// The outbox above its soft mark that the turn added to, and that ended it.
    pub(crate) congested: Option<Arc<Outbox>>,
    /// Why the session has come to its end, if it has: no later line of it counts.
    pub(crate) closed: Option<CloseReason>,
}

impl Hub {
    pub(crate) fn new(settings: Settings) -> Self {
        // What is reserved costs no memory until it is used; one slot of each is never used.
        let board = Switchboard::with_capacity(settings.register_timeout, settings.max_sessions);
        let outboxes = SecondaryMap::with_capacity(settings.max_sessions + 1);
        let state = State { board, outboxes, stopping: false, counts: Counts::default() };
        let watermarks = Watermarks { soft_bytes: settings.outbox_soft_bytes, hard_bytes: settings.outbox_bytes };
        Self { state: Mutex::new(state), settings, watermarks }
    }

    /// Takes in a session, which is spoken to through `socket`.
    pub(crate) fn admit(
        &self,
        dialect: Dialect,
        socket: impl Socket + 'static,
        now: Instant,
    ) -> (SessionId, Arc<Outbox>) {
        let outbox: Arc<Outbox> = Arc::new(Outbox::new(dialect, socket));
        let id = self.with_effects(|board, effects| {
            let id = board.admit(now.into_std());
            effects.outboxes.insert(id, Arc::clone(&outbox));
            effects.counts.sessions += 1;
            board.handle(id, Event::Opened, effects);
            id
        });
        (id, outbox)
    }

    /// Takes lines of `speaker` off `unread`, up to `lines_max` of them or a turn's work, and carries them out.
    ///
    /// The turn ends early where it added to an outbox above its soft mark.
    pub(crate) fn turn(&self, speaker: &mut Speaker, unread: &mut ReceivedBytes<'_>, lines_max: usize) -> Turn {
        let from = speaker.id;
        let text_max_bytes = self.settings.text_bytes;
        self.with_effects(|board, effects| {
            effects.turn_of = Some(from);
            let closed = effects.stopping.then_some(CloseReason::Shutdown);
            let mut turn = Turn { lines: 0, congested: None, closed };
            let mut work = 0;
            while turn.closed.is_none()
                && turn.lines < lines_max
                && work < self.settings.turn_lines
                && effects.congested.is_none()
            {
                let Some(registered) = board.registered(from).filter(|_| effects.closing != Some(from)) else {
                    // Whoever took it off the board has said why.
                    turn.closed = Some(CloseReason::Refused);
                    break;
                };
                let Some(line) = speaker.next(unread, registered, text_max_bytes) else { break };
                turn.lines += 1;
                work += line.work();
                let answered = match line {
                    ParsedLine::Command(command) => {
                        board.handle(from, Event::Command(command), effects);
                        Ok(())
                    }
                    ParsedLine::Blank => Ok(()),
                    ParsedLine::Error(error) => effects.send_error(from, &error, registered),
                    ParsedLine::Foreign(foreign) => {
                        turn.closed = Some(CloseReason::WrongProtocol);
                        effects.send(from, &foreign.refusal())
                    }
                };
                if answered.is_err() {
                    board.handle(from, Event::Closed(CloseReason::SlowConsumer), effects);
                    effects.close(from, CloseReason::SlowConsumer);
                }
            }
            turn.congested = effects.congested.map(|session| Arc::clone(&effects.outboxes[session]));
            turn
        })
    }

    /// Tells the board that a session left, if it does not know. From here on nobody speaks to it.
    pub(crate) fn close(&self, id: SessionId, reason: CloseReason) {
        self.with_effects(|board, effects| board.handle(id, Event::Closed(reason), effects));
    }

    /// Forgets a session whose connection is no more.
    pub(crate) fn remove(&self, id: SessionId) {
        self.with_effects(|board, effects| {
            // However its task ended, nobody goes on speaking to it.
            board.handle(id, Event::Closed(CloseReason::Reset), effects);
            if let Some(outbox) = effects.outboxes.remove(id) {
                // Whoever is read later because of it is not any more, and lets go of its socket.
                outbox.end(Ending::Now(CloseReason::Reset), &mut effects.deferred.wakers);
            }
        });
    }

    /// Closes the sessions that took no name in time.
    pub(crate) fn expire(&self, now: Instant) {
        self.with_effects(|board, effects| board.expire(now.into_std(), effects));
    }

    /// Stops: from here on no line is taken, and everybody is told, gets what is owed, and is closed.
    pub(crate) fn stop(&self) {
        self.with_effects(|board, effects| {
            for session in board.sessions() {
                effects.close(session, CloseReason::Shutdown);
            }
            // Under the same lock: what is said above is the last word to everybody.
            *effects.stopping = true;
        });
    }

    /// Closes whoever is still there, and tells how many of them did not take what they were owed.
    pub(crate) fn close_now(&self) -> usize {
        self.with_effects(|_, effects| {
            let outboxes = || effects.outboxes.values();
            let owed = outboxes().filter(|outbox| outbox.has_unsent_bytes()).count();
            for outbox in outboxes() {
                outbox.end(Ending::Now(CloseReason::Shutdown), &mut effects.deferred.wakers);
            }
            owed
        })
    }

    /// How many sessions there were.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Runs `work` under the lock, then the work that it deferred.
    fn with_effects<R>(&self, work: impl FnOnce(&mut Switchboard, &mut TurnEffects<'_>) -> R) -> R {
        let mut deferred = DEFERRED.take();
        let mut guard = self.lock();
        let State { board, outboxes, stopping, counts } = &mut *guard;
        let mut effects = TurnEffects::new(outboxes, counts, stopping, self, &mut deferred);
        let result = work(board, &mut effects);
        drop(effects);
        drop(guard);
        deferred.run(self.watermarks);
        DEFERRED.set(deferred);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The board does not panic on any input; should it ever, the other sessions carry on with it as it is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maximum peers that a turn writes to directly. The tasks of further peers are woken instead, so that a turn with many
/// peers is no longer than others.
const DIRECT_WRITES_MAX: usize = 8;

/// Work of a turn that is done once the hub's lock is released.
#[derive(Debug, Default)]
struct Deferred {
    /// Tasks to wake.
    wakers: Vec<Waker>,
    /// Outboxes with queued bytes whose connections sleep.
    unwritten: Vec<Arc<Outbox>>,
}

thread_local! {
    /// The thread's empty `Deferred`, kept for the room in it.
    static DEFERRED: Cell<Deferred> = Cell::default();
}

impl Deferred {
    fn run(&mut self, watermarks: Watermarks) {
        for (number, outbox) in self.unwritten.drain(..).enumerate() {
            if number < DIRECT_WRITES_MAX {
                outbox.write_directly(watermarks);
            } else {
                outbox.wake_task(&mut self.wakers);
            }
        }
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

/// Carries out what the switchboard decides, for as long as the lock is held.
struct TurnEffects<'a> {
    outboxes: &'a mut SecondaryMap<SessionId, Arc<Outbox>>,
    counts: &'a mut Counts,
    /// Set once the server stops. Nothing is sent from then on: while all sessions end, that the others leave is no news.
    stopping: &'a mut bool,
    hub: &'a Hub,
    deferred: &'a mut Deferred,
    /// The outboxes that were written to last: most turns are of one session that talks with another.
    writers: [Option<(SessionId, OutboxWriter)>; 2],
    /// Whose turn it is: what it hears are answers.
    turn_of: Option<SessionId>,
    /// Whose outbox above its soft mark was added to; of two, the fuller one's.
    congested: Option<SessionId>,
    /// How much waits there, in bytes.
    congested_bytes: usize,
    /// The session that heard its dialect's last word.
    closing: Option<SessionId>,
    /// Whether a log hears of each message.
    logs_messages: bool,
}

impl<'a> TurnEffects<'a> {
    fn new(
        outboxes: &'a mut SecondaryMap<SessionId, Arc<Outbox>>,
        counts: &'a mut Counts,
        stopping: &'a mut bool,
        hub: &'a Hub,
        deferred: &'a mut Deferred,
    ) -> Self {
        Self {
            outboxes,
            counts,
            stopping,
            hub,
            deferred,
            writers: [None, None],
            turn_of: None,
            congested: None,
            congested_bytes: 0,
            closing: None,
            logs_messages: tracing::enabled!(target: telemetry::MESSAGES, tracing::Level::DEBUG),
        }
    }

    /// The open outbox of a session. The first one stays open; another that is open beside it is closed for this one.
    #[inline]
    fn writer(&mut self, of: SessionId) -> Option<&mut OutboxWriter> {
        let is_of =
            |writer: &Option<(SessionId, OutboxWriter)>| writer.as_ref().is_some_and(|(session, _)| *session == of);
        let at = if is_of(&self.writers[0]) {
            0
        } else if is_of(&self.writers[1]) {
            1
        } else {
            self.open_writer(of)?
        };
        self.writers[at].as_mut().map(|(_, writer)| writer)
    }

    fn open_writer(&mut self, of: SessionId) -> Option<usize> {
        let writer = self.outboxes.get(of)?.open(self.turn_of != Some(of))?;
        let at = usize::from(self.writers[0].is_some());
        if let Some((_, older)) = self.writers[at].replace((of, writer)) {
            self.deferred.unwritten.extend(older.close());
        }
        Some(at)
    }

    fn close_writers(&mut self) {
        for (_, writer) in self.writers.iter_mut().filter_map(Option::take) {
            self.deferred.unwritten.extend(writer.close());
        }
    }

    /// Answers a line that could not be read.
    fn send_error(&mut self, to: SessionId, error: &ParseError, registered: bool) -> Result<(), Full> {
        self.append(to, |dialect, queue| dialect.encode_error(error, registered, queue))
    }

    #[inline]
    fn append(&mut self, to: SessionId, encode: impl FnOnce(Dialect, &mut Vec<u8>) -> AfterReply) -> Result<(), Full> {
        if *self.stopping {
            return Ok(());
        }
        let watermarks = self.hub.watermarks;
        let appended = self.writer(to).ok_or(Full)?.append(watermarks, encode)?;
        if appended.unsent_bytes > watermarks.soft_bytes.max(self.congested_bytes) {
            (self.congested, self.congested_bytes) = (Some(to), appended.unsent_bytes);
        }
        if appended.then == AfterReply::Close {
            self.closing = Some(to);
        }
        Ok(())
    }
}

impl Drop for TurnEffects<'_> {
    fn drop(&mut self) {
        self.close_writers();
    }
}

impl Effects for TurnEffects<'_> {
    #[inline]
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        self.append(to, |dialect, queue| dialect.encode(reply, queue))?;
        if let Reply::Pong = reply
            && let Some(writer) = self.writer(to)
        {
            // Whoever asks for it may want to know how long it takes.
            writer.set_urgent();
        }
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        let ending = match reason.code() {
            Some(code) => {
                // Where even this finds no room, the end of the connection says it.
                let _ = self.send(session, &code.into());
                Ending::Drain(reason)
            }
            None => Ending::Now(reason),
        };
        self.close_writers();
        if let Some(outbox) = self.outboxes.get(session) {
            outbox.end(ending, &mut self.deferred.wakers);
        }
    }

    fn logs_messages(&self) -> bool {
        self.logs_messages
    }

    fn log(&mut self, fact: Fact<'_>) {
        if let Fact::Left { reason: CloseReason::SlowConsumer, .. } = fact {
            self.counts.slow_consumers += 1;
        }
        telemetry::log(fact, self.hub.settings.log_messages);
    }
}
