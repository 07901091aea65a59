//! Send: rows over real sockets, and the captured frames that carried each row.
//!
//! ```text
//! rows ─▶ Plan: a connection for each pair of apps ─▶ play: sockets ─▶ kernel ─▶ capture
//!                                                       │                         │
//!                                                       └──── stream offsets ──▶ Trace: row ↔ frames
//! ```
//!
//! Rows are not packets: the kernel splits a long row into several segments and may join short ones. So a row is found
//! in the capture by its byte range in the stream of its direction.

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
