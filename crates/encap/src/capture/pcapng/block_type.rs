//! Which kinds of block there are.

use std::fmt;

/// A block type, by its number in the registry (draft-ietf-opsawg-pcapng §11.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct BlockType(pub u32);

impl BlockType {
    /// The beginning of a section.
    pub const SECTION_HEADER: Self = Self(0x0a0d_0d0a);
    /// An interface.
    pub const INTERFACE_DESCRIPTION: Self = Self(1);
    /// A packet, as older programs wrote it.
    pub const OBSOLETE_PACKET: Self = Self(2);
    /// A packet without time or interface.
    pub const SIMPLE_PACKET: Self = Self(3);
    /// Names of addresses.
    pub const NAME_RESOLUTION: Self = Self(4);
    /// An interface's counts.
    pub const INTERFACE_STATISTICS: Self = Self(5);
    /// A packet.
    pub const ENHANCED_PACKET: Self = Self(6);
    /// An entry of the systemd journal.
    pub const SYSTEMD_JOURNAL: Self = Self(9);
    /// Keys of ciphers.
    pub const DECRYPTION_SECRETS: Self = Self(10);
    /// Someone's own, to be kept by a copy.
    pub const CUSTOM: Self = Self(0xbad);
    /// Someone's own, to be lost by a copy.
    pub const CUSTOM_NO_COPY: Self = Self(0x4000_0bad);
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
