//! The `tracing` events of the server.
//!
//! Events carry fields rather than text, so that structured logs and the console lines of [`logging`](crate::logging)
//! use the same events.

use std::net::SocketAddr;
use std::path::Path;

use switchboard_core::{Fact, SessionId};
use switchboard_protocol::{Dialect, ErrorCode, sanitize};
use switchboard_store::StoreError;

/// Target of the events of messages. It is separate, because messages are many and private.
pub(crate) const MESSAGES: &str = "switchboard::messages";

/// Target of the events of the server itself.
pub(crate) const SERVER: &str = "switchboard::server";

/// Target of the events of sessions.
pub(crate) const SESSIONS: &str = "switchboard::sessions";

pub(crate) fn listening(dialect: Dialect, address: SocketAddr) {
    tracing::info!(target: SERVER, %dialect, %address, "listening");
}

/// `key`: the hash of the key by which clients recognize this server.
pub(crate) fn listening_with_tls(dialect: Dialect, address: SocketAddr, key: &str) {
    tracing::info!(target: SERVER, %dialect, %address, key, "listening");
}

/// `is_encrypted`: clients may use HTTPS.
pub(crate) fn listening_for_web(address: SocketAddr, is_encrypted: bool) {
    let web = if is_encrypted && !address.ip().is_loopback() { "https" } else { "http" };
    tracing::info!(target: SERVER, web, %address, "listening");
}

pub(crate) fn listening_for_monitoring(address: SocketAddr) {
    tracing::info!(target: SERVER, %address, "listening for monitoring");
}

/// `name`: the name under which clients on the local network find this server.
pub(crate) fn announced(name: &str, port: u16) {
    tracing::info!(target: SERVER, name, port, "announced on the local network");
}

/// The service manager does not know the state of the server, and may restart it.
pub(crate) fn not_reported(error: &std::io::Error) {
    tracing::warn!(target: SERVER, %error, "the service manager gets no report");
}

/// Another server has the announced name.
pub(crate) fn announced_name_changed(name: &str) {
    tracing::info!(target: SERVER, name = %sanitize(name), "announced under another name: the first one is taken");
}

pub(crate) fn not_announced(reason: &str) {
    tracing::warn!(target: SERVER, reason, "not announced on the local network");
}

pub(crate) fn opened(session: SessionId, dialect: Dialect, peer: SocketAddr) {
    tracing::info!(target: SESSIONS, %session, %dialect, %peer, "opened");
}

pub(crate) fn handshake_failed(peer: SocketAddr, error: &std::io::Error) {
    tracing::info!(target: SESSIONS, %peer, %error, "no TLS handshake");
}

pub(crate) fn proxy_failed(proxy: SocketAddr, error: &std::io::Error) {
    tracing::warn!(target: SESSIONS, %proxy, %error, "a trusted proxy does not name its client");
}

/// Logs a session that is closed because the server refuses its first line. `name`: what it asked for.
pub(crate) fn refused(session: SessionId, code: ErrorCode, name: &str) {
    tracing::info!(target: SESSIONS, %session, %code, name, "refused");
}

/// Logs a login that was refused. `account`: a valid name, if the client gave one. `unlogged`: failures since the last of
/// these lines that are not logged.
pub(crate) fn login_failed(peer: Option<SocketAddr>, account: Option<&str>, proof: &str, why: &str, unlogged: u64) {
    let peer = peer.map(tracing::field::display);
    tracing::info!(target: SESSIONS, peer, account, proof, why, unlogged, "login failed");
}

/// A new directory has no accounts: an operator who expects some has named the wrong one.
pub(crate) fn store_opened(data: &Path, accounts: usize, conversations: usize) {
    tracing::info!(target: SERVER, data = %data.display(), accounts, conversations, "store opened");
}

pub(crate) fn store_failed(error: &StoreError) {
    tracing::error!(target: SERVER, %error, "the store takes no changes: clients hear that, and everything else goes on");
}

pub(crate) fn store_writable() {
    tracing::info!(target: SERVER, "the store takes changes again");
}

pub(crate) fn store_read_failed(error: &StoreError) {
    tracing::error!(target: SERVER, %error, "the store could not be read");
}

pub(crate) fn store_maintenance_failed(error: &StoreError) {
    tracing::warn!(target: SERVER, %error, "the store could not index words, or remove old text: it tries again");
}

/// Logs a connection that gets no session.
pub(crate) fn rejected(peer: SocketAddr, code: ErrorCode) {
    tracing::info!(target: SESSIONS, %peer, %code, "rejected");
}

/// Logs a fact of the switchboard. `logs_text`: a message is logged with its text, and not only with its length.
pub(crate) fn log(fact: Fact<'_>, logs_text: bool) {
    match fact {
        Fact::Delivered { from, to, text } if logs_text => {
            // A message may hold bidi controls, which would change the direction of text on the reader's terminal.
            tracing::debug!(target: MESSAGES, from, to, bytes = text.len(), text = &*sanitize(text), "message");
        }
        Fact::Delivered { from, to, text } => {
            tracing::debug!(target: MESSAGES, from, to, bytes = text.len(), "message");
        }
        Fact::Registered { session, name } => tracing::info!(target: SESSIONS, %session, name, "registered"),
        Fact::LoggedIn { .. } | Fact::Refused { .. } => {}
        Fact::Left { session, name, reason, .. } => {
            tracing::info!(target: SESSIONS, %session, name, why = %reason, "left");
        }
    }
}
