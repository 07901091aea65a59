//! Moderation on the core, where a test can move the clock.

use std::time::Duration;

use switchboard_core::change::{Sanction, SanctionKind, Snapshot, UnixMillis};
use switchboard_core::{
    CloseReason, Event, Operated, OperatorCommand, OperatorTicket, RoomLimits, SessionId, Switchboard, Version2Settings,
};
use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::Period;

use crate::shell::{Shell, accept, open, parse};

struct World {
    board: Switchboard,
    shell: Shell,
}

impl World {
    fn new() -> Self {
        Self::with_settings(Version2Settings::default())
    }

    fn with_settings(settings: Version2Settings) -> Self {
        let mut board = Switchboard::new(Duration::from_mins(1));
        board.load(Snapshot::default(), settings);
        Self { board, shell: Shell::default() }
    }

    /// A session of a guest.
    fn guest(&mut self, name: &str) -> SessionId {
        let session = open(&mut self.board, &mut self.shell);
        assert_eq!(self.ask(session, &format!("REGISTER {name}")), format!("REGISTER_OK {name}"));
        session
    }

    /// A session of a new account.
    fn account(&mut self, name: &str) -> SessionId {
        let session = self.guest(name);
        assert_eq!(self.ask(session, "CLAIM password x"), format!("CLAIM_OK {name}"));
        session
    }

    /// Sends a line, commits its changes, and returns the last line that the session hears.
    fn ask(&mut self, session: SessionId, line: &str) -> String {
        self.shell.lines.clear();
        self.board.request(session, parse(line), &mut self.shell);
        while let Some((session, request)) = self.shell.identity_requests.pop_front() {
            self.board.identified(session, accept(&request), &mut self.shell);
        }
        self.commit();
        self.last_line(session)
    }

    fn last_line(&self, session: SessionId) -> String {
        let heard = self.shell.lines.iter().rev().find(|(to, _)| *to == session);
        heard.map(|(_, line)| line.clone()).unwrap_or_default()
    }

    /// A new session that logs in to an account. Returns its last line, too.
    fn log_in(&mut self, name: &str) -> (SessionId, String) {
        let session = open(&mut self.board, &mut self.shell);
        let answer = self.ask(session, &format!("LOGIN {name} main password x"));
        (session, answer)
    }

    fn operate(&mut self, command: OperatorCommand) -> Result<Operated, ErrorCode> {
        self.shell.lines.clear();
        let operated = self.board.operate(OperatorTicket(1), command, &mut self.shell);
        self.commit();
        operated
    }

    fn set_operator(&mut self, name: &str, is_operator: bool) -> Result<Operated, ErrorCode> {
        self.operate(OperatorCommand::SetOperator { name: name.to_owned(), is_operator })
    }

    /// The lines that a session has heard since the last step.
    fn lines(&self, session: SessionId) -> Vec<&str> {
        self.shell.lines.iter().filter(|(to, _)| *to == session).map(|(_, line)| line.as_str()).collect()
    }

    /// The verbs, authors and texts of the audit log, as an operator reads them.
    fn audit_log(&mut self, operator: SessionId) -> Vec<String> {
        self.ask(operator, "HISTORY #audit 1000 100");
        let records = self.lines(operator).into_iter().filter_map(|line| line.strip_prefix('@')?.split_once(' '));
        records.map(|(_, record)| record.to_owned()).collect()
    }

    fn commit(&mut self) {
        loop {
            let position = self.shell.home.commit();
            self.board.durable(position, &mut self.shell);
            if let Some((ticket, query)) = self.shell.questions.pop_front() {
                let answer = self.shell.home.answer(&query);
                self.board.answer(ticket, answer, &mut self.shell);
            } else if self.board.has_work() {
                self.board.work(&mut self.shell);
            } else if self.shell.home.waiting() == 0 {
                break;
            }
        }
    }

    /// So many seconds pass.
    fn pass(&mut self, seconds: u64) {
        self.shell.now.0 += seconds * 1000;
        self.board.tick(&mut self.shell);
        self.commit();
    }

    /// The server starts again, with nothing but the stored state. All sessions are gone.
    fn restart(&mut self) {
        self.board = Switchboard::new(Duration::from_mins(1));
        self.board.load(self.shell.home.snapshot(), Version2Settings::default());
        self.board.store_writable(self.shell.home.position(), &mut self.shell);
        self.shell.lines.clear();
        // The sessions of the new server may have the same ids.
        self.shell.closed.clear();
    }

    /// The sanctions that are stored in the only conversation.
    fn sanctions(&self) -> Vec<Sanction> {
        let conversations = self.shell.home.snapshot().conversations;
        conversations.iter().flat_map(|stored| &stored.sanctions).map(|&(_, sanction)| sanction).collect()
    }
}

#[test]
fn mute_ends_by_itself_also_after_a_restart() {
    let mut world = World::new();
    let noy = world.account("Noy");
    let elias = world.account("Elias");
    world.ask(noy, "JOIN #lab");
    world.ask(elias, "JOIN #lab");
    assert_eq!(world.ask(noy, "MUTE #lab Elias 10m"), "MUTE_OK #lab 3");
    let until = Some(UnixMillis(world.shell.now.0 + 600_000));
    assert_eq!(world.sanctions(), [Sanction { kind: SanctionKind::Muted, until }]);
    world.pass(599);
    assert_eq!(world.ask(elias, "SAY #lab hi"), "ERROR MUTED #lab");

    world.restart();
    let elias = open(&mut world.board, &mut world.shell);
    assert_eq!(world.ask(elias, "LOGIN Elias main password x"), "LOGIN_OK Elias main");
    assert_eq!(world.ask(elias, "SAY #lab hi"), "ERROR MUTED #lab");
    world.pass(1);
    assert_eq!(world.sanctions(), []);
    assert_eq!(world.ask(elias, "SAY #lab hi"), "SAID #lab 4");
}

#[test]
fn later_mute_replaces_the_end_of_an_earlier_one() {
    let mut world = World::new();
    let noy = world.account("Noy");
    let elias = world.account("Elias");
    world.ask(noy, "JOIN #lab");
    world.ask(noy, "MUTE #lab Elias 10s");
    world.ask(noy, "MUTE #lab Elias 20s");
    world.pass(10);
    assert_eq!(world.ask(elias, "SAY #lab hi"), "ERROR MUTED #lab");
    world.ask(noy, "MUTE #lab Elias");
    world.pass(1_000_000);
    assert_eq!(world.ask(elias, "SAY #lab hi"), "ERROR MUTED #lab");
    assert_eq!(world.ask(noy, "UNMUTE #lab Elias"), "UNMUTE_OK #lab 5");
    assert_eq!(world.ask(elias, "SAY #lab hi"), "SAID #lab 6");
}

#[test]
fn mute_does_not_end_while_nothing_can_be_stored() {
    let mut world = World::new();
    let noy = world.account("Noy");
    let elias = world.account("Elias");
    world.ask(noy, "JOIN #lab");
    world.ask(noy, "MUTE #lab Elias 10s");
    world.board.store_failed(ErrorCode::Unavailable, &mut world.shell);
    world.pass(10);
    assert_eq!(world.sanctions().len(), 1);
    let snapshot = world.shell.home.snapshot();
    world.board.store_reloaded(snapshot, &mut world.shell);
    world.board.store_writable(world.shell.home.position(), &mut world.shell);
    world.pass(0);
    assert_eq!(world.sanctions(), []);
    assert_eq!(world.ask(elias, "SAY #lab hi"), "SAID #lab 3");
}

#[test]
fn slow_mode_counts_each_person_and_its_time() {
    let mut world = World::new();
    let noy = world.account("Noy");
    let elias = world.account("Elias");
    let guest = world.guest("Ron");
    world.ask(noy, "JOIN #lab");
    world.ask(noy, "ROOM #lab slow 30s");
    assert_eq!(world.ask(elias, "SAY #lab 1"), "SAID #lab 3");
    assert_eq!(world.ask(guest, "SAY #lab 1"), "SAID #lab 4");
    world.pass(29);
    for session in [elias, guest] {
        assert_eq!(world.ask(session, "SAY #lab 2"), "ERROR TOO_SOON #lab");
    }
    world.pass(1);
    assert_eq!(world.ask(elias, "SAY #lab 2"), "SAID #lab 5");
    assert_eq!(world.ask(elias, "SAY #lab 3"), "ERROR TOO_SOON #lab");
    // The clock is set back: nobody waits for a day.
    world.shell.now.0 -= 86_400_000;
    assert_eq!(world.ask(elias, "SAY #lab 3"), "SAID #lab 6");
}

#[test]
fn sanctions_of_a_room_have_a_bound() {
    let room_limits = RoomLimits { members: 2, ..RoomLimits::default() };
    let mut world = World::with_settings(Version2Settings { room_limits, ..Version2Settings::default() });
    let noy = world.account("Noy");
    for name in ["One", "Two", "Three"] {
        world.guest(name);
    }
    world.ask(noy, "JOIN #lab");
    assert_eq!(world.ask(noy, "MUTE #lab One 10s"), "MUTE_OK #lab 2");
    assert_eq!(world.ask(noy, "BAN #lab Two"), "BAN_OK #lab 3");
    assert_eq!(world.ask(noy, "MUTE #lab Three"), "ERROR ROOM_FULL #lab");
    assert_eq!(world.ask(noy, "BAN #lab Three"), "ERROR ROOM_FULL #lab");
    assert_eq!(world.ask(noy, "BAN #lab One"), "BAN_OK #lab 4");
    world.pass(10);
    assert_eq!(world.ask(noy, "UNBAN #lab One"), "UNBAN_OK #lab 5");
    assert_eq!(world.ask(noy, "MUTE #lab Three"), "MUTE_OK #lab 6");
}

#[test]
fn invitation_and_link_end_by_themselves() {
    let mut world = World::new();
    let noy = world.account("Noy");
    let elias = world.account("Elias");
    let dana = world.account("Dana");
    for line in ["JOIN #lab", "ROOM #lab invite on", "INVITE #lab Elias 10s"] {
        world.ask(noy, line);
    }
    let link = world.ask(noy, "LINK #lab 20s");
    let secret = link.strip_prefix("LINK_OK #lab ").expect("a link").to_owned();
    assert_eq!(secret.len(), 26);
    world.pass(10);
    assert_eq!(world.ask(elias, "JOIN #lab"), "ERROR NOT_ALLOWED #lab");
    assert_eq!(world.ask(elias, &format!("JOIN #lab {secret}")), "JOIN_OK #lab 5");
    world.pass(10);
    assert_eq!(world.ask(dana, &format!("JOIN #lab {secret}")), "ERROR NOT_ALLOWED #lab");
    // A later invitation takes the end of an earlier one away.
    world.ask(noy, "INVITE #lab Dana 10s");
    world.ask(noy, "INVITE #lab Dana");
    world.pass(1_000_000);
    assert_eq!(world.ask(dana, "JOIN #lab"), "JOIN_OK #lab 8");
}

#[test]
fn room_has_at_most_100_links() {
    let mut world = World::new();
    let noy = world.account("Noy");
    world.ask(noy, "JOIN #lab");
    for _ in 0..100 {
        assert!(world.ask(noy, "LINK #lab").starts_with("LINK_OK #lab "));
    }
    assert_eq!(world.ask(noy, "LINK #lab"), "ERROR ROOM_FULL #lab");
    assert_eq!(world.ask(noy, "UNLINK #lab"), "UNLINK_OK #lab 102");
    assert!(world.ask(noy, "LINK #lab").starts_with("LINK_OK #lab "));
}

#[test]
fn only_operators_learn_that_there_is_an_audit_log() {
    let mut world = World::new();
    let noy = world.account("Noy");
    let elias = world.account("Elias");
    let guest = world.guest("Ron");
    let requests = [
        "JOIN #audit",
        "JOIN #Audit",
        "JOIN #audit word",
        "CONNECT #audit",
        "LEAVE #audit",
        "OPEN #audit",
        "SAY #audit x",
        "HISTORY #audit 9 9",
        "SEARCH #audit ban",
        "MEMBERS #audit",
        "READERS #audit 1",
        "READ #audit 1",
        "TOPIC #audit x",
        "INVITE #audit Elias",
        "KICK #audit Noy",
        "BAN #audit Noy",
        "MUTE #audit Noy",
        "LINK #audit",
        "UNLINK #audit",
        "REDACT #audit 1",
        "ROOM #audit guests read",
        "CLOSE #audit",
        "REPORT #audit 1",
        "ROOMS",
        "CONVERSATIONS",
        "SEARCH * ban",
    ];
    let answers = |world: &mut World| {
        let of = |world: &mut World, session| requests.map(|request| world.ask(session, request));
        [of(world, elias), of(world, guest)]
    };
    let before = answers(&mut world);
    assert_eq!(before[0][0], "ERROR INVALID_ROOM #audit");
    assert_eq!(before[0][5], "ERROR ROOM_NOT_FOUND #audit");
    assert!(world.set_operator("Noy", true).is_ok());
    assert!(world.ask(noy, "JOIN #audit").starts_with("JOIN_OK #audit "));
    assert_eq!(answers(&mut world), before);
    assert_eq!(world.audit_log(noy), ["JOINED Noy", "AUDIT control: ACCOUNT OPERATOR on Noy"]);
}

#[test]
fn audit_log_cannot_be_changed_and_ends_for_a_former_operator() {
    let mut world = World::new();
    let noy = world.account("Noy");
    assert!(world.set_operator("noy", true).is_ok());
    assert!(world.ask(noy, "OPEN #audit").starts_with("LIVE #audit "));
    assert_eq!(world.ask(noy, "SAY #audit a note"), "SAID #audit 3");
    for line in ["REDACT #audit 3", "LEAVE #audit", "TOPIC #audit x", "INVITE #audit Noy", "ROOM #audit guests read"] {
        assert_eq!(world.ask(noy, line), "ERROR NOT_ALLOWED #audit", "{line}");
    }
    assert!(world.set_operator("Noy", false).is_ok());
    assert!(world.lines(noy).last().is_some_and(|line| line.ends_with(" LEFT Noy")), "{:?}", world.lines(noy));
    assert_eq!(world.ask(noy, "OPEN #audit"), "ERROR ROOM_NOT_FOUND #audit");
    // The log stays without operators, and continues with the next one.
    world.restart();
    let (noy, _) = world.log_in("Noy");
    assert_eq!(world.ask(noy, "JOIN #audit"), "ERROR INVALID_ROOM #audit");
    assert!(world.set_operator("Noy", true).is_ok());
    let log = world.audit_log(noy);
    assert_eq!(log.len(), 7, "{log:?}");
    assert_eq!(log[4], "AUDIT control: ACCOUNT OPERATOR off Noy");
}

#[test]
fn operator_moderates_each_room_without_reading_it() {
    let mut world = World::new();
    let noy = world.account("Noy");
    let elias = world.account("Elias");
    let dana = world.account("Dana");
    for line in ["JOIN #lab", "ROOM #lab guests none", "ROOM #lab invite on", "INVITE #lab Dana"] {
        world.ask(elias, line);
    }
    world.ask(dana, "JOIN #lab");
    world.ask(dana, "SAY #lab insult");
    world.ask(noy, "SAY Elias hi");
    assert_eq!(world.ask(noy, "MUTE #lab Dana"), "ERROR NOT_A_MEMBER #lab");
    assert!(world.set_operator("Noy", true).is_ok());
    assert_eq!(world.ask(noy, "HISTORY #lab 99 9"), "ERROR NOT_A_MEMBER #lab");
    assert_eq!(world.ask(noy, "OPEN #lab"), "ERROR NOT_A_MEMBER #lab");
    assert_eq!(world.ask(noy, "MUTE #lab Dana"), "MUTE_OK #lab 7");
    assert_eq!(world.ask(noy, "REDACT #lab 6"), "REDACT_OK #lab 8");
    assert_eq!(world.ask(noy, "KICK #lab Dana"), "KICK_OK #lab 9");
    // The owner stays, and so do the settings.
    assert_eq!(world.ask(noy, "KICK #lab Elias"), "ERROR NOT_ALLOWED #lab");
    assert_eq!(world.ask(noy, "ROOM #lab invite off"), "ERROR NOT_A_MEMBER #lab");
    // A direct conversation has no moderators.
    world.ask(elias, "SAY Noy private");
    assert_eq!(world.ask(noy, "REDACT Elias 2"), "ERROR NOT_ALLOWED Elias");
}

#[test]
fn banned_account_is_out_until_its_ban_ends() {
    let mut world = World::new();
    let noy = world.account("Noy");
    let elias = world.account("Elias");
    world.account("Dana");
    assert_eq!(world.ask(elias, "BAN * Dana"), "ERROR NOT_ALLOWED *");
    assert!(world.set_operator("Noy", true).is_ok());
    assert_eq!(world.ask(noy, "BAN * Noy"), "ERROR SELF_CONNECT *");
    assert_eq!(world.ask(noy, "BAN * elias 10m two words"), "BAN_OK #audit 3");
    assert_eq!(world.shell.closed[&elias], CloseReason::Banned);
    assert_eq!(world.last_line(elias), "ERROR BANNED two words");
    world.restart();
    let (elias, answer) = world.log_in("Elias");
    assert_eq!((answer.as_str(), world.shell.closed[&elias]), ("ERROR BANNED two words", CloseReason::Banned));
    world.pass(600);
    assert_eq!(world.log_in("Elias").1, "LOGIN_OK Elias main");

    let (noy, _) = world.log_in("Noy");
    assert!(world.set_operator("Dana", true).is_ok());
    assert_eq!(world.ask(noy, "BAN * Dana"), "ERROR NOT_ALLOWED *");
    assert_eq!(world.ask(noy, "KICK * Dana"), "ERROR NOT_ALLOWED *");
    assert_eq!(world.ask(noy, "KICK * Elias calm down"), "KICK_OK #audit 6");
    assert_eq!(world.ask(noy, "KICK * Elias"), "ERROR USER_NOT_FOUND *");
    assert_eq!(world.ask(noy, "UNBAN * Elias"), "ERROR USER_NOT_FOUND *");
    let log = world.audit_log(noy);
    assert!(log.contains(&"AUDIT Noy: BAN * Elias 10m two words".to_owned()), "{log:?}");
    assert!(log.contains(&"AUDIT Noy: KICK * Elias calm down".to_owned()), "{log:?}");
}

#[test]
fn banned_name_and_its_lookalikes_are_out_in_both_versions() {
    let mut world = World::new();
    let noy = world.account("Noy");
    let ron = world.guest("Ron");
    assert!(world.set_operator("Noy", true).is_ok());
    assert_eq!(world.ask(noy, "BAN * Ron noise"), "BAN_OK #audit 3");
    assert_eq!(world.shell.closed[&ron], CloseReason::Banned);
    for name in ["Ron", "RON", "R\u{43e}n"] {
        let session = open(&mut world.board, &mut world.shell);
        assert_eq!(world.ask(session, &format!("REGISTER {name}")), "ERROR BANNED noise", "{name}");
        assert_eq!(world.shell.closed[&session], CloseReason::Banned);
    }
    #[expect(clippy::disallowed_methods, reason = "the core only compares the time of arrival")]
    let session = world.board.admit(std::time::Instant::now());
    let name = switchboard_protocol::Username::new("Ron").expect("a name");
    let register = Event::Command(switchboard_protocol::Command::Register { name });
    world.board.handle(session, register, &mut world.shell);
    assert_eq!(world.shell.closed[&session], CloseReason::Banned);
    assert_eq!(world.ask(noy, "UNBAN * ron"), "UNBAN_OK #audit 4");
    world.guest("Ron");
}

#[test]
fn ban_of_addresses_is_known_to_the_shell() {
    let mut world = World::new();
    let noy = world.account("Noy");
    assert!(world.set_operator("Noy", true).is_ok());
    assert_eq!(world.ask(noy, "BAN * @203.0.113.300"), "ERROR INVALID_ARGUMENT *");
    assert_eq!(world.ask(noy, "BAN * @2001:db8::/64 noise"), "BAN_OK #audit 3");
    let prefix = "2001:db8::/64".parse().expect("a prefix");
    assert_eq!(world.shell.ended_addresses, [(prefix, CloseReason::Banned, "noise".to_owned())]);
    let address = "2001:db8::7".parse().expect("an address");
    assert_eq!(world.board.ban_of_address(address).map(|ban| &*ban.reason), Some("noise"));
    // The operator's own session stays.
    assert!(!world.board.end_session(noy, CloseReason::Banned, "noise", &mut world.shell));
    assert_eq!(world.ask(noy, "UNBAN * @2001:db8::/64"), "UNBAN_OK #audit 4");
    assert_eq!(world.board.ban_of_address(address), None);
}

#[test]
fn control_socket_bans_without_an_audit_log_too() {
    let mut world = World::new();
    let elias = world.account("Elias");
    let period = Period::parse("1m");
    let ban = OperatorCommand::Ban { who: "Elias".to_owned(), period, reason: "noise".to_owned() };
    assert_eq!(world.operate(ban).map(|operated| (operated.name, operated.sessions)), Ok(("Elias".to_owned(), 1)));
    assert_eq!(world.shell.closed[&elias], CloseReason::Banned);
    let bans: Vec<_> = world.board.bans().map(|(who, ban)| (who, ban.by.clone())).collect();
    assert_eq!(bans, [("Elias".to_owned(), "control".to_owned())]);
    let unban = || OperatorCommand::Unban { who: "@1".to_owned() };
    assert!(world.operate(unban()).is_ok());
    assert_eq!(world.operate(unban()).map(|operated| operated.name), Err(ErrorCode::UserNotFound));
}

#[test]
fn report_is_a_record_for_operators_with_the_message() {
    let mut world = World::new();
    let noy = world.account("Noy");
    let elias = world.account("Elias");
    let ron = world.guest("Ron");
    world.ask(elias, "JOIN #lab");
    world.ask(ron, "SAY #lab insult");
    assert_eq!(world.ask(elias, "REPORT #lab 2"), "ERROR NOT_SUPPORTED #lab");
    assert!(world.set_operator("Noy", true).is_ok());
    assert_eq!(world.ask(elias, "REPORT #lab 2 two words"), "REPORT_OK #lab 2");
    assert_eq!(world.ask(elias, "REPORT #lab 1"), "ERROR RECORD_NOT_FOUND #lab");
    assert_eq!(world.ask(elias, "REPORT #lab 9"), "ERROR RECORD_NOT_FOUND #lab");
    world.ask(elias, "SAY Noy hi");
    assert_eq!(world.ask(ron, "REPORT #lab 2"), "REPORT_OK #lab 2");
    assert_eq!(world.ask(ron, "REPORT Noy 1"), "ERROR NOT_LOGGED_IN Noy");
    let log = world.audit_log(noy);
    let reports = ["AUDIT Elias: REPORT #lab 2 two words", "QUOTED Ron: insult", "AUDIT Ron: REPORT #lab 2"];
    assert_eq!(&log[2..5], reports);
    for _ in 0..19 {
        assert_eq!(world.ask(elias, "REPORT #lab 2"), "REPORT_OK #lab 2");
    }
    assert_eq!(world.ask(elias, "REPORT #lab 2"), "ERROR TRY_LATER #lab");
    world.pass(3600);
    assert_eq!(world.ask(elias, "REPORT #lab 2"), "REPORT_OK #lab 2");
}
