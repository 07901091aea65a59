//! `isolation`: what somebody who does not read costs everybody else.

use super::{Talkers, Timing, at_least_one};
use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::protocol::Wire;
use crate::report::{Findings, IsolationFound, Report};
use crate::run::Run;
use crate::target::Target;
use crate::traffic::Pace;

/// An open loop as in [`Rate`](super::Rate) among most pairs, measured three times: before, while the readers of the
/// other pairs are frozen and their speakers say all that the server takes, and after those readers read again. The
/// figures are of the pairs that are not frozen. The frozen ones say nothing before and after.
///
/// The server may close a frozen reader. What such a reader has not got by then is no fault; all else is.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// Who talks, the frozen ones among them.
    pub talkers: Talkers,
    /// How many of the pairs have a reader that freezes.
    pub frozen: usize,
    /// How many messages are due each second, from all that are not frozen together.
    pub per_second: u64,
    /// For how long, each of the three times. The server has the time to warm up before each.
    pub timing: Timing,
}

impl Isolation {
    /// Runs it, and tells `progress` now and then how far it is.
    pub fn run<W: Wire>(&self, wire: &W, target: &Target, progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
        self.talkers.check()?;
        at_least_one(self.per_second, "messages a second")?;
        at_least_one(self.frozen as u64, "frozen readers")?;
        let pairs = self.talkers.pairs;
        let Some(others) = pairs.checked_sub(self.frozen).filter(|&others| others > 0) else {
            let why = format!("{} frozen readers of {pairs} pairs leave nobody to measure", self.frozen);
            return Err(Error::Usage(why));
        };
        let mut run = Run::new(wire, target, 2 * pairs, progress)?;
        run.open_pairs(pairs, self.talkers.both_ways)?;
        let sizes = self.talkers.sizes();
        for (from, to) in (0..others).flat_map(|pair| self.talkers.streams_of(pair)) {
            run.talk.add(from, to, &sizes, Pace::Scheduled);
        }
        for pair in others..pairs {
            run.talk.add(2 * pair, 2 * pair + 1, &sizes, Pace::Flood);
        }
        run.talk.schedule(self.per_second);

        run.go_on(Phase::WarmUp, self.timing.warm_up)?;
        let before = run.measure(self.timing.time)?;
        run.set_frozen(others..pairs, true);
        let during = run.measure(self.timing.time)?;
        run.set_frozen(others..pairs, false);
        run.go_on(Phase::WarmUp, self.timing.warm_up)?;
        let after = run.measure(self.timing.time)?;

        let mut notes = Vec::new();
        let phases = [before, during, after];
        for (when, measured) in ["before", "during", "after"].into_iter().zip(&phases) {
            let of_it = measured
                .used()
                .notes()
                .into_iter()
                .chain(measured.note_of_schedule(self.per_second))
                .chain(measured.note_of_untimed());
            notes.extend(of_it.map(|note| format!("{when}: {note}")));
        }
        let isolation = Box::new(IsolationFound::new(self.frozen, run.talk.flooded(), run.talk.cut(), phases));
        run.end("isolation", Findings::Isolation { isolation }, notes)
    }
}
