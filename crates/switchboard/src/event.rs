//! The events of a session.

use switchboard_protocol::Command;

use crate::close_reason::CloseReason;

/// An event of one session, for [`handle`](crate::Switchboard::handle).
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The session can receive replies.
    Opened,
    /// The session sent a command.
    Command(Command<'a>),
    /// The connection has ended.
    Closed(CloseReason),
}
