//! Random requests of several devices, with commits, answers and failures of the store at random moments.
//!
//! Each client checks what it hears against what is stored at that moment: nobody hears of a record that is not stored,
//! no number means two records, no record is missing between two others, and replies come in the order of the requests.

#[expect(dead_code, reason = "the stage of the transcripts uses the rest")]
mod home;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use home::Home;
use proptest::prelude::*;
use switchboard_core::change::{Change, ConversationKind, Snapshot, UnixMillis};
use switchboard_core::{
    Answer, CloseReason, Effects, Event, Full, IdentityAnswer, IdentityRequest, Position, Query, SessionId,
    StoreEffects, Switchboard, Ticket, Version2Settings,
};
use switchboard_protocol::version2::{DoneVerb, Reply, parse, parse_reply};
use switchboard_protocol::{ErrorCode, limits};

/// The devices: the name of the account, and of the device.
const DEVICES: [(&str, &str); 4] = [("Noy", "main"), ("Noy", "phone"), ("Elias", "main"), ("Dana", "main")];

/// Number of conversations: a room, a room whose records expire, and the direct one of Noy and Elias.
const CONVERSATIONS: usize = 3;

/// A step of the world. The first value is the number of a device, the second that of a conversation.
#[derive(Clone, Debug)]
enum Op {
    /// Says something new, with a number or without.
    Say(usize, usize, bool),
    /// Says again what has a number. The value chooses which: 0 is the newest.
    SayAgain(usize, usize, usize),
    /// Opens a conversation at the device's position.
    Open(usize, usize),
    /// Opens a conversation from now on.
    OpenNow(usize, usize),
    Close(usize, usize),
    History(usize, usize),
    Read(usize, usize),
    Topic(usize, usize),
    Redact(usize, usize, u64),
    Members(usize, usize),
    /// A request that is refused.
    Mistake(usize),
    Ping(usize),
    Block(usize, bool),
    /// The device loses its connection, and logs in again.
    Reconnect(usize),
    /// The device logs in a second time, which ends the first session.
    Displace(usize),
    /// The outbox of the device is full.
    StopReading(usize),
    ReadOn(usize),
    /// The store commits the changes of so many events.
    Commit(usize),
    /// The store answers a question. The value chooses which.
    Answer(usize),
    /// The store cannot answer a question.
    AnswerFailed(usize),
    /// The core does a part of the work that other events have left.
    Work,
    /// A second passes.
    Tick,
    /// The store fails. Whether the waiting changes are stored all the same.
    Fail(bool),
    Recover,
    /// The server is killed and starts again. Whether the waiting changes are stored.
    Restart(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let (device, conversation) = (0..DEVICES.len(), 0..CONVERSATIONS);
    let place = (device.clone(), conversation);
    prop_oneof![
        10 => (place.clone(), any::<bool>()).prop_map(|((d, c), numbered)| Op::Say(d, c, numbered)),
        6 => (place.clone(), 0_usize..4).prop_map(|((d, c), back)| Op::SayAgain(d, c, back)),
        5 => place.clone().prop_map(|(d, c)| Op::Open(d, c)),
        1 => place.clone().prop_map(|(d, c)| Op::OpenNow(d, c)),
        1 => place.clone().prop_map(|(d, c)| Op::Close(d, c)),
        2 => place.clone().prop_map(|(d, c)| Op::History(d, c)),
        1 => place.clone().prop_map(|(d, c)| Op::Read(d, c)),
        1 => place.clone().prop_map(|(d, c)| Op::Topic(d, c)),
        1 => (place.clone(), 1_u64..12).prop_map(|((d, c), seq)| Op::Redact(d, c, seq)),
        1 => place.prop_map(|(d, c)| Op::Members(d, c)),
        1 => device.clone().prop_map(Op::Mistake),
        1 => device.clone().prop_map(Op::Ping),
        1 => (device.clone(), any::<bool>()).prop_map(|(d, is_on)| Op::Block(d, is_on)),
        2 => device.clone().prop_map(Op::Reconnect),
        1 => device.clone().prop_map(Op::Displace),
        2 => device.clone().prop_map(Op::StopReading),
        3 => device.prop_map(Op::ReadOn),
        8 => (0_usize..6).prop_map(Op::Commit),
        8 => (0_usize..4).prop_map(Op::Answer),
        1 => (0_usize..4).prop_map(Op::AnswerFailed),
        8 => Just(Op::Work),
        1 => Just(Op::Tick),
        1 => any::<bool>().prop_map(Op::Fail),
        3 => Just(Op::Recover),
        1 => any::<bool>().prop_map(Op::Restart),
    ]
}

// ---- The shell -------------------------------------------------------------------------------------------------

/// The effects of the core: lines and questions are kept until the world takes them.
#[derive(Debug, Default)]
struct Shell {
    home: Home,
    /// For each event with changes: their number. The changes of an event are committed together.
    events: VecDeque<usize>,
    lines: VecDeque<(SessionId, String)>,
    closed: HashSet<SessionId>,
    not_reading: HashSet<SessionId>,
    questions: Vec<(Ticket, Query)>,
    identity_requests: VecDeque<(SessionId, IdentityRequest)>,
    resumed: Vec<SessionId>,
    randoms: u64,
}

impl Effects for Shell {
    fn send(&mut self, to: SessionId, reply: &switchboard_protocol::Reply<'_>) -> Result<(), Full> {
        let mut line = Vec::new();
        switchboard_protocol::commands::encode(reply, &mut line);
        self.send_line(to, &line)
    }

    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full> {
        assert!(!self.closed.contains(&to), "the core sends to a closed session");
        let lines = std::str::from_utf8(line).expect("a line is UTF-8");
        self.lines.extend(lines.lines().map(|line| (to, line.to_owned())));
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        assert!(matches!(reason, CloseReason::Displaced), "the core closes {session}: {reason}");
        self.closed.insert(session);
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
        self.questions.push((ticket, query));
    }

    fn identify(&mut self, session: SessionId, request: IdentityRequest) {
        self.identity_requests.push_back((session, request));
    }

    fn wall_clock(&self) -> UnixMillis {
        UnixMillis(1_795_903_837_123)
    }

    fn random(&mut self) -> u64 {
        self.randoms += 1;
        self.randoms
    }
}

// ---- The clients -----------------------------------------------------------------------------------------------

/// A device, and its knowledge of the conversations.
#[derive(Debug, Default)]
struct Client {
    session: Option<SessionId>,
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
enum Request {
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

#[derive(Debug)]
struct World {
    board: Switchboard,
    shell: Shell,
    clients: [Client; DEVICES.len()],
    texts: u64,
    /// Whether the store is out of order.
    has_failed: bool,
    /// The sessions that were paused.
    paused: HashSet<SessionId>,
    /// The record of each number of each conversation, once anybody has heard it.
    heard: HashMap<(usize, u64), String>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            board: Switchboard::new(Duration::from_mins(1)),
            shell: Shell::default(),
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
        #[expect(clippy::disallowed_methods, reason = "the core only compares the time of arrival")]
        let session = self.board.admit(Instant::now());
        self.board.handle(session, Event::Opened, &mut self.shell);
        self.board.hello(session, &mut self.shell);
        self.clients[device].session = Some(session);
        for line in lines {
            self.run(device, line);
        }
        self.shell.lines.retain(|(to, _)| *to != session);
    }

    /// Sends a line, and commits it.
    fn run(&mut self, device: usize, line: &str) {
        self.send_line(device, line);
        self.commit_events(usize::MAX);
        while !self.shell.questions.is_empty() || self.board.has_work() {
            self.answer(0, true);
            self.work();
        }
    }

    fn send_line(&mut self, device: usize, line: &str) {
        let Some(session) = self.clients[device].session else { return };
        let request = parse(line.as_bytes(), limits::TEXT_MAX_BYTES).expect("a valid request").expect("a request");
        self.board.request(session, request, &mut self.shell);
        self.end_event();
        while let Some((session, request)) = self.shell.identity_requests.pop_front() {
            let answer = match request {
                IdentityRequest::HashPassword(_) => IdentityAnswer::PasswordHashed("hash".to_owned()),
                _ => IdentityAnswer::Accepted,
            };
            self.board.identified(session, answer, &mut self.shell);
            self.end_event();
        }
    }

    /// Counts the changes of the last event.
    fn end_event(&mut self) {
        let new = self.shell.home.waiting() - self.shell.events.iter().sum::<usize>();
        self.shell.events.extend((new > 0).then_some(new));
    }

    fn commit_events(&mut self, max: usize) {
        if self.has_failed {
            return;
        }
        let count = self.shell.events.drain(..max.min(self.shell.events.len())).sum();
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
            let (ticket, query) = self.shell.questions.remove(index % self.shell.questions.len());
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
        self.shell.events.clear();
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
        #[expect(clippy::disallowed_methods, reason = "the core only compares the time of arrival")]
        let session = self.board.admit(Instant::now());
        self.board.handle(session, Event::Opened, &mut self.shell);
        self.board.hello(session, &mut self.shell);
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

    fn apply(&mut self, op: &Op) {
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

    /// Lets the clients read all lines.
    fn hear(&mut self) {
        while let Some((session, line)) = self.shell.lines.pop_front() {
            if let Some(device) = self.clients.iter().position(|client| client.session == Some(session)) {
                self.hear_line(device, &line);
            }
        }
        for device in 0..DEVICES.len() {
            if self.clients[device].session.is_some_and(|session| self.shell.closed.contains(&session)) {
                self.clients[device].forget_session();
            }
        }
    }

    fn hear_line(&mut self, device: usize, line: &str) {
        let reply = parse_reply(line).unwrap_or_else(|_| panic!("{:?} hears {line:?}", DEVICES[device]));
        let conversation = |name: &str| {
            let found = (0..CONVERSATIONS).find(|&conversation| target(device, conversation) == Some(name));
            found.unwrap_or_else(|| panic!("{:?} hears of {name}: {line:?}", DEVICES[device]))
        };
        match &reply.reply {
            Reply::Record(record) => {
                let conversation = conversation(&record.target);
                self.check_stored(conversation, record.seq, line);
                if record.redacted_by.is_none() {
                    let meaning = format!("{:?} {} {}", record.verb, record.author, record.text);
                    let known = self.heard.entry((conversation, record.seq)).or_insert_with(|| meaning.clone());
                    assert_eq!(*known, meaning, "number {} of {conversation} means two records", record.seq);
                }
                if !record.is_past {
                    self.clients[device].advance(conversation, record.seq, record.seq, line);
                }
            }
            Reply::Gap { target, from, to, .. } => {
                let conversation = conversation(target);
                // A gap in the answer to HISTORY is not one of the open conversation.
                if (*from, *to) != (0, 0) && !line.starts_with("@past=1 ") {
                    self.clients[device].advance(conversation, *from, *to, line);
                }
            }
            Reply::OpenOk { target, epoch, last, .. } => {
                let conversation = conversation(target);
                self.check_stored(conversation, *last, line);
                let client = &mut self.clients[device];
                let request = client.requests.pop_front();
                let Some(Request::Open(opened, after)) = request else { panic!("{line:?} for {request:?}") };
                assert_eq!(opened, conversation, "at {line:?}");
                // Without a position it hears what is new, unless it had the conversation open before.
                let was_open = std::mem::replace(&mut client.is_open[conversation], true);
                if after.is_some() || !was_open {
                    client.positions[conversation] = Some((epoch.to_string(), after.unwrap_or(*last)));
                }
            }
            Reply::Live { target, last } => {
                let conversation = conversation(target);
                let client = &self.clients[device];
                assert_eq!(client.heard(conversation), *last, "{:?} at {line:?}", DEVICES[device]);
            }
            Reply::Said { target, seq } => {
                let conversation = conversation(target);
                self.check_stored(conversation, *seq, line);
                let request = self.clients[device].requests.pop_front();
                let Some(Request::Say { conversation: said_in, n, text }) = request else {
                    panic!("{:?} hears {line:?}, which answers another request", DEVICES[device])
                };
                assert_eq!((said_in, n), (conversation, reply.n), "at {line:?}");
                let client = &self.clients[device];
                let has_heard = !client.is_open[conversation] || client.heard(conversation) >= *seq;
                assert!(has_heard, "{:?} hears {line:?} before the record", DEVICES[device]);
                if let Some(n) = n {
                    let known = *self.clients[device].said.entry((conversation, n)).or_insert(*seq);
                    assert_eq!(known, *seq, "{:?}: n={n} has two numbers", DEVICES[device]);
                } else if let Some(stored) = self.stored_text(conversation, *seq) {
                    assert!(
                        stored == text || stored.is_empty(),
                        "{line:?} acknowledges {text}, but {stored} is stored"
                    );
                }
            }
            Reply::Error { code, .. } => self.hear_error(device, *code, reply.n, line),
            Reply::CloseOk { target } => {
                let conversation = conversation(target);
                assert_eq!(self.clients[device].requests.pop_front(), Some(Request::Close(conversation)));
                self.clients[device].is_open[conversation] = false;
            }
            Reply::HistoryOk { target, .. } => self.take(device, &Request::History(conversation(target)), line),
            Reply::ReadOk { target, .. } => self.take(device, &Request::Read(conversation(target)), line),
            Reply::MembersOk { target, .. } => self.take(device, &Request::Members(conversation(target)), line),
            Reply::Done { verb, target, seq } => {
                let conversation = conversation(target);
                self.check_stored(conversation, *seq, line);
                self.take(device, &Request::Done(*verb, conversation), line);
            }
            Reply::BlockOk { .. } | Reply::UnblockOk { .. } => self.take(device, &Request::Block, line),
            Reply::Conversation { target, last, .. } => self.check_stored(conversation(target), *last, line),
            Reply::HelloOk { .. }
            | Reply::LoginOk { .. }
            | Reply::Member { .. }
            | Reply::Read { .. }
            | Reply::Version1(_) => {}
            other => panic!("{:?} hears {other:?}", DEVICES[device]),
        }
    }

    /// The next reply of a device must be for this request.
    fn take(&mut self, device: usize, request: &Request, line: &str) {
        let next = self.clients[device].requests.pop_front();
        assert_eq!(next.as_ref(), Some(request), "{:?} hears {line:?}", DEVICES[device]);
    }

    fn hear_error(&mut self, device: usize, code: ErrorCode, n: Option<u64>, line: &str) {
        if code == ErrorCode::Displaced {
            return;
        }
        let Some(request) = self.clients[device].requests.pop_front() else {
            // The login itself: it may need a place in the store.
            assert_eq!(code, ErrorCode::Unavailable, "{line:?} answers nothing");
            return;
        };
        match (&request, code) {
            (Request::Say { conversation, n: Some(sent), .. }, _) => {
                assert_eq!(n, Some(*sent), "{line:?} for {request:?}");
                if code == ErrorCode::Stale {
                    assert!(!self.is_stored(device, *conversation, *sent), "{line:?}, but it is stored");
                    let acknowledged = self.clients[device].said.get(&(*conversation, *sent));
                    let has_expired = |&seq: &u64| seq < self.first(*conversation);
                    assert!(acknowledged.is_none_or(has_expired), "{line:?}, but it was acknowledged");
                }
            }
            (Request::Mistake, ErrorCode::RoomNotFound)
            | (Request::Done(DoneVerb::Redact, _), ErrorCode::NotAllowed | ErrorCode::RecordNotFound)
            | (Request::Done(DoneVerb::Topic, 2), ErrorCode::InvalidRoom)
            | (_, ErrorCode::Unavailable) => {}
            _ => panic!("{line:?} for {request:?}"),
        }
    }

    /// Nobody hears of a number before its record is stored.
    fn check_stored(&self, conversation: usize, seq: u64, line: &str) {
        let last = self.stored(conversation).map_or(0, |stored| stored.last);
        assert!(seq <= last, "{line:?}, but only {last} records are stored");
    }

    fn first(&self, conversation: usize) -> u64 {
        self.stored(conversation).map_or(1, |stored| stored.first)
    }

    fn stored(&self, conversation: usize) -> Option<switchboard_core::change::StoredConversation> {
        let Snapshot { conversations, .. } = self.shell.home.snapshot();
        conversations.into_iter().find(|stored| match &stored.kind {
            ConversationKind::Room { name } => target(0, conversation) == Some(name),
            ConversationKind::Direct(_) => conversation == 2,
        })
    }

    fn stored_text(&self, conversation: usize, seq: u64) -> Option<String> {
        let id = self.stored(conversation)?.conversation;
        let mut records = self.shell.home.records(id);
        records.find(|record| record.seq == seq).map(|record| record.text.to_string())
    }

    /// Whether a record of the device has this number.
    fn is_stored(&self, device: usize, conversation: usize, n: u64) -> bool {
        let Some(stored) = self.stored(conversation) else { return false };
        let (name, device_name) = DEVICES[device];
        let accounts = self.shell.home.snapshot().accounts;
        let devices = accounts.iter().filter(|account| account.name == name).flat_map(|account| &account.devices);
        let Some(id) = devices.into_iter().find(|device| device.name == device_name).map(|device| device.device) else {
            return false;
        };
        let mut numbers = self.shell.home.records(stored.conversation).filter_map(|record| record.sent);
        numbers.any(|sent| sent.device == id && sent.n == n)
    }

    /// Lets everything that was begun come to its end, and checks that nothing is missing.
    fn finish(&mut self) {
        self.recover();
        for _ in 0..4 {
            for device in 0..DEVICES.len() {
                self.read_on(device);
                if self.clients[device].session.is_none() {
                    self.log_in(device);
                }
            }
            while !self.shell.events.is_empty() || !self.shell.questions.is_empty() || self.board.has_work() {
                self.commit_events(usize::MAX);
                self.answer(0, true);
                self.work();
            }
            self.board.tick(&mut self.shell);
            self.end_event();
        }
        self.hear();
        for session in self.clients.iter().filter_map(|client| client.session) {
            let is_resumed = self.shell.resumed.contains(&session);
            assert!(is_resumed || !self.paused.contains(&session), "{session} stays paused");
        }
        for (device, client) in self.clients.iter().enumerate() {
            assert_eq!(client.requests, [], "{:?} has no reply", DEVICES[device]);
            for conversation in 0..CONVERSATIONS {
                let last = self.stored(conversation).map_or(0, |stored| stored.last);
                if client.is_open[conversation] {
                    assert_eq!(client.heard(conversation), last, "{:?} misses records", DEVICES[device]);
                }
                for ((_, n), &seq) in client.said.range((conversation, 0)..(conversation, u64::MAX)) {
                    assert!(seq <= last, "{:?}: n={n} was acknowledged as {seq}, and is gone", DEVICES[device]);
                    let id = self.stored(conversation).expect("it has records").conversation;
                    let stored = self.shell.home.records(id).find(|record| record.seq == seq);
                    let stored_n = stored.and_then(|record| record.sent).map(|sent| sent.n);
                    assert!(stored_n == Some(*n) || seq < self.first(conversation), "n={n} is stored as {stored_n:?}");
                }
            }
        }
    }
}

impl Client {
    fn forget_session(&mut self) {
        self.session = None;
        self.requests.clear();
        self.is_open = Default::default();
    }

    /// The number up to which it has heard a conversation.
    fn heard(&self, conversation: usize) -> u64 {
        self.positions[conversation].as_ref().map_or(0, |&(_, heard)| heard)
    }

    /// It hears the records `from` to `to`, or a gap over them.
    fn advance(&mut self, conversation: usize, from: u64, to: u64, line: &str) {
        assert!(self.is_open[conversation], "{line:?} of a conversation that is not open");
        let (_, heard) = self.positions[conversation].as_mut().expect("an open conversation has a position");
        assert_eq!(from, *heard + 1, "{line:?} after {heard}");
        *heard = to;
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

#[test]
fn the_last_1024_numbers_of_a_device_are_known() {
    let mut world = World::new();
    let session = world.clients[0].session.expect("it is connected");
    let mut said = |n: u64| {
        world.shell.lines.clear();
        world.run(0, &format!("@n={n} SAY #lab hi"));
        world.shell.lines.iter().filter(|(to, _)| *to == session).map(|(_, line)| line.clone()).collect::<Vec<_>>()
    };
    for n in 1..=1030 {
        // The three members have joined before.
        assert_eq!(said(n), [format!("@n={n} SAID #lab {}", n + 3)]);
    }
    assert_eq!(said(1030), ["@n=1030 SAID #lab 1033"]);
    assert_eq!(said(7), ["@n=7 SAID #lab 10"]);
    assert_eq!(said(6), ["@n=6 ERROR STALE #lab"]);
}

#[test]
fn session_with_1024_waiting_replies_is_paused() {
    let mut world = World::new();
    let session = world.clients[0].session.expect("it is connected");
    for _ in 0..1023 {
        world.send_line(0, "SAY #lab hi");
    }
    assert!(!world.board.is_paused(session));
    world.send_line(0, "SAY #lab hi");
    assert!(world.board.is_paused(session));
    assert_eq!(world.shell.resumed, []);
    world.commit_events(1);
    assert_eq!(world.shell.resumed, [session]);
    assert!(!world.board.is_paused(session));
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn promises_hold_for_random_requests_and_failures(ops in proptest::collection::vec(op(), 1..150)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        world.finish();
    }
}
