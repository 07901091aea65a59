//! The effects of the core. Lines, questions and requests are kept until a test takes them, and changes until it commits
//! them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use switchboard_core::change::{Change, UnixMillis};
use switchboard_core::{
    CloseReason, Effects, Event, Full, IdentityAnswer, IdentityRequest, OperatorTicket, Position, Query, SessionId,
    StoreEffects, Switchboard, Ticket,
};
use switchboard_protocol::version2::{self, Request};
use switchboard_protocol::{ErrorCode, IpPrefix, Reply, commands, limits};

use crate::home::Home;

#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) home: Home,
    /// The lines of all sessions, in the order in which they were sent.
    pub(crate) lines: VecDeque<(SessionId, String)>,
    /// The sessions that the core has closed.
    pub(crate) closed: HashMap<SessionId, CloseReason>,
    pub(crate) not_reading: HashSet<SessionId>,
    pub(crate) questions: VecDeque<(Ticket, Query)>,
    pub(crate) identity_requests: VecDeque<(SessionId, IdentityRequest)>,
    pub(crate) operated: Vec<(OperatorTicket, Result<(), ErrorCode>)>,
    pub(crate) resumed: Vec<SessionId>,
    /// The addresses whose sessions shall end.
    pub(crate) ended_addresses: Vec<(IpPrefix, CloseReason, String)>,
    /// The time of day.
    pub(crate) now: UnixMillis,
    randoms: u64,
}

impl Default for Shell {
    fn default() -> Self {
        Self {
            home: Home::default(),
            lines: VecDeque::new(),
            closed: HashMap::new(),
            not_reading: HashSet::new(),
            questions: VecDeque::new(),
            identity_requests: VecDeque::new(),
            operated: Vec::new(),
            resumed: Vec::new(),
            ended_addresses: Vec::new(),
            now: UnixMillis(1_795_903_837_123),
            randoms: 0,
        }
    }
}

impl Effects for Shell {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        let mut line = Vec::new();
        commands::encode(reply, &mut line);
        self.send_line(to, &line)
    }

    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full> {
        assert!(!self.closed.contains_key(&to), "the core sends to a closed session");
        let lines = std::str::from_utf8(line).expect("a line is UTF-8");
        self.lines.extend(lines.lines().map(|line| (to, line.to_owned())));
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.closed.insert(session, reason);
    }

    fn close_with_words(&mut self, session: SessionId, reason: CloseReason, detail: &str) {
        let code = reason.code().expect("a reason with a code");
        let line = if detail.is_empty() { format!("ERROR {code}") } else { format!("ERROR {code} {detail}") };
        self.lines.push_back((session, line));
        self.close(session, reason);
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
        self.questions.push_back((ticket, query));
    }

    fn identify(&mut self, session: SessionId, request: IdentityRequest) {
        self.identity_requests.push_back((session, request));
    }

    fn describe_connection(&mut self, session: SessionId) {
        panic!("no test sends WIRE, but {session:?} does");
    }

    fn end_addresses(&mut self, addresses: IpPrefix, reason: CloseReason, detail: &str) {
        self.ended_addresses.push((addresses, reason, detail.to_owned()));
    }

    fn operated(&mut self, ticket: OperatorTicket, result: Result<(), ErrorCode>) {
        self.operated.push((ticket, result));
    }

    fn wall_clock(&self) -> UnixMillis {
        self.now
    }

    fn random(&mut self) -> u64 {
        self.randoms += 1;
        self.randoms
    }
}

/// Opens a session of version 2.
pub(crate) fn open(board: &mut Switchboard, shell: &mut Shell) -> SessionId {
    #[expect(clippy::disallowed_methods, reason = "the core only compares the time of arrival")]
    let session = board.admit(Instant::now());
    board.handle(session, Event::Opened, shell);
    board.hello(session, shell);
    session
}

/// The request in a line, which must be valid.
pub(crate) fn parse(line: &str) -> Request<'_> {
    version2::parse(line.as_bytes(), limits::TEXT_MAX_BYTES).expect("a valid request").expect("a request")
}

/// The answer to a check of an identity that succeeds.
pub(crate) fn accept(request: &IdentityRequest) -> IdentityAnswer {
    match request {
        IdentityRequest::HashPassword(_) => IdentityAnswer::PasswordHashed("hash".to_owned()),
        _ => IdentityAnswer::Accepted,
    }
}
