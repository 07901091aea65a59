//! What comes without being asked for.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::{Deserialize, Serialize};
use switchboard_protocol::ErrorCode;
use tokio::sync::{Notify, mpsc};

use crate::connection_error::ConnectionError;

/// How much may wait for [`Events::next`] before the link stops reading, in bytes of memory: some thousand messages. While
/// a command waits for its answer the link reads on all the same, because the answer comes after what the server sent
/// before it.
pub const EVENTS_SOFT_BYTES: usize = 256 * 1024;

/// How much may wait for [`Events::next`] at all, in bytes of memory. Where a command's answer has not come after so much,
/// the connection ends ([`ConnectionError::EventsNotTaken`]). 64 MiB: what a server holds for one session and what the systems
/// between hold fit into it several times.
pub const EVENTS_HARD_BYTES: usize = 64 * 1024 * 1024;

/// Something that the server said of its own accord. As JSON it has the wire's own words
/// (`{"event":"FROM","name":"Elias","text":"hi"}`). Names and texts are as the server sent them: put them through
/// [`sanitize`](switchboard_protocol::sanitize) before a terminal sees them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Event {
    /// Somebody opened a chat with you: you may answer at once.
    IncomingConnection {
        /// Who.
        name: String,
    },
    /// Somebody said something.
    #[serde(rename = "FROM")]
    Message {
        /// Who.
        name: String,
        /// What.
        text: String,
    },
    /// The other side left the chat.
    PeerDisconnected,
    /// An `ERROR` that answers nothing: the server says why it is about to close.
    Notice {
        /// Why, for a program.
        code: ErrorCode,
        /// The server's own sentence, where it sent one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A line that this version does not understand, or an answer to nothing.
    Unknown {
        /// The line, without its end.
        line: String,
    },
    /// The last event: the connection is over.
    Closed(ConnectionError),
}

/// The events of one connection, in the order in which they came. [`Event::Closed`] is the last, after all that came
/// before the end.
///
/// Once [`EVENTS_SOFT_BYTES`] wait here and no command waits for an answer, nothing more is read: the server feels it as a
/// slow reader, and that the connection has ended shows when the next event is taken or the next command asked. Whoever
/// does not care for events drops this: then they are discarded.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::UnboundedReceiver<Event>,
    load: Arc<Load>,
    closed: Arc<OnceLock<ConnectionError>>,
    ended: bool,
}

/// The way into [`Events`].
#[derive(Debug)]
pub(crate) struct EventSink {
    queue: mpsc::UnboundedSender<Event>,
    load: Arc<Load>,
}

/// How much waits. The bounds are in bytes, so the queue itself has none.
#[derive(Debug, Default)]
struct Load {
    bytes: AtomicUsize,
    /// Told when `bytes` falls below the soft bound.
    fell: Notify,
}

/// An empty queue of events, both ends of it.
pub(crate) fn queue(closed: Arc<OnceLock<ConnectionError>>) -> (EventSink, Events) {
    let (sink, queue) = mpsc::unbounded_channel();
    let load = Arc::<Load>::default();
    (EventSink { queue: sink, load: load.clone() }, Events { queue, load, closed, ended: false })
}

impl EventSink {
    /// Adds `event`, or says why that is the end. Where nobody wants events, it is discarded.
    pub(crate) fn put(&self, event: Event) -> Result<(), ConnectionError> {
        let bytes = event.bytes();
        // Counted before it can be taken, so that the count never falls below nothing.
        if self.load.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > EVENTS_HARD_BYTES && !self.queue.is_closed() {
            return Err(ConnectionError::EventsNotTaken { max_bytes: EVENTS_HARD_BYTES });
        }
        let _ = self.queue.send(event);
        Ok(())
    }

    /// Whether more should be read although nobody waits for an answer.
    pub(crate) fn has_room(&self) -> bool {
        self.load.bytes.load(Ordering::Relaxed) < EVENTS_SOFT_BYTES || self.queue.is_closed()
    }

    /// Waits until [`EventSink::has_room`] may have become true.
    pub(crate) async fn changed(&self) {
        tokio::select! {
            () = self.load.fell.notified() => {}
            () = self.queue.closed() => {}
        }
    }
}

impl Event {
    /// What it takes in memory.
    fn bytes(&self) -> usize {
        let text = match self {
            Self::Message { name, text } => name.len() + text.len(),
            Self::IncomingConnection { name } => name.len(),
            Self::Notice { detail, .. } => detail.as_ref().map_or(0, String::len),
            Self::Unknown { line } => line.len(),
            Self::PeerDisconnected | Self::Closed(_) => 0,
        };
        size_of::<Self>() + text
    }
}

impl Events {
    /// The next event, or `None` after [`Event::Closed`].
    ///
    /// Cancel-safe: dropping the future loses no event.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.queue.poll_recv(context).map(|event| {
            let Some(event) = event else {
                self.ended = true;
                return Some(Event::Closed(self.closed.get().cloned().unwrap_or(ConnectionError::ClosedLocally)));
            };
            let bytes = event.bytes();
            let before = self.load.bytes.fetch_sub(bytes, Ordering::Relaxed);
            if before >= EVENTS_SOFT_BYTES && before - bytes < EVENTS_SOFT_BYTES {
                self.load.fell.notify_one();
            }
            Some(event)
        })
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.get_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_json_with_its_kind_first() {
        let cases = [
            (
                Event::Message { name: "Elias".to_owned(), text: "hi".to_owned() },
                r#"{"event":"FROM","name":"Elias","text":"hi"}"#,
            ),
            (
                Event::IncomingConnection { name: "Elias".to_owned() },
                r#"{"event":"INCOMING_CONNECTION","name":"Elias"}"#,
            ),
            (Event::PeerDisconnected, r#"{"event":"PEER_DISCONNECTED"}"#),
            (
                Event::Notice { code: ErrorCode::ServerShutdown, detail: None },
                r#"{"event":"NOTICE","code":"SERVER_SHUTDOWN"}"#,
            ),
            (
                Event::Closed(ConnectionError::EventsNotTaken { max_bytes: 7 }),
                r#"{"event":"CLOSED","why":"EVENTS_NOT_TAKEN","max_bytes":7}"#,
            ),
            (Event::Closed(ConnectionError::MidLine), r#"{"event":"CLOSED","why":"MID_LINE"}"#),
            (
                Event::Closed(ConnectionError::ClosedWithCode { code: ErrorCode::ServerFull, detail: None }),
                r#"{"event":"CLOSED","why":"WITH_CODE","code":"SERVER_FULL"}"#,
            ),
        ];
        for (event, json) in cases {
            assert_eq!(serde_json::to_string(&event).expect("it serialises"), json);
            assert_eq!(serde_json::from_str::<Event>(json).expect("it parses"), event);
        }
    }
}
