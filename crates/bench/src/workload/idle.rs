//! `idle`: everybody is there, and nobody says anything.

use std::time::Duration;

use super::at_least_one;
use crate::error::Error;
use crate::process::Process;
use crate::progress::{Phase, Progress};
use crate::protocol::Protocol;
use crate::report::{IdleMetrics, Metrics, Report};
use crate::run::Run;
use crate::target::Target;

/// How many sessions are open before the server is weighed: what it needs to serve anybody at all is there by then.
const FIRST: usize = 50;

/// How long the server is left alone before it is weighed: what it frees late is not what a session costs.
const SETTLE: Duration = Duration::from_millis(300);

/// Sessions that are open and wait. The server is weighed before and after they come, and at the end each asks
/// something, to see that it was there all the time.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// How many.
    pub sessions: usize,
    /// For how long they wait.
    pub time: Duration,
}

impl Idle {
    /// Runs it, and tells `progress` now and then how far it is.
    #[expect(clippy::cast_precision_loss, reason = "bytes for people")]
    pub fn run<P: Protocol>(
        &self,
        protocol: &P,
        target: &Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, Error> {
        at_least_one(self.sessions as u64, "sessions")?;
        let sessions = FIRST + self.sessions;
        let mut run = Run::new(protocol, target, sessions, progress)?;
        run.open_idle(FIRST, sessions)?;
        run.wait(SETTLE)?;
        let before = run.process.map(Process::resident_bytes).transpose()?;
        run.open_idle(self.sessions, sessions)?;
        run.wait(SETTLE)?;
        let after = run.process.map(Process::resident_bytes).transpose()?;
        let usage = run.measure_usage(|run| run.run_for(Phase::Measuring, self.time))?;
        run.request_all()?;

        let grown_bytes = before.zip(after).map(|(before, after)| i128::from(after) - i128::from(before));
        let idle = IdleMetrics {
            sessions: self.sessions,
            seconds: usage.time.as_secs_f64(),
            bytes_per_session: grown_bytes.map(|bytes| bytes as f64 / self.sessions as f64),
            resident_bytes_before: before,
            resident_bytes_after: after,
            server: usage.server,
        };
        let mut notes = usage.notes();
        if before.is_none() {
            notes.push("the server was not weighed: give its process with --pid, if it is on this machine".to_owned());
        } else if self.sessions < 1000 {
            notes.push(format!(
                "{} sessions are few: a process takes memory by the page and more, so weigh thousands",
                self.sessions
            ));
        }
        run.finish("idle", Metrics::Idle { idle }, notes)
    }
}
