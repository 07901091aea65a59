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

use super::args::{AddrArg, Options, dialect_parser};
use super::cli_error::CliError;
use super::stdout;

/// What load to make.
#[derive(Debug, Subcommand)]
pub(crate) enum LoadCommand {
    /// Pairs talk, each as fast as what was said arrives (a closed loop).
    Pairs {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        talkers: TalkerArgs,
        /// How many messages each speaker keeps under way.
        #[arg(long, default_value_t = 16, value_name = "N")]
        window: u64,
        #[command(flatten)]
        timing: TimingArgs,
    },
    /// So many messages a second, and how long each took from when it was due (an open loop).
    Rate {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        talkers: TalkerArgs,
        /// How many messages a second, from all speakers together.
        #[arg(long, default_value_t = 10_000, value_name = "N")]
        rate: u64,
        #[command(flatten)]
        timing: TimingArgs,
    },
    /// What readers that freeze cost the other pairs: measured before, during and after.
    Isolation {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        talkers: TalkerArgs,
        /// How many of the readers freeze, in percent.
        #[arg(long, default_value_t = 10, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..100))]
        frozen: u8,
        /// How many messages a second, from all other speakers together.
        #[arg(long, default_value_t = 10_000, value_name = "N")]
        rate: u64,
        #[command(flatten)]
        timing: TimingArgs,
    },
    /// Sessions that register and wait, and what each costs the server's memory.
    Idle {
        #[command(flatten)]
        target: TargetArgs,
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
        target: TargetArgs,
        /// How many at a time.
        #[arg(long, default_value_t = 32, value_name = "N")]
        sessions: usize,
        #[command(flatten)]
        timing: TimingArgs,
    },
}

/// Which server, and how it is watched.
#[derive(Args, Debug)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    pub(crate) server: AddrArg,
    /// How the server's port writes its lines: `commands` (the default) or `line`.
    #[arg(long, value_parser = dialect_parser())]
    pub(crate) dialect: Option<Dialect>,
    /// The server's process on this machine: what it uses is reported too.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

/// Who says what.
#[derive(Args, Debug)]
pub(crate) struct TalkerArgs {
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
pub(crate) struct TimingArgs {
    /// How long to go on before anything is measured.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration, value_name = "TIME")]
    warm_up: Duration,
    /// How long to measure.
    #[arg(long = "for", default_value = "5s", value_parser = humantime::parse_duration, value_name = "TIME")]
    time: Duration,
}

impl LoadCommand {
    pub(crate) fn target(&self) -> &TargetArgs {
        match self {
            Self::Pairs { target: args, .. }
            | Self::Rate { target: args, .. }
            | Self::Isolation { target: args, .. }
            | Self::Idle { target: args, .. }
            | Self::Churn { target: args, .. } => args,
        }
    }

    fn run<P: Protocol>(&self, protocol: &P, target: &Target) -> Result<Report, Error> {
        let mut progress_line = ProgressLine::new();
        let mut show = |progress| progress_line.show(progress);
        let show = &mut show;
        match self {
            Self::Pairs { talkers, window, timing, .. } => {
                Pairs { load: talkers.into(), window: *window, timing: (*timing).into() }.run(protocol, target, show)
            }
            Self::Rate { talkers, rate, timing, .. } => {
                Rate { load: talkers.into(), per_second: *rate, timing: (*timing).into() }.run(protocol, target, show)
            }
            Self::Isolation { talkers, frozen, rate, timing, .. } => {
                // One at least; that somebody is left over is checked where it is run.
                let frozen = (talkers.pairs * usize::from(*frozen) / 100).max(1);
                Isolation { load: talkers.into(), frozen, per_second: *rate, timing: (*timing).into() }
                    .run(protocol, target, show)
            }
            Self::Idle { sessions, time, .. } => Idle { sessions: *sessions, time: *time }.run(protocol, target, show),
            Self::Churn { sessions, timing, .. } => {
                Churn { at_once: *sessions, timing: (*timing).into() }.run(protocol, target, show)
            }
        }
    }
}

impl From<&TalkerArgs> for MessageLoad {
    fn from(talkers: &TalkerArgs) -> Self {
        Self { pairs: talkers.pairs, sizes: talkers.size.clone(), both_ways: talkers.both_ways }
    }
}

impl From<TimingArgs> for Timing {
    fn from(timing: TimingArgs) -> Self {
        Self { warm_up: timing.warm_up, time: timing.time }
    }
}

/// Makes the load on the server at `addr`, and prints what came of it.
pub(crate) fn run(addr: &str, options: &Options, load: &LoadCommand) -> Result<(), CliError> {
    let target = Target { addr: resolve(addr)?, pid: load.target().pid, timeout: options.timeout };
    let mut report = match options.dialect {
        Dialect::Commands => load.run(&CommandsDialect, &target),
        Dialect::Line => load.run(&LineDialect, &target),
    }?;
    report.notes.extend(rate_limit_note(load, &report));
    if options.json {
        stdout::print_json(&report)?;
    } else {
        report.to_string().lines().try_for_each(stdout::print_line)?;
    }
    if report.faults.any() { Err(CliError::LoadFaults) } else { Ok(()) }
}

fn resolve(addr: &str) -> Result<SocketAddr, CliError> {
    let failed = |source| ClientError::Resolve { addr: addr.to_owned(), source };
    let found = addr.to_socket_addrs().map_err(failed)?.next();
    Ok(found.ok_or_else(|| failed(io::Error::other("no address")))?)
}

/// Whether each speaker was let through as much as a server's `lines-per-second` is by default, and no more.
fn rate_limit_note(load: &LoadCommand, report: &Report) -> Option<String> {
    let (LoadCommand::Pairs { talkers, .. }, Metrics::Messages { measured }) = (load, &report.metrics) else {
        return None;
    };
    let speakers = talkers.pairs * if talkers.both_ways { 2 } else { 1 };
    #[expect(clippy::cast_precision_loss, reason = "to a few percent")]
    let each = |measured: &MessageMetrics| measured.delivered_per_second / speakers as f64;
    (95.0..105.0).contains(&each(measured)).then(|| {
        "each speaker got through 100 lines a second, which is the limit of a server for those who are not on its own \
         machine: start it with --lines-per-second 0"
            .to_owned()
    })
}

/// A line that says how far the run is, where somebody watches.
struct ProgressLine {
    is_terminal: bool,
}

impl ProgressLine {
    fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal() }
    }

    fn show(&mut self, progress: Progress) {
        if !self.is_terminal {
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

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
