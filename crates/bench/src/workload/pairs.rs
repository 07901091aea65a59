//! `pairs`: everybody talks, as fast as what was said arrives.

use super::{Talkers, Timing, at_least_one};
use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::protocol::Wire;
use crate::report::{Findings, Report};
use crate::run::Run;
use crate::target::Target;
use crate::traffic::Pace;

/// How much may be under way, in bytes: this side holds what sockets do not take, and that has to fit in its memory.
const UNDER_WAY_MAX_BYTES: u64 = 1 << 30;

/// A closed loop: each speaker keeps a number of messages under way, and sends another when one has arrived at the other
/// side. That it is acknowledged is counted, and not waited for.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Who talks.
    pub talkers: Talkers,
    /// How many messages each speaker keeps under way.
    pub window: u64,
    /// For how long.
    pub timing: Timing,
}

impl Pairs {
    /// Runs it, and tells `progress` now and then how far it is.
    pub fn run<W: Wire>(&self, wire: &W, target: &Target, progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
        self.talkers.check()?;
        at_least_one(self.window, "messages under way")?;
        let bytes = self.window.saturating_mul((2 * self.talkers.pairs * self.talkers.longest()) as u64);
        if bytes > UNDER_WAY_MAX_BYTES {
            let why =
                format!("{bytes} bytes would be under way: use a smaller window, fewer pairs or smaller messages");
            return Err(Error::Usage(why));
        }
        let mut run = Run::new(wire, target, 2 * self.talkers.pairs, progress)?;
        run.open_pairs(self.talkers.pairs, self.talkers.both_ways)?;
        let sizes = self.talkers.sizes();
        for (from, to) in (0..self.talkers.pairs).flat_map(|pair| self.talkers.streams_of(pair)) {
            run.talk.add(from, to, &sizes, Pace::Window(self.window));
        }
        run.go_on(Phase::WarmUp, self.timing.warm_up)?;
        let measured = run.measure(self.timing.time)?;
        let used = measured.used();
        let notes = used
            .notes()
            .into_iter()
            .chain(used.note_of_cpu_seconds())
            .chain(used.note_of_generator())
            .chain(measured.note_of_untimed())
            .collect();
        run.end("pairs", Findings::Talk { measured }, notes)
    }
}
