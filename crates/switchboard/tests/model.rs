//! The switchboard against a model of it that anybody can check by reading: a list of sessions, searched from the front.
//!
//! Both are given the same random operations; after each, both must have said the same to the same sessions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use switchboard_core::{CloseReason, Effects, Event, Full, SessionId, Switchboard};
use switchboard_protocol::{Command, Reply, Text, Username, commands};

/// What a session does. Sessions are numbered in order of arrival; a number that nobody has is passed over.
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
    /// From now on the session takes nothing.
    Freeze(usize),
}

/// Few names, in several spellings, so that they clash.
const NAMES: [&str; 6] = ["Noy", "noy", "NOY", "Elias", "אליאס", "Ｅlias"];

fn op() -> impl Strategy<Value = Op> {
    let who = 0_usize..6;
    let name = proptest::sample::select(&NAMES[..]);
    prop_oneof![
        2 => Just(Op::Arrive),
        4 => (who.clone(), name.clone()).prop_map(|(who, name)| Op::Register(who, name)),
        4 => (who.clone(), name.clone()).prop_map(|(who, name)| Op::Connect(who, name)),
        6 => (who.clone(), any::<u32>()).prop_map(|(who, n)| Op::Msg(who, n)),
        3 => (who.clone(), name, any::<u32>()).prop_map(|(who, name, n)| Op::Tell(who, name, n)),
        2 => who.clone().prop_map(Op::Disconnect),
        1 => who.clone().prop_map(Op::Who),
        1 => who.clone().prop_map(Op::Ping),
        1 => who.clone().prop_map(Op::Leave),
        1 => who.prop_map(Op::Freeze),
    ]
}

// ---- The model -------------------------------------------------------------------------------------------------

/// What was said, in order, to whom; sessions by their number.
type Said = Vec<(usize, String)>;

#[derive(Clone, Debug, Default)]
struct Model {
    here: Vec<Someone>,
    arrived: usize,
    registered: usize,
    frozen: Vec<usize>,
    closed: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Someone {
    number: usize,
    name: Option<(usize, &'static str)>,
    partner: Option<usize>,
}

impl Model {
    fn get(&mut self, number: usize) -> Option<&mut Someone> {
        self.here.iter_mut().find(|someone| someone.number == number)
    }

    fn find(&self, name: &str) -> Option<usize> {
        let wanted = Username::new(name).expect("the model's names are good");
        let has = |someone: &&Someone| {
            someone.name.is_some_and(|(_, name)| Username::new(name).expect("a good name") == wanted)
        };
        self.here.iter().find(has).map(|someone| someone.number)
    }

    fn name_of(&mut self, number: usize) -> &'static str {
        self.get(number).and_then(|someone| someone.name).expect("whoever is found has a name").1
    }

    /// Says a line; whoever is frozen is closed for it once the operation is over.
    fn say(&mut self, to: usize, line: String, said: &mut Said, cut: &mut Vec<usize>) -> bool {
        if self.frozen.contains(&to) {
            cut.push(to);
            return false;
        }
        said.push((to, line));
        true
    }

    fn part(&mut self, number: usize, said: &mut Said, cut: &mut Vec<usize>) {
        let Some(partner) = self.get(number).and_then(|someone| someone.partner.take()) else { return };
        self.get(partner).expect("a partner is here").partner = None;
        self.say(partner, "PEER_DISCONNECTED".into(), said, cut);
    }

    fn remove(&mut self, number: usize, said: &mut Said, cut: &mut Vec<usize>) {
        if self.get(number).is_some() {
            self.part(number, said, cut);
            self.here.retain(|someone| someone.number != number);
        }
    }

    fn cut(&mut self, said: &mut Said, cut: &mut Vec<usize>) {
        while let Some(number) = cut.pop() {
            if self.get(number).is_some() {
                self.closed.push(number);
                self.remove(number, said, cut);
            }
        }
    }

    fn deliver(&mut self, from: usize, to: usize, n: u32, otherwise: &str, said: &mut Said, cut: &mut Vec<usize>) {
        let line = format!("FROM {}: {n}", self.name_of(from));
        if self.say(to, line, said, cut) {
            self.say(from, "MSG_SENT".into(), said, cut);
        } else {
            self.cut(said, cut);
            if self.get(from).is_some() {
                self.say(from, otherwise.into(), said, cut);
            }
        }
    }

    fn apply(&mut self, op: &Op) -> Said {
        let (mut said, mut cut) = (Said::new(), Vec::new());
        self.apply_to(op, &mut said, &mut cut);
        self.cut(&mut said, &mut cut);
        said
    }

    fn apply_to(&mut self, op: &Op, said: &mut Said, cut: &mut Vec<usize>) {
        if matches!(op, Op::Arrive) {
            self.here.push(Someone { number: self.arrived, name: None, partner: None });
            self.say(self.arrived, "WELCOME".into(), said, cut);
            self.arrived += 1;
            return;
        }
        let who = op.who();
        let Some(me) = self.get(who).cloned() else { return };
        let refuse = |code: &str| format!("ERROR {code}");
        let line = match *op {
            Op::Arrive => unreachable!("it has been done"),
            Op::Freeze(_) => return self.frozen.push(who),
            Op::Leave(_) => return self.remove(who, said, cut),
            Op::Ping(_) => "PONG".into(),
            Op::Who(_) => {
                let mut names: Vec<_> = self.here.iter().filter_map(|someone| someone.name).collect();
                names.sort_unstable();
                let names: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
                format!("USERS {}", names.join(","))
            }
            Op::Register(_, name) => {
                if me.name.is_some() {
                    refuse("ALREADY_REGISTERED")
                } else if self.find(name).is_some() {
                    refuse("NAME_TAKEN")
                } else {
                    let order = self.registered;
                    self.registered += 1;
                    self.get(who).expect("it is here").name = Some((order, name));
                    format!("REGISTER_OK {name}")
                }
            }
            _ if me.name.is_none() => refuse("NOT_REGISTERED"),
            Op::Disconnect(_) => {
                self.part(who, said, cut);
                "DISCONNECT_OK".into()
            }
            Op::Connect(_, to) => match self.find(to) {
                None => refuse("USER_NOT_FOUND"),
                Some(to) if to == who => refuse("SELF_CONNECT"),
                Some(to) if me.partner.is_some() || self.get(to).is_some_and(|it| it.partner.is_some()) => {
                    refuse("USER_BUSY")
                }
                Some(to) => {
                    self.get(who).expect("it is here").partner = Some(to);
                    self.get(to).expect("it is here").partner = Some(who);
                    let (my_name, its_name) = (self.name_of(who), self.name_of(to));
                    self.say(who, format!("CONNECT_OK {its_name}"), said, cut);
                    self.say(to, format!("INCOMING_CONNECTION {my_name}"), said, cut);
                    return;
                }
            },
            Op::Msg(_, n) => match me.partner {
                None => refuse("NOT_CONNECTED"),
                Some(partner) => return self.deliver(who, partner, n, "ERROR NOT_CONNECTED", said, cut),
            },
            Op::Tell(_, to, n) => match self.find(to) {
                None => refuse("USER_NOT_FOUND"),
                Some(to) if to == who => refuse("SELF_CONNECT"),
                Some(to) => return self.deliver(who, to, n, "ERROR USER_NOT_FOUND", said, cut),
            },
        };
        self.say(who, line, said, cut);
    }
}

impl Op {
    fn who(&self) -> usize {
        match *self {
            Op::Arrive => usize::MAX,
            Op::Register(who, _)
            | Op::Connect(who, _)
            | Op::Msg(who, _)
            | Op::Tell(who, _, _)
            | Op::Disconnect(who)
            | Op::Who(who)
            | Op::Ping(who)
            | Op::Leave(who)
            | Op::Freeze(who) => who,
        }
    }
}

// ---- The switchboard -------------------------------------------------------------------------------------------

struct Real {
    board: Switchboard,
    ids: Vec<SessionId>,
    ears: Ears,
    start: Instant,
}

#[derive(Default)]
struct Ears {
    numbers: BTreeMap<SessionId, usize>,
    frozen: Vec<usize>,
    closed: Vec<usize>,
    said: Said,
}

impl Effects for Ears {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        let number = self.numbers[&to];
        if self.frozen.contains(&number) || self.closed.contains(&number) {
            return Err(Full);
        }
        let mut line = Vec::new();
        commands::encode(reply, &mut line);
        self.said.push((number, String::from_utf8(line).expect("a line is UTF-8").trim_end_matches('\n').to_owned()));
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        assert_eq!(reason, CloseReason::SlowConsumer);
        self.closed.push(self.numbers[&session]);
    }
}

impl Real {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any moment will do: time stands still here")]
        let start = Instant::now();
        let board = Switchboard::new(Duration::from_mins(1));
        Self { board, ids: Vec::new(), ears: Ears::default(), start }
    }

    fn apply(&mut self, op: &Op) -> Said {
        let text = |n: u32| Text::new(Box::leak(n.to_string().into_boxed_str()), 64).expect("a good text");
        let event = match *op {
            Op::Arrive => {
                let id = self.board.admit(self.start);
                self.ears.numbers.insert(id, self.ids.len());
                self.ids.push(id);
                self.board.handle(id, Event::Opened, &mut self.ears);
                return std::mem::take(&mut self.ears.said);
            }
            Op::Freeze(who) => {
                if who < self.ids.len() && self.board.registered(self.ids[who]).is_some() {
                    self.ears.frozen.push(who);
                }
                return Said::new();
            }
            Op::Leave(_) => Event::Closed(CloseReason::Quit),
            Op::Register(_, name) => {
                Event::Command(Command::Register { name: Username::new(name).expect("a good name") })
            }
            Op::Connect(_, to) => Event::Command(Command::Connect { to: to.into() }),
            Op::Msg(_, n) => Event::Command(Command::Msg { text: text(n) }),
            Op::Tell(_, to, n) => Event::Command(Command::Tell { to: to.into(), text: text(n) }),
            Op::Disconnect(_) => Event::Command(Command::Disconnect),
            Op::Who(_) => Event::Command(Command::Who),
            Op::Ping(_) => Event::Command(Command::Ping),
        };
        if let Some(&id) = self.ids.get(op.who()) {
            self.board.handle(id, event, &mut self.ears);
        }
        std::mem::take(&mut self.ears.said)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn says_what_the_model_says(ops in proptest::collection::vec(op(), 1..60)) {
        let (mut real, mut model) = (Real::new(), Model::default());
        for (step, op) in ops.iter().enumerate() {
            prop_assert_eq!(real.apply(op), model.apply(op), "after step {} of {:?}", step, ops);
        }
        prop_assert_eq!(real.ears.closed, model.closed);
    }
}
