//! `churn`: people come and go.

use std::time::Instant;

use super::{Timing, at_least_one};
use crate::client_names::Names;
use crate::error::Error;
use crate::latency::{Latency, LatencyHistogram};
use crate::progress::{Phase, Progress};
use crate::protocol::{Seat, Wire};
use crate::report::{ChurnFound, Findings, Report, per_server_cpu_second};
use crate::run::Run;
use crate::session_pool::{Event, Patience, failure};
use crate::target::Target;

/// Sessions that connect, register, ask something, hear the answer, and leave; as one has gone, another comes.
///
/// A session counts when the server has closed it too. Where a protocol has nothing to ask ([`Wire::ask`]), the answer
/// to registering is the only round trip.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// How many are there at a time.
    pub at_once: usize,
    /// For how long they come.
    pub timing: Timing,
}

/// Where a place of the churn is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Opening,
    Asking,
    Leaving,
}

/// The sessions of a churn, by their place.
struct Turnstile {
    places: Vec<(Stage, Instant)>,
    come: usize,
    gone: u64,
    latencies: LatencyHistogram,
}

impl Churn {
    /// Runs it, and tells `progress` now and then how far it is.
    #[expect(clippy::cast_precision_loss, reason = "rates for people, to a few digits")]
    pub fn run<W: Wire>(&self, wire: &W, target: &Target, progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
        at_least_one(self.at_once as u64, "sessions at once")?;
        let mut run = Run::new(wire, target, self.at_once, progress)?;
        let mut turnstile = Turnstile { places: Vec::new(), come: 0, gone: 0, latencies: LatencyHistogram::new() };
        for _ in 0..self.at_once {
            let seat = turnstile.seat(&run.names);
            run.crowd.begin(seat)?;
            turnstile.places.push((Stage::Opening, run.crowd.now()));
        }
        turnstile.go_on(&mut run, Phase::WarmUp, self.timing.warm_up, target)?;
        turnstile.latencies.reset();
        let before = turnstile.gone;
        let used = run.measure_use(|run| turnstile.go_on(run, Phase::Measuring, self.timing.time, target))?;
        let sessions = turnstile.gone - before;
        let churn = ChurnFound {
            sessions,
            seconds: used.time.as_secs_f64(),
            sessions_per_second: sessions as f64 / used.time.as_secs_f64(),
            sessions_per_server_cpu_second: per_server_cpu_second(sessions, used.server.as_ref()),
            lifetime: Latency::of(&turnstile.latencies),
            server: used.server,
            generator: used.generator,
        };
        let notes =
            used.notes().into_iter().chain(used.note_of_cpu_seconds()).chain(used.note_of_generator()).collect();
        run.end("churn", Findings::Churn { churn }, notes)
    }
}

impl Turnstile {
    fn seat(&mut self, names: &Names) -> Seat {
        self.come += 1;
        let name = names.of(self.come);
        Seat { name, peer: String::new(), pair: self.come, speaks: false, listens: false }
    }

    fn go_on<W: Wire>(
        &mut self,
        run: &mut Run<'_, '_, W>,
        phase: Phase,
        time: std::time::Duration,
        target: &Target,
    ) -> Result<(), Error> {
        let begin = run.crowd.now();
        let end = begin + time;
        let mut patience = Patience::new(target.timeout, "to come or go");
        let (mut ready, mut closed) = (Vec::new(), Vec::new());
        let of = self.places.len();
        while run.crowd.now() < end {
            let mut failed = None;
            let wait = patience.tick().min(end.saturating_duration_since(run.crowd.now()));
            let places = &self.places;
            let (addr, open) = (target.addr, self.come);
            run.crowd.turn(wait, |place, event| match event {
                Event::Ready => ready.push(place),
                Event::Closed(None) if places[place].0 == Stage::Leaving => closed.push(place),
                Event::Unreachable(source) => failed = Some(Error::Connect { addr, open, source }),
                event => failed = failed.take().or_else(|| failure(event, place, of)),
            })?;
            failed.map_or(Ok(()), Err)?;
            let now = run.crowd.now();
            let is_further = !ready.is_empty() || !closed.is_empty();
            for place in ready.drain(..) {
                self.answered(run, place);
            }
            for place in closed.drain(..) {
                self.gone += 1;
                self.latencies.record(now.saturating_duration_since(self.places[place].1), 1);
                let seat = self.seat(&run.names);
                run.crowd.begin_again(place, seat)?;
                self.places[place] = (Stage::Opening, now);
            }
            patience.look(now, is_further, of)?;
            run.tell(phase, begin, time, self.gone);
        }
        Ok(())
    }

    /// What a session does once it has its answer.
    fn answered<W: Wire>(&mut self, run: &mut Run<'_, '_, W>, place: usize) {
        let (stage, _) = &mut self.places[place];
        if *stage == Stage::Opening {
            *stage = Stage::Asking;
            run.crowd.ask(place, W::ask);
            if run.crowd.is_waiting(place) {
                return;
            }
        }
        *stage = Stage::Leaving;
        run.crowd.leave(place);
    }
}
