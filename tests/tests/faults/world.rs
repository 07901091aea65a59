//! The world: the core, its shell and store, and the clients, moved step by step under a seed.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use switchboard_core::{
    Answer, CloseReason, Event, IdentityAnswer, IdentityRequest, Position, SessionId, Switchboard, Ticket,
    Version2Settings,
};
use switchboard_protocol::limits;
use switchboard_protocol::version2::parse;

use crate::client::Client;
use crate::disk::{Crash, Disk};
use crate::ledger::Ledger;
use crate::shell::{Shell, Wire};
use crate::team::{CONVERSATIONS, DEVICES, DeviceIndex, FOUNDERS, KEPT_MIN, target};
use crate::writer::{Outcome, Writer};

/// A run without an answer to everything after so many rounds is stuck.
const ROUNDS_MAX: usize = 2_000;

/// The steps of a run, for the report of a failure.
pub(crate) type Trace = Rc<RefCell<Vec<String>>>;

/// Numbers for the report, besides those of the ledger and of the disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) steps: u64,
    pub(crate) kills: u64,
    pub(crate) power_failures: u64,
    /// Those of both that came during a commit.
    pub(crate) in_commits: u64,
    pub(crate) reads_failed: u64,
}

pub(crate) struct World {
    board: Switchboard,
    shell: Shell,
    pub(crate) disk: Disk,
    writer: Writer,
    clients: Vec<Client>,
    pub(crate) ledger: Ledger,
    /// Answers that were read and not delivered.
    answers: Vec<(Ticket, Answer)>,
    texts: u64,
    /// In how many of 1,000 operations the store fails. 0 in the beginning and at the end.
    faults: u32,
    /// In how many of 1,000 steps the server ends.
    crashes: u32,
    /// The server ends at this step, or in its next commit.
    next_crash: Option<(Crash, bool)>,
    has_failed: bool,
    was_full: bool,
    rng: Rng,
    pub(crate) counts: Counts,
    trace: Trace,
}

impl World {
    pub(crate) fn new(seed: u64, trace: &Trace) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Every eighth world has a store in memory, whose process never ends.
        let disk = Disk::new(!seed.is_multiple_of(8));
        let shell = Shell { rng: rng.fork(), clock: 1_795_903_837_123, ..Shell::default() };
        let mut world = Self {
            board: Switchboard::new(Duration::from_mins(1)),
            shell,
            disk,
            writer: Writer::default(),
            clients: (0..DEVICES.len()).map(Client::new).collect(),
            ledger: Ledger::default(),
            answers: Vec::new(),
            texts: 0,
            faults: 0,
            crashes: 0,
            next_crash: None,
            has_failed: false,
            was_full: false,
            rng,
            counts: Counts::default(),
            trace: Rc::clone(trace),
        };
        world.load();
        world.found();
        world
    }

    /// Runs the whole life of the world, and checks it.
    pub(crate) fn run(&mut self) {
        self.faults = [5, 30, 150][self.rng.usize(..3)];
        self.crashes = if self.disk.is_durable() { [0, 3, 12][self.rng.usize(..3)] } else { 0 };
        for _ in 0..self.rng.usize(200..1200) {
            self.step();
        }
        self.wind_up();
        let live = self.survey();
        self.note("the server ends, and its store is opened anew");
        self.disk.reopen_and_check();
        let snapshot = self.disk.load(None).expect("a store without faults");
        let disk = &mut self.disk;
        self.ledger.check_stored(&snapshot, |conversation| disk.records(conversation.conversation));
        self.start_again();
        self.wind_up();
        let stored = self.survey();
        for (live, stored) in live.iter().zip(&stored) {
            assert_eq!(live, stored, "the core had another state than its store");
        }
        assert_eq!(live.len(), stored.len(), "the core had another state than its store");
    }

    /// Makes the first accounts and conversations, without faults.
    fn found(&mut self) {
        for device in FOUNDERS {
            let (name, _) = DEVICES[device];
            self.set_up(&[&format!("REGISTER {name}"), "CLAIM password x", "JOIN #lab", "JOIN #short"]);
            self.ledger.logged_in(device);
        }
        let keep = format!("ROOM #short keep {KEPT_MIN}");
        self.set_up(&["LOGIN Noy main password x", &keep, "SAY Elias hi"]);
    }

    /// Runs requests of a session whose replies nobody checks.
    fn set_up(&mut self, lines: &[&str]) {
        let session = self.connect(lines.iter().map(|&line| line.to_owned()).collect());
        while !self.is_quiet() {
            self.shell_step();
            self.serve(session);
        }
        self.close(session);
    }

    /// One random step.
    fn step(&mut self) {
        self.counts.steps += 1;
        let device = self.rng.usize(..self.clients.len());
        if self.rng.u32(..1000) < self.crashes {
            self.next_crash = Some((random_crash(&mut self.rng), self.rng.bool()));
        }
        if let Some((crash, waits_for_commit)) = self.next_crash
            && (!waits_for_commit || self.writer.has_batch())
        {
            self.next_crash = None;
            return self.crash(crash, waits_for_commit);
        }
        match self.rng.u8(..100) {
            0..30 => self.act(device),
            30..50 => self.read_lines(device),
            50..94 => self.shell_step(),
            94..96 => self.disconnect(device),
            96 => self.clients[device].is_slow ^= true,
            97 => {
                let is_full = !self.disk.is_full() && self.rng.u32(..400) < self.faults;
                if is_full != self.disk.is_full() {
                    self.note(if is_full { "the disk is full" } else { "the disk has room" });
                }
                self.was_full |= is_full;
                self.disk.set_full(is_full);
            }
            98 => {
                self.shell.clock += 1000;
                self.note("a second passes");
                self.board.tick(&mut self.shell);
                self.end_event();
            }
            _ => {
                // The server reads the lines of a connection that its client has given up, too.
                if let Some(session) = self.pick_session() {
                    self.serve(session);
                }
            }
        }
    }

    /// A client connects, or sends something.
    fn act(&mut self, device: DeviceIndex) {
        if self.clients[device].session.is_none() {
            let lines = self.clients[device].log_in(&self.ledger, &mut self.rng);
            let session = self.connect(lines);
            self.clients[device].session = Some(session);
            return self.note(&format!("{} connects as {session}", name(device)));
        }
        for _ in 0..self.rng.usize(1..4) {
            let lines = self.clients[device].act(&mut self.ledger, &mut self.texts, &mut self.rng);
            self.send(device, lines);
        }
    }

    fn send(&mut self, device: DeviceIndex, lines: Vec<String>) {
        for line in &lines {
            self.note(&format!("{} > {line}", name(device)));
        }
        if let Some(wire) = self.clients[device].session.and_then(|session| self.shell.wires.get_mut(&session)) {
            wire.inbox.extend(lines);
        }
    }

    /// A client reads some lines.
    fn read_lines(&mut self, device: DeviceIndex) {
        let Some(session) = self.clients[device].session else { return };
        let count = if self.clients[device].is_slow { self.rng.usize(..2) } else { self.rng.usize(20..200) };
        for _ in 0..count {
            let Some(line) = self.shell.wires.get_mut(&session).and_then(Wire::read) else { break };
            self.note(&format!("{} < {line}", name(device)));
            if !self.clients[device].hear(&line, &mut self.ledger, self.has_failed, self.was_full) {
                self.close(session);
                return self.clients[device].disconnect();
            }
        }
        let Some(wire) = self.shell.wires.get_mut(&session) else { return };
        if wire.is_closed && wire.is_drained() {
            self.note(&format!("{} has lost its connection", name(device)));
            self.shell.wires.remove(&session);
            self.clients[device].disconnect();
        } else if !wire.is_closed && wire.take_room() {
            self.board.outbox_has_room(session, &mut self.shell);
            self.end_event();
        }
    }

    /// A client loses its connection. The server may notice this, or not before the next login of the device.
    fn disconnect(&mut self, device: DeviceIndex) {
        if let Some(session) = self.clients[device].session {
            let is_noticed = self.rng.bool();
            self.note(&format!("{} is disconnected, noticed: {is_noticed}", name(device)));
            if is_noticed {
                self.close(session);
            }
            self.clients[device].disconnect();
        }
    }

    /// The server reads a line, or does something with its store.
    fn shell_step(&mut self) {
        if self.board.has_work() && self.rng.bool() {
            self.board.work(&mut self.shell);
            return self.end_event();
        }
        match self.rng.u8(..8) {
            0..3 => {
                if let Some(session) = self.pick_session() {
                    (0..self.rng.usize(1..6)).for_each(|_| self.serve(session));
                }
            }
            3..6 => self.store_step(),
            6 if !self.shell.identity_requests.is_empty() => {
                let (session, request) = self.shell.identity_requests.remove(0);
                if self.shell.wires.contains_key(&session) {
                    self.board.identified(session, identify(&request), &mut self.shell);
                    self.end_event();
                }
            }
            6 => self.read_store(),
            _ => {
                if !self.answers.is_empty() {
                    let (ticket, answer) = self.answers.swap_remove(self.rng.usize(..self.answers.len()));
                    self.board.answer(ticket, answer, &mut self.shell);
                    self.end_event();
                }
            }
        }
    }

    /// A reader of the store answers a question. The core hears the answer later.
    fn read_store(&mut self) {
        if !self.shell.questions.is_empty() {
            let index = self.rng.usize(..self.shell.questions.len().min(2));
            let (ticket, query) = self.shell.questions.remove(index);
            let fails = self.fails();
            self.counts.reads_failed += u64::from(fails);
            self.answers.push((ticket, self.disk.answer(&query, self.rng.usize(..2), fails)));
        }
    }

    fn store_step(&mut self) {
        let Some(report) = self.writer.take_report() else {
            let fails = self.fails();
            let step = self.writer.step(&mut self.disk, fails, &mut self.rng);
            return step.iter().for_each(|step| self.note(step));
        };
        match report {
            Outcome::Durable { position, trimmed } => {
                for trimmed in trimmed {
                    self.board.trimmed(trimmed.conversation, trimmed.first);
                }
                self.board.durable(Position(position), &mut self.shell);
                self.note(&format!("core: durable up to {position}"));
            }
            Outcome::Failed(code) => {
                self.board.store_failed(code, &mut self.shell);
                self.note(&format!("core: the store has failed: {code}"));
            }
            Outcome::Reloaded(snapshot) => {
                self.board.store_reloaded(snapshot, &mut self.shell);
                self.note("core: the store is loaded");
            }
            Outcome::Writable { generation, position } => {
                (self.shell.generation, self.shell.position) = (generation, Position(position));
                self.board.store_writable(Position(position), &mut self.shell);
                self.note(&format!("core: the store takes changes after {position}"));
            }
        }
        self.end_event();
    }

    fn fails(&mut self) -> bool {
        let fails = self.rng.u32(..1000) < self.faults;
        self.has_failed |= fails;
        fails
    }

    /// The server ends, and another one starts with the same store.
    fn crash(&mut self, crash: Crash, is_in_commit: bool) {
        self.note(&format!("{crash:?}, in a commit: {is_in_commit}"));
        match crash {
            Crash::Kill => self.counts.kills += 1,
            Crash::PowerFailure => self.counts.power_failures += 1,
        }
        if is_in_commit {
            self.counts.in_commits += 1;
            self.writer.crash_in_commit(&mut self.disk, crash, &mut self.rng);
        } else {
            self.disk.crash(crash, &mut self.rng);
        }
        self.start_again();
    }

    /// A new server with the same store. All connections are lost.
    fn start_again(&mut self) {
        self.shell.wires.clear();
        self.shell.changes.clear();
        self.shell.questions.clear();
        self.shell.identity_requests.clear();
        (self.shell.position, self.shell.generation) = (Position(0), 0);
        self.answers.clear();
        self.writer = Writer::default();
        self.clients.iter_mut().for_each(Client::disconnect);
        self.load();
    }

    fn load(&mut self) {
        let snapshot = self.disk.load(None).expect("a store that can be read");
        self.board = Switchboard::new(Duration::from_mins(1));
        self.board.load(snapshot, Version2Settings::default());
    }

    fn connect(&mut self, lines: Vec<String>) -> SessionId {
        #[expect(clippy::disallowed_methods, reason = "the core only compares the time of arrival")]
        let session = self.board.admit(Instant::now());
        self.shell.wires.insert(session, Wire::new(lines));
        self.board.handle(session, Event::Opened, &mut self.shell);
        self.board.hello(session, &mut self.shell);
        self.end_event();
        session
    }

    fn close(&mut self, session: SessionId) {
        self.board.handle(session, Event::Closed(CloseReason::Reset), &mut self.shell);
        self.end_event();
        self.shell.wires.remove(&session);
    }

    fn pick_session(&mut self) -> Option<SessionId> {
        let count = self.shell.wires.len();
        (count > 0).then(|| *self.shell.wires.keys().nth(self.rng.usize(..count)).expect("a session"))
    }

    /// The server reads the next line of a session, if the core lets it.
    fn serve(&mut self, session: SessionId) {
        let Some(wire) = self.shell.wires.get_mut(&session) else { return };
        if wire.is_closed || wire.is_paused || wire.inbox.is_empty() {
            return;
        }
        if self.board.is_paused(session) {
            wire.is_paused = true;
            return;
        }
        let line = wire.inbox.pop_front().expect("a line");
        let request = parse(line.as_bytes(), limits::TEXT_MAX_BYTES).expect("a valid request").expect("a request");
        self.note(&format!("core: {session} asks {line}"));
        self.board.request(session, request, &mut self.shell);
        self.end_event();
    }

    /// Submits the changes of an event.
    fn end_event(&mut self) {
        self.writer.submit(self.shell.generation, &mut self.shell.changes);
    }

    /// Whether the server has nothing to do.
    fn is_quiet(&self) -> bool {
        let waits = |wire: &Wire| !wire.is_closed && !wire.inbox.is_empty();
        self.writer.is_idle()
            && !self.board.has_work()
            && self.shell.questions.is_empty()
            && self.answers.is_empty()
            && self.shell.identity_requests.is_empty()
            && !self.shell.wires.values().any(waits)
    }

    /// The faults end, and everybody gets all answers and records.
    fn wind_up(&mut self) {
        self.note("the faults end");
        (self.faults, self.crashes, self.next_crash) = (0, 0, None);
        self.disk.set_full(false);
        // At last, the server notices the connections that are lost.
        let is_used = |session: &SessionId| self.clients.iter().any(|client| client.session == Some(*session));
        let lost: Vec<_> = self.shell.wires.keys().copied().filter(|session| !is_used(session)).collect();
        for session in lost {
            self.close(session);
        }
        for round in 0.. {
            for device in 0..self.clients.len() {
                self.clients[device].is_slow = false;
                if self.clients[device].session.is_none() {
                    self.act(device);
                }
                let lines = self.clients[device].wind_up(&mut self.ledger, &mut self.rng);
                self.send(device, lines);
                for _ in 0..20 {
                    self.shell_step();
                }
                self.read_lines(device);
            }
            if round % 16 == 0 {
                self.board.tick(&mut self.shell);
                self.end_event();
            }
            let is_settled = self.clients.iter().all(|client| client.is_settled(&self.ledger));
            if is_settled && self.is_quiet() {
                return;
            }
            let waiting: Vec<_> = self.clients.iter().filter(|client| !client.is_settled(&self.ledger)).collect();
            assert!(round < ROUNDS_MAX, "these wait for ever: {waiting:#?}");
        }
    }

    /// Asks for everything that the accounts can see. All clients are logged in.
    fn survey(&mut self) -> Vec<String> {
        // Before, they read all lines that nobody has asked for.
        while !self.is_quiet() || !self.shell.wires.values().all(Wire::is_drained) {
            self.shell_step();
            (0..self.clients.len()).for_each(|device| self.read_lines(device));
        }
        let mut lines = Vec::new();
        for device in 0..self.clients.len() {
            let mut requests = vec!["CONVERSATIONS".to_owned(), "ROOMS".to_owned(), "DEVICES".to_owned()];
            for target in (0..CONVERSATIONS).filter_map(|id| target(device, id)) {
                requests.push(format!("HISTORY {target} 1000000000 256"));
                requests.extend(target.starts_with('#').then(|| format!("MEMBERS {target}")));
            }
            for request in requests {
                lines.push(format!("{}: {request}", name(device)));
                self.send(device, vec![request]);
                while !self.is_quiet() {
                    self.shell_step();
                }
                let wire = self.clients[device].session.and_then(|session| self.shell.wires.get_mut(&session));
                let wire = wire.expect("a client that is logged in");
                lines.extend(std::iter::from_fn(|| wire.read()));
                if wire.take_room()
                    && let Some(session) = self.clients[device].session
                {
                    self.board.outbox_has_room(session, &mut self.shell);
                    self.end_event();
                }
            }
        }
        lines
    }

    fn note(&self, step: &str) {
        self.trace.borrow_mut().push(step.to_owned());
    }
}

fn name(device: DeviceIndex) -> String {
    let (name, device) = DEVICES[device];
    format!("{name}/{device}")
}

fn random_crash(rng: &mut Rng) -> Crash {
    if rng.bool() { Crash::Kill } else { Crash::PowerFailure }
}

fn identify(request: &IdentityRequest) -> IdentityAnswer {
    match request {
        IdentityRequest::HashPassword(_) => IdentityAnswer::PasswordHashed("hash".to_owned()),
        IdentityRequest::CheckPassword { hash: Some(_), .. } => IdentityAnswer::Accepted,
        _ => IdentityAnswer::Rejected,
    }
}
