//! What a server says, whichever dialect it says it in.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error_code::ErrorCode;

/// One thing said to a client. Names and texts are as the server gave them: a client shows them with care, because the
/// server may be another program than ours.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "reply", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reply<'a> {
    /// The first line of a session.
    Welcome,
    /// The name is yours.
    RegisterOk {
        /// As it is shown.
        name: Cow<'a, str>,
    },
    /// You are in a chat.
    ConnectOk {
        /// With whom, as they spell it.
        name: Cow<'a, str>,
    },
    /// Somebody opened a chat with you.
    IncomingConnection {
        /// Who.
        name: Cow<'a, str>,
    },
    /// Somebody said something.
    From {
        /// Who.
        name: Cow<'a, str>,
        /// What.
        text: Cow<'a, str>,
    },
    /// Your message was taken.
    MsgSent,
    /// You left the chat, or were in none.
    DisconnectOk,
    /// The other side left the chat.
    PeerDisconnected,
    /// The answer to `PING`.
    Pong,
    /// The answer to `WHO`.
    Users {
        /// Who is registered, in order of registration.
        names: Users<'a>,
    },
    /// What you asked for was not done.
    Error {
        /// Why, for a program.
        code: ErrorCode,
        /// More, for a person; where absent, [`ErrorCode::sentence`] says it.
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
    /// The same reply, owning its bytes, to cross a channel.
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
            Reply::Users { names } => Reply::Users { names: Users(owned(names.0)) },
            Reply::Error { code, detail } => Reply::Error { code, detail: detail.map(owned) },
        }
    }
}

/// A list of names, kept as it stands on the wire: parted by commas, which no name holds.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Users<'a>(Cow<'a, str>);

impl<'a> Users<'a> {
    /// The names in `joined`, parted by commas; none where it is empty.
    #[must_use]
    pub fn from_comma_separated(joined: &'a str) -> Self {
        Self(Cow::Borrowed(joined))
    }

    /// The names as they stand on the wire.
    #[must_use]
    pub fn as_comma_separated(&self) -> &str {
        &self.0
    }

    /// The names, one by one.
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
