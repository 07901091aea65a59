//! `isolation`: the cost of frozen readers to the other pairs.

use super::{MessageLoad, Timing, require_at_least_one};
use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::protocol::Protocol;
use crate::report::{IsolationMetrics, Metrics, Report};
use crate::run::Run;
use crate::target::Target;
use crate::traffic::Pace;

/// Some pairs are measured: they send at a fixed rate, as in [`Rate`](super::Rate). The other pairs disturb them: for a
/// time, their receivers are frozen (they do not read) and their senders flood. The measured pairs are measured three
/// times: before the freeze, during the freeze, and after it.
///
/// The server may close a frozen reader. The messages that the reader loses thereby are not faults. All other faults
/// count.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// All pairs, including those with a frozen reader.
    pub load: MessageLoad,
    /// Number of pairs whose receiver freezes.
    pub frozen: usize,
    /// Messages per second, from all measured pairs together.
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
        require_at_least_one(self.per_second, "messages a second")?;
        require_at_least_one(self.frozen as u64, "frozen readers")?;
        let pairs = self.load.pairs;
        let Some(measured_pairs) = pairs.checked_sub(self.frozen).filter(|&measured_pairs| measured_pairs > 0) else {
            let why = format!("{} frozen readers of {pairs} pairs leave no pair to measure", self.frozen);
            return Err(Error::Usage(why));
        };
        let mut run = Run::new(protocol, target, 2 * pairs, progress)?;
        run.open_pairs(pairs, self.load.both_ways)?;
        let sizes = self.load.sizes();
        for (from, to) in (0..measured_pairs).flat_map(|pair| self.load.streams_of(pair)) {
            run.traffic.add_stream(from, to, &sizes, Pace::OpenLoop);
        }
        for pair in measured_pairs..pairs {
            run.traffic.add_stream(2 * pair, 2 * pair + 1, &sizes, Pace::Flood);
        }
        run.traffic.start_schedule(self.per_second);

        run.run_for(Phase::WarmUp, self.timing.warm_up)?;
        let before = run.measure(self.timing.time)?;
        run.set_frozen(measured_pairs..pairs, true);
        let during = run.measure(self.timing.time)?;
        run.set_frozen(measured_pairs..pairs, false);
        run.run_for(Phase::WarmUp, self.timing.warm_up)?;
        let after = run.measure(self.timing.time)?;

        let mut notes = Vec::new();
        let phases = [before, during, after];
        for (phase, measured) in ["before", "during", "after"].into_iter().zip(&phases) {
            let phase_notes = measured
                .usage()
                .notes()
                .into_iter()
                .chain(measured.schedule_note(self.per_second))
                .chain(measured.untimed_note());
            notes.extend(phase_notes.map(|note| format!("{phase}: {note}")));
        }
        let isolation =
            Box::new(IsolationMetrics::new(self.frozen, run.traffic.flood_count(), run.traffic.cut_streams(), phases));
        run.finish("isolation", Metrics::Isolation { isolation }, notes)
    }
}
