//! Writes pcap and pcapng files, packet by packet.
//!
//! The writer stores times in nanoseconds and numbers in little-endian order, so the same packets give the same bytes
//! on each machine. Writing a packet allocates nothing.

use std::io::{self, BufWriter, IntoInnerError, Write};

use super::pcap::{self, MAGIC_NANOS};
use super::pcapng::{BlockType, block, option, section_header};
use super::{BLOCK_MAX_BYTES, Format, Interface};
use crate::time::Timestamp;

/// The value of the option `if_tsresol` for nanoseconds.
const RESOLUTION_NANOS: u8 = 9;

/// Size of the write buffer, in bytes.
const BUFFER_BYTES: usize = 128 * 1024;

/// The name of the application in a section header.
const APPLICATION: &str = "encap";

/// The metadata of a pcapng file.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileMetadata<'a> {
    /// Operating system on which the packets were captured.
    pub os: Option<&'a str>,
    /// Comments on the section, for example that the packets are synthesised.
    pub comments: &'a [&'a str],
}

/// One packet to write.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Time of capture.
    pub time: Timestamp,
    /// Index of its interface among those of the writer.
    pub interface: usize,
    /// Captured bytes.
    pub captured: &'a [u8],
    /// Length on the wire, in bytes.
    pub original_len: u32,
    /// Comments. A pcap file does not store them.
    pub comments: &'a [&'a str],
}

/// Packet counts of an interface, for the end of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Statistics {
    /// Packets received, including dropped ones.
    pub received: u64,
    /// Packets dropped because a buffer was full.
    pub dropped: u64,
}

/// Why a packet or a file was not written. Earlier packets stay in the file.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Writing to the file failed.
    #[error("cannot write the capture: {0}")]
    Io(#[from] io::Error),
    /// A pcap file without an interface, or with several.
    #[error("a pcap file has exactly one interface, not {0}: write pcapng")]
    Interfaces(usize),
    /// A packet of an unknown interface.
    #[error("a packet of interface {interface}, counted from 0: the file describes only {described}")]
    UnknownInterface {
        /// Index of the interface, from 0.
        interface: usize,
        /// Number of interfaces of the file.
        described: usize,
    },
    /// A time outside the range of the format.
    #[error("a time of {} ns since 1970 is outside the range of {format}: {}", time.as_nanos(), time_range(*format))]
    Time {
        /// Time of the packet.
        time: Timestamp,
        /// Format of the file.
        format: Format,
    },
    /// More bytes than the snapshot length, the length on the wire, or the maximum block.
    #[error("{captured_len} captured bytes of a packet of {original_len} bytes: at most {max} can be written")]
    TooLong {
        /// Captured bytes.
        captured_len: u32,
        /// Length on the wire, in bytes.
        original_len: u32,
        /// Maximum bytes that can be written.
        max: u32,
    },
    /// A text longer than the length field of an option allows.
    #[error("a name or comment of {len} bytes: at most {} fit", u16::MAX)]
    TextTooLong {
        /// Length of the text in bytes.
        len: usize,
    },
}

/// The range of times that a format can store.
const fn time_range(format: Format) -> &'static str {
    match format {
        Format::Pcap => "from 1970 to 2106",
        Format::Pcapng => "from 1970 on",
    }
}

/// Writes a capture file.
///
/// The writer has a buffer. [`flush`](Self::flush) writes the buffer to the file, and [`finish`](Self::finish) ends the
/// file. An unfinished file is readable, too.
#[derive(Debug)]
pub struct Writer<W: Write> {
    output: BufWriter<W>,
    format: Format,
    /// Maximum captured bytes of a packet, for each interface.
    snap_lens: Vec<u32>,
    /// Time of the last packet of a pcapng file, in nanoseconds. The statistics at the end of the file have the same
    /// time.
    last_nanos: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file of packets from these interfaces. A pcap file has one interface, and stores only its link type and
    /// snapshot length. The writer ignores the resolution of the interfaces: it writes times in nanoseconds.
    pub fn new(
        output: W,
        format: Format,
        metadata: FileMetadata<'_>,
        interfaces: &[Interface],
    ) -> Result<Self, WriteError> {
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, output);
        match (format, interfaces) {
            (Format::Pcap, [interface]) => output.write_all(&pcap_header(interface))?,
            (Format::Pcap, _) => return Err(WriteError::Interfaces(interfaces.len())),
            (Format::Pcapng, _) => {
                write_section(&mut output, metadata)?;
                interfaces.iter().try_for_each(|interface| write_interface(&mut output, interface))?;
            }
        }
        let snap_lens = interfaces.iter().map(snap_len).collect();
        Ok(Self { output, format, snap_lens, last_nanos: 0 })
    }

    /// Writes a packet.
    pub fn write(&mut self, record: &Record<'_>) -> Result<(), WriteError> {
        let Record { time, interface, captured, original_len, .. } = *record;
        let described = self.snap_lens.len();
        let snap_len = *self.snap_lens.get(interface).ok_or(WriteError::UnknownInterface { interface, described })?;
        let max = snap_len.min(original_len);
        // `max` is less than `u32::MAX`, so a packet whose length exceeds 32 bits is too long, too.
        let captured_len = u32::try_from(captured.len()).unwrap_or(u32::MAX);
        if captured_len > max {
            return Err(WriteError::TooLong { captured_len, original_len, max });
        }
        let out_of_range = |_| WriteError::Time { time, format: self.format };
        let nanos = u64::try_from(time.as_nanos()).map_err(out_of_range)?;
        match self.format {
            Format::Pcap => {
                let secs = u32::try_from(nanos / 1_000_000_000).map_err(out_of_range)?;
                let mut header = [0; pcap::record::HEADER_BYTES];
                let words = [secs, low_half(nanos % 1_000_000_000), captured_len, original_len];
                put_words(&mut header, &words);
                self.output.write_all(&header)?;
                self.output.write_all(captured)?;
                Ok(())
            }
            Format::Pcapng => self.write_pcapng(nanos, record),
        }
    }

    fn write_pcapng(&mut self, nanos: u64, record: &Record<'_>) -> Result<(), WriteError> {
        const FIELDS: usize = super::pcapng::enhanced_packet::DATA;
        let Record { interface, captured, original_len, comments, .. } = *record;
        let comments = comments.iter().map(|comment| (option::COMMENT, comment.as_bytes()));
        let padding = padding(captured.len());
        let body_len = FIELDS + captured.len() + padding.len() + options_len(comments.clone())?;
        let (head, trailer) = block_head(BlockType::ENHANCED_PACKET, body_len)?;
        let [interface, captured_len] = [interface, captured.len()].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let mut fields = [0; FIELDS];
        put_words(&mut fields, &[interface, low_half(nanos >> 32), low_half(nanos), captured_len, original_len]);
        for part in [&head, &fields[..], captured, padding] {
            self.output.write_all(part)?;
        }
        write_options(&mut self.output, comments)?;
        self.output.write_all(&trailer)?;
        self.last_nanos = nanos;
        Ok(())
    }

    /// Writes the buffer to the file.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        Ok(self.output.flush()?)
    }

    /// Ends the file, and returns the inner writer. A pcapng file ends with `statistics`, in the order of the
    /// interfaces; a pcap file does not store them.
    pub fn finish(mut self, statistics: &[Statistics]) -> Result<W, WriteError> {
        if self.format == Format::Pcapng {
            let nanos = self.last_nanos;
            for (interface, counts) in (0_u32..).zip(&statistics[..statistics.len().min(self.snap_lens.len())]) {
                let mut fields = [0; super::pcapng::interface_statistics::OPTIONS];
                put_words(&mut fields, &[interface, low_half(nanos >> 32), low_half(nanos)]);
                let (received, dropped) = (counts.received.to_le_bytes(), counts.dropped.to_le_bytes());
                let options =
                    [(option::STATISTICS_RECEIVED, &received[..]), (option::STATISTICS_DROPPED, &dropped[..])];
                write_block(&mut self.output, BlockType::INTERFACE_STATISTICS, &fields, options.into_iter())?;
            }
        }
        Ok(self.output.into_inner().map_err(IntoInnerError::into_error)?)
    }
}

/// Writes numbers to consecutive 32-bit fields, in little-endian order.
fn put_words(fields: &mut [u8], words: &[u32]) {
    for (field, word) in fields.chunks_exact_mut(4).zip(words) {
        field.copy_from_slice(&word.to_le_bytes());
    }
}

/// Maximum captured bytes of a packet: the snapshot length of the interface, but at most half a block.
fn snap_len(interface: &Interface) -> u32 {
    // The other half of the block is for its fields and for comments.
    const MAX: u32 = BLOCK_MAX_BYTES / 2;
    match interface.snap_len {
        0 => MAX,
        snap_len => snap_len.min(MAX),
    }
}

fn pcap_header(interface: &Interface) -> [u8; pcap::header::BYTES] {
    let mut header = [0; pcap::header::BYTES];
    header[pcap::header::MAGIC].copy_from_slice(&MAGIC_NANOS.to_le_bytes());
    header[pcap::header::MAJOR].copy_from_slice(&pcap::VERSION.0.to_le_bytes());
    header[pcap::header::MINOR].copy_from_slice(&pcap::VERSION.1.to_le_bytes());
    // A snapshot length of 0 means "no limit" only in pcapng. For pcap, `snap_len` replaces 0 by the maximum.
    header[pcap::header::SNAP_LEN].copy_from_slice(&snap_len(interface).to_le_bytes());
    header[pcap::header::LINK_TYPE].copy_from_slice(&u32::from(interface.link_type.0).to_le_bytes());
    header
}

fn write_section(output: &mut impl Write, metadata: FileMetadata<'_>) -> Result<(), WriteError> {
    let mut fields = [0; section_header::OPTIONS];
    fields[section_header::BYTE_ORDER].copy_from_slice(&section_header::MAGIC.to_le_bytes());
    fields[section_header::MAJOR].copy_from_slice(&1_u16.to_le_bytes());
    fields[section_header::MINOR].copy_from_slice(&0_u16.to_le_bytes());
    // All ones: the length of the section is unknown.
    fields[section_header::MINOR.end..].fill(0xff);
    let comments = metadata.comments.iter().map(|comment| (option::COMMENT, comment.as_bytes()));
    let os = metadata.os.map(|os| (option::SECTION_OS, os.as_bytes()));
    let application = [(option::SECTION_APPLICATION, APPLICATION.as_bytes())];
    write_block(output, BlockType::SECTION_HEADER, &fields, comments.chain(os).chain(application))
}

fn write_interface(output: &mut impl Write, interface: &Interface) -> Result<(), WriteError> {
    use super::pcapng::interface_description::{LINK_TYPE, OPTIONS, SNAP_LEN};

    let mut fields = [0; OPTIONS];
    fields[LINK_TYPE].copy_from_slice(&interface.link_type.0.to_le_bytes());
    fields[SNAP_LEN].copy_from_slice(&interface.snap_len.to_le_bytes());
    let text_option = |code, text: &'_ Option<String>| text.clone().map(|text| (code, text.into_bytes()));
    // The first byte is the language of the filter: 0 is libpcap's.
    let filter = interface.filter.as_ref().map(|filter| [&[0], filter.as_bytes()].concat());
    let options = [
        text_option(option::INTERFACE_NAME, &interface.name),
        text_option(option::INTERFACE_DESCRIPTION, &interface.description),
        Some((option::INTERFACE_RESOLUTION, vec![RESOLUTION_NANOS])),
        filter.map(|filter| (option::INTERFACE_FILTER, filter)),
        text_option(option::INTERFACE_OS, &interface.os),
    ];
    let options = options.iter().flatten().map(|(code, value)| (*code, value.as_slice()));
    write_block(output, BlockType::INTERFACE_DESCRIPTION, &fields, options)
}

fn write_block<'a>(
    output: &mut impl Write,
    kind: BlockType,
    fields: &[u8],
    options: impl Iterator<Item = (u16, &'a [u8])> + Clone,
) -> Result<(), WriteError> {
    let (head, trailer) = block_head(kind, fields.len() + options_len(options.clone())?)?;
    output.write_all(&head)?;
    output.write_all(fields)?;
    write_options(output, options)?;
    output.write_all(&trailer)?;
    Ok(())
}

/// Encodes the fields around a block body of `body_len` bytes: the block type and length before the body, and the
/// length again after the body.
fn block_head(kind: BlockType, body_len: usize) -> Result<([u8; block::BODY], [u8; 4]), WriteError> {
    let len = body_len + block::BODY + block::TRAILER_LEN;
    let valid_len = u32::try_from(len).ok().filter(|len| *len <= BLOCK_MAX_BYTES);
    let len_field = valid_len.ok_or(WriteError::TextTooLong { len })?.to_le_bytes();
    let mut head = [0; block::BODY];
    head[block::TYPE].copy_from_slice(&kind.0.to_le_bytes());
    head[block::LEN].copy_from_slice(&len_field);
    Ok((head, len_field))
}

/// The length of the options and their end marker, in bytes; 0 without options.
fn options_len<'a>(mut options: impl Iterator<Item = (u16, &'a [u8])>) -> Result<usize, WriteError> {
    let len = options.try_fold(0, |sum, (_, value)| match u16::try_from(value.len()) {
        Ok(_) => Ok(sum + 4 + value.len().next_multiple_of(4)),
        Err(_) => Err(WriteError::TextTooLong { len: value.len() }),
    })?;
    Ok(if len == 0 { 0 } else { len + 4 })
}

/// Writes options whose lengths [`options_len`] has checked.
fn write_options<'a>(output: &mut impl Write, options: impl Iterator<Item = (u16, &'a [u8])>) -> io::Result<()> {
    let mut has_options = false;
    for (code, value) in options {
        has_options = true;
        output.write_all(&code.to_le_bytes())?;
        output.write_all(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes())?;
        output.write_all(value)?;
        output.write_all(padding(value.len()))?;
    }
    if has_options { output.write_all(&[0; 4]) } else { Ok(()) }
}

/// The zero bytes that pad a length to a multiple of four.
const fn padding(len: usize) -> &'static [u8] {
    match len % 4 {
        0 => &[],
        1 => &[0; 3],
        2 => &[0; 2],
        _ => &[0; 1],
    }
}

/// The lower four bytes.
#[expect(clippy::cast_possible_truncation, reason = "the upper half is left out")]
const fn low_half(number: u64) -> u32 {
    number as u32
}
