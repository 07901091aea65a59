//! Records a live capture in a file that is readable at any time.

use std::io::Write;
use std::time::Duration;

use super::{LiveCapture, LiveError, LiveFrame};
use crate::capture::{FileMetadata, Format, Interface, Record, Statistics, WriteError, Writer};
use crate::wire::LinkType;

/// Packet comment for a checksum that the kernel left to the network card.
pub(super) const OFFLOADED_COMMENT: &str = "checksum not computed yet: left to hardware (offload)";

/// Section comment that distinguishes the file from a synthesised capture.
const CAPTURED_COMMENT: &str = "captured from a live interface, not synthesised";

/// Why a recording stopped. The packets that were already written remain valid.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Capturing failed.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// Writing failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Frames recorded so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RecordingCounts {
    /// Number of frames.
    pub frames: u64,
    /// Sum of their lengths on the wire, in bytes.
    pub bytes: u64,
}

/// Records the frames of an interface in a pcapng file.
#[derive(Debug)]
pub struct LiveRecording<W: Write> {
    live: LiveCapture,
    writer: Writer<W>,
    /// Frames written to the writer's buffer or the file.
    counts: RecordingCounts,
    /// Frames written to the file.
    flushed: RecordingCounts,
}

impl<W: Write> LiveRecording<W> {
    /// Starts a file for the frames of `live`. The file stores `interface` as the name of the interface.
    pub fn begin(live: LiveCapture, interface: &str, to: W) -> Result<Self, RecordError> {
        let filter = live.port.map(|port| format!("port {port}"));
        let interface = Interface {
            snap_len: live.snap_len,
            name: Some(interface.to_owned()),
            filter,
            ..Interface::new(live.link_type())
        };
        let metadata = FileMetadata { os: Some(std::env::consts::OS), comments: &[CAPTURED_COMMENT] };
        let mut writer = Writer::new(to, Format::Pcapng, metadata, &[interface])?;
        writer.flush()?;
        Ok(Self { live, writer, counts: RecordingCounts::default(), flushed: RecordingCounts::default() })
    }

    /// Waits for the next frame and writes it; see [`LiveCapture::next_frame`].
    pub fn next_frame(&mut self, timeout: Duration) -> Result<Option<LiveFrame<'_>>, RecordError> {
        let Some(frame) = self.live.next_frame(timeout)? else { return Ok(None) };
        self.writer.write(&Record {
            time: frame.time,
            interface: 0,
            captured: frame.captured,
            original_len: frame.original_len,
            comments: if frame.checksum_offloaded { &[OFFLOADED_COMMENT] } else { &[] },
        })?;
        self.counts.frames += 1;
        self.counts.bytes += u64::from(frame.original_len);
        Ok(Some(frame))
    }

    /// Flushes all written frames, so that a reader sees them.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        if self.flushed != self.counts {
            self.writer.flush()?;
            self.flushed = self.counts;
        }
        Ok(())
    }

    /// Link type of the frames.
    #[must_use]
    pub const fn link_type(&self) -> LinkType {
        self.live.link_type()
    }

    /// Frames written so far.
    #[must_use]
    pub const fn counts(&self) -> RecordingCounts {
        self.counts
    }

    /// Frames flushed so far. They remain readable even if a later write fails.
    #[must_use]
    pub const fn flushed(&self) -> RecordingCounts {
        self.flushed
    }

    /// Frames received and dropped since the capture started.
    pub fn statistics(&mut self) -> Result<Statistics, RecordError> {
        Ok(self.live.statistics()?)
    }

    /// Writes the interface statistics, ends the file, and returns the statistics.
    pub fn finish(mut self) -> Result<Statistics, RecordError> {
        let statistics = self.live.statistics()?;
        self.writer.finish(&[statistics])?.flush().map_err(WriteError::from)?;
        Ok(statistics)
    }
}
