//! What a client asks for, whichever dialect it speaks.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::text::Text;
use crate::username::Username;

/// One request to the server. It borrows the line that it was read from; [`Command::into_owned`] cuts it loose.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "command", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Command<'a> {
    /// Take a name.
    Register {
        /// The name, as it is to be shown.
        name: Username,
    },
    /// Open a chat.
    Connect {
        /// Whom with, in any spelling of the name. Not checked: a name that nobody can have is one that nobody has.
        to: Cow<'a, str>,
    },
    /// Say something to the chat.
    Msg {
        /// What.
        text: Text<'a>,
    },
    /// Say something to one user, chat or no chat: what the line dialect does.
    Tell {
        /// Whom to, as in [`Command::Connect`].
        to: Cow<'a, str>,
        /// What.
        text: Text<'a>,
    },
    /// Leave the chat.
    Disconnect,
    /// Ask whether the server is there.
    Ping,
    /// Ask who is registered.
    Who,
}

impl Command<'_> {
    /// The same command, owning its bytes, to cross a channel.
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
