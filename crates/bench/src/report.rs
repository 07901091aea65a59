//! The figures of a run, and notes on their reliability.

mod fanout;
mod resume;

use std::fmt;

use serde::Serialize;

use crate::faults::Faults;
use crate::latency::{Latency, format_us};
use crate::usage::{CpuUsage, IntervalUsage, ServerUsage};

pub use self::fanout::FanoutMetrics;
pub use self::resume::ResumeMetrics;

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the workload.
    pub workload: &'static str,
    /// Name of the protocol. Its key in JSON is `wire`.
    #[serde(rename = "wire")]
    pub protocol: String,
    /// Sessions open at a time.
    pub sessions: usize,
    /// Figures of the workload.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Faults of all messages of the run, also of those outside the measured time.
    pub faults: Faults,
    /// Sentences with reasons why figures may mislead.
    pub notes: Vec<String>,
}

/// The figures of one workload.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Metrics {
    /// `pairs` and `rate`.
    Messages {
        /// Figures of the messages.
        measured: MessageMetrics,
    },
    /// `idle`.
    Idle {
        /// Figures of the idle sessions.
        idle: IdleMetrics,
    },
    /// `churn`.
    Churn {
        /// Figures of the short sessions.
        churn: ChurnMetrics,
    },
    /// `isolation`.
    Isolation {
        /// Figures before, during and after the freeze.
        isolation: Box<IsolationMetrics>,
    },
    /// `fanout`.
    Fanout {
        /// Figures of the room, and of the pairs beside it.
        fanout: Box<FanoutMetrics>,
    },
    /// `resume`.
    Resume {
        /// Figures of the returning device.
        resume: ResumeMetrics,
    },
}

/// Figures of the messages in a measured time.
#[derive(Clone, Debug, Serialize)]
pub struct MessageMetrics {
    /// Length of the measurement.
    pub seconds: f64,
    /// Messages sent.
    pub sent: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Acknowledgements received. `None` if the protocol has none.
    pub acknowledged: Option<u64>,
    /// Delivered messages per second.
    pub delivered_per_second: f64,
    /// Delivered messages per second of the server's processor time. `None` if that time is unknown.
    pub delivered_per_server_cpu_second: Option<f64>,
    /// Closed loop: time from sending to arrival, of the messages sent in the measured time. Open loop: time from due
    /// time to arrival, of the messages due in the measured time. The arrival may be after the measured time.
    pub latency: Option<Latency>,
    /// Messages of the measured time that are missing from `latency`, because they did not arrive before the timeout.
    pub untimed: u64,
    /// Open loop: time from due time to sending.
    pub sent_late: Option<Latency>,
    /// Processor time and memory of the server. `None` if its process id is unknown.
    pub server: Option<ServerUsage>,
    /// Processor time of the load generator. It has one thread, so it uses at most 1.0 cores.
    pub generator: CpuUsage,
}

/// Figures of `isolation`: some pairs have a frozen reader, and the other pairs are measured.
#[derive(Clone, Debug, Serialize)]
pub struct IsolationMetrics {
    /// Number of frozen readers.
    pub frozen: usize,
    /// Messages sent to the frozen readers.
    pub flood: u64,
    /// Pairs with a frozen reader that the server closed.
    pub cut: usize,
    /// Change of the 99th percentile of the other pairs' latency, in microseconds: `during` minus the mean of `before`
    /// and `after`.
    pub p99_moved_us: Option<f64>,
    /// The other pairs before the freeze.
    pub before: MessageMetrics,
    /// The other pairs while the readers are frozen and their senders flood.
    pub during: MessageMetrics,
    /// The other pairs when the frozen readers read again.
    pub after: MessageMetrics,
}

/// Figures of idle sessions.
#[derive(Clone, Debug, Serialize)]
pub struct IdleMetrics {
    /// Sessions opened between the two memory readings.
    pub sessions: usize,
    /// Time that the sessions stayed idle.
    pub seconds: f64,
    /// Growth of the server's resident memory for each session, in bytes.
    pub bytes_per_session: Option<f64>,
    /// The server's resident memory before the sessions opened, in bytes.
    pub resident_bytes_before: Option<u64>,
    /// The server's resident memory while all sessions are open, in bytes.
    pub resident_bytes_after: Option<u64>,
    /// Processor time and memory of the server while the sessions were idle.
    pub server: Option<ServerUsage>,
}

/// Figures of sessions that open and close in turn.
#[derive(Clone, Debug, Serialize)]
pub struct ChurnMetrics {
    /// Sessions completed, from connect to close.
    pub sessions: u64,
    /// Length of the measurement.
    pub seconds: f64,
    /// Completed sessions per second.
    pub sessions_per_second: f64,
    /// Completed sessions per second of the server's processor time.
    pub sessions_per_server_cpu_second: Option<f64>,
    /// Time from connect to close.
    pub lifetime: Option<Latency>,
    /// Processor time and memory of the server.
    pub server: Option<ServerUsage>,
    /// Processor time of the load generator.
    pub generator: CpuUsage,
}

/// `count` per second of the server's processor time. `None` if that time is unknown or zero.
#[expect(clippy::cast_precision_loss, reason = "rates are shown to a few digits")]
pub(crate) fn per_server_cpu_second(count: u64, server: Option<&ServerUsage>) -> Option<f64> {
    server.filter(|server| server.cpu.cpu_seconds > 0.0).map(|server| count as f64 / server.cpu.cpu_seconds)
}

/// The load generator is busy if it uses at least this share of its core.
const GENERATOR_BUSY_CORES: f64 = 0.95;
/// The server is busy if it uses at least this share of one core.
const SERVER_BUSY_CORES: f64 = 0.9;

/// A note is given if the server used less processor time than this, in seconds: then a few scheduler ticks change a
/// rate per second of that time.
const CPU_SECONDS_MIN: f64 = 0.2;

/// A note is given if a measurement is shorter than this, in seconds.
const SECONDS_MIN: f64 = 1.0;

/// A note is given if a process waited for a core for more than this share of the measured time.
const WAITED_SHARE_MAX: f64 = 0.1;

/// A note is given if the 99th percentile of the sending delay in an open loop is above this, in microseconds.
const LATE_US_MAX: f64 = 1000.0;

impl IntervalUsage {
    /// Notes that apply to any workload.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let seconds = self.time.as_secs_f64();
        if seconds < SECONDS_MIN {
            notes.push(format!("{seconds:.2} s is short: measure for longer"));
        }
        let waited = [("server", self.server.map(|server| server.cpu)), ("load generator", Some(self.generator))]
            .into_iter()
            .filter_map(|(who, cpu)| Some((who, cpu?.waited_seconds)))
            .filter(|(_, waited_seconds)| *waited_seconds > WAITED_SHARE_MAX * seconds)
            .map(|(who, waited_seconds)| format!("the {who} waited {waited_seconds:.2} s for a core"));
        let waited: Vec<_> = waited.collect();
        if !waited.is_empty() {
            notes.push(format!(
                "this machine has other work: of {seconds:.2} s, {}; \
                 compare only the figures per second of processor time",
                waited.join(" and ")
            ));
        }
        notes
    }

    /// A note if the server used so little processor time that rates per second of it are imprecise.
    pub(crate) fn cpu_time_note(&self) -> Option<String> {
        let cpu = self.server?.cpu;
        (cpu.cpu_seconds < CPU_SECONDS_MIN).then(|| {
            format!(
                "the server used only {:.0} ms of processor time: figures per second of it are imprecise",
                1e3 * cpu.cpu_seconds
            )
        })
    }

    /// Closed loop: a note if the load generator, not the server, limited the rate.
    pub(crate) fn bottleneck_note(&self) -> Option<String> {
        let Self { generator, server, .. } = self;
        let server = server.map(|server| server.cpu.cores);
        let is_bottleneck =
            generator.cores >= GENERATOR_BUSY_CORES && server.is_none_or(|cores| cores < SERVER_BUSY_CORES);
        is_bottleneck.then(|| {
            let server_use = match server {
                Some(cores) => format!("used {:.0} % of one", 100.0 * cores),
                None => "may not have been busy (give --pid to see)".to_owned(),
            };
            format!(
                "the load generator was the bottleneck: it used {:.0} % of its core, and the server {server_use}; \
                 rates per second are the limit of the load generator",
                100.0 * generator.cores,
            )
        })
    }
}

impl Report {
    /// Whether other work on this machine delayed the load generator, so that latencies include its own delays.
    #[must_use]
    pub fn generator_was_delayed(&self) -> bool {
        match &self.metrics {
            Metrics::Messages { measured } => measured.generator_was_delayed(),
            Metrics::Isolation { isolation } => [&isolation.before, &isolation.during, &isolation.after]
                .into_iter()
                .any(MessageMetrics::generator_was_delayed),
            Metrics::Fanout { fanout } => fanout.generator_was_delayed(),
            Metrics::Idle { .. } | Metrics::Churn { .. } | Metrics::Resume { .. } => false,
        }
    }
}

impl MessageMetrics {
    fn generator_was_delayed(&self) -> bool {
        let was_late = self.sent_late.is_some_and(|late| late.p99_us.is_some_and(|p99| p99 > LATE_US_MAX));
        was_late || self.generator.waited_seconds > WAITED_SHARE_MAX * self.seconds
    }

    /// The processor time and memory of the measured time.
    pub(crate) fn usage(&self) -> IntervalUsage {
        let time = std::time::Duration::from_secs_f64(self.seconds);
        IntervalUsage { time, generator: self.generator, server: self.server }
    }

    /// A note if messages are missing from the latencies.
    pub(crate) fn untimed_note(&self) -> Option<String> {
        (self.untimed > 0).then(|| {
            format!(
                "{} messages of the measured time did not arrive in time: \
                 the latencies leave them out, and would be longer with them",
                self.untimed
            )
        })
    }

    /// Open loop: a note if messages were not sent or delivered in time.
    #[expect(clippy::cast_precision_loss, reason = "rates are shown to a few digits")]
    pub(crate) fn schedule_note(&self, per_second: u64) -> Option<String> {
        let due = per_second as f64 * self.seconds;
        // The last messages may be in flight: up to 2 % of all, and 100 more.
        if (self.delivered as f64) < 0.98 * due - 100.0 {
            return Some(format!(
                "the server did not keep up: {:.0} messages were due, {} were sent and {} arrived; \
                 latencies grow with the length of the run",
                due, self.sent, self.delivered
            ));
        }
        let late = self.sent_late.and_then(|late| late.p99_us).filter(|&late| late > LATE_US_MAX)?;
        Some(format!(
            "the load generator was late: one message in a hundred was sent {} or more after it was due, \
             and its latency includes that delay",
            format_us(late)
        ))
    }

    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "delivered   {} messages, {} a second", self.delivered, format_si(self.delivered_per_second))?;
        if let Some(latency) = &self.latency {
            writeln!(f, "latency     {latency}")?;
        }
        if let Some(server) = &self.server {
            writeln!(f, "server      {server}")?;
        }
        if let Some(rate) = self.delivered_per_server_cpu_second {
            writeln!(f, "            {} messages per second of processor time", format_si(rate))?;
        }
        writeln!(f, "generator   {}", self.generator)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, protocol, sessions, metrics, faults, notes } = self;
        writeln!(f, "{workload}, {protocol}: {sessions} sessions, {:.2} s measured", metrics.seconds())?;
        match metrics {
            Metrics::Messages { measured } => measured.fmt(f)?,
            Metrics::Idle { idle } => idle.fmt(f)?,
            Metrics::Churn { churn } => churn.fmt(f)?,
            Metrics::Isolation { isolation } => isolation.fmt(f)?,
            Metrics::Fanout { fanout } => fanout.fmt(f)?,
            Metrics::Resume { resume } => resume.fmt(f)?,
        }
        let Faults { lost, reordered, duplicated, corrupt, unacknowledged } = faults;
        writeln!(
            f,
            "faults      {lost} lost, {reordered} reordered, {duplicated} duplicated, {corrupt} corrupt, \
             {unacknowledged} acknowledged wrongly"
        )?;
        notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl Metrics {
    fn seconds(&self) -> f64 {
        match self {
            Self::Messages { measured } => measured.seconds,
            Self::Idle { idle } => idle.seconds,
            Self::Churn { churn } => churn.seconds,
            Self::Isolation { isolation } => isolation.during.seconds,
            Self::Fanout { fanout } => fanout.seconds,
            Self::Resume { resume } => resume.seconds,
        }
    }
}

impl IsolationMetrics {
    pub(crate) fn new(frozen: usize, flood: u64, cut: usize, [before, during, after]: [MessageMetrics; 3]) -> Self {
        let p99 = |measured: &MessageMetrics| measured.latency.and_then(|latency| latency.p99_us);
        let unfrozen = p99(&before).zip(p99(&after)).map(|(before, after)| f64::midpoint(before, after));
        let p99_moved_us = p99(&during).zip(unfrozen).map(|(during, unfrozen)| during - unfrozen);
        Self { frozen, flood, cut, p99_moved_us, before, during, after }
    }

    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frozen, flood, cut, .. } = self;
        writeln!(
            f,
            "frozen      {frozen} readers, while {flood} messages were sent to them; the server closed {cut} of their \
             pairs"
        )?;
        for (phase, measured) in [("before", &self.before), ("during", &self.during), ("after", &self.after)] {
            write!(f, "{phase:<11} {} a second", format_si(measured.delivered_per_second))?;
            if let Some(latency) = &measured.latency {
                write!(f, ", {latency}")?;
            }
            writeln!(f)?;
        }
        if let Some(moved_us) = self.p99_moved_us {
            writeln!(
                f,
                "moved       p99 of the other pairs by {moved_us:+.1} µs, against the mean of before and after"
            )?;
        }
        Ok(())
    }
}

impl IdleMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bytes) = self.bytes_per_session {
            writeln!(f, "each        {:.0} bytes of the server's memory ({} sessions measured)", bytes, self.sessions)?;
        }
        if let Some(server) = &self.server {
            writeln!(f, "server      {server}, while they waited")?;
        }
        Ok(())
    }
}

impl ChurnMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "churn       {} sessions opened and closed, {} a second",
            self.sessions,
            format_si(self.sessions_per_second)
        )?;
        if let Some(lifetime) = &self.lifetime {
            writeln!(f, "each took   {lifetime}")?;
        }
        if let Some(server) = &self.server {
            writeln!(f, "server      {server}")?;
        }
        if let Some(rate) = self.sessions_per_server_cpu_second {
            writeln!(f, "            {} sessions per second of processor time", format_si(rate))?;
        }
        writeln!(f, "generator   {}", self.generator)
    }
}

/// A number with three or four significant digits and an SI prefix.
fn format_si(value: f64) -> String {
    match value {
        1e6.. => format!("{:.3} M", value / 1e6),
        1e4.. => format!("{:.2} k", value / 1e3),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The usage of a measurement: the cores that the load generator used, and those that the server used, with the
    /// seconds that the server waited for a core.
    fn usage(seconds: f64, generator: f64, server: Option<(f64, f64)>) -> IntervalUsage {
        let cpu = |cores: f64, waited_seconds: f64| CpuUsage { cpu_seconds: cores * seconds, cores, waited_seconds };
        let server = server.map(|(cores, waited)| ServerUsage { cpu: cpu(cores, waited), resident_bytes: 0 });
        IntervalUsage { time: Duration::from_secs_f64(seconds), generator: cpu(generator, 0.0), server }
    }

    #[test]
    fn notes_tell_which_figures_are_unreliable() {
        let cases = [
            (usage(5.0, 0.5, Some((0.99, 0.0))), vec![]),
            (usage(5.0, 0.99, Some((0.99, 0.0))), vec![]),
            (usage(5.0, 0.97, Some((0.5, 0.0))), vec!["the load generator was the bottleneck: it used 97 %"]),
            (usage(5.0, 0.97, None), vec!["the server may not have been busy"]),
            (usage(5.0, 0.1, Some((0.01, 0.0))), vec!["the server used only 50 ms of processor time"]),
            (usage(0.5, 0.5, Some((0.99, 0.0))), vec!["0.50 s is short"]),
            (usage(5.0, 0.5, Some((0.6, 2.0))), vec!["of 5.00 s, the server waited 2.00 s for a core; compare"]),
        ];
        for (usage, expected) in cases {
            let notes = usage.notes().into_iter().chain(usage.cpu_time_note()).chain(usage.bottleneck_note());
            let notes: Vec<_> = notes.collect();
            assert_eq!(notes.len(), expected.len(), "{notes:?} for {usage:?}");
            for (note, expected) in notes.iter().zip(expected) {
                assert!(note.contains(expected), "{note}");
            }
        }
    }
}
