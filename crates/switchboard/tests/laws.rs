//! The laws of order and of bounds, one by one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use switchboard_core::{CloseReason, Effects, Event, Fact, Full, SessionId, Switchboard};
use switchboard_protocol::{Command, Reply, Text, Username, commands};

const REGISTER_TIMEOUT: Duration = Duration::from_mins(1);

/// A board, and an ear that writes down who was told what. Each session has room for so many lines.
struct Room {
    board: Switchboard,
    ear: Ear,
    now: Instant,
}

#[derive(Default)]
struct Ear {
    names: HashMap<SessionId, &'static str>,
    room: HashMap<SessionId, usize>,
    heard: Vec<String>,
    facts: Vec<String>,
}

impl Effects for Ear {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        if let Some(room) = self.room.get_mut(&to) {
            *room = room.checked_sub(1).ok_or(Full)?;
        }
        let mut line = Vec::new();
        commands::encode(reply, &mut line);
        let line = String::from_utf8(line).expect("a line is UTF-8");
        self.heard.push(format!("{} < {}", self.names[&to], line.trim_end()));
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.heard.push(format!("{} is closed: {reason}", self.names[&session]));
    }

    fn log(&mut self, fact: Fact<'_>) {
        self.facts.push(match fact {
            Fact::Registered { name, .. } => format!("{name} registered"),
            Fact::Delivered { from, to, text } => format!("{from} to {to}: {text}"),
            Fact::Left { name, reason, .. } => format!("{} left: {reason}", name.unwrap_or("nobody")),
        });
    }
}

impl Room {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a moment to begin with; time then moves by hand")]
        let now = Instant::now();
        Self { board: Switchboard::new(REGISTER_TIMEOUT), ear: Ear::default(), now }
    }

    fn arrive(&mut self, name: &'static str) -> SessionId {
        let id = self.board.admit(self.now);
        self.ear.names.insert(id, name);
        id
    }

    fn registered(&mut self, name: &'static str) -> SessionId {
        let id = self.arrive(name);
        self.say(id, Command::Register { name: Username::new(name).expect("a good name") });
        id
    }

    /// Two people in a chat, with nothing heard yet.
    fn chat(&mut self) -> (SessionId, SessionId) {
        let (noy, elias) = (self.registered("Noy"), self.registered("Elias"));
        self.say(noy, Command::Connect { to: "Elias".into() });
        self.heard();
        self.ear.facts.clear();
        (noy, elias)
    }

    fn say(&mut self, from: SessionId, command: Command<'_>) {
        self.board.handle(from, Event::Command(command), &mut self.ear);
    }

    fn msg(&mut self, from: SessionId, text: &str) {
        self.say(from, Command::Msg { text: Text::new(text, 64).expect("a good text") });
    }

    fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.ear.heard)
    }
}

#[test]
fn a_message_that_finds_no_room_is_never_acknowledged() {
    let mut room = Room::new();
    let (noy, elias) = room.chat();
    room.ear.room.insert(elias, 1);
    room.msg(noy, "one");
    room.msg(noy, "two");
    room.msg(noy, "three");
    assert_eq!(
        room.heard(),
        [
            "Elias < FROM Noy: one",
            "Noy < MSG_SENT",
            "Elias is closed: slow consumer",
            "Noy < PEER_DISCONNECTED",
            "Noy < ERROR NOT_CONNECTED",
            "Noy < ERROR NOT_CONNECTED",
        ]
    );
    assert_eq!(room.ear.facts, ["Noy to Elias: one", "Elias left: slow consumer"]);
    assert!(room.board.registered(elias).is_none());
}

#[test]
fn who_fills_its_own_outbox_is_closed_and_its_partner_told() {
    let mut room = Room::new();
    let (noy, _) = room.chat();
    room.ear.room.insert(noy, 1);
    room.say(noy, Command::Ping);
    room.say(noy, Command::Ping);
    assert_eq!(room.heard(), ["Noy < PONG", "Noy is closed: slow consumer", "Elias < PEER_DISCONNECTED"]);
}

#[test]
fn two_that_have_no_room_close_each_other_and_it_ends() {
    let mut room = Room::new();
    let (noy, elias) = room.chat();
    room.ear.room.extend([(noy, 0), (elias, 0)]);
    room.msg(noy, "one");
    assert_eq!(room.heard(), ["Elias is closed: slow consumer", "Noy is closed: slow consumer"]);
    assert!(room.board.registered(noy).is_none() && room.board.registered(elias).is_none());
}

#[test]
fn nothing_comes_from_a_peer_after_peer_disconnected() {
    let mut room = Room::new();
    let (noy, elias) = room.chat();
    room.msg(noy, "last words");
    room.board.handle(noy, Event::Closed(CloseReason::Reset), &mut room.ear);
    room.msg(noy, "from the beyond");
    assert_eq!(room.heard(), ["Elias < FROM Noy: last words", "Noy < MSG_SENT", "Elias < PEER_DISCONNECTED"]);
    room.msg(elias, "still there?");
    assert_eq!(room.heard(), ["Elias < ERROR NOT_CONNECTED"]);
}

#[test]
fn who_takes_no_name_in_time_is_closed_and_who_does_is_not() {
    let mut room = Room::new();
    let early = room.arrive("early");
    room.now += REGISTER_TIMEOUT / 2;
    let late = room.arrive("late");
    let named = room.registered("Noy");
    room.heard();
    let mut at = |seconds| {
        let now = room.now + Duration::from_secs(seconds);
        room.board.expire(now, &mut room.ear);
        room.heard()
    };
    assert_eq!(at(29), [""; 0]);
    assert_eq!(at(30), ["early is closed: register timeout"]);
    assert_eq!(at(59), [""; 0]);
    assert_eq!(at(60), ["late is closed: register timeout"]);
    assert_eq!(at(6000), [""; 0]);
    assert!(
        room.board.registered(early).is_none()
            && room.board.registered(late).is_none()
            && room.board.registered(named).is_some()
    );
}

#[test]
fn deadlines_of_those_who_left_do_not_pile_up() {
    let mut room = Room::new();
    let patient = room.arrive("patient");
    for _ in 0..100_000 {
        let passing = room.arrive("passing");
        room.board.handle(passing, Event::Closed(CloseReason::Quit), &mut room.ear);
    }
    // Debug output is the one way to see inside; a hundred thousand deadlines would make it megabytes.
    let inside = format!("{:?}", room.board);
    assert!(inside.len() < 20_000, "{} bytes of state for one session", inside.len());
    assert!(room.board.registered(patient).is_some());
}
