//! Frames on their way from an interface into a file, readable at any moment.

use std::io::Write;
use std::time::Duration;

use super::{LiveCapture, LiveError, LiveFrame};
use crate::capture::{About, Format, Interface, Record, Statistics, WriteError, Writer};
use crate::wire::LinkType;

/// What is said of a packet whose checksum the kernel left to the network card.
pub(super) const OFFLOADED: &str = "checksum not computed yet: left to hardware (offload)";

/// What is said of the file as a whole, so that nobody takes its packets for made-up ones.
const CAPTURED: &str = "captured from a live interface, not synthesised";

/// Why a recording did not go on. What was written before stands.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No more frames can be taken.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// No more can be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What went by so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RecordingCounts {
    /// How many frames were written.
    pub frames: u64,
    /// How many bytes they had on the wire.
    pub bytes: u64,
}

/// Writes what an interface gives as a pcapng file.
#[derive(Debug)]
pub struct LiveRecording<W: Write> {
    live: LiveCapture,
    writer: Writer<W>,
    counts: RecordingCounts,
    flushed: RecordingCounts,
}

impl<W: Write> LiveRecording<W> {
    /// Begins a file of what comes from `live`, which was opened on the interface of this name.
    pub fn begin(live: LiveCapture, interface: &str, to: W) -> Result<Self, RecordError> {
        let port = live.port.map(|port| format!("port {port}"));
        let interface = Interface {
            snap_len: live.snap_len,
            name: Some(interface.to_owned()),
            filter: port,
            ..Interface::new(live.link_type())
        };
        let about = About { os: Some(std::env::consts::OS), comments: &[CAPTURED] };
        let mut writer = Writer::new(to, Format::Pcapng, about, &[interface])?;
        writer.flush()?;
        Ok(Self { live, writer, counts: RecordingCounts::default(), flushed: RecordingCounts::default() })
    }

    /// The next frame, once it is written, as [`LiveCapture::next_frame`] gives it.
    pub fn next_frame(&mut self, timeout: Duration) -> Result<Option<LiveFrame<'_>>, RecordError> {
        let Some(frame) = self.live.next_frame(timeout)? else { return Ok(None) };
        self.writer.write(&Record {
            time: frame.time,
            interface: 0,
            captured: frame.captured,
            original_len: frame.original_len,
            comments: if frame.checksum_offloaded { &[OFFLOADED] } else { &[] },
        })?;
        self.counts.frames += 1;
        self.counts.bytes += u64::from(frame.original_len);
        Ok(Some(frame))
    }

    /// Hands all that was written to what is written to, so that it can be read.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        if self.flushed != self.counts {
            self.writer.flush()?;
            self.flushed = self.counts;
        }
        Ok(())
    }

    /// What the frames begin with.
    #[must_use]
    pub const fn link_type(&self) -> LinkType {
        self.live.link_type()
    }

    /// What went by so far.
    #[must_use]
    pub const fn counts(&self) -> RecordingCounts {
        self.counts
    }

    /// What of that was handed on for sure: so much stands, even if no more can be written.
    #[must_use]
    pub const fn flushed(&self) -> RecordingCounts {
        self.flushed
    }

    /// How many frames came since the beginning, and how many of them found no room.
    pub fn statistics(&mut self) -> Result<Statistics, RecordError> {
        Ok(self.live.statistics()?)
    }

    /// Ends the file with the counts, and gives them.
    pub fn finish(mut self) -> Result<Statistics, RecordError> {
        let statistics = self.live.statistics()?;
        self.writer.finish(&[statistics])?.flush().map_err(WriteError::from)?;
        Ok(statistics)
    }
}
