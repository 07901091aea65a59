//! `pairs`: a closed loop, as fast as messages arrive.

use super::{MessageLoad, Timing, require_at_least_one};
use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::protocol::Protocol;
use crate::report::{Metrics, Report};
use crate::run::Run;
use crate::target::Target;
use crate::traffic::Pace;

/// Largest total size of the messages in flight. The load generator must store the bytes that its sockets
/// do not accept.
const IN_FLIGHT_MAX_BYTES: u64 = 1 << 30;

/// A closed loop: each sender keeps `window` messages in flight. It sends the next message when one of these arrives at
/// the receiver. It does not wait for acknowledgements, but they are counted.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// The pairs.
    pub load: MessageLoad,
    /// Messages that each sender keeps in flight.
    pub window: u64,
    /// Warm-up and measurement.
    pub timing: Timing,
}

impl Pairs {
    /// Runs the workload. Calls `progress` now and then.
    pub fn run<P: Protocol>(
        &self,
        protocol: &P,
        target: &Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, Error> {
        self.load.check()?;
        require_at_least_one(self.window, "messages in flight")?;
        let bytes = self.window.saturating_mul((2 * self.load.pairs * self.load.size_max()) as u64);
        if bytes > IN_FLIGHT_MAX_BYTES {
            let why =
                format!("{bytes} bytes would be in flight: use a smaller window, fewer pairs or smaller messages");
            return Err(Error::Usage(why));
        }
        let mut run = Run::new(protocol, target, 2 * self.load.pairs, progress)?;
        run.open_pairs(self.load.pairs, self.load.both_ways)?;
        let sizes = self.load.sizes();
        for (from, to) in (0..self.load.pairs).flat_map(|pair| self.load.streams_of(pair)) {
            let to = if protocol.returns_to_sender() { from } else { to };
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
