//! Lines of a server that the protocol does not allow.

use std::borrow::Cow;
use std::fmt;

use switchboard_protocol::sanitize;

use crate::diagnostic::{Kind, Severity};

/// The place of a violation: a line of the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ViolationPlace {
    /// Number of the frame with the first byte of the line.
    pub frame: u64,
    /// The client's name, or its address if it has no name yet. Safe to show.
    pub client: String,
}

/// `frame 7, to Noy`
impl fmt::Display for ViolationPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {}, to {}", self.frame, self.client)
    }
}

/// The rules that a line can break. The texts are safe to show. `reply` is the verb of the line. For an error, it is
/// the verb and the code.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts document the variants and their fields")]
pub enum ViolationKind {
    #[error("{reply} answers {request}, but no {request} is pending")]
    Unasked { reply: Cow<'static, str>, request: &'static str },
    #[error("{reply} does not answer {request}, the first pending request")]
    WrongAnswer { reply: Cow<'static, str>, request: &'static str },
    #[error("{reply} for \"{}\", but the client requested \"{}\"", sanitize(name), sanitize(requested))]
    OtherName { reply: Cow<'static, str>, name: String, requested: String },
    #[error("{reply} answers {request}, which never fails with this error")]
    OtherError { reply: Cow<'static, str>, request: &'static str },
    #[error("{reply} before REGISTER_OK: the session has no name yet")]
    NotRegistered { reply: Cow<'static, str> },
    #[error("the server gives the session a second name")]
    RegisteredTwice,
    #[error("{reply} outside a chat: no CONNECT_OK or INCOMING_CONNECTION came before it")]
    NotInChat { reply: Cow<'static, str> },
    #[error("{reply} in a chat: no PEER_DISCONNECTED or DISCONNECT_OK came before it")]
    InChat { reply: Cow<'static, str> },
    #[error("the first line of the server must be WELCOME")]
    NoWelcome,
    #[error("WELCOME again: only the first line of a session is WELCOME")]
    WelcomeTwice,
    #[error("not a server line of this dialect")]
    UnknownLine,
    /// The value is the name in the welcome.
    #[error(
        "a welcome to \"{}\", but the client had sent no name: the welcome answers the end of the stream",
        sanitize(.0)
    )]
    WelcomeToNobody(String),
}

impl Kind for ViolationKind {
    type Place = ViolationPlace;

    fn severity(&self) -> Severity {
        Severity::Error
    }
}
