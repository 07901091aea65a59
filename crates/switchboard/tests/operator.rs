//! The operator's commands on the core, at moments that are hard to meet over a socket.

#[expect(dead_code, reason = "the stage of the transcripts uses the rest")]
mod home;

use std::time::{Duration, Instant};

use home::Home;
use switchboard_core::change::{Change, Credential, Snapshot, UnixMillis};
use switchboard_core::{
    CloseReason, Effects, Event, Full, IdentityAnswer, IdentityRequest, Operated, OperatorCommand, OperatorTicket,
    Position, Query, SessionId, StoreEffects, Switchboard, Ticket, Version2Settings,
};
use switchboard_protocol::version2::parse;
use switchboard_protocol::{ErrorCode, limits};

/// The effects of the core. Changes wait until the test commits them.
#[derive(Debug, Default)]
struct Shell {
    home: Home,
    lines: Vec<(SessionId, String)>,
    closed: Vec<(SessionId, CloseReason)>,
    identity_requests: Vec<(SessionId, IdentityRequest)>,
    operated: Vec<(OperatorTicket, Result<(), ErrorCode>)>,
    randoms: u64,
}

impl Effects for Shell {
    fn send(&mut self, to: SessionId, reply: &switchboard_protocol::Reply<'_>) -> Result<(), Full> {
        let mut line = Vec::new();
        switchboard_protocol::commands::encode(reply, &mut line);
        self.send_line(to, &line)
    }

    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full> {
        let lines = std::str::from_utf8(line).expect("a line is UTF-8");
        self.lines.extend(lines.lines().map(|line| (to, line.to_owned())));
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.closed.push((session, reason));
    }
}

impl StoreEffects for Shell {
    fn has_room(&self, _session: SessionId) -> bool {
        true
    }

    fn notify_of_room(&mut self, _session: SessionId) {}

    fn resume(&mut self, _session: SessionId) {}

    fn append(&mut self, change: Change) -> Position {
        self.home.append(change)
    }

    fn read(&mut self, _ticket: Ticket, query: Query) {
        panic!("no test reads from the store: {query:?}");
    }

    fn identify(&mut self, session: SessionId, request: IdentityRequest) {
        self.identity_requests.push((session, request));
    }

    fn operated(&mut self, ticket: OperatorTicket, result: Result<(), ErrorCode>) {
        self.operated.push((ticket, result));
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

struct World {
    board: Switchboard,
    shell: Shell,
}

impl World {
    fn new() -> Self {
        let mut board = Switchboard::new(Duration::from_mins(1));
        // Each record goes into fan-out.
        let settings = Version2Settings { direct_viewers_max: 0, ..Version2Settings::default() };
        board.load(Snapshot::default(), settings);
        Self { board, shell: Shell::default() }
    }

    fn guest(&mut self, name: &str) -> SessionId {
        #[expect(clippy::disallowed_methods, reason = "the core only compares the time of arrival")]
        let session = self.board.admit(Instant::now());
        self.board.handle(session, Event::Opened, &mut self.shell);
        self.board.hello(session, &mut self.shell);
        self.send(session, &format!("REGISTER {name}"));
        session
    }

    /// Sends a line. The check of a password succeeds.
    fn send(&mut self, session: SessionId, line: &str) {
        let request = parse(line.as_bytes(), limits::TEXT_MAX_BYTES).expect("a valid request").expect("a request");
        self.board.request(session, request, &mut self.shell);
        for (session, _) in std::mem::take(&mut self.shell.identity_requests) {
            self.board.identified(session, IdentityAnswer::PasswordHashed("hash".to_owned()), &mut self.shell);
        }
    }

    fn operate(&mut self, command: OperatorCommand) -> Result<Operated, ErrorCode> {
        self.board.operate(OperatorTicket(1), command, &mut self.shell)
    }

    fn add_account(&mut self, name: &str) -> Result<Operated, ErrorCode> {
        let credential = Credential::Password("hash".to_owned());
        self.operate(OperatorCommand::AddAccount { name: name.to_owned(), credential })
    }

    fn commit(&mut self) {
        let position = self.shell.home.commit();
        self.board.durable(position, &mut self.shell);
    }

    fn heard(&self, session: SessionId, start: &str) -> bool {
        self.shell.lines.iter().any(|(to, line)| *to == session && line.starts_with(start))
    }
}

#[test]
fn session_whose_claim_is_not_stored_yet_is_closed_with_its_account() {
    let mut world = World::new();
    let noy = world.guest("Noy");
    world.send(noy, "CLAIM password x");
    let deleted = world.operate(OperatorCommand::DeleteAccount { name: "Noy".to_owned() });
    assert_eq!(deleted.map(|operated| operated.sessions), Ok(1));
    assert!(matches!(world.shell.closed[..], [(session, CloseReason::Revoked)] if session == noy));
    world.commit();
    assert!(!world.heard(noy, "CLAIM_OK"));
    assert!(world.shell.operated.contains(&(OperatorTicket(1), Ok(()))));
}

#[test]
fn account_cannot_be_added_while_a_guest_has_a_name_that_looks_like_its_own() {
    let mut world = World::new();
    let guest = world.guest("N\u{43e}y");
    assert!(world.heard(guest, "REGISTER_OK"));
    for name in ["Noy", "N\u{43e}y", "NOY"] {
        assert_eq!(world.add_account(name), Err(ErrorCode::NameTaken), "{name}");
    }
    world.board.handle(guest, Event::Closed(CloseReason::Quit), &mut world.shell);
    assert!(world.add_account("Noy").is_ok());
}

#[test]
fn operator_is_answered_after_a_full_fan_out_whose_sessions_are_gone() {
    let mut world = World::new();
    let noy = world.guest("Noy");
    for line in ["CLAIM password x", "JOIN #lab", "OPEN #lab"] {
        world.send(noy, line);
        world.commit();
    }
    assert!(world.heard(noy, "LIVE #lab"));
    let say = format!("SAY #lab {}", "x".repeat(limits::TEXT_MAX_BYTES));
    // More than 8 MiB, so that stored records stay in the queue of commits.
    for _ in 0..2200 {
        world.send(noy, &say);
        world.commit();
    }
    world.board.handle(noy, Event::Closed(CloseReason::Quit), &mut world.shell);
    assert!(world.add_account("Elias").is_ok());
    world.commit();
    while world.board.has_work() {
        world.board.work(&mut world.shell);
    }
    assert_eq!(world.shell.operated, [(OperatorTicket(1), Ok(()))]);
}
