//! The interface to systemd, or to another service manager with the same interface.
//!
//! ```text
//! systemd ──LISTEN_FDS──────▶ PassedSockets ─▶ Listener
//!    ▲
//!    └──────NOTIFY_SOCKET──── ServiceManager ◀─ ready, reloading, stopping; sessions, signs of life
//! ```
//!
//! Without a service manager, both do nothing.

mod passed_sockets;
mod service_manager;

pub use passed_sockets::{PassedSocketError, PassedSockets};
pub use service_manager::ServiceManager;
