//! The core alone: no socket, no runtime, no clock.

mod effects;
#[path = "../../../crates/switchboard/tests/version2/home.rs"]
mod home;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use switchboard_core::change::{Epoch, Snapshot};
use switchboard_core::{CloseReason, Event, Quota, RoomLimits, Session, SessionId, Switchboard, Version2Settings};
use switchboard_protocol::version2::{self, InvalidRequest, RequestError};
use switchboard_protocol::{Dialect, ErrorCode, LineDecoder, ParseError, ReceivedBytes, limits};

use self::effects::{RecordedSession, Speaks, StageEffects, identify};
use self::home::Home;
use super::{Received, Stage};

/// The core with a minimal shell: it decodes lines, encodes replies, and stores changes in memory.
#[derive(Debug)]
pub struct BareStage {
    board: Switchboard,
    session_ids: HashMap<String, SessionId>,
    effects: StageEffects,
    /// Lengths of the pieces that input is split into, used in turn. Empty: input is not split.
    piece_lens: Vec<usize>,
    start: Instant,
    settings: Version2Settings,
    backup: Option<Home>,
}

impl BareStage {
    /// A stage without splits.
    #[must_use]
    pub fn new() -> Self {
        Self::splitting(Vec::new())
    }

    /// A stage that splits all input into pieces of these lengths, used in turn.
    #[must_use]
    pub fn splitting(piece_lens: Vec<usize>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the stage has no clock, so any moment serves as its start")]
        let start = Instant::now();
        let settings = Version2Settings::default();
        let mut board = Switchboard::new(Duration::from_mins(1));
        board.load(Snapshot::default(), settings.clone());
        Self {
            board,
            session_ids: HashMap::new(),
            effects: StageEffects::default(),
            piece_lens,
            start,
            settings,
            backup: None,
        }
    }

    fn session(&mut self, who: &str) -> &mut RecordedSession {
        let id = self.session_ids[who];
        self.effects.session(id)
    }

    fn feed(&mut self, who: &str, bytes: &[u8]) {
        let id = self.session_ids[who];
        self.effects.session(id).unread.extend_from_slice(bytes);
        self.read_lines(id);
        self.serve();
    }

    /// Handles the received lines of a session, until it is paused or closed.
    fn read_lines(&mut self, id: SessionId) {
        // The decoder and the bytes are taken out of the effects, because the loop also needs these mutably.
        let session = self.effects.session(id);
        let mut decoder = std::mem::replace(&mut session.decoder, LineDecoder::new(0));
        let bytes = std::mem::take(&mut session.unread);
        let mut unread = ReceivedBytes::new(&bytes);
        while !self.effects.session(id).closed
            && !self.board.is_paused(id)
            && let Some(line) = decoder.next_line(&mut unread)
        {
            match self.effects.session(id).speaks {
                Speaks::Undecided if line.is_ok_and(|line| version2::hello(line).is_some()) => {
                    self.effects.session(id).speaks = Speaks::Version2;
                    self.board.hello(id, &mut self.effects);
                }
                Speaks::Undecided | Speaks::Version1 => {
                    self.effects.session(id).speaks = Speaks::Version1;
                    self.handle_version1(id, line.map_err(ParseError::from));
                }
                Speaks::Version2 => {
                    let request = line
                        .map_err(|error| ParseError::from(error).into())
                        .map_err(|reason: InvalidRequest| RequestError { n: None, target: None, reason })
                        .and_then(|line| version2::parse(line, limits::TEXT_MAX_BYTES));
                    match request {
                        Ok(Some(request)) => self.board.request(id, request, &mut self.effects),
                        Ok(None) => {}
                        Err(error) => self.board.reject(id, &error, &mut self.effects),
                    }
                }
            }
            self.store();
        }
        let session = self.effects.session(id);
        session.decoder = decoder;
        session.unread = unread.as_bytes().to_vec();
    }

    fn handle_version1(&mut self, id: SessionId, line: Result<switchboard_protocol::RawLine<'_>, ParseError>) {
        let dialect = self.effects.session(id).dialect;
        let registered = self.board.session(id).is_some_and(Session::is_registered);
        match line.and_then(|line| dialect.parse(line, registered, limits::TEXT_MAX_BYTES)) {
            Ok(Some(command)) => self.board.handle(id, Event::Command(command), &mut self.effects),
            Ok(None) => {}
            Err(error) => self.effects.deliver(id, |out| dialect.encode_error(&error, registered, out)),
        }
        if self.effects.session(id).closed {
            self.board.handle(id, Event::Closed(CloseReason::Refused), &mut self.effects);
        }
    }

    /// Stores the changes of the last event, and answers its questions, until there is nothing more to do.
    fn store(&mut self) {
        loop {
            if self.board.has_work() {
                self.board.work(&mut self.effects);
            } else if !self.effects.holds && self.effects.home.waiting() > 0 {
                let position = self.effects.home.commit();
                self.board.durable(position, &mut self.effects);
            } else if let Some(session) = self.effects.undescribed.pop_front() {
                self.board.connection_described(session, "", &mut self.effects);
            } else if let Some((ticket, query)) = self.effects.questions.pop_front() {
                let answer = self.effects.home.answer(&query);
                self.board.answer(ticket, answer, &mut self.effects);
            } else if !self.effects.holds_checks
                && let Some((session, request)) = self.effects.identity_requests.pop_front()
            {
                let answer = identify(&request, &mut self.effects.tokens);
                self.board.identified(session, answer, &mut self.effects);
            } else {
                return;
            }
        }
    }

    /// Reads on in the sessions that the core has resumed.
    fn serve(&mut self) {
        self.store();
        while let Some(id) = self.effects.resumed.pop_front() {
            self.read_lines(id);
            self.store();
        }
    }
}

impl Default for BareStage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage for BareStage {
    fn open(&mut self, who: &str, dialect: Dialect) {
        let id = self.board.admit(self.start);
        self.session_ids.insert(who.to_owned(), id);
        self.effects.sessions.insert(id, RecordedSession::new(dialect));
        self.board.handle(id, Event::Opened, &mut self.effects);
    }

    fn send(&mut self, who: &str, bytes: &[u8]) {
        let mut unsent = bytes;
        for piece_len in self.piece_lens.clone().into_iter().cycle().take(bytes.len()) {
            let (piece, later) = unsent.split_at(piece_len.min(unsent.len()));
            self.feed(who, piece);
            unsent = later;
        }
        self.feed(who, unsent);
    }

    fn receive(&mut self, who: &str) -> Received {
        let session = self.session(who);
        match session.received.pop_front() {
            Some(line) => Received::Line(line),
            None if session.closed => Received::End,
            None => Received::Silence,
        }
    }

    fn receive_pending(&mut self, who: &str) -> Option<String> {
        self.session(who).received.pop_front()
    }

    fn half_close(&mut self, who: &str) {
        let id = self.session_ids[who];
        self.board.handle(id, Event::Closed(CloseReason::Quit), &mut self.effects);
        self.session(who).closed = true;
        self.serve();
    }

    fn close(&mut self, who: &str) {
        self.half_close(who);
    }

    fn follows_directions(&self) -> bool {
        true
    }

    fn follow(&mut self, direction: &str) -> bool {
        match direction.split(' ').collect::<Vec<_>>()[..] {
            ["store", "holds"] => self.effects.holds = true,
            ["store", "commits"] => self.effects.holds = false,
            ["store", "fails"] => self.fail(ErrorCode::Unavailable),
            ["store", "fails", "after", "the", "sync"] => {
                self.effects.home.commit();
                self.fail(ErrorCode::Unavailable);
            }
            ["store", "is", "full"] => self.fail(ErrorCode::StoreFull),
            ["backup", "is", "made"] => self.backup = Some(self.effects.home.clone()),
            ["backup", "is", "restored"] => {
                let backup = self.backup.take().expect("a backup is made");
                let StageEffects { home, randoms, .. } = &mut self.effects;
                home.restore(&backup, || {
                    *randoms += 1;
                    Epoch(*randoms)
                });
                self.fail(ErrorCode::Unavailable);
                self.effects.holds = false;
                self.board.store_writable(self.effects.home.position(), &mut self.effects);
            }
            ["store", "recovers"] => {
                self.effects.holds = false;
                self.board.store_writable(self.effects.home.position(), &mut self.effects);
            }
            ["quota", "of", records, "records", "and", bytes, "bytes"] => {
                let number = |word: &str| word.parse().expect("a number");
                let quota = Quota { records: number(records), bytes: number(bytes) };
                self.settings.account_quota = quota;
                self.settings.guest_quota = quota;
                self.settings.all_guests_quota = Quota { records: quota.records * 2, ..quota };
                self.board.load(Snapshot::default(), self.settings.clone());
            }
            ["limits", "of", rooms, "rooms,", memberless, "memberless,", joined, "joined,", members, "members"] => {
                let number = |word: &str| word.parse().expect("a number");
                self.settings.room_limits = RoomLimits {
                    rooms: number(rooms),
                    memberless_rooms: number(memberless),
                    joined_rooms: number(joined),
                    members: number(members),
                };
                self.board.load(Snapshot::default(), self.settings.clone());
            }
            ["search", "is", "off"] => {
                self.settings.has_search = false;
                self.board.load(Snapshot::default(), self.settings.clone());
            }
            ["memory", "for", records, "records"] => {
                self.settings.memory_records_max = Some(records.parse().expect("a number"));
                self.board.load(Snapshot::default(), self.settings.clone());
            }
            [days, "days", "pass"] => {
                self.effects.days += days.parse::<u64>().expect("a number");
                self.board.tick(&mut self.effects);
            }
            ["checks", "hold"] => self.effects.holds_checks = true,
            ["check", "of", who, "ends"] => {
                let id = self.session_ids[who];
                let requests = &mut self.effects.identity_requests;
                let index = requests.iter().position(|(session, _)| *session == id).expect("a check is held");
                let (_, request) = requests.remove(index).expect("the index is that of a request");
                let answer = identify(&request, &mut self.effects.tokens);
                self.board.identified(id, answer, &mut self.effects);
            }
            // This stage has no other signatures.
            ["signatures", "are", "fake"] => {}
            [who, "stops", "reading"] => {
                let id = self.session_ids[who];
                self.effects.session(id).is_reading = false;
            }
            [who, "reads", "on"] => {
                let id = self.session_ids[who];
                self.effects.session(id).is_reading = true;
                self.board.outbox_has_room(id, &mut self.effects);
            }
            _ => return false,
        }
        self.serve();
        true
    }
}

impl BareStage {
    fn fail(&mut self, code: ErrorCode) {
        self.effects.holds = true;
        self.effects.home.lose();
        self.board.store_failed(code, &mut self.effects);
        self.board.store_reloaded(self.effects.home.snapshot(), &mut self.effects);
    }
}
