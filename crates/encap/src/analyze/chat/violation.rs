//! Lines of a server that the protocol does not allow.

use std::borrow::Cow;
use std::fmt;

use switchboard_protocol::sanitize;

use crate::diagnostic::{Diagnostic, Kind, Severity};

/// A line of a server that the protocol does not allow.
pub type Violation = Diagnostic<ViolationKind>;

/// A line of a transcript.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ViolationPlace {
    /// The frame with the first byte of the line.
    pub frame: u64,
    /// The client's name, or its address before it has one; safe to show.
    pub client: String,
}

/// `frame 7, to Noy`
impl fmt::Display for ViolationPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {}, to {}", self.frame, self.client)
    }
}

/// The rules that a line can break. The texts are safe to show.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ViolationKind {
    /// An answer without a pending request.
    #[error("{said} answers {needed}, but no {needed} waits for its answer")]
    Unasked {
        /// The verb of the reply.
        said: Cow<'static, str>,
        /// The request that it would answer.
        needed: &'static str,
    },
    /// An answer to another request than the oldest pending one.
    #[error("{said} does not answer {asked}, which is the first that waits")]
    WrongAnswer {
        /// The verb of the reply.
        said: Cow<'static, str>,
        /// The oldest pending request.
        asked: &'static str,
    },
    /// An answer with another name than the requested one.
    #[error("{said} of \"{}\", but \"{}\" was asked for", sanitize(name), sanitize(asked))]
    OtherName {
        /// The verb of the reply.
        said: Cow<'static, str>,
        /// The name in the reply.
        name: String,
        /// The requested name.
        asked: String,
    },
    /// An error code that the request cannot have.
    #[error("{said} does not answer {asked}: it cannot fail so")]
    OtherError {
        /// The verb of the reply.
        said: Cow<'static, str>,
        /// The request.
        asked: &'static str,
    },
    /// A reply that requires a registered name, before registration.
    #[error("{said} before REGISTER_OK: the session has no name yet")]
    NotRegistered {
        /// The verb of the reply.
        said: Cow<'static, str>,
    },
    /// A second registration.
    #[error("a name is given to a session that has one")]
    RegisteredTwice,
    /// A reply that requires a chat, outside a chat.
    #[error("{said} outside a chat: no CONNECT_OK or INCOMING_CONNECTION came before it")]
    NotInChat {
        /// The verb of the reply.
        said: Cow<'static, str>,
    },
    /// A new chat before the end of the current one.
    #[error("{said} in a chat: PEER_DISCONNECTED or DISCONNECT_OK has to come before it")]
    InChat {
        /// The verb of the reply.
        said: Cow<'static, str>,
    },
    /// A session that begins without `WELCOME`.
    #[error("the first line of a server is WELCOME")]
    NoWelcome,
    /// A `WELCOME` after the first line.
    #[error("WELCOME again: it begins a session")]
    WelcomeTwice,
    /// A line that is no reply of the dialect.
    #[error("no line of a server of this dialect")]
    UnknownLine,
    /// Line dialect: a welcome before the client sent a name.
    #[error("a welcome to \"{}\", but the client had sent no name: it answers the end of the stream", sanitize(.0))]
    WelcomeToNobody(String),
}

impl Kind for ViolationKind {
    type Place = ViolationPlace;

    fn severity(&self) -> Severity {
        Severity::Error
    }
}
