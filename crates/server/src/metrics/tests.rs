//! The text of the figures.

use std::sync::Arc;

use switchboard_protocol::{Dialect, ReceivedBytes};
use tokio::time::Instant;

use super::text;
use crate::admission::Admission;
use crate::control::{ControlledServer, RunningServer};
use crate::hub::Hub;
use crate::settings::Settings;
use crate::speaker::Speaker;

#[test]
fn figures_follow_the_conventions_and_count_what_happened() {
    let hub = Arc::new(Hub::new(Settings::default()));
    for lines in ["HELLO 2\nREGISTER Noy\nSAY #none hi\n", "REGISTER Elias\nCONNECT Nobody\n", ""] {
        let (id, _) = hub.admit(Dialect::Commands, tokio::io::empty(), Instant::now());
        let mut speaker = Speaker::new(id, Dialect::Commands, hub.settings.line_bytes);
        hub.turn(&mut speaker, &mut ReceivedBytes::new(lines.as_bytes()), usize::MAX, None, None);
    }
    hub.kick("Elias", "").expect("he is connected");
    let running = RunningServer::new(&[], &[], Admission::new(&hub.settings), None);
    let server = ControlledServer { hub, running: Some(Arc::new(running)) };
    let text = text(&server);
    for line in [
        "switchboard_sessions{dialect=\"commands\",kind=\"guest\"} 1",
        "switchboard_sessions{dialect=\"commands\",kind=\"unregistered\"} 1",
        "switchboard_sessions_opened_total 3",
        "switchboard_sessions_ended_total{reason=\"kicked\"} 1",
        "switchboard_refusals_total{code=\"USER_NOT_FOUND\"} 1",
        "switchboard_refusals_total{code=\"ROOM_NOT_FOUND\"} 1",
        "switchboard_refusals_total{code=\"KICKED\"} 1",
        "switchboard_connections_max 10000",
        "switchboard_store_writable 1",
        "switchboard_commit_changes_bucket{le=\"+Inf\"} 0",
        "# TYPE switchboard_commit_duration_seconds histogram",
        "# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    for name in ["Noy", "Elias", "127.0.0.1"] {
        assert!(!text.contains(name), "the figures hold {name}");
    }
}
