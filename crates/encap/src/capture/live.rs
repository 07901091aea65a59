//! Captures frames from an interface.
//!
//! Linux delivers frames through shared memory (packet(7), `TPACKET_V3`): whole blocks of frames with nanosecond
//! timestamps, and a count of dropped frames. On loopback, each frame passes twice: outgoing, then incoming. Only the
//! incoming frame is captured.
//!
//! `TPACKET_V3` delivers an 802.1Q tag separately from its frame. The capture reinserts the tag, so that the frame
//! equals the one on the wire.

mod error;
mod filter;
mod frame;
mod recording;
mod ring;

use std::time::Duration;

pub use error::LiveError;
pub use frame::LiveFrame;
pub use recording::{LiveRecording, RecordError, RecordingCounts};

use self::frame::Framing;
use self::ring::Ring;
use super::Statistics;
use crate::wire::LinkType;

/// Capture settings.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Snapshot length: maximum captured bytes per frame.
    pub snap_len: u32,
    /// Size of the kernel buffer, in bytes. Frames that arrive while it is full are dropped.
    pub buffer_bytes: u32,
    /// If set, only TCP and UDP frames from or to this port are captured. The kernel filters before buffering. The
    /// filter drops frames in which it cannot locate the ports: later fragments, and IPv6 packets with extension
    /// headers.
    pub port: Option<u16>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        // Truncates nothing: the longest frame on loopback is an IPv6 packet of 64 KiB with an Ethernet header.
        Self { snap_len: 256 * 1024, buffer_bytes: 32 * 1024 * 1024, port: None }
    }
}

/// A running capture on one interface. Dropping it ends the capture.
///
/// ```no_run
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use switchboard_encap::capture::live::{LiveCapture, LiveOptions};
///
/// static STOP: AtomicBool = AtomicBool::new(false); // set by a signal, or another thread
///
/// let mut live = LiveCapture::open("lo", &LiveOptions { port: Some(8080), ..LiveOptions::default() })?;
/// loop {
///     let stopping = STOP.load(Ordering::Relaxed);
///     match live.next_frame(4 * LiveCapture::BLOCK_TIMEOUT)? {
///         Some(frame) => println!("{} bytes at {:?}", frame.captured.len(), frame.time),
///         None if stopping => break, // all frames sent before the stop are read
///         None => {}
///     }
/// }
/// println!("{} frames were dropped", live.statistics()?.dropped);
/// # Ok::<(), switchboard_encap::capture::live::LiveError>(())
/// ```
#[derive(Debug)]
pub struct LiveCapture {
    ring: Ring,
    framing: Framing,
    snap_len: u32,
    port: Option<u16>,
    /// Holds a frame that had to be rebuilt: its tag was reinserted, or it got a cooked header.
    scratch: Vec<u8>,
    statistics: Statistics,
}

impl LiveCapture {
    /// Starts to capture on the interface with this name.
    pub fn open(interface: &str, options: &LiveOptions) -> Result<Self, LiveError> {
        let (ring, framing) = Ring::open(interface, options)?;
        let statistics = Statistics { received: 0, dropped: 0 };
        Ok(Self { ring, framing, snap_len: options.snap_len, port: options.port, scratch: Vec::new(), statistics })
    }

    /// Link type of the frames: Ethernet, or a cooked header for other interfaces.
    pub(crate) const fn link_type(&self) -> LinkType {
        self.framing.link_type()
    }

    /// Waits for the next frame. Returns `None` after `timeout`, or when a signal interrupts the wait, so that the
    /// caller can check whether to stop.
    ///
    /// The kernel delivers a block when it is full, or [`BLOCK_TIMEOUT`](Self::BLOCK_TIMEOUT) after its first frame. To
    /// stop without losing frames, call this until it returns `None` for a `timeout` longer than `BLOCK_TIMEOUT`.
    pub fn next_frame(&mut self, timeout: Duration) -> Result<Option<LiveFrame<'_>>, LiveError> {
        let Some(raw) = self.ring.next_frame(timeout)? else { return Ok(None) };
        Ok(Some(self.framing.frame(&raw, self.snap_len, &mut self.scratch)))
    }

    /// Maximum time that a frame stays in the kernel before delivery.
    pub const BLOCK_TIMEOUT: Duration = Duration::from_millis(20);

    /// Frames received and dropped since the capture started.
    pub fn statistics(&mut self) -> Result<Statistics, LiveError> {
        // The kernel resets its counters on each read.
        let (received, dropped) = self.ring.take_counts()?;
        self.statistics.received += u64::from(received);
        self.statistics.dropped += u64::from(dropped);
        Ok(self.statistics)
    }
}

#[cfg(test)]
mod tests;
