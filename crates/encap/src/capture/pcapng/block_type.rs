//! pcapng block types.

use std::fmt;

/// A block type, as registered (draft-ietf-opsawg-pcapng §11.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct BlockType(pub u32);

impl BlockType {
    /// Start of a section.
    pub(crate) const SECTION_HEADER: Self = Self(0x0a0d_0d0a);
    /// Interface description.
    pub(crate) const INTERFACE_DESCRIPTION: Self = Self(1);
    /// Obsolete packet block.
    pub(crate) const OBSOLETE_PACKET: Self = Self(2);
    /// Packet without time and interface.
    pub(crate) const SIMPLE_PACKET: Self = Self(3);
    /// Name resolution of addresses.
    pub(crate) const NAME_RESOLUTION: Self = Self(4);
    /// Interface counters.
    pub(crate) const INTERFACE_STATISTICS: Self = Self(5);
    /// Packet with time and interface.
    pub(crate) const ENHANCED_PACKET: Self = Self(6);
    /// systemd journal entry.
    pub(crate) const SYSTEMD_JOURNAL: Self = Self(9);
    /// Decryption keys.
    pub(crate) const DECRYPTION_SECRETS: Self = Self(10);
    /// Vendor-specific block that may be copied to another file.
    pub(crate) const CUSTOM: Self = Self(0xbad);
    /// Vendor-specific block that must not be copied.
    pub(crate) const CUSTOM_NO_COPY: Self = Self(0x4000_0bad);
}

impl fmt::Display for BlockType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::SECTION_HEADER => "section header block",
            Self::INTERFACE_DESCRIPTION => "interface description block",
            Self::OBSOLETE_PACKET => "packet block",
            Self::SIMPLE_PACKET => "simple packet block",
            Self::NAME_RESOLUTION => "name resolution block",
            Self::INTERFACE_STATISTICS => "interface statistics block",
            Self::ENHANCED_PACKET => "enhanced packet block",
            Self::SYSTEMD_JOURNAL => "systemd journal block",
            Self::DECRYPTION_SECRETS => "decryption secrets block",
            Self::CUSTOM | Self::CUSTOM_NO_COPY => "custom block",
            Self(other) => return write!(f, "block of unknown type {other:#010x}"),
        };
        f.pad(name)
    }
}
