//! A person at a terminal.
//!
//! The session is in one of two phases: it talks, or it is getting the connection back. In both, what the person types
//! and what the server says are waited for at once, and the person can always leave.
//!
//! It reads the server's lines one by one and not through a [`Client`](switchboard_client::Client), because what a line
//! means for the state depends on its place among all others: `CONNECT_OK Elias`, `FROM Elias: hi` and
//! `PEER_DISCONNECTED` may come in one segment.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use switchboard_client::low_level::{Backoff, Incoming, LineReader, open_session};
use switchboard_client::{ConnectionError, Error, Event};
use switchboard_protocol::limits::LINE_CEILING_BYTES;
use switchboard_protocol::{Command, ErrorCode, ParseError, Reply, Text, commands, sanitize};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Instant, sleep, sleep_until};

use super::args::Options;
use super::completion::Names;
use super::failure::{Failure, within};
use super::outgoing::Outgoing;
use super::signals::Signals;
use super::terminal::{Screen, Terminal};
use super::typed::Typed;
use super::view::View;

/// The first wait before connecting again, at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait before connecting again. A connection that lasted so long was a good one.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often in a row our name may be somebody else's before we come back without it. The first times it may still be
/// our own lost session that has it.
const NAME_TAKEN_MAX: u32 = 4;

/// How long the server may take for each answer that is still due when the person has left.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Chats until the person leaves.
pub(crate) async fn run(addr: &str, options: &Options) -> Result<(), Failure> {
    let wire = Wire::open(addr, options).await?;
    let mut signals = Signals::catch()?;
    let names = Names::default();
    let (mut terminal, screen) = Terminal::start(Some(names.clone()))?;
    let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, fastrand::u64(..));
    let ended = signals.or(chat(addr, options, wire, &mut terminal, screen, names, backoff)).await;
    if matches!(ended, Err(Failure::Signalled(_))) {
        terminal.dismiss().await;
    }
    terminal.printed().await;
    ended
}

/// Chats until the person at `terminal` leaves.
async fn chat(
    addr: &str,
    options: &Options,
    wire: Wire,
    terminal: &mut Terminal,
    screen: Screen,
    names: Names,
    backoff: Backoff,
) -> Result<(), Failure> {
    let view = View::new(options.color);
    let mut session = Session {
        addr,
        options,
        view,
        screen,
        names,
        me: None,
        peer: None,
        backoff,
        todo: VecDeque::new(),
        asked: VecDeque::new(),
        wants_name: options.name.is_some(),
        wants_chat: options.chat.is_some(),
        next_chat: options.chat.clone().filter(|_| options.name.is_some()),
    };
    match (&options.name, &options.chat) {
        // The chat is asked for once there is a name.
        (Some(name), _) => session.todo.push_back(format!("REGISTER {name}")),
        (None, Some(name)) => session.todo.push_back(format!("CONNECT {name}")),
        (None, None) => {}
    }
    session.run(wire, terminal).await?;
    // What was refused was shown.
    if session.wants_name || session.wants_chat { Err(Failure::Refusals) } else { Ok(()) }
}

/// The connection.
struct Wire {
    lines: LineReader<OwnedReadHalf>,
    out: Outgoing,
}

impl Wire {
    async fn open(addr: &str, options: &Options) -> Result<Self, Error> {
        let (lines, socket) = open_session(&addr, options.timeout).await?;
        Ok(Self { lines, out: Outgoing::new(socket) })
    }
}

struct Session<'a> {
    addr: &'a str,
    options: &'a Options,
    view: View,
    screen: Screen,
    names: Names,
    /// Who we are, once the server has said so.
    me: Option<String>,
    /// With whom we are in a chat.
    peer: Option<String>,
    backoff: Backoff,
    /// Lines to act on before those that are typed from now on.
    todo: VecDeque<String>,
    /// What was sent and is not answered yet, in order.
    asked: VecDeque<Asked>,
    /// Whether `--name` asked for a name and we never had one.
    wants_name: bool,
    /// Whether `--chat` asked for a chat and we never were in one.
    wants_chat: bool,
    /// Whom `--chat` named, until there is a name to ask with.
    next_chat: Option<String>,
}

/// Something that was asked and is not answered yet.
struct Asked {
    /// Whether it was a command, and not just something to say.
    is_command: bool,
    /// The line, if it was a `REGISTER`.
    register: Option<String>,
    at: Instant,
    /// Whether the person was told that the answer is late, and goes on without it.
    is_late: bool,
}

impl Session<'_> {
    async fn run(&mut self, mut wire: Wire, terminal: &mut Terminal) -> Result<(), Failure> {
        let connected = format!("Connected to {}. /help shows what you can type.", sanitize(self.addr));
        self.news(connected).await;
        loop {
            let began = Instant::now();
            let Some(closed) = self.talk(wire, terminal).await else { return Ok(()) };
            if began.elapsed() > LONGEST_WAIT {
                self.backoff.reset();
            }
            self.trouble(&closed).await;
            if self.options.no_reconnect {
                self.news("Ctrl-D or /quit leaves.").await;
                while terminal.lines.recv().await.is_some() {}
                return Err(closed.into());
            }
            // A server that closes for want of a name would do so again and again.
            if matches!(closed, ConnectionError::ClosedWithCode { code: ErrorCode::RegisterTimeout, .. })
                && !self.wants_back(terminal).await
            {
                return Ok(());
            }
            match self.regain(terminal).await {
                Some(regained) => wire = regained,
                None => return Ok(()),
            }
        }
    }

    /// Talks until the connection is over, or the person leaves and all that was typed is answered (`None`).
    async fn talk(&mut self, mut wire: Wire, terminal: &mut Terminal) -> Option<ConnectionError> {
        self.asked.clear();
        let mut said_why = None;
        // When to go without the answers that are due, once the person has left.
        let mut going: Option<Instant> = None;
        loop {
            let answer_due =
                self.asked.back().filter(|asked| !asked.is_late).map(|asked| asked.at + self.options.timeout);
            let is_free = answer_due.is_none() && wire.out.is_empty();
            if is_free && let Some(line) = self.todo.pop_front() {
                self.act(&mut wire.out, &line).await;
                continue;
            }
            tokio::select! {
                // The person first, who is slow.
                biased;
                line = terminal.lines.recv(), if is_free => self.act(&mut wire.out, &line?).await,
                _ = terminal.left.changed(), if going.is_none() => going = Some(Instant::now() + LAST_ANSWERS),
                () = at(going) => return None,
                () = wire.out.write() => {}
                line = wire.lines.next_line() => match line {
                    Ok(line) => {
                        let is_answer = self.hear(&line, &mut said_why).await;
                        if is_answer && going.is_some() {
                            going = Some(Instant::now() + LAST_ANSWERS);
                        }
                    }
                    Err(_) if going.is_some() => return None,
                    Err(closed) => {
                        if answer_due.is_some() {
                            self.trouble("the connection was lost before the last line was answered").await;
                        }
                        if self.me.is_none() {
                            // A name that was asked for is asked for again.
                            self.todo.extend(self.asked.drain(..).find_map(|asked| asked.register));
                        }
                        return Some(said_why.unwrap_or(closed));
                    }
                },
                () = at(answer_due) => {
                    self.trouble(Failure::TimedOut(self.options.timeout)).await;
                    self.asked.back_mut().expect("an answer is due").is_late = true;
                }
            }
        }
    }

    /// Connects again, however long it takes, unless the person leaves (`None`).
    async fn regain(&mut self, terminal: &mut Terminal) -> Option<Wire> {
        let lost_peer = self.peer.take();
        let mut why = String::new();
        let mut times_taken = 0;
        loop {
            let wait = self.backoff.next_wait();
            self.news(format!("{why}Connecting again in {:.1} s.", wait.as_secs_f64())).await;
            let mut trying = std::pin::pin!(connect_again(self.addr, self.options, self.me.clone(), wait));
            let tried = loop {
                tokio::select! {
                    biased;
                    line = terminal.lines.recv() => if self.act_alone(&line?).await {
                        break None;
                    },
                    tried = &mut trying => break Some(tried),
                }
            };
            let (wire, registered) = match tried {
                None => {
                    // Another name, and a person who waits for it.
                    (why, times_taken) = (String::new(), 0);
                    self.backoff.reset();
                    continue;
                }
                Some(Err(Failure::Client(Error::Connect { source, .. }))) => {
                    why = format!("Not yet: {}. ", source.kind());
                    continue;
                }
                Some(Err(failure)) => {
                    why = format!("Not yet: {} ", sentence(failure.to_string()));
                    continue;
                }
                Some(Ok(regained)) => regained,
            };
            match registered {
                None => self.news("Connected again.").await,
                Some(Ok(name)) => {
                    self.news(format!("Connected again as {}.", self.view.name(&name))).await;
                    self.wants_name = false;
                    self.me = Some(name);
                    self.todo.extend(self.next_chat.take().map(|name| format!("CONNECT {name}")));
                }
                Some(Err(error)) => {
                    let is_taken = matches!(error, Error::Refused { code: ErrorCode::NameTaken, .. });
                    times_taken += 1;
                    if is_taken && times_taken < NAME_TAKEN_MAX {
                        why = format!("Not yet: {} ", sentence(error.to_string()));
                        continue;
                    }
                    self.trouble(error).await;
                    self.news("Connected again, but without a name: REGISTER takes another.").await;
                    self.me = None;
                }
            }
            if let Some(peer) = lost_peer {
                let peer = self.view.name(&peer);
                self.news(format!("Your chat with {peer} is over: CONNECT {peer} opens another.")).await;
            }
            return Some(wire);
        }
    }

    /// Does what a line asks for that was typed while there is no connection. Says whether it changed the name to come
    /// back with.
    async fn act_alone(&mut self, line: &str) -> bool {
        match Typed::read(line, false) {
            Typed::Nothing | Typed::Quit => {}
            Typed::Help => self.screen.show(self.view.help()).await,
            Typed::Command(command) => match commands::parse(command.as_bytes(), LINE_CEILING_BYTES) {
                Ok(Some(Command::Register { name })) => {
                    self.news(format!("You will be {}.", self.view.name(name.as_str()))).await;
                    self.me = Some(name.to_string());
                    self.todo.retain(|line| !is_register(line));
                    return true;
                }
                Err(ParseError::Name(error)) => self.trouble(error).await,
                _ => self.trouble("not connected: that line was not sent").await,
            },
            Typed::Text(_) | Typed::UnknownSlash(_) => self.trouble("not connected: that line was not sent").await,
        }
        false
    }

    /// Waits for a line to be typed, which is acted on later. Says whether there was one: else the person has left.
    async fn wants_back(&mut self, terminal: &mut Terminal) -> bool {
        self.news("Type a command to connect again.").await;
        while let Some(line) = terminal.lines.recv().await {
            match Typed::read(&line, false) {
                Typed::Nothing => {}
                Typed::Help => self.screen.show(self.view.help()).await,
                _ => {
                    self.todo.push_back(line);
                    return true;
                }
            }
        }
        false
    }

    /// Does what a typed line asks for, or begins to.
    async fn act(&mut self, out: &mut Outgoing, line: &str) {
        let (is_command, line) = match Typed::read(line, self.peer.is_some()) {
            Typed::Nothing | Typed::Quit => return,
            Typed::Help => return self.screen.show(self.view.help()).await,
            Typed::UnknownSlash(word) => {
                return self.trouble(format!("no such command: /{word}. /help lists what there is")).await;
            }
            Typed::Text(_) if self.peer.is_none() => {
                let first = if self.me.is_none() { "REGISTER NAME, then " } else { "" };
                let why = format!("you are in no chat: {first}CONNECT NAME opens one, WHO lists who is here");
                return self.trouble(why).await;
            }
            Typed::Text(text) => (false, format!("MSG {text}")),
            Typed::Command(command) => (true, command.to_owned()),
        };
        if let Err(error) = Text::new(&line, LINE_CEILING_BYTES - "\n".len()) {
            return self.trouble(error).await;
        }
        out.put(&line);
        let register = is_register(&line).then_some(line);
        self.asked.push_back(Asked { is_command, register, at: Instant::now(), is_late: false });
    }

    /// Takes in one line of the server. Says whether it answered something.
    async fn hear(&mut self, line: &str, said_why: &mut Option<ConnectionError>) -> bool {
        match Incoming::parse(line) {
            Incoming::Answer(answer) => match self.asked.pop_front() {
                Some(asked) => {
                    self.answer(&asked, answer).await;
                    return true;
                }
                None => self.quote(line).await,
            },
            Incoming::Event(Event::Message { name, text }) => {
                self.names.add(&name);
                self.screen.show(self.view.message(&name, &text)).await;
            }
            Incoming::Event(Event::IncomingConnection { name }) => {
                let shown = self.view.name(&name);
                self.news(format!("{shown} opened a chat with you: type to answer, DISCONNECT to leave.")).await;
                self.in_chat_with(name);
            }
            Incoming::Event(Event::PeerDisconnected) => {
                let peer = self.peer.take().map_or("The other side".to_owned(), |peer| self.view.name(&peer));
                self.news(format!("{peer} left the chat.")).await;
            }
            // What ends the session is told when it has ended.
            Incoming::Event(Event::Notice { code, detail }) => {
                *said_why = Some(ConnectionError::ClosedWithCode { code, detail })
            }
            Incoming::Event(_) => self.quote(line).await,
        }
        false
    }

    /// Takes in an answer.
    async fn answer(&mut self, asked: &Asked, answer: Result<Reply<'static>, Error>) {
        let reply = match answer {
            Ok(reply) => reply,
            Err(error) => {
                if let Error::Refused { code: ErrorCode::NotConnected, .. } = error {
                    self.peer = None;
                }
                self.trouble(error).await;
                if let Some(name) = &self.next_chat
                    && asked.register.is_some()
                    && self.me.is_none()
                {
                    let name = self.view.name(name);
                    self.news(format!("REGISTER another name, and CONNECT {name} follows by itself.")).await;
                }
                return;
            }
        };
        match reply {
            Reply::RegisterOk { name } => {
                self.news(format!("You are {}.", self.view.name(&name))).await;
                self.me = Some(name.into_owned());
                self.wants_name = false;
                self.todo.extend(self.next_chat.take().map(|name| format!("CONNECT {name}")));
            }
            Reply::ConnectOk { name } => {
                let shown = self.view.name(&name);
                self.news(format!("You are in a chat with {shown}: type to talk, DISCONNECT to leave.")).await;
                self.in_chat_with(name.into_owned());
            }
            Reply::MsgSent if !asked.is_command => {}
            Reply::DisconnectOk => {
                let left = match self.peer.take() {
                    Some(peer) => format!("You left the chat with {}.", self.view.name(&peer)),
                    None => "You are in no chat.".to_owned(),
                };
                self.news(left).await;
            }
            Reply::Pong => {
                let round_trip = 1e3 * asked.at.elapsed().as_secs_f64();
                self.news(format!("PONG in {round_trip:.1} ms.")).await;
            }
            Reply::Users { names } => {
                self.names.set(names.iter());
                let shown: Vec<_> = names.iter().map(|name| self.view.name(name)).collect();
                let here = if shown.is_empty() { "nobody".to_owned() } else { shown.join(", ") };
                self.news(format!("Here: {here}.")).await;
            }
            other => {
                let mut line = Vec::new();
                commands::encode(&other, &mut line);
                self.news(sanitize(String::from_utf8_lossy(&line).trim_end())).await;
            }
        }
    }

    fn in_chat_with(&mut self, name: String) {
        self.names.add(&name);
        self.wants_chat = false;
        self.peer = Some(name);
    }

    /// Shows a line of the server that means nothing to us.
    async fn quote(&self, line: &str) {
        self.news(format!("The server says: {}", sanitize(line))).await;
    }

    async fn news(&self, news: impl std::fmt::Display) {
        self.screen.show(self.view.news(news)).await;
    }

    async fn trouble(&self, trouble: impl std::fmt::Display) {
        self.screen.show(self.view.trouble(trouble)).await;
    }
}

fn is_register(line: &str) -> bool {
    line.get(.."REGISTER".len()).is_some_and(|verb| verb.eq_ignore_ascii_case("REGISTER"))
}

/// Waits until `when`; without end, where there is no such time.
async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}

/// `text` with an end, so that another sentence can follow.
fn sentence(mut text: String) -> String {
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// A connection that was got back, and what came of asking for the name.
type Regained = (Wire, Option<Result<String, Error>>);

/// One try to connect, after `wait`, and to be `me` again.
async fn connect_again(addr: &str, options: &Options, me: Option<String>, wait: Duration) -> Result<Regained, Failure> {
    sleep(wait).await;
    let mut wire = Wire::open(addr, options).await?;
    let Some(me) = me else { return Ok((wire, None)) };
    wire.out.put(&format!("REGISTER {me}"));
    let registered = within(options.timeout, async {
        loop {
            tokio::select! {
                () = wire.out.write() => {}
                line = wire.lines.next_line() => match Incoming::parse(&line?) {
                    Incoming::Answer(Ok(Reply::RegisterOk { name })) => return Ok(Ok(name.into_owned())),
                    Incoming::Answer(Ok(_)) => return Ok(Ok(me)),
                    Incoming::Answer(Err(refused)) => return Ok(Err(refused)),
                    Incoming::Event(Event::Notice { code, detail }) => return Err(ConnectionError::ClosedWithCode { code, detail }.into()),
                    // Nothing else is said to somebody without a name.
                    Incoming::Event(_) => {}
                },
            }
        }
    });
    let registered = registered.await?;
    Ok((wire, Some(registered)))
}

#[cfg(test)]
mod tests;
