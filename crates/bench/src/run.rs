//! One run: opens sessions, sends messages, measures and closes.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::client_names::ClientNames;
use crate::clock;
use crate::error::Error;
use crate::latency::Latency;
use crate::process::Process;
use crate::progress::{Phase, Progress};
use crate::protocol::{ClientProfile, Protocol};
use crate::report::{MessageMetrics, Metrics, Report, per_server_cpu_second};
use crate::room::RoomCounts;
use crate::session_pool::SessionPool;
use crate::target::Target;
use crate::traffic::{MessageCounts, Traffic};
use crate::usage::{IntervalUsage, UsageSnapshot};

/// Minimum time between two reports of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Maximum wait for the server to close its side of the sessions. After that, the load generator closes the sockets.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A run in progress.
pub(crate) struct Run<'a, 'p, P> {
    pub(crate) pool: SessionPool<'p, P>,
    pub(crate) traffic: Traffic,
    pub(crate) process: Option<Process>,
    pub(crate) names: ClientNames,
    timeout: Duration,
    /// Time of the last report of progress.
    last_progress: Option<Instant>,
    progress: &'a mut dyn FnMut(Progress),
}

impl<'a, 'p, P: Protocol> Run<'a, 'p, P> {
    /// A run without sessions yet, with room for `sessions` at a time.
    pub(crate) fn new(
        protocol: &'p P,
        target: &Target,
        sessions: usize,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Result<Self, Error> {
        let process = target.pid.map(Process::new).transpose()?;
        let pool = SessionPool::new(protocol, target, sessions)?;
        let traffic = Traffic::new(sessions);
        progress(Progress { phase: Phase::Opening, done: 0.0, count: 0 });
        Ok(Self {
            pool,
            traffic,
            process,
            names: ClientNames::new(),
            timeout: target.timeout,
            last_progress: None,
            progress,
        })
    }

    /// Opens two sessions for each pair and joins them. Session 2n sends to session 2n + 1, and with `both_ways` also
    /// receives from it.
    pub(crate) fn open_pairs(&mut self, pairs: usize, both_ways: bool) -> Result<(), Error> {
        let Self { pool, names, .. } = self;
        let clients = (0..2 * pairs).map(|number| ClientProfile {
            name: names.name_of(number),
            // The numbers of the two sessions of a pair differ in the lowest bit.
            peer: names.name_of(number ^ 1),
            room: None,
            pair: number / 2,
            sends: number % 2 == 0 || both_ways,
            receives: number % 2 == 1 || both_ways,
        });
        pool.open_all(clients, 2 * pairs)?;
        for pair in 0..pairs {
            let receiver = pool.client(2 * pair + 1).clone();
            let mut receiver_answers = 0;
            pool.request(2 * pair, |protocol, client, out| {
                let (sender_answers, answers) = protocol.join(client, &receiver, out);
                receiver_answers = answers;
                sender_answers
            });
            pool.add_awaited(2 * pair + 1, receiver_answers);
        }
        pool.wait_for_answers("to be joined")
    }

    /// Opens the sessions of one room: `writers`, then `readers`. `sessions` is the number of all sessions of the run,
    /// for error messages.
    pub(crate) fn open_room(&mut self, writers: usize, readers: usize, sessions: usize) -> Result<(), Error> {
        let Self { pool, names, .. } = self;
        let first = pool.len();
        let room = names.name_of(first);
        let client = |number: usize, sends: bool| ClientProfile {
            name: names.name_of(number),
            peer: if sends { room.clone() } else { String::new() },
            room: Some(room.clone()),
            pair: first / 2,
            sends,
            receives: !sends,
        };
        pool.begin_crowd()?;
        // The writers come first, because one of them makes the room.
        pool.open_all((first..first + writers).map(|number| client(number, true)), sessions)?;
        let readers = first + writers..first + writers + readers;
        pool.open_all(readers.map(|number| client(number, false)), sessions)
    }

    /// Opens `count` more sessions without a pair. `sessions` is the number of all sessions of the run, for error
    /// messages.
    pub(crate) fn open_idle(&mut self, count: usize, sessions: usize) -> Result<(), Error> {
        let Self { pool, names, .. } = self;
        let open = pool.len();
        let clients = (open..open + count).map(|number| ClientProfile {
            name: names.name_of(number),
            peer: String::new(),
            room: None,
            pair: number,
            sends: false,
            receives: false,
        });
        pool.open_all(clients, sessions)
    }

    /// Sends a request from every session, and waits for all answers.
    pub(crate) fn request_all(&mut self) -> Result<(), Error> {
        for session in 0..self.pool.len() {
            self.pool.request(session, P::ask);
        }
        self.pool.wait_for_answers("for an answer")
    }

    /// If `is_frozen`, freezes the receivers of `pairs` and starts the flood of their senders. Otherwise ends the
    /// freeze and the flood.
    pub(crate) fn set_frozen(&mut self, pairs: Range<usize>, is_frozen: bool) {
        for pair in pairs {
            self.pool.set_frozen(2 * pair + 1, is_frozen);
        }
        self.traffic.set_flooding(is_frozen);
    }

    /// Keeps the traffic going for `time`, without progress reports.
    pub(crate) fn wait(&mut self, time: Duration) -> Result<(), Error> {
        let end = clock::now() + time;
        while clock::now() < end {
            self.traffic.poll(&mut self.pool, end.saturating_duration_since(clock::now()))?;
        }
        Ok(())
    }

    /// Keeps the traffic going for `time`, with progress reports.
    pub(crate) fn run_for(&mut self, phase: Phase, time: Duration) -> Result<(), Error> {
        let begin = clock::now();
        let end = begin + time;
        loop {
            // The pool reads the clock once in each poll.
            let now = self.pool.now().max(begin);
            if now >= end {
                return Ok(());
            }
            let wait = PROGRESS_INTERVAL.min(end.saturating_duration_since(now));
            self.traffic.poll(&mut self.pool, wait)?;
            if self.last_progress.is_none_or(|last_progress| now >= last_progress + PROGRESS_INTERVAL) {
                let count = self.traffic.counts().delivered + self.traffic.room_counts().delivered;
                self.report_progress(phase, begin, time, count);
            }
        }
    }

    /// Reports the progress of a phase that began at `begin` and takes `time`. Does nothing if the last report is more
    /// recent than [`PROGRESS_INTERVAL`].
    pub(crate) fn report_progress(&mut self, phase: Phase, begin: Instant, time: Duration, count: u64) {
        let now = self.pool.now();
        if self.last_progress.is_some_and(|last_progress| now < last_progress + PROGRESS_INTERVAL) {
            return;
        }
        self.last_progress = Some(now);
        let done = now.saturating_duration_since(begin).as_secs_f64() / time.as_secs_f64();
        (self.progress)(Progress { phase, done: done.min(1.0), count });
    }

    /// Runs `work`, and returns the processor time and memory that are used meanwhile.
    pub(crate) fn measure_usage(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<IntervalUsage, Error> {
        let before = UsageSnapshot::take(self.process)?;
        work(self)?;
        Ok(before.until(&UsageSnapshot::take(self.process)?))
    }

    /// Keeps the traffic going until every message of the measured span has arrived or is given up, or until the
    /// timeout passes.
    fn wait_for_span(&mut self) -> Result<(), Error> {
        let end = clock::now() + self.timeout;
        while self.traffic.unresolved() > 0 && clock::now() < end {
            self.traffic.poll(&mut self.pool, PROGRESS_INTERVAL.min(end.saturating_duration_since(clock::now())))?;
        }
        Ok(())
    }

    /// Pauses the room, and keeps the traffic going until all messages of the room have arrived, or until the timeout
    /// passes.
    pub(crate) fn settle_room(&mut self) -> Result<(), Error> {
        let Some(room) = &mut self.traffic.room else { return Ok(()) };
        room.pause();
        let end = clock::now() + self.timeout;
        while self.traffic.in_flight_in_room() > 0 && clock::now() < end {
            self.traffic.poll(&mut self.pool, PROGRESS_INTERVAL)?;
        }
        Ok(())
    }

    /// Measures the traffic for `time`. Then waits for the arrival of the messages that were due in that time, because
    /// the latencies are those of these messages.
    pub(crate) fn measure(&mut self, time: Duration) -> Result<MessageMetrics, Error> {
        self.measure_with_room(time).map(|(streams, _)| streams)
    }

    /// The same, and counts the messages of the room. The measured time ends when all of them have arrived: so each
    /// delivery has its share of the processor time, also if the server has fallen behind.
    #[expect(clippy::cast_precision_loss, reason = "rates are shown to a few digits")]
    pub(crate) fn measure_with_room(&mut self, time: Duration) -> Result<(MessageMetrics, RoomCounts), Error> {
        self.traffic.begin_span(time);
        let (before, room_before) = (self.traffic.counts(), self.traffic.room_counts());
        let usage = self.measure_usage(|run| run.run_for(Phase::Measuring, time).and_then(|()| run.settle_room()))?;
        let (after, room_after) = (self.traffic.counts(), self.traffic.room_counts());
        self.wait_for_span()?;
        let increase = |count: fn(&MessageCounts) -> u64| count(&after) - count(&before);
        let delivered = increase(|counts| counts.delivered);
        let seconds = usage.time.as_secs_f64();
        let metrics = MessageMetrics {
            seconds,
            sent: increase(|counts| counts.sent),
            delivered,
            acknowledged: self.pool.protocol().acknowledges().then(|| increase(|counts| counts.acknowledged)),
            delivered_per_second: delivered as f64 / seconds,
            delivered_per_server_cpu_second: per_server_cpu_second(delivered, usage.server.as_ref()),
            latency: Latency::from_histogram(self.traffic.latency().latencies()),
            untimed: self.traffic.unresolved(),
            sent_late: Latency::from_histogram(self.traffic.latency().lateness()),
            server: usage.server,
            generator: usage.generator,
        };
        Ok((metrics, room_after.since(room_before)))
    }

    /// Waits for messages in flight, closes all sessions and returns the report.
    pub(crate) fn finish(
        mut self,
        workload: &'static str,
        metrics: Metrics,
        mut notes: Vec<String>,
    ) -> Result<Report, Error> {
        let counts = self.traffic.counts();
        (self.progress)(Progress { phase: Phase::Ending, done: 1.0, count: counts.delivered });
        let sessions = self.pool.len();
        self.traffic.drain(&mut self.pool, self.timeout)?;
        let protocol = self.pool.protocol().name().to_owned();
        let (open_sessions, faults) = self.traffic.close(self.pool, CLOSE_TIMEOUT)?;
        if open_sessions > 0 {
            notes.push(format!(
                "the server kept {open_sessions} sessions open for {CLOSE_TIMEOUT:?} after their clients closed"
            ));
        }
        Ok(Report { workload, protocol, sessions, metrics, faults, notes })
    }
}
