//! Protocol headers. Each module has the field offsets of one header, a view of received bytes, and a value to encode.
//!
//! A view (`ipv4::Packet`, `tcp::Segment`) borrows bytes after checking that they hold the whole header. A value
//! (`ipv4::Repr`, `tcp::Repr`) is a decoded header; `emit` encodes it. Several modules use the same type names, so
//! callers write the module before the type. [`Frame`] splits a captured frame into layers without allocating.
//!
//! ```
//! use switchboard_encap::wire::{Checksum, Frame, LinkType};
//!
//! # let bytes = [
//! #     2, 0, 0, 0, 0x45, 0, 0, 0x1f, 0, 0, 0x40, 0, 0x40, 0x11, 0x3c, 0xcc, 127, 0, 0, 1, 127, 0, 0, 1,
//! #     0x23, 0x28, 0x1f, 0x90, 0, 11, 0, 0, b'h', b'i', b'\n',
//! # ];
//! // `bytes` holds a UDP datagram over IPv4, captured on BSD loopback: 35 bytes on the wire.
//! let frame = Frame::parse(LinkType::NULL, &bytes, 35);
//! assert_eq!(frame.udp().unwrap().destination_port(), 8080);
//! assert_eq!(frame.payload(), b"hi\n");
//! assert_eq!(frame.verify().network, Some(Checksum::Valid));
//! ```

mod byte_order;
mod bytes;
mod ether_type;
mod fields;
mod header_error;
mod ip_protocol;
mod link_type;

pub(crate) mod arp;
pub mod checksum;
pub(crate) mod ethernet;
pub mod frame;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub(crate) mod null;
pub(crate) mod sll;
pub(crate) mod sll2;
pub mod tcp;
pub mod udp;
pub(crate) mod vlan;

#[cfg(test)]
mod oracles;
#[cfg(test)]
mod samples;

pub(crate) use byte_order::ByteOrder;
pub use checksum::{Checksum, PseudoHeader, Sum};
pub use ether_type::EtherType;
pub(crate) use ethernet::Mac;
pub use fields::Field;
pub use frame::{Frame, FrameByte, FrameIssue, FrameIssueKind, Layer, LayerKind};
pub use header_error::HeaderError;
pub use ip_protocol::IpProtocol;
pub use link_type::LinkType;
pub use tcp::SeqNumber;
