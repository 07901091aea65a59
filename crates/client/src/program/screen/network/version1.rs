//! A connection of version 1: chats of two users, which are stored nowhere.
//!
//! It reads the lines one by one, because the order of answers and events counts: `CONNECT_OK Elias`, `FROM Elias: hi`
//! and `PEER_DISCONNECTED` may arrive in one TCP segment.

use std::collections::VecDeque;
use std::time::Duration;

use switchboard_client::low_level::{Incoming, MonitoredReader, Received, StreamReader, open_session};
use switchboard_client::{ConnectionError, Error, Event, Reply, sanitize};
use switchboard_protocol::limits::LINE_CEILING_BYTES;
use switchboard_protocol::{Text, Username, commands};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::super::super::send_buffer::SendBuffer;
use super::super::conversation_id::{ConversationId, fold};
use super::super::event::{LocalId, NetworkEvent, Request, ServerInfo};
use super::attempt::Login;
use super::failure::{Failure, sentence};
use super::replacement::Replacement;
use super::supervisor::End;
use super::version2::{Context, PING_EVERY};
use super::{Output, Settings};

/// Why a request of version 2 is refused.
pub(super) const NO_CONVERSATIONS: &str =
    "this server knows only chats of two users: it has no rooms, no accounts and no stored messages.";

/// The maximum number of requests in flight. Further ones wait in the queue of the App.
const IN_FLIGHT_MAX: usize = 256;

/// The time limit for missing answers when the App has ended.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection on which the name is registered.
#[derive(Debug)]
pub(super) struct Connection {
    lines: MonitoredReader<StreamReader>,
    out: SendBuffer,
    name: String,
}

impl Connection {
    /// Connects, and registers `name`.
    pub(super) async fn open(addr: &str, name: &str, settings: &Settings) -> Result<Self, Error> {
        let name = Username::new(name)?;
        let (lines, socket) = open_session(&addr, settings.limit).await?;
        let mut connection = Self {
            lines: MonitoredReader::new(lines, settings.liveness),
            out: SendBuffer::new(socket),
            name: String::new(),
        };
        connection.out.push_line(&format!("REGISTER {name}"));
        let registered = timeout(settings.limit, connection.registered()).await;
        let late = Error::LoginTimeout { addr: addr.to_owned(), limit: settings.limit };
        connection.name = registered.unwrap_or(Err(late))?;
        Ok(connection)
    }

    /// The name in the server's spelling.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the answer to `REGISTER`.
    async fn registered(&mut self) -> Result<String, Error> {
        loop {
            let line = tokio::select! {
                () = self.out.write_some() => continue,
                received = self.lines.next() => match received? {
                    // The answer to REGISTER is missing already.
                    Received::PingDue => continue,
                    Received::Line(line) => line,
                },
            };
            match Incoming::parse(&line) {
                Incoming::Answer(Ok(Reply::RegisterOk { name })) => return Ok(name.into_owned()),
                Incoming::Answer(Ok(_)) => {
                    return Err(Error::UnexpectedAnswer { verb: "REGISTER", answer: sanitize(&line).into_owned() });
                }
                Incoming::Answer(Err(refused)) => return Err(refused),
                Incoming::Event(Event::Notice { code, detail }) => {
                    return Err(ConnectionError::ClosedWithCode { code, detail }.into());
                }
                // A server sends no other events before the registration.
                Incoming::Event(_) => {}
            }
        }
    }
}

/// A request in flight.
#[derive(Debug)]
enum Pending {
    /// `None`: only the connection is checked.
    Ping(Option<Instant>),
    Who,
    /// `CONNECT` or `DISCONNECT`. Their answers are the same as those of a typed line.
    Chat(Request),
    Say(LocalId),
    Line {
        words: String,
        shown_in: ConversationId,
    },
}

/// Runs until the connection is lost or replaced, or the App has ended.
pub(super) async fn run(
    connection: Connection,
    info: ServerInfo,
    context: &Context,
    requests: &mut mpsc::Receiver<Request>,
) -> End {
    let Connection { lines, out, .. } = connection;
    context.output.send(NetworkEvent::Connected(info)).await;
    let mut running = Running {
        out,
        output: context.output.clone(),
        pending: VecDeque::new(),
        peer: None,
        close_reason: None,
        replacement: Replacement::default(),
    };
    running.push("WHO", Pending::Who);
    running.push("PING", Pending::Ping(Some(Instant::now())));
    let end = running.run(lines, context, requests).await;
    running.finish(&end).await;
    end
}

struct Running {
    out: SendBuffer,
    output: Output,
    /// The requests in flight, in the order of sending.
    pending: VecDeque<Pending>,
    /// The other user of the chat.
    peer: Option<String>,
    /// The reason that the server gave for closing the connection.
    close_reason: Option<ConnectionError>,
    replacement: Replacement,
}

impl Running {
    async fn run(
        &mut self,
        mut lines: MonitoredReader<StreamReader>,
        context: &Context,
        requests: &mut mpsc::Receiver<Request>,
    ) -> End {
        let mut ping_due = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let can_send = self.pending.len() < IN_FLIGHT_MAX && self.out.is_empty();
            tokio::select! {
                received = lines.next() => match received {
                    Ok(Received::PingDue) => self.push("PING", Pending::Ping(None)),
                    Ok(Received::Line(line)) => self.take_line(&line).await,
                    Err(error) => {
                        let error = Error::from(self.close_reason.take().unwrap_or(error));
                        return End::Failed(Failure::of_session(&error));
                    }
                },
                () = self.out.write_some() => {}
                // The lines of one read may end a chat, so they are handled before a request.
                request = requests.recv(), if can_send && !lines.has_buffered_line() => {
                    let Some(request) = request else {
                        let _ = timeout(LAST_ANSWERS_TIMEOUT, self.take_last_answers(&mut lines)).await;
                        return End::Quit;
                    };
                    self.accept(request, context).await;
                }
                _ = ping_due.tick(), if can_send => self.push("PING", Pending::Ping(Some(Instant::now()))),
                replaced = self.replacement.result() => match replaced {
                    Ok((connected, login)) => return End::Replaced(Box::new(connected), login),
                    Err(refused) => self.output.send(refused).await,
                },
            }
        }
    }

    async fn take_last_answers(&mut self, lines: &mut MonitoredReader<StreamReader>) {
        while !self.pending.is_empty() {
            tokio::select! {
                received = lines.next() => match received {
                    Ok(Received::Line(line)) => self.take_line(&line).await,
                    Ok(Received::PingDue) => {}
                    Err(_) => return,
                },
                () = self.out.write_some() => {}
            }
        }
    }

    fn push(&mut self, line: &str, pending: Pending) {
        self.out.push_line(line);
        self.pending.push_back(pending);
    }

    async fn accept(&mut self, request: Request, context: &Context) {
        match request {
            Request::Who => self.push("WHO", Pending::Who),
            Request::BeginChat { ref name } => match checked(&format!("CONNECT {name}")) {
                Ok(line) => self.push(&line, Pending::Chat(request)),
                Err(error) => self.output.refuse(request, sentence(&error)).await,
            },
            Request::EndChat => self.push("DISCONNECT", Pending::Chat(request)),
            Request::SayInChat { ref name, ref text, local } => {
                let is_same_chat = self.peer.as_deref().is_some_and(|peer| fold(peer) == fold(name));
                let line = match checked(&format!("MSG {text}")) {
                    _ if !is_same_chat => Err(Error::ChatIsOver { name: sanitize(name).into_owned() }),
                    _ if text.trim().is_empty() => Err(Error::Blank),
                    line => line,
                };
                match line {
                    Ok(line) => self.push(&line, Pending::Say(local)),
                    Err(error) => self.output.refuse(request, sentence(&error)).await,
                }
            }
            Request::Line { ref line, ref shown_in } => match checked(line) {
                Ok(line) => {
                    let pending = Pending::Line { words: request.words(), shown_in: shown_in.clone() };
                    self.push(&line, pending);
                }
                Err(error) => self.output.refuse(request, sentence(&error)).await,
            },
            Request::Rename { ref name } => {
                let (login, context) = (Login::Stored { name: name.clone() }, context.clone());
                self.replacement.start(&request, async move { context.connect(login).await });
            }
            // The first one is done, and the others have no answer.
            Request::ConnectNow | Request::Close { .. } | Request::Read { .. } => {}
            request => self.output.refuse(request, NO_CONVERSATIONS.to_owned()).await,
        }
    }

    async fn take_line(&mut self, line: &str) {
        match Incoming::parse(line) {
            Incoming::Answer(answer) => self.take_answer(answer).await,
            Incoming::Event(event) => self.take_event(event).await,
        }
    }

    async fn take_event(&mut self, event: Event) {
        let event = match event {
            Event::IncomingConnection { name } => {
                self.peer = Some(name.clone());
                NetworkEvent::ChatBegan { name, is_incoming: true }
            }
            Event::Message { name, text } => NetworkEvent::ChatMessage { name, text },
            Event::PeerDisconnected => {
                self.peer = None;
                NetworkEvent::ChatEnded { by_peer: true }
            }
            Event::Notice { code, detail } => {
                self.close_reason = Some(ConnectionError::ClosedWithCode { code, detail });
                return;
            }
            _ => return,
        };
        self.output.send(event).await;
    }

    async fn take_answer(&mut self, answer: Result<Reply<'static>, Error>) {
        // An answer to nothing is a fault of the server.
        let Some(pending) = self.pending.pop_front() else { return };
        if let Ok(reply) = &answer {
            self.take_chat_state(reply).await;
        }
        match (pending, answer) {
            (Pending::Ping(Some(sent_at)), Ok(_)) => {
                // The App shows only the newest one. So it gets none while it is busy.
                let _ = self.output.events.try_send(NetworkEvent::RoundTrip(sent_at.elapsed()));
            }
            (Pending::Who, Ok(Reply::Users { names })) => {
                self.output.send(NetworkEvent::Users(names.iter().map(str::to_owned).collect())).await;
            }
            (Pending::Say(local), Ok(_)) => self.output.send(NetworkEvent::Said { local, seq: 0 }).await,
            (Pending::Say(local), Err(error)) => {
                let not_said = NetworkEvent::NotSaid { local, reason: sentence(&error), is_unknown: false };
                self.output.send(not_said).await;
            }
            (Pending::Line { shown_in, .. }, Ok(reply)) => {
                let lines = vec![to_text(&reply)];
                self.output.send(NetworkEvent::Answer { shown_in, lines }).await;
            }
            (Pending::Line { words: request, .. }, Err(error)) => {
                self.output.send(NetworkEvent::Refused { request, reason: sentence(&error) }).await;
            }
            (Pending::Chat(request), Err(error)) => self.output.refuse(request, sentence(&error)).await,
            (Pending::Ping(_) | Pending::Who | Pending::Chat(_), _) => {}
        }
    }

    /// An answer that begins or ends a chat.
    async fn take_chat_state(&mut self, reply: &Reply<'_>) {
        let event = match reply {
            Reply::ConnectOk { name } => {
                let name = name.clone().into_owned();
                self.peer = Some(name.clone());
                NetworkEvent::ChatBegan { name, is_incoming: false }
            }
            Reply::DisconnectOk if self.peer.take().is_some() => NetworkEvent::ChatEnded { by_peer: false },
            _ => return,
        };
        self.output.send(event).await;
    }

    /// Answers the requests in flight with the end of the connection.
    async fn finish(mut self, end: &End) {
        if let End::Quit = end {
            self.out.shut_down().await;
        }
        let reason = "no answer came before the connection ended.";
        for pending in self.pending.drain(..) {
            let reason = reason.to_owned();
            match pending {
                Pending::Say(local) => {
                    self.output.send(NetworkEvent::NotSaid { local, reason, is_unknown: true }).await;
                }
                Pending::Chat(request) => self.output.refuse(request, reason).await,
                Pending::Line { words: request, .. } => {
                    self.output.send(NetworkEvent::Refused { request, reason }).await;
                }
                Pending::Ping(_) | Pending::Who => {}
            }
        }
        if self.peer.is_some() {
            self.output.send(NetworkEvent::ChatEnded { by_peer: false }).await;
        }
    }
}

/// Checks that `line` is one line, which the server answers.
fn checked(line: &str) -> Result<String, Error> {
    if line.trim().is_empty() {
        return Err(Error::Blank);
    }
    Ok(Text::new(line, LINE_CEILING_BYTES - "\n".len())?.as_str().to_owned())
}

/// A reply as a line of the protocol, without its LF.
fn to_text(reply: &Reply<'_>) -> String {
    let mut bytes = Vec::new();
    commands::encode(reply, &mut bytes);
    String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()
}
