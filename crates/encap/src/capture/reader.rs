//! Reads capture files of both formats, packet by packet.
//!
//! Packets borrow the reader's buffer, so reading allocates nothing per packet. The reader notes and skips a damaged
//! block whose length is valid. An invalid length is an error, because the next block cannot be located. An error ends
//! the reading.

use std::io::Read;
use std::ops::Range;

use super::log::{Log, PacketFields};
use super::pcap::{self, RecordFormat};
use super::pcapng::{BlockType, OptionIter, Section, SectionReader, block, section_header};
use super::source::Source;
use super::{
    BLOCK_MAX_BYTES, ByteOrder, CaptureNoteKind, CaptureNotes, CapturedPacket, Format, Interface, NOTES_MAX, ReadError,
};

/// A streaming reader of capture files.
///
/// ```
/// use switchboard_encap::capture::{Format, Reader};
///
/// // The header of a pcap file: little-endian, microseconds, version 2.4, 65535 bytes of each packet, Ethernet.
/// let file = [
///     0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0, // header
///     1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 60, 0, 0, 0, 0xaa, 0xbb, 0xcc, // 3 of 60 bytes, at 1.000002 s
/// ];
/// let mut reader = Reader::new(&file[..])?;
/// assert_eq!(reader.format(), Format::Pcap);
/// while let Some(packet) = reader.next_packet()? {
///     assert_eq!(packet.captured, [0xaa, 0xbb, 0xcc]);
///     assert_eq!(packet.time.unwrap().as_nanos(), 1_000_002_000);
/// }
/// # Ok::<(), switchboard_encap::capture::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<R>,
    format: FormatReader,
    interfaces: Vec<Interface>,
    section: Section,
    section_comments: Vec<String>,
    log: Log,
    packets: u64,
    /// Length of the last returned packet's block, or of the pcap header before the first packet. The packet borrows
    /// these bytes, so they are consumed only when the next packet is read.
    lent_len: usize,
    has_ended: bool,
}

#[derive(Debug)]
enum FormatReader {
    Pcap(RecordFormat),
    Pcapng(SectionReader),
}

impl<R: Read> Reader<R> {
    /// Detects the format and reads the header of a pcap file. In a pcapng file, [`next_packet`](Self::next_packet)
    /// reads the headers, too.
    pub fn new(file: R) -> Result<Self, ReadError> {
        let mut source = Source::new(file);
        fill(&mut source, pcap::header::BYTES)?;
        let unread = source.unread();
        let Some(&start) = unread.first_chunk() else {
            return Err(ReadError::TooShort { found: unread.len() });
        };
        let mut interfaces = Vec::new();
        let (format, header_len) = if start == section_header::TYPE_BYTES {
            // The section header replaces this byte order.
            (FormatReader::Pcapng(SectionReader::new(ByteOrder::Little)), 0)
        } else if let Some((records, resolution)) = RecordFormat::recognise(start) {
            let needed = pcap::header::BYTES;
            if unread.len() < needed {
                return Err(ReadError::HeaderCut { format: Format::Pcap, needed, found: unread.len() });
            }
            interfaces.push(records.interface(unread, resolution)?);
            (FormatReader::Pcap(records), needed)
        } else {
            return Err(ReadError::NotACapture { start });
        };
        Ok(Self {
            source,
            format,
            interfaces,
            section: Section::default(),
            section_comments: Vec::new(),
            log: Log::new(),
            packets: 0,
            lent_len: header_len,
            has_ended: false,
        })
    }

    /// Reads the next packet. Returns `None` at the end of the file, and after an error.
    #[inline]
    pub fn next_packet(&mut self) -> Result<Option<CapturedPacket<'_>>, ReadError> {
        self.source.consume(std::mem::take(&mut self.lent_len));
        if self.has_ended {
            return Ok(None);
        }
        let next = match &mut self.format {
            FormatReader::Pcap(records) => read_record(records, &mut self.source, &self.interfaces[0], &mut self.log),
            FormatReader::Pcapng(section_reader) => {
                let text = &mut SectionText { section: &mut self.section, comments: &mut self.section_comments };
                read_blocks(section_reader, &mut self.source, &mut self.interfaces, text, &mut self.log)
            }
        };
        let Ok(Some((span, fields))) = next else {
            self.has_ended = true;
            return next.map(|_| None);
        };
        let order = match &self.format {
            FormatReader::Pcap(records) => records.order,
            FormatReader::Pcapng(section_reader) => section_reader.order,
        };
        self.lent_len = span.len;
        self.packets += 1;
        let body = &self.source.unread()[span.body];
        Ok(Some(CapturedPacket {
            number: self.packets,
            time: fields.time,
            interface: fields.interface,
            link_type: self.interfaces[fields.interface].link_type,
            captured: &body[fields.captured],
            original_len: fields.original_len,
            section_comments: &self.section_comments,
            options: OptionIter::new(&body[fields.options], order),
        }))
    }
}

impl<R> Reader<R> {
    /// Format of the file.
    #[must_use]
    pub const fn format(&self) -> Format {
        match self.format {
            FormatReader::Pcap(_) => Format::Pcap,
            FormatReader::Pcapng(_) => Format::Pcapng,
        }
    }

    /// Interfaces described so far, over all sections.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Header of the current pcapng section; empty before the first packet.
    #[must_use]
    pub const fn section(&self) -> &Section {
        &self.section
    }

    /// Distinct comments of the sections read so far, such as the mark of a synthesised capture.
    #[must_use]
    pub fn section_comments(&self) -> &[String] {
        &self.section_comments
    }

    /// Notes on skipped and repaired blocks so far.
    #[must_use]
    pub const fn notes(&self) -> &CaptureNotes {
        &self.log.notes
    }

    /// Number of packets read so far.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }
}

#[cfg(test)]
impl<R: Read> Reader<R> {
    pub(super) fn buffer_len(&self) -> usize {
        self.source.buffer_len()
    }
}

/// Position of a packet's block or record, which begins the unread bytes.
struct PacketSpan {
    /// Total length in bytes.
    len: usize,
    /// Range of the block body, or of the captured bytes of a record.
    body: Range<usize>,
}

/// `None` at the end of the file.
type NextPacket = Result<Option<(PacketSpan, PacketFields)>, ReadError>;

/// Reads from the file until at least `len` unread bytes are buffered. Returns `false` if the file ends first.
#[inline]
fn fill<R: Read>(source: &mut Source<R>, len: usize) -> Result<bool, ReadError> {
    source.fill(len).map_err(|error| ReadError::Io { offset: source.offset(), source: error })
}

/// Notes an incomplete block at the end of the file. Notes nothing if the file ends between two blocks.
#[cold]
fn note_truncation<R: Read>(source: &Source<R>, needed: usize, log: &mut Log) {
    let found = source.unread().len() as u64;
    if found > 0 {
        log.note(CaptureNoteKind::Truncated { needed: needed as u64, found });
    }
}

/// Reads a record of a pcap file.
#[inline]
fn read_record<R: Read>(
    records: &RecordFormat,
    source: &mut Source<R>,
    interface: &Interface,
    log: &mut Log,
) -> NextPacket {
    let offset = source.offset();
    log.set_offset(offset);
    if !fill(source, records.header_len)? {
        note_truncation(source, records.header_len, log);
        return Ok(None);
    }
    let header = &source.unread()[..pcap::record::HEADER_BYTES];
    let units = records.time_units(header);
    let captured_len = records.order.u32(&header[pcap::record::CAPTURED_LEN]);
    let original_len = records.order.u32(&header[pcap::record::ORIGINAL_LEN]);
    if captured_len > BLOCK_MAX_BYTES {
        return Err(ReadError::BlockTooLong { offset, len: captured_len });
    }
    let len = records.header_len + captured_len as usize;
    if !fill(source, len)? {
        note_truncation(source, len, log);
        return Ok(None);
    }
    let fields = PacketFields {
        time: log.timestamp(interface, units),
        interface: 0,
        captured: 0..captured_len as usize,
        original_len: log.original_len(interface, captured_len, original_len),
        options: 0..0,
    };
    Ok(Some((PacketSpan { len, body: records.header_len..len }, fields)))
}

/// The texts of a pcapng file that a section header changes.
struct SectionText<'a> {
    /// Header of the current section.
    section: &'a mut Section,
    /// Distinct comments of all sections so far.
    comments: &'a mut Vec<String>,
}

/// Reads blocks of a pcapng file until one holds a packet.
fn read_blocks<R: Read>(
    section_reader: &mut SectionReader,
    source: &mut Source<R>,
    interfaces: &mut Vec<Interface>,
    text: &mut SectionText<'_>,
    log: &mut Log,
) -> NextPacket {
    loop {
        let offset = source.offset();
        log.set_offset(offset);
        let Some(len) = block_len(section_reader, source, log)? else { return Ok(None) };
        if !fill(source, len)? {
            note_truncation(source, len, log);
            return Ok(None);
        }
        let block = &source.unread()[..len];
        let range = block::BODY..len - block::TRAILER_LEN;
        let body = &block[range.clone()];
        let leading = section_reader.order.u32(&block[block::LEN]);
        let trailing = section_reader.order.u32(&block[range.end..]);
        if trailing != leading {
            log.note(CaptureNoteKind::LengthsDiffer { leading, trailing });
        }

        let decoded = match BlockType(section_reader.order.u32(&block[block::TYPE])) {
            kind @ (BlockType::ENHANCED_PACKET | BlockType::OBSOLETE_PACKET) => {
                section_reader.packet(body, kind, interfaces, log).map(Some)
            }
            BlockType::SIMPLE_PACKET => section_reader.simple_packet(body, interfaces).map(Some),
            BlockType::INTERFACE_DESCRIPTION => {
                section_reader.describe_interface(body, interfaces, log);
                Ok(None)
            }
            BlockType::INTERFACE_STATISTICS => section_reader.statistics(body, interfaces, log).map(|()| None),
            BlockType::SECTION_HEADER => {
                *text.section = begin_section(section_reader, body, offset, log)?;
                for comment in &text.section.comments {
                    if text.comments.len() < NOTES_MAX
                        && !text.comments.contains(comment)
                        && let Some(comment) = log.text(comment.as_bytes())
                    {
                        text.comments.push(comment);
                    }
                }
                Ok(None)
            }
            other => Err(CaptureNoteKind::Skipped(other)),
        };
        match decoded {
            Ok(Some(fields)) => return Ok(Some((PacketSpan { len, body: range }, fields))),
            Ok(None) => {}
            Err(kind) => log.note(kind),
        }
        source.consume(len);
    }
}

/// Reads the start of the next block. Returns the total length of the block, padding included, or `None` at the end of
/// the file. If the block is a section header, it also sets the byte order.
fn block_len<R: Read>(
    section_reader: &mut SectionReader,
    source: &mut Source<R>,
    log: &mut Log,
) -> Result<Option<usize>, ReadError> {
    let offset = source.offset();
    let needed = block::MIN_LEN as usize;
    if !fill(source, needed)? {
        note_truncation(source, needed, log);
        return Ok(None);
    }
    let head = source.unread();
    let is_section = head[block::TYPE] == section_header::TYPE_BYTES;
    if is_section {
        let found = head[block::BODY..].first_chunk().copied().unwrap_or_default();
        let order = [ByteOrder::Little, ByteOrder::Big]
            .into_iter()
            .find(|order| order.u32(&found) == section_header::MAGIC)
            .ok_or(ReadError::SectionByteOrder { offset, found })?;
        *section_reader = SectionReader::new(order);
    }
    let min_len = if is_section { section_header::MIN_BLOCK_LEN } else { block::MIN_LEN };
    let len = section_reader.order.u32(&head[block::LEN]);
    if len < min_len {
        return Err(ReadError::BlockTooShort { offset, len, needed: min_len });
    }
    if len > BLOCK_MAX_BYTES {
        return Err(ReadError::BlockTooLong { offset, len });
    }
    // Some programs exclude the padding from the length, but still write the padding.
    if !len.is_multiple_of(4) {
        log.note(CaptureNoteKind::LengthNotPadded { len });
    }
    Ok(Some(len.next_multiple_of(4) as usize))
}

/// Checks the version in a section header, and decodes the header.
fn begin_section(
    section_reader: &SectionReader,
    body: &[u8],
    offset: u64,
    log: &mut Log,
) -> Result<Section, ReadError> {
    let (major, minor) = (
        section_reader.order.u16(&body[section_header::MAJOR]),
        section_reader.order.u16(&body[section_header::MINOR]),
    );
    if major != 1 {
        return Err(ReadError::Version { format: Format::Pcapng, major, minor, offset });
    }
    Ok(section_reader.section(body, log))
}
