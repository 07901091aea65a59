//! `isolation`: the cost of frozen readers to the other pairs.

use super::{MessageLoad, Timing, at_least_one};
use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::protocol::Protocol;
use crate::report::{IsolationMetrics, Metrics, Report};
use crate::run::Run;
use crate::target::Target;
use crate::traffic::Pace;

/// An open loop like [`Rate`](super::Rate) among some pairs, while the receivers of the remaining pairs stop reading
/// and their senders flood. Measured three times: before the freeze, during it, and after. The figures are those of
/// the pairs that are never frozen. The other pairs send only during the freeze.
///
/// The server may close a frozen reader. Messages lost by that are not faults; all other faults count.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// All pairs, including those with a frozen reader.
    pub load: MessageLoad,
    /// Number of pairs whose receiver freezes.
    pub frozen: usize,
    /// Messages per second, from all pairs that are never frozen.
    pub per_second: u64,
    /// Length of each of the three measurements, and the warm-up before the first and the third.
    pub timing: Timing,
}

impl Isolation {
    /// Runs the workload. Calls `progress` now and then.
    pub fn run<P: Protocol>(
        &self,
        protocol: &P,
        target: &Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, Error> {
        self.load.check()?;
        at_least_one(self.per_second, "messages a second")?;
        at_least_one(self.frozen as u64, "frozen readers")?;
        let pairs = self.load.pairs;
        let Some(others) = pairs.checked_sub(self.frozen).filter(|&others| others > 0) else {
            let why = format!("{} frozen readers of {pairs} pairs leave no pair to measure", self.frozen);
            return Err(Error::Usage(why));
        };
        let mut run = Run::new(protocol, target, 2 * pairs, progress)?;
        run.open_pairs(pairs, self.load.both_ways)?;
        let sizes = self.load.sizes();
        for (from, to) in (0..others).flat_map(|pair| self.load.streams_of(pair)) {
            run.traffic.add_stream(from, to, &sizes, Pace::OpenLoop);
        }
        for pair in others..pairs {
            run.traffic.add_stream(2 * pair, 2 * pair + 1, &sizes, Pace::Flood);
        }
        run.traffic.start_schedule(self.per_second);

        run.run_for(Phase::WarmUp, self.timing.warm_up)?;
        let before = run.measure(self.timing.time)?;
        run.set_frozen(others..pairs, true);
        let during = run.measure(self.timing.time)?;
        run.set_frozen(others..pairs, false);
        run.run_for(Phase::WarmUp, self.timing.warm_up)?;
        let after = run.measure(self.timing.time)?;

        let mut notes = Vec::new();
        let phases = [before, during, after];
        for (when, measured) in ["before", "during", "after"].into_iter().zip(&phases) {
            let of_it = measured
                .usage()
                .notes()
                .into_iter()
                .chain(measured.schedule_note(self.per_second))
                .chain(measured.untimed_note());
            notes.extend(of_it.map(|note| format!("{when}: {note}")));
        }
        let isolation =
            Box::new(IsolationMetrics::new(self.frozen, run.traffic.flood_count(), run.traffic.cut_streams(), phases));
        run.finish("isolation", Metrics::Isolation { isolation }, notes)
    }
}
