//! Reads capture files of either kind, packet by packet.
//!
//! A packet is lent from the reader's own buffer, so that none costs an allocation, and the next one is found only when it
//! is asked for. What is wrong with a block whose length can be trusted becomes a note, and the reader goes past it; only a
//! length that cannot be trusted is an error, and the end of what can be read.

use std::io::Read;
use std::ops::Range;

use super::log::{Found, Log};
use super::pcap::{self, Records};
use super::pcapng::{BlockType, Blocks, Options, Section, block, section_header};
use super::source::Source;
use super::{BLOCK_MAX_BYTES, ByteOrder, Format, Interface, NoteKind, Notes, Packet, ReadError};

/// Reads a capture file as it comes.
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
    kind: Kind,
    interfaces: Vec<Interface>,
    section: Section,
    log: Log,
    packets: u64,
    /// What to consume before the next packet is looked for: the one that was lent.
    lent: usize,
    ended: bool,
}

#[derive(Debug)]
enum Kind {
    Pcap(Records),
    Pcapng(Blocks),
}

impl<R: Read> Reader<R> {
    /// Recognises a file by its first bytes. A pcap file's header is read; a pcapng file's blocks are, as they come.
    pub fn new(read: R) -> Result<Self, ReadError> {
        let mut source = Source::new(read);
        fill(&mut source, pcap::header::BYTES)?;
        let unread = source.unread();
        let Some(&start) = unread.first_chunk() else {
            return Err(ReadError::TooShort { found: unread.len() });
        };
        let mut interfaces = Vec::new();
        let (kind, header_len) = if start == section_header::TYPE_BYTES {
            // Until the section says its own.
            (Kind::Pcapng(Blocks::new(ByteOrder::Little)), 0)
        } else if let Some((records, resolution)) = Records::recognise(start) {
            let needed = pcap::header::BYTES;
            if unread.len() < needed {
                return Err(ReadError::HeaderCut { format: Format::Pcap, needed, found: unread.len() });
            }
            interfaces.push(records.interface(unread, resolution)?);
            (Kind::Pcap(records), needed)
        } else {
            return Err(ReadError::NotACapture { start });
        };
        let section = Section::default();
        Ok(Self { source, kind, interfaces, section, log: Log::new(), packets: 0, lent: header_len, ended: false })
    }

    /// The next packet, or `None` at the end: of the file, or, after an error, of what can be read.
    #[inline]
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, ReadError> {
        self.source.consume(std::mem::take(&mut self.lent));
        if self.ended {
            return Ok(None);
        }
        let next = match &mut self.kind {
            Kind::Pcap(records) => next_record(records, &mut self.source, &self.interfaces[0], &mut self.log),
            Kind::Pcapng(blocks) => {
                next_block(blocks, &mut self.source, &mut self.interfaces, &mut self.section, &mut self.log)
            }
        };
        let Ok(Some((place, found))) = next else {
            self.ended = true;
            return next.map(|_| None);
        };
        let order = match &self.kind {
            Kind::Pcap(records) => records.order,
            Kind::Pcapng(blocks) => blocks.order,
        };
        self.lent = place.len;
        self.packets += 1;
        let body = &self.source.unread()[place.body];
        Ok(Some(Packet {
            number: self.packets,
            time: found.time,
            interface: found.interface,
            link_type: self.interfaces[found.interface].link_type,
            captured: &body[found.captured],
            original_len: found.original_len,
            options: Options::new(&body[found.options], order),
        }))
    }
}

impl<R> Reader<R> {
    /// Which kind of file it is.
    #[must_use]
    pub const fn format(&self) -> Format {
        match self.kind {
            Kind::Pcap(_) => Format::Pcap,
            Kind::Pcapng(_) => Format::Pcapng,
        }
    }

    /// The interfaces that the file described so far, all its sections together.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// What the last section of a pcapng file that was reached says of itself; nothing before the first packet.
    #[must_use]
    pub const fn section(&self) -> &Section {
        &self.section
    }

    /// What was seen so far beside packets.
    #[must_use]
    pub const fn notes(&self) -> &Notes {
        &self.log.notes
    }

    /// How many packets were given.
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

/// Where a packet's block or record is in the unread bytes.
struct Place {
    len: usize,
    body: Range<usize>,
}

type Next = Result<Option<(Place, Found)>, ReadError>;

#[inline]
fn fill<R: Read>(source: &mut Source<R>, len: usize) -> Result<bool, ReadError> {
    source.fill(len).map_err(|error| ReadError::Io { offset: source.offset(), source: error })
}

/// Nothing whole is left: notes how much of the next is there, if any of it is.
#[cold]
fn cut_short<R: Read>(source: &Source<R>, needed: usize, log: &mut Log) {
    let found = source.unread().len() as u64;
    if found > 0 {
        log.note(NoteKind::Truncated { needed: needed as u64, found });
    }
}

#[inline]
fn next_record<R: Read>(records: &Records, source: &mut Source<R>, interface: &Interface, log: &mut Log) -> Next {
    let offset = source.offset();
    log.at(offset);
    if !fill(source, records.header_len)? {
        cut_short(source, records.header_len, log);
        return Ok(None);
    }
    let header = &source.unread()[..pcap::record::HEADER_BYTES];
    let units = records.units(header);
    let captured_len = records.order.u32(&header[pcap::record::CAPTURED_LEN]);
    let original_len = records.order.u32(&header[pcap::record::ORIGINAL_LEN]);
    if captured_len > BLOCK_MAX_BYTES {
        return Err(ReadError::BlockTooLong { offset, len: captured_len });
    }
    let len = records.header_len + captured_len as usize;
    if !fill(source, len)? {
        cut_short(source, len, log);
        return Ok(None);
    }
    let found = Found {
        time: log.timestamp(interface, units),
        interface: 0,
        captured: 0..captured_len as usize,
        original_len: log.original_len(interface, captured_len, original_len),
        options: 0..0,
    };
    Ok(Some((Place { len, body: records.header_len..len }, found)))
}

fn next_block<R: Read>(
    blocks: &mut Blocks,
    source: &mut Source<R>,
    interfaces: &mut Vec<Interface>,
    section: &mut Section,
    log: &mut Log,
) -> Next {
    loop {
        let offset = source.offset();
        log.at(offset);
        let Some(len) = block_len(blocks, source, log)? else { return Ok(None) };
        if !fill(source, len)? {
            cut_short(source, len, log);
            return Ok(None);
        }
        let block = &source.unread()[..len];
        let range = block::BODY..len - block::TRAILER_LEN;
        let body = &block[range.clone()];
        let leading = blocks.order.u32(&block[block::LEN]);
        let trailing = blocks.order.u32(&block[range.end..]);
        if trailing != leading {
            log.note(NoteKind::LengthsDiffer { leading, trailing });
        }

        let found = match BlockType(blocks.order.u32(&block[block::TYPE])) {
            kind @ (BlockType::ENHANCED_PACKET | BlockType::OBSOLETE_PACKET) => {
                blocks.packet(body, kind, interfaces, log).map(Some)
            }
            BlockType::SIMPLE_PACKET => blocks.simple_packet(body, interfaces).map(Some),
            BlockType::INTERFACE_DESCRIPTION => {
                blocks.describe_interface(body, interfaces, log);
                Ok(None)
            }
            BlockType::INTERFACE_STATISTICS => blocks.statistics(body, interfaces, log).map(|()| None),
            BlockType::SECTION_HEADER => {
                *section = begin_section(blocks, body, offset, log)?;
                Ok(None)
            }
            other => Err(NoteKind::Skipped(other)),
        };
        match found {
            Ok(Some(found)) => return Ok(Some((Place { len, body: range }, found))),
            Ok(None) => {}
            Err(kind) => log.note(kind),
        }
        source.consume(len);
    }
}

/// How long the next block is with its padding. If it begins a section, the byte order is that one's from here on.
fn block_len<R: Read>(blocks: &mut Blocks, source: &mut Source<R>, log: &mut Log) -> Result<Option<usize>, ReadError> {
    let offset = source.offset();
    let needed = block::MIN_LEN as usize;
    if !fill(source, needed)? {
        cut_short(source, needed, log);
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
        *blocks = Blocks::new(order);
    }
    let least = if is_section { section_header::MIN_BLOCK_LEN } else { block::MIN_LEN };
    let len = blocks.order.u32(&head[block::LEN]);
    if len < least {
        return Err(ReadError::BlockTooShort { offset, len, needed: least });
    }
    if len > BLOCK_MAX_BYTES {
        return Err(ReadError::BlockTooLong { offset, len });
    }
    // Some programs leave the padding out of the length, while it is there.
    if !len.is_multiple_of(4) {
        log.note(NoteKind::LengthNotPadded { len });
    }
    Ok(Some(len.next_multiple_of(4) as usize))
}

fn begin_section(blocks: &Blocks, body: &[u8], offset: u64, log: &mut Log) -> Result<Section, ReadError> {
    let (major, minor) =
        (blocks.order.u16(&body[section_header::MAJOR]), blocks.order.u16(&body[section_header::MINOR]));
    if major != 1 {
        return Err(ReadError::Version { format: Format::Pcapng, major, minor, offset });
    }
    Ok(blocks.section(body, log))
}
