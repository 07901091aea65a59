//! The Switchboard server: the tokio shell around [`switchboard_core`].
//!
//! ```text
//! Acceptor ─▶ Connection ─lines─▶ Hub (one lock per turn) ─▶ Switchboard ─replies─▶ Outbox of each receiver
//!                 ▲                                                                       │
//!                 └───────────────── one write per turn and receiver ◀────────────────────┘
//! ```
//!
//! [`run()`] takes its listeners and its shutdown signal as arguments, so that a test or another program can embed a
//! server.

mod acceptor;
mod address_key;
pub mod admin;
mod admission;
mod announcement;
mod buffers;
mod connection;
mod control;
mod hub;
mod identity;
mod invitation;
mod join_code;
mod linger;
mod listener;
mod listener_kind;
pub mod logging;
mod loopback;
mod metrics;
pub mod operator;
pub mod options;
mod outbox;
mod own_address;
mod planned_stop;
mod reader_watch;
mod reload;
mod reply_delay;
mod run;
mod session_pass;
mod set_aside;
mod settings;
mod socket;
mod speaker;
mod stopping;
pub mod systemd;
mod tcp;
mod tcp_info;
mod telemetry;
mod throttle;
pub mod tls;
mod web;
mod wire_figures;

pub use hub::StoreStartError;
pub use listener::{BindError, ListenAddress, Listener};
pub use listener_kind::ListenerKind;
pub use reload::{Reload, Reloaded};
pub use run::{Operations, RunError, Summary, run, run_service, run_with_store};
pub use settings::{InvalidSettings, ON_LINK_PREFIXES_MAX, Settings};
