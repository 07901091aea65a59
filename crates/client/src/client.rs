//! The half of a connection that asks.

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

/// How long [`Client::connect`] waits for the connection, and then again for `WELCOME`.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest text or name that is sent, in bytes: what no server can take in one line is not worth its bytes. How much
/// this server takes, it says itself (`TEXT_TOO_LONG`).
const SENT_MAX_BYTES: usize = LINE_CEILING_BYTES - "CONNECT \n".len();

/// A connection, as the half that asks. Clones share it; when the last is dropped, it closes.
///
/// Every command is cancel-safe: dropping its future loses its answer and nothing else, although the server may still
/// have done what was asked. No command has a time limit of its own: put [`tokio::time::timeout`] around it. Many
/// commands may wait at once, and those that do share their writes; each gets its own answer.
///
/// A command may be awaited in the loop that takes events: its answer is read however many events wait before it. Once a
/// command's answer is there, every event that the server sent before that answer is in [`Events`]; later ones may be too.
#[derive(Clone, Debug)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    closed: Arc<OnceLock<ConnectionError>>,
}

impl Client {
    /// Connects to `addr` (`HOST:PORT`) and waits for `WELCOME`, for [`CONNECT_TIMEOUT`] each. Runs its link on the
    /// tokio runtime that it is called on.
    pub async fn connect(addr: impl ToSocketAddrs + fmt::Display) -> Result<(Self, Events), Error> {
        Self::connect_within(addr, CONNECT_TIMEOUT).await
    }

    /// [`Client::connect`] with another `limit`.
    pub async fn connect_within(
        addr: impl ToSocketAddrs + fmt::Display,
        limit: Duration,
    ) -> Result<(Self, Events), Error> {
        let (lines, socket) = open_session(&addr, limit).await?;
        let (requests, requests_rx) = mpsc::channel(REQUESTS_MAX);
        let closed = Arc::new(OnceLock::new());
        let (sink, events) = events::queue(closed.clone());
        tokio::spawn(
            ConnectionDriver { lines, socket, requests: requests_rx, events: sink, closed: closed.clone() }.run(),
        );
        Ok((Self { requests, closed }, events))
    }

    /// Takes `name`, and gives it back as the server spells it.
    pub async fn register(&self, name: &str) -> Result<String, Error> {
        match self.ask(&Command::Register { name: Username::new(name)? }).await? {
            Reply::RegisterOk { name } => Ok(name.into_owned()),
            other => Err(unexpected("REGISTER", &other)),
        }
    }

    /// Opens a chat with `name`, and gives it back as its owner spells it.
    pub async fn connect_to(&self, name: &str) -> Result<String, Error> {
        // Which names can be had is for the server to say; that it stays one line is for us.
        let to = String::from(Text::new(name, SENT_MAX_BYTES)?);
        match self.ask(&Command::Connect { to: Cow::Owned(to) }).await? {
            Reply::ConnectOk { name } => Ok(name.into_owned()),
            other => Err(unexpected("CONNECT", &other)),
        }
    }

    /// Says `text` to the chat. `Ok` means that the server took it.
    ///
    /// While this waits, events may be left where they are: they are kept, up to
    /// [`EVENTS_HARD_BYTES`](crate::EVENTS_HARD_BYTES), and the answer is read. White space at the end of `text` does not
    /// arrive: to a server it is not part of a line. Where there is nothing else in it, the text is not sent
    /// ([`Error::Blank`]).
    pub async fn send(&self, text: &str) -> Result<(), Error> {
        if text.trim().is_empty() {
            return Err(Error::Blank);
        }
        match self.ask(&Command::Msg { text: Text::new(text, SENT_MAX_BYTES)? }).await? {
            Reply::MsgSent => Ok(()),
            other => Err(unexpected("MSG", &other)),
        }
    }

    /// Who is registered, in order of registration.
    pub async fn who(&self) -> Result<Vec<String>, Error> {
        match self.ask(&Command::Who).await? {
            Reply::Users { names } => Ok(names.into()),
            other => Err(unexpected("WHO", &other)),
        }
    }

    /// The time from asking to the answer, the wait for earlier commands included.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let asked = Instant::now();
        match self.ask(&Command::Ping).await? {
            Reply::Pong => Ok(asked.elapsed()),
            other => Err(unexpected("PING", &other)),
        }
    }

    /// Leaves the chat, if there is one. The connection stays.
    pub async fn disconnect(&self) -> Result<(), Error> {
        match self.ask(&Command::Disconnect).await? {
            Reply::DisconnectOk => Ok(()),
            other => Err(unexpected("DISCONNECT", &other)),
        }
    }

    /// Sends `line` as it is, and gives its answer, whichever it is: for what a person typed, and for verbs that this
    /// version has no function for. An `ERROR` is an [`Error::Refused`]. The line goes without its end.
    pub async fn request(&self, line: &str) -> Result<Reply<'static>, Error> {
        if line.trim().is_empty() {
            return Err(Error::Blank);
        }
        let line = Text::new(line, LINE_CEILING_BYTES - "\n".len())?;
        self.put(format!("{line}\n").into_bytes()).await
    }

    async fn ask(&self, command: &Command<'_>) -> Result<Reply<'static>, Error> {
        let mut line = Vec::new();
        commands::encode_command(command, &mut line).expect("the dialect has words for what a client asks");
        self.put(line).await
    }

    async fn put(&self, line: Vec<u8>) -> Result<Reply<'static>, Error> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request { line, answer }).await.map_err(|_| self.closed())?;
        answered.await.unwrap_or_else(|_| Err(self.closed()))
    }

    fn closed(&self) -> Error {
        Error::Closed(self.closed.get().cloned().unwrap_or(ConnectionError::ClosedLocally))
    }
}

/// Connects to `addr` and takes its `WELCOME`, within `limit` each: the connection as lines, and its other half to write to.
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

/// Connects to `addr` within `limit`: the bare socket, with its errors put into words.
pub async fn connect_tcp(addr: &(impl ToSocketAddrs + fmt::Display), limit: Duration) -> Result<TcpStream, Error> {
    let connecting = async {
        let resolved = lookup_host(addr).await;
        let resolved: Vec<_> = resolved.map_err(|source| Error::Resolve { addr: addr.to_string(), source })?.collect();
        let connected = TcpStream::connect(&*resolved).await;
        connected.map_err(|source| Error::Connect { addr: addr.to_string(), source })
    };
    let socket =
        timeout(limit, connecting).await.map_err(|_| Error::ConnectTimeout { addr: addr.to_string(), limit })??;
    // A chat line is small and is wanted now. A socket that cannot have it chats a little later.
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

fn unexpected(asked: &'static str, got: &Reply<'_>) -> Error {
    let mut line = Vec::new();
    commands::encode(got, &mut line);
    let line = String::from_utf8_lossy(&line);
    Error::UnexpectedAnswer { asked, got: sanitize(line.trim_end()).into_owned() }
}
