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
    /// The frame that brought the first byte of the line.
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
    /// An answer to nothing.
    #[error("{said} answers {needed}, but no {needed} waits for its answer")]
    Unasked {
        /// What was said.
        said: Cow<'static, str>,
        /// What it would answer.
        needed: &'static str,
    },
    /// An answer to something else.
    #[error("{said} does not answer {asked}, which is the first that waits")]
    WrongAnswer {
        /// What was said.
        said: Cow<'static, str>,
        /// What waits.
        asked: &'static str,
    },
    /// An answer about another name.
    #[error("{said} of \"{}\", but \"{}\" was asked for", sanitize(name), sanitize(asked))]
    OtherName {
        /// What was said.
        said: Cow<'static, str>,
        /// The name in it.
        name: String,
        /// The name that was asked for.
        asked: String,
    },
    /// An error that what was asked cannot have.
    #[error("{said} does not answer {asked}: it cannot fail so")]
    OtherError {
        /// What was said.
        said: Cow<'static, str>,
        /// What was asked.
        asked: &'static str,
    },
    /// Before the name was taken.
    #[error("{said} before REGISTER_OK: the session has no name yet")]
    NotRegistered {
        /// What was said.
        said: Cow<'static, str>,
    },
    /// A second name.
    #[error("a name is given to a session that has one")]
    RegisteredTwice,
    /// Outside a chat.
    #[error("{said} outside a chat: no CONNECT_OK or INCOMING_CONNECTION came before it")]
    NotInChat {
        /// What was said.
        said: Cow<'static, str>,
    },
    /// A chat in a chat.
    #[error("{said} in a chat: PEER_DISCONNECTED or DISCONNECT_OK has to come before it")]
    InChat {
        /// What was said.
        said: Cow<'static, str>,
    },
    /// A session that does not begin as it has to.
    #[error("the first line of a server is WELCOME")]
    NoWelcome,
    /// A welcome in the middle.
    #[error("WELCOME again: it begins a session")]
    WelcomeTwice,
    /// A line of a server that is none.
    #[error("no line of a server of this dialect")]
    UnknownLine,
    /// An answer to a name that was not sent.
    #[error("a welcome to \"{}\", but the client had sent no name: it answers the end of the stream", sanitize(.0))]
    WelcomeToNobody(String),
}

impl Kind for ViolationKind {
    type Place = ViolationPlace;

    fn severity(&self) -> Severity {
        Severity::Error
    }
}
