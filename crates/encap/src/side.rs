//! The two sides of a conversation.

use std::fmt;

/// A side of a conversation.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The side that opened the conversation. If the opening was not captured, the analysis guesses the side.
    Client,
    /// The side that listened.
    Server,
}

impl Side {
    /// The opposite side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// Returns the value of this side first, then the value of the other side.
    pub(crate) fn own_and_other<T>(self, client: T, server: T) -> (T, T) {
        match self {
            Self::Client => (client, server),
            Self::Server => (server, client),
        }
    }

    /// Index into an array by side: 0 for the client, 1 for the server.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}
