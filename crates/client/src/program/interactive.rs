//! A person at a terminal.
//!
//! The session is in one of two phases: it talks, or it is getting the connection back. In both, what the person types
//! and what the server says are waited for at once, and the person can always leave.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use switchboard_client::parts::Backoff;
use switchboard_client::{Client, Closed, Error, Event, Events};
use switchboard_protocol::{Code, Reply, commands, show};
use tokio::time::{Instant, sleep};

use super::args::Options;
use super::completion::Names;
use super::failure::{Failure, within};
use super::terminal::{Screen, Terminal};
use super::typed::Typed;
use super::view::View;

/// The first wait before connecting again, at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait before connecting again. A connection that lasted so long was a good one.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Chats until the person leaves.
pub(crate) async fn run(addr: &str, options: &Options) -> Result<(), Failure> {
    let (client, events) = Client::connect_within(addr, options.timeout).await?;
    let names = Names::default();
    let (mut terminal, screen) = Terminal::start(names.clone())?;
    let ended = chat(addr, options, (client, events), &mut terminal, screen, names).await;
    terminal.printed().await;
    ended
}

/// Chats until the person at `terminal` leaves.
async fn chat(
    addr: &str,
    options: &Options,
    link: (Client, Events),
    terminal: &mut Terminal,
    screen: Screen,
    names: Names,
) -> Result<(), Failure> {
    let mut session = Session {
        addr,
        options,
        view: View::new(options.color),
        screen,
        names,
        me: None,
        peer: None,
        backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT, fastrand::u64(..)),
        todo: VecDeque::new(),
    };
    session.todo.extend(options.name.iter().map(|name| format!("REGISTER {name}")));
    session.todo.extend(options.chat.iter().map(|name| format!("CONNECT {name}")));
    session.run(link, terminal).await
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
}

/// Something that was asked and is not answered yet.
struct Asking {
    /// Whether it was a command, and not just something to say.
    is_command: bool,
    /// Who was in the chat when it was asked.
    peer: Option<String>,
    asked: Instant,
    answer: Pin<Box<dyn Future<Output = Result<Reply<'static>, Failure>>>>,
}

impl Session<'_> {
    async fn run(&mut self, mut link: (Client, Events), terminal: &mut Terminal) -> Result<(), Failure> {
        let connected = format!("Connected to {}. /help shows what you can type.", show::safe(self.addr));
        self.news(connected).await;
        loop {
            let began = Instant::now();
            let Some(closed) = self.talk(&link.0, link.1, terminal).await else { return Ok(()) };
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
            if matches!(closed, Closed::WithCode { code: Code::RegisterTimeout, .. })
                && !self.wants_back(terminal).await
            {
                return Ok(());
            }
            match self.regain(terminal).await {
                Some(regained) => link = regained,
                None => return Ok(()),
            }
        }
    }

    /// Talks until the connection is over, or the person leaves and all that was typed is answered (`None`).
    async fn talk(&mut self, client: &Client, mut events: Events, terminal: &mut Terminal) -> Option<Closed> {
        let mut asking: Option<Asking> = None;
        loop {
            if asking.is_none()
                && let Some(line) = self.todo.pop_front()
            {
                asking = self.act(client, &line).await;
                continue;
            }
            tokio::select! {
                // The person first, who is slow. Events before answers: the one that came first was queued first.
                biased;
                line = terminal.lines.recv(), if asking.is_none() => asking = self.act(client, &line?).await,
                Some(event) = events.next() => match event {
                    Event::Closed(closed) => {
                        if asking.is_some() {
                            self.trouble("the connection was lost before the last line was answered").await;
                        }
                        return Some(closed);
                    }
                    event => self.hear(event).await,
                },
                (asked, answer) = answered(&mut asking) => self.answer(&asked, answer).await,
            }
        }
    }

    /// Connects again, however long it takes, unless the person leaves (`None`).
    async fn regain(&mut self, terminal: &mut Terminal) -> Option<(Client, Events)> {
        let lost_peer = self.peer.take();
        let mut why = String::new();
        loop {
            let wait = self.backoff.next_wait();
            self.news(format!("{why}Connecting again in {:.1} s.", wait.as_secs_f64())).await;
            let mut trying = std::pin::pin!(connect_again(self.addr, self.options, self.me.clone(), wait));
            let tried = loop {
                tokio::select! {
                    biased;
                    line = terminal.lines.recv() => if !line?.trim().is_empty() {
                        self.trouble("not connected: that line was not sent").await;
                    },
                    tried = &mut trying => break tried,
                }
            };
            match tried {
                Ok(regained) => {
                    let me = self.me.as_ref().map(|me| format!(" as {}", self.view.name(me)));
                    self.news(format!("Connected again{}.", me.unwrap_or_default())).await;
                    if let Some(peer) = lost_peer {
                        let peer = self.view.name(&peer);
                        self.news(format!("Your chat with {peer} is over: CONNECT {peer} opens another.")).await;
                    }
                    return Some(regained);
                }
                Err(Failure::Client(Error::Connect { source, .. })) => why = format!("Not yet: {}. ", source.kind()),
                Err(failure) => why = format!("Not yet: {failure} "),
            }
        }
    }

    /// Waits for a line to be typed, which is acted on later. Says whether there was one: else the person has left.
    async fn wants_back(&mut self, terminal: &mut Terminal) -> bool {
        self.news("Type a command to connect again.").await;
        let line = terminal.lines.recv().await;
        self.todo.extend(line.clone());
        line.is_some()
    }

    /// Does what a typed line asks for, or begins to.
    async fn act(&mut self, client: &Client, line: &str) -> Option<Asking> {
        let (client, limit) = (client.clone(), self.options.timeout);
        let (is_command, answer): (bool, Pin<Box<dyn Future<Output = _>>>) =
            match Typed::read(line, self.peer.is_some()) {
                Typed::Nothing | Typed::Quit => return None,
                Typed::Help => {
                    self.screen.show(self.view.help()).await;
                    return None;
                }
                Typed::UnknownSlash(word) => {
                    self.trouble(format!("no such command: /{word}. /help lists what there is")).await;
                    return None;
                }
                Typed::Text(_) if self.peer.is_none() => {
                    let first = if self.me.is_none() { "REGISTER NAME, then " } else { "" };
                    self.trouble(format!("you are in no chat: {first}CONNECT NAME opens one, WHO lists who is here"))
                        .await;
                    return None;
                }
                Typed::Text(text) => {
                    let text = text.to_owned();
                    (false, Box::pin(async move { within(limit, client.send(&text)).await.map(|()| Reply::MsgSent) }))
                }
                Typed::Command(command) => {
                    let command = command.to_owned();
                    (true, Box::pin(async move { within(limit, client.request(&command)).await }))
                }
            };
        Some(Asking { is_command, peer: self.peer.clone(), asked: Instant::now(), answer })
    }

    /// Takes in what the server said of its own accord.
    async fn hear(&mut self, event: Event) {
        match event {
            Event::Message { name, text } => self.screen.show(self.view.message(&name, &text)).await,
            Event::IncomingConnection { name } => {
                let shown = self.view.name(&name);
                self.news(format!("{shown} opened a chat with you: type to answer, DISCONNECT to leave.")).await;
                self.peer = Some(name);
            }
            Event::PeerDisconnected => {
                let peer = self.peer.take().map_or("The other side".to_owned(), |peer| self.view.name(&peer));
                self.news(format!("{peer} left the chat.")).await;
            }
            Event::Unknown { line } => self.news(format!("The server says: {}", show::safe(&line))).await,
            // What ends the session is told when it has ended.
            _ => {}
        }
    }

    /// Takes in an answer.
    async fn answer(&mut self, asking: &Asking, answer: Result<Reply<'static>, Failure>) {
        let reply = match answer {
            Ok(reply) => reply,
            // The event that the connection is over tells it.
            Err(Failure::Client(Error::Closed(_))) => return,
            Err(failure) => {
                if let Failure::Client(Error::Refused { code: Code::NotConnected, .. }) = failure {
                    self.peer = None;
                }
                return self.trouble(failure).await;
            }
        };
        match reply {
            Reply::RegisterOk { name } => {
                self.news(format!("You are {}.", self.view.name(&name))).await;
                self.me = Some(name.into_owned());
            }
            Reply::ConnectOk { name } => {
                let shown = self.view.name(&name);
                self.news(format!("You are in a chat with {shown}: type to talk, DISCONNECT to leave.")).await;
                self.peer = Some(name.into_owned());
            }
            Reply::MsgSent if !asking.is_command => {}
            Reply::DisconnectOk => {
                let left = match &asking.peer {
                    Some(peer) => format!("You left the chat with {}.", self.view.name(peer)),
                    None => "You are in no chat.".to_owned(),
                };
                // Somebody else may have opened a chat since.
                if self.peer == asking.peer {
                    self.peer = None;
                }
                self.news(left).await;
            }
            Reply::Pong => {
                let round_trip = 1e3 * asking.asked.elapsed().as_secs_f64();
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
                self.news(show::safe(String::from_utf8_lossy(&line).trim_end())).await;
            }
        }
    }

    async fn news(&self, news: impl std::fmt::Display) {
        self.screen.show(self.view.news(news)).await;
    }

    async fn trouble(&self, trouble: impl std::fmt::Display) {
        self.screen.show(self.view.trouble(trouble)).await;
    }
}

/// Waits for what is being asked, which then is no more; for ever, if nothing is.
async fn answered(asking: &mut Option<Asking>) -> (Asking, Result<Reply<'static>, Failure>) {
    let answer = match asking {
        Some(asking) => asking.answer.as_mut().await,
        None => std::future::pending().await,
    };
    (asking.take().expect("it was just answered"), answer)
}

/// One try to connect, after `wait`, and to be `me` again.
async fn connect_again(
    addr: &str,
    options: &Options,
    me: Option<String>,
    wait: Duration,
) -> Result<(Client, Events), Failure> {
    sleep(wait).await;
    let (client, events) = Client::connect_within(addr, options.timeout).await?;
    if let Some(me) = me {
        within(options.timeout, client.register(&me)).await?;
    }
    Ok((client, events))
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;
    use tokio::time::timeout;

    use super::super::args::Cli;
    use super::*;
    use crate::fake::{Fake, PATIENCE};

    /// Plays what a person types (`>`) and sees (`<`; a line that ends in `…` goes on as it likes), against a server
    /// that plays its own side of it.
    async fn play<const N: usize>(server: [&'static str; N], args: &[&str], person: &str) -> Result<(), Failure> {
        let playing = async {
            let server = Fake::play(server).await;
            let addr = server.addr.to_string();
            let args = ["switchboard", "--color", "never"].iter().chain(args).map(Into::into);
            let options = Cli::read(args).expect("a good command line").options;
            let link = Client::connect(&*addr).await.expect("the fake server says WELCOME");
            let (mut terminal, screen, typed, mut shown) = Terminal::fake();
            let chatting = chat(&addr, &options, link, &mut terminal, screen, Names::default());
            let at_terminal = async {
                for line in person.lines().map(str::trim).filter(|line| !line.is_empty()) {
                    if let Some(line) = line.strip_prefix("> ") {
                        typed.send(line.to_owned()).expect("the session takes lines");
                        continue;
                    }
                    let expected = line.strip_prefix("< ").expect("a line is typed or seen");
                    let seen = shown.recv().await.expect("the session shows lines").replace(&addr, "ADDR");
                    match expected.strip_suffix('…') {
                        Some(beginning) => assert!(seen.starts_with(beginning), "{seen:?} is not {expected:?}"),
                        None => assert_eq!(seen, expected),
                    }
                }
                drop(typed);
                assert_eq!(shown.recv().await, None);
            };
            let (ended, ()) = tokio::join!(chatting, at_terminal);
            server.done().await;
            ended
        };
        timeout(PATIENCE, LocalSet::new().run_until(playing)).await.expect("a test ends in time")
    }

    #[tokio::test]
    async fn a_person_chats() {
        let server = "
            < WELCOME
            > REGISTER Noy
            < REGISTER_OK Noy
            > who
            < USERS Noy,El\u{202e}ias
            > PING now
            < ERROR UNKNOWN_COMMAND
            > connect elias
            < CONNECT_OK Elias
            > MSG who are you?
            < MSG_SENT
            < FROM Elias: \u{1b}[2Jme
            > MSG /etc
            < MSG_SENT
            > MSG hi
            < MSG_SENT
            > MSG bye
            < MSG_SENT
            < PEER_DISCONNECTED
            < INCOMING_CONNECTION Ada
            > DISCONNECT
            < DISCONNECT_OK
            .";
        let person = r"
            < * Connected to ADDR. /help shows what you can type.
            < * You are Noy.
            > hello?
            < ! you are in no chat: CONNECT NAME opens one, WHO lists who is here
            > who
            < * Here: Noy, El\u{202e}ias.
            > PING now
            < ! UNKNOWN_COMMAND: No such command: use REGISTER, CONNECT, MSG, DISCONNECT, PING or WHO.
            > /dance
            < ! no such command: /dance. /help lists what there is
            > connect elias
            < * You are in a chat with Elias: type to talk, DISCONNECT to leave.
            > who are you?
            < Elias: \u{1b}[2Jme
            > //etc
            > MSG hi
            < * MSG_SENT
            > bye
            < * Elias left the chat.
            < * Ada opened a chat with you: type to answer, DISCONNECT to leave.
            > DISCONNECT
            < * You left the chat with Ada.";
        play([server], &["--name", "Noy"], person).await.expect("it ends well");
    }

    #[tokio::test]
    async fn a_lost_connection_is_got_back_under_the_same_name() {
        let first = "
            < WELCOME
            > REGISTER Noy
            < REGISTER_OK Noy
            > CONNECT Elias
            < CONNECT_OK Elias
            > PING
            < ERROR SERVER_SHUTDOWN Back in a moment.";
        let second = "
            < WELCOME
            > REGISTER Noy
            < ERROR NAME_TAKEN
            .";
        let third = "
            < WELCOME
            > REGISTER Noy
            < REGISTER_OK Noy
            > CONNECT Elias
            < CONNECT_OK Elias
            .";
        let person = "
            < * Connected to ADDR. /help shows what you can type.
            < * You are Noy.
            < * You are in a chat with Elias: type to talk, DISCONNECT to leave.
            > PING
            < ! the connection was lost before the last line was answered
            < ! the server closed the connection: SERVER_SHUTDOWN: Back in a moment.
            < * Connecting again in…
            > hello?
            < ! not connected: that line was not sent
            < * Not yet: NAME_TAKEN: Somebody else has that name: choose another. Connecting again in…
            < * Connected again as Noy.
            < * Your chat with Elias is over: CONNECT Elias opens another.
            > CONNECT Elias
            < * You are in a chat with Elias: type to talk, DISCONNECT to leave.";
        play([first, second, third], &["--name", "Noy", "--chat", "Elias"], person).await.expect("it ends well");
    }

    #[tokio::test]
    async fn who_takes_no_name_in_time_is_asked_before_connecting_again() {
        let second = "
            < WELCOME
            > WHO
            < USERS Noy
            .";
        let person = "
            < * Connected to ADDR. /help shows what you can type.
            < ! the server closed the connection: REGISTER_TIMEOUT: No name was registered in time: connect again.
            < * Type a command to connect again.
            > WHO
            < * Connecting again in…
            < * Connected again.
            < * Here: Noy.";
        play(["< WELCOME\n< ERROR REGISTER_TIMEOUT", second], &[], person).await.expect("it ends well");
    }

    #[tokio::test]
    async fn without_reconnecting_a_lost_connection_is_the_end() {
        let person = "
            < * Connected to ADDR. /help shows what you can type.
            < ! the server closed the connection
            < * Ctrl-D or /quit leaves.";
        let ended = play(["< WELCOME"], &["--no-reconnect"], person).await;
        assert!(matches!(ended, Err(Failure::Client(Error::Closed(Closed::ByServer)))), "{ended:?}");
    }
}
