//! The registered users, their chats, and the routing of messages between them.
//!
//! [`Switchboard`] is a pure value. It takes one [`Event`] of one session at a time, and acts through [`Effects`]. It
//! has no socket, no runtime and no clock, and it does not know the dialects: the caller moves the bytes. The same
//! events always have the same effects.

mod accounts;
mod bans;
mod board;
pub mod change;
mod close_reason;
mod conversation;
mod deadlines;
mod directory;
mod effects;
mod event;
mod identity;
mod ledger;
mod lookalike;
mod members;
mod reads;
mod refusal;
mod session;
mod version2;

pub use board::Switchboard;
pub use close_reason::CloseReason;
pub use effects::{Effects, Fact, Full, StoreEffects};
pub use event::Event;
pub use identity::{IdentityAnswer, IdentityRequest};
pub use reads::{Answer, Query, SENT_KEPT, Ticket};
pub use refusal::Refusal;
pub use session::{InvalidSessionId, Session, SessionId};
pub use version2::{
    AccountSummary, Kicked, Operated, OperatorCommand, OperatorTicket, Position, Quota, RoomLimits, SessionKind,
    SessionSummary, StoredCounts, Version2Settings,
};
