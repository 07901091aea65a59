//! `fanout`: one room with thousands of readers, beside ordinary pairs.

use super::{MessageLoad, Timing, require_at_least_one};
use crate::error::Error;
use crate::progress::{Phase, Progress};
use crate::protocol::Protocol;
use crate::report::{FanoutMetrics, Metrics, Report};
use crate::room::Room;
use crate::run::Run;
use crate::target::Target;
use crate::traffic::Pace;

/// One room with many readers, and pairs beside it. Writers say messages into the room at a fixed rate, and each
/// message goes to each reader. Some readers are frozen: they do not read until the end of the run.
///
/// The pairs send at a fixed rate, as in [`Rate`](super::Rate). They are measured twice: while the room is silent, and
/// while the room is measured.
///
/// The server may close a frozen reader, or leave messages to it out. Nothing else may be missing.
#[derive(Clone, Debug)]
pub struct Fanout {
    /// Sessions that read the room, including the frozen ones.
    pub readers: usize,
    /// Readers that do not read.
    pub frozen: usize,
    /// Sessions that write into the room in turn.
    pub writers: usize,
    /// Messages per second in the room, from all writers.
    pub per_second: u64,
    /// The pairs beside the room, and the sizes of all messages.
    pub load: MessageLoad,
    /// Messages per second, from all pairs.
    pub pairs_per_second: u64,
    /// Length of each of the two measurements, and the warm-up before each.
    pub timing: Timing,
}

impl Fanout {
    /// Runs the workload. Calls `progress` now and then.
    pub fn run<P: Protocol>(
        &self,
        protocol: &P,
        target: &Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, Error> {
        let Self { readers, frozen, writers, per_second, load, pairs_per_second, timing } = self;
        load.check()?;
        require_at_least_one(*writers as u64, "writers")?;
        require_at_least_one(*per_second, "messages a second in the room")?;
        require_at_least_one(*pairs_per_second, "messages a second of the pairs")?;
        if frozen >= readers {
            return Err(Error::Usage(format!("{frozen} frozen readers of {readers} leave no reader to measure")));
        }
        let sessions = 2 * load.pairs + writers + readers;
        let mut run = Run::new(protocol, target, sessions, progress)?;
        run.open_pairs(load.pairs, load.both_ways)?;
        let sizes = load.sizes();
        for (from, to) in (0..load.pairs).flat_map(|pair| load.streams_of(pair)) {
            run.traffic.add_stream(from, to, &sizes, Pace::OpenLoop);
        }
        let first_session = run.pool.len();
        run.open_room(*writers, *readers, sessions)?;
        let room = Room::new(first_session, *writers, *readers, *frozen, run.traffic.stream_count(), &sizes);
        let frozen_sessions = room.frozen_sessions();
        run.traffic.room = Some(room);

        run.traffic.start_schedule(*pairs_per_second);
        run.run_for(Phase::WarmUp, timing.warm_up)?;
        let alone = run.measure(timing.time)?;
        frozen_sessions.clone().for_each(|session| run.pool.set_frozen(session, true));
        run.traffic.start_room(*per_second);
        run.run_for(Phase::WarmUp, timing.warm_up)?;
        run.settle_room()?;
        let (beside, counts) = run.measure_with_room(timing.time)?;
        frozen_sessions.for_each(|session| run.pool.set_frozen(session, false));
        run.traffic.drain(&mut run.pool, target.timeout)?;

        let fanout = FanoutMetrics::new(*writers, &run.traffic, counts, &alone, beside);
        let notes = fanout.notes(timing.time, *pairs_per_second, &alone);
        run.finish("fanout", Metrics::Fanout { fanout: Box::new(fanout) }, notes)
    }
}
