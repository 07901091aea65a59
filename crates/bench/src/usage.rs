//! Processor time and memory used during a measurement.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock;
use crate::error::Error;
use crate::process::{CpuTime, Process, ThreadCpuTimes};

/// Processor times and memory at one moment.
#[derive(Clone, Debug)]
pub(crate) struct UsageSnapshot {
    at: Instant,
    own: CpuTime,
    /// The server's processor times, and its resident memory in bytes.
    server: Option<(ThreadCpuTimes, u64)>,
}

/// Processor time and memory of the server.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerUsage {
    /// Processor time of all threads.
    #[serde(flatten)]
    pub cpu: CpuUsage,
    /// Anonymous resident memory at the end of the measurement, in bytes.
    pub resident_bytes: u64,
}

/// Processor time used in a measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CpuUsage {
    /// Time on a core, in user mode and in the kernel.
    pub cpu_seconds: f64,
    /// Average number of busy cores.
    pub cores: f64,
    /// Time spent ready to run, but waiting for a core.
    pub waited_seconds: f64,
}

/// Usage between two snapshots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IntervalUsage {
    pub(crate) time: Duration,
    pub(crate) generator: CpuUsage,
    pub(crate) server: Option<ServerUsage>,
}

impl UsageSnapshot {
    pub(crate) fn take(server: Option<Process>) -> Result<Self, Error> {
        let server = match server {
            Some(process) => Some((process.thread_cpu_times()?, process.resident_bytes()?)),
            None => None,
        };
        Ok(Self { at: clock::now(), own: CpuTime::of_this_thread(), server })
    }

    /// The usage from this snapshot to the snapshot `end`.
    pub(crate) fn until(&self, end: &Self) -> IntervalUsage {
        let time = end.at.saturating_duration_since(self.at);
        let to_usage = |cpu: CpuTime| CpuUsage {
            cpu_seconds: cpu.used.as_secs_f64(),
            cores: cpu.used.as_secs_f64() / time.as_secs_f64().max(1e-9),
            waited_seconds: cpu.waited.as_secs_f64(),
        };
        let server = self.server.as_ref().zip(end.server.as_ref()).map(|((threads, _), (at_end, resident_bytes))| {
            ServerUsage { cpu: to_usage(at_end.since(threads)), resident_bytes: *resident_bytes }
        });
        IntervalUsage { time, generator: to_usage(end.own.since(self.own)), server }
    }
}

impl fmt::Display for CpuUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s of processor time ({:.0} % of a core)", self.cpu_seconds, 100.0 * self.cores)
    }
}

impl fmt::Display for ServerUsage {
    #[expect(clippy::cast_precision_loss, reason = "shown to one decimal")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {:.1} MiB resident", self.cpu, self.resident_bytes as f64 / f64::from(1 << 20))
    }
}
