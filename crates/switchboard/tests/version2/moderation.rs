//! Moderation on the core, where a test can move the clock.

use std::time::Duration;

use switchboard_core::change::{Sanction, SanctionKind, Snapshot, UnixMillis};
use switchboard_core::{RoomLimits, SessionId, Switchboard, Version2Settings};

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

    fn commit(&mut self) {
        let position = self.shell.home.commit();
        self.board.durable(position, &mut self.shell);
        while self.board.has_work() || !self.shell.questions.is_empty() {
            if let Some((ticket, query)) = self.shell.questions.pop_front() {
                let answer = self.shell.home.answer(&query);
                self.board.answer(ticket, answer, &mut self.shell);
            }
            self.board.work(&mut self.shell);
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
    world.board.store_failed(switchboard_protocol::ErrorCode::Unavailable, &mut world.shell);
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
