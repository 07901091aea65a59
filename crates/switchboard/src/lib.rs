//! Who is here, and who hears what.
//!
//! [`Switchboard`] is a pure value: one [`Event`] of one session goes in, and what must be done about it comes out
//! through [`Effects`]. It knows no socket, no runtime, no clock and neither dialect; a shell around it moves the bytes.
//! Same events, same effects, whatever the hour.

mod board;
mod close_reason;
mod deadlines;
mod directory;
mod effects;
mod event;
mod refusal;
mod session;

pub use board::Switchboard;
pub use close_reason::CloseReason;
pub use effects::{Effects, Fact, Full};
pub use event::Event;
pub use refusal::Refusal;
pub use session::SessionId;
