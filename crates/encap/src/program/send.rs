//! `encap send`: rows over real sockets, and the frames that carried them.

mod listing;

use std::io::{self, BufWriter, Write};
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use signal_hook::consts::{SIGINT, SIGTERM};
use switchboard_encap::build::{Content, TransportChoice};
use switchboard_encap::capture::Statistics;
use switchboard_encap::capture::live::{LiveCapture, LiveError, LiveOptions, LiveRecording, RecordError};
use switchboard_encap::diagnostic::Severity;
use switchboard_encap::rows::{AppProtocol, Row, RowError, RowFault, RowOptions, RowReader};
use switchboard_encap::send::{
    PlanError, PlanOptions, PlannedRow, PlayOptions, ROWS_MAX_BYTES, RowOutcome, SendPlan, Side, Speed, Target, Trace,
    play, weight,
};
use switchboard_encap::wire::Frame;
use switchboard_protocol::Dialect;

use self::listing::{CaptureListing, Listing};
use super::colour;
use super::diagnostics::{RowFormat, report};
use super::failure::Failure;
use super::input::Input;
use super::output::{self, Output, shown};
use super::servers::{self, Servers};

/// Some row cannot be carried, or was not.
const EXIT_ROWS: u8 = 1;

/// The interface over which a machine talks to itself.
const LOOPBACK: &str = "lo";

/// How long what was captured may wait before a reader of the file sees it.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// How long frames are awaited after the last connection ended, on a port where others may go on.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// Sends the messages of a CSV over real sockets, and shows which frames carried which row
///
/// A connection is opened for each pair of apps, by the one that `encap build` takes for the client; both sides are played
/// on loopback, each row at its time, in the order of the file. With the right `CAP_NET_RAW` the kernel's frames are
/// captured meanwhile, and each row is found in them by where its bytes lie in the stream. Ctrl-C ends the connections, and
/// what was sent until then is shown. Exit status: 0 if all rows were sent, 1 if some cannot be or were not, 3 if the file
/// cannot be read or written or the capture asked for with -o is not possible.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file, or - for standard input
    file: PathBuf,
    /// Send to the server there instead: each app but the server has one connection to it, over which all its rows go, to
    /// whomever; the server's own rows are left to it. The port is 12345 if none is given
    #[arg(long, value_name = "HOST[:PORT]")]
    to: Option<String>,
    /// How many times as fast as the rows say, or max: without waiting
    #[arg(long, default_value = "1", value_name = "X")]
    speed: Speed,
    /// What carries the rows; auto is what their protocol runs on
    #[arg(long, value_enum, default_value = "auto")]
    transport: Over,
    #[command(flatten)]
    servers: Servers,
    /// Add what the protocol asks for: line ends, an HTTP version, header ends and lengths
    #[arg(long)]
    complete: bool,
    /// Read \r \n \t \0 \\ \" \xHH in messages as the bytes that they stand for
    #[arg(long)]
    escapes: bool,
    /// Write the frames to this file, as pcapng; - for standard output, and what is said then goes to standard error
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Over {
    Auto,
    Tcp,
    Udp,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let input = Input::open(&args.file)?;
    if let Some(out) = &args.out {
        output::guard(out, &input)?;
    }
    let Some(rows) = read_rows(args, input)? else { return Ok(ExitCode::from(EXIT_ROWS)) };
    let choices = PlanOptions {
        transport: match args.transport {
            Over::Auto => TransportChoice::Auto,
            Over::Tcp => TransportChoice::Tcp,
            Over::Udp => TransportChoice::Udp,
        },
        content: if args.complete { Content::Complete } else { Content::Faithful },
        servers: args.servers.apps(),
        to_one_server: args.to.is_some(),
    };
    let mut unnamed = args.servers.apps();
    unnamed.retain(|app| rows.iter().all(|row| row.source != *app && row.destination != *app));
    servers::report_missing(&unnamed);
    let plan = match SendPlan::new(rows, &choices) {
        Ok(plan) => plan,
        Err(error) => return Ok(refuse(error)),
    };
    let is_unended = |item: &PlannedRow| item.from == Side::Client && !item.row.message.ends_with(b"\n");
    let mut chat = plan.rows().iter().filter(|item| item.row.protocol == AppProtocol::Chat);
    if args.to.is_some() && chat.any(is_unended) {
        report("encap: some CHAT messages end no line, for which a chat server waits: --complete ends them");
    }
    if let Err(error) = plan.duration(args.speed) {
        return Ok(refuse(error));
    }
    let target = match &args.to {
        Some(server) => Target::server(resolve(server)?),
        None => Target::own()?,
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first asks for an end in order, the second for one at once.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let recording = begin_recording(args, target.addresses())?;
    let progress = ProgressBar::new(plan.rows().len() as u64);
    let options = PlayOptions { speed: args.speed, now, stop: &stop };
    let (played, captured) = thread::scope(|scope| {
        let player = scope.spawn(|| play(&plan, &target, options, |n_done| progress.set_position(n_done as u64)));
        let captured = recording.map(|recording| record(recording, || player.is_finished())).transpose();
        (player.join(), captured)
    });
    progress.finish_and_clear();
    let played = played.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let captured = captured.map_err(|error| recording_failed(args, error))?;
    let listing = Listing::new(
        &plan,
        &played,
        captured
            .as_ref()
            .map(|(trace, statistics)| CaptureListing::new(trace, *statistics, args.out.as_deref().map(shown))),
        captured.as_ref().map(|(trace, _)| trace),
    );
    let text =
        if args.json { serde_json::to_string(&listing).map_err(io::Error::from)? + "\n" } else { listing.to_string() };
    if args.out.as_deref().is_some_and(output::is_stdout) {
        report(text.trim_end());
    } else {
        let mut stdout = BufWriter::new(io::stdout().lock());
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
    }
    let failed = played.outcomes.iter().any(|outcome| matches!(outcome, RowOutcome::Failed(_)));
    Ok(if failed || !played.unclosed.is_empty() { ExitCode::from(EXIT_ROWS) } else { ExitCode::SUCCESS })
}

/// The addresses of a server, given as the chat's client takes it.
fn resolve(server: &str) -> Result<Vec<SocketAddr>, Failure> {
    let addresses = Dialect::Commands.with_port(server).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    match addresses {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(Failure::NoSuchHost { host: server.to_owned(), why: "it has no address".to_owned() }),
        Err(error) => Err(Failure::NoSuchHost { host: server.to_owned(), why: error.to_string() }),
    }
}

fn refuse(error: PlanError) -> ExitCode {
    report(format_args!("encap: nothing was sent: {error}"));
    ExitCode::from(EXIT_ROWS)
}

/// All rows, or `None` if one cannot be carried; what is wrong is said on standard error.
fn read_rows(args: &Args, mut input: Input) -> Result<Option<Vec<Row>>, Failure> {
    let format = RowFormat { file: input.name(), coloured: colour::is_wanted(&io::stderr()) };
    let say = |fault: &RowFault| report(format.fault(fault));
    let mut reader = RowReader::new(&mut input, RowOptions { escapes: args.escapes });
    let (mut rows, mut bytes, mut n_errors) = (Vec::new(), 0, 0);
    while let Some(row) = reader.next() {
        reader.take_remarks().iter().for_each(say);
        match row {
            Ok(row) => {
                bytes += weight(&row);
                if bytes > ROWS_MAX_BYTES {
                    refuse(PlanError::Bytes { line: row.line });
                    return Ok(None);
                }
                rows.push(row);
            }
            Err(RowError::Io(error)) => return Err(input.failure(error)),
            Err(RowError::Refused(faults)) => {
                faults.iter().for_each(say);
                n_errors += faults.iter().filter(|fault| fault.severity() == Severity::Error).count();
            }
        }
    }
    reader.take_remarks().iter().for_each(say);
    if n_errors > 0 {
        report("encap: nothing was sent: some rows cannot be carried");
        return Ok(None);
    }
    Ok(Some(rows))
}

type To = Box<dyn Write>;

/// Begins to capture what goes to and from `addresses`; says why not where nobody asked for a file.
fn begin_recording(args: &Args, addresses: &[SocketAddr]) -> Result<Option<LiveRecording<To>>, Failure> {
    if !addresses.iter().all(is_ours) {
        let error = "frames to another machine are not captured here: run `encap capture` beside this";
        let Some(file) = &args.out else {
            report(format_args!("encap: {error}"));
            return Ok(None);
        };
        return Err(Failure::WriteFile { file: file.display().to_string(), error: io::Error::other(error) });
    }
    let port = addresses.first().map(SocketAddr::port);
    let live = LiveCapture::open(LOOPBACK, &LiveOptions { port, ..LiveOptions::default() });
    let live = match live {
        Err(error @ LiveError::NoRight) if args.out.is_none() => {
            report(format_args!("encap: sending without capturing, so no frames are shown: {error}"));
            return Ok(None);
        }
        live => live?,
    };
    let to: To = match &args.out {
        Some(file) => Box::new(Output::growing(file)?),
        None => Box::new(io::sink()),
    };
    Ok(Some(LiveRecording::begin(live, LOOPBACK, to).map_err(|error| recording_failed(args, error))?))
}

/// Whether it is an address of this machine: what goes there goes over loopback, whatever interface has the address.
fn is_ours(address: &SocketAddr) -> bool {
    address.ip().is_loopback() || UdpSocket::bind((address.ip(), 0)).is_ok()
}

fn recording_failed(args: &Args, error: RecordError) -> Failure {
    Failure::of_recording(error, args.out.as_deref().unwrap_or(Path::new("the frames")))
}

/// Takes frames until all is played and nothing more comes.
fn record(mut recording: LiveRecording<To>, is_played: impl Fn() -> bool) -> Result<(Trace, Statistics), RecordError> {
    let link_type = recording.link_type();
    let mut trace = Trace::default();
    let mut flushed = now();
    let mut played_at = None;
    loop {
        let moment = now();
        if played_at.is_none() && is_played() {
            played_at = Some(moment);
        }
        if moment.duration_since(flushed) >= FLUSH_EVERY {
            recording.flush()?;
            flushed = moment;
        }
        match recording.next_frame(4 * LiveCapture::BLOCK_TIMEOUT)? {
            Some(frame) => trace.see(&Frame::parse(link_type, frame.captured, frame.original_len)),
            None if played_at.is_some() => break,
            None => {}
        }
        if played_at.is_some_and(|played_at| moment.duration_since(played_at) > LINGER_MAX) {
            break;
        }
    }
    Ok((trace, recording.finish()?))
}

#[expect(clippy::disallowed_methods, reason = "the shell of a program is where time comes from")]
fn now() -> Instant {
    Instant::now()
}
