//! Issues of a frame: unreadable bytes, contradictory fields, and other parts that need an explanation.

use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::LayerKind;
use crate::diagnostic::{Diagnostic, Kind};
use crate::wire::{EtherType, HeaderError, IpProtocol, LinkType};

/// An issue, and the byte of the frame at which it was found.
pub type FrameIssue = Diagnostic<FrameIssueKind>;

/// The place of an issue: a byte of the frame.
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

/// The kinds of issues. Lengths are in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts document the variants and their fields")]
pub enum FrameIssueKind {
    #[error("the capture holds {captured} of the frame's {original} bytes: capture with a larger snap length")]
    Snapped { captured: u32, original: u32 },
    #[error("the capture holds {captured} bytes of a frame with an original length of {original}: the record is wrong")]
    OriginalTooShort { captured: u32, original: u32 },
    /// The header was sent whole, but not captured whole.
    #[error("{layer} header cut off by the capture's snap length: {error}")]
    CutOff { layer: LayerKind, error: HeaderError },
    /// The header was sent malformed.
    #[error("malformed {layer} header: {error}")]
    Malformed { layer: LayerKind, error: HeaderError },
    #[error("link type {0} is not supported")]
    UnknownLinkType(LinkType),
    /// The family field of a BSD loopback header.
    #[error("address family {0} is not IP")]
    UnknownFamily(u32),
    #[error("IEEE 802.3 frame of length {0}: its payload begins with LLC, which is not supported")]
    Ieee8023(u16),
    #[error("EtherType {0} is not supported")]
    UnknownEtherType(EtherType),
    #[error("IP protocol {0} is not supported")]
    UnknownProtocol(IpProtocol),
    #[error("IP version {0} is neither 4 nor 6")]
    UnknownVersion(u8),
    #[error("more than {} nested VLAN tags", super::MAX_VLAN_TAGS)]
    TooManyTags,
    #[error("more than {} extension headers", super::MAX_EXTENSIONS)]
    TooManyExtensions,
    /// The IP length is 0 if the network card fills it in. The number here is the length of the packet as captured.
    #[error("IP length 0: left to the network card (segmentation offload); the capture shows {0} bytes")]
    LengthOffloaded(u32),
    /// RFC 2675. The value is the payload length.
    #[error("jumbogram: payload length {0} from its hop-by-hop option")]
    Jumbogram(u32),
    /// A length field exceeds the length of the frame on the wire.
    #[error("{layer} length field says {declared} bytes, but only {available} were sent")]
    LengthTooLong { layer: LayerKind, declared: u32, available: u32 },
    #[error("{layer} length field says {declared} bytes, less than the header itself")]
    LengthTooShort { layer: LayerKind, declared: u32 },
    /// Bytes after the packet that are not the padding of a short Ethernet frame.
    #[error("{bytes} bytes after the end of the {layer} packet")]
    Trailing { layer: LayerKind, bytes: u32 },
    /// RFC 1042 asks for zeros.
    #[error("Ethernet padding is not zero: it may leak the sender's memory")]
    PaddingNotZero,
    #[error("first fragment of a packet: its payload continues in later fragments")]
    FirstFragment,
    #[error("fragment from byte {0} of a packet: the transport header is in the first fragment")]
    LaterFragment(u32),
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
