//! A section: its header, and the decoder of its blocks.

use super::{
    BlockType, OptionIter, enhanced_packet, interface_description, interface_statistics, obsolete_packet, option,
    section_header, simple_packet,
};
use crate::capture::log::{Log, PacketFields};
use crate::capture::{ByteOrder, CaptureNoteKind, INTERFACES_MAX, Interface, Resolution};
use crate::wire::LinkType;

/// The header of a pcapng section.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Section {
    /// Hardware of the machine.
    pub hardware: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// The program that wrote the section.
    pub application: Option<String>,
    /// Comments on the section.
    pub comments: Vec<String>,
}

/// Prefix of the section comment that says that the packets are synthesised.
pub const SYNTHESISED_PREFIX: &str = "Synthesised";

impl Section {
    /// The comment that marks the section's packets as synthesised, if there is one.
    pub(crate) fn synthesised(&self) -> Option<&str> {
        self.comments.iter().map(String::as_str).find(|comment| comment.starts_with(SYNTHESISED_PREFIX))
    }
}

/// Decodes the blocks of one section.
#[derive(Debug)]
pub(in crate::capture) struct SectionReader {
    pub(in crate::capture) order: ByteOrder,
    /// Index of each section interface among the file's interfaces; `None` if its description was unreadable.
    interfaces: Vec<Option<usize>>,
}

impl SectionReader {
    pub(in crate::capture) const fn new(order: ByteOrder) -> Self {
        Self { order, interfaces: Vec::new() }
    }

    /// Decodes a section header from its body. The caller has checked the length of the body.
    pub(in crate::capture) fn section(&self, body: &[u8], log: &mut Log) -> Section {
        let mut section = Section::default();
        for (code, value) in self.options(&body[section_header::OPTIONS..], BlockType::SECTION_HEADER, log) {
            match code {
                option::SECTION_HARDWARE => section.hardware = log.text(value),
                option::SECTION_OS => section.os = log.text(value),
                option::SECTION_APPLICATION => section.application = log.text(value),
                option::COMMENT => section.comments.extend(log.text(value)),
                _ => {}
            }
        }
        section
    }

    /// Adds an interface to those of the file and of the section. An unreadable description still takes an index in the
    /// section, because packets refer to interfaces by index.
    pub(in crate::capture) fn describe_interface(
        &mut self,
        body: &[u8],
        file_interfaces: &mut Vec<Interface>,
        log: &mut Log,
    ) {
        const TYPE: BlockType = BlockType::INTERFACE_DESCRIPTION;
        if self.interfaces.len() == INTERFACES_MAX {
            log.note(CaptureNoteKind::TooManyInterfaces);
            return;
        }
        let index = match split_fields(body, TYPE, interface_description::OPTIONS) {
            Err(kind) => {
                log.note(kind);
                None
            }
            Ok(_) if file_interfaces.len() == INTERFACES_MAX => {
                log.note(CaptureNoteKind::TooManyInterfaces);
                None
            }
            Ok((fields, options)) => {
                let mut interface = Interface::new(LinkType(self.order.u16(&fields[interface_description::LINK_TYPE])));
                interface.snap_len = self.order.u32(&fields[interface_description::SNAP_LEN]);
                interface.resolution = Resolution::MICROS;
                self.interface_options(&mut interface, options, log);
                file_interfaces.push(interface);
                Some(file_interfaces.len() - 1)
            }
        };
        self.interfaces.push(index);
    }

    /// Decodes the options of an interface description.
    fn interface_options(&self, interface: &mut Interface, options: &[u8], log: &mut Log) {
        const TYPE: BlockType = BlockType::INTERFACE_DESCRIPTION;
        for (code, value) in self.options(options, TYPE, log) {
            match code {
                option::INTERFACE_NAME => interface.name = log.text(value),
                option::INTERFACE_DESCRIPTION => interface.description = log.text(value),
                option::INTERFACE_OS => interface.os = log.text(value),
                // The first byte is the language of the filter. Only language 0, libpcap's, is text.
                option::INTERFACE_FILTER => {
                    if let Some((0, filter)) = value.split_first() {
                        interface.filter = log.text(filter);
                    }
                }
                option::INTERFACE_RESOLUTION => {
                    if let Some([value]) = fixed_value(value, code, TYPE, log) {
                        interface.resolution = Resolution::from_option(value);
                    }
                }
                option::INTERFACE_TIME_OFFSET => {
                    if let Some(value) = fixed_value::<8>(value, code, TYPE, log) {
                        interface.time_offset_secs = self.order.u64(&value).cast_signed();
                    }
                }
                _ => {}
            }
        }
    }

    /// Decodes an enhanced packet block or an obsolete packet block. The two differ in one field.
    pub(in crate::capture) fn packet(
        &self,
        body: &[u8],
        block: BlockType,
        file_interfaces: &[Interface],
        log: &mut Log,
    ) -> Result<PacketFields, CaptureNoteKind> {
        let (fields, after_fields) = split_fields(body, block, enhanced_packet::DATA)?;
        let section_index = match block {
            BlockType::OBSOLETE_PACKET => u32::from(self.order.u16(&fields[obsolete_packet::INTERFACE])),
            _ => self.order.u32(&fields[enhanced_packet::INTERFACE]),
        };
        let captured_len = self.order.u32(&fields[enhanced_packet::CAPTURED_LEN]);
        let original_len = self.order.u32(&fields[enhanced_packet::ORIGINAL_LEN]);
        let (file_index, interface) = self.interface(section_index, block, file_interfaces)?;
        if captured_len as usize > after_fields.len() {
            return Err(CaptureNoteKind::PacketOverrunsBlock { captured_len, room: after_fields.len() });
        }
        let units = self.order.u64_from_words(&fields[enhanced_packet::TIME_HIGH], &fields[enhanced_packet::TIME_LOW]);
        let captured = enhanced_packet::DATA..enhanced_packet::DATA + captured_len as usize;
        let options = captured.end.next_multiple_of(4).min(body.len())..body.len();
        // Notes a malformed option here, because a caller may never read the comments.
        self.check_options(&body[options.clone()], block, log);

        Ok(PacketFields {
            time: log.timestamp(interface, units),
            interface: file_index,
            original_len: log.original_len(interface, captured_len, original_len),
            captured,
            options,
        })
    }

    /// Decodes a simple packet block, which belongs to the section's first interface. Its captured length is the
    /// original length, limited by the snapshot length of the interface.
    pub(in crate::capture) fn simple_packet(
        &self,
        body: &[u8],
        file_interfaces: &[Interface],
    ) -> Result<PacketFields, CaptureNoteKind> {
        const TYPE: BlockType = BlockType::SIMPLE_PACKET;
        let (fields, after_fields) = split_fields(body, TYPE, simple_packet::DATA)?;
        let original_len = self.order.u32(&fields[simple_packet::ORIGINAL_LEN]);
        let (file_index, interface) = self.interface(0, TYPE, file_interfaces)?;
        let captured_len = match interface.snap_len {
            0 => original_len,
            snap_len => original_len.min(snap_len),
        };
        if captured_len as usize > after_fields.len() {
            return Err(CaptureNoteKind::PacketOverrunsBlock { captured_len, room: after_fields.len() });
        }
        let captured = simple_packet::DATA..simple_packet::DATA + captured_len as usize;
        Ok(PacketFields { time: None, interface: file_index, captured, original_len, options: 0..0 })
    }

    /// Stores the counters of an interface. Later counters replace earlier ones.
    pub(in crate::capture) fn statistics(
        &self,
        body: &[u8],
        file_interfaces: &mut [Interface],
        log: &mut Log,
    ) -> Result<(), CaptureNoteKind> {
        const TYPE: BlockType = BlockType::INTERFACE_STATISTICS;
        let (fields, options) = split_fields(body, TYPE, interface_statistics::OPTIONS)?;
        let section_index = self.order.u32(&fields[interface_statistics::INTERFACE]);
        let (file_index, _) = self.interface(section_index, TYPE, file_interfaces)?;
        for (code, value) in self.options(options, TYPE, log) {
            let count = match code {
                option::STATISTICS_RECEIVED => &mut file_interfaces[file_index].received,
                option::STATISTICS_DROPPED => &mut file_interfaces[file_index].dropped,
                _ => continue,
            };
            if let Some(value) = fixed_value::<8>(value, code, TYPE, log) {
                *count = Some(self.order.u64(&value));
            }
        }
        Ok(())
    }

    /// Looks up an interface by its index in the section. Returns its index in the file, and its description.
    fn interface<'i>(
        &self,
        section_index: u32,
        block: BlockType,
        file_interfaces: &'i [Interface],
    ) -> Result<(usize, &'i Interface), CaptureNoteKind> {
        let file_index = self.interfaces.get(section_index as usize).copied().flatten();
        let found = file_index.and_then(|index| Some((index, file_interfaces.get(index)?)));
        found.ok_or(CaptureNoteKind::UnknownInterface { block, interface: section_index })
    }

    /// Returns the options up to the first malformed one, which is noted.
    fn options<'a>(
        &self,
        bytes: &'a [u8],
        block: BlockType,
        log: &mut Log,
    ) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        self.check_options(bytes, block, log);
        OptionIter::new(bytes, self.order).map_while(Result::ok)
    }

    /// Adds a note if an option is malformed.
    fn check_options(&self, bytes: &[u8], block: BlockType, log: &mut Log) {
        if OptionIter::new(bytes, self.order).any(|option| option.is_err()) {
            log.note(CaptureNoteKind::OptionOverrunsBlock(block));
        }
    }
}

/// Splits a block body after its fixed fields, which have `needed` bytes.
fn split_fields(body: &[u8], block: BlockType, needed: usize) -> Result<(&[u8], &[u8]), CaptureNoteKind> {
    body.split_at_checked(needed).ok_or(CaptureNoteKind::BlockTooShort { block, needed, found: body.len() })
}

/// The value of an option with a fixed length. If the length is wrong, adds a note and returns `None`.
fn fixed_value<const N: usize>(value: &[u8], code: u16, block: BlockType, log: &mut Log) -> Option<[u8; N]> {
    let bytes = value.try_into().ok();
    if bytes.is_none() {
        log.note(CaptureNoteKind::OptionLength { block, code, needed: N, found: value.len() });
    }
    bytes
}
