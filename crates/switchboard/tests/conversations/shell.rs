//! The effects of the core: lines and questions are kept until the world takes them.

use std::collections::{HashSet, VecDeque};

use switchboard_core::change::{Change, UnixMillis};
use switchboard_core::{CloseReason, Effects, Full, IdentityRequest, Position, Query, SessionId, StoreEffects, Ticket};

use crate::home::Home;

#[derive(Debug, Default)]
pub(crate) struct Shell {
    pub(crate) home: Home,
    /// For each event with changes: their number. The changes of an event are committed together.
    pub(crate) events: VecDeque<usize>,
    pub(crate) lines: VecDeque<(SessionId, String)>,
    pub(crate) closed: HashSet<SessionId>,
    pub(crate) not_reading: HashSet<SessionId>,
    pub(crate) questions: Vec<(Ticket, Query)>,
    pub(crate) identity_requests: VecDeque<(SessionId, IdentityRequest)>,
    pub(crate) resumed: Vec<SessionId>,
    randoms: u64,
}

impl Effects for Shell {
    fn send(&mut self, to: SessionId, reply: &switchboard_protocol::Reply<'_>) -> Result<(), Full> {
        let mut line = Vec::new();
        switchboard_protocol::commands::encode(reply, &mut line);
        self.send_line(to, &line)
    }

    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full> {
        assert!(!self.closed.contains(&to), "the core sends to a closed session");
        let lines = std::str::from_utf8(line).expect("a line is UTF-8");
        self.lines.extend(lines.lines().map(|line| (to, line.to_owned())));
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        assert!(matches!(reason, CloseReason::Displaced), "the core closes {session}: {reason}");
        self.closed.insert(session);
    }
}

impl StoreEffects for Shell {
    fn has_room(&self, session: SessionId) -> bool {
        !self.not_reading.contains(&session)
    }

    fn notify_of_room(&mut self, _session: SessionId) {}

    fn resume(&mut self, session: SessionId) {
        self.resumed.push(session);
    }

    fn append(&mut self, change: Change) -> Position {
        self.home.append(change)
    }

    fn read(&mut self, ticket: Ticket, query: Query) {
        self.questions.push((ticket, query));
    }

    fn identify(&mut self, session: SessionId, request: IdentityRequest) {
        self.identity_requests.push_back((session, request));
    }

    fn describe_connection(&mut self, session: SessionId) {
        panic!("no test sends WIRE, but {session:?} does");
    }

    fn wall_clock(&self) -> UnixMillis {
        UnixMillis(1_795_903_837_123)
    }

    fn random(&mut self) -> u64 {
        self.randoms += 1;
        self.randoms
    }
}
