//! The core, its shell, and the clients, whose steps are the operations.

mod judge;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use switchboard_core::{Answer, CloseReason, Event, SessionId, Switchboard, Version2Settings};
use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::DoneVerb;

use super::Op;
use crate::shell::{Shell, accept, open, parse};

/// The devices: the name of the account, and of the device.
pub(crate) const DEVICES: [(&str, &str); 4] = [("Noy", "main"), ("Noy", "phone"), ("Elias", "main"), ("Dana", "main")];

/// Number of conversations: a room, a room whose records expire, and the direct one of Noy and Elias.
pub(crate) const CONVERSATIONS: usize = 3;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) board: Switchboard,
    pub(crate) shell: Shell,
    /// For each event with changes: their number. The changes of an event are committed together.
    events: VecDeque<usize>,
    pub(crate) clients: [Client; DEVICES.len()],
    texts: u64,
    /// Whether the store is out of order.
    has_failed: bool,
    /// The sessions that were paused.
    paused: HashSet<SessionId>,
    /// The record of each number of each conversation, once anybody has heard it.
    heard: HashMap<(usize, u64), String>,
}

/// A device, and its knowledge of the conversations.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) session: Option<SessionId>,
    /// The requests without a reply yet, in order.
    requests: VecDeque<Request>,
    /// The last number that the device gave in each conversation.
    last_n: [u64; CONVERSATIONS],
    /// The numbers of the records that `SAID` has named, by conversation and `n`.
    said: BTreeMap<(usize, u64), u64>,
    /// The epoch and number up to which it has heard each conversation.
    positions: [Option<(String, u64)>; CONVERSATIONS],
    /// Whether each conversation is open.
    is_open: [bool; CONVERSATIONS],
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Request {
    Say {
        conversation: usize,
        n: Option<u64>,
        text: String,
    },
    /// The second value is the number after which it opens.
    Open(usize, Option<u64>),
    Close(usize),
    History(usize),
    Read(usize),
    Done(DoneVerb, usize),
    Members(usize),
    Block,
    Mistake,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            board: Switchboard::new(Duration::from_mins(1)),
            shell: Shell::default(),
            events: VecDeque::new(),
            clients: Default::default(),
            texts: 0,
            has_failed: false,
            paused: HashSet::new(),
            heard: HashMap::new(),
        };
        world.load();
        for device in [0, 2, 3] {
            world.connect(device, &[&format!("REGISTER {}", DEVICES[device].0), "CLAIM password x"]);
        }
        world.connect(1, &["LOGIN Noy phone password x"]);
        for device in [0, 2, 3] {
            world.run(device, "JOIN #lab");
            world.run(device, "JOIN #short");
        }
        world.run(0, "ROOM #short keep 4");
        world.run(0, "SAY Elias hi");
        world.shell.lines.clear();
        world
    }

    /// Starts the core from the stored state.
    fn load(&mut self) {
        self.board = Switchboard::new(Duration::from_mins(1));
        // Most records have several viewers, so they go into fan-out.
        let settings = Version2Settings { direct_viewers_max: 1, ..Version2Settings::default() };
        self.board.load(self.shell.home.snapshot(), settings);
        // The places of changes begin anew.
        let position = self.shell.home.position();
        self.board.store_writable(position, &mut self.shell);
        self.has_failed = false;
    }

    /// Opens a session, and sends lines whose replies are not checked.
    fn connect(&mut self, device: usize, lines: &[&str]) {
        let session = open(&mut self.board, &mut self.shell);
        self.clients[device].session = Some(session);
        for line in lines {
            self.run(device, line);
        }
        self.shell.lines.retain(|(to, _)| *to != session);
    }

    /// Sends a line, and commits it.
    pub(crate) fn run(&mut self, device: usize, line: &str) {
        self.send_line(device, line);
        self.commit_events(usize::MAX);
        while !self.shell.questions.is_empty() || self.board.has_work() {
            self.answer(0, true);
            self.work();
        }
    }

    pub(crate) fn send_line(&mut self, device: usize, line: &str) {
        let Some(session) = self.clients[device].session else { return };
        self.board.request(session, parse(line), &mut self.shell);
        self.end_event();
        while let Some((session, request)) = self.shell.identity_requests.pop_front() {
            self.board.identified(session, accept(&request), &mut self.shell);
            self.end_event();
        }
    }

    /// Counts the changes of the last event.
    fn end_event(&mut self) {
        let is_expected = |reason: &CloseReason| matches!(reason, CloseReason::Displaced);
        assert!(self.shell.closed.values().all(is_expected), "the core closes {:?}", self.shell.closed);
        let new = self.shell.home.waiting() - self.events.iter().sum::<usize>();
        self.events.extend((new > 0).then_some(new));
    }

    pub(crate) fn commit_events(&mut self, max: usize) {
        if self.has_failed {
            return;
        }
        let count = self.events.drain(..max.min(self.events.len())).sum();
        if count > 0 {
            let position = self.shell.home.commit_first(count);
            self.board.durable(position, &mut self.shell);
            self.end_event();
        }
    }

    fn work(&mut self) {
        if self.board.has_work() {
            self.board.work(&mut self.shell);
            self.end_event();
        }
    }

    fn answer(&mut self, index: usize, is_readable: bool) {
        if !self.shell.questions.is_empty() {
            let index = index % self.shell.questions.len();
            let (ticket, query) = self.shell.questions.remove(index).expect("the index is that of a question");
            let answer = if is_readable { self.shell.home.answer(&query) } else { Answer::Failed };
            self.board.answer(ticket, answer, &mut self.shell);
            self.end_event();
        }
    }

    /// Withdraws the waiting changes, or stores them without telling the core.
    fn lose(&mut self, is_stored: bool) {
        if is_stored {
            self.shell.home.commit();
        }
        self.shell.home.lose();
        self.events.clear();
    }

    fn fail(&mut self, is_stored: bool) {
        self.lose(is_stored);
        self.has_failed = true;
        self.board.store_failed(ErrorCode::Unavailable, &mut self.shell);
        self.board.store_reloaded(self.shell.home.snapshot(), &mut self.shell);
        self.end_event();
    }

    fn recover(&mut self) {
        if self.has_failed {
            self.has_failed = false;
            self.board.store_writable(self.shell.home.position(), &mut self.shell);
            self.end_event();
        }
    }

    fn restart(&mut self, is_stored: bool) {
        self.lose(is_stored);
        // The sessions of the new server may have the same ids.
        let Shell { questions, lines, closed, not_reading, .. } = &mut self.shell;
        questions.clear();
        lines.clear();
        closed.clear();
        not_reading.clear();
        self.paused.clear();
        self.load();
        for device in 0..DEVICES.len() {
            self.clients[device].forget_session();
            self.log_in(device);
        }
    }

    fn log_in(&mut self, device: usize) {
        let (name, device_name) = DEVICES[device];
        let session = open(&mut self.board, &mut self.shell);
        self.hear();
        self.clients[device].forget_session();
        self.clients[device].session = Some(session);
        self.send_line(device, &format!("LOGIN {name} {device_name} password x"));
    }

    fn disconnect(&mut self, device: usize) {
        if let Some(session) = self.clients[device].session {
            self.board.handle(session, Event::Closed(CloseReason::Quit), &mut self.shell);
            self.end_event();
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        match *op {
            Op::Say(device, conversation, is_numbered) => {
                self.texts += 1;
                let text = format!("text-{}", self.texts);
                let n = is_numbered.then(|| self.clients[device].last_n[conversation] + 1);
                if let Some(n) = n {
                    self.clients[device].last_n[conversation] = n;
                }
                self.say(device, conversation, n, text);
            }
            Op::SayAgain(device, conversation, back) => {
                let n = self.clients[device].last_n[conversation].saturating_sub(back as u64);
                if n > 0 {
                    self.texts += 1;
                    self.say(device, conversation, Some(n), format!("text-{}", self.texts));
                }
            }
            Op::Open(device, conversation) => {
                let position = self.clients[device].positions[conversation].clone();
                let after = position.as_ref().map(|&(_, after)| after);
                let position = position.map(|(epoch, after)| format!(" {epoch} {after}")).unwrap_or_default();
                self.request(device, conversation, "OPEN", &position, Request::Open(conversation, after));
            }
            Op::OpenNow(device, conversation) => {
                self.request(device, conversation, "OPEN", "", Request::Open(conversation, None));
            }
            Op::Close(device, conversation) => {
                self.request(device, conversation, "CLOSE", "", Request::Close(conversation));
            }
            Op::History(device, conversation) => {
                self.request(device, conversation, "HISTORY", " 1000 5", Request::History(conversation));
            }
            Op::Read(device, conversation) => {
                self.request(device, conversation, "READ", " 1000", Request::Read(conversation));
            }
            Op::Topic(device, conversation) => {
                let request = Request::Done(DoneVerb::Topic, conversation);
                self.request(device, conversation, "TOPIC", " new topic", request);
            }
            Op::Redact(device, conversation, seq) => {
                let request = Request::Done(DoneVerb::Redact, conversation);
                self.request(device, conversation, "REDACT", &format!(" {seq}"), request);
            }
            Op::Mute(device, conversation, has_end) => {
                let request = Request::Done(DoneVerb::Mute, conversation);
                self.request(device, conversation, "MUTE", if has_end { " Elias 1s" } else { " Elias" }, request);
            }
            Op::Unmute(device, conversation) => {
                let request = Request::Done(DoneVerb::Unmute, conversation);
                self.request(device, conversation, "UNMUTE", " Elias", request);
            }
            Op::Members(device, conversation) => {
                self.request(device, conversation, "MEMBERS", "", Request::Members(conversation));
            }
            Op::Mistake(device) => self.expect(device, "SAY #nowhere x", Request::Mistake),
            Op::Ping(device) => {
                if self.is_ready(device) {
                    self.send_line(device, "PING");
                    let session = self.clients[device].session;
                    let is_pong = |(to, line): &(SessionId, String)| Some(*to) == session && line == "PONG";
                    assert!(self.shell.lines.iter().any(is_pong), "a PONG waits for something");
                }
            }
            Op::Block(device, is_on) => {
                let verb = if is_on { "BLOCK" } else { "UNBLOCK" };
                let other = if DEVICES[device].0 == "Elias" { "Dana" } else { "Elias" };
                self.expect(device, &format!("{verb} {other}"), Request::Block);
            }
            Op::Reconnect(device) => {
                self.disconnect(device);
                self.log_in(device);
            }
            Op::Displace(device) => self.log_in(device),
            Op::StopReading(device) => self.shell.not_reading.extend(self.clients[device].session),
            Op::ReadOn(device) => self.read_on(device),
            Op::Commit(events) => self.commit_events(events),
            Op::Answer(index) => self.answer(index, true),
            Op::AnswerFailed(index) => self.answer(index, false),
            Op::Work => self.work(),
            Op::Tick => {
                self.shell.now.0 += 1000;
                self.board.tick(&mut self.shell);
                self.end_event();
            }
            Op::Fail(is_stored) => self.fail(is_stored),
            Op::Recover => self.recover(),
            Op::Restart(is_stored) => self.restart(is_stored),
        }
        self.hear();
    }

    fn read_on(&mut self, device: usize) {
        if let Some(session) = self.clients[device].session
            && self.shell.not_reading.remove(&session)
        {
            self.board.outbox_has_room(session, &mut self.shell);
            self.end_event();
        }
    }

    fn say(&mut self, device: usize, conversation: usize, n: Option<u64>, text: String) {
        let tag = n.map(|n| format!("@n={n} ")).unwrap_or_default();
        if let Some(target) = target(device, conversation) {
            let line = format!("{tag}SAY {target} {text}");
            self.expect(device, &line, Request::Say { conversation, n, text });
        }
    }

    fn request(&mut self, device: usize, conversation: usize, verb: &str, rest: &str, request: Request) {
        if let Some(target) = target(device, conversation) {
            self.expect(device, &format!("{verb} {target}{rest}"), request);
        }
    }

    /// Sends a request whose reply is checked.
    fn expect(&mut self, device: usize, line: &str, request: Request) {
        if self.is_ready(device) {
            self.clients[device].requests.push_back(request);
            self.send_line(device, line);
        }
    }

    fn is_ready(&mut self, device: usize) -> bool {
        let Some(session) = self.clients[device].session else { return false };
        let is_paused = self.board.is_paused(session);
        if is_paused {
            self.paused.insert(session);
            self.shell.resumed.retain(|&resumed| resumed != session);
        }
        !is_paused
    }
}

/// The name of a conversation for a device. `None` if the device is not in it.
fn target(device: usize, conversation: usize) -> Option<&'static str> {
    match (conversation, DEVICES[device].0) {
        (0, _) => Some("#lab"),
        (1, _) => Some("#short"),
        (_, "Noy") => Some("Elias"),
        (_, "Elias") => Some("Noy"),
        _ => None,
    }
}
