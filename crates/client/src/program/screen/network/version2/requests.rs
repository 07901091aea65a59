//! Requests that have one answer.

use switchboard_client::Error;
use switchboard_client::conversations::{Session, TaggedReply};

use super::super::super::event::{NetworkEvent, Request};
use super::super::Output;
use super::super::failure::sentence;
use super::Done;

/// Sends a request, and passes on its answer.
pub(super) async fn execute(request: Request, session: Session, output: Output) -> Done {
    let words = request.words();
    match answer(request, &session).await {
        Ok(Answer::Event(event)) => output.send(event).await,
        Ok(Answer::Left(target)) => return Done::Left(target),
        Ok(Answer::Nothing) => {}
        Err(error) => output.send(NetworkEvent::Refused { request: words, reason: reason(&error) }).await,
    }
    Done::Nothing
}

enum Answer {
    Event(NetworkEvent),
    Left(String),
    Nothing,
}

async fn answer(request: Request, session: &Session) -> Result<Answer, Error> {
    Ok(Answer::Event(match request {
        Request::Older { target, before, count } => {
            let items = session.history(&target, before, count).await?;
            NetworkEvent::Older { target, before, items }
        }
        Request::Read { target, seq } => {
            // The marker moves again with the next record.
            let _ = session.read(&target, seq).await;
            return Ok(Answer::Nothing);
        }
        Request::Members { target } => {
            let members = session.members(&target).await?;
            NetworkEvent::Members { target, members }
        }
        Request::Readers { target, seq } => {
            let names = session.readers(&target, seq).await?.names;
            NetworkEvent::Readers { target, seq, names }
        }
        Request::Search { target, words } => {
            let found = session.search(target.as_deref(), &words).await?;
            NetworkEvent::Found { target, words, items: found.items, has_more: found.has_more }
        }
        Request::Rooms => NetworkEvent::Rooms(session.rooms().await?),
        Request::Who => NetworkEvent::Users(session.who().await?),
        Request::Leave { target } => {
            session.leave(&target).await?;
            return Ok(Answer::Left(target));
        }
        Request::Line { line, shown_in } => {
            let lines = session.request(&line).await?.iter().map(to_text).collect();
            NetworkEvent::Answer { shown_in, lines }
        }
        // The session itself handles them.
        Request::Open { .. }
        | Request::Close { .. }
        | Request::Say { .. }
        | Request::BeginChat { .. }
        | Request::SayInChat { .. }
        | Request::EndChat
        | Request::LogIn { .. }
        | Request::Claim { .. }
        | Request::Rename { .. }
        | Request::ConnectNow => return Ok(Answer::Nothing),
    }))
}

/// A reply as a line of the protocol, without its LF.
fn to_text(reply: &TaggedReply<'_>) -> String {
    let mut bytes = Vec::new();
    reply.encode(&mut bytes);
    String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()
}

/// The reason of an error, for a user who types commands.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::ChangesSession { verb: "CONNECT", .. } => {
            "it is a conversation that lasts: /join enters a room, and /msg writes to a person.".to_owned()
        }
        Error::ChangesSession { verb, .. } => {
            format!(
                "{verb} is not sent as you type it, because the chat depends on its effect. /help shows the commands."
            )
        }
        error => sentence(error),
    }
}
