//! The task that owns the socket.
//!
//! Two loops share it. The writer takes every request that waits, notes who asked, and sends them all in one write. The
//! reader gives each answer to whoever asked first and each event to the queue of events. Who asked is noted before the
//! bytes leave, so an answer always finds its place, even if nobody waits for it any more.
//!
//! Whoever asks may be the one who takes events, and does not take any until the answer is there. So the reader may wait
//! for events to be taken only while nobody waits for an answer.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchboard_protocol::Reply;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time;

use crate::connection_error::ConnectionError;
use crate::error::Error;
use crate::events::{Event, EventSink};
use crate::incoming::Incoming;
use crate::line_reader::LineReader;

/// Requests that wait to be written at most; who asks then, waits.
pub const REQUESTS_MAX: usize = 256;

/// Requests that are written and not yet answered at most; later ones wait.
pub const IN_FLIGHT_MAX: usize = 1024;

/// Requests that share one write at most.
const BATCH_MAX: usize = 128;

// Who asked is noted before the write: were there no room for a whole batch, the writer would wait for answers to lines
// that it has not sent.
const _: () = assert!(BATCH_MAX < IN_FLIGHT_MAX);

/// How long a connection that this side has ended may take to close, or one that takes no more bytes to say why.
const LINGER: Duration = Duration::from_secs(2);

/// Where the answer to one request goes.
pub(crate) type Answer = oneshot::Sender<Result<Reply<'static>, Error>>;

/// One line for the server, and who wants its answer.
#[derive(Debug)]
pub(crate) struct Request {
    /// With its LF.
    pub(crate) line: Vec<u8>,
    pub(crate) answer: Answer,
}

/// The socket and all that leads to it.
#[derive(Debug)]
pub(crate) struct ConnectionDriver {
    pub(crate) lines: LineReader<OwnedReadHalf>,
    pub(crate) socket: OwnedWriteHalf,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) events: EventSink,
    pub(crate) closed: Arc<OnceLock<ConnectionError>>,
}

impl ConnectionDriver {
    /// Runs until the connection is over, and leaves the reason in `closed` before anybody who waits is let go.
    pub(crate) async fn run(mut self) {
        let (in_flight, mut asked) = mpsc::channel(IN_FLIGHT_MAX);
        let has_asked = Notify::new();
        let closed = tokio::select! {
            closed = read(&mut self.lines, &mut asked, &has_asked, &self.events) => closed,
            closed = write(&mut self.socket, &mut self.requests, in_flight, &has_asked) => closed,
        };
        let _ = self.closed.set(closed);
    }
}

async fn read(
    lines: &mut LineReader<OwnedReadHalf>,
    asked: &mut mpsc::Receiver<Answer>,
    has_asked: &Notify,
    events: &EventSink,
) -> ConnectionError {
    let mut said_why = None;
    loop {
        while asked.is_empty() && !events.has_room() {
            tokio::select! {
                () = events.changed() => {}
                () = has_asked.notified() => {}
            }
        }
        let line = match lines.next_line().await {
            Ok(line) => line,
            Err(closed) => return said_why.unwrap_or(closed),
        };
        let event = match Incoming::parse(&line) {
            Incoming::Event(event) => event,
            Incoming::Answer(answer) => match asked.try_recv() {
                Ok(waiting) => {
                    // Whoever asked may wait no longer.
                    let _ = waiting.send(answer);
                    continue;
                }
                Err(_) => Event::Unknown { line },
            },
        };
        if let Event::Notice { code, detail } = &event {
            said_why = Some(ConnectionError::ClosedWithCode { code: *code, detail: detail.clone() });
        }
        if let Err(closed) = events.put(event) {
            return closed;
        }
    }
}

async fn write(
    socket: &mut OwnedWriteHalf,
    requests: &mut mpsc::Receiver<Request>,
    in_flight: mpsc::Sender<Answer>,
    has_asked: &Notify,
) -> ConnectionError {
    let mut batch = Vec::new();
    let mut bytes = Vec::new();
    while requests.recv_many(&mut batch, BATCH_MAX).await > 0 {
        bytes.clear();
        for request in batch.drain(..) {
            bytes.extend_from_slice(&request.line);
            // The reader holds the other end for as long as this loop runs.
            let _ = in_flight.send(request.answer).await;
            has_asked.notify_one();
        }
        if let Err(error) = socket.write_all(&bytes).await {
            // What the server said before it closed is still to be read.
            time::sleep(LINGER).await;
            return ConnectionError::from_io(&error);
        }
    }
    let _ = socket.shutdown().await;
    time::sleep(LINGER).await;
    ConnectionError::ClosedLocally
}
