//! A server's replies, independent of the dialect.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error_code::ErrorCode;

/// One reply to a client. Names and texts are unchecked, because the server may be another program: a client passes
/// them to [`sanitize`](crate::sanitize()) before it displays them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "reply", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reply<'a> {
    /// The greeting: the first line of a session.
    Welcome,
    /// The client has registered.
    RegisterOk {
        /// The client's own name.
        name: Cow<'a, str>,
    },
    /// The client has opened a chat.
    ConnectOk {
        /// The peer's name, in the peer's spelling.
        name: Cow<'a, str>,
    },
    /// Another user has opened a chat with the client.
    IncomingConnection {
        /// The peer's name.
        name: Cow<'a, str>,
    },
    /// A message has arrived.
    From {
        /// The sender's name.
        name: Cow<'a, str>,
        /// The message text.
        text: Cow<'a, str>,
    },
    /// The server has accepted the client's message.
    MsgSent,
    /// The client has left its chat, or was in none.
    DisconnectOk,
    /// The peer has left the chat.
    PeerDisconnected,
    /// The answer to `PING`.
    Pong,
    /// The answer to `WHO`.
    Users {
        /// The registered names, in order of registration.
        names: Users<'a>,
    },
    /// The server has refused a command, or is about to close the session.
    Error {
        /// The reason as a code.
        code: ErrorCode,
        /// The reason as a sentence. If absent, a client shows [`ErrorCode::sentence`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<Cow<'a, str>>,
    },
}

impl From<ErrorCode> for Reply<'_> {
    fn from(code: ErrorCode) -> Self {
        Reply::Error { code, detail: None }
    }
}

impl Reply<'_> {
    /// Copies the borrowed text, so that the reply can be sent across a channel.
    #[must_use]
    pub fn into_owned(self) -> Reply<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Reply::Welcome => Reply::Welcome,
            Reply::RegisterOk { name } => Reply::RegisterOk { name: owned(name) },
            Reply::ConnectOk { name } => Reply::ConnectOk { name: owned(name) },
            Reply::IncomingConnection { name } => Reply::IncomingConnection { name: owned(name) },
            Reply::From { name, text } => Reply::From { name: owned(name), text: owned(text) },
            Reply::MsgSent => Reply::MsgSent,
            Reply::DisconnectOk => Reply::DisconnectOk,
            Reply::PeerDisconnected => Reply::PeerDisconnected,
            Reply::Pong => Reply::Pong,
            Reply::Users { names } => Reply::Users { names: names.into_owned() },
            Reply::Error { code, detail } => Reply::Error { code, detail: detail.map(owned) },
        }
    }
}

/// A list of names in its wire form: separated by commas, which no name contains.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Users<'a>(Cow<'a, str>);

impl<'a> Users<'a> {
    /// Borrows a comma-separated list. An empty string is an empty list.
    #[must_use]
    pub fn from_comma_separated(names: &'a str) -> Self {
        Self(Cow::Borrowed(names))
    }

    /// The names separated by commas, as on the wire.
    #[must_use]
    pub fn as_comma_separated(&self) -> &str {
        &self.0
    }

    /// Copies the borrowed text.
    #[must_use]
    pub fn into_owned(self) -> Users<'static> {
        Users(Cow::Owned(self.0.into_owned()))
    }

    /// Iterates over the names, skipping empty ones.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').filter(|name| !name.is_empty())
    }
}

impl From<Vec<String>> for Users<'_> {
    fn from(names: Vec<String>) -> Self {
        Self(Cow::Owned(names.join(",")))
    }
}

impl From<Users<'_>> for Vec<String> {
    fn from(users: Users<'_>) -> Self {
        users.iter().map(str::to_owned).collect()
    }
}
