//! `switchboard bench`: runs a load generator against a server and prints its report.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Subcommand};
use switchboard_bench::protocol::{CommandsDialect, Conversations, LineDialect, Rooms};
use switchboard_bench::{
    Churn, Error, Fanout, Idle, Isolation, MessageKind, MessageLoad, MessageMetrics, Metrics, Pairs, Phase, Progress,
    Protocol, Rate, Report, Resume, Target, Timing, TlsClient, Transport, WebSocketClient,
};
use switchboard_client::Error as ClientError;
use switchboard_client::JoinLink;
use switchboard_client::low_level::{connect, resolve};
use switchboard_client::tls::{client_config, fetch_key, websocket_client_config};
use switchboard_protocol::Dialect;

use super::args::{AddrArg, Options, dialect_parser};
use super::cli_error::CliError;
use super::websocket_url::WebSocketUrl;
use super::{known_servers, stdout};

/// The kind of load.
#[derive(Debug, Subcommand)]
pub(crate) enum LoadCommand {
    /// Pairs of sessions exchange messages as fast as they are delivered (closed loop).
    Pairs {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        message_load: MessageLoadArgs,
        /// The messages that each sender keeps in flight.
        #[arg(long, default_value_t = 16, value_name = "N")]
        window: u64,
        #[command(flatten)]
        timing: TimingArgs,
    },
    /// Send messages at a fixed rate and measure the latency of each message from its due time (open loop).
    Rate {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        message_load: MessageLoadArgs,
        /// The messages per second from all senders together.
        #[arg(long, default_value_t = 10_000, value_name = "N")]
        rate: u64,
        #[command(flatten)]
        timing: TimingArgs,
    },
    /// Like pairs, but each message goes to a room, and counts once the server has stored it.
    Durable {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        message_load: MessageLoadArgs,
        /// The messages that each sender keeps in flight.
        #[arg(long, default_value_t = 64, value_name = "N")]
        window: u64,
        #[command(flatten)]
        timing: TimingArgs,
    },
    /// Freeze some readers and measure the other pairs before, during and after the freeze.
    Isolation {
        #[command(flatten)]
        target: TargetArgs,
        #[command(flatten)]
        message_load: MessageLoadArgs,
        /// The share of readers that freeze, in percent.
        #[arg(long, default_value_t = 10, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..100))]
        frozen: u8,
        /// The total messages per second from all pairs whose reader does not freeze.
        #[arg(long, default_value_t = 10_000, value_name = "N")]
        rate: u64,
        #[command(flatten)]
        timing: TimingArgs,
    },
    /// Say messages into a room with many readers, and measure their delivery and the pairs beside it (open loop).
    Fanout {
        #[command(flatten)]
        target: TargetArgs,
        /// The number of readers, including those that freeze.
        #[arg(long, default_value_t = 5000, value_name = "N")]
        readers: usize,
        /// The number of readers that freeze.
        #[arg(long, default_value_t = 10, value_name = "N")]
        frozen: usize,
        /// The number of writers.
        #[arg(long, default_value_t = 1, value_name = "N")]
        writers: usize,
        /// The messages per second in the room.
        #[arg(long, default_value_t = 20, value_name = "N")]
        rate: u64,
        /// The number of pairs beside the room.
        #[arg(long, default_value_t = 1, value_name = "N")]
        pairs: usize,
        /// The messages per second from all pairs together.
        #[arg(long, default_value_t = 500, value_name = "N")]
        pair_rate: u64,
        /// The message length in bytes. Several lengths, separated by commas, are used in turn.
        #[arg(long, default_value = "64", value_delimiter = ',', value_name = "BYTES")]
        size: Vec<usize>,
        #[command(flatten)]
        timing: TimingArgs,
    },
    /// Log a device in again and again that has missed messages, and measure the time until it has them.
    Resume {
        #[command(flatten)]
        target: TargetArgs,
        /// The number of rooms, at most 1,024.
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
        conversations: u16,
        /// The messages that the device has missed, in all rooms together.
        #[arg(long, default_value_t = 10_000, value_name = "N")]
        missed: usize,
        /// The message length in bytes.
        #[arg(long, default_value_t = 64, value_name = "BYTES")]
        size: usize,
        /// The number of times that the device comes back.
        #[arg(long, default_value_t = 100, value_name = "N")]
        rounds: usize,
        /// The number of pages of 50 messages that the device reads at the end.
        #[arg(long, default_value_t = 1000, value_name = "N")]
        pages: usize,
    },
    /// Open sessions that stay idle and measure the server's memory for each session.
    Idle {
        #[command(flatten)]
        target: TargetArgs,
        /// The number of sessions.
        #[arg(long, default_value_t = 9000, value_name = "N")]
        sessions: usize,
        /// The time for which the sessions stay idle.
        #[arg(long = "for", default_value = "2s", value_parser = humantime::parse_duration, value_name = "TIME")]
        time: Duration,
    },
    /// Open and close sessions: each connects, registers, sends one request, reads the reply and leaves.
    Churn {
        #[command(flatten)]
        target: TargetArgs,
        /// The number of sessions open at a time.
        #[arg(long, default_value_t = 32, value_name = "N")]
        sessions: usize,
        #[command(flatten)]
        timing: TimingArgs,
    },
}

/// The server to measure.
#[derive(Args, Debug)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    pub(crate) server: AddrArg,
    /// The dialect of the server's port: `commands` (the default) or `line`.
    #[arg(long, value_parser = dialect_parser())]
    pub(crate) dialect: Option<Dialect>,
    /// The server's process on this machine. The report then includes its resource use.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

/// The pairs and their messages.
#[derive(Args, Debug)]
pub(crate) struct MessageLoadArgs {
    /// The number of pairs.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pairs: usize,
    /// The message length in bytes. Several lengths, separated by commas, are used in turn.
    #[arg(long, default_value = "64", value_delimiter = ',', value_name = "BYTES")]
    size: Vec<usize>,
    /// Both sessions of a pair send.
    #[arg(long)]
    both_ways: bool,
}

/// The times of a run.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct TimingArgs {
    /// The time before the measurement starts.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration, value_name = "TIME")]
    warm_up: Duration,
    /// The time to measure.
    #[arg(long = "for", default_value = "5s", value_parser = humantime::parse_duration, value_name = "TIME")]
    time: Duration,
}

impl LoadCommand {
    pub(crate) fn target(&self) -> &TargetArgs {
        match self {
            Self::Pairs { target: args, .. }
            | Self::Durable { target: args, .. }
            | Self::Rate { target: args, .. }
            | Self::Isolation { target: args, .. }
            | Self::Fanout { target: args, .. }
            | Self::Resume { target: args, .. }
            | Self::Idle { target: args, .. }
            | Self::Churn { target: args, .. } => args,
        }
    }

    fn run<P: Protocol>(&self, protocol: &P, target: &Target) -> Result<Report, Error> {
        let mut progress_line = ProgressLine::new();
        let mut show = |progress| progress_line.show(progress);
        let show = &mut show;
        match self {
            Self::Pairs { message_load, window, timing, .. } | Self::Durable { message_load, window, timing, .. } => {
                Pairs { load: message_load.into(), window: *window, timing: (*timing).into() }
                    .run(protocol, target, show)
            }
            Self::Rate { message_load, rate, timing, .. } => {
                Rate { load: message_load.into(), per_second: *rate, timing: (*timing).into() }
                    .run(protocol, target, show)
            }
            Self::Isolation { message_load, frozen, rate, timing, .. } => {
                // At least one reader freezes. The workload itself checks that at least one reader does not.
                let frozen = (message_load.pairs * usize::from(*frozen) / 100).max(1);
                Isolation { load: message_load.into(), frozen, per_second: *rate, timing: (*timing).into() }
                    .run(protocol, target, show)
            }
            Self::Fanout { readers, frozen, writers, rate, pairs, pair_rate, size, timing, .. } => {
                let load = MessageLoad { pairs: *pairs, sizes: size.clone(), both_ways: false };
                let (timing, pairs_per_second) = ((*timing).into(), *pair_rate);
                let (readers, frozen, writers, per_second) = (*readers, *frozen, *writers, *rate);
                Fanout { readers, frozen, writers, per_second, load, pairs_per_second, timing }
                    .run(protocol, target, show)
            }
            Self::Resume { conversations, missed, size, rounds, pages, .. } => {
                let (conversations, missed, size) = (usize::from(*conversations), *missed, *size);
                Resume { conversations, missed, size, rounds: *rounds, pages: *pages }.run(target, show)
            }
            Self::Idle { sessions, time, .. } => Idle { sessions: *sessions, time: *time }.run(protocol, target, show),
            Self::Churn { sessions, timing, .. } => {
                Churn { at_once: *sessions, timing: (*timing).into() }.run(protocol, target, show)
            }
        }
    }
}

impl From<&MessageLoadArgs> for MessageLoad {
    fn from(args: &MessageLoadArgs) -> Self {
        Self { pairs: args.pairs, sizes: args.size.clone(), both_ways: args.both_ways }
    }
}

impl From<TimingArgs> for Timing {
    fn from(timing: TimingArgs) -> Self {
        Self { warm_up: timing.warm_up, time: timing.time }
    }
}

/// Runs the load against the server at `addr` and prints the report.
pub(crate) async fn run(addr: &str, options: &Options, load: &LoadCommand) -> Result<(), CliError> {
    let (addr, transport) = resolve_target(addr, options).await?;
    let target = Target { addr, transport, pid: load.target().pid, timeout: options.timeout };
    let mut report = match options.dialect {
        Dialect::Commands => match load {
            LoadCommand::Durable { .. } => load.run(&Conversations, &target),
            LoadCommand::Fanout { .. } => load.run(&Rooms, &target),
            _ => load.run(&CommandsDialect, &target),
        },
        Dialect::Line => match load {
            LoadCommand::Durable { .. } | LoadCommand::Fanout { .. } | LoadCommand::Resume { .. } => {
                Err(Error::Usage("rooms are not in the line dialect: leave --dialect line out".to_owned()))
            }
            _ => load.run(&LineDialect, &target),
        },
    }?;
    report.notes.extend(rate_limit_note(load, &report));
    if options.json {
        stdout::print_json(&report)?;
    } else {
        report.to_string().lines().try_for_each(stdout::print_line)?;
    }
    if report.faults.any() { Err(CliError::LoadFaults) } else { Ok(()) }
}

/// The address of a server, and the layers that its listener expects: TLS, if the address is a link, or a WebSocket.
async fn resolve_target(addr: &str, options: &Options) -> Result<(SocketAddr, Transport), CliError> {
    if let Some(url) = WebSocketUrl::parse(addr) {
        return resolve_websocket(url?, options).await;
    }
    if !JoinLink::is_link(addr) {
        return Ok((first_address(addr).await?, Transport::default()));
    }
    // A handshake ahead of all sessions names the reason if the key of the server is not the expected one.
    connect(&addr, options.timeout).await?;
    let link: JoinLink = addr.parse().map_err(ClientError::from)?;
    let (config, server_name) = client_config(&link)?;
    Ok((
        first_address(&link.address.to_string()).await?,
        Transport { tls: Some(TlsClient { config, server_name }), websocket: None },
    ))
}

async fn resolve_websocket(url: WebSocketUrl, options: &Options) -> Result<(SocketAddr, Transport), CliError> {
    if options.dialect == Dialect::Line {
        let reason = "a WebSocket carries the commands dialect: leave --dialect line out";
        return Err(CliError::Usage(reason.to_owned()));
    }
    let addr = url.address.to_string();
    let tls = if url.has_tls {
        let link = JoinLink { address: url.address, room: None, key: None };
        let link: JoinLink =
            known_servers::with_known_key(link.to_string(), options).await?.parse().map_err(ClientError::from)?;
        // A handshake ahead of all sessions, as for a link.
        let shown = fetch_key(&link.address, options.timeout).await?;
        if let Some(expected) = link.key.clone().filter(|expected| *expected != shown.hash) {
            return Err(ClientError::OtherKey { addr, expected, found: shown.hash }.into());
        }
        let (config, server_name) = websocket_client_config(&link)?;
        Some(TlsClient { config, server_name })
    } else {
        None
    };
    let (host, path) = (url.authority, url.path);
    let websocket = Some(WebSocketClient { host, path, subprotocol: None, kind: MessageKind::Lines });
    Ok((first_address(&addr).await?, Transport { tls, websocket }))
}

async fn first_address(addr: &str) -> Result<SocketAddr, CliError> {
    let resolve_error = |source| ClientError::Resolve { addr: addr.to_owned(), source };
    let first_address = resolve(addr).await.map_err(resolve_error)?.first().copied();
    Ok(first_address.ok_or_else(|| resolve_error(io::Error::other("no address")))?)
}

/// Returns a note for the report if each sender's rate is near 100 lines per second, the default of the server's
/// `lines-per-second`. Then this limit probably caused the result.
fn rate_limit_note(load: &LoadCommand, report: &Report) -> Option<String> {
    let (LoadCommand::Pairs { message_load, .. }, Metrics::Messages { measured }) = (load, &report.metrics) else {
        return None;
    };
    let senders = message_load.pairs * if message_load.both_ways { 2 } else { 1 };
    #[expect(clippy::cast_precision_loss, reason = "a precision of a few percent is enough")]
    let rate_per_sender = |measured: &MessageMetrics| measured.delivered_per_second / senders as f64;
    (95.0..105.0).contains(&rate_per_sender(measured)).then(|| {
        "each sender reached 100 lines per second, the server's default limit for clients on other machines: start \
         the server with --lines-per-second 0"
            .to_owned()
    })
}

/// A progress line on standard error. Nothing is shown if standard error is not a terminal.
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
        let activity = match progress.phase {
            Phase::Opening => "opening sessions",
            Phase::WarmUp => "warming up",
            Phase::Measuring => "measuring",
            Phase::Ending => "closing",
        };
        let percent = 100.0 * progress.done;
        // Progress is optional, so a failed write is ignored.
        let _ = write!(io::stderr(), "\r\x1b[K{activity} {percent:.0} %, {} so far", progress.count);
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
