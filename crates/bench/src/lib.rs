//! A load generator for message servers.
//!
//! One thread drives all sessions in one event loop. A server on another core thus gets the load of thousands of
//! clients, and the processor time of the load generator is known. The load generator works with any protocol that
//! implements [`Protocol`]. It checks each message on arrival. A [`Report`] holds the figures, and notes on figures
//! that are unreliable.
//!
//! ```text
//! Pairs, Rate, … ─▶ Run ─▶ Traffic (streams: pace, check, latency) ─▶ SessionPool (sockets, event loop) ─▶ server
//! ```
//!
//! `docs/bench.md` describes how each workload is measured.

mod client_names;
mod clock;
mod connector;
mod error;
mod faults;
mod latency;
mod latency_recorder;
mod line_client;
mod open_files;
mod payload;
mod process;
mod progress;
pub mod protocol;
mod report;
mod room;
mod run;
mod schedule;
mod session;
mod session_pool;
mod socket;
mod stall_timer;
mod target;
mod traffic;
mod transport;
mod usage;
mod workload;

pub use error::Error;
pub use faults::Faults;
pub use latency::Latency;
pub use progress::{Phase, Progress};
pub use protocol::Protocol;
pub use report::{
    ChurnMetrics, FanoutMetrics, IdleMetrics, IsolationMetrics, MessageMetrics, Metrics, Report, ResumeMetrics,
};
pub use target::Target;
pub use transport::{MessageKind, TlsClient, Transport, WebSocketClient};
pub use usage::{CpuUsage, ServerUsage};
pub use workload::{Churn, Fanout, Idle, Isolation, MessageLoad, Pairs, Rate, Resume, Timing};
