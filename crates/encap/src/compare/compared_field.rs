//! The fields that a comparison covers.

use std::fmt;

use serde::Serialize;

macro_rules! fields {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// A compared field of a frame or of a conversation.
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
    Conversation "conversation" "Whether both recordings have the conversation.",
    OtherFrames "frames of no conversation" "The number of frames outside of conversations.",
    Segment "segment" "Whether both conversations have the segment.",
    Segmentation "segmentation" "How one range of the stream is cut into segments: their lengths.",
    Order "order" "The order of segments, within a conversation and across conversations.",
    Payload "payload" "The bytes of a range of the stream, or of a datagram.",
    Flags "flags" "TCP: the control bits.",
    Sequence "sequence number" "TCP: relative to the SYN.",
    Acknowledgment "acknowledgment number" "TCP: relative to the peer's SYN.",
    OptionOrder "options" "TCP: the names of the options, in order.",
    MaximumSegmentSize "MSS" "TCP: the value of the option, in bytes.",
    WindowScale "window scale" "TCP: the shift count of the option.",
    TimestampValue "timestamp value" "TCP: relative to the first timestamp of the sender.",
    TimestampEcho "timestamp echo" "TCP: relative to the first timestamp of the peer.",
    Window "window" "TCP: the unscaled value in the header.",
    UrgentPointer "urgent pointer" "TCP: the value in the header.",
    InitialSequence "initial sequence number" "TCP: the sequence number of the SYN.",
    InitialTimestamp "initial timestamp" "TCP: the timestamp value of the SYN.",
    TransportChecksum "transport checksum" "TCP and UDP: the result of its verification.",
    IpVersion "IP version" "IP: the version, 4 or 6.",
    HopLimit "hop limit" "IPv6: the hop limit. IPv4: the time to live.",
    DontFragment "don't fragment" "IPv4: the DF bit.",
    Identification "identification" "IPv4: relative to the first identification of the sender.",
    InitialIdentification "initial identification" "IPv4: the first identification of a sender.",
    TypeOfService "type of service" "IPv4: the type of service. IPv6: the traffic class.",
    FlowLabel "flow label" "IPv6: the value in the header.",
    HeaderChecksum "header checksum" "IPv4: the result of its verification.",
    Source "source address" "The IP address of the sender.",
    Destination "destination address" "The IP address of the receiver.",
    SourcePort "source port" "TCP and UDP: the port of the sender.",
    DestinationPort "destination port" "TCP and UDP: the port of the receiver.",
    LinkType "link layer" "The link type of the capture.",
    SourceMac "source MAC" "Ethernet: the address of the sender.",
    DestinationMac "destination MAC" "Ethernet: the address of the receiver.",
    Padding "padding" "The number of bytes after the IP packet.",
    Time "time" "The time of a message, relative to the first message.",
    Issue "soundness" "Whether the frame has malformed or incorrect parts.",
}
