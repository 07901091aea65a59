//! The task that owns the connection, and makes a new one when it is lost.
//!
//! ```text
//! Session ──────request──▶ bounded queue ──▶ driver ──lines──▶ socket
//!    ▲                                        │  one control request in flight, and all due messages
//!    └──answer── its own channel ◀────────────┤
//! Conversation ◀── bounded queue of items ◀───┴────── lines ◀── socket
//! ```
//!
//! The loop never waits for a write or for a reader of a queue. So neither a slow server nor a slow program can stop
//! it from reading.

mod server_line;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchboard_protocol::{ErrorCode, sanitize};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::control::{Control, Purpose};
use super::handshake::{self, Connection};
use super::identity::Identity;
use super::news::NewsSender;
use super::outgoing::{FlushedSender, NewMessage, Outgoing};
use super::session::{LinkState, SessionOptions, UnansweredMessage};
use super::views::{View, Views};
use crate::backoff::Backoff;
use crate::connection_error::ConnectionError;
use crate::error::Error;
use crate::liveness::Received;
use crate::stream::write_some;

/// The maximum number of requests in the queue to the driver. Further requests wait.
pub(crate) const REQUESTS_MAX: usize = 256;

/// The maximum number of messages that one sync of the outbox file makes durable.
const BATCH_MAX: usize = 256;

/// The bytes in the write buffer above which no further message is encoded.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// The ceiling of the first delay before reconnecting.
const FIRST_DELAY_MAX: Duration = Duration::from_millis(500);

/// The ceiling of all delays before reconnecting. After a connection that lasted longer than this, the delays start
/// over.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// How long a guest tries to get its name again. The name may still belong to the lost connection: by default for one
/// minute of keepalive and one minute of user timeout. The third minute is reserve.
const NAME_TAKEN_PATIENCE: Duration = Duration::from_mins(3);

/// How long the driver reads on after it has closed its sending direction.
const LINGER: Duration = Duration::from_secs(2);

/// A request of the program.
#[derive(Debug)]
pub(crate) enum Request {
    Control(Control),
    Say(NewMessage),
    Open(View),
    /// Answered once no message waits for an answer of the server.
    Flush(FlushedSender),
    /// Lists the messages of an earlier session that the server has not answered yet.
    Unanswered(oneshot::Sender<Vec<UnansweredMessage>>),
    Close,
}

/// Why a connection is over.
enum Exit {
    /// The program has closed the session.
    Closed,
    Lost(Error),
}

/// The connection of a session.
#[derive(Debug)]
pub(crate) struct Driver {
    addr: String,
    identity: Identity,
    options: SessionOptions,
    requests: mpsc::Receiver<Request>,
    /// A queue of items has room, or its reader is gone.
    wake: Arc<Notify>,
    /// The program does not want to wait until the next attempt to connect.
    connect_now: Arc<Notify>,
    link: watch::Sender<LinkState>,
    end_reason: Arc<OnceLock<Arc<Error>>>,
    is_account: watch::Sender<bool>,
    /// `None` if the program does not want them.
    news: Option<NewsSender>,
    /// The other user of the chat of version 1.
    chat_peer: Option<String>,
    views: Views,
    outgoing: Outgoing,
    controls: VecDeque<Control>,
    in_flight: Option<Control>,
    out: Vec<u8>,
    /// The reason that the server gave for closing the connection.
    close_reason: Option<ConnectionError>,
    is_closing: bool,
}

impl Driver {
    #[expect(clippy::too_many_arguments, reason = "each argument is one end of a channel or a setting")]
    pub(crate) fn new(
        addr: String,
        identity: Identity,
        options: SessionOptions,
        outgoing: Outgoing,
        requests: mpsc::Receiver<Request>,
        wake: Arc<Notify>,
        connect_now: Arc<Notify>,
        link: watch::Sender<LinkState>,
        end_reason: Arc<OnceLock<Arc<Error>>>,
        is_account: watch::Sender<bool>,
        news: Option<NewsSender>,
    ) -> Self {
        Self {
            addr,
            identity,
            options,
            requests,
            wake,
            connect_now,
            link,
            end_reason,
            is_account,
            news,
            chat_peer: None,
            views: Views::default(),
            outgoing,
            controls: VecDeque::new(),
            in_flight: None,
            out: Vec::new(),
            close_reason: None,
            is_closing: false,
        }
    }

    /// Runs until the session ends.
    pub(crate) async fn run(mut self, mut connection: Connection) {
        let mut backoff = Backoff::new(FIRST_DELAY_MAX, DELAY_MAX, fastrand::u64(..));
        let reason = loop {
            let connected_at = Instant::now();
            self.views.set_own_name(&connection.name);
            // The first connection is no change.
            self.link.send_if_modified(|link| std::mem::replace(link, LinkState::Connected) != LinkState::Connected);
            let exit = self.run_connected(&mut connection).await;
            self.connection_lost(match &exit {
                Exit::Lost(Error::Closed(reason)) => reason.clone(),
                _ => ConnectionError::ClosedLocally,
            });
            match exit {
                Exit::Closed => {
                    close_gracefully(connection).await;
                    break Error::Closed(ConnectionError::ClosedLocally);
                }
                Exit::Lost(error) if is_final(&error) || !self.options.reconnect => break error,
                Exit::Lost(error) => {
                    if connected_at.elapsed() > DELAY_MAX {
                        backoff.reset();
                    }
                    drop(connection);
                    connection = match self.reconnect(error, &mut backoff).await {
                        Ok(connection) => connection,
                        Err(reason) => break reason,
                    };
                }
            }
        };
        self.end(reason);
    }

    async fn run_connected(&mut self, connection: &mut Connection) -> Exit {
        self.out.clear();
        self.close_reason = None;
        self.controls.extend(self.views.reopen_all());
        // A view that the last connection was closing may have room.
        self.check_queues();
        // TLS may hold encrypted bytes that the TCP socket has not taken.
        let mut must_flush = false;
        loop {
            if self.is_closing {
                return Exit::Closed;
            }
            self.fill_write_buffer();
            let next_due = [self.outgoing.next_due(), self.views.next_due()].into_iter().flatten().min();
            tokio::select! {
                received = connection.lines.next() => match received {
                    Ok(Received::Line(line)) => {
                        if let Err(error) = self.take_line(&line).await {
                            return Exit::Lost(error);
                        }
                    }
                    Ok(Received::PingDue) => self.out.extend_from_slice(b"PING\n"),
                    Err(error) => return Exit::Lost(self.close_reason.take().unwrap_or(error).into()),
                },
                written = write_some(&mut connection.socket, &self.out), if must_flush || !self.out.is_empty() => {
                    match written {
                        Ok(n_written) => {
                            self.out.drain(..n_written);
                            must_flush = n_written > 0;
                        }
                        Err(error) => return Exit::Lost(self.read_close_reason(connection, &error).await),
                    }
                }
                request = self.requests.recv(), if self.controls.len() < REQUESTS_MAX => self.accept(request).await,
                () = self.wake.notified() => self.check_queues(),
                () = sleep_until(next_due.unwrap_or_else(Instant::now)), if next_due.is_some() => self.check_queues(),
            }
        }
    }

    fn check_queues(&mut self) {
        self.controls.extend(self.views.check_queues(Instant::now()));
    }

    /// Encodes the next control request and the due messages.
    fn fill_write_buffer(&mut self) {
        while self.in_flight.is_none()
            && let Some(control) = self.controls.pop_front()
        {
            if let Some(name) = control.chat_peer.clone()
                && !self.is_in_chat_with(&name)
            {
                fail(control, Error::ChatIsOver { name: sanitize(&name).into_owned() });
                continue;
            }
            match control.command.encode(&mut self.out) {
                Ok(()) => self.in_flight = Some(control),
                Err(_) => fail(control, Error::Blank),
            }
        }
        if *self.is_account.borrow() {
            self.outgoing.write_due(&mut self.out, WRITE_BUFFER_BYTES, Instant::now());
        }
    }

    /// After a failed write, the server may still have sent the reason for which it closed the connection.
    async fn read_close_reason(&mut self, connection: &mut Connection, error: &std::io::Error) -> Error {
        let reading = async {
            while let Ok(Received::Line(line)) = connection.lines.next().await {
                if self.take_line(&line).await.is_err() {
                    break;
                }
            }
        };
        let _ = timeout(LINGER, reading).await;
        self.close_reason.take().unwrap_or_else(|| ConnectionError::from_io(error)).into()
    }

    /// Takes one request of the program, and all further messages that are queued.
    async fn accept(&mut self, request: Option<Request>) {
        let mut messages = Vec::new();
        let mut next = request;
        let mut is_open = next.is_some();
        while let Some(request) = next.take() {
            match request {
                Request::Control(control) => self.controls.push_back(control),
                Request::Say(message) => messages.push(message),
                Request::Open(view) => {
                    // A view of the same conversation that the program has dropped is closed first.
                    self.check_queues();
                    let open = self.views.add(view);
                    self.controls.push_back(open);
                }
                Request::Flush(flushed) => {
                    self.outgoing.add(std::mem::take(&mut messages)).await;
                    self.outgoing.flush(flushed);
                }
                Request::Unanswered(list_tx) => drop(list_tx.send(self.outgoing.unanswered())),
                Request::Close => is_open = false,
            }
            if is_open && messages.len() < BATCH_MAX && self.controls.len() < REQUESTS_MAX {
                next = self.requests.try_recv().ok();
            }
        }
        if !messages.is_empty() {
            self.outgoing.add(messages).await;
        }
        self.is_closing |= !is_open;
    }

    /// Queues the requests in flight again, if they can be repeated.
    fn connection_lost(&mut self, reason: ConnectionError) {
        self.outgoing.connection_lost();
        self.end_chat();
        if let Some(mut control) = self.in_flight.take() {
            match &control.purpose {
                Purpose::Answer(_) | Purpose::Claim(..) if control.is_repeatable => {
                    control.forget_parts();
                    self.controls.push_front(control);
                }
                Purpose::Answer(_) | Purpose::Claim(..) => fail(control, Error::OutcomeUnknown { reason }),
                Purpose::Open(_) | Purpose::Close(_) => {}
            }
        }
        // The new connection begins with the requests for the views.
        self.controls.retain(|control| matches!(control.purpose, Purpose::Answer(_) | Purpose::Claim(..)));
    }

    /// Connects until an attempt succeeds. Fails if no further attempt can.
    async fn reconnect(&mut self, mut failure: Error, backoff: &mut Backoff) -> Result<Connection, Error> {
        let mut name_taken_at: Option<Instant> = None;
        loop {
            let delay = backoff.next_delay();
            // From before the program hears of the delay.
            let connect_now = Arc::clone(&self.connect_now);
            let hurried = connect_now.notified();
            self.link.send_replace(LinkState::Reconnecting { reason: failure.to_string(), delay });
            let (addr, identity) = (self.addr.clone(), self.identity.clone());
            let SessionOptions { limit, liveness, .. } = self.options;
            if self.accept_during(timeout(delay, hurried)).await.is_none() {
                return Err(Error::Closed(ConnectionError::ClosedLocally));
            }
            self.link.send_replace(LinkState::Connecting);
            let attempt = async move { handshake::connect(&addr, &identity, limit, liveness).await };
            let Some(result) = self.accept_during(attempt).await else {
                return Err(Error::Closed(ConnectionError::ClosedLocally));
            };
            failure = match result {
                Ok(connection) => return Ok(connection),
                Err(error @ Error::Refused { code: ErrorCode::NameTaken, .. }) => {
                    if name_taken_at.get_or_insert_with(Instant::now).elapsed() > NAME_TAKEN_PATIENCE {
                        return Err(error);
                    }
                    error
                }
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    name_taken_at = None;
                    error
                }
            };
        }
    }

    /// Takes requests until `task` has a result. Returns `None` if the program closes the session.
    async fn accept_during<T>(&mut self, task: impl Future<Output = T>) -> Option<T> {
        let mut task = std::pin::pin!(task);
        loop {
            tokio::select! {
                result = &mut task => return Some(result),
                request = self.requests.recv(), if self.controls.len() < REQUESTS_MAX => self.accept(request).await,
            }
            if self.is_closing {
                return None;
            }
        }
    }

    /// Answers everything that waits with the reason for the end.
    fn end(mut self, reason: Error) {
        let reason = Arc::new(reason);
        let _ = self.end_reason.set(Arc::clone(&reason));
        self.link.send_replace(LinkState::Ended);
        self.views.end_all(&reason);
        for control in self.in_flight.take().into_iter().chain(self.controls.drain(..)) {
            fail(control, Error::Ended(Arc::clone(&reason)));
        }
        // The channels of messages are dropped here. Their receivers then return the reason.
    }
}

fn fail(control: Control, error: Error) {
    if let Purpose::Answer(answer_tx) | Purpose::Claim(answer_tx, _) = control.purpose {
        let _ = answer_tx.send(Err(error));
    }
}

/// Whether another attempt to connect would fail for the same reason.
fn is_final(error: &Error) -> bool {
    match error {
        // Another session has taken the place of this one, on purpose, or the operator wants the person to be away.
        Error::Closed(ConnectionError::ClosedWithCode { code, .. }) => {
            matches!(code, ErrorCode::Displaced | ErrorCode::Revoked | ErrorCode::Kicked | ErrorCode::Banned)
        }
        Error::Refused { code, .. } => !matches!(code, ErrorCode::Unavailable | ErrorCode::NameTaken),
        // A changed key needs the decision of a person.
        Error::OtherKey { .. } | Error::Name(_) | Error::NoVersion2 { .. } | Error::Signer { .. } => true,
        _ => false,
    }
}

/// Closes the sending direction and reads until the server closes the connection. A socket that is closed at once could
/// reset the connection, and destroy lines on their way.
async fn close_gracefully(mut connection: Connection) {
    let closing = async {
        let _ = connection.socket.shutdown().await;
        while connection.lines.next().await.is_ok() {}
    };
    let _ = timeout(LINGER, closing).await;
}
