//! The switchboard and everybody's outbox behind one lock, held for a batch and never across an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use slotmap::SecondaryMap;
use switchboard_core::{Closed, Effects, Event, Fact, Full, SessionId, Switchboard};
use switchboard_protocol::{Dialect, ParseError, Reply, Then};
use tokio::time::Instant;

use crate::journal;
use crate::outbox::{Ending, Outbox};
use crate::settings::Settings;
use crate::speaker::{Said, Speaker};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    pub(crate) settings: Settings,
}

#[derive(Debug)]
struct State {
    board: Switchboard,
    outlets: SecondaryMap<SessionId, Outlet>,
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

/// Where a session hears.
#[derive(Debug)]
struct Outlet {
    outbox: Arc<Outbox>,
    dialect: Dialect,
}

/// What came of one turn of lines.
#[derive(Debug)]
pub(crate) struct Turn {
    /// How many lines were taken.
    pub(crate) lines: usize,
    /// The fullest outbox above its soft mark that the turn added to, and how much waits there, in bytes.
    pub(crate) crowded: Option<(Arc<Outbox>, usize)>,
    /// Why the session has come to its end, if it has: no later line of it counts.
    pub(crate) over: Option<Closed>,
}

impl Hub {
    pub(crate) fn new(settings: Settings) -> Self {
        let board = Switchboard::new(settings.register_timeout);
        let state = State { board, outlets: SecondaryMap::new(), stopping: false, counts: Counts::default() };
        Self { state: Mutex::new(state), settings }
    }

    /// Takes in a session, or nothing once the server is being stopped.
    pub(crate) fn admit(&self, dialect: Dialect, now: Instant) -> Option<(SessionId, Arc<Outbox>)> {
        let outbox = Arc::new(Outbox::default());
        let mut state = self.lock();
        if state.stopping {
            return None;
        }
        let id = state.board.admit(now.into_std());
        state.outlets.insert(id, Outlet { outbox: Arc::clone(&outbox), dialect });
        state.counts.sessions += 1;
        drop(state);
        self.event(id, Event::Opened);
        Some((id, outbox))
    }

    /// Takes at most `lines_max` lines of `speaker` off `unread`, carries them out, and puts whom to wake in `wakers`.
    ///
    /// The turn ends early where it added to an outbox above its soft mark.
    pub(crate) fn turn(
        &self,
        speaker: &mut Speaker,
        unread: &mut &[u8],
        lines_max: usize,
        wakers: &mut Vec<Waker>,
    ) -> Turn {
        let from = speaker.id;
        let text_max_bytes = self.settings.text_bytes;
        let mut guard = self.lock();
        let State { board, outlets, stopping, counts } = &mut *guard;
        let mut desk = Desk::new(outlets, counts, &self.settings, wakers);
        let mut turn = Turn { lines: 0, crowded: None, over: None };
        if *stopping {
            turn.over = Some(Closed::Shutdown);
        }
        while turn.over.is_none() && turn.lines < lines_max && desk.crowded.is_none() {
            let registered = board.is_registered(from);
            let Some(said) = speaker.next(unread, registered, text_max_bytes) else { break };
            turn.lines += 1;
            let answered = match said {
                Said::Command(command) => {
                    board.handle(from, Event::Said(command), &mut desk);
                    Ok(())
                }
                Said::Nothing => Ok(()),
                Said::Error(error) => desk.send_error(from, &error, registered),
                Said::Foreign(foreign) => {
                    turn.over = Some(Closed::WrongProtocol);
                    desk.send(from, &foreign.refusal())
                }
            };
            if answered.is_err() {
                desk.close(from, Closed::SlowConsumer);
                turn.over = Some(Closed::SlowConsumer);
            } else if desk.last_word_to == Some(from) || !board.has(from) {
                turn.over = turn.over.or(Some(Closed::Refused));
            }
        }
        turn.crowded = desk.crowded.map(|(session, waiting)| (Arc::clone(&outlets[session].outbox), waiting));
        turn
    }

    /// Tells the board that a session left, if it does not know. From here on nobody speaks to it.
    pub(crate) fn leave(&self, id: SessionId, why: Closed) {
        self.event(id, Event::Left(why));
    }

    /// Forgets a session whose connection is no more.
    pub(crate) fn forget(&self, id: SessionId) {
        self.lock().outlets.remove(id);
    }

    /// Closes the sessions that took no name in time.
    pub(crate) fn expire(&self, now: Instant) {
        self.with_desk(|board, desk| board.expire(now.into_std(), desk));
    }

    /// Stops: from here on no line is taken, and everybody is told, gets what is owed, and is closed.
    pub(crate) fn stop(&self) {
        let mut wakers = Vec::new();
        let mut guard = self.lock();
        let State { board, outlets, stopping, counts } = &mut *guard;
        *stopping = true;
        let mut desk = Desk::new(outlets, counts, &self.settings, &mut wakers);
        for session in board.sessions() {
            desk.close(session, Closed::Shutdown);
        }
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Closes whoever is still there, whatever waits for them, and tells how many that were.
    pub(crate) fn abandon(&self) -> usize {
        let mut wakers = Vec::new();
        let guard = self.lock();
        for outlet in guard.outlets.values() {
            outlet.outbox.end(Ending::Now(Closed::Shutdown), &mut wakers);
        }
        let left = guard.outlets.len();
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
        left
    }

    /// How many sessions there were.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    fn event(&self, id: SessionId, event: Event<'_>) {
        self.with_desk(|board, desk| board.handle(id, event, desk));
    }

    fn with_desk(&self, work: impl FnOnce(&mut Switchboard, &mut Desk<'_>)) {
        let mut wakers = Vec::new();
        let mut guard = self.lock();
        let State { board, outlets, stopping, counts } = &mut *guard;
        let mut desk = Desk::new(outlets, counts, &self.settings, &mut wakers);
        desk.silent = *stopping;
        work(board, &mut desk);
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The board does not panic on any input; should it ever, the other sessions carry on with it as it is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out what the switchboard decides, for as long as the lock is held.
struct Desk<'a> {
    outlets: &'a mut SecondaryMap<SessionId, Outlet>,
    counts: &'a mut Counts,
    settings: &'a Settings,
    wakers: &'a mut Vec<Waker>,
    /// The fullest outbox above its soft mark that was added to, and how much waits there, in bytes.
    crowded: Option<(SessionId, usize)>,
    /// The session that heard its dialect's last word.
    last_word_to: Option<SessionId>,
    /// Whether nothing is said any more: while the server stops, that the others leave is no news.
    silent: bool,
}

impl<'a> Desk<'a> {
    fn new(
        outlets: &'a mut SecondaryMap<SessionId, Outlet>,
        counts: &'a mut Counts,
        settings: &'a Settings,
        wakers: &'a mut Vec<Waker>,
    ) -> Self {
        Self { outlets, counts, settings, wakers, crowded: None, last_word_to: None, silent: false }
    }

    /// Answers a line that could not be read.
    fn send_error(&mut self, to: SessionId, error: &ParseError, registered: bool) -> Result<(), Full> {
        self.append(to, |dialect, queue| dialect.encode_error(error, registered, queue))
    }

    fn append(&mut self, to: SessionId, encode: impl FnOnce(Dialect, &mut Vec<u8>) -> Then) -> Result<(), Full> {
        if self.silent {
            return Ok(());
        }
        let outlet = self.outlets.get(to).ok_or(Full)?;
        let marks = self.settings.marks();
        let pushed = outlet.outbox.append(marks, self.wakers, |queue| encode(outlet.dialect, queue))?;
        if pushed.waiting_bytes > marks.soft_bytes
            && self.crowded.is_none_or(|(_, fullest)| fullest < pushed.waiting_bytes)
        {
            self.crowded = Some((to, pushed.waiting_bytes));
        }
        if pushed.then == Then::Close {
            self.last_word_to = Some(to);
        }
        Ok(())
    }
}

impl Effects for Desk<'_> {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        self.append(to, |dialect, queue| dialect.encode(reply, queue))
    }

    fn close(&mut self, session: SessionId, why: Closed) {
        let ending = match why.code() {
            Some(code) => {
                // Where even this finds no room, the end of the connection says it.
                let _ = self.send(session, &code.into());
                Ending::Drained(why)
            }
            None => Ending::Now(why),
        };
        if let Some(outlet) = self.outlets.get(session) {
            outlet.outbox.end(ending, self.wakers);
        }
    }

    fn note(&mut self, fact: Fact<'_>) {
        if let Fact::Left { why: Closed::SlowConsumer, .. } = fact {
            self.counts.slow_consumers += 1;
        }
        journal::fact(fact, self.settings.log_messages);
    }
}
