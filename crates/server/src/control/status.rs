//! `STATUS`: the state of the server, one fact a line.

use std::fmt::Write as _;

use switchboard_core::{SessionKind, StoredCounts};

use super::{ControlledServer, RunningServer};
use crate::tls::Tls;

/// The answer: lines `STATUS <fact>=<value>`, and `STATUS_OK`.
pub(super) fn answer(server: &ControlledServer, running: &RunningServer) -> String {
    let hub = &server.hub;
    let sessions = hub.session_counts();
    let StoredCounts { accounts, rooms, directs } = hub.stored_counts();
    let mut lines = String::new();
    let mut fact = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(lines, "STATUS {name}={value}");
    };
    fact("version", &env!("SWITCHBOARD_VERSION"));
    fact("uptime_s", &hub.started.elapsed().as_secs());
    if let Some(remaining) = running.planned_stop.remaining() {
        fact("stops_in_s", &remaining.as_secs());
    }
    fact("connections", &running.admission.sessions());
    fact("connections_max", &hub.settings.max_sessions);
    for (name, kind) in [
        ("sessions_account", SessionKind::Account),
        ("sessions_guest", SessionKind::Guest),
        ("sessions_unregistered", SessionKind::Unregistered),
    ] {
        fact(name, &sessions.of_kind(kind));
    }
    fact("outbox_bytes", &sessions.unsent_bytes);
    let ended = hub.ended_sessions().filter(|(_, count)| *count > 0);
    let ended: Vec<_> = ended.map(|(reason, count)| format!("{count} {reason}")).collect();
    fact("ended", &ended.join(", "));
    fact("accounts", &accounts);
    fact("rooms", &rooms);
    fact("directs", &directs);
    fact("records", &hub.stored_records());
    match hub.store_failure() {
        None => fact("store", &"writable"),
        Some(failure) => fact("store", &failure),
    }
    for listener in &running.listeners {
        fact("listener", &format_args!("{} {}", listener.service, listener.address));
    }
    if let Some(days) = running.tls.as_ref().and_then(Tls::days_left) {
        fact("tls_days_left", &days);
    }
    lines + "STATUS_OK\n"
}
