//! A load generator for message servers.
//!
//! One thread drives all sessions from one loop, so that a server on another core has the load of a machine's worth of
//! clients, and what this side costs is known. It speaks any protocol that has a [`Wire`]; each message is checked on
//! arrival, and a [`Report`] says what was seen, and what keeps it from meaning more.
//!
//! ```text
//! Pairs ─▶ Talk (streams: pace, check, latency) ─▶ Crowd (sockets, one loop) ─▶ Wire (a protocol) ─▶ server
//! ```

mod clock;
mod crowd;
mod error;
mod faults;
mod files;
mod meter;
mod pairs;
mod payload;
mod process;
mod progress;
mod report;
mod seats;
mod source;
mod talk;
mod target;
pub mod wire;

pub use error::Error;
pub use faults::Faults;
pub use pairs::Pairs;
pub use payload::PAYLOAD_MIN_BYTES;
pub use progress::{Phase, Progress};
pub use report::{GeneratorUse, Latency, Measured, Report, ServerUse};
pub use target::Target;
pub use wire::Wire;
