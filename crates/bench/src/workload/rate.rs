//! `rate`: an open loop at a fixed rate.

use super::{MessageLoad, Timing, require_at_least_one};
use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::protocol::Protocol;
use crate::report::{Metrics, Report};
use crate::run::Run;
use crate::target::Target;
use crate::traffic::Pace;

/// An open loop: messages are due at even intervals, from the senders in turn. Latency counts from the due time. A
/// server that stalls for a second thus delays every message that is due in that second, and not only the messages in
/// flight. This avoids coordinated omission.
#[derive(Clone, Debug)]
pub struct Rate {
    /// The pairs.
    pub load: MessageLoad,
    /// Messages per second, from all senders.
    pub per_second: u64,
    /// Warm-up and measurement.
    pub timing: Timing,
}

impl Rate {
    /// Runs the workload. Calls `progress` now and then.
    pub fn run<P: Protocol>(
        &self,
        protocol: &P,
        target: &Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, Error> {
        self.load.check()?;
        require_at_least_one(self.per_second, "messages a second")?;
        let mut run = Run::new(protocol, target, 2 * self.load.pairs, progress)?;
        run.open_pairs(self.load.pairs, self.load.both_ways)?;
        let sizes = self.load.sizes();
        for (from, to) in (0..self.load.pairs).flat_map(|pair| self.load.streams_of(pair)) {
            run.traffic.add_stream(from, to, &sizes, Pace::OpenLoop);
        }
        run.traffic.start_schedule(self.per_second);
        run.run_for(Phase::WarmUp, self.timing.warm_up)?;
        let measured = run.measure(self.timing.time)?;
        let (usage, schedule_note) = (measured.usage(), measured.schedule_note(self.per_second));
        let notes = usage
            .notes()
            .into_iter()
            .chain(usage.cpu_time_note())
            .chain(schedule_note)
            .chain(measured.untimed_note())
            .collect();
        run.finish("rate", Metrics::Messages { measured }, notes)
    }
}
