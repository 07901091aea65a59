//! The request of a chat in a room that is in flight.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use switchboard_client::Error;
use switchboard_client::conversations::Session;
use tokio::time::Instant;

/// A request in flight.
pub(super) struct PendingRequest {
    pub(super) kind: RequestKind,
    answer: Pin<Box<dyn Future<Output = Result<Answer, Error>>>>,
    pub(super) sent_at: Instant,
    /// Whether the user knows that the answer is late.
    pub(super) is_late: bool,
    /// Whether the record of the line has come.
    pub(super) has_echo: bool,
}

#[derive(Clone)]
pub(super) enum RequestKind {
    /// A line for the room.
    Say(String),
    /// A direct message.
    Write {
        name: String,
        text: String,
    },
    Who,
    Ping,
    /// Ends the membership in the room.
    Leave,
}

/// The answer to a request.
pub(super) enum Answer {
    /// The server has stored the message as the record of this number.
    Stored(u64),
    /// The names that are connected to the server.
    Users(Vec<String>),
    /// The time until the answer.
    Pong(Duration),
    Left,
}

impl PendingRequest {
    /// Sends a request in the room `target`, once [`answer`] is polled.
    pub(super) fn new(kind: RequestKind, session: &Session, target: &str) -> Self {
        let (session, target, request) = (session.clone(), target.to_owned(), kind.clone());
        let answer = Box::pin(async move {
            Ok(match request {
                RequestKind::Say(text) => Answer::Stored(session.say(&target, &text).await?),
                RequestKind::Write { name, text } => Answer::Stored(session.say(&name, &text).await?),
                RequestKind::Who => Answer::Users(session.who().await?),
                RequestKind::Ping => Answer::Pong(session.ping().await?),
                RequestKind::Leave => session.leave(&target).await.map(|_| Answer::Left)?,
            })
        });
        Self { kind, answer, sent_at: Instant::now(), is_late: false, has_echo: false }
    }
}

/// Waits for the answer to `request`, or forever if there is none.
pub(super) async fn answer(request: &mut Option<PendingRequest>) -> Result<Answer, Error> {
    match request {
        Some(request) => request.answer.as_mut().await,
        None => pending().await,
    }
}
