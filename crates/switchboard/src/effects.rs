//! What the switchboard wants done.

use switchboard_protocol::Reply;

use crate::close_reason::CloseReason;
use crate::session::SessionId;

/// Does what the switchboard decides, in the order in which it decides it.
///
/// This is an argument of [`handle`](crate::Switchboard::handle) rather than a list that it returns, for two reasons: a
/// reply is encoded straight from the line that caused it, and whether it found room is an answer that decides what is
/// said next. A `MSG_SENT` for a message that found no room would be a lie.
pub trait Effects {
    /// Adds `reply` to what waits for `to`. [`Full`] means that nothing of it was kept.
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full>;

    /// Ends the connection of a session that the switchboard takes off the board. Nothing is sent to it any more.
    fn close(&mut self, session: SessionId, reason: CloseReason);

    /// Whether [`note`](Effects::note) is to hear of each message. Where not, no reader's name is looked up for it.
    fn logs_messages(&self) -> bool {
        true
    }

    /// Hears what happened, for a log. Nothing depends on it.
    fn log(&mut self, _fact: Fact<'_>) {}
}

/// What waits for a session has reached its bound.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("what waits for this session has reached its bound")]
pub struct Full;

/// Something that happened, for a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fact<'a> {
    /// A session took a name.
    Registered {
        /// Which.
        session: SessionId,
        /// Its name.
        name: &'a str,
    },
    /// A message joined what waits for its reader.
    Delivered {
        /// The author's name.
        from: &'a str,
        /// The reader's name.
        to: &'a str,
        /// The message.
        text: &'a str,
    },
    /// A session is off the board.
    Left {
        /// Which.
        session: SessionId,
        /// Its name, if it took one.
        name: Option<&'a str>,
        /// Why.
        reason: CloseReason,
    },
}
