//! `encap capture`: what passes an interface, into a file.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use switchboard_encap::capture::Statistics;
use switchboard_encap::capture::live::{LiveCapture, LiveOptions, LiveRecording, RecordError, RecordingCounts};
use switchboard_encap::show::count;
use switchboard_encap::time::Timestamp;

use super::diagnostics::report;
use super::failure::Failure;
use super::output::{Output, shown};

/// How long what was captured may wait before a reader of the file sees it.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// How often the progress on a terminal is drawn anew.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Captures what passes an interface
///
/// Writes pcapng with times in nanoseconds, readable while it grows, until the time or the count is reached or Ctrl-C is
/// pressed. Frames that found no room are counted and said. Needs the right `CAP_NET_RAW`, or a network namespace of your
/// own (`unshare --user --map-root-user --net`). A second Ctrl-C ends it at once, even if nobody reads what it writes. Exit status: 0 when it ended as asked, 3 if it could not capture or write.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The interface, as `ip link` names it: lo, eth0
    #[arg(short, long, value_name = "IFACE")]
    interface: String,
    /// Only TCP and UDP from or to this port
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// End after this time, such as 10s or 2m
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// End after this many frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Keep at most this many bytes of a frame
    #[arg(long, value_name = "N", default_value_t = LiveOptions::default().snap_len, value_parser = clap::value_parser!(u32).range(1..=0x40_0000))]
    snap_len: u32,
    /// The memory for frames that come faster than they are written, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = LiveOptions::default().buffer_bytes)]
    buffer: u32,
    /// The file to write, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    // Before the file is made: what was there stays if there is nothing to capture.
    let options = LiveOptions { snap_len: args.snap_len, buffer_bytes: args.buffer, port: args.port };
    let live = LiveCapture::open(&args.interface, &options)?;
    let out = Output::growing(&args.out)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second ends the program, should it wait for whoever reads what it writes: in this order, the first does not.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let failed = |error| Failure::of_recording(error, &args.out);
    let mut recording = LiveRecording::begin(live, &args.interface, out).map_err(failed)?;
    let recorded = record(&mut recording, args, &stop);
    // Whatever ended it, the file gets its end.
    let (counts, flushed) = (recording.counts(), recording.flushed());
    let finished = recording.finish();
    let is_written = finished.is_ok() && !matches!(recorded, Err(RecordError::Write(_)));
    let counts = if is_written { counts } else { flushed };
    let summary = Summary { counts, statistics: finished.as_ref().ok().copied() };
    report(format_args!("{}{summary}: {}", if is_written { "" } else { "at least " }, shown(&args.out)));
    recorded.map_err(failed)?;
    finished.map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes frames until it is time to stop; what was on its way then is written, too.
fn record(recording: &mut LiveRecording<impl Write>, args: &Args, stop: &AtomicBool) -> Result<(), RecordError> {
    let progress = ProgressBar::new_spinner();
    progress.set_style(
        ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let start = now();
    let (mut flushed, mut drawn) = (start, start);
    // The moment to stop at, once it has come.
    let mut end: Option<Timestamp> = None;
    let mut n_frames = 0;
    while args.count.is_none_or(|count| n_frames < count) {
        let now = now();
        let is_over = args.duration.is_some_and(|duration| now.duration_since(start) >= duration);
        if end.is_none() && (is_over || stop.load(Ordering::Relaxed)) {
            end = Some(wall_clock());
        }
        if now.duration_since(flushed) >= FLUSH_EVERY {
            recording.flush()?;
            flushed = now;
        }
        if now.duration_since(drawn) >= DRAW_EVERY && !progress.is_hidden() {
            let statistics = Some(recording.statistics()?);
            progress.set_message(Summary { counts: recording.counts(), statistics }.to_string());
            progress.tick();
            drawn = now;
        }
        let left = args.duration.map(|duration| duration.saturating_sub(now.duration_since(start)));
        let wait = left.unwrap_or(DRAW_EVERY).clamp(2 * LiveCapture::BLOCK_TIMEOUT, DRAW_EVERY);
        match recording.next_frame(wait)? {
            Some(frame) => {
                n_frames += 1;
                if end.is_some_and(|end| frame.time > end) {
                    break;
                }
            }
            None if end.is_some() => break,
            None => {}
        }
    }
    progress.finish_and_clear();
    Ok(())
}

/// What was captured, in words.
struct Summary {
    counts: RecordingCounts,
    statistics: Option<Statistics>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordingCounts { frames, bytes } = self.counts;
        write!(f, "{}, {}", count(frames, "frame"), count(bytes, "byte"))?;
        match self.statistics {
            Some(Statistics { dropped: 0, .. }) => write!(f, ", none dropped"),
            Some(Statistics { dropped, .. }) => {
                write!(f, ", {dropped} dropped for want of room: a larger --buffer or a --port loses fewer")
            }
            None => Ok(()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the shell of a program is where time comes from")]
fn now() -> Instant {
    Instant::now()
}

/// The time by the clock that stamps frames.
#[expect(clippy::disallowed_methods, reason = "the shell of a program is where time comes from")]
fn wall_clock() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().checked_add(since_1970).unwrap_or_default()
}
