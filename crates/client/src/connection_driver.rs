//! The task that owns the socket.
//!
//! It runs two loops. The writer takes a batch of queued requests, records their answer channels in order, and sends
//! the requests in one write. The reader sends each answer to the oldest recorded channel and each event to the event
//! queue. The writer records the channels before the write, so a channel is there when its answer arrives. The channel
//! of a dropped command keeps its place, so later answers still match their commands.
//!
//! A program may send commands and take events in the same task. While this task waits for an answer, it takes no
//! event. If the reader paused at a full event queue, the answer would never arrive. So the reader pauses only while no
//! command is in flight.
//!
//! After silence the reader asks the writer for a `PING`. The `PING` takes its place in the order like a command whose
//! future was dropped.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchboard_protocol::Reply;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time;

use crate::connection_error::ConnectionError;
use crate::error::Error;
use crate::events::{Event, EventSink};
use crate::incoming::Incoming;
use crate::liveness::{MonitoredReader, Received};
use crate::stream::{StreamReader, StreamWriter};

/// The maximum number of requests in the queue to the writer. Further commands wait.
pub(crate) const REQUESTS_MAX: usize = 256;

/// The maximum number of requests in flight: written and not yet answered. Further requests wait.
const IN_FLIGHT_MAX: usize = 1024;

/// The maximum number of requests in one write.
const BATCH_MAX: usize = 128;

// The writer records the channels of a batch before it sends the batch. If one batch could fill the queue of channels,
// the writer would wait for answers to lines that it has not sent.
const _: () = assert!(BATCH_MAX < IN_FLIGHT_MAX);

/// The time for which the reader continues after this side has closed its sending half, or after a failed write. The
/// server may still send its reason for closing the connection.
const LINGER: Duration = Duration::from_secs(2);

/// The channel for the answer to one request.
pub(crate) type AnswerSender = oneshot::Sender<Result<Reply<'static>, Error>>;

/// One line for the server, with the channel for its answer.
#[derive(Debug)]
pub(crate) struct Request {
    /// The line, LF included.
    pub(crate) line: Vec<u8>,
    pub(crate) answer_tx: AnswerSender,
}

impl Request {
    /// A `PING` whose answer nobody takes.
    fn ping() -> Self {
        let (answer_tx, _) = oneshot::channel();
        Self { line: b"PING\n".to_vec(), answer_tx }
    }
}

/// The socket, and the channels to [`Client`](crate::Client) and [`Events`](crate::Events).
#[derive(Debug)]
pub(crate) struct ConnectionDriver {
    /// The reading half of the socket.
    pub(crate) lines: MonitoredReader<StreamReader>,
    /// The writing half of the socket.
    pub(crate) socket: StreamWriter,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) events: EventSink,
    pub(crate) end_reason: Arc<OnceLock<ConnectionError>>,
}

impl ConnectionDriver {
    /// Runs until the connection ends. Sets `end_reason` before it drops the channels of waiting commands, so that
    /// these commands can return the reason.
    pub(crate) async fn run(mut self) {
        let (in_flight_tx, mut in_flight) = mpsc::channel(IN_FLIGHT_MAX);
        let (request_recorded, ping_due) = (Notify::new(), Notify::new());
        let error = tokio::select! {
            error = read_loop(&mut self.lines, &mut in_flight, &request_recorded, &ping_due, &self.events) => error,
            error = write_loop(&mut self.socket, &mut self.requests, in_flight_tx, &request_recorded, &ping_due) =>
                error,
        };
        let _ = self.end_reason.set(error);
    }
}

/// Reads lines until the connection ends. Returns the reason.
async fn read_loop(
    lines: &mut MonitoredReader<StreamReader>,
    in_flight: &mut mpsc::Receiver<AnswerSender>,
    request_recorded: &Notify,
    ping_due: &Notify,
    events: &EventSink,
) -> ConnectionError {
    let mut close_reason = None;
    loop {
        // A new request ends the wait, because its answer must be read even if the event queue is full.
        while in_flight.is_empty() && !events.has_room() {
            tokio::select! {
                () = events.room_changed() => {}
                () = request_recorded.notified() => {}
            }
        }
        let line = match lines.next().await {
            Ok(Received::Line(line)) => line,
            Ok(Received::PingDue) => {
                ping_due.notify_one();
                continue;
            }
            Err(error) => return close_reason.unwrap_or(error),
        };
        let event = match Incoming::parse(&line) {
            Incoming::Event(event) => event,
            Incoming::Answer(answer) => match in_flight.try_recv() {
                Ok(answer_tx) => {
                    // This fails if the command's future was dropped.
                    let _ = answer_tx.send(answer);
                    continue;
                }
                Err(_) => Event::Unknown { line },
            },
        };
        if let Event::Notice { code, detail } = &event {
            close_reason = Some(ConnectionError::ClosedWithCode { code: *code, detail: detail.clone() });
        }
        if let Err(error) = events.push(event) {
            return error;
        }
    }
}

/// Writes requests until the last [`Client`](crate::Client) is dropped or a write fails. Returns the reason.
async fn write_loop(
    socket: &mut StreamWriter,
    requests: &mut mpsc::Receiver<Request>,
    in_flight_tx: mpsc::Sender<AnswerSender>,
    request_recorded: &Notify,
    ping_due: &Notify,
) -> ConnectionError {
    let mut batch = Vec::new();
    let mut bytes = Vec::new();
    loop {
        tokio::select! {
            n_requests = requests.recv_many(&mut batch, BATCH_MAX) => if n_requests == 0 {
                break;
            },
            () = ping_due.notified() => batch.push(Request::ping()),
        }
        bytes.clear();
        for request in batch.drain(..) {
            bytes.extend_from_slice(&request.line);
            // This cannot fail: the reader holds the other end while this loop runs.
            let _ = in_flight_tx.send(request.answer_tx).await;
            request_recorded.notify_one();
        }
        if let Err(error) = socket.write_all(&bytes).await.and(socket.flush().await) {
            // Give the reader time for the lines that the server sent before it closed the connection.
            time::sleep(LINGER).await;
            return ConnectionError::from_io(&error);
        }
    }
    let _ = socket.shutdown().await;
    time::sleep(LINGER).await;
    ConnectionError::ClosedLocally
}
