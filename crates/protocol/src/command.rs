//! A client's requests, independent of the dialect.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::text::Text;
use crate::username::Username;

/// One request to the server. Its strings may borrow from the received line; [`Command::into_owned`] copies them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "command", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Command<'a> {
    /// Registers a name.
    Register {
        /// The name as other users see it.
        name: Username,
    },
    /// Opens a chat with another user.
    Connect {
        /// The other user's name, in any spelling. The parser does not check it: an invalid name is not found, because
        /// no user has one.
        to: Cow<'a, str>,
    },
    /// Sends a message to the peer of the chat.
    Msg {
        /// The checked message text.
        text: Text<'a>,
    },
    /// Sends a message to one user, without a chat. Only the line dialect has this command.
    Tell {
        /// The receiver's name, in any spelling and unchecked as in [`Command::Connect`].
        to: Cow<'a, str>,
        /// The checked message text.
        text: Text<'a>,
    },
    /// Leaves the chat.
    Disconnect,
    /// Asks for a `PONG`, to check that the server answers.
    Ping,
    /// Asks for the list of registered users.
    Who,
}

impl Command<'_> {
    /// Copies the borrowed text, so that the command can be sent across a channel.
    #[must_use]
    pub fn into_owned(self) -> Command<'static> {
        match self {
            Command::Register { name } => Command::Register { name },
            Command::Connect { to } => Command::Connect { to: Cow::Owned(to.into_owned()) },
            Command::Msg { text } => Command::Msg { text: text.into_owned() },
            Command::Tell { to, text } => Command::Tell { to: Cow::Owned(to.into_owned()), text: text.into_owned() },
            Command::Disconnect => Command::Disconnect,
            Command::Ping => Command::Ping,
            Command::Who => Command::Who,
        }
    }
}
