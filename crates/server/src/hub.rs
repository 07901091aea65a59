//! The switchboard and everybody's outbox behind one lock, held for a batch and never across an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slotmap::SecondaryMap;
use switchboard_core::{CloseReason, Effects, Event, Fact, Full, SessionId, Switchboard};
use switchboard_protocol::{Dialect, ParseError, Reply, Then, Unread};
use tokio::time::Instant;

use crate::outbox::{Aftermath, Draft, Ending, Outbox, Socket};
use crate::settings::Settings;
use crate::speaker::{Said, Speaker};
use crate::telemetry;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    pub(crate) settings: Settings,
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
    pub(crate) crowded: Option<Arc<Outbox>>,
    /// Why the session has come to its end, if it has: no later line of it counts.
    pub(crate) over: Option<CloseReason>,
}

impl Hub {
    pub(crate) fn new(settings: Settings) -> Self {
        // What is reserved costs no memory until it is used; one slot of each is never used.
        let board = Switchboard::with_capacity(settings.register_timeout, settings.max_sessions);
        let outboxes = SecondaryMap::with_capacity(settings.max_sessions + 1);
        let state = State { board, outboxes, stopping: false, counts: Counts::default() };
        Self { state: Mutex::new(state), settings }
    }

    /// Takes in a session, which is spoken to through `socket`.
    pub(crate) fn admit(
        &self,
        dialect: Dialect,
        socket: impl Socket + 'static,
        now: Instant,
    ) -> (SessionId, Arc<Outbox>) {
        let outbox: Arc<Outbox> = Arc::new(Outbox::new(dialect, socket));
        let id = self.with_desk(|board, desk| {
            let id = board.admit(now.into_std());
            desk.outboxes.insert(id, Arc::clone(&outbox));
            desk.counts.sessions += 1;
            board.handle(id, Event::Opened, desk);
            id
        });
        (id, outbox)
    }

    /// Takes lines of `speaker` off `unread`, up to `lines_max` of them or a turn's work, and carries them out but for
    /// what is left to the `aftermath`.
    ///
    /// The turn ends early where it added to an outbox above its soft mark.
    pub(crate) fn turn(
        &self,
        speaker: &mut Speaker,
        unread: &mut Unread<'_>,
        lines_max: usize,
        aftermath: &mut Aftermath,
    ) -> Turn {
        let from = speaker.id;
        let text_max_bytes = self.settings.text_bytes;
        let mut guard = self.lock();
        let State { board, outboxes, stopping, counts } = &mut *guard;
        let mut desk = Desk::new(outboxes, counts, &self.settings, aftermath);
        desk.speaker = Some(from);
        let mut turn = Turn { lines: 0, crowded: None, over: stopping.then_some(CloseReason::Shutdown) };
        let mut work = 0;
        while turn.over.is_none() && turn.lines < lines_max && work < self.settings.turn_lines && desk.crowded.is_none()
        {
            let Some(registered) = board.registered(from).filter(|_| desk.last_word_to != Some(from)) else {
                // Whoever took it off the board has said why.
                turn.over = Some(CloseReason::Refused);
                break;
            };
            let Some(said) = speaker.next(unread, registered, text_max_bytes) else { break };
            turn.lines += 1;
            work += said.work();
            let answered = match said {
                Said::Command(command) => {
                    board.handle(from, Event::Command(command), &mut desk);
                    Ok(())
                }
                Said::Nothing => Ok(()),
                Said::Error(error) => desk.send_error(from, &error, registered),
                Said::Foreign(foreign) => {
                    turn.over = Some(CloseReason::WrongProtocol);
                    desk.send(from, &foreign.refusal())
                }
            };
            if answered.is_err() {
                board.handle(from, Event::Closed(CloseReason::SlowConsumer), &mut desk);
                desk.close(from, CloseReason::SlowConsumer);
            }
        }
        turn.crowded = desk.crowded.map(|session| Arc::clone(&desk.outboxes[session]));
        turn
    }

    /// Tells the board that a session left, if it does not know. From here on nobody speaks to it.
    pub(crate) fn leave(&self, id: SessionId, why: CloseReason) {
        self.with_desk(|board, desk| board.handle(id, Event::Closed(why), desk));
    }

    /// Forgets a session whose connection is no more.
    pub(crate) fn forget(&self, id: SessionId) {
        self.with_desk(|board, desk| {
            // However its task ended, nobody goes on speaking to it.
            board.handle(id, Event::Closed(CloseReason::Reset), desk);
            if let Some(outbox) = desk.outboxes.remove(id) {
                // Whoever is read later because of it is not any more, and lets go of its socket.
                outbox.end(Ending::Now(CloseReason::Reset), desk.aftermath);
            }
        });
    }

    /// Closes the sessions that took no name in time.
    pub(crate) fn expire(&self, now: Instant) {
        self.with_desk(|board, desk| board.expire(now.into_std(), desk));
    }

    /// Stops: from here on no line is taken, and everybody is told, gets what is owed, and is closed.
    pub(crate) fn stop(&self) {
        let mut aftermath = Aftermath::default();
        let mut guard = self.lock();
        let State { board, outboxes, stopping, counts } = &mut *guard;
        let mut desk = Desk::new(outboxes, counts, &self.settings, &mut aftermath);
        for session in board.sessions() {
            desk.close(session, CloseReason::Shutdown);
        }
        drop(desk);
        // Under the same lock: what is said above is the last word to everybody.
        *stopping = true;
        drop(guard);
        aftermath.settle(self.settings.marks());
    }

    /// Closes whoever is still there, and tells how many of them did not take what they were owed.
    pub(crate) fn abandon(&self) -> usize {
        self.with_desk(|_, desk| {
            let outboxes = || desk.outboxes.values();
            let owed = outboxes().filter(|outbox| outbox.owes()).count();
            for outbox in outboxes() {
                outbox.end(Ending::Now(CloseReason::Shutdown), desk.aftermath);
            }
            owed
        })
    }

    /// How many sessions there were.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    fn with_desk<R>(&self, work: impl FnOnce(&mut Switchboard, &mut Desk<'_>) -> R) -> R {
        let mut aftermath = Aftermath::default();
        let mut guard = self.lock();
        let State { board, outboxes, stopping, counts } = &mut *guard;
        let mut desk = Desk::new(outboxes, counts, &self.settings, &mut aftermath);
        desk.silent = *stopping;
        let done = work(board, &mut desk);
        drop(desk);
        drop(guard);
        aftermath.settle(self.settings.marks());
        done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The board does not panic on any input; should it ever, the other sessions carry on with it as it is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out what the switchboard decides, for as long as the lock is held.
struct Desk<'a> {
    outboxes: &'a mut SecondaryMap<SessionId, Arc<Outbox>>,
    counts: &'a mut Counts,
    settings: &'a Settings,
    aftermath: &'a mut Aftermath,
    /// The outboxes that were written to last: most turns are of one session that talks with another.
    drafts: [Option<(SessionId, Draft)>; 2],
    /// Whose turn it is: what it hears are answers.
    speaker: Option<SessionId>,
    /// Whose outbox above its soft mark was added to; of two, the fuller one's.
    crowded: Option<SessionId>,
    /// How much waits there, in bytes.
    crowded_bytes: usize,
    /// The session that heard its dialect's last word.
    last_word_to: Option<SessionId>,
    /// Whether a log hears of each message.
    logs_messages: bool,
    /// Whether nothing is said any more: while the server stops, that the others leave is no news.
    silent: bool,
}

impl<'a> Desk<'a> {
    fn new(
        outboxes: &'a mut SecondaryMap<SessionId, Arc<Outbox>>,
        counts: &'a mut Counts,
        settings: &'a Settings,
        aftermath: &'a mut Aftermath,
    ) -> Self {
        Self {
            outboxes,
            counts,
            settings,
            aftermath,
            drafts: [None, None],
            speaker: None,
            crowded: None,
            crowded_bytes: 0,
            last_word_to: None,
            logs_messages: telemetry::logs_messages(),
            silent: false,
        }
    }

    /// The open outbox of a session. The first one stays open; another that is open beside it is closed for this one.
    #[inline]
    fn draft(&mut self, of: SessionId) -> Option<&mut Draft> {
        let is_of = |draft: &Option<(SessionId, Draft)>| draft.as_ref().is_some_and(|(session, _)| *session == of);
        let at = if is_of(&self.drafts[0]) {
            0
        } else if is_of(&self.drafts[1]) {
            1
        } else {
            self.open_draft(of)?
        };
        self.drafts[at].as_mut().map(|(_, draft)| draft)
    }

    fn open_draft(&mut self, of: SessionId) -> Option<usize> {
        let draft = self.outboxes.get(of)?.open(self.speaker != Some(of));
        let at = usize::from(self.drafts[0].is_some());
        if let Some((_, older)) = self.drafts[at].replace((of, draft)) {
            older.close(self.aftermath);
        }
        Some(at)
    }

    fn close_drafts(&mut self) {
        for (_, draft) in self.drafts.iter_mut().filter_map(Option::take) {
            draft.close(self.aftermath);
        }
    }

    /// Answers a line that could not be read.
    fn send_error(&mut self, to: SessionId, error: &ParseError, registered: bool) -> Result<(), Full> {
        self.append(to, |dialect, queue| dialect.encode_error(error, registered, queue))
    }

    #[inline]
    fn append(&mut self, to: SessionId, encode: impl FnOnce(Dialect, &mut Vec<u8>) -> Then) -> Result<(), Full> {
        if self.silent {
            return Ok(());
        }
        let marks = self.settings.marks();
        let pushed = self.draft(to).ok_or(Full)?.append(marks, encode)?;
        if pushed.waiting_bytes > marks.soft_bytes.max(self.crowded_bytes) {
            (self.crowded, self.crowded_bytes) = (Some(to), pushed.waiting_bytes);
        }
        if pushed.then == Then::Close {
            self.last_word_to = Some(to);
        }
        Ok(())
    }
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        self.close_drafts();
    }
}

impl Effects for Desk<'_> {
    #[inline]
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        self.append(to, |dialect, queue| dialect.encode(reply, queue))?;
        if let Reply::Pong = reply
            && let Some(draft) = self.draft(to)
        {
            // Whoever asks for it may want to know how long it takes.
            draft.hurry();
        }
        Ok(())
    }

    fn close(&mut self, session: SessionId, why: CloseReason) {
        let ending = match why.code() {
            Some(code) => {
                // Where even this finds no room, the end of the connection says it.
                let _ = self.send(session, &code.into());
                Ending::Drained(why)
            }
            None => Ending::Now(why),
        };
        self.close_drafts();
        if let Some(outbox) = self.outboxes.get(session) {
            outbox.end(ending, self.aftermath);
        }
    }

    fn logs_messages(&self) -> bool {
        self.logs_messages
    }

    fn log(&mut self, fact: Fact<'_>) {
        if let Fact::Left { why: CloseReason::SlowConsumer, .. } = fact {
            self.counts.slow_consumers += 1;
        }
        telemetry::fact(fact, self.settings.log_messages);
    }
}
