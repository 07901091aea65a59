//! `encap send`: sends rows over real sockets, and finds them in the frames of the kernel.

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
use switchboard_protocol::{Dialect, HostPort};

use self::listing::{CaptureListing, Listing};
use super::colour;
use super::diagnostics::{RowFormat, report};
use super::failure::Failure;
use super::input::Input;
use super::output::{self, Output, display_name};
use super::servers::{self, Servers};

/// Exit code if some row cannot be sent, or was not sent.
const EXIT_ROWS: u8 = 1;

/// The loopback interface.
const LOOPBACK: &str = "lo";

/// Maximum delay until a captured frame is in the file.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Maximum wait for frames after the last connection ended. Without a maximum, other traffic on the port could prolong
/// the wait forever.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// Sends the messages of a CSV over real sockets, and shows the frames of each row
///
/// Each pair of apps gets a connection on loopback, opened by the client that `encap build` would choose. The program
/// plays both sides, and sends each row at its time, in the order of the file. With the right `CAP_NET_RAW`, it
/// captures the kernel's frames, and finds the frames of a row by its stream offsets. Ctrl-C ends the connections and
/// shows the rows sent so far.
///
/// Exit status: 0 if all rows were sent, 1 if some cannot be sent or were not, 3 if a file cannot be read or written,
/// or the capture for -o is not possible.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file, or - for standard input
    file: PathBuf,
    /// Send to this server, instead of playing both sides. Each other app opens one connection for all its rows. Rows
    /// of the server itself are not sent. The default port is 12345
    #[arg(long, value_name = "HOST[:PORT]")]
    to: Option<String>,
    /// The speed relative to the times of the rows, or max: without waiting
    #[arg(long, default_value = "1", value_name = "X")]
    speed: Speed,
    /// Transport of the rows; auto: the usual transport of each protocol
    #[arg(long, value_enum, default_value = "auto")]
    transport: TransportArg,
    #[command(flatten)]
    servers: Servers,
    /// Complete messages as their protocol requires: line ends, an HTTP version, header ends and lengths
    #[arg(long)]
    complete: bool,
    /// Decode the escapes \r \n \t \0 \\ \" \xHH in messages
    #[arg(long)]
    escapes: bool,
    /// Write the frames to this file, as pcapng; - for standard output, which moves the listing to standard error
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum TransportArg {
    Auto,
    Tcp,
    Udp,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let input = Input::open(&args.file)?;
    if let Some(out) = &args.out {
        output::refuse_input_path(out, &input)?;
    }
    let Some(rows) = read_rows(args, input)? else { return Ok(ExitCode::from(EXIT_ROWS)) };
    let plan_options = PlanOptions {
        transport: match args.transport {
            TransportArg::Auto => TransportChoice::Auto,
            TransportArg::Tcp => TransportChoice::Tcp,
            TransportArg::Udp => TransportChoice::Udp,
        },
        content: if args.complete { Content::Complete } else { Content::Faithful },
        servers: args.servers.apps(),
        to_one_server: args.to.is_some(),
    };
    let mut unused_servers = args.servers.apps();
    unused_servers.retain(|app| rows.iter().all(|row| row.source != *app && row.destination != *app));
    servers::report_unused(&unused_servers);
    let plan = match SendPlan::new(rows, &plan_options) {
        Ok(plan) => plan,
        Err(error) => return Ok(report_plan_error(error)),
    };
    let lacks_line_end = |planned: &PlannedRow| planned.from == Side::Client && !planned.row.message.ends_with(b"\n");
    let mut chat_rows = plan.rows().iter().filter(|planned| planned.row.protocol == AppProtocol::Chat);
    if args.to.is_some() && chat_rows.any(lacks_line_end) {
        report("encap: some CHAT messages have no line end, but a chat server waits for one: --complete adds it");
    }
    if let Err(error) = plan.duration(args.speed) {
        return Ok(report_plan_error(error));
    }
    let target = match &args.to {
        Some(server) => Target::server(resolve(server)?),
        None => Target::own()?,
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first signal ends the connections in order; a second one ends the program at once. In this order, the
        // check of `stop` runs before the same signal sets it.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let recording = begin_recording(args, target.addresses())?;
    let progress = ProgressBar::new(plan.rows().len() as u64);
    let pacing = PlayOptions { speed: args.speed, now, stop: &stop };
    let (played, captured) = thread::scope(|scope| {
        let player = scope.spawn(|| play(&plan, &target, pacing, |n_done| progress.set_position(n_done as u64)));
        let captured = recording.map(|recording| record(recording, || player.is_finished())).transpose();
        (player.join(), captured)
    });
    progress.finish_and_clear();
    let played = played.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let captured = captured.map_err(|error| recording_failure(args, error))?;
    let listing = Listing::new(
        &plan,
        &played,
        captured
            .as_ref()
            .map(|(trace, statistics)| CaptureListing::new(trace, *statistics, args.out.as_deref().map(display_name))),
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
    let has_failed_row = played.outcomes.iter().any(|outcome| matches!(outcome, RowOutcome::Failed(_)));
    Ok(if has_failed_row || !played.unclosed.is_empty() { ExitCode::from(EXIT_ROWS) } else { ExitCode::SUCCESS })
}

/// The addresses of a server, which is written as for the chat client: `HOST` or `HOST:PORT`.
fn resolve(server: &str) -> Result<Vec<SocketAddr>, Failure> {
    let no_such_host = |reason: String| Failure::NoSuchHost { host: server.to_owned(), reason };
    let host_port = HostPort::parse_or_default_port(server, Dialect::Commands.port());
    let host_port = host_port.map_err(|error| no_such_host(error.to_string()))?;
    let addresses = host_port.pair().to_socket_addrs().map_err(|error| no_such_host(error.to_string()))?;
    let addresses: Vec<_> = addresses.collect();
    if addresses.is_empty() { Err(no_such_host("it has no address".to_owned())) } else { Ok(addresses) }
}

/// Reports that the rows cannot be sent, and returns the exit code.
fn report_plan_error(error: PlanError) -> ExitCode {
    report(format_args!("encap: nothing was sent: {error}"));
    ExitCode::from(EXIT_ROWS)
}

/// Reads all rows, and reports their faults. `None` if a row cannot be sent, or if all rows together are too large.
fn read_rows(args: &Args, mut input: Input) -> Result<Option<Vec<Row>>, Failure> {
    let format = RowFormat { file: input.name(), coloured: colour::is_wanted(&io::stderr()) };
    let report_fault = |fault: &RowFault| report(format.fault(fault));
    let mut reader = RowReader::new(&mut input, RowOptions { escapes: args.escapes });
    let (mut rows, mut bytes, mut n_errors) = (Vec::new(), 0, 0);
    while let Some(row) = reader.next() {
        reader.take_remarks().iter().for_each(report_fault);
        match row {
            Ok(row) => {
                bytes += weight(&row);
                if bytes > ROWS_MAX_BYTES {
                    report_plan_error(PlanError::Bytes { line: row.line });
                    return Ok(None);
                }
                rows.push(row);
            }
            Err(RowError::Io(error)) => return Err(input.read_failure(error)),
            Err(RowError::Refused(faults)) => {
                faults.iter().for_each(report_fault);
                n_errors += faults.iter().filter(|fault| fault.severity() == Severity::Error).count();
            }
        }
    }
    reader.take_remarks().iter().for_each(report_fault);
    if n_errors > 0 {
        report("encap: nothing was sent: some rows cannot be sent");
        return Ok(None);
    }
    Ok(Some(rows))
}

type CaptureOutput = Box<dyn Write>;

/// Starts a capture of the traffic of `addresses`. Without -o, the result is `None`, with a message, if the addresses
/// belong to another machine or the right to capture is missing. With -o, these are errors.
fn begin_recording(args: &Args, addresses: &[SocketAddr]) -> Result<Option<LiveRecording<CaptureOutput>>, Failure> {
    if !addresses.iter().all(is_local) {
        let error = "the server is on another machine, so no frames are captured: use `encap capture` at the same time";
        let Some(file) = &args.out else {
            report(format_args!("encap: {error}"));
            return Ok(None);
        };
        return Err(Failure::WriteFile { file: file.display().to_string(), error: io::Error::other(error) });
    }
    let port = addresses.first().map(SocketAddr::port);
    let live = LiveCapture::open(LOOPBACK, &LiveOptions { port, ..LiveOptions::default() });
    let live = match live {
        Err(error @ LiveError::NoCapability) if args.out.is_none() => {
            report(format_args!("encap: sending without capturing, so no frames are shown: {error}"));
            return Ok(None);
        }
        opened => opened?,
    };
    let output: CaptureOutput = match &args.out {
        Some(file) => Box::new(Output::in_place(file)?),
        None => Box::new(io::sink()),
    };
    Ok(Some(LiveRecording::begin(live, LOOPBACK, output).map_err(|error| recording_failure(args, error))?))
}

/// Whether it is an address of this machine. Only such an address can be bound. Traffic to it goes over loopback, even
/// if another interface has the address.
fn is_local(address: &SocketAddr) -> bool {
    address.ip().is_loopback() || UdpSocket::bind((address.ip(), 0)).is_ok()
}

/// Converts an error of the capture. Without -o, nothing is written, so no error names the file.
fn recording_failure(args: &Args, error: RecordError) -> Failure {
    Failure::from_record_error(error, args.out.as_deref().unwrap_or(Path::new("the frames")))
}

/// Records frames until all rows are played and no more frames arrive, but at most [`LINGER_MAX`] after the last row.
fn record(
    mut recording: LiveRecording<CaptureOutput>,
    is_played: impl Fn() -> bool,
) -> Result<(Trace, Statistics), RecordError> {
    let link_type = recording.link_type();
    let mut trace = Trace::default();
    let mut flushed_at = now();
    let mut played_at = None;
    loop {
        let moment = now();
        if played_at.is_none() && is_played() {
            played_at = Some(moment);
        }
        if moment.duration_since(flushed_at) >= FLUSH_EVERY {
            recording.flush()?;
            flushed_at = moment;
        }
        // Longer than the kernel holds a frame: if none arrives after the last row, all were read.
        match recording.next_frame(4 * LiveCapture::BLOCK_TIMEOUT)? {
            Some(frame) => trace.add_frame(&Frame::parse(link_type, frame.captured, frame.original_len)),
            None if played_at.is_some() => break,
            None => {}
        }
        if played_at.is_some_and(|played_at| moment.duration_since(played_at) > LINGER_MAX) {
            break;
        }
    }
    Ok((trace, recording.finish()?))
}

#[expect(clippy::disallowed_methods, reason = "the program reads the clock; the library takes times as arguments")]
fn now() -> Instant {
    Instant::now()
}
