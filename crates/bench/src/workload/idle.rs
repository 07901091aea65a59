//! `idle`: open sessions that send nothing.

use std::time::Duration;

use super::require_at_least_one;
use crate::error::Error;
use crate::process::Process;
use crate::progress::{Phase, Progress};
use crate::protocol::Protocol;
use crate::report::{IdleMetrics, Metrics, Report};
use crate::run::Run;
use crate::target::Target;

/// Number of sessions opened before the first memory reading. The server then has allocated all memory that does not
/// belong to a single session.
const WARM_UP_SESSIONS: usize = 50;

/// Wait before each memory reading, so that the server has freed the memory that it needed only to open sessions.
const SETTLE: Duration = Duration::from_millis(300);

/// Idle sessions. The server's memory is read before and after they open. At the end each session sends a request,
/// which proves that it stayed open.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Number of measured sessions.
    pub sessions: usize,
    /// Time that the sessions stay idle.
    pub time: Duration,
}

impl Idle {
    /// Runs the workload. Calls `progress` now and then.
    #[expect(clippy::cast_precision_loss, reason = "bytes are shown to a few digits")]
    pub fn run<P: Protocol>(
        &self,
        protocol: &P,
        target: &Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, Error> {
        require_at_least_one(self.sessions as u64, "sessions")?;
        let sessions = WARM_UP_SESSIONS + self.sessions;
        let mut run = Run::new(protocol, target, sessions, progress)?;
        run.open_idle(WARM_UP_SESSIONS, sessions)?;
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
            notes.push(
                "the server's memory was not measured: give its process id with --pid, if it runs on this machine"
                    .to_owned(),
            );
        } else if self.sessions < 1000 {
            notes.push(format!(
                "{} sessions are few: a process takes memory in pages or larger blocks, so measure thousands",
                self.sessions
            ));
        }
        run.finish("idle", Metrics::Idle { idle }, notes)
    }
}
