//! `encap capture`: writes the frames of an interface to a file.

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
use super::output::{Output, display_name};

/// Maximum delay until a captured frame is in the file.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Interval of the progress display.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Captures the frames of an interface
///
/// Writes pcapng with times in nanoseconds until the time or the count is reached or Ctrl-C is pressed. The file can be
/// read while it grows. Dropped frames are counted and reported. Capturing needs the right `CAP_NET_RAW`, or a network
/// namespace of your own (`unshare --user --map-root-user --net`). A second Ctrl-C ends the program at once, even if it
/// waits for the reader of a pipe.
///
/// Exit status: 0 if the capture ended as requested, 3 if it could not capture or write.
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
    /// Keep at most this many bytes of each frame
    #[arg(
        long,
        value_name = "N",
        default_value_t = LiveOptions::default().snap_len,
        value_parser = clap::value_parser!(u32).range(1..=0x40_0000)
    )]
    snap_len: u32,
    /// Memory for frames that arrive faster than they are written, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = LiveOptions::default().buffer_bytes)]
    buffer: u32,
    /// The file to write, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    // Open the interface before the file: if that fails, an existing file is kept.
    let options = LiveOptions { snap_len: args.snap_len, buffer_bytes: args.buffer, port: args.port };
    let live = LiveCapture::open(&args.interface, &options)?;
    let out = Output::in_place(&args.out)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first signal sets `stop`; a second one ends the program, even while it waits for the reader of a pipe. In
        // this order, the check of `stop` runs before the same signal sets it.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let failure = |error| Failure::from_record_error(error, &args.out);
    let mut recording = LiveRecording::begin(live, &args.interface, out).map_err(failure)?;
    let recorded = record(&mut recording, args, &stop);
    // Finish the file even after an error.
    let (counts, flushed_counts) = (recording.counts(), recording.flushed());
    let finished = recording.finish();
    let is_written = finished.is_ok() && !matches!(recorded, Err(RecordError::Write(_)));
    let counts = if is_written { counts } else { flushed_counts };
    let summary = Summary { counts, statistics: finished.as_ref().ok().copied() };
    report(format_args!("{}{summary}: {}", if is_written { "" } else { "at least " }, display_name(&args.out)));
    recorded.map_err(failure)?;
    finished.map_err(failure)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes frames until the requested end, and then the frames from before that end that the kernel still holds.
fn record(recording: &mut LiveRecording<impl Write>, args: &Args, stop: &AtomicBool) -> Result<(), RecordError> {
    let progress = ProgressBar::new_spinner();
    progress.set_style(
        ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let start = now();
    let (mut flushed_at, mut drawn_at) = (start, start);
    // The time at which the capture was to end; `None` before it. It is compared with the times of frames.
    let mut end: Option<Timestamp> = None;
    let mut n_frames = 0;
    while args.count.is_none_or(|count| n_frames < count) {
        let moment = now();
        let is_over = args.duration.is_some_and(|duration| moment.duration_since(start) >= duration);
        if end.is_none() && (is_over || stop.load(Ordering::Relaxed)) {
            end = Some(wall_clock());
        }
        if moment.duration_since(flushed_at) >= FLUSH_EVERY {
            recording.flush()?;
            flushed_at = moment;
        }
        if moment.duration_since(drawn_at) >= DRAW_EVERY && !progress.is_hidden() {
            let statistics = Some(recording.statistics()?);
            progress.set_message(Summary { counts: recording.counts(), statistics }.to_string());
            progress.tick();
            drawn_at = moment;
        }
        let remaining = args.duration.map(|duration| duration.saturating_sub(moment.duration_since(start)));
        // Longer than the kernel holds a frame: if none arrives after the end, all were read.
        let wait = remaining.unwrap_or(DRAW_EVERY).clamp(2 * LiveCapture::BLOCK_TIMEOUT, DRAW_EVERY);
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

/// The counts of a capture as text.
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
                write!(f, ", {dropped} dropped for lack of buffer space: use a larger --buffer, or --port")
            }
            None => Ok(()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the program reads the clock; the library takes times as arguments")]
fn now() -> Instant {
    Instant::now()
}

/// The current time of the clock that also gives frames their times.
#[expect(clippy::disallowed_methods, reason = "the program reads the clock; the library takes times as arguments")]
fn wall_clock() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().checked_add(since_1970).unwrap_or_default()
}
