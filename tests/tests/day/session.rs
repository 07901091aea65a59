//! One connection of a person: moves bytes at the person's pace, and checks each line against the protocol.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout_at};

use crate::World;
use crate::ledger::{End, Person, SessionIndex, is_line, name, person};

/// Bytes of one read, unless the person reads byte by byte.
const READ_BYTES: usize = 16 * 1024;

/// Lines that a violation shows.
const HISTORY_LINES: usize = 12;

/// Segments and buffers of a phone. With the large ones of loopback, the kernel would hold megabytes for a reader that
/// sleeps, and no outbox would fill.
const PHONE_SEGMENT_BYTES: u32 = 1460;
const PHONE_BUFFER_BYTES: u32 = 8 * 1024;

/// The speed at which a person reads and writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pace {
    Normal,
    /// Writes, but does not read.
    Asleep,
    /// One byte at a time, in both directions.
    Trickle,
}

/// A request without a reply yet.
#[derive(Clone, Debug)]
enum Request {
    Register,
    Connect(Person),
    /// The number of a message of the commands dialect.
    Message(usize),
    Disconnect,
    Ping,
    Who,
    /// A line dialect message to oneself.
    Fence,
    /// A line with a mistake, and the reply to it.
    Mistake(&'static str),
}

/// The state of a session, by the lines read so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// `WELCOME` is the next line.
    Opening,
    New,
    Registered,
    /// The name was refused, and the server closes.
    Refused,
    /// The server announced its stop.
    Stopping,
}

/// A session of the client side.
pub(crate) struct Session {
    world: Arc<World>,
    stream: TcpStream,
    index: SessionIndex,
    person: Person,
    unparsed: Vec<u8>,
    unsent: VecDeque<u8>,
    requests: VecDeque<(Request, Instant)>,
    stage: Stage,
    is_half_closed: bool,
    is_over: bool,
    /// Whether a violation was reported: only the first is of interest.
    is_reported: bool,
    /// The peer of the chat, by the lines read so far.
    peer: Option<Person>,
    /// The latest number from each session.
    latest: HashMap<SessionIndex, usize>,
    history: VecDeque<String>,
}

impl Session {
    pub(crate) async fn open(world: &Arc<World>, person: Person) -> Self {
        let socket = TcpSocket::new_v4().expect("an open file is free");
        if person.is_multiple_of(2) {
            SockRef::from(&socket).set_tcp_mss(PHONE_SEGMENT_BYTES).expect("a new socket");
            socket.set_recv_buffer_size(PHONE_BUFFER_BYTES).expect("a new socket");
        }
        let stream = socket.connect(world.address(person)).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        let port = stream.local_addr().map(|address: SocketAddr| address.port()).expect("a connected socket");
        let index = world.ledger().open(person, port);
        Self {
            world: Arc::clone(world),
            stream,
            index,
            person,
            unparsed: Vec::new(),
            unsent: VecDeque::new(),
            requests: VecDeque::new(),
            stage: if is_line(person) { Stage::New } else { Stage::Opening },
            is_half_closed: false,
            is_over: false,
            is_reported: false,
            peer: None,
            latest: HashMap::new(),
            history: VecDeque::new(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.stage == Stage::Registered
    }

    pub(crate) fn person(&self) -> Person {
        self.person
    }

    pub(crate) fn index(&self) -> SessionIndex {
        self.index
    }

    pub(crate) fn peer(&self) -> Option<Person> {
        self.peer
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.requests.len()
    }

    /// Whether all lines are sent and answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.unsent.is_empty()
    }

    // Requests, which are queued and not sent yet.

    pub(crate) fn register(&mut self) {
        let name = name(self.person);
        let line = if is_line(self.person) { name } else { format!("REGISTER {name}") };
        self.request(Request::Register, &line);
    }

    pub(crate) fn connect(&mut self, target: Person) {
        self.request(Request::Connect(target), &format!("CONNECT {}", name(target)));
    }

    pub(crate) fn disconnect(&mut self) {
        self.request(Request::Disconnect, "DISCONNECT");
    }

    pub(crate) fn who(&mut self) {
        self.request(Request::Who, "WHO");
    }

    /// A request whose reply comes after all earlier lines.
    pub(crate) fn fence(&mut self) {
        if is_line(self.person) {
            self.request(Request::Fence, &format!("{}: fence", name(self.person)));
        } else {
            self.request(Request::Ping, "PING");
        }
    }

    /// A message. In the line dialect, silence is its reply, so a fence follows to prove that the session lives.
    pub(crate) fn message(&mut self, reader: Person, filling_len: usize) {
        let (number, text) = self.world.ledger().write(self.index, reader, filling_len);
        if is_line(self.person) {
            self.write_line(&format!("{}: {text}", name(reader)));
            self.fence();
        } else {
            self.request(Request::Message(number), &format!("MSG {text}"));
        }
    }

    pub(crate) fn mistake(&mut self, kind: usize) {
        let long = "x".repeat(5000);
        let (line, reply) = match (is_line(self.person), kind % 4) {
            (false, 0) => ("HELLO", "ERROR UNKNOWN_COMMAND"),
            (false, 1) => ("MSG a\u{7}b", "ERROR INVALID_TEXT"),
            (false, 2) => (long.as_str(), "ERROR LINE_TOO_LONG"),
            (false, _) => ("REGISTER a,b", "ERROR INVALID_NAME"),
            (true, 0) => ("no colon", "Invalid format. Use: username: message"),
            (true, 1) => {
                ("line-002: a\u{7}b", "That line was dropped: send UTF-8 without control characters other than tab.")
            }
            (true, 2) => (long.as_str(), "That line was too long and was dropped: send it in parts."),
            (true, _) => (": to nobody", "Invalid target. Use: username: message"),
        };
        self.request(Request::Mistake(reply), line);
    }

    /// Bytes without a line end, which are not a request.
    pub(crate) fn unfinished(&mut self, bytes: &str) {
        self.unsent.extend(bytes.bytes());
    }

    fn request(&mut self, request: Request, line: &str) {
        self.requests.push_back((request, Instant::now()));
        self.write_line(line);
    }

    fn write_line(&mut self, line: &str) {
        self.note(format!("> {}", line.chars().take(60).collect::<String>()));
        self.unsent.extend(line.bytes().chain([b'\n']));
    }

    // Endings.

    /// Closes the sending direction, and reads to the end.
    pub(crate) async fn leave(mut self) {
        const LEAVE_MAX: Duration = Duration::from_mins(1);
        let deadline = Instant::now() + LEAVE_MAX;
        self.run_until(deadline, Pace::Normal, |session| session.unsent.is_empty()).await;
        if !self.is_over {
            let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
            self.is_half_closed = true;
        }
        self.run_until(deadline, Pace::Normal, |_| false).await;
        if !self.is_over {
            self.violation("the server did not close within a minute");
            self.abort();
        }
    }

    /// Resets the connection.
    pub(crate) fn abort(self) {
        if !self.is_over {
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
        let Self { world, index, stream, .. } = self;
        drop(stream);
        world.ledger().end(index, End::Aborted);
    }

    // Bytes.

    pub(crate) async fn run(&mut self, duration: Duration, pace: Pace) {
        self.run_until(Instant::now() + duration, pace, |_| false).await;
    }

    /// Moves bytes until the session is over, the time is over, or `is_done`.
    pub(crate) async fn run_until(&mut self, until: Instant, pace: Pace, is_done: impl Fn(&Self) -> bool) {
        if pace != Pace::Normal {
            self.world.ledger().is_slow(self.index);
        }
        let bytes_max = if pace == Pace::Trickle { 1 } else { READ_BYTES };
        while !self.is_over && !is_done(self) && Instant::now() < until {
            if pace == Pace::Trickle {
                sleep(Duration::from_millis(1)).await;
            }
            let interest = match (pace != Pace::Asleep, !self.unsent.is_empty()) {
                (true, true) => Interest::READABLE | Interest::WRITABLE,
                (true, false) => Interest::READABLE,
                (false, true) => Interest::WRITABLE,
                (false, false) => return sleep_until(until).await,
            };
            let Ok(ready) = timeout_at(until, self.stream.ready(interest)).await else { return };
            let Ok(ready) = ready else { continue };
            if ready.is_writable() && !self.unsent.is_empty() {
                self.write(bytes_max);
            }
            if ready.is_readable() && pace != Pace::Asleep {
                self.read(bytes_max);
            }
        }
    }

    fn write(&mut self, bytes_max: usize) {
        let (bytes, _) = self.unsent.as_slices();
        match self.stream.try_write(&bytes[..bytes.len().min(bytes_max)]) {
            Ok(count) => drop(self.unsent.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // The next read reports the end.
            Err(_) => self.unsent.clear(),
        }
    }

    fn read(&mut self, bytes_max: usize) {
        let mut buffer = [0; READ_BYTES];
        match self.stream.try_read(&mut buffer[..bytes_max]) {
            Ok(0) => self.end(true),
            Ok(count) => {
                self.unparsed.extend_from_slice(&buffer[..count]);
                let unparsed = std::mem::take(&mut self.unparsed);
                let mut lines = unparsed.split(|byte| *byte == b'\n').peekable();
                while let Some(line) = lines.next() {
                    if lines.peek().is_none() {
                        self.unparsed = line.to_vec();
                    } else {
                        self.line(&String::from_utf8_lossy(line));
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.end(false),
        }
    }

    fn end(&mut self, is_orderly: bool) {
        self.is_over = true;
        let is_complete = is_orderly && self.requests.is_empty() && self.unparsed.is_empty();
        let end = match self.stage {
            Stage::Stopping => End::Stopped,
            Stage::Refused => End::Refused,
            _ if self.is_half_closed && is_complete => End::Left,
            _ => End::ClosedByServer,
        };
        self.world.ledger().end(self.index, end);
    }

    // Lines.

    fn line(&mut self, line: &str) {
        self.world.ledger().line_arrived(self.index);
        self.note(format!("< {}", line.chars().take(60).collect::<String>()));
        if matches!(self.stage, Stage::Stopping | Stage::Refused) {
            return self.violation("a line after the last line");
        }
        let outcome = if is_line(self.person) { self.line_dialect(line) } else { self.commands_dialect(line) };
        if let Err(why) = outcome {
            self.violation(&format!("{why}: {}", line.chars().take(100).collect::<String>()));
        }
    }

    fn commands_dialect(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest) {
            ("WELCOME", "") if self.stage == Stage::Opening => self.stage = Stage::New,
            _ if self.stage == Stage::Opening => return Err("a line before WELCOME".into()),
            ("FROM", _) => {
                let (author, text) = rest.split_once(": ").ok_or("no text")?;
                let author_person = person(author).ok_or("a name of nobody")?;
                if !is_line(author_person) && self.peer != Some(author_person) {
                    return Err(format!("words of somebody who is not the peer ({:?})", self.peer));
                }
                self.deliver(author, text)?;
            }
            ("INCOMING_CONNECTION", _) => {
                let author = person(rest).filter(|&author| !is_line(author)).ok_or("a name of nobody")?;
                if self.stage != Stage::Registered || self.peer.replace(author).is_some() {
                    return Err("a chat without a name, or beside another chat".into());
                }
            }
            ("PEER_DISCONNECTED", "") => drop(self.peer.take().ok_or("no chat")?),
            ("ERROR", "SERVER_SHUTDOWN") => self.stopping()?,
            _ => {
                let (request, queued) = self.requests.pop_front().ok_or("a reply without a request")?;
                self.world.ledger().answered(self.index, queued);
                self.reply(&request, queued, word, rest)?;
            }
        }
        Ok(())
    }

    /// Checks a reply against its request and the state of the session.
    fn reply(&mut self, request: &Request, queued: Instant, word: &str, rest: &str) -> Result<(), String> {
        match (request, word, rest) {
            (Request::Register, "REGISTER_OK", _) if rest == name(self.person) => self.registered(),
            (Request::Register, "ERROR", "NAME_TAKEN") => self.world.ledger().name_taken(self.index, queued),
            (Request::Connect(target), "CONNECT_OK", _) if rest == name(*target) && self.peer.is_none() => {
                self.world.ledger().counts.chats += 1;
                self.peer = Some(*target);
            }
            (Request::Connect(target), "ERROR", "USER_NOT_FOUND") => {
                self.world.ledger().not_found(*target, queued);
            }
            (Request::Message(number), "MSG_SENT", "") => {
                let peer = self.peer.ok_or("MSG_SENT without a chat")?;
                self.world.ledger().accepted(self.index, *number, peer);
            }
            (Request::Message(number), "ERROR", "NOT_CONNECTED") if self.peer.is_none() => {
                self.world.ledger().refused(self.index, *number);
            }
            (Request::Disconnect, "DISCONNECT_OK", "") => self.peer = None,
            (Request::Connect(_), "ERROR", "USER_BUSY") | (Request::Ping, "PONG", "") => {}
            (Request::Who, "USERS", _) => self.world.ledger().roster(rest, queued),
            (Request::Mistake(reply), ..) if *reply == format!("{word} {rest}") => {}
            _ => return Err(format!("no reply to {request:?} in a chat with {:?}", self.peer)),
        }
        Ok(())
    }

    fn line_dialect(&mut self, line: &str) -> Result<(), String> {
        if let Some((author, text)) = line.strip_prefix('[').and_then(|line| line.split_once("] ")) {
            return self.deliver(author, text);
        }
        if line == "The server is shutting down: connect again later." {
            return self.stopping();
        }
        if line == "User not found." {
            // The server may set a line to a slow reader aside, so this may answer any earlier line.
            self.world.ledger().refused_line(self.index);
            return Ok(());
        }
        let (request, queued) = self.requests.pop_front().ok_or("a reply without a request")?;
        self.world.ledger().answered(self.index, queued);
        match (&request, line) {
            (Request::Register, _) if line == format!("Welcome {}! You can now chat.", name(self.person)) => {
                self.registered();
            }
            (Request::Register, "Username already taken. Connection closing.") => {
                self.world.ledger().name_taken(self.index, queued);
                self.stage = Stage::Refused;
            }
            (Request::Fence, "You cannot send messages to yourself.") => {}
            (Request::Mistake(reply), _) if *reply == line => {}
            _ => return Err(format!("no reply to {request:?}")),
        }
        Ok(())
    }

    fn registered(&mut self) {
        self.stage = Stage::Registered;
        self.world.ledger().registered(self.index);
    }

    fn stopping(&mut self) -> Result<(), String> {
        self.stage = Stage::Stopping;
        if self.world.is_stopping() { Ok(()) } else { Err("the server was not asked to stop".into()) }
    }

    fn deliver(&mut self, author: &str, text: &str) -> Result<(), String> {
        if self.stage != Stage::Registered {
            return Err("words for a session without a name".into());
        }
        let (session, number) = self.world.ledger().deliver(self.index, author, text)?;
        match self.latest.insert(session, number) {
            Some(latest) if latest >= number => Err(format!("out of order, after number {latest}")),
            _ => Ok(()),
        }
    }

    fn note(&mut self, line: String) {
        if self.history.len() == HISTORY_LINES {
            self.history.pop_front();
        }
        self.history.push_back(line);
    }

    pub(crate) fn violation(&mut self, why: &str) {
        if std::mem::replace(&mut self.is_reported, true) {
            return;
        }
        let history: Vec<_> = self.history.iter().map(String::as_str).collect();
        let (index, name) = (self.index, name(self.person));
        self.world.ledger().violation(format!("session {index} of {name}: {why}\n    {}", history.join("\n    ")));
    }
}
