//! Messages and chats, whose requests keep their order.

use switchboard_client::Error;
use switchboard_client::conversations::Session;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::super::event::{LocalId, NetworkEvent};
use super::super::Output;
use super::super::failure::sentence;
use super::requests::reason;

/// A message for a conversation.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) target: String,
    pub(super) text: String,
    pub(super) local: LocalId,
}

/// A request of a chat of version 1.
#[derive(Debug)]
pub(super) enum ChatRequest {
    Begin { name: String },
    Say { name: String, text: String, local: LocalId },
    End,
}

impl ChatRequest {
    /// The request in the words of the protocol.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Begin { name } => format!("CONNECT {name}"),
            Self::Say { .. } => "MSG".to_owned(),
            Self::End => "DISCONNECT".to_owned(),
        }
    }
}

/// Says messages in their order, without a wait for the answer to each.
pub(super) async fn say_in_order(session: Session, mut messages: mpsc::Receiver<Message>, output: Output) {
    let mut answers = JoinSet::new();
    while let Some(Message { target, text, local }) = messages.recv().await {
        match session.queue(&target, &text).await {
            Ok(queued) => {
                let (session, output) = (session.clone(), output.clone());
                answers.spawn(async move {
                    let event = match queued.said().await {
                        Ok(seq) => NetworkEvent::Said { local, seq },
                        Err(error) => not_said(&session, local, &error),
                    };
                    output.send(event).await;
                });
            }
            Err(error) => output.send(refused(local, &error)).await,
        }
        while answers.try_join_next().is_some() {}
    }
    while answers.join_next().await.is_some() {}
}

/// Executes the requests of chats one after the other, because each depends on those before it.
pub(super) async fn chat_in_order(session: Session, mut requests: mpsc::Receiver<ChatRequest>, output: Output) {
    while let Some(request) = requests.recv().await {
        // The news tell of the beginning and the end of a chat.
        let words = request.words();
        let result = match request {
            ChatRequest::Say { name, text, local } => {
                let event = match session.say_in_chat(&name, &text).await {
                    Ok(()) => NetworkEvent::Said { local, seq: 0 },
                    Err(error) => {
                        let is_unknown = matches!(error, Error::OutcomeUnknown { .. });
                        NetworkEvent::NotSaid { local, reason: sentence(&error), is_unknown }
                    }
                };
                output.send(event).await;
                continue;
            }
            ChatRequest::Begin { .. } | ChatRequest::End => session.request(&words).await,
        };
        if let Err(error) = result {
            output.send(NetworkEvent::Refused { request: words, reason: reason(&error) }).await;
        }
    }
}

fn refused(local: LocalId, error: &Error) -> NetworkEvent {
    NetworkEvent::NotSaid { local, reason: sentence(error), is_unknown: false }
}

/// A message that had its place in the session is not stored, or nobody knows.
fn not_said(session: &Session, local: LocalId, error: &Error) -> NetworkEvent {
    let is_unknown = match error {
        Error::OutcomeUnknown { .. } => true,
        // The message of a guest was not sent. That of an account may be stored, or be sent by the next session.
        Error::Ended(_) => !session.is_guest(),
        _ => false,
    };
    NetworkEvent::NotSaid { local, reason: sentence(error), is_unknown }
}
