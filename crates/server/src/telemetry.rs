//! What is written down about what happens.
//!
//! Each line is a `tracing` event with its own fields, so that one list of events serves structured logs and the
//! console lines of [`logging`](crate::logging) alike.

use std::net::SocketAddr;

use switchboard_core::{Fact, SessionId};
use switchboard_protocol::{Dialect, sanitize};

/// The `tracing` target of messages, apart from the rest, because they are many and private.
pub(crate) const MESSAGES: &str = "switchboard::messages";

/// The `tracing` target of what happens to the server itself.
pub(crate) const SERVER: &str = "switchboard::server";

/// The `tracing` target of what happens to sessions.
pub(crate) const SESSIONS: &str = "switchboard::sessions";

pub(crate) fn listening(dialect: Dialect, address: SocketAddr) {
    tracing::info!(target: SERVER, %dialect, %address, "listening");
}

pub(crate) fn opened(session: SessionId, dialect: Dialect, peer: SocketAddr) {
    tracing::info!(target: SESSIONS, ?session, %dialect, %peer, "opened");
}

/// Whether anybody hears of messages: asked once for many of them.
pub(crate) fn logs_messages() -> bool {
    tracing::enabled!(target: MESSAGES, tracing::Level::DEBUG)
}

pub(crate) fn log(fact: Fact<'_>, with_text: bool) {
    match fact {
        Fact::Delivered { from, to, text } if with_text => {
            // A message may hold what steers a terminal's direction of writing, and a log is read on one.
            tracing::debug!(target: MESSAGES, from, to, bytes = text.len(), text = &*sanitize(text), "message");
        }
        Fact::Delivered { from, to, text } => {
            tracing::debug!(target: MESSAGES, from, to, bytes = text.len(), "message");
        }
        Fact::Registered { session, name } => tracing::info!(target: SESSIONS, ?session, name, "registered"),
        Fact::Left { session, name, reason } => tracing::info!(target: SESSIONS, ?session, name, why = %reason, "left"),
    }
}
