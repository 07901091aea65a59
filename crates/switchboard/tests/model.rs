//! Compares the switchboard with a naive model: a list of sessions, searched from the front.
//!
//! The switchboard and the model apply the same random operations. After each operation, both must have sent the same
//! replies to the same sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use switchboard_core::{CloseReason, Effects, Event, Full, SessionId, Switchboard};
use switchboard_protocol::{Command, Reply, Text, Username, commands};

/// An operation of a session. The first value is the number of the session: sessions are numbered in order of arrival.
/// The `u32` is sent as the text of a message. An operation of a session that does not exist is skipped.
#[derive(Clone, Debug)]
enum Op {
    Arrive,
    Register(usize, &'static str),
    Connect(usize, &'static str),
    Msg(usize, u32),
    Tell(usize, &'static str, u32),
    Disconnect(usize),
    Who(usize),
    Ping(usize),
    Leave(usize),
    /// From now on the session's outbox is full.
    Freeze(usize),
}

/// A few names in several spellings, and names that look like them, so that registrations collide.
const NAMES: [&str; 12] = [
    "Noy",
    "noy",
    "NOY",
    // With a Greek omicron, all in Greek, and in Cyrillic.
    "N\u{3bf}y",
    "\u{39d}\u{39f}\u{3a5}",
    "\u{43d}\u{43e}\u{443}",
    "Elias",
    "אליאס",
    "Ｅlias",
    "EIias",
    "E1ias",
    "eiias",
];

fn op() -> impl Strategy<Value = Op> {
    let session = 0_usize..6;
    let name = proptest::sample::select(&NAMES[..]);
    prop_oneof![
        2 => Just(Op::Arrive),
        4 => (session.clone(), name.clone()).prop_map(|(session, name)| Op::Register(session, name)),
        4 => (session.clone(), name.clone()).prop_map(|(session, name)| Op::Connect(session, name)),
        6 => (session.clone(), any::<u32>()).prop_map(|(session, n)| Op::Msg(session, n)),
        3 => (session.clone(), name, any::<u32>()).prop_map(|(session, name, n)| Op::Tell(session, name, n)),
        2 => session.clone().prop_map(Op::Disconnect),
        1 => session.clone().prop_map(Op::Who),
        1 => session.clone().prop_map(Op::Ping),
        1 => session.clone().prop_map(Op::Leave),
        1 => session.prop_map(Op::Freeze),
    ]
}

// ---- The model -------------------------------------------------------------------------------------------------

/// Replies in the order in which they were sent, each with the number of its session.
type Replies = Vec<(usize, String)>;

#[derive(Clone, Debug, Default)]
struct Model {
    sessions: Vec<ModelSession>,
    /// Number of arrivals so far.
    arrivals: usize,
    /// Number of registrations so far.
    registrations: usize,
    /// Numbers of the sessions whose outbox is full.
    frozen: Vec<usize>,
    /// Numbers of the sessions that were closed, in order.
    closed: Vec<usize>,
}

#[derive(Clone, Debug)]
struct ModelSession {
    number: usize,
    /// The position in the order of registrations, and the name.
    name: Option<(usize, &'static str)>,
    peer: Option<usize>,
}

impl Model {
    fn get(&mut self, number: usize) -> Option<&mut ModelSession> {
        self.sessions.iter_mut().find(|session| session.number == number)
    }

    fn find(&self, name: &str) -> Option<usize> {
        let wanted = Username::new(name).expect("the names are valid");
        let has_name = |session: &&ModelSession| {
            session.name.is_some_and(|(_, name)| Username::new(name).expect("the name is valid") == wanted)
        };
        self.sessions.iter().find(has_name).map(|session| session.number)
    }

    /// Whether a session has a name that looks like `name`: one that has a key in common with it.
    fn has_lookalike(&self, name: &str) -> bool {
        let wanted = keys(name);
        self.sessions.iter().filter_map(|session| session.name).any(|(_, name)| !keys(name).is_disjoint(&wanted))
    }

    fn name_of(&mut self, number: usize) -> &'static str {
        self.get(number).and_then(|session| session.name).expect("the session has registered").1
    }

    /// Sends a line, and returns true. If the session is frozen, marks it to be closed after the operation, and returns
    /// false.
    fn send(&mut self, to: usize, line: String, replies: &mut Replies, overflowed: &mut Vec<usize>) -> bool {
        if self.frozen.contains(&to) {
            overflowed.push(to);
            return false;
        }
        replies.push((to, line));
        true
    }

    fn leave_chat(&mut self, number: usize, replies: &mut Replies, overflowed: &mut Vec<usize>) {
        let Some(peer) = self.get(number).and_then(|session| session.peer.take()) else { return };
        self.get(peer).expect("a peer is present").peer = None;
        self.send(peer, "PEER_DISCONNECTED".into(), replies, overflowed);
    }

    fn remove(&mut self, number: usize, replies: &mut Replies, overflowed: &mut Vec<usize>) {
        if self.get(number).is_some() {
            self.leave_chat(number, replies, overflowed);
            self.sessions.retain(|session| session.number != number);
        }
    }

    fn close_overflowed(&mut self, replies: &mut Replies, overflowed: &mut Vec<usize>) {
        while let Some(number) = overflowed.pop() {
            if self.get(number).is_some() {
                self.closed.push(number);
                self.remove(number, replies, overflowed);
            }
        }
    }

    /// Sends message `n` to the session `to`. If `to` is frozen, closes it, and sends `refusal` to the sender.
    fn deliver(
        &mut self,
        from: usize,
        to: usize,
        n: u32,
        refusal: &str,
        replies: &mut Replies,
        overflowed: &mut Vec<usize>,
    ) {
        let line = format!("FROM {}: {n}", self.name_of(from));
        if self.send(to, line, replies, overflowed) {
            self.send(from, "MSG_SENT".into(), replies, overflowed);
        } else {
            self.close_overflowed(replies, overflowed);
            if self.get(from).is_some() {
                self.send(from, refusal.into(), replies, overflowed);
            }
        }
    }

    fn apply(&mut self, op: &Op) -> Replies {
        let (mut replies, mut overflowed) = (Replies::new(), Vec::new());
        self.apply_to(op, &mut replies, &mut overflowed);
        self.close_overflowed(&mut replies, &mut overflowed);
        replies
    }

    fn apply_to(&mut self, op: &Op, replies: &mut Replies, overflowed: &mut Vec<usize>) {
        if matches!(op, Op::Arrive) {
            self.sessions.push(ModelSession { number: self.arrivals, name: None, peer: None });
            self.send(self.arrivals, "WELCOME".into(), replies, overflowed);
            self.arrivals += 1;
            return;
        }
        let number = op.session_number();
        let Some(session) = self.get(number).cloned() else { return };
        let error_line = |code: &str| format!("ERROR {code}");
        let line = match *op {
            Op::Arrive => unreachable!("handled above"),
            Op::Freeze(_) => return self.frozen.push(number),
            Op::Leave(_) => return self.remove(number, replies, overflowed),
            Op::Ping(_) => "PONG".into(),
            Op::Who(_) => {
                let mut names: Vec<_> = self.sessions.iter().filter_map(|session| session.name).collect();
                names.sort_unstable();
                let names: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
                format!("USERS {}", names.join(","))
            }
            Op::Register(_, name) => {
                if session.name.is_some() {
                    error_line("ALREADY_REGISTERED")
                } else if self.find(name).is_some() || self.has_lookalike(name) {
                    error_line("NAME_TAKEN")
                } else {
                    let order = self.registrations;
                    self.registrations += 1;
                    self.get(number).expect("the session is present").name = Some((order, name));
                    format!("REGISTER_OK {name}")
                }
            }
            _ if session.name.is_none() => error_line("NOT_REGISTERED"),
            Op::Disconnect(_) => {
                self.leave_chat(number, replies, overflowed);
                "DISCONNECT_OK".into()
            }
            Op::Connect(_, to) => match self.find(to) {
                None => error_line("USER_NOT_FOUND"),
                Some(to) if to == number => error_line("SELF_CONNECT"),
                Some(to) if session.peer.is_some() || self.get(to).is_some_and(|target| target.peer.is_some()) => {
                    error_line("USER_BUSY")
                }
                Some(to) => {
                    self.get(number).expect("the session is present").peer = Some(to);
                    self.get(to).expect("the session is present").peer = Some(number);
                    let (own_name, peer_name) = (self.name_of(number), self.name_of(to));
                    self.send(number, format!("CONNECT_OK {peer_name}"), replies, overflowed);
                    self.send(to, format!("INCOMING_CONNECTION {own_name}"), replies, overflowed);
                    return;
                }
            },
            Op::Msg(_, n) => match session.peer {
                None => error_line("NOT_CONNECTED"),
                Some(peer) => return self.deliver(number, peer, n, "ERROR NOT_CONNECTED", replies, overflowed),
            },
            Op::Tell(_, to, n) => match self.find(to) {
                None => error_line("USER_NOT_FOUND"),
                Some(to) if to == number => error_line("SELF_CONNECT"),
                Some(to) => return self.deliver(number, to, n, "ERROR USER_NOT_FOUND", replies, overflowed),
            },
        };
        self.send(number, line, replies, overflowed);
    }
}

/// The keys of a name: for its spelling and its folded form, the skeleton of the skeleton, in lower case.
fn keys(name: &str) -> BTreeSet<String> {
    let skeleton = |text: &str| unicode_security::skeleton(text).collect::<String>().to_lowercase();
    let folded = Username::new(name).expect("the name is valid").folded().to_owned();
    [name, &folded].map(|text| skeleton(&skeleton(text))).into()
}

impl Op {
    fn session_number(&self) -> usize {
        match *self {
            Op::Arrive => usize::MAX,
            Op::Register(session, _)
            | Op::Connect(session, _)
            | Op::Msg(session, _)
            | Op::Tell(session, _, _)
            | Op::Disconnect(session)
            | Op::Who(session)
            | Op::Ping(session)
            | Op::Leave(session)
            | Op::Freeze(session) => session,
        }
    }
}

// ---- The switchboard -------------------------------------------------------------------------------------------

/// The switchboard, which applies the same operations.
struct TestedSwitchboard {
    board: Switchboard,
    /// The id of each session, by number.
    ids: Vec<SessionId>,
    effects: RecordingEffects,
    start: Instant,
}

#[derive(Default)]
struct RecordingEffects {
    numbers: BTreeMap<SessionId, usize>,
    /// Numbers of the sessions whose outbox is full.
    frozen: Vec<usize>,
    /// Numbers of the sessions that were closed, in order.
    closed: Vec<usize>,
    replies: Replies,
}

impl Effects for RecordingEffects {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        let mut line = Vec::new();
        commands::encode(reply, &mut line);
        self.send_line(to, &line)
    }

    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full> {
        let number = self.numbers[&to];
        if self.frozen.contains(&number) || self.closed.contains(&number) {
            return Err(Full);
        }
        let line = str::from_utf8(line).expect("a line is UTF-8").trim_end_matches('\n');
        self.replies.push((number, line.to_owned()));
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        assert_eq!(reason, CloseReason::SlowConsumer);
        self.closed.push(self.numbers[&session]);
    }
}

impl TestedSwitchboard {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any time will do: the clock stands still here")]
        let start = Instant::now();
        let board = Switchboard::new(Duration::from_mins(1));
        Self { board, ids: Vec::new(), effects: RecordingEffects::default(), start }
    }

    fn apply(&mut self, op: &Op) -> Replies {
        let text = |n: u32| Text::new(&n.to_string(), 64).expect("the text is valid").into_owned();
        let event = match *op {
            Op::Arrive => {
                let id = self.board.admit(self.start);
                self.effects.numbers.insert(id, self.ids.len());
                self.ids.push(id);
                self.board.handle(id, Event::Opened, &mut self.effects);
                return std::mem::take(&mut self.effects.replies);
            }
            Op::Freeze(session) => {
                if session < self.ids.len() && self.board.session(self.ids[session]).is_some() {
                    self.effects.frozen.push(session);
                }
                return Replies::new();
            }
            Op::Leave(_) => Event::Closed(CloseReason::Quit),
            Op::Register(_, name) => {
                Event::Command(Command::Register { name: Username::new(name).expect("the name is valid") })
            }
            Op::Connect(_, to) => Event::Command(Command::Connect { to: to.into() }),
            Op::Msg(_, n) => Event::Command(Command::Msg { text: text(n) }),
            Op::Tell(_, to, n) => Event::Command(Command::Tell { to: to.into(), text: text(n) }),
            Op::Disconnect(_) => Event::Command(Command::Disconnect),
            Op::Who(_) => Event::Command(Command::Who),
            Op::Ping(_) => Event::Command(Command::Ping),
        };
        if let Some(&id) = self.ids.get(op.session_number()) {
            self.board.handle(id, event, &mut self.effects);
        }
        std::mem::take(&mut self.effects.replies)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn replies_match_the_model(ops in proptest::collection::vec(op(), 1..60)) {
        let (mut tested, mut model) = (TestedSwitchboard::new(), Model::default());
        for (step, op) in ops.iter().enumerate() {
            prop_assert_eq!(tested.apply(op), model.apply(op), "after step {} of {:?}", step, ops);
        }
        prop_assert_eq!(tested.effects.closed, model.closed);
    }
}
