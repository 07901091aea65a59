//! The registered users, their chats, and the routing of messages between them.
//!
//! [`Switchboard`] is a pure value. It takes one [`Event`] of one session at a time, and acts through [`Effects`]. It
//! has no socket, no runtime and no clock, and it does not know the dialects: the caller moves the bytes. The same
//! events always have the same effects.

mod board;
pub mod change;
mod close_reason;
mod deadlines;
mod directory;
mod effects;
mod event;
mod lookalike;
mod refusal;
mod session;

pub use board::Switchboard;
pub use close_reason::CloseReason;
pub use effects::{Effects, Fact, Full};
pub use event::Event;
pub use refusal::Refusal;
pub use session::{Session, SessionId};
