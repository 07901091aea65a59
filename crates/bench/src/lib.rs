//! A load generator for message servers.
//!
//! One thread drives all sessions from one loop, so that a server on another core gets the load of thousands of clients,
//! and what this side costs is known. It speaks any protocol that has a [`Protocol`]. Each message is checked on arrival, and
//! a [`Report`] says what was seen, and what keeps it from meaning more.
//!
//! ```text
//! Pairs, Rate, … ─▶ Run ─▶ Talk (streams: pace, check, latency) ─▶ SessionPool (sockets, one loop) ─▶ Protocol ─▶ server
//! ```
//!
//! `docs/bench.md` says how each workload is measured.

mod client_names;
mod clock;
mod connector;
mod error;
mod faults;
mod latency;
mod latency_recorder;
mod open_files;
mod payload;
mod process;
mod progress;
pub mod protocol;
mod report;
mod run;
mod schedule;
mod session_pool;
mod target;
mod traffic;
mod usage;
mod workload;

pub use error::Error;
pub use faults::Faults;
pub use latency::Latency;
pub use payload::{PAYLOAD_MAX_BYTES, PAYLOAD_MIN_BYTES};
pub use progress::{Phase, Progress};
pub use protocol::Protocol;
pub use report::{ChurnMetrics, IdleMetrics, IsolationMetrics, MessageMetrics, Metrics, Report};
pub use target::Target;
pub use usage::{CpuUsage, ServerUsage};
pub use workload::{Churn, Idle, Isolation, MessageLoad, Pairs, Rate, Timing};
