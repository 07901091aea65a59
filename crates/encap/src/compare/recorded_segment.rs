//! The compared parts of a frame.

use std::net::SocketAddr;
use std::ops::Range;

use super::ComparedField;
use crate::analyze::TrackedSegment;
use crate::side::Side;
use crate::time::Timestamp;
use crate::wire::tcp::{Flags, Options};
use crate::wire::{Checksum, LinkType, Mac, SeqNumber};

/// A TCP segment or a UDP datagram, with the fields of its frame.
#[derive(Clone, Debug)]
pub struct RecordedSegment {
    /// The number of the frame in its recording, from 1.
    pub frame: u64,
    /// The time of the frame.
    pub time: Option<Timestamp>,
    /// The sender.
    pub from: Side,
    /// The range of the payload in the stream of its direction. For UDP, the stream is the data of all datagrams.
    pub bytes: Range<u64>,
    /// The identifier of the row whose message the segment carries.
    pub msg_id: Option<Box<str>>,
    /// Source and destination address, with their ports.
    pub(super) ends: [SocketAddr; 2],
    pub(super) link_type: LinkType,
    /// Source and destination MAC address, on Ethernet.
    pub(super) macs: Option<[Mac; 2]>,
    /// Number of bytes after the IP packet.
    pub(super) padding: usize,
    /// Whether the capture lacks the end of the frame.
    pub(super) is_cut: bool,
    /// The type of service of IPv4, or the traffic class of IPv6.
    pub(super) type_of_service: u8,
    /// The time to live of IPv4, or the hop limit of IPv6.
    pub(super) hop_limit: u8,
    pub(super) v4: Option<Ipv4Fields>,
    pub(super) flow_label: Option<u32>,
    pub(super) header_checksum: Option<Checksum>,
    pub(super) transport_checksum: Option<Checksum>,
    pub(super) issues: Vec<String>,
    pub(super) tcp: Option<TcpFields>,
}

/// The fields of IPv4 alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ipv4Fields {
    pub(super) dont_fragment: bool,
    pub(super) identification: u16,
    /// The identification, relative to the first one of the sender. `None` for a SYN-ACK: the kernel sends it before
    /// the connection has a socket with a counter.
    pub(super) relative_identification: Option<u16>,
    /// Whether the packet is the first one of its sender. A SYN-ACK does not count.
    pub(super) is_first: bool,
    /// Whether the identification continues the count of the previous packet.
    pub(super) is_next: bool,
}

/// The fields of TCP alone.
#[derive(Clone, Debug)]
pub(super) struct TcpFields {
    /// The sequence number in the header.
    pub(super) number: SeqNumber,
    pub(super) tracked: TrackedSegment,
    pub(super) urgent_pointer: u16,
    pub(super) options: Options,
    /// The names of the options, in order.
    pub(super) option_order: String,
    /// The timestamp value, relative to the first one of the sender.
    pub(super) clock: Option<u32>,
    /// The timestamp echo, relative to the first timestamp of the peer. `None` if the peer has sent none yet.
    pub(super) echo: Option<u32>,
}

impl RecordedSegment {
    /// The length of the payload on the wire, in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }

    /// Whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// TCP: the sequence number, relative to the SYN.
    #[must_use]
    pub fn seq(&self) -> Option<i64> {
        self.tcp.as_ref().map(|tcp| tcp.tracked.seq)
    }

    /// TCP: the acknowledgment number, relative to the peer's SYN. `None` without ACK.
    #[must_use]
    pub fn ack(&self) -> Option<i64> {
        self.tcp.as_ref().and_then(|tcp| tcp.tracked.ack)
    }

    /// TCP: the control bits. None for a datagram.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.tcp.as_ref().map_or(Flags::NONE, |tcp| tcp.tracked.flags)
    }

    /// TCP: the unscaled window in the header.
    #[must_use]
    pub fn window(&self) -> Option<u16> {
        self.tcp.as_ref().map(|tcp| tcp.tracked.window.field)
    }

    /// TCP: the options in short form, with relative timestamps: `MSS 1460, SACK, TS 0 -, WS 7`.
    #[must_use]
    pub fn options(&self) -> String {
        let Some(tcp) = &self.tcp else { return String::new() };
        let Options { maximum_segment_size, sack_permitted, timestamps, window_scale } = tcp.options;
        let mut list = Vec::new();
        list.extend(maximum_segment_size.map(|mss| format!("MSS {mss}")));
        list.extend(sack_permitted.then(|| "SACK".to_owned()));
        if timestamps.is_some() {
            let echo = tcp.echo.map_or_else(|| "-".to_owned(), |echo| echo.to_string());
            list.push(format!("TS {} {echo}", tcp.clock.unwrap_or_default()));
        }
        list.extend(window_scale.map(|shift| format!("WS {shift}")));
        list.join(", ")
    }

    /// TCP: the sequence number after the segment, relative to the SYN.
    pub(super) fn end(&self) -> i64 {
        self.tcp.as_ref().map_or(0, |tcp| tcp.tracked.end())
    }

    /// The fields of the frame, each with its value as text.
    pub(super) fn values(&self) -> Vec<(ComparedField, String)> {
        let [source, destination] = self.ends;
        let mut values = vec![
            (ComparedField::LinkType, self.link_type.to_string()),
            (ComparedField::Padding, self.padding.to_string()),
            (ComparedField::IpVersion, if source.is_ipv4() { "4" } else { "6" }.to_owned()),
            (ComparedField::Source, source.ip().to_string()),
            (ComparedField::Destination, destination.ip().to_string()),
            (ComparedField::SourcePort, source.port().to_string()),
            (ComparedField::DestinationPort, destination.port().to_string()),
            (ComparedField::TypeOfService, format!("{:#04x}", self.type_of_service)),
            (ComparedField::HopLimit, self.hop_limit.to_string()),
            (ComparedField::TransportChecksum, self.transport_checksum.map_or("none".to_owned(), checksum)),
            (ComparedField::Issue, if self.issues.is_empty() { "sound".to_owned() } else { self.issues.join("; ") }),
        ];
        if let Some([source, destination]) = self.macs {
            values.push((ComparedField::SourceMac, source.to_string()));
            values.push((ComparedField::DestinationMac, destination.to_string()));
        }
        if let Some(v4) = &self.v4 {
            let number = v4.relative_identification.unwrap_or(v4.identification);
            values.push((ComparedField::Identification, number.to_string()));
            values.push((ComparedField::DontFragment, if v4.dont_fragment { "set" } else { "not set" }.to_owned()));
            values.push((ComparedField::HeaderChecksum, self.header_checksum.map_or("none".to_owned(), checksum)));
            if v4.is_first {
                values.push((ComparedField::InitialIdentification, v4.identification.to_string()));
            }
        }
        if let Some(label) = self.flow_label {
            values.push((ComparedField::FlowLabel, format!("{label:#07x}")));
        }
        let Some(tcp) = &self.tcp else { return values };
        let TrackedSegment { flags, seq, ack, window, .. } = tcp.tracked;
        values.push((ComparedField::Sequence, seq.to_string()));
        values.push((ComparedField::Acknowledgment, ack.map_or("none".to_owned(), |ack| ack.to_string())));
        values.push((ComparedField::Flags, flags.to_string()));
        values.push((ComparedField::Window, window.field.to_string()));
        values.push((ComparedField::UrgentPointer, tcp.urgent_pointer.to_string()));
        values.push((ComparedField::OptionOrder, tcp.option_order.clone()));
        if let Some(mss) = tcp.options.maximum_segment_size {
            values.push((ComparedField::MaximumSegmentSize, mss.to_string()));
        }
        if let Some(shift) = tcp.options.window_scale {
            values.push((ComparedField::WindowScale, shift.to_string()));
        }
        if let (Some(timestamps), Some(clock)) = (tcp.options.timestamps, tcp.clock) {
            values.push((ComparedField::TimestampValue, clock.to_string()));
            let echo = tcp.echo.map_or("none".to_owned(), |echo| echo.to_string());
            values.push((ComparedField::TimestampEcho, echo));
            if flags.contains(Flags::SYN) {
                values.push((ComparedField::InitialTimestamp, timestamps.value.to_string()));
            }
        }
        if flags.contains(Flags::SYN) {
            values.push((ComparedField::InitialSequence, tcp.number.to_string()));
        }
        values
    }
}

/// The result of a verification as text.
fn checksum(checksum: Checksum) -> String {
    match checksum {
        Checksum::Valid => "correct".to_owned(),
        Checksum::Partial => "left to the network card".to_owned(),
        Checksum::Wrong { found, expected } => format!("{found:#06x} instead of {expected:#06x}"),
        Checksum::Zeroed(_) => "zero".to_owned(),
        Checksum::Uncheckable(_) => "not verifiable".to_owned(),
    }
}
