//! Tests of the switchboard's guarantees on order, acknowledgement and bounds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use switchboard_core::{CloseReason, Effects, Event, Fact, Full, SessionId, Switchboard};
use switchboard_protocol::{Command, Reply, Text, Username, commands};

const REGISTER_TIMEOUT: Duration = Duration::from_mins(1);

/// A switchboard with recorded effects, and a clock that only the test advances.
struct Fixture {
    board: Switchboard,
    effects: RecordingEffects,
    now: Instant,
}

#[derive(Default)]
struct RecordingEffects {
    names: HashMap<SessionId, &'static str>,
    /// Number of further lines that fit into a session's outbox. A session without an entry has no limit.
    free_lines: HashMap<SessionId, usize>,
    output: Vec<String>,
    facts: Vec<String>,
}

impl Effects for RecordingEffects {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        let mut line = Vec::new();
        commands::encode(reply, &mut line);
        self.send_line(to, &line)
    }

    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full> {
        if let Some(free) = self.free_lines.get_mut(&to) {
            *free = free.checked_sub(1).ok_or(Full)?;
        }
        let line = str::from_utf8(line).expect("a line is UTF-8");
        self.output.push(format!("{} < {}", self.names[&to], line.trim_end()));
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.output.push(format!("{} is closed: {reason}", self.names[&session]));
    }

    fn log(&mut self, fact: Fact<'_>) {
        self.facts.push(match fact {
            Fact::Registered { name, .. } => format!("{name} registered"),
            Fact::LoggedIn { name, device, .. } => format!("{name} logged in as {device}"),
            Fact::Refused { code } => format!("refused: {code}"),
            Fact::Delivered { from, to, text } => format!("{from} to {to}: {text}"),
            Fact::Left { name, reason, .. } => format!("{} left: {reason}", name.unwrap_or("nobody")),
        });
    }
}

impl Fixture {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any start time will do: the test advances it")]
        let now = Instant::now();
        Self { board: Switchboard::new(REGISTER_TIMEOUT), effects: RecordingEffects::default(), now }
    }

    fn admit(&mut self, name: &'static str) -> SessionId {
        let id = self.board.admit(self.now);
        self.effects.names.insert(id, name);
        id
    }

    fn register(&mut self, name: &'static str) -> SessionId {
        let id = self.admit(name);
        self.send(id, Command::Register { name: Username::new(name).expect("the name is valid") });
        id
    }

    /// Opens a chat of two sessions, and drops the replies so far.
    fn open_chat(&mut self) -> (SessionId, SessionId) {
        let (noy, elias) = (self.register("Noy"), self.register("Elias"));
        self.send(noy, Command::Connect { to: "Elias".into() });
        self.take_output();
        self.effects.facts.clear();
        (noy, elias)
    }

    fn send(&mut self, from: SessionId, command: Command<'_>) {
        self.board.handle(from, Event::Command(command), &mut self.effects);
    }

    fn msg(&mut self, from: SessionId, text: &str) {
        self.send(from, Command::Msg { text: Text::new(text, 64).expect("the text is valid") });
    }

    fn take_output(&mut self) -> Vec<String> {
        std::mem::take(&mut self.effects.output)
    }
}

#[test]
fn message_to_full_outbox_is_not_acknowledged() {
    let mut fixture = Fixture::new();
    let (noy, elias) = fixture.open_chat();
    fixture.effects.free_lines.insert(elias, 1);
    fixture.msg(noy, "one");
    fixture.msg(noy, "two");
    fixture.msg(noy, "three");
    assert_eq!(
        fixture.take_output(),
        [
            "Elias < FROM Noy: one",
            "Noy < MSG_SENT",
            "Elias is closed: slow consumer",
            "Noy < PEER_DISCONNECTED",
            "Noy < ERROR NOT_CONNECTED",
            "Noy < ERROR NOT_CONNECTED",
        ]
    );
    assert_eq!(fixture.effects.facts, ["Noy to Elias: one", "Elias left: slow consumer"]);
    assert!(fixture.board.session(elias).is_none());
}

#[test]
fn session_with_full_outbox_is_closed_and_its_peer_notified() {
    let mut fixture = Fixture::new();
    let (noy, _) = fixture.open_chat();
    fixture.effects.free_lines.insert(noy, 1);
    fixture.send(noy, Command::Ping);
    fixture.send(noy, Command::Ping);
    assert_eq!(fixture.take_output(), ["Noy < PONG", "Noy is closed: slow consumer", "Elias < PEER_DISCONNECTED"]);
}

#[test]
fn peers_with_full_outboxes_are_both_closed() {
    let mut fixture = Fixture::new();
    let (noy, elias) = fixture.open_chat();
    fixture.effects.free_lines.extend([(noy, 0), (elias, 0)]);
    fixture.msg(noy, "one");
    assert_eq!(fixture.take_output(), ["Elias is closed: slow consumer", "Noy is closed: slow consumer"]);
    assert!(fixture.board.session(noy).is_none() && fixture.board.session(elias).is_none());
}

#[test]
fn no_message_follows_peer_disconnected() {
    let mut fixture = Fixture::new();
    let (noy, elias) = fixture.open_chat();
    fixture.msg(noy, "last words");
    fixture.board.handle(noy, Event::Closed(CloseReason::Reset), &mut fixture.effects);
    fixture.msg(noy, "after the end");
    assert_eq!(fixture.take_output(), ["Elias < FROM Noy: last words", "Noy < MSG_SENT", "Elias < PEER_DISCONNECTED"]);
    fixture.msg(elias, "still there?");
    assert_eq!(fixture.take_output(), ["Elias < ERROR NOT_CONNECTED"]);
}

#[test]
fn only_unregistered_sessions_time_out() {
    let mut fixture = Fixture::new();
    let early = fixture.admit("early");
    fixture.now += REGISTER_TIMEOUT / 2;
    let late = fixture.admit("late");
    let named = fixture.register("Noy");
    fixture.take_output();
    // The time is in seconds after `late` arrived. `early` arrived half a timeout before, which is 30 seconds.
    let mut expire_after = |seconds| {
        let now = fixture.now + Duration::from_secs(seconds);
        fixture.board.expire(now, &mut fixture.effects);
        fixture.take_output()
    };
    assert_eq!(expire_after(29), [""; 0]);
    assert_eq!(expire_after(30), ["early is closed: register timeout"]);
    assert_eq!(expire_after(59), [""; 0]);
    assert_eq!(expire_after(60), ["late is closed: register timeout"]);
    assert_eq!(expire_after(6000), [""; 0]);
    assert!(
        fixture.board.session(early).is_none()
            && fixture.board.session(late).is_none()
            && fixture.board.session(named).is_some()
    );
}

#[test]
fn deadlines_of_ended_sessions_do_not_accumulate() {
    let mut fixture = Fixture::new();
    let waiting = fixture.admit("waiting");
    for _ in 0..100_000 {
        let brief = fixture.admit("brief");
        fixture.board.handle(brief, Event::Closed(CloseReason::Quit), &mut fixture.effects);
    }
    // The queue is private, but the debug output shows it: a hundred thousand deadlines would take megabytes.
    let debug = format!("{:?}", fixture.board);
    assert!(debug.len() < 20_000, "the debug output for one session has {} bytes", debug.len());
    assert!(fixture.board.session(waiting).is_some());
}
