//! The half of a connection that receives events: lines that answer no command.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::{Deserialize, Serialize};
use switchboard_protocol::ErrorCode;
use tokio::sync::{Notify, mpsc};

use crate::connection_error::ConnectionError;

/// The soft limit of the event queue in bytes of memory, enough for a few thousand short messages. While no command is
/// in flight, the client stops reading at this limit. While a command is in flight, the client continues to read,
/// because the server may send many events before the answer.
pub const EVENTS_SOFT_BYTES: usize = 256 * 1024;

/// The hard limit of the event queue in bytes of memory: 64 MiB. If the queue exceeds it before a command's answer
/// arrives, the connection ends with [`ConnectionError::EventsNotTaken`]. The limit is several times the amount of data
/// that the server and the network can buffer for one session.
pub const EVENTS_HARD_BYTES: usize = 64 * 1024 * 1024;

/// A line from the server that answers no command. Its JSON form uses the words of the protocol
/// (`{"event":"FROM","name":"Elias","text":"hi"}`). Names and texts are unchecked: pass them to
/// [`sanitize`](switchboard_protocol::sanitize()) before you print them on a terminal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Event {
    /// Another user opened a chat with this client. The client may send messages at once.
    IncomingConnection {
        /// The peer's name.
        name: String,
    },
    /// A message arrived.
    #[serde(rename = "FROM")]
    Message {
        /// The sender's name.
        name: String,
        /// The message text.
        text: String,
    },
    /// The peer left the chat.
    PeerDisconnected,
    /// An `ERROR` that answers no command: the reason for which the server is about to close the connection.
    Notice {
        /// The reason as a code.
        code: ErrorCode,
        /// The server's text after the code, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A line unknown to this version, or an answer while no command is in flight.
    Unknown {
        /// The line without its LF.
        line: String,
    },
    /// The last event: the connection ended.
    Closed(ConnectionError),
}

/// The events of one connection, in the order of their arrival. [`Event::Closed`] is the last one.
///
/// While [`EVENTS_SOFT_BYTES`] of events are queued and no command is in flight, the client does not read. The server
/// then sees a slow reader. Then the client sends no `PING`, and notices a lost connection only after the program takes
/// events or sends a command.
///
/// A program that needs no events drops this value. The client then discards all later events.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::UnboundedReceiver<Event>,
    queued: Arc<QueuedBytes>,
    end_reason: Arc<OnceLock<ConnectionError>>,
    /// Whether [`Event::Closed`] was returned.
    has_ended: bool,
}

/// The sending end of [`Events`].
#[derive(Debug)]
pub(crate) struct EventSink {
    queue: mpsc::UnboundedSender<Event>,
    queued: Arc<QueuedBytes>,
}

/// The size of the event queue. It is counted here, because the limits are in bytes and a channel can only limit the
/// number of its events.
#[derive(Debug, Default)]
struct QueuedBytes {
    bytes: AtomicUsize,
    /// Notified when `bytes` falls below the soft limit.
    below_soft_limit: Notify,
}

/// Creates an empty event queue.
pub(crate) fn queue(end_reason: Arc<OnceLock<ConnectionError>>) -> (EventSink, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let queued = Arc::<QueuedBytes>::default();
    (
        EventSink { queue: sender, queued: queued.clone() },
        Events { queue: receiver, queued, end_reason, has_ended: false },
    )
}

impl EventSink {
    /// Adds `event`, or discards it if [`Events`] was dropped. Fails if the event does not fit below the hard limit.
    pub(crate) fn push(&self, event: Event) -> Result<(), ConnectionError> {
        let bytes = event.bytes();
        // Count the event before `Events` can take it, so that the counter never falls below zero.
        let bytes_before = self.queued.bytes.fetch_add(bytes, Ordering::Relaxed);
        if bytes_before + bytes > EVENTS_HARD_BYTES && !self.queue.is_closed() {
            return Err(ConnectionError::EventsNotTaken { max_bytes: EVENTS_HARD_BYTES });
        }
        let _ = self.queue.send(event);
        Ok(())
    }

    /// Whether the queue is below the soft limit. A queue that discards events always has room.
    pub(crate) fn has_room(&self) -> bool {
        self.queued.bytes.load(Ordering::Relaxed) < EVENTS_SOFT_BYTES || self.queue.is_closed()
    }

    /// Waits until [`EventSink::has_room`] may have become true.
    pub(crate) async fn room_changed(&self) {
        tokio::select! {
            () = self.queued.below_soft_limit.notified() => {}
            () = self.queue.closed() => {}
        }
    }
}

impl Event {
    /// The size of this event in memory, in bytes.
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
    /// Waits for the next event. Returns `None` after [`Event::Closed`].
    ///
    /// Cancel-safe: dropping the future loses no event.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        self.queue.poll_recv(context).map(|event| {
            let Some(event) = event else {
                self.has_ended = true;
                return Some(Event::Closed(self.end_reason.get().cloned().unwrap_or(ConnectionError::ClosedLocally)));
            };
            let bytes = event.bytes();
            let bytes_before = self.queued.bytes.fetch_sub(bytes, Ordering::Relaxed);
            if bytes_before >= EVENTS_SOFT_BYTES && bytes_before - bytes < EVENTS_SOFT_BYTES {
                self.queued.below_soft_limit.notify_one();
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
    fn events_round_trip_through_json_with_their_kind_first() {
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
            (
                Event::Closed(ConnectionError::Unresponsive { silent_ms: 45_000 }),
                r#"{"event":"CLOSED","why":"UNRESPONSIVE","silent_ms":45000}"#,
            ),
            (Event::Closed(ConnectionError::MidLine), r#"{"event":"CLOSED","why":"MID_LINE"}"#),
            (Event::Closed(ConnectionError::ClosedByServer), r#"{"event":"CLOSED","why":"BY_SERVER"}"#),
            (Event::Closed(ConnectionError::ClosedLocally), r#"{"event":"CLOSED","why":"DROPPED"}"#),
            (
                Event::Closed(ConnectionError::ClosedWithCode { code: ErrorCode::ServerFull, detail: None }),
                r#"{"event":"CLOSED","why":"WITH_CODE","code":"SERVER_FULL"}"#,
            ),
        ];
        for (event, json) in cases {
            assert_eq!(serde_json::to_string(&event).expect("an event has a JSON form"), json);
            assert_eq!(serde_json::from_str::<Event>(json).expect("the JSON form of an event"), event);
        }
    }
}
