//! What is read at the beginning and at the end of what is measured.

use std::time::{Duration, Instant};

use crate::clock;
use crate::error::Error;
use crate::process::Process;
use crate::report::{GeneratorUse, ServerUse};

/// Clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    at: Instant,
    own_cpu: Duration,
    server: Option<(Duration, u64)>,
}

/// What was used from one moment to another.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    pub(crate) time: Duration,
    pub(crate) generator: GeneratorUse,
    pub(crate) server: Option<ServerUse>,
}

impl Reading {
    pub(crate) fn take(server: Option<Process>) -> Result<Self, Error> {
        let server = match server {
            Some(process) => Some((process.cpu()?, process.resident_bytes()?)),
            None => None,
        };
        Ok(Self { at: clock::now(), own_cpu: clock::of_thread(), server })
    }

    pub(crate) fn until(&self, end: &Self) -> Used {
        let time = end.at.saturating_duration_since(self.at);
        let share = |cpu: Duration| cpu.as_secs_f64() / time.as_secs_f64().max(f64::MIN_POSITIVE);
        let own = end.own_cpu.saturating_sub(self.own_cpu);
        let server = self.server.zip(end.server).map(|((cpu, _), (cpu_end, resident_bytes))| {
            let cpu = cpu_end.saturating_sub(cpu);
            ServerUse { cpu_seconds: cpu.as_secs_f64(), cores: share(cpu), resident_bytes }
        });
        Used { time, generator: GeneratorUse { cpu_seconds: own.as_secs_f64(), cores: share(own) }, server }
    }
}
