//! What is read at the beginning and at the end of what is measured.

use std::time::{Duration, Instant};

use crate::clock;
use crate::error::Error;
use crate::process::{Cpu, Process, Threads};
use crate::report::{CpuUse, ServerUse};

/// Clocks at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    at: Instant,
    own: Cpu,
    server: Option<(Threads, u64)>,
}

/// What was used from one moment to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) time: Duration,
    pub(crate) generator: CpuUse,
    pub(crate) server: Option<ServerUse>,
}

impl Reading {
    pub(crate) fn take(server: Option<Process>) -> Result<Self, Error> {
        let server = match server {
            Some(process) => Some((process.threads()?, process.resident_bytes()?)),
            None => None,
        };
        Ok(Self { at: clock::now(), own: Cpu::of_this_thread(), server })
    }

    pub(crate) fn until(&self, end: &Self) -> Used {
        let time = end.at.saturating_duration_since(self.at);
        let cpu_use = |cpu: Cpu| CpuUse {
            cpu_seconds: cpu.used.as_secs_f64(),
            cores: cpu.used.as_secs_f64() / time.as_secs_f64().max(1e-9),
            waited_seconds: cpu.waited.as_secs_f64(),
        };
        let server = self.server.as_ref().zip(end.server.as_ref()).map(|((threads, _), (at_end, resident_bytes))| {
            ServerUse { cpu: cpu_use(at_end.since(threads)), resident_bytes: *resident_bytes }
        });
        Used { time, generator: cpu_use(end.own.since(self.own)), server }
    }
}
