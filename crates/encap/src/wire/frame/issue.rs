//! What could not be read of a frame, or is not as it should be.

use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::LayerKind;
use crate::diagnostic::{Diagnostic, Kind};
use crate::wire::{EtherType, HeaderError, IpProtocol, LinkType};

/// An issue of a frame: unreadable bytes, or a field that contradicts another.
pub type FrameIssue = Diagnostic<FrameIssueKind>;

/// A byte of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct FrameByte {
    /// Offset from the start of the frame.
    #[serde(rename = "at")]
    pub byte: u32,
}

/// `byte 14`
impl fmt::Display for FrameByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.byte)
    }
}

impl Kind for FrameIssueKind {
    type Place = FrameByte;
}

/// `{"what": TEXT}`
impl Serialize for FrameIssueKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("FrameIssueKind", 1)?;
        fields.serialize_field("what", &self.to_string())?;
        fields.end()
    }
}

/// The kinds of issues.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameIssueKind {
    /// The capture kept only the beginning of the frame.
    #[error("the capture holds {captured} of the frame's {original} bytes (snap length): capture with a larger one")]
    Snapped {
        /// Bytes that are there.
        captured: u32,
        /// Bytes that there were.
        original: u32,
    },
    /// The record says that the frame was shorter than what the record holds.
    #[error("the capture holds {captured} bytes of a frame said to have had {original}: the record is at fault")]
    OriginalTooShort {
        /// Bytes that are there.
        captured: u32,
        /// Bytes that there are said to have been.
        original: u32,
    },
    /// A header passes the end of what was captured, not of what was sent.
    #[error("{layer} header cut off by the capture's snap length: {error}")]
    CutOff {
        /// The header.
        layer: LayerKind,
        /// How much of it is missing.
        error: HeaderError,
    },
    /// A header was sent wrong.
    #[error("malformed {layer} header: {error}")]
    Malformed {
        /// The header.
        layer: LayerKind,
        /// What is wrong with it.
        error: HeaderError,
    },
    /// The first bytes are of a kind that is not read here.
    #[error("link type {0} is not read here")]
    UnknownLinkType(LinkType),
    /// The family of a loopback header is not one of IP.
    #[error("address family {0} is not one of IP")]
    UnknownFamily(u32),
    /// An IEEE 802.3 frame, which carries no IP as we know it.
    #[error("IEEE 802.3 frame of length {0}: its payload begins with LLC, which is not read here")]
    Ieee8023(u16),
    /// The payload is of a protocol that is not read here.
    #[error("EtherType {0} is not read here")]
    UnknownEtherType(EtherType),
    /// The payload is of a protocol that is not read here.
    #[error("IP protocol {0} is not read here")]
    UnknownProtocol(IpProtocol),
    /// Neither IPv4 nor IPv6.
    #[error("IP version {0} is neither 4 nor 6")]
    UnknownVersion(u8),
    /// More tags than are followed.
    #[error("more than {} VLAN tags, one inside the other", super::MAX_VLAN_TAGS)]
    TooManyTags,
    /// More extension headers than are followed.
    #[error("more than {} extension headers", super::MAX_EXTENSIONS)]
    TooManyExtensions,
    /// The IP length is 0, as in what the network card is still to cut (segmentation offload).
    #[error("IP length 0: left to the network card (segmentation offload), taken as {0} bytes from the capture")]
    LengthLeftToCard(u32),
    /// A jumbogram (RFC 2675).
    #[error("jumbogram: payload length {0} from its hop-by-hop option")]
    Jumbogram(u32),
    /// A length field says more bytes than the frame had.
    #[error("{layer} says {said} bytes, but only {there} were sent")]
    LengthTooLong {
        /// Whose field it is.
        layer: LayerKind,
        /// What it says.
        said: u32,
        /// What there is room for.
        there: u32,
    },
    /// A length field says less than its own header.
    #[error("{layer} says {said} bytes, less than its own header")]
    LengthTooShort {
        /// Whose field it is.
        layer: LayerKind,
        /// What it says.
        said: u32,
    },
    /// Bytes that no header claims, and that are not the padding of a short Ethernet frame.
    #[error("{bytes} bytes after the end of what {layer} says")]
    Trailing {
        /// Whose length ends before them.
        layer: LayerKind,
        /// How many there are.
        bytes: u32,
    },
    /// Padding of a short Ethernet frame that is not zero, as it has to be (RFC 1042).
    #[error("Ethernet padding is not zero: it may leak what its sender had in memory")]
    PaddingNotZero,
    /// The beginning of a fragmented packet.
    #[error("first fragment of a packet: its payload goes on in others")]
    FirstFragment,
    /// A later piece of a fragmented packet, without transport header.
    #[error("fragment from byte {0} of a packet: the transport header is in its first fragment")]
    LaterFragment(u32),
}
