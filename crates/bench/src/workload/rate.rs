//! `rate`: so many messages a second, whatever becomes of them.

use super::{Talkers, Timing, at_least_one};
use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::protocol::Wire;
use crate::report::{Findings, Report};
use crate::run::Run;
use crate::target::Target;
use crate::traffic::Pace;

/// An open loop: messages are due at even times, in turn from each speaker, and how long one took is counted from when
/// it was due. So a server that stands still for a second is charged for all that was due in that second, and not for
/// the one message that happened to be under way (which is known as coordinated omission).
#[derive(Clone, Debug)]
pub struct Rate {
    /// Who talks.
    pub talkers: Talkers,
    /// How many messages are due each second, from all speakers together.
    pub per_second: u64,
    /// For how long.
    pub timing: Timing,
}

impl Rate {
    /// Runs it, and tells `progress` now and then how far it is.
    pub fn run<W: Wire>(&self, wire: &W, target: &Target, progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
        self.talkers.check()?;
        at_least_one(self.per_second, "messages a second")?;
        let mut run = Run::new(wire, target, 2 * self.talkers.pairs, progress)?;
        run.open_pairs(self.talkers.pairs, self.talkers.both_ways)?;
        let sizes = self.talkers.sizes();
        for (from, to) in (0..self.talkers.pairs).flat_map(|pair| self.talkers.streams_of(pair)) {
            run.talk.add(from, to, &sizes, Pace::Scheduled);
        }
        run.talk.schedule(self.per_second);
        run.go_on(Phase::WarmUp, self.timing.warm_up)?;
        let measured = run.measure(self.timing.time)?;
        let (used, of_schedule) = (measured.used(), measured.note_of_schedule(self.per_second));
        let notes = used
            .notes()
            .into_iter()
            .chain(used.note_of_cpu_seconds())
            .chain(of_schedule)
            .chain(measured.note_of_untimed())
            .collect();
        run.end("rate", Findings::Talk { measured }, notes)
    }
}
