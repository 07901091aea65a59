//! `switchboard bench`: a load, and what the server made of it.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use clap::{Args, Subcommand};
use switchboard_bench::wire::{Commands, Line};
use switchboard_bench::{Error, Pairs, Phase, Progress, Report, Target, Wire};
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
    },
}

/// Which server, and how it is watched.
#[derive(Args, Debug)]
pub(crate) struct On {
    #[command(flatten)]
    pub(crate) at: At,
    /// How the server's port writes its lines: `commands` or `line`.
    #[arg(long, value_parser = dialects())]
    pub(crate) dialect: Option<Dialect>,
    /// The server's process on this machine: its processor time and memory are reported too.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

/// Who says what, and for how long.
#[derive(Args, Debug)]
pub(crate) struct Talk {
    /// How many pairs talk.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pairs: usize,
    /// How long messages are, in bytes; more than one size, parted by commas, take turns.
    #[arg(long, default_value = "64", value_delimiter = ',', value_name = "BYTES")]
    size: Vec<usize>,
    /// Both of a pair speak.
    #[arg(long)]
    both_ways: bool,
    /// How long to talk before anything is measured.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration, value_name = "TIME")]
    warm_up: Duration,
    /// How long to measure.
    #[arg(long = "for", default_value = "5s", value_parser = humantime::parse_duration, value_name = "TIME")]
    time: Duration,
}

impl Workload {
    pub(crate) fn on(&self) -> &On {
        let Self::Pairs { on, .. } = self;
        on
    }
}

/// Makes the load on the server at `addr`, and prints what came of it.
pub(crate) fn run(addr: &str, options: &Options, workload: &Workload) -> Result<(), Failure> {
    let target = Target { addr: resolve(addr)?, pid: workload.on().pid, timeout: options.timeout };
    let report = match options.dialect {
        Dialect::Commands => run_on(&Commands, &target, workload),
        Dialect::Line => run_on(&Line, &target, workload),
    }?;
    if options.json {
        output::json(&report)?;
    } else {
        report.to_string().lines().try_for_each(output::line)?;
    }
    if report.faults.any() { Err(Failure::Faults) } else { Ok(()) }
}

fn run_on<W: Wire>(wire: &W, target: &Target, workload: &Workload) -> Result<Report, Error> {
    let mut bar = Bar::new();
    let mut show = |progress| bar.show(progress);
    match workload {
        Workload::Pairs { talk, window, .. } => Pairs {
            pairs: talk.pairs,
            window: *window,
            sizes: talk.size.clone(),
            both_ways: talk.both_ways,
            warm_up: talk.warm_up,
            time: talk.time,
        }
        .run(wire, target, &mut show),
    }
}

fn resolve(addr: &str) -> Result<SocketAddr, Failure> {
    let failed = |source| ClientError::Resolve { addr: addr.to_owned(), source };
    let found = addr.to_socket_addrs().map_err(failed)?.next();
    Ok(found.ok_or_else(|| failed(io::Error::other("no address")))?)
}

/// A line that says how far the run is, where somebody watches.
struct Bar {
    is_watched: bool,
}

impl Bar {
    fn new() -> Self {
        Self { is_watched: io::stderr().is_terminal() }
    }

    fn show(&mut self, progress: Progress) {
        if !self.is_watched {
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
        let _ = write!(io::stderr(), "\r\x1b[K{what} {percent:.0} %, {} messages so far", progress.delivered);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.is_watched {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
