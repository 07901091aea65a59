//! Takes frames from an interface as they pass.
//!
//! Linux hands them over in a ring of memory that it shares with us (packet(7), `TPACKET_V3`): a block of many frames at
//! once, each with its time in nanoseconds, and a count of those for which there was no room. A frame on loopback goes out
//! and comes in again; it is taken once, as it comes in.
//!
//! `TPACKET_V3` strips an 802.1Q tag from its frame and gives it beside; it is put back, so that a frame is what was on the
//! wire.

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

/// What to take from an interface.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// The most bytes to keep of a frame.
    pub snap_len: u32,
    /// The memory for frames that were not asked for yet, in bytes: the most that may come while nobody asks.
    pub buffer_bytes: u32,
    /// Only frames of TCP or UDP from or to this port. The others never enter the buffer, nor do those in which a
    /// simple filter does not find it: later fragments, which name no port, and IPv6 packets with extension headers.
    pub port: Option<u16>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        // The longest frame that loopback carries is an IPv6 packet of 64 KiB and its Ethernet header.
        Self { snap_len: 256 * 1024, buffer_bytes: 32 * 1024 * 1024, port: None }
    }
}

/// An interface from which frames are taken, until it is dropped.
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
///         None if stopping => break, // what was on its way has been given
///         None => {}
///     }
/// }
/// println!("{} frames found no room", live.statistics()?.dropped);
/// # Ok::<(), switchboard_encap::capture::live::LiveError>(())
/// ```
#[derive(Debug)]
pub struct LiveCapture {
    ring: Ring,
    framing: Framing,
    snap_len: u32,
    port: Option<u16>,
    /// A frame that is not given as the kernel has it: with its tag put back, or a header before it.
    scratch: Vec<u8>,
    statistics: Statistics,
}

impl LiveCapture {
    /// Begins to take frames from the interface of this name.
    pub fn open(interface: &str, options: &LiveOptions) -> Result<Self, LiveError> {
        let (ring, framing) = Ring::open(interface, options)?;
        let statistics = Statistics { received: 0, dropped: 0 };
        Ok(Self { ring, framing, snap_len: options.snap_len, port: options.port, scratch: Vec::new(), statistics })
    }

    /// What the frames begin with: Ethernet, or for an interface of another kind a "cooked" header.
    #[must_use]
    pub const fn link_type(&self) -> LinkType {
        self.framing.link_type()
    }

    /// The next frame. `None` after `timeout` without one, or when a signal came: the place to look whether to stop.
    ///
    /// The kernel hands over a block when it is full or at most [`BLOCK_TIMEOUT`](Self::BLOCK_TIMEOUT) after its first frame: what was
    /// on its way when the wish to stop came has been given once this waited that long in vain.
    pub fn next_frame(&mut self, timeout: Duration) -> Result<Option<LiveFrame<'_>>, LiveError> {
        let Some(raw) = self.ring.next_frame(timeout)? else { return Ok(None) };
        Ok(Some(self.framing.frame(&raw, self.snap_len, &mut self.scratch)))
    }

    /// How long a frame may wait in the kernel before it is handed over.
    pub const BLOCK_TIMEOUT: Duration = Duration::from_millis(20);

    /// How many frames came since the beginning, and how many of them found no room.
    pub fn statistics(&mut self) -> Result<Statistics, LiveError> {
        // The kernel counts from the last time it was asked.
        let (received, dropped) = self.ring.take_counts()?;
        self.statistics.received += u64::from(received);
        self.statistics.dropped += u64::from(dropped);
        Ok(self.statistics)
    }
}

#[cfg(test)]
mod tests;
