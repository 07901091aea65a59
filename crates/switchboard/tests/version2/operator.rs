//! The operator's commands on the core, at moments that are hard to meet over a socket.

use std::time::Duration;

use switchboard_core::change::{Credential, Snapshot};
use switchboard_core::{
    CloseReason, Event, Kicked, Operated, OperatorCommand, OperatorTicket, SessionId, Switchboard, Version2Settings,
};
use switchboard_protocol::{ErrorCode, limits};

use crate::shell::{Shell, accept, open, parse};

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
        let session = open(&mut self.board, &mut self.shell);
        self.send(session, &format!("REGISTER {name}"));
        session
    }

    /// Sends a line. The check of a password succeeds.
    fn send(&mut self, session: SessionId, line: &str) {
        self.board.request(session, parse(line), &mut self.shell);
        while let Some((session, request)) = self.shell.identity_requests.pop_front() {
            self.board.identified(session, accept(&request), &mut self.shell);
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
    assert_eq!(world.shell.closed.keys().collect::<Vec<_>>(), [&noy]);
    assert!(matches!(world.shell.closed[&noy], CloseReason::Revoked));
    world.commit();
    assert!(!world.heard(noy, "CLAIM_OK"));
    assert!(world.shell.operated.contains(&(OperatorTicket(1), Ok(()))));
}

#[test]
fn all_sessions_of_a_name_are_kicked_and_hear_why() {
    let mut world = World::new();
    let [noy, other, guest] = ["Noy", "Elias", "Guest"].map(|name| world.guest(name));
    world.send(noy, "CLAIM password x");
    world.commit();
    let phone = open(&mut world.board, &mut world.shell);
    world.send(phone, "LOGIN Noy phone password x");
    world.commit();
    assert!(world.heard(phone, "LOGIN_OK Noy phone"));
    let kick = |world: &mut World, who: &str| world.board.kick_sessions(who, "no spam", &mut world.shell);
    assert_eq!(kick(&mut world, "NOY"), Ok(Kicked { name: Some("Noy".to_owned()), sessions: 2 }));
    assert_eq!(kick(&mut world, "Noy"), Err(ErrorCode::UserNotFound), "the account is away");
    assert_eq!(kick(&mut world, &guest.to_string()), Ok(Kicked { name: Some("Guest".to_owned()), sessions: 1 }));
    assert_eq!(kick(&mut world, "nobody"), Err(ErrorCode::UserNotFound));
    assert_eq!(world.shell.closed.len(), 3);
    assert!(world.shell.closed.values().all(|reason| *reason == CloseReason::Kicked));
    assert!(!world.shell.closed.contains_key(&other));
    let summary = world.board.session_summary(other).expect("a session");
    assert_eq!((summary.name.as_deref(), summary.account, summary.lag), (Some("Elias"), None, 0));
    assert_eq!(world.board.notify(&[noy, other], b"NOTICE x\n", &mut world.shell), 1, "one of them is gone");
    assert!(world.heard(other, "NOTICE x"));
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
