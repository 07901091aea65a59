//! `DRAIN`: announces the end of the server, and plans it.

use std::time::Duration;

use tokio::time::Instant;

use super::running::RunningServer;
use crate::hub::Hub;
use crate::telemetry;

/// Maximum time until the end, in seconds: a day.
const DELAY_MAX_SECONDS: u64 = 24 * 60 * 60;

/// A command for the end of the server.
#[derive(Debug)]
pub(super) enum DrainRequest {
    /// Stop after this time. People hear the text, or a sentence of the server.
    Stop { seconds: u64, text: String },
    /// Go on.
    Cancel,
}

impl DrainRequest {
    /// The form of the rest of the line.
    pub(super) const FORM: &str = "<seconds> [<text>], of at most 86400 seconds, or OFF to go on";

    pub(super) fn parse(rest: &str) -> Option<Self> {
        if rest == "OFF" {
            return Some(Self::Cancel);
        }
        let (seconds, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let seconds = seconds.parse().ok().filter(|&seconds| seconds <= DELAY_MAX_SECONDS)?;
        Some(Self::Stop { seconds, text: text.trim().to_owned() })
    }

    /// Carries out the command, and returns the answer.
    pub(super) async fn answer(self, hub: &Hub, running: &RunningServer) -> String {
        match self {
            Self::Stop { seconds, text } => {
                let text = if text.is_empty() { sentence(seconds) } else { text };
                let sessions = hub.announce(&text).await;
                running.planned_stop.plan(Some(Instant::now() + Duration::from_secs(seconds)));
                tracing::info!(target: telemetry::SERVER, sessions, seconds, text, "operator's command: drain");
                format!("DRAIN_OK {sessions} {seconds}\n")
            }
            Self::Cancel if running.planned_stop.plan(None).is_some() => {
                let sessions = hub.announce("The server goes on.").await;
                tracing::info!(target: telemetry::SERVER, sessions, "operator's command: drain off");
                format!("DRAIN_OK {sessions} OFF\n")
            }
            Self::Cancel => "ERROR NOT_FOUND no end is planned: the server goes on\n".to_owned(),
        }
    }
}

/// The announcement without a text of the operator.
fn sentence(seconds: u64) -> String {
    let time = match seconds {
        0 => "now".to_owned(),
        1..60 => format!("in {seconds} s"),
        _ => format!("in {} min", seconds.div_ceil(60)),
    };
    format!("The server stops {time}. When it starts again, your client connects by itself.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcement_names_the_time() {
        for (seconds, expected) in [(0, "stops now."), (30, "stops in 30 s."), (90, "stops in 2 min.")] {
            assert!(sentence(seconds).contains(expected), "{}", sentence(seconds));
        }
    }
}
