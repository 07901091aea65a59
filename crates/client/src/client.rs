//! The half of a connection that sends commands.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchboard_protocol::limits::LINE_CEILING_BYTES;
use switchboard_protocol::{Command, Reply, Text, Username, commands, sanitize};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, ToSocketAddrs, lookup_host};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::connection_driver::{ConnectionDriver, REQUESTS_MAX, Request};
use crate::connection_error::ConnectionError;
use crate::error::Error;
use crate::events::{self, Event, Events};
use crate::incoming::Incoming;
use crate::line_reader::LineReader;

/// The time limit of [`Client::connect`] for the TCP connection, and the limit for `WELCOME` after it.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest text or name that the client sends, in bytes. No server accepts a longer one in a line. A server with a
/// lower limit replies `TEXT_TOO_LONG`.
const ARGUMENT_MAX_BYTES: usize = LINE_CEILING_BYTES - "CONNECT \n".len();

/// The half of a connection that sends commands. Clones share the connection; dropping the last clone closes it.
///
/// Every command is cancel-safe: dropping its future loses only the answer, although the server may still execute the
/// command. Commands have no time limit: wrap them in [`tokio::time::timeout`]. Several commands may be in flight at
/// once. They share writes, and each gets its own answer.
///
/// A command may be awaited in the loop that takes events, because its answer is read even if events are queued before
/// it. When a command returns, [`Events`] holds every event that the server sent before the answer, and possibly later
/// ones.
#[derive(Clone, Debug)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    end_reason: Arc<OnceLock<ConnectionError>>,
}

impl Client {
    /// Connects to `addr` (`HOST:PORT`) and waits for `WELCOME`, with a limit of [`CONNECT_TIMEOUT`] for each. Spawns
    /// the task that owns the socket on the current tokio runtime.
    pub async fn connect(addr: impl ToSocketAddrs + fmt::Display) -> Result<(Self, Events), Error> {
        Self::connect_within(addr, CONNECT_TIMEOUT).await
    }

    /// [`Client::connect`] with another time `limit`.
    pub async fn connect_within(
        addr: impl ToSocketAddrs + fmt::Display,
        limit: Duration,
    ) -> Result<(Self, Events), Error> {
        let (lines, socket) = open_session(&addr, limit).await?;
        let (requests, requests_rx) = mpsc::channel(REQUESTS_MAX);
        let end_reason = Arc::new(OnceLock::new());
        let (sink, events) = events::queue(end_reason.clone());
        tokio::spawn(
            ConnectionDriver { lines, socket, requests: requests_rx, events: sink, end_reason: end_reason.clone() }
                .run(),
        );
        Ok((Self { requests, end_reason }, events))
    }

    /// Registers `name`. Returns it in the server's spelling.
    pub async fn register(&self, name: &str) -> Result<String, Error> {
        match self.send_command(&Command::Register { name: Username::new(name)? }).await? {
            Reply::RegisterOk { name } => Ok(name.into_owned()),
            other => Err(unexpected("REGISTER", &other)),
        }
    }

    /// Opens a chat with `name`. Returns the name in its owner's spelling.
    pub async fn connect_to(&self, name: &str) -> Result<String, Error> {
        // The server checks the name. The client only ensures that the command stays one line.
        let to = String::from(Text::new(name, ARGUMENT_MAX_BYTES)?);
        match self.send_command(&Command::Connect { to: Cow::Owned(to) }).await? {
            Reply::ConnectOk { name } => Ok(name.into_owned()),
            other => Err(unexpected("CONNECT", &other)),
        }
    }

    /// Sends `text` to the chat. `Ok` means that the server accepted it.
    ///
    /// The caller need not take events meanwhile: they are queued, up to
    /// [`EVENTS_HARD_BYTES`](crate::EVENTS_HARD_BYTES). The server trims white space at the end of `text`. A text of
    /// only white space is not sent ([`Error::Blank`]).
    pub async fn send(&self, text: &str) -> Result<(), Error> {
        if text.trim().is_empty() {
            return Err(Error::Blank);
        }
        match self.send_command(&Command::Msg { text: Text::new(text, ARGUMENT_MAX_BYTES)? }).await? {
            Reply::MsgSent => Ok(()),
            other => Err(unexpected("MSG", &other)),
        }
    }

    /// The registered users, in order of registration.
    pub async fn who(&self) -> Result<Vec<String>, Error> {
        match self.send_command(&Command::Who).await? {
            Reply::Users { names } => Ok(names.into()),
            other => Err(unexpected("WHO", &other)),
        }
    }

    /// The time from this call to the answer, including the wait for earlier commands.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let start = Instant::now();
        match self.send_command(&Command::Ping).await? {
            Reply::Pong => Ok(start.elapsed()),
            other => Err(unexpected("PING", &other)),
        }
    }

    /// Leaves the chat, if any. The connection stays open.
    pub async fn disconnect(&self) -> Result<(), Error> {
        match self.send_command(&Command::Disconnect).await? {
            Reply::DisconnectOk => Ok(()),
            other => Err(unexpected("DISCONNECT", &other)),
        }
    }

    /// Sends `line` unchanged and returns its answer. Use it for typed input and for verbs without a method here.
    /// `line` has no LF. An `ERROR` becomes an [`Error::Refused`].
    pub async fn request(&self, line: &str) -> Result<Reply<'static>, Error> {
        if line.trim().is_empty() {
            return Err(Error::Blank);
        }
        let line = Text::new(line, LINE_CEILING_BYTES - "\n".len())?;
        self.send_line(format!("{line}\n").into_bytes()).await
    }

    async fn send_command(&self, command: &Command<'_>) -> Result<Reply<'static>, Error> {
        let mut line = Vec::new();
        commands::encode_command(command, &mut line).expect("the client sends no Command::Tell");
        self.send_line(line).await
    }

    async fn send_line(&self, line: Vec<u8>) -> Result<Reply<'static>, Error> {
        let (answer_tx, answer) = oneshot::channel();
        self.requests.send(Request { line, answer_tx }).await.map_err(|_| self.closed_error())?;
        answer.await.unwrap_or_else(|_| Err(self.closed_error()))
    }

    fn closed_error(&self) -> Error {
        Error::Closed(self.end_reason.get().cloned().unwrap_or(ConnectionError::ClosedLocally))
    }
}

/// Connects to `addr` and reads `WELCOME`, within `limit` each. Returns both halves of the connection.
pub async fn open_session(
    addr: &(impl ToSocketAddrs + fmt::Display),
    limit: Duration,
) -> Result<(LineReader<OwnedReadHalf>, OwnedWriteHalf), Error> {
    let (read_half, socket) = connect_tcp(addr, limit).await?.into_split();
    let mut lines = LineReader::new(read_half);
    let welcome = timeout(limit, lines.next_line()).await;
    let line = welcome.map_err(|_| Error::WelcomeTimeout { addr: addr.to_string(), limit })??;
    check_welcome(&line, addr)?;
    Ok((lines, socket))
}

/// Connects to `addr` over TCP within `limit`. Reads no `WELCOME`.
pub async fn connect_tcp(addr: &(impl ToSocketAddrs + fmt::Display), limit: Duration) -> Result<TcpStream, Error> {
    let connecting = async {
        let resolved = lookup_host(addr).await;
        let resolved: Vec<_> = resolved.map_err(|source| Error::Resolve { addr: addr.to_string(), source })?.collect();
        let connected = TcpStream::connect(&*resolved).await;
        connected.map_err(|source| Error::Connect { addr: addr.to_string(), source })
    };
    let socket =
        timeout(limit, connecting).await.map_err(|_| Error::ConnectTimeout { addr: addr.to_string(), limit })??;
    // Chat lines are small and should leave at once. Without this option the connection still works, with more delay.
    let _ = socket.set_nodelay(true);
    Ok(socket)
}

fn check_welcome(line: &str, addr: &impl fmt::Display) -> Result<(), Error> {
    match Incoming::parse(line) {
        _ if line == "WELCOME" => Ok(()),
        Incoming::Event(Event::Notice { code, detail }) => {
            Err(Error::Closed(ConnectionError::ClosedWithCode { code, detail }))
        }
        Incoming::Answer(Err(refused)) => Err(refused),
        Incoming::Answer(Ok(_)) | Incoming::Event(_) => {
            let start: String = line.chars().take(80).collect();
            Err(Error::UnexpectedGreeting { addr: addr.to_string(), line: sanitize(&start).into_owned() })
        }
    }
}

fn unexpected(verb: &'static str, reply: &Reply<'_>) -> Error {
    let mut line = Vec::new();
    commands::encode(reply, &mut line);
    let line = String::from_utf8_lossy(&line);
    Error::UnexpectedAnswer { verb, answer: sanitize(line.trim_end()).into_owned() }
}
