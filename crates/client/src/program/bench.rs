//! `switchboard bench`: a load, and what the server made of it.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use clap::{Args, Subcommand};
use switchboard_bench::protocol::{CommandsDialect, LineDialect};
use switchboard_bench::{
    Churn, Error, Idle, Isolation, MessageLoad, MessageMetrics, Metrics, Pairs, Phase, Progress, Protocol, Rate,
    Report, Target, Timing,
};
use switchboard_client::Error as ClientError;
use switchboard_protocol::Dialect;

use super::args::{At, Options, dialects};
use super::failure::Failure;
use super::output;

/// What load to make.
#[derive(Debug, Subcommand)]
pub(crate) enum Workload {
    /// Pairs talk, each as fast as what was said arrives (a closed loop).
    Pairs {
        #[command(flatten)]
        on: On,
        #[command(flatten)]
        talk: Talk,
        /// How many messages each speaker keeps under way.
        #[arg(long, default_value_t = 16, value_name = "N")]
        window: u64,
        #[command(flatten)]
        times: Times,
    },
    /// So many messages a second, and how long each took from when it was due (an open loop).
    Rate {
        #[command(flatten)]
        on: On,
        #[command(flatten)]
        talk: Talk,
        /// How many messages a second, from all speakers together.
        #[arg(long, default_value_t = 10_000, value_name = "N")]
        rate: u64,
        #[command(flatten)]
        times: Times,
    },
    /// What readers that freeze cost the other pairs: measured before, during and after.
    Isolation {
        #[command(flatten)]
        on: On,
        #[command(flatten)]
        talk: Talk,
        /// How many of the readers freeze, in percent.
        #[arg(long, default_value_t = 10, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..100))]
        frozen: u8,
        /// How many messages a second, from all other speakers together.
        #[arg(long, default_value_t = 10_000, value_name = "N")]
        rate: u64,
        #[command(flatten)]
        times: Times,
    },
    /// Sessions that register and wait, and what each costs the server's memory.
    Idle {
        #[command(flatten)]
        on: On,
        /// How many.
        #[arg(long, default_value_t = 9000, value_name = "N")]
        sessions: usize,
        /// How long they wait.
        #[arg(long = "for", default_value = "2s", value_parser = humantime::parse_duration, value_name = "TIME")]
        time: Duration,
    },
    /// Sessions that connect, register, ask, hear the answer and leave.
    Churn {
        #[command(flatten)]
        on: On,
        /// How many at a time.
        #[arg(long, default_value_t = 32, value_name = "N")]
        sessions: usize,
        #[command(flatten)]
        times: Times,
    },
}

/// Which server, and how it is watched.
#[derive(Args, Debug)]
pub(crate) struct On {
    #[command(flatten)]
    pub(crate) at: At,
    /// How the server's port writes its lines: `commands` (the default) or `line`.
    #[arg(long, value_parser = dialects())]
    pub(crate) dialect: Option<Dialect>,
    /// The server's process on this machine: what it uses is reported too.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

/// Who says what.
#[derive(Args, Debug)]
pub(crate) struct Talk {
    /// How many pairs talk.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pairs: usize,
    /// How long messages are, in bytes; sizes parted by commas take turns.
    #[arg(long, default_value = "64", value_delimiter = ',', value_name = "BYTES")]
    size: Vec<usize>,
    /// Both of a pair speak.
    #[arg(long)]
    both_ways: bool,
}

/// For how long.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Times {
    /// How long to go on before anything is measured.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration, value_name = "TIME")]
    warm_up: Duration,
    /// How long to measure.
    #[arg(long = "for", default_value = "5s", value_parser = humantime::parse_duration, value_name = "TIME")]
    time: Duration,
}

impl Workload {
    pub(crate) fn on(&self) -> &On {
        match self {
            Self::Pairs { on, .. }
            | Self::Rate { on, .. }
            | Self::Isolation { on, .. }
            | Self::Idle { on, .. }
            | Self::Churn { on, .. } => on,
        }
    }

    fn run<P: Protocol>(&self, protocol: &P, target: &Target) -> Result<Report, Error> {
        let mut watcher = Watcher::new();
        let mut show = |progress| watcher.show(progress);
        let show = &mut show;
        match self {
            Self::Pairs { talk, window, times, .. } => {
                Pairs { load: talk.into(), window: *window, timing: (*times).into() }.run(protocol, target, show)
            }
            Self::Rate { talk, rate, times, .. } => {
                Rate { load: talk.into(), per_second: *rate, timing: (*times).into() }.run(protocol, target, show)
            }
            Self::Isolation { talk, frozen, rate, times, .. } => {
                // One at least; that somebody is left over is checked where it is run.
                let frozen = (talk.pairs * usize::from(*frozen) / 100).max(1);
                Isolation { load: talk.into(), frozen, per_second: *rate, timing: (*times).into() }
                    .run(protocol, target, show)
            }
            Self::Idle { sessions, time, .. } => Idle { sessions: *sessions, time: *time }.run(protocol, target, show),
            Self::Churn { sessions, times, .. } => {
                Churn { at_once: *sessions, timing: (*times).into() }.run(protocol, target, show)
            }
        }
    }
}

impl From<&Talk> for MessageLoad {
    fn from(talk: &Talk) -> Self {
        Self { pairs: talk.pairs, sizes: talk.size.clone(), both_ways: talk.both_ways }
    }
}

impl From<Times> for Timing {
    fn from(times: Times) -> Self {
        Self { warm_up: times.warm_up, time: times.time }
    }
}

/// Makes the load on the server at `addr`, and prints what came of it.
pub(crate) fn run(addr: &str, options: &Options, workload: &Workload) -> Result<(), Failure> {
    let target = Target { addr: resolve(addr)?, pid: workload.on().pid, timeout: options.timeout };
    let mut report = match options.dialect {
        Dialect::Commands => workload.run(&CommandsDialect, &target),
        Dialect::Line => workload.run(&LineDialect, &target),
    }?;
    report.notes.extend(note_of_limit(workload, &report));
    if options.json {
        output::json(&report)?;
    } else {
        report.to_string().lines().try_for_each(output::line)?;
    }
    if report.faults.any() { Err(Failure::Faults) } else { Ok(()) }
}

fn resolve(addr: &str) -> Result<SocketAddr, Failure> {
    let failed = |source| ClientError::Resolve { addr: addr.to_owned(), source };
    let found = addr.to_socket_addrs().map_err(failed)?.next();
    Ok(found.ok_or_else(|| failed(io::Error::other("no address")))?)
}

/// Whether each speaker was let through as much as a server's `lines-per-second` is by default, and no more.
fn note_of_limit(workload: &Workload, report: &Report) -> Option<String> {
    let (Workload::Pairs { talk, .. }, Metrics::Messages { measured }) = (workload, &report.metrics) else {
        return None;
    };
    let speakers = talk.pairs * if talk.both_ways { 2 } else { 1 };
    #[expect(clippy::cast_precision_loss, reason = "to a few percent")]
    let each = |measured: &MessageMetrics| measured.delivered_per_second / speakers as f64;
    (95.0..105.0).contains(&each(measured)).then(|| {
        "each speaker got through 100 lines a second, which is the limit of a server for those who are not on its own \
         machine: start it with --lines-per-second 0"
            .to_owned()
    })
}

/// A line that says how far the run is, where somebody watches.
struct Watcher {
    is_there: bool,
}

impl Watcher {
    fn new() -> Self {
        Self { is_there: io::stderr().is_terminal() }
    }

    fn show(&mut self, progress: Progress) {
        if !self.is_there {
            return;
        }
        let what = match progress.phase {
            Phase::Opening => "opening sessions",
            Phase::WarmUp => "warming up",
            Phase::Measuring => "measuring",
            Phase::Ending => "closing",
        };
        let percent = 100.0 * progress.done;
        // It matters to nobody if this cannot be written.
        let _ = write!(io::stderr(), "\r\x1b[K{what} {percent:.0} %, {} so far", progress.count);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if self.is_there {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
