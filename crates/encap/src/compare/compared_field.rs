//! What is compared.

use std::fmt;

use serde::Serialize;

macro_rules! fields {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// What is compared of a frame, or of a conversation.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ComparedField {
            $(#[doc = $doc] $variant,)*
        }

        impl fmt::Display for ComparedField {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $name,)*
                })
            }
        }
    };
}

fields! {
    Conversation "conversation" "Whether it is there at all.",
    OtherFrames "frames of no conversation" "How many frames belong to no conversation.",
    Segment "segment" "Whether it is there at all.",
    Segmentation "segmentation" "How bytes of the stream are cut into segments.",
    Order "order" "What comes before what.",
    Payload "payload" "Bytes of the stream, or of a datagram.",
    Flags "flags" "TCP: the control bits.",
    Sequence "sequence number" "TCP: counted from the SYN.",
    Acknowledgment "acknowledgment number" "TCP: counted from the other side's SYN.",
    OptionOrder "options" "TCP: which there are, in their order.",
    MaximumSegmentSize "MSS" "TCP: what the option says.",
    WindowScale "window scale" "TCP: what the option says.",
    TimestampValue "timestamp value" "TCP: counted from the first of its side.",
    TimestampEcho "timestamp echo" "TCP: counted from the other side's first.",
    Window "window" "TCP: as it stands in the header.",
    UrgentPointer "urgent pointer" "TCP.",
    InitialSequence "initial sequence number" "TCP: that of the SYN.",
    InitialTimestamp "initial timestamp" "TCP: the first of a side.",
    TransportChecksum "transport checksum" "What it turns out to be.",
    IpVersion "IP version" "4 or 6.",
    HopLimit "hop limit" "The time to live of IPv4.",
    DontFragment "don't fragment" "IPv4: the bit.",
    Identification "identification" "IPv4: counted from the first of its side.",
    InitialIdentification "initial identification" "IPv4: the first of a side.",
    TypeOfService "type of service" "The traffic class of IPv6.",
    FlowLabel "flow label" "IPv6.",
    HeaderChecksum "header checksum" "IPv4: what it turns out to be.",
    Source "source address" "Whom it comes from.",
    Destination "destination address" "Whom it goes to.",
    SourcePort "source port" "TCP and UDP.",
    DestinationPort "destination port" "TCP and UDP.",
    LinkType "link layer" "What frames begin with.",
    SourceMac "source MAC" "Ethernet.",
    DestinationMac "destination MAC" "Ethernet.",
    Padding "padding" "Bytes after the packet.",
    Time "time" "Of a message: counted from the first one.",
    Issue "soundness" "What cannot be read in it, or is not as it should be.",
}
