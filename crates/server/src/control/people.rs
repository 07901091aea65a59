//! `KICK`, `ANNOUNCE` and `WHY`: words to people, and ends of their sessions.

use std::fmt::Write as _;

use switchboard_core::Kicked;
use switchboard_protocol::version2::timestamp;

use crate::hub::{Closing, Hub};
use crate::telemetry;

/// Maximum ends that `WHY` lists.
const CLOSINGS_LISTED_MAX: usize = 100;

/// Closes sessions, and returns the answer.
pub(super) fn kick(who: &str, reason: &str, hub: &Hub) -> String {
    match hub.kick(who, reason) {
        Ok(Kicked { name, sessions }) => {
            tracing::info!(target: telemetry::SERVER, who, name, sessions, reason, "operator's command: kick");
            format!("KICK_OK {} {sessions}\n", name.as_deref().unwrap_or("-"))
        }
        Err(code) => {
            tracing::warn!(target: telemetry::SERVER, who, %code, "operator's command refused: kick");
            format!("ERROR {code} {who}: nobody is connected under this name or id: `ctl sessions` lists all\n")
        }
    }
}

/// Tells all sessions of version 2 a text, and returns the answer.
pub(super) async fn announce(text: &str, hub: &Hub) -> String {
    let sessions = hub.announce(text).await;
    tracing::info!(target: telemetry::SERVER, sessions, text, "operator's command: announce");
    format!("ANNOUNCE_OK {sessions}\n")
}

/// Lists the last ends of the sessions of a name, the newest one first.
pub(super) fn why(name: &str, hub: &Hub) -> String {
    let closings = hub.closings_of(name, CLOSINGS_LISTED_MAX);
    let mut lines = String::new();
    for closing in &closings {
        push_closing(closing, &mut lines);
    }
    let _ = writeln!(lines, "WHY_OK {}", closings.len());
    lines
}

/// A line `CLOSING <time> <key>=<value> …`. The reason has no spaces there.
fn push_closing(closing: &Closing, lines: &mut String) {
    let Closing { at, name, device, reason, peer, transport, unsent_bytes } = closing;
    let reason = reason.as_str().replace(' ', "-");
    let _ = write!(lines, "CLOSING {} reason={reason} name={name}", timestamp(at.0));
    if let Some(device) = device {
        let _ = write!(lines, " device={device}");
    }
    if let Some(transport) = transport {
        let _ = write!(lines, " transport={}", transport.word());
    }
    if let Some(peer) = peer {
        let _ = write!(lines, " peer={peer}");
    }
    let _ = writeln!(lines, " unsent_bytes={unsent_bytes}");
}
