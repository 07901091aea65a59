//! Passes on the news of a session.

use switchboard_client::conversations::{News, NewsReceiver, Session};

use super::super::super::event::NetworkEvent;
use super::super::Output;

/// Passes on news until the session ends.
pub(super) async fn forward(session: Session, mut news: NewsReceiver, output: Output) {
    while let Some(news) = news.next().await {
        let event = match news {
            News::Conversation(info) => NetworkEvent::Conversation(info),
            News::ReadMoved { target, seq } => NetworkEvent::ReadMoved { target, seq },
            News::Came { name } => NetworkEvent::Came(name),
            News::Gone { name } => NetworkEvent::Gone(name),
            News::Notice { text } => NetworkEvent::Notice(text),
            News::Invited(record) => NetworkEvent::Invited { room: record.target, by: record.author },
            News::ChatBegan { name, is_incoming } => NetworkEvent::ChatBegan { name, is_incoming },
            News::ChatMessage { name, text } => NetworkEvent::ChatMessage { name, text },
            News::ChatEnded { by_peer } => NetworkEvent::ChatEnded { by_peer },
            News::Missed { count } => {
                output.send(NetworkEvent::Missed { count }).await;
                list(&session, &output).await;
                continue;
            }
            _ => continue,
        };
        output.send(event).await;
    }
}

/// Lists the users, and the conversations of an account.
pub(super) async fn list(session: &Session, output: &Output) {
    if !session.is_guest()
        && let Ok(conversations) = session.conversations().await
    {
        output.send(NetworkEvent::Conversations(conversations)).await;
    }
    if let Ok(names) = session.who().await {
        output.send(NetworkEvent::Users(names)).await;
    }
}
