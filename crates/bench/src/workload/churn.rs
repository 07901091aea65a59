//! `churn`: sessions open and close all the time.

use std::time::{Duration, Instant};

use super::{Timing, require_at_least_one};
use crate::client_names::ClientNames;
use crate::error::Error;
use crate::latency::{Latency, LatencyHistogram};
use crate::progress::{Phase, Progress};
use crate::protocol::{ClientProfile, Protocol};
use crate::report::{ChurnMetrics, Metrics, Report, per_server_cpu_second};
use crate::run::Run;
use crate::session::{SessionEvent, event_error};
use crate::stall_timer::StallTimer;
use crate::target::Target;

/// A fixed number of slots. In each slot, a session connects, registers, sends a request, receives the answer and
/// closes. Then the next session opens.
///
/// A session counts when the server has closed it, too. If the protocol has no request ([`Protocol::ask`]),
/// registration is the only round trip.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// Sessions open at a time.
    pub at_once: usize,
    /// Warm-up and measurement.
    pub timing: Timing,
}

/// State of a slot's session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SlotState {
    Opening,
    Asking,
    Closing,
}

/// A slot, which holds one session at a time.
struct Slot {
    state: SlotState,
    opened_at: Instant,
}

/// All slots of a run.
struct ChurnSlots {
    slots: Vec<Slot>,
    /// Number of sessions opened so far.
    opened: usize,
    /// Number of sessions that the server has closed so far.
    closed: u64,
    latencies: LatencyHistogram,
}

impl Churn {
    /// Runs the workload. Calls `progress` now and then.
    #[expect(clippy::cast_precision_loss, reason = "rates are shown to a few digits")]
    pub fn run<P: Protocol>(
        &self,
        protocol: &P,
        target: &Target,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, Error> {
        require_at_least_one(self.at_once as u64, "sessions at once")?;
        let mut run = Run::new(protocol, target, self.at_once, progress)?;
        let mut churn = ChurnSlots { slots: Vec::new(), opened: 0, closed: 0, latencies: LatencyHistogram::new() };
        for _ in 0..self.at_once {
            let client = churn.next_client(&run.names);
            run.pool.open(client)?;
            churn.slots.push(Slot { state: SlotState::Opening, opened_at: run.pool.now() });
        }
        churn.run_for(&mut run, Phase::WarmUp, self.timing.warm_up, target)?;
        churn.latencies.reset();
        let before = churn.closed;
        let usage = run.measure_usage(|run| churn.run_for(run, Phase::Measuring, self.timing.time, target))?;
        let sessions = churn.closed - before;
        let metrics = ChurnMetrics {
            sessions,
            seconds: usage.time.as_secs_f64(),
            sessions_per_second: sessions as f64 / usage.time.as_secs_f64(),
            sessions_per_server_cpu_second: per_server_cpu_second(sessions, usage.server.as_ref()),
            lifetime: Latency::from_histogram(&churn.latencies),
            server: usage.server,
            generator: usage.generator,
        };
        let notes = usage.notes().into_iter().chain(usage.cpu_time_note()).chain(usage.bottleneck_note()).collect();
        run.finish("churn", Metrics::Churn { churn: metrics }, notes)
    }
}

impl ChurnSlots {
    fn next_client(&mut self, names: &ClientNames) -> ClientProfile {
        self.opened += 1;
        let name = names.name_of(self.opened);
        ClientProfile { name, peer: String::new(), room: None, pair: self.opened, sends: false, receives: false }
    }

    /// Opens and closes sessions for `time`.
    fn run_for<P: Protocol>(
        &mut self,
        run: &mut Run<'_, '_, P>,
        phase: Phase,
        time: Duration,
        target: &Target,
    ) -> Result<(), Error> {
        let begin = run.pool.now();
        let end = begin + time;
        let mut stall_timer = StallTimer::new(target.timeout, "to open or close");
        let (mut ready, mut closed) = (Vec::new(), Vec::new());
        let total = self.slots.len();
        while run.pool.now() < end {
            let mut failure = None;
            let wait = stall_timer.poll_timeout().min(end.saturating_duration_since(run.pool.now()));
            let slots = &self.slots;
            let (addr, open) = (target.addr, self.opened);
            run.pool.poll(wait, |slot, event| match event {
                SessionEvent::Ready => ready.push(slot),
                SessionEvent::Closed(None) if slots[slot].state == SlotState::Closing => closed.push(slot),
                SessionEvent::Unreachable(source) => failure = Some(Error::Connect { addr, open, source }),
                event => failure = failure.take().or_else(|| event_error(event, slot, total)),
            })?;
            failure.map_or(Ok(()), Err)?;
            let now = run.pool.now();
            let has_progress = !ready.is_empty() || !closed.is_empty();
            for slot in ready.drain(..) {
                self.on_answer(run, slot);
            }
            for slot in closed.drain(..) {
                self.closed += 1;
                self.latencies.record(now.saturating_duration_since(self.slots[slot].opened_at), 1);
                let client = self.next_client(&run.names);
                run.pool.reopen(slot, client)?;
                self.slots[slot] = Slot { state: SlotState::Opening, opened_at: now };
            }
            stall_timer.check(now, has_progress, total)?;
            run.report_progress(phase, begin, time, self.closed);
        }
        Ok(())
    }

    /// Handles the last answer of a step. After the registration, sends the request. After the request, closes the
    /// session.
    fn on_answer<P: Protocol>(&mut self, run: &mut Run<'_, '_, P>, slot: usize) {
        let state = &mut self.slots[slot].state;
        if *state == SlotState::Opening {
            *state = SlotState::Asking;
            run.pool.request(slot, P::ask);
            // If the protocol has no request, the session closes at once.
            if run.pool.is_awaiting_answers(slot) {
                return;
            }
        }
        *state = SlotState::Closing;
        run.pool.close(slot);
    }
}
