//! Rows over real sockets: who sends what when, and which frames the kernel made of it.
//!
//! ```text
//! rows ─▶ Plan: a connection for each pair of apps ─▶ play: sockets ─▶ kernel ─▶ capture
//!                                                       │                         │
//!                                                       └──── what was sent ──▶ Trace: row ↔ frames
//! ```
//!
//! Rows are not packets: the kernel cuts a long row into several segments and may join short ones. A row is found in the
//! capture by where its bytes lie in its direction of its connection.

mod link;
mod links;
mod plan;
mod play;
mod speed;
mod trace;

pub use crate::side::Side;
pub use plan::{CONNECTIONS_MAX, Choices, Connection, Item, PLAY_MAX, Plan, PlanError, ROWS_MAX_BYTES, weight};
pub use play::{Options, Outcome, Played, Target, play};
pub use speed::{Speed, SpeedError};
pub use trace::{Bare, Carried, Piece, Trace};
