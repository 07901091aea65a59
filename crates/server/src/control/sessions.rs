//! `SESSIONS`: all sessions, one a line.

use std::fmt::Write as _;
use std::io;

use switchboard_core::SessionSummary;
use switchboard_protocol::Dialect;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use crate::hub::{Hub, SessionRow};

/// Writes a line for each session, and then their number.
pub(super) async fn list(stream: &mut UnixStream, hub: &Hub) -> io::Result<()> {
    let (mut count, mut last) = (0_u64, None);
    loop {
        let rows = hub.session_rows_after(last);
        let Some(end) = rows.last() else { break };
        last = Some(end.id);
        count += rows.len() as u64;
        let uptime = hub.started.elapsed().as_secs();
        let mut lines = String::new();
        for row in &rows {
            push_line(row, uptime, &mut lines);
        }
        stream.write_all(lines.as_bytes()).await?;
    }
    stream.write_all(format!("SESSIONS_OK {count}\n").as_bytes()).await
}

/// A line `SESSION <id> <key>=<value> …`. A value that the session does not have is left out.
fn push_line(row: &SessionRow, uptime_seconds: u64, lines: &mut String) {
    let SessionRow { id, summary, outbox } = row;
    let SessionSummary { name, is_version2, account, lag } = summary;
    let _ = write!(lines, "SESSION {id}");
    if let Some(name) = name {
        let _ = write!(lines, " name={name}");
    }
    if let Some((account, device)) = account {
        let _ = write!(lines, " account={} device={device}", account.0);
    }
    let dialect = match outbox.dialect() {
        Dialect::Commands => "commands",
        Dialect::Line => "line",
    };
    let _ = write!(lines, " dialect={dialect} version={}", if *is_version2 { 2 } else { 1 });
    if let Some(transport) = outbox.transport() {
        let _ = write!(lines, " transport={}", transport.word());
        if let Some(peer) = transport.peer() {
            let _ = write!(lines, " peer={peer}");
        }
    }
    let open = uptime_seconds.saturating_sub(outbox.opened_seconds().into());
    let _ = write!(lines, " open_s={open}");
    if let Some(idle) = outbox.idle() {
        let _ = write!(lines, " idle_s={}", idle.as_secs());
    }
    let _ = writeln!(lines, " outbox_bytes={} lag={lag}", outbox.unsent_bytes());
}
