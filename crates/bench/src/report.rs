//! What a run found, and how sure that is.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::faults::Faults;

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The workload.
    pub workload: &'static str,
    /// The protocol.
    pub wire: String,
    /// How many sessions were open.
    pub sessions: usize,
    /// What was measured.
    pub measured: Measured,
    /// What went wrong, from the first message of the run to its last.
    pub faults: Faults,
    /// What keeps the figures from meaning what they seem to.
    pub notes: Vec<String>,
}

/// The measured part of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// How long it lasted.
    pub seconds: f64,
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages that were acknowledged to their sender; nothing where the protocol has no such thing.
    pub acknowledged: Option<u64>,
    /// How many arrived each second.
    pub delivered_per_second: f64,
    /// How many arrived for each second of the server's processor time.
    pub delivered_per_server_cpu_second: Option<f64>,
    /// How long they took.
    pub latency: Option<Latency>,
    /// What the server used.
    pub server: Option<ServerUse>,
    /// What the load generator used.
    pub generator: GeneratorUse,
}

/// What the server used.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerUse {
    /// Processor time.
    pub cpu_seconds: f64,
    /// The same for each second that passed: how many cores were busy.
    pub cores: f64,
    /// Memory at the end, without what it maps from files.
    pub resident_bytes: u64,
}

/// What the load generator used: it is one thread.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct GeneratorUse {
    /// Processor time.
    pub cpu_seconds: f64,
    /// The same for each second that passed: 1.0 is all that it can.
    pub cores: f64,
}

/// How long messages took, in microseconds. A percentile beyond which fewer than ten messages lie is left out.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50_us: f64,
    /// Nine in ten.
    pub p90_us: Option<f64>,
    /// 99 in 100.
    pub p99_us: Option<f64>,
    /// 999 in 1,000.
    pub p999_us: Option<f64>,
    /// The longest.
    pub max_us: f64,
}

impl Latency {
    #[expect(clippy::cast_precision_loss, reason = "microseconds for people, to three digits")]
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let us = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        let at =
            |quantile: f64, least: u64| (histogram.len() >= least).then(|| us(histogram.value_at_quantile(quantile)));
        Some(Self {
            p50_us: at(0.5, 1)?,
            p90_us: at(0.9, 100),
            p99_us: at(0.99, 1_000),
            p999_us: at(0.999, 10_000),
            max_us: us(histogram.max()),
        })
    }
}

/// What was faster: where the figures come from.
const GENERATOR_BUSY: f64 = 0.95;
const SERVER_BUSY: f64 = 0.9;
/// Below this a tick of the scheduler shows in the figures.
const CPU_SECONDS_MIN: f64 = 0.2;
const SECONDS_MIN: f64 = 1.0;

impl Measured {
    /// What keeps these figures from meaning what they seem to.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.seconds < SECONDS_MIN {
            notes.push(format!("measured for {:.2} s only: run it for longer", self.seconds));
        }
        let server = self.server.map(|server| server.cores);
        if self.generator.cores >= GENERATOR_BUSY && server.is_none_or(|cores| cores < SERVER_BUSY) {
            let server =
                server.map_or("is not watched (--pid)".to_owned(), |cores| format!("used {:.0} %", 100.0 * cores));
            notes.push(format!(
                "the load generator was the bottleneck: it used {:.0} % of its core, and the server {server}; \
                 messages a second are what the generator can, not what the server can",
                100.0 * self.generator.cores,
            ));
        }
        if let Some(server) = self.server
            && server.cpu_seconds < CPU_SECONDS_MIN
        {
            notes.push(format!(
                "the server used {:.0} ms of processor time only: figures for each of its seconds are rough",
                1e3 * server.cpu_seconds
            ));
        }
        notes
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, wire, sessions, measured, faults, notes } = self;
        writeln!(f, "{workload}, {wire}: {sessions} sessions, {:.2} s measured", measured.seconds)?;
        writeln!(f, "delivered   {} messages, {} a second", measured.delivered, si(measured.delivered_per_second))?;
        if let Some(latency) = &measured.latency {
            write!(f, "latency     p50 {}", us(latency.p50_us))?;
            for (name, value) in [("p90", latency.p90_us), ("p99", latency.p99_us), ("p99.9", latency.p999_us)] {
                if let Some(value) = value {
                    write!(f, ", {name} {}", us(value))?;
                }
            }
            writeln!(f, ", max {}", us(latency.max_us))?;
        }
        if let Some(server) = &measured.server {
            write!(f, "server      {:.3} s of processor time ({:.0} %), ", server.cpu_seconds, 100.0 * server.cores)?;
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            writeln!(f, "{:.1} MiB resident", server.resident_bytes as f64 / f64::from(1 << 20))?;
        }
        if let Some(each) = measured.delivered_per_server_cpu_second {
            writeln!(f, "            {} messages for each second of it", si(each))?;
        }
        let GeneratorUse { cpu_seconds, cores } = measured.generator;
        writeln!(f, "generator   {cpu_seconds:.3} s of processor time ({:.0} %)", 100.0 * cores)?;
        let Faults { lost, reordered, duplicated, corrupt, unacknowledged } = faults;
        writeln!(
            f,
            "faults      {lost} lost, {reordered} reordered, {duplicated} duplicated, {corrupt} corrupt, \
             {unacknowledged} acknowledged wrongly"
        )?;
        notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

/// A number with four digits and its unit.
fn si(value: f64) -> String {
    match value {
        1e6.. => format!("{:.3} M", value / 1e6),
        1e4.. => format!("{:.2} k", value / 1e3),
        _ => format!("{value:.1}"),
    }
}

fn us(value: f64) -> String {
    if value >= 1e4 { format!("{:.2} ms", value / 1e3) } else { format!("{value:.1} µs") }
}
