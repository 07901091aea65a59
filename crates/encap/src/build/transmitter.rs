//! Frames on the wire: which carries one at a time, and so says when each is sent.

use std::io::Write;

use super::packet::Packet;
use super::{Link, Settings};
use crate::capture::{About, Format, Interface, Record, WriteError, Writer};
use crate::time::Timestamp;

/// What a byte takes on the wire, in nanoseconds: 1 Gbit/s.
const NANOS_PER_BYTE: i64 = 8;

/// Bytes of a frame that no capture shows: preamble, frame check sequence, gap (IEEE 802.3 §4.2).
const UNSEEN_BYTES: i64 = 8 + 4 + 12;

/// Where frames go.
#[derive(Debug)]
pub(super) struct Transmitter<W: Write> {
    writer: Writer<W>,
    link: Link,
    /// Comments are kept.
    pub(super) comments: bool,
    /// What is said of the next frame.
    pub(super) comment: String,
    /// The frame that is written.
    frame: Vec<u8>,
    /// Until when the wire is busy.
    busy_until: i64,
    pub(super) count: u64,
    pub(super) n_bytes: u64,
    /// When the first and the last were sent, if any was.
    first: i64,
    last: i64,
}

impl<W: Write> Transmitter<W> {
    pub(super) fn new(to: W, settings: &Settings, format: Format, about: &str) -> Result<Self, WriteError> {
        let mut interface = Interface::new(settings.link.link_type());
        interface.name = Some(settings.link.interface_name().to_owned());
        interface.description = Some("made up by encap build".to_owned());
        let about = About { os: None, comments: &[about] };
        let writer = Writer::new(to, format, about, &[interface])?;
        Ok(Self {
            writer,
            link: settings.link,
            comments: format == Format::Pcapng,
            comment: String::new(),
            frame: Vec::new(),
            busy_until: 0,
            count: 0,
            n_bytes: 0,
            first: 0,
            last: 0,
        })
    }

    /// When a frame that is wanted at a time can be sent.
    #[inline]
    pub(super) fn when(&self, wanted: i64) -> i64 {
        wanted.max(self.busy_until)
    }

    /// Sends a packet as soon as the wire is free, and says when that is. Its comment is in `comment`.
    pub(super) fn send(&mut self, wanted: i64, packet: &Packet<'_>) -> Result<i64, WriteError> {
        let at = self.when(wanted);
        packet.emit(self.link, &mut self.frame);
        // No longer than 32 bits can say: it is a packet.
        let len = u32::try_from(self.frame.len()).unwrap_or(u32::MAX);
        let time = Timestamp::from_nanos(at);
        let comments: &[&str] = if self.comments { &[&self.comment] } else { &[] };
        self.writer.write(&Record { time, interface: 0, captured: &self.frame, original_len: len, comments })?;
        self.busy_until = at.saturating_add(NANOS_PER_BYTE * (i64::from(len) + UNSEEN_BYTES));
        if self.count == 0 {
            self.first = at;
        }
        self.last = at;
        self.count += 1;
        self.n_bytes += u64::from(len);
        Ok(at)
    }

    /// When the first and the last frame were sent.
    pub(super) fn ends(&self) -> [Option<Timestamp>; 2] {
        [self.first, self.last].map(|at| (self.count > 0).then_some(Timestamp::from_nanos(at)))
    }

    pub(super) fn finish(self) -> Result<W, WriteError> {
        self.writer.finish(&[])
    }
}
