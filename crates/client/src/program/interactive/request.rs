//! The requests of an interactive session that are in flight.

use tokio::time::Instant;

use super::super::current_chat::Chat;

/// A request in flight.
pub(super) struct PendingRequest {
    pub(super) kind: RequestKind,
    /// The chat in which the request was sent.
    pub(super) chat: Chat,
    pub(super) sent_at: Instant,
    /// Whether the answer has timed out. The session then accepts further lines.
    pub(super) is_late: bool,
}

impl PendingRequest {
    pub(super) fn new(kind: RequestKind, chat: Chat) -> Self {
        Self { kind, chat, sent_at: Instant::now(), is_late: false }
    }
}

#[derive(PartialEq)]
pub(super) enum RequestKind {
    /// The client's own `PING` after silence. The user does not see it and does not wait for it.
    Probe,
    Message,
    /// A command other than `REGISTER`.
    Command,
    /// A `REGISTER`, with its whole line.
    Register(String),
}

/// Whether `line` begins with the verb `REGISTER`, in upper or lower case.
pub(super) fn is_register(line: &str) -> bool {
    line.split(' ').next().is_some_and(|verb| verb.eq_ignore_ascii_case("REGISTER"))
}
