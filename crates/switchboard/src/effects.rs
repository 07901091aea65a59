//! The effects of an event.

use switchboard_protocol::Reply;

use crate::close_reason::CloseReason;
use crate::session::SessionId;

/// Performs the effects that the switchboard decides, in order.
///
/// [`handle`](crate::Switchboard::handle) calls these methods instead of returning a list of effects, for two reasons.
/// A reply is encoded straight from the received line, without a copy. And the result of [`send`](Effects::send)
/// decides the next reply: `MSG_SENT` must not follow a message that found no room.
pub trait Effects {
    /// Adds `reply` to the outbox of `to`.
    ///
    /// # Errors
    ///
    /// [`Full`] if the reply did not fit. Then no part of the reply was added.
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full>;

    /// Ends the connection of a session that the switchboard removes. If `reason` has a [`code`](CloseReason::code),
    /// the client receives an `ERROR` with this code first.
    fn close(&mut self, session: SessionId, reason: CloseReason);

    /// Whether the switchboard passes [`Fact::Delivered`] to [`log`](Effects::log). If not, it saves a look-up of the
    /// reader's name.
    fn logs_messages(&self) -> bool {
        true
    }

    /// Logs a fact. A fact does not change later effects.
    fn log(&mut self, _fact: Fact<'_>) {}
}

/// A session's outbox has no room for a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the outbox of this session is full")]
pub struct Full;

/// An occurrence that the switchboard reports to the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fact<'a> {
    /// A session registered a name.
    Registered {
        /// The session that registered.
        session: SessionId,
        /// The name as its owner spelled it.
        name: &'a str,
    },
    /// A message was added to the outbox of its reader.
    Delivered {
        /// The sender's name.
        from: &'a str,
        /// The reader's name.
        to: &'a str,
        /// The text of the message.
        text: &'a str,
    },
    /// A session was removed.
    Left {
        /// The session that was removed.
        session: SessionId,
        /// The name that becomes free, if the session had registered.
        name: Option<&'a str>,
        /// Why the session ended.
        reason: CloseReason,
    },
}
