//! One run: sessions are opened, talk, are measured, and leave.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::client_names::Names;
use crate::clock;
use crate::error::Error;
use crate::latency::Latency;
use crate::process::Process;
use crate::progress::{Phase, Progress};
use crate::protocol::{Seat, Wire};
use crate::report::{Findings, Measured, Report, per_server_cpu_second};
use crate::session_pool::Crowd;
use crate::target::Target;
use crate::traffic::{Counts, Talk};
use crate::usage::{Reading, Used};

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How long the server has to close sessions that leave. After it they are closed from this side.
const LEAVE: Duration = Duration::from_secs(3);

/// A run that goes on.
pub(crate) struct Run<'a, 'w, W> {
    pub(crate) crowd: Crowd<'w, W>,
    pub(crate) talk: Talk,
    pub(crate) process: Option<Process>,
    pub(crate) names: Names,
    timeout: Duration,
    told: Option<Instant>,
    progress: &'a mut dyn FnMut(Progress),
}

impl<'a, 'w, W: Wire> Run<'a, 'w, W> {
    /// A run with nobody in it, and with room for `sessions` at a time.
    pub(crate) fn new(
        wire: &'w W,
        target: &Target,
        sessions: usize,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Result<Self, Error> {
        let process = target.pid.map(Process::new).transpose()?;
        let crowd = Crowd::new(wire, target, sessions)?;
        let talk = Talk::new(sessions);
        progress(Progress { phase: Phase::Opening, done: 0.0, count: 0 });
        Ok(Self { crowd, talk, process, names: Names::new(), timeout: target.timeout, told: None, progress })
    }

    /// Opens two sessions for each pair, and joins them: session 2n speaks to session 2n + 1.
    pub(crate) fn open_pairs(&mut self, pairs: usize, both_ways: bool) -> Result<(), Error> {
        let Self { crowd, names, .. } = self;
        let seats = (0..2 * pairs).map(|number| Seat {
            name: names.of(number),
            peer: names.of(number ^ 1),
            pair: number / 2,
            speaks: number % 2 == 0 || both_ways,
            listens: number % 2 == 1 || both_ways,
        });
        crowd.open_all(seats, 2 * pairs)?;
        for pair in 0..pairs {
            let listener = crowd.seat(2 * pair + 1).clone();
            let mut awaited = 0;
            crowd.ask(2 * pair, |wire, seat, out| {
                let (speaker, of_listener) = wire.join(seat, &listener, out);
                awaited = of_listener;
                speaker
            });
            crowd.expect(2 * pair + 1, awaited);
        }
        crowd.settle("to be joined")
    }

    /// Opens `count` more sessions that talk to nobody, of `sessions` in all.
    pub(crate) fn open_alone(&mut self, count: usize, sessions: usize) -> Result<(), Error> {
        let Self { crowd, names, .. } = self;
        let open = crowd.len();
        let seats = (open..open + count).map(|number| Seat {
            name: names.of(number),
            peer: String::new(),
            pair: number,
            speaks: false,
            listens: false,
        });
        crowd.open_all(seats, sessions)
    }

    /// Has every session ask something, and waits for all answers.
    pub(crate) fn ask_all(&mut self) -> Result<(), Error> {
        for session in 0..self.crowd.len() {
            self.crowd.ask(session, W::ask);
        }
        self.crowd.settle("for an answer")
    }

    /// Freezes the listeners of `pairs` and lets their speakers flood, or ends both.
    pub(crate) fn set_frozen(&mut self, pairs: Range<usize>, is_frozen: bool) {
        for pair in pairs {
            self.crowd.set_frozen(2 * pair + 1, is_frozen);
        }
        self.talk.set_flooding(is_frozen);
    }

    /// Lets `time` pass without telling anybody.
    pub(crate) fn wait(&mut self, time: Duration) -> Result<(), Error> {
        let end = clock::now() + time;
        while clock::now() < end {
            self.talk.turn(&mut self.crowd, end.saturating_duration_since(clock::now()))?;
        }
        Ok(())
    }

    /// Lets everybody talk for `time`.
    pub(crate) fn go_on(&mut self, phase: Phase, time: Duration) -> Result<(), Error> {
        let begin = clock::now();
        let end = begin + time;
        loop {
            // The clock is read once a turn.
            let now = self.crowd.now().max(begin);
            if now >= end {
                return Ok(());
            }
            let wait = PROGRESS_EVERY.min(end.saturating_duration_since(now));
            self.talk.turn(&mut self.crowd, wait)?;
            if self.told.is_none_or(|told| now >= told + PROGRESS_EVERY) {
                let count = self.talk.counts().delivered;
                self.tell(phase, begin, time, count);
            }
        }
    }

    /// Tells how far it is, unless that was told just now.
    pub(crate) fn tell(&mut self, phase: Phase, begin: Instant, time: Duration, count: u64) {
        let now = self.crowd.now();
        if self.told.is_some_and(|told| now < told + PROGRESS_EVERY) {
            return;
        }
        self.told = Some(now);
        let done = now.saturating_duration_since(begin).as_secs_f64() / time.as_secs_f64();
        (self.progress)(Progress { phase, done: done.min(1.0), count });
    }

    /// What was used while `busy` went on.
    pub(crate) fn measure_use(&mut self, busy: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<Used, Error> {
        let before = Reading::take(self.process)?;
        busy(self)?;
        Ok(before.until(&Reading::take(self.process)?))
    }

    /// Goes on until all that is timed has come, and says how much has not come in time.
    fn wait_for_timed(&mut self) -> Result<u64, Error> {
        let end = clock::now() + self.timeout;
        while self.talk.awaited() > 0 && clock::now() < end {
            self.talk.turn(&mut self.crowd, PROGRESS_EVERY.min(end.saturating_duration_since(clock::now())))?;
        }
        Ok(self.talk.awaited())
    }

    /// Lets everybody talk for `time`, and measures. Times are of what is due in that time, and are taken when it has
    /// come.
    #[expect(clippy::cast_precision_loss, reason = "rates for people, to a few digits")]
    pub(crate) fn measure(&mut self, time: Duration) -> Result<Measured, Error> {
        self.talk.begin_to_time(time);
        let before = self.talk.counts();
        let used = self.measure_use(|run| run.go_on(Phase::Measuring, time))?;
        let after = self.talk.counts();
        let untimed = self.wait_for_timed()?;
        let since = |of: fn(&Counts) -> u64| of(&after) - of(&before);
        let delivered = since(|counts| counts.delivered);
        let seconds = used.time.as_secs_f64();
        Ok(Measured {
            seconds,
            sent: since(|counts| counts.sent),
            delivered,
            acknowledged: self.crowd.wire().acknowledges().then(|| since(|counts| counts.acknowledged)),
            delivered_per_second: delivered as f64 / seconds,
            delivered_per_server_cpu_second: per_server_cpu_second(delivered, used.server.as_ref()),
            latency: Latency::of(self.talk.times().latencies()),
            untimed,
            sent_late: Latency::of(self.talk.times().lateness()),
            server: used.server,
            generator: used.generator,
        })
    }

    /// Waits for all that is under way, has everybody leave, and writes the report.
    pub(crate) fn end(
        mut self,
        workload: &'static str,
        findings: Findings,
        mut notes: Vec<String>,
    ) -> Result<Report, Error> {
        let counts = self.talk.counts();
        (self.progress)(Progress { phase: Phase::Ending, done: 1.0, count: counts.delivered });
        let sessions = self.crowd.len();
        self.talk.end(&mut self.crowd, self.timeout)?;
        let wire = self.crowd.wire().name().to_owned();
        let (left, faults) = self.talk.leave(self.crowd, LEAVE)?;
        if left > 0 {
            notes.push(format!("the server did not close {left} sessions within {LEAVE:?} after they left"));
        }
        Ok(Report { workload, wire, sessions, findings, faults, notes })
    }
}
