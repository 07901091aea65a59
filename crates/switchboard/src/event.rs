//! What happens to a session, as far as the switchboard is concerned.

use switchboard_protocol::Command;

use crate::close_reason::CloseReason;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// It is ready to be spoken to.
    Opened,
    /// It asked for something.
    Command(Command<'a>),
    /// Its connection is over.
    Closed(CloseReason),
}
