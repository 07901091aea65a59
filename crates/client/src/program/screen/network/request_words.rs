//! A request in the words of the protocol, and the event of its failure.

use super::super::event::{NetworkEvent, Request};

/// The verbs whose arguments are secrets.
const SECRET_VERBS: [&str; 4] = ["CLAIM", "LOGIN", "PASSWD", "PROVE"];

impl Request {
    /// Returns the request in the words of the protocol, without secrets.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Open { target, joins: true } => format!("JOIN {target}"),
            Self::Open { target, joins: false } => format!("OPEN {target}"),
            Self::Close { target } => format!("CLOSE {target}"),
            Self::Older { target, before, count } => format!("HISTORY {target} {before} {count}"),
            Self::Say { target, .. } => format!("SAY {target}"),
            Self::Read { target, seq } => format!("READ {target} {seq}"),
            Self::Members { target } => format!("MEMBERS {target}"),
            Self::Readers { target, seq } => format!("READERS {target} {seq}"),
            Self::Search { target, words } => format!("SEARCH {} {words}", target.as_deref().unwrap_or("*")),
            Self::Rooms => "ROOMS".to_owned(),
            Self::Who => "WHO".to_owned(),
            Self::Leave { target } => format!("LEAVE {target}"),
            Self::BeginChat { name } => format!("CONNECT {name}"),
            Self::SayInChat { .. } => "MSG".to_owned(),
            Self::EndChat => "DISCONNECT".to_owned(),
            Self::Line { line, .. } => line_words(line),
            Self::LogIn { name, .. } => format!("LOGIN {name}"),
            Self::Claim { .. } => "CLAIM".to_owned(),
            Self::Rename { name } => format!("REGISTER {name}"),
            Self::ConnectNow => "connect".to_owned(),
        }
    }

    /// The event that says that the request has failed. `None`: the request has no answer.
    pub(crate) fn refused(self, reason: String) -> Option<NetworkEvent> {
        Some(match self {
            Self::Say { local, .. } | Self::SayInChat { local, .. } => {
                NetworkEvent::NotSaid { local, reason, is_unknown: false }
            }
            Self::Open { target, .. } => NetworkEvent::Closed { target, reason },
            Self::Close { .. } | Self::Read { .. } | Self::ConnectNow => return None,
            request => NetworkEvent::Refused { request: request.words(), reason },
        })
    }
}

/// The verb of a line and its first argument.
fn line_words(line: &str) -> String {
    let mut words = line.split_whitespace();
    let verb = words.next().unwrap_or_default().to_ascii_uppercase();
    match words.next() {
        Some(argument) if !SECRET_VERBS.contains(&&*verb) => format!("{verb} {argument}"),
        _ => verb,
    }
}

#[cfg(test)]
mod tests {
    use switchboard_client::conversations::Secret;

    use super::super::super::conversation_id::ConversationId;
    use super::*;

    #[test]
    fn the_words_of_a_request_have_no_secret() {
        let line = |line: &str| Request::Line { line: line.to_owned(), shown_in: ConversationId::Server };
        let password = || Secret::new("hunter2");
        let cases = [
            (line("invite #lab Elias"), "INVITE #lab"),
            (line("WIRE"), "WIRE"),
            (line("passwd password hunter2"), "PASSWD"),
            (line("LOGIN Noy main password hunter2"), "LOGIN"),
            (Request::LogIn { name: "Noy".to_owned(), password: password() }, "LOGIN Noy"),
            (Request::Claim { password: password() }, "CLAIM"),
            (Request::Search { target: None, words: "cats".to_owned() }, "SEARCH * cats"),
        ];
        for (request, expected) in cases {
            assert_eq!(request.words(), expected);
            assert!(matches!(request, Request::Line { .. }) || !format!("{request:?}").contains("hunter2"));
        }
    }
}
