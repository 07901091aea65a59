//! A load generator for message servers.
//!
//! One thread drives all sessions from one loop, so that a server on another core gets the load of thousands of clients,
//! and what this side costs is known. It speaks any protocol that has a [`Wire`]. Each message is checked on arrival, and
//! a [`Report`] says what was seen, and what keeps it from meaning more.
//!
//! ```text
//! Pairs, Rate, … ─▶ Run ─▶ Talk (streams: pace, check, latency) ─▶ Crowd (sockets, one loop) ─▶ Wire ─▶ server
//! ```
//!
//! `docs/bench.md` says how each workload is measured.

mod clock;
mod crowd;
mod error;
mod faults;
mod files;
mod latency;
mod meter;
mod names;
mod payload;
mod process;
mod progress;
mod report;
mod run;
mod schedule;
mod source;
mod talk;
mod target;
mod times;
pub mod wire;
mod workload;

pub use error::Error;
pub use faults::Faults;
pub use latency::Latency;
pub use meter::{CpuUse, ServerUse};
pub use payload::{PAYLOAD_MAX_BYTES, PAYLOAD_MIN_BYTES};
pub use progress::{Phase, Progress};
pub use report::{ChurnFound, Findings, IdleFound, IsolationFound, Measured, Report};
pub use target::Target;
pub use wire::Wire;
pub use workload::{Churn, Idle, Isolation, Pairs, Rate, Talkers, Timing};
