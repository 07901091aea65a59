//! Sends rows over real sockets, and finds the captured frames that carried each row.
//!
//! ```text
//! rows ─▶ SendPlan: a connection for each pair of apps ─▶ play: sockets ─▶ kernel ─▶ capture
//!                                                           │                           │
//!                                                           └──── stream offsets ─▶ Trace: row ↔ frames
//! ```
//!
//! Rows are not packets: the kernel splits a long row into several segments and may join short rows. So [`Trace`] finds
//! a row by its byte range in the stream of its sender.

mod link_set;
mod plan;
mod play;
mod socket_link;
mod speed;
mod trace;

pub use crate::side::Side;
pub use plan::{
    CONNECTIONS_MAX, Connection, PLAY_MAX, PlanError, PlanOptions, PlannedRow, ROWS_MAX_BYTES, SendPlan, weight,
};
pub use play::{PlayOptions, PlayResult, RowOutcome, Target, play};
pub use speed::{Speed, SpeedError};
pub use trace::{BareFrames, RowPiece, StreamFrames, Trace};
