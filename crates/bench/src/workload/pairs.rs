//! `pairs`: everybody talks, as fast as what was said arrives.

use super::{MessageLoad, Timing, at_least_one};
use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::protocol::Protocol;
use crate::report::{Metrics, Report};
use crate::run::Run;
use crate::target::Target;
use crate::traffic::Pace;

/// How much may be under way, in bytes: this side holds what sockets do not take, and that has to fit in its memory.
const IN_FLIGHT_MAX_BYTES: u64 = 1 << 30;

/// A closed loop: each speaker keeps a number of messages under way, and sends another when one has arrived at the other
/// side. That it is acknowledged is counted, and not waited for.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Who talks.
    pub load: MessageLoad,
    /// How many messages each speaker keeps under way.
    pub window: u64,
    /// For how long.
    pub timing: Timing,
}

impl Pairs {
    /// Runs it, and tells `progress` now and then how far it is.
    pub fn run<P: Protocol>(
        &self,
        protocol: &P,
        target: &Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, Error> {
        self.load.check()?;
        at_least_one(self.window, "messages under way")?;
        let bytes = self.window.saturating_mul((2 * self.load.pairs * self.load.longest()) as u64);
        if bytes > IN_FLIGHT_MAX_BYTES {
            let why =
                format!("{bytes} bytes would be under way: use a smaller window, fewer pairs or smaller messages");
            return Err(Error::Usage(why));
        }
        let mut run = Run::new(protocol, target, 2 * self.load.pairs, progress)?;
        run.open_pairs(self.load.pairs, self.load.both_ways)?;
        let sizes = self.load.sizes();
        for (from, to) in (0..self.load.pairs).flat_map(|pair| self.load.streams_of(pair)) {
            run.traffic.add_stream(from, to, &sizes, Pace::ClosedLoop { window: self.window });
        }
        run.run_for(Phase::WarmUp, self.timing.warm_up)?;
        let measured = run.measure(self.timing.time)?;
        let usage = measured.usage();
        let notes = usage
            .notes()
            .into_iter()
            .chain(usage.cpu_time_note())
            .chain(usage.bottleneck_note())
            .chain(measured.untimed_note())
            .collect();
        run.finish("pairs", Metrics::Messages { measured }, notes)
    }
}
