//! The settings of a build.

use std::net::IpAddr;
use std::str::FromStr;

use crate::capture::Format;
use crate::rows::{AppProtocol, Transport};
use crate::time::Timestamp;
use crate::wire::LinkType;

/// The settings of a build.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// TCP or UDP.
    pub transport: TransportChoice,
    /// IP version of flows between two names. An address decides the version of its flows itself.
    pub ip: IpVersion,
    /// Link type of the frames.
    pub link: Link,
    /// Format of the capture.
    pub format: Format,
    /// Maximum bytes of an IP packet.
    pub mtu: Mtu,
    /// Options of TCP headers.
    pub options: TcpOptions,
    /// Whether messages are completed.
    pub content: Content,
    /// Seed of all random values.
    pub seed: u64,
    /// Time at which the first row is sent; by default, its time in the file.
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

/// The choice of the transport.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TransportChoice {
    /// TCP for each protocol.
    Tcp,
    /// UDP for each protocol.
    Udp,
    /// The usual transport of each protocol.
    #[default]
    Auto,
}

impl TransportChoice {
    /// The transport for messages of `protocol`.
    #[must_use]
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
    /// The version of an address.
    pub(super) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Length of an IP header without options or extensions, in bytes.
    pub(super) const fn header_len(self) -> usize {
        match self {
            Self::V4 => crate::wire::ipv4::HEADER_LEN,
            Self::V6 => crate::wire::ipv6::HEADER_LEN,
        }
    }

    /// MSS for a peer that sends no MSS option (RFC 9293 §3.7.1), in bytes.
    pub(super) const fn default_mss(self) -> usize {
        match self {
            Self::V4 => 536,
            Self::V6 => 1220,
        }
    }
}

/// The link type of the frames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Link {
    /// Ethernet.
    Ethernet,
    /// Ethernet with the tag of VLAN 100.
    Vlan,
    /// BSD loopback, little-endian, with the address families of macOS.
    Null,
    /// OpenBSD loopback, big-endian, with the address families of OpenBSD.
    Loop,
    /// Raw IP: a frame is an IP packet.
    Raw,
    /// Linux "cooked" capture, version 2, on the client's machine.
    Sll2,
}

impl Link {
    /// All link types.
    pub const ALL: [Self; 6] = [Self::Ethernet, Self::Vlan, Self::Null, Self::Loop, Self::Raw, Self::Sll2];

    /// The link type in capture files.
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

    /// The usual name of an interface with this link type.
    pub(super) const fn interface_name(self) -> &'static str {
        match self {
            // On the interface of a single VLAN (`eth0.100`), captured frames would have no tag.
            Self::Ethernet | Self::Vlan => "eth0",
            Self::Null | Self::Loop => "lo0",
            Self::Raw => "tun0",
            Self::Sll2 => "any",
        }
    }
}

/// The choice of TCP options.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TcpOptions {
    /// The options of Linux: MSS, SACK permitted, timestamps, window scale.
    Linux,
    /// No options: windows are not scaled, and segments have the default MSS (RFC 9293 §3.7.1).
    None,
}

/// Whether messages are completed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Content {
    /// Exactly the bytes of the row.
    #[default]
    Faithful,
    /// The bytes of the row, with the parts that its protocol requires: line ends; for HTTP, a version, the Host and
    /// Content-Length fields, and the end of the header.
    Complete,
}

/// The MTU: the maximum length of an IP packet, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mtu(u16);

impl Mtu {
    /// Minimum for IPv4: the packet length that each host accepts (RFC 791 §3.2).
    pub const MIN: u16 = 576;
    /// Minimum for IPv6 (RFC 8200 §5).
    pub const MIN_V6: u16 = 1280;

    /// An MTU in bytes.
    ///
    /// # Errors
    ///
    /// If it is less than [`MIN`](Self::MIN).
    pub fn new(bytes: u16) -> Result<Self, MtuError> {
        if bytes < Self::MIN { Err(MtuError) } else { Ok(Self(bytes)) }
    }

    /// The MTU in bytes.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        self.0
    }
}

/// The MTU of Ethernet: 1500 bytes.
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

/// A number outside the range of MTUs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an MTU has {} to 65535 bytes: Ethernet has 1500", Mtu::MIN)]
pub struct MtuError;
