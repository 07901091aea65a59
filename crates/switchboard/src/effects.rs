//! The effects of an event.

use switchboard_protocol::{ErrorCode, IpPrefix, Reply};

use crate::change::{Change, UnixMillis};
use crate::close_reason::CloseReason;
use crate::identity::IdentityRequest;
use crate::reads::{Query, Ticket};
use crate::session::SessionId;
use crate::version2::OperatorTicket;
use crate::version2::Position;

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

    /// Adds encoded lines of version 2 of the protocol to the outbox of `to`. A line for many sessions is encoded once.
    ///
    /// # Errors
    ///
    /// [`Full`] if the lines did not fit. Then no part of them was added.
    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full>;

    /// Ends the connection of a session that the switchboard removes. If `reason` has a [`code`](CloseReason::code),
    /// the client receives an `ERROR` with this code first.
    fn close(&mut self, session: SessionId, reason: CloseReason);

    /// Like [`close`](Effects::close), with words for the person after the code.
    fn close_with_words(&mut self, session: SessionId, reason: CloseReason, _words: &str) {
        self.close(session, reason);
    }

    /// Whether the switchboard passes [`Fact::Delivered`] to [`log`](Effects::log). If not, it saves a look-up of the
    /// reader's name.
    fn logs_messages(&self) -> bool {
        true
    }

    /// Logs a fact. A fact does not change later effects.
    fn log(&mut self, _fact: Fact<'_>) {}
}

/// Performs the further effects of version 2 of the protocol: those of conversations and accounts.
///
/// None of these methods waits. The answers to [`append`](StoreEffects::append), [`read`](StoreEffects::read),
/// [`identify`](StoreEffects::identify), [`notify_of_room`](StoreEffects::notify_of_room) and
/// [`describe_connection`](StoreEffects::describe_connection) come later, as events of the switchboard.
pub trait StoreEffects: Effects {
    /// Whether the outbox of `session` is below its soft mark.
    fn has_room(&self, session: SessionId) -> bool;

    /// Asks for one call of [`outbox_has_room`](crate::Switchboard::outbox_has_room), as soon as
    /// [`has_room`](StoreEffects::has_room) is true. Until then, the core sends this session no records.
    fn notify_of_room(&mut self, session: SessionId);

    /// Reads the next commands of a session again, after [`is_paused`](crate::Switchboard::is_paused) was true.
    fn resume(&mut self, session: SessionId);

    /// Adds a change to the end of the store, and returns its place. Once the store has it,
    /// [`durable`](crate::Switchboard::durable) is called.
    ///
    /// All changes of one call of the switchboard belong together: the store commits all of them or none.
    fn append(&mut self, change: Change) -> Position;

    /// Asks the store. [`answer`](crate::Switchboard::answer) is called once with the answer, also after a failure.
    fn read(&mut self, ticket: Ticket, query: Query);

    /// Asks for a check of an identity. [`identified`](crate::Switchboard::identified) is called with the answer.
    fn identify(&mut self, session: SessionId, request: IdentityRequest);

    /// Asks for the figures of a session's connection, which only the shell knows.
    /// [`connection_described`](crate::Switchboard::connection_described) is called with them.
    fn describe_connection(&mut self, session: SessionId);

    /// The store has the changes of a command of the operator, or they are lost, and their outcome is unknown.
    fn operated(&mut self, _ticket: OperatorTicket, _result: Result<(), ErrorCode>) {}

    /// Ends the sessions whose clients have one of these addresses, which only the shell knows:
    /// [`end_session`](crate::Switchboard::end_session) is called for each of them.
    fn end_addresses(&mut self, _addresses: IpPrefix, _reason: CloseReason, _detail: &str) {}

    /// The time of day.
    fn wall_clock(&self) -> UnixMillis;

    /// 64 random bits.
    fn random(&mut self) -> u64;
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
    /// A session logged in to an account.
    LoggedIn {
        /// The session.
        session: SessionId,
        /// The name of the account, in its owner's spelling.
        name: &'a str,
        /// The name of the device.
        device: &'a str,
    },
    /// A request of version 2 was refused, or failed later.
    Refused {
        /// The code of the `ERROR`.
        code: ErrorCode,
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
        /// The name of the session, if it had one.
        name: Option<&'a str>,
        /// The name of its device, if it was one of an account.
        device: Option<&'a str>,
        /// Why the session ended.
        reason: CloseReason,
    },
}
