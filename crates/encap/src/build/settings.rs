//! What a person decides about a build.

use std::net::IpAddr;
use std::str::FromStr;

use crate::capture::Format;
use crate::rows::{AppProtocol, Transport};
use crate::time::Timestamp;
use crate::wire::LinkType;

/// How rows are carried.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// On what.
    pub transport: TransportChoice,
    /// The IP version between names; addresses are of their own.
    pub ip: IpVersion,
    /// What frames begin with.
    pub link: Link,
    /// The kind of file.
    pub format: Format,
    /// The most bytes of an IP packet.
    pub mtu: Mtu,
    /// The options of TCP headers.
    pub options: TcpOptions,
    /// What is sent for a message.
    pub content: Content,
    /// What all that is random comes from.
    pub seed: u64,
    /// When the first row is sent; when it says, if not given.
    pub start: Option<Timestamp>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            transport: TransportChoice::Auto,
            ip: IpVersion::V4,
            link: Link::Ethernet,
            format: Format::Pcapng,
            mtu: Mtu::default(),
            options: TcpOptions::Linux,
            content: Content::Faithful,
            seed: 0,
            start: None,
        }
    }
}

/// What rows are carried on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TransportChoice {
    /// TCP, whatever the protocol.
    Tcp,
    /// UDP, whatever the protocol.
    Udp,
    /// What the protocol runs on in the first place.
    #[default]
    Auto,
}

impl TransportChoice {
    /// What messages of `protocol` are carried on.
    #[must_use]
    #[inline]
    pub fn of(self, protocol: &AppProtocol) -> Transport {
        match self {
            Self::Tcp => Transport::Tcp,
            Self::Udp => Transport::Udp,
            Self::Auto => protocol.transport(),
        }
    }
}

/// The version of IP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IpVersion {
    /// RFC 791.
    V4,
    /// RFC 8200.
    V6,
}

impl IpVersion {
    /// That of an address.
    pub(super) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bytes of an IP header, without options or extensions.
    pub(super) const fn header_len(self) -> usize {
        match self {
            Self::V4 => crate::wire::ipv4::HEADER_LEN,
            Self::V6 => crate::wire::ipv6::HEADER_LEN,
        }
    }

    /// The most payload of a segment for a peer that names no MSS (RFC 9293 §3.7.1).
    pub(super) const fn default_mss(self) -> usize {
        match self {
            Self::V4 => 536,
            Self::V6 => 1220,
        }
    }
}

/// What frames begin with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Link {
    /// Ethernet.
    Ethernet,
    /// Ethernet with a tag of VLAN 100.
    Vlan,
    /// BSD loopback, lowest byte first, with the families of macOS.
    Null,
    /// OpenBSD loopback, highest byte first, with the families of OpenBSD.
    Loop,
    /// Nothing: the packet is the frame.
    Raw,
    /// Linux "cooked" capture, version 2, on the client's machine.
    Sll2,
}

impl Link {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Ethernet, Self::Vlan, Self::Null, Self::Loop, Self::Raw, Self::Sll2];

    /// The number that capture files give it.
    #[must_use]
    pub const fn link_type(self) -> LinkType {
        match self {
            Self::Ethernet | Self::Vlan => LinkType::ETHERNET,
            Self::Null => LinkType::NULL,
            Self::Loop => LinkType::LOOP,
            Self::Raw => LinkType::RAW,
            Self::Sll2 => LinkType::LINUX_SLL2,
        }
    }

    /// What an interface of this kind is called.
    pub(super) const fn interface_name(self) -> &'static str {
        match self {
            // On an interface of the VLAN alone, frames have no tag.
            Self::Ethernet | Self::Vlan => "eth0",
            Self::Null | Self::Loop => "lo0",
            Self::Raw => "tun0",
            Self::Sll2 => "any",
        }
    }
}

/// The options of TCP headers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TcpOptions {
    /// As Linux sends them: MSS, SACK permitted, timestamps, window scale.
    Linux,
    /// None: windows are unscaled, and segments no longer than what every host takes (RFC 9293 §3.7.1).
    None,
}

/// What is sent for a message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Content {
    /// Its bytes, and nothing else.
    #[default]
    Faithful,
    /// What the protocol asks for: line ends, an HTTP version, header ends and lengths.
    Complete,
}

/// The most bytes of an IP packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mtu(u16);

impl Mtu {
    /// What every IPv4 host takes (RFC 791 §3.2).
    pub const MIN: u16 = 576;
    /// What every IPv6 link takes (RFC 8200 §5).
    pub const MIN_V6: u16 = 1280;

    /// The MTU of so many bytes.
    pub fn new(bytes: u16) -> Result<Self, MtuError> {
        if bytes < Self::MIN { Err(MtuError) } else { Ok(Self(bytes)) }
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        self.0
    }
}

/// That of Ethernet.
impl Default for Mtu {
    fn default() -> Self {
        Self(1500)
    }
}

impl FromStr for Mtu {
    type Err = MtuError;

    fn from_str(text: &str) -> Result<Self, MtuError> {
        text.parse().map_err(|_| MtuError).and_then(Self::new)
    }
}

/// A number that is no MTU.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an MTU has {} to 65535 bytes: 1500 is that of Ethernet", Mtu::MIN)]
pub struct MtuError;
