//! What comes without being asked for.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::{Deserialize, Serialize};
use switchboard_protocol::Code;
use tokio::sync::mpsc;

use crate::closed::Closed;

/// Events that wait for [`Events::next`] at most. Once so many wait, the link reads no further until one is taken, and
/// commands wait with it: nothing is lost, and the server feels it as a slow reader.
pub const EVENTS_MAX: usize = 1024;

/// Something that the server said of its own accord. Names and texts are as the server sent them: put them through
/// [`show::safe`](switchboard_protocol::show::safe) before a terminal sees them.
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
    Message {
        /// Who.
        from: String,
        /// What.
        text: String,
    },
    /// The other side left the chat.
    PeerDisconnected,
    /// An `ERROR` that answers nothing: the server says why it is about to close.
    Notice {
        /// Why, for a program.
        code: Code,
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
    Closed(Closed),
}

/// The events of one connection, in the order in which they came. [`Event::Closed`] is the last.
///
/// At most [`EVENTS_MAX`] wait here. Whoever does not care for events drops this: then they are discarded.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<Event>,
    closed: Arc<OnceLock<Closed>>,
    ended: bool,
}

impl Events {
    pub(crate) fn new(queue: mpsc::Receiver<Event>, closed: Arc<OnceLock<Closed>>) -> Self {
        Self { queue, closed, ended: false }
    }

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
            // The link puts the reason where it needs no room in the queue, so a full queue cannot hold it up.
            event.or_else(|| {
                self.ended = true;
                Some(Event::Closed(self.closed.get().cloned().unwrap_or(Closed::Dropped)))
            })
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
                Event::Message { from: "Elias".to_owned(), text: "hi".to_owned() },
                r#"{"event":"MESSAGE","from":"Elias","text":"hi"}"#,
            ),
            (
                Event::IncomingConnection { name: "Elias".to_owned() },
                r#"{"event":"INCOMING_CONNECTION","name":"Elias"}"#,
            ),
            (Event::PeerDisconnected, r#"{"event":"PEER_DISCONNECTED"}"#),
            (
                Event::Notice { code: Code::ServerShutdown, detail: None },
                r#"{"event":"NOTICE","code":"SERVER_SHUTDOWN"}"#,
            ),
            (Event::Closed(Closed::MidLine), r#"{"event":"CLOSED","why":"MID_LINE"}"#),
            (
                Event::Closed(Closed::WithCode { code: Code::ServerFull, detail: None }),
                r#"{"event":"CLOSED","why":"WITH_CODE","code":"SERVER_FULL"}"#,
            ),
        ];
        for (event, json) in cases {
            assert_eq!(serde_json::to_string(&event).expect("it serialises"), json);
            assert_eq!(serde_json::from_str::<Event>(json).expect("it parses"), event);
        }
    }
}
