//! The half of a connection that sends commands.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchboard_protocol::limits::LINE_CEILING_BYTES;
use switchboard_protocol::{Command, Reply, Text, Username, commands, sanitize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::connect::open_session;
use crate::connection_driver::{ConnectionDriver, REQUESTS_MAX, Request};
use crate::connection_error::ConnectionError;
use crate::error::Error;
use crate::events::{self, Events};
use crate::line_reader::LineReader;
use crate::liveness::{Liveness, MonitoredReader};
use crate::stream::{StreamReader, StreamWriter};

/// The time limit of [`Client::connect`] for the TCP connection, and again for the wait for `WELCOME`.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The options of [`Client::connect_with`].
#[derive(Clone, Copy, Debug)]
pub struct ConnectOptions {
    /// The time limit for the TCP connection, and again for the wait for `WELCOME`. [`CONNECT_TIMEOUT`] by default.
    pub limit: Duration,
    /// When the client notices that the server is gone.
    pub liveness: Liveness,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { limit: CONNECT_TIMEOUT, liveness: Liveness::default() }
    }
}

/// The longest text or name that the client sends, in bytes. With its verb and LF it fits into the longest line that
/// any server accepts. A server with a lower limit refuses the line.
const ARGUMENT_MAX_BYTES: usize = LINE_CEILING_BYTES - "CONNECT \n".len();

/// The half of a connection that sends commands. Clones share the connection, which closes when the last clone is
/// dropped.
///
/// Every command is cancel-safe: if its future is dropped, only the answer is lost. The server may still execute the
/// command. Commands have no time limit: wrap them in [`tokio::time::timeout`]. Several commands may be in flight at
/// once. The client may send several commands in one write, and each command gets its own answer.
///
/// A program may await a command inside its event loop: the client reads the answer even if the program has not taken
/// the earlier events. When a command returns, [`Events`] holds every event that the server sent before the answer, and
/// possibly later events.
#[derive(Clone, Debug)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    /// Why the connection ended. Unset while it is open.
    end_reason: Arc<OnceLock<ConnectionError>>,
}

impl Client {
    /// Connects to `addr` (`HOST:PORT`) and waits for `WELCOME`. Each of these two steps may take at most
    /// [`CONNECT_TIMEOUT`]. Spawns the task that owns the socket on the current tokio runtime.
    pub async fn connect(addr: impl fmt::Display) -> Result<(Self, Events), Error> {
        Self::connect_within(addr, CONNECT_TIMEOUT).await
    }

    /// Like [`Client::connect`], with `limit` as the time limit of each step.
    pub async fn connect_within(addr: impl fmt::Display, limit: Duration) -> Result<(Self, Events), Error> {
        Self::connect_with(addr, &ConnectOptions { limit, ..ConnectOptions::default() }).await
    }

    /// Like [`Client::connect`], with `options`.
    pub async fn connect_with(addr: impl fmt::Display, options: &ConnectOptions) -> Result<(Self, Events), Error> {
        Ok(Self::from_session(open_session(&addr, options.limit).await?, options.liveness))
    }

    /// Continues a session from [`open_session`]. Spawns the task that owns the socket
    /// on the current tokio runtime.
    #[must_use]
    pub fn from_session(
        (lines, socket): (LineReader<StreamReader>, StreamWriter),
        liveness: Liveness,
    ) -> (Self, Events) {
        let lines = MonitoredReader::new(lines, liveness);
        let (requests, requests_rx) = mpsc::channel(REQUESTS_MAX);
        let end_reason = Arc::new(OnceLock::new());
        let (sink, events) = events::queue(end_reason.clone());
        tokio::spawn(
            ConnectionDriver { lines, socket, requests: requests_rx, events: sink, end_reason: end_reason.clone() }
                .run(),
        );
        (Self { requests, end_reason }, events)
    }

    /// Registers `name`. Returns the name in the server's spelling.
    pub async fn register(&self, name: &str) -> Result<String, Error> {
        match self.send_command(&Command::Register { name: Username::new(name)? }).await? {
            Reply::RegisterOk { name } => Ok(name.into_owned()),
            other => Err(unexpected_answer("REGISTER", &other)),
        }
    }

    /// Opens a chat with `name`. Returns the name in its owner's spelling.
    pub async fn connect_to(&self, name: &str) -> Result<String, Error> {
        // The server checks the name. The client only ensures that the command stays one line.
        let to = String::from(Text::new(name, ARGUMENT_MAX_BYTES)?);
        match self.send_command(&Command::Connect { to: Cow::Owned(to) }).await? {
            Reply::ConnectOk { name } => Ok(name.into_owned()),
            other => Err(unexpected_answer("CONNECT", &other)),
        }
    }

    /// Sends `text` to the chat. `Ok` means that the server accepted the text.
    ///
    /// During this call the client queues events, up to [`EVENTS_HARD_BYTES`](crate::EVENTS_HARD_BYTES). The server
    /// trims white space at the end of `text`. A text of only white space is not sent ([`Error::Blank`]).
    pub async fn send(&self, text: &str) -> Result<(), Error> {
        if text.trim().is_empty() {
            return Err(Error::Blank);
        }
        match self.send_command(&Command::Msg { text: Text::new(text, ARGUMENT_MAX_BYTES)? }).await? {
            Reply::MsgSent => Ok(()),
            other => Err(unexpected_answer("MSG", &other)),
        }
    }

    /// Returns the names of the registered users, in order of registration.
    pub async fn who(&self) -> Result<Vec<String>, Error> {
        match self.send_command(&Command::Who).await? {
            Reply::Users { names } => Ok(names.into()),
            other => Err(unexpected_answer("WHO", &other)),
        }
    }

    /// Sends a `PING`. Returns the time from this call to the answer, which includes the wait for earlier commands.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let start = Instant::now();
        match self.send_command(&Command::Ping).await? {
            Reply::Pong => Ok(start.elapsed()),
            other => Err(unexpected_answer("PING", &other)),
        }
    }

    /// Leaves the chat, if any. The connection stays open.
    pub async fn disconnect(&self) -> Result<(), Error> {
        match self.send_command(&Command::Disconnect).await? {
            Reply::DisconnectOk => Ok(()),
            other => Err(unexpected_answer("DISCONNECT", &other)),
        }
    }

    /// Sends `line` unchanged and returns the answer. Use this method for typed input and for verbs without a method of
    /// their own. `line` must have no LF. An `ERROR` becomes an [`Error::Refused`], or an
    /// [`Error::RefusedWithUnknownCode`] if this version does not know its code.
    pub async fn request(&self, line: &str) -> Result<Reply<'static>, Error> {
        if line.trim().is_empty() {
            return Err(Error::Blank);
        }
        let line = Text::new(line, LINE_CEILING_BYTES - "\n".len())?;
        self.send_line(format!("{line}\n").into_bytes()).await
    }

    async fn send_command(&self, command: &Command<'_>) -> Result<Reply<'static>, Error> {
        let mut line = Vec::new();
        commands::encode_command(command, &mut line).expect("the dialect has a form for each command of the client");
        self.send_line(line).await
    }

    async fn send_line(&self, line: Vec<u8>) -> Result<Reply<'static>, Error> {
        let (answer_tx, answer_rx) = oneshot::channel();
        self.requests.send(Request { line, answer_tx }).await.map_err(|_| self.closed_error())?;
        answer_rx.await.unwrap_or_else(|_| Err(self.closed_error()))
    }

    /// The error of a command after the end of the connection. Without a recorded reason, this side dropped the task
    /// that owns the socket.
    fn closed_error(&self) -> Error {
        Error::Closed(self.end_reason.get().cloned().unwrap_or(ConnectionError::ClosedLocally))
    }
}

/// The error for an answer that belongs to another command.
fn unexpected_answer(verb: &'static str, reply: &Reply<'_>) -> Error {
    let mut line = Vec::new();
    commands::encode(reply, &mut line);
    let line = String::from_utf8_lossy(&line);
    Error::UnexpectedAnswer { verb, answer: sanitize(line.trim_end()).into_owned() }
}
