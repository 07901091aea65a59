//! `rate`: so many messages a second, whatever becomes of them.

use super::{MessageLoad, Timing, at_least_one};
use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::protocol::Protocol;
use crate::report::{Metrics, Report};
use crate::run::Run;
use crate::target::Target;
use crate::traffic::Pace;

/// An open loop: messages are due at even times, in turn from each speaker, and how long one took is counted from when
/// it was due. So a server that stands still for a second is charged for all that was due in that second, and not for
/// the one message that happened to be under way (which is known as coordinated omission).
#[derive(Clone, Debug)]
pub struct Rate {
    /// Who talks.
    pub load: MessageLoad,
    /// How many messages are due each second, from all speakers together.
    pub per_second: u64,
    /// For how long.
    pub timing: Timing,
}

impl Rate {
    /// Runs it, and tells `progress` now and then how far it is.
    pub fn run<P: Protocol>(
        &self,
        protocol: &P,
        target: &Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, Error> {
        self.load.check()?;
        at_least_one(self.per_second, "messages a second")?;
        let mut run = Run::new(protocol, target, 2 * self.load.pairs, progress)?;
        run.open_pairs(self.load.pairs, self.load.both_ways)?;
        let sizes = self.load.sizes();
        for (from, to) in (0..self.load.pairs).flat_map(|pair| self.load.streams_of(pair)) {
            run.traffic.add_stream(from, to, &sizes, Pace::OpenLoop);
        }
        run.traffic.start_schedule(self.per_second);
        run.run_for(Phase::WarmUp, self.timing.warm_up)?;
        let measured = run.measure(self.timing.time)?;
        let (usage, of_schedule) = (measured.usage(), measured.schedule_note(self.per_second));
        let notes = usage
            .notes()
            .into_iter()
            .chain(usage.cpu_time_note())
            .chain(of_schedule)
            .chain(measured.untimed_note())
            .collect();
        run.finish("rate", Metrics::Messages { measured }, notes)
    }
}
