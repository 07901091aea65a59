//! Finds the differences between paired conversations, and the reason for each difference.

use std::time::Duration;

use super::align::{SegmentKind, kinds};
use super::reason::LATENESS_MAX;
use super::recording::DEFAULT_MSS;
use super::{
    ComparedField, ConversationPair, Difference, DifferenceKind, FieldPlace, Reason, RecordedConversation,
    RecordedSegment, SegmentGroup,
};
use crate::analyze::Transport;
use crate::side::Side;
use crate::wire::Checksum;
use crate::wire::tcp::Flags;

/// Maximum transit time of a segment between two sockets of one machine, in nanoseconds.
const TRANSIT_NANOS_MAX: i64 = 1_000_000;

/// Maximum difference between TCP timestamps and capture times, in milliseconds. Some kernels tick only every 10 ms.
const CLOCK_SLACK_MILLIS: i64 = 12;

/// Maximum length of an IP packet, in bytes.
const PACKET_BYTES_MAX: u32 = 65_535;

/// Minimum wait of a delayed acknowledgment, in nanoseconds: 40 ms, minus a tick of 10 ms.
const DELAYED_ACK_NANOS_MIN: i64 = 30_000_000;

/// Maximum length of the excerpt from a payload that differs, in bytes.
const EXCERPT_BYTES: usize = 16;

/// Maximum number of segment lengths that a difference lists one by one.
const LISTED_LENGTHS_MAX: usize = 4;

/// Adds the differences between two paired conversations.
pub(super) fn compare_pair(
    index: usize,
    made: &RecordedConversation,
    captured: &RecordedConversation,
    groups: &[SegmentGroup],
    differences: &mut Vec<Difference>,
) {
    let comparer = PairComparer { index, made, captured, kinds: kinds(captured) };
    for group in groups {
        comparer.compare_group(group, differences);
    }
    comparer.compare_group_order(groups, differences);
}

/// Compares two paired conversations.
struct PairComparer<'a> {
    /// The index of the pair.
    index: usize,
    made: &'a RecordedConversation,
    captured: &'a RecordedConversation,
    /// The kinds of the captured segments.
    kinds: Vec<SegmentKind>,
}

impl PairComparer<'_> {
    /// A difference in a field. Each value comes with its segment, if there is one.
    fn difference(
        &self,
        field: ComparedField,
        made: (Option<&RecordedSegment>, String),
        captured: (Option<&RecordedSegment>, String),
        reason: Option<Reason>,
    ) -> Difference {
        Difference::new(
            FieldPlace {
                conversation: Some(self.index),
                field,
                from: made.0.or(captured.0).map(|segment| segment.from),
            },
            DifferenceKind {
                made_frame: made.0.map(|segment| segment.frame),
                made: made.1,
                captured_frame: captured.0.map(|segment| segment.frame),
                captured: captured.1,
                reason,
            },
        )
    }

    /// Compares the segments of a group.
    fn compare_group(&self, group: &SegmentGroup, found: &mut Vec<Difference>) {
        let made: Vec<&RecordedSegment> = group.made.iter().map(|index| &self.made.segments()[*index]).collect();
        let captured: Vec<&RecordedSegment> =
            group.captured.iter().map(|index| &self.captured.segments()[*index]).collect();
        match (&made[..], &captured[..]) {
            ([], captured) => {
                for (segment, index) in captured.iter().zip(&group.captured) {
                    let reason = self.reason_for_captured(segment, *index);
                    self.compare_unpaired_header(segment, found);
                    let missing = (None, "missing".to_owned());
                    let summary = (Some(*segment), summary(segment));
                    found.push(self.difference(ComparedField::Segment, missing, summary, reason));
                }
            }
            (made, []) => {
                for segment in made {
                    let reason = self.reason_for_made(segment);
                    let missing = (None, "missing".to_owned());
                    let summary = (Some(*segment), summary(segment));
                    found.push(self.difference(ComparedField::Segment, summary, missing, reason));
                }
            }
            (made, captured) => {
                self.compare_payload(made, captured, found);
                if let ([made], [captured]) = (made, captured) {
                    self.compare_fields(made, captured, true, found);
                } else {
                    self.compare_segmentation(made, captured, found);
                }
            }
        }
    }

    /// Compares segments that carry one range of the stream but are cut at different places.
    fn compare_segmentation(
        &self,
        made: &[&RecordedSegment],
        captured: &[&RecordedSegment],
        found: &mut Vec<Difference>,
    ) {
        let (Some(first), Some(first_captured), Some(last)) = (made.first(), captured.first(), made.last()) else {
            return;
        };
        let end = |list: &[&RecordedSegment]| list.iter().map(|segment| segment.bytes.end).max();
        let is_same_range = end(made) == end(captured) && first.bytes.start == first_captured.bytes.start;
        let len = captured.iter().map(|segment| segment.len()).sum::<u64>();
        let shortest = captured.iter().map(|segment| segment.len()).min().unwrap_or_default();
        let n_pushed = made.iter().filter(|segment| segment.flags().contains(Flags::PSH)).count();
        let reason = if !is_same_range {
            None
        } else if captured.len() > made.len() {
            // A kernel does not cut data that fits into one segment.
            (len > shortest.max(DEFAULT_MSS)).then_some(Reason::Segmentation)
        } else if n_pushed > 1 {
            Some(Reason::Coalesced)
        } else {
            Some(Reason::Segmentation)
        };
        let lengths = |list: &[&RecordedSegment]| {
            let lens: Vec<_> = list.iter().map(|segment| segment.len()).collect();
            match lens.iter().max() {
                Some(longest) if lens.len() > LISTED_LENGTHS_MAX => {
                    format!("{} segments of at most {longest} bytes", lens.len())
                }
                _ => lens.iter().map(u64::to_string).collect::<Vec<_>>().join(" + ") + " bytes",
            }
        };
        found.push(self.difference(
            ComparedField::Segmentation,
            (Some(first), lengths(made)),
            (Some(first_captured), lengths(captured)),
            reason,
        ));
        for (position, segment) in captured.iter().enumerate() {
            // The last segments are compared with each other, because both may have PSH. The other captured segments
            // are compared with the first synthesised one.
            let is_last = position + 1 == captured.len();
            self.compare_fields(if is_last { last } else { first }, segment, false, found);
        }
    }

    /// Compares the payload of aligned segments.
    fn compare_payload(&self, made: &[&RecordedSegment], captured: &[&RecordedSegment], found: &mut Vec<Difference>) {
        let (Some(first), Some(first_captured)) = (made.first(), captured.first()) else { return };
        let range = |segments: &[&RecordedSegment]| {
            let start = segments.iter().map(|segment| segment.bytes.start).min().unwrap_or_default();
            let end = segments.iter().map(|segment| segment.bytes.end).max().unwrap_or_default();
            usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX)
        };
        let payload = |conversation: &RecordedConversation, segments: &[&RecordedSegment]| -> Vec<Option<u8>> {
            conversation.data(first.from).get(range(segments)).unwrap_or_default().to_vec()
        };
        let (made_payload, captured_payload) = (payload(self.made, made), payload(self.captured, captured));
        if made_payload == captured_payload {
            return;
        }
        let first_difference =
            made_payload.iter().zip(&captured_payload).take_while(|(made, captured)| made == captured).count();
        let is_missing = captured_payload.get(first_difference).is_some_and(Option::is_none);
        let is_cut = captured.iter().any(|segment| segment.is_cut);
        let is_truncated = is_missing && is_cut && made_payload.len() == captured_payload.len();
        let reason = is_truncated.then_some(Reason::Truncated);
        let excerpt = |bytes: &[Option<u8>]| {
            let rest = bytes.get(first_difference..).unwrap_or_default();
            let known: Vec<u8> = rest.iter().map_while(|byte| *byte).take(EXCERPT_BYTES).collect();
            let more = if rest.len() > known.len() { " …" } else { "" };
            format!("{} bytes, from byte {first_difference} \"{}\"{more}", bytes.len(), known.escape_ascii())
        };
        found.push(self.difference(
            ComparedField::Payload,
            (Some(first), excerpt(&made_payload)),
            (Some(first_captured), excerpt(&captured_payload)),
            reason,
        ));
    }

    /// Compares the fields of two segments. If the group has more segments, sequence numbers are skipped, because cuts
    /// at different places change them.
    fn compare_fields(
        &self,
        made: &RecordedSegment,
        captured: &RecordedSegment,
        is_one_to_one: bool,
        found: &mut Vec<Difference>,
    ) {
        let values = captured.values();
        for (field, value) in made.values() {
            let captured_value = values.iter().find(|(captured_field, _)| *captured_field == field);
            let Some((_, captured_value)) = captured_value else { continue };
            if value == *captured_value || (!is_one_to_one && field == ComparedField::Sequence) {
                continue;
            }
            let reason = self.reason(field, made, captured, is_one_to_one);
            found.push(self.difference(field, (Some(made), value), (Some(captured), captured_value.clone()), reason));
        }
    }

    /// Compares the header of a captured segment without a counterpart with a synthesised segment of the same sender.
    /// Only differences without a reason are added: aligned segments already show the others.
    fn compare_unpaired_header(&self, captured: &RecordedSegment, found: &mut Vec<Difference>) {
        let is_syn = |segment: &RecordedSegment| segment.flags().contains(Flags::SYN);
        let mut candidates = self.made.segments().iter();
        let Some(made) = candidates.find(|made| made.from == captured.from && is_syn(made) == is_syn(captured)) else {
            return;
        };
        let mut differences = Vec::new();
        self.compare_fields(made, captured, false, &mut differences);
        // Any two segments may differ in flags and acknowledgment numbers.
        let individual = [ComparedField::Flags, ComparedField::Acknowledgment];
        differences
            .retain(|difference| difference.kind.reason.is_none() && !individual.contains(&difference.place.field));
        found.append(&mut differences);
    }

    fn is_loopback(&self) -> bool {
        self.captured.ends().iter().all(|end| end.ip().is_loopback())
    }

    /// Whether a value is the same in all captured segments of a sender.
    fn is_constant<T: PartialEq>(&self, from: Side, value: impl Fn(&RecordedSegment) -> T) -> bool {
        let mut all = self.captured.segments().iter().filter(|segment| segment.from == from).map(value);
        all.next().is_none_or(|first| all.all(|other| other == first))
    }

    /// The reason for the difference between a field of two segments.
    fn reason(
        &self,
        field: ComparedField,
        made: &RecordedSegment,
        captured: &RecordedSegment,
        is_one_to_one: bool,
    ) -> Option<Reason> {
        let is_udp = self.captured.transport() == Transport::Udp;
        let from = captured.from;
        match field {
            ComparedField::InitialSequence | ComparedField::InitialTimestamp | ComparedField::InitialIdentification => {
                Some(Reason::RandomStart)
            }
            ComparedField::LinkType => (captured.link_type != made.link_type).then_some(Reason::LinkType),
            ComparedField::SourceMac | ComparedField::DestinationMac => {
                let is_zero = captured.macs.is_some_and(|macs| macs.iter().all(|mac| mac.0 == [0; 6]));
                match (self.is_loopback(), is_zero) {
                    (true, true) => Some(Reason::LoopbackHasNoMac),
                    (false, false) if self.is_constant(from, |segment| segment.macs) => Some(Reason::Interface),
                    _ => None,
                }
            }
            ComparedField::Padding => (made.padding > 0 && captured.padding == 0).then_some(Reason::NotPadded),
            ComparedField::IpVersion => Some(Reason::IpVersion),
            ComparedField::Source | ComparedField::Destination => {
                Some(if self.is_loopback() { Reason::Loopback } else { Reason::InventedAddress })
            }
            ComparedField::SourcePort | ComparedField::DestinationPort => {
                let is_client = (field == ComparedField::SourcePort) == (from == Side::Client);
                Some(if is_client { Reason::EphemeralPort } else { Reason::FreePort })
            }
            ComparedField::HopLimit => self.is_constant(from, |segment| segment.hop_limit).then_some(Reason::HopLimit),
            ComparedField::FlowLabel => {
                self.is_constant(from, |segment| segment.flow_label).then_some(Reason::FlowLabel)
            }
            ComparedField::Identification => {
                let v4 = captured.v4?;
                if v4.dont_fragment
                    && v4.identification == 0
                    && self.is_constant(from, |segment| segment.v4.map(|v4| v4.identification))
                {
                    return Some(Reason::NoIdentification);
                }
                v4.is_next.then_some(Reason::PacketCount).or(is_udp.then_some(Reason::SharedCounter))
            }
            ComparedField::TransportChecksum => (captured.transport_checksum == Some(Checksum::Partial))
                .then_some(Reason::Offload)
                .or(captured.is_cut.then_some(Reason::Truncated)),
            ComparedField::HeaderChecksum => {
                let is_zero = matches!(captured.header_checksum, Some(Checksum::Zeroed(_)));
                let is_constant = self.is_constant(from, |segment| segment.header_checksum);
                (is_zero && is_constant).then_some(Reason::HeaderOffload)
            }
            ComparedField::Time | ComparedField::Issue => None,
            _ => self.tcp_reason(field, made, captured, is_one_to_one),
        }
    }

    /// The reason for the difference between a TCP field of two segments.
    fn tcp_reason(
        &self,
        field: ComparedField,
        made: &RecordedSegment,
        captured: &RecordedSegment,
        is_one_to_one: bool,
    ) -> Option<Reason> {
        let (made_tcp, captured_tcp) = (made.tcp.as_ref()?, captured.tcp.as_ref()?);
        match field {
            ComparedField::MaximumSegmentSize => {
                let mss = captured_tcp.options.maximum_segment_size?;
                // The headers of IP and TCP without options, in bytes.
                let header_len = if captured.ends[0].is_ipv4() { 40 } else { 60 };
                let mtu = u32::from(mss) + header_len;
                // On loopback, both sides use the same interface, so they offer the same MSS.
                let segments = self.captured.segments().iter().filter_map(|segment| segment.tcp.as_ref());
                let mut all_mss = segments.filter_map(|tcp| tcp.options.maximum_segment_size);
                let reason = match (self.is_loopback(), mtu) {
                    (true, PACKET_BYTES_MAX) => Reason::LoopbackMtu,
                    _ => Reason::Mtu { mtu },
                };
                (!self.is_loopback() || all_mss.all(|other| other == mss)).then_some(reason)
            }
            ComparedField::WindowScale => Some(Reason::ReceiveBuffer),
            ComparedField::Window if captured_tcp.tracked.window.field > 0 => Some(Reason::ReceiveBuffer),
            // The window may be 0 when the peer has filled it.
            ComparedField::Window => (self.window_end(captured) == captured.ack()).then_some(Reason::ZeroWindow),
            ComparedField::OptionOrder => made_tcp.option_order.is_empty().then_some(Reason::WithoutOptions),
            ComparedField::TimestampValue => self.follows_clock(captured).then_some(Reason::Clock),
            ComparedField::TimestampEcho => {
                let echo = captured_tcp.echo?;
                let earlier = self.earlier(captured).filter(|segment| segment.from != captured.from);
                let mut clocks = earlier.filter_map(|segment| segment.tcp.as_ref()?.clock);
                clocks.any(|clock| clock == echo).then_some(Reason::EchoOfClock)
            }
            ComparedField::Acknowledgment => {
                let ack = captured_tcp.tracked.ack?;
                let of_sender = self.earlier(captured).filter(|segment| segment.from == captured.from);
                let is_highest = of_sender.filter_map(RecordedSegment::ack).all(|earlier_ack| earlier_ack <= ack);
                (is_highest && self.is_end_of_peer(captured, ack)).then_some(Reason::Crossed)
            }
            ComparedField::Flags => {
                let has_push = |flags: Flags| flags.contains(Flags::PSH);
                let without_push = |flags: Flags| flags.bits() & !Flags::PSH.bits();
                let (made_flags, captured_flags) = (made_tcp.tracked.flags, captured_tcp.tracked.flags);
                let has_fin_added = without_push(made_flags | Flags::FIN) == without_push(captured_flags);
                if has_fin_added && !captured.is_empty() {
                    return Some(Reason::FinWithData);
                }
                // Both sides set PSH at the end of a message. Only a kernel sets it earlier, too.
                let is_pushed_earlier = without_push(made_flags) == without_push(captured_flags)
                    && has_push(captured_flags)
                    && !has_push(made_flags);
                (is_pushed_earlier && (!is_one_to_one || !captured.is_empty())).then_some(Reason::PushedEarlier)
            }
            _ => None,
        }
    }

    /// The end of the window that the sender of `segment` has offered before it.
    fn window_end(&self, segment: &RecordedSegment) -> Option<i64> {
        let earlier = self.earlier(segment).filter(|earlier| earlier.from == segment.from);
        earlier.filter_map(|earlier| earlier.tcp.as_ref()?.tracked.window_end()).max()
    }

    /// The segments that were captured before `segment`.
    fn earlier(&self, segment: &RecordedSegment) -> impl Iterator<Item = &RecordedSegment> {
        let frame = segment.frame;
        self.captured.segments().iter().take_while(move |earlier| earlier.frame < frame)
    }

    /// Whether an earlier segment of the peer ends at `ack`, and all later data of the peer can still be in transit to
    /// the sender of `segment`.
    fn is_end_of_peer(&self, segment: &RecordedSegment, ack: i64) -> bool {
        let mut is_end = false;
        let mut is_later_data_in_transit = true;
        for of_peer in self.earlier(segment).filter(|earlier| earlier.from != segment.from) {
            is_end |= of_peer.end() == ack;
            if of_peer.end() > ack {
                let age = segment.time.zip(of_peer.time).map(|(now, sent)| now.as_nanos() - sent.as_nanos());
                is_later_data_in_transit &= age.is_some_and(|age| age < TRANSIT_NANOS_MAX);
            }
        }
        is_end && is_later_data_in_transit
    }

    /// Whether the TCP timestamp advanced as fast as the capture time.
    fn follows_clock(&self, captured: &RecordedSegment) -> bool {
        let first = self.captured.segments().iter().find(|segment| segment.from == captured.from);
        let Some((first, time)) = first.and_then(|first| first.time).zip(captured.time) else { return false };
        let Some(clock) = captured.tcp.as_ref().and_then(|tcp| tcp.clock) else { return false };
        let elapsed_millis = (time.as_nanos() - first.as_nanos()) / 1_000_000;
        // The two clocks may drift apart by 1 %.
        (i64::from(clock) - elapsed_millis).abs() <= CLOCK_SLACK_MILLIS + elapsed_millis / 100
    }

    /// The reason for a captured segment without a counterpart.
    fn reason_for_captured(&self, segment: &RecordedSegment, index: usize) -> Option<Reason> {
        match self.kinds[index] {
            SegmentKind::Retransmission => {
                let without_push = |segment: &RecordedSegment| segment.flags().bits() & !Flags::PSH.bits();
                let is_data = !segment.is_empty() && without_push(segment) == Flags::ACK.bits();
                let mut earlier = self.earlier(segment).filter(|earlier| earlier.from == segment.from);
                let is_repeated = earlier
                    .any(|earlier| earlier.seq() == segment.seq() && without_push(earlier) == without_push(segment));
                (is_data || is_repeated).then_some(Reason::Retransmission)
            }
            SegmentKind::Ack => {
                let ack = segment.ack().filter(|_| segment.flags() == Flags::ACK)?;
                // The sequence number must be the next one of the sender, and `ack` the end of a segment of the peer.
                let earlier = self.earlier(segment).filter(|earlier| earlier.from == segment.from);
                let is_next = earlier.map(RecordedSegment::end).max() == segment.seq();
                if !is_next || !self.is_end_of_peer(segment, ack) {
                    return None;
                }
                let mut earlier = self.earlier(segment).filter(|earlier| earlier.from == segment.from);
                if let Some(earlier) = earlier.find(|earlier| earlier.ack() == Some(ack)) {
                    return (earlier.window() != segment.window()).then_some(Reason::WindowUpdate);
                }
                // The synthesised segment that carries this acknowledgment.
                let carrier = first_ack_of(self.made, segment.from, ack)?;
                let mut of_peer = self.earlier(segment).filter(|earlier| earlier.from != segment.from);
                let acknowledged = of_peer.find(|earlier| earlier.end() == ack)?;
                let waited = segment.time.zip(acknowledged.time).map(|(ack, sent)| ack.as_nanos() - sent.as_nanos());
                Some(if acknowledged.flags().contains(Flags::FIN) {
                    Reason::AckOfFin
                } else if waited.is_some_and(|waited| waited >= DELAYED_ACK_NANOS_MIN) {
                    Reason::DelayedAck
                } else if carrier.is_empty() && carrier.flags() == Flags::ACK {
                    Reason::AckMerged
                } else {
                    Reason::QuickAck
                })
            }
            _ => None,
        }
    }

    /// The reason for a synthesised segment without a counterpart.
    fn reason_for_made(&self, segment: &RecordedSegment) -> Option<Reason> {
        let from = segment.from;
        if segment.flags().contains(Flags::FIN) && segment.is_empty() {
            let mut of_sender = self.captured.segments().iter().filter(|other| other.from == from);
            return of_sender.any(|other| other.flags().contains(Flags::FIN)).then_some(Reason::FinWithData);
        }
        if segment.flags() != Flags::ACK || !segment.is_empty() {
            return None;
        }
        let carrier = first_ack_of(self.captured, from, segment.ack()?)?;
        Some(if carrier.is_empty() && !carrier.flags().contains(Flags::FIN) {
            Reason::AckMerged
        } else {
            Reason::AckWithData
        })
    }

    /// Compares the order of aligned segments. Bare acknowledgments are left out.
    fn compare_group_order(&self, groups: &[SegmentGroup], found: &mut Vec<Difference>) {
        let mut latest: Option<&RecordedSegment> = None;
        for group in groups {
            let (Some(made), Some(captured)) = (group.made.first(), group.captured.first()) else { continue };
            if self.kinds[*captured] == SegmentKind::Ack {
                continue;
            }
            let (made, captured) = (&self.made.segments()[*made], &self.captured.segments()[*captured]);
            match latest {
                Some(latest) if latest.frame > captured.frame => found.push(self.difference(
                    ComparedField::Order,
                    (Some(made), "after the previous segment".to_owned()),
                    (Some(captured), format!("before frame {}", latest.frame)),
                    None,
                )),
                _ => latest = Some(captured),
            }
        }
    }
}

/// The first segment of a side that acknowledges at least `ack`.
fn first_ack_of(conversation: &RecordedConversation, from: Side, ack: i64) -> Option<&RecordedSegment> {
    conversation.segments().iter().find(|segment| segment.from == from && segment.ack() >= Some(ack))
}

/// The flags, length and acknowledgment number of a segment.
fn summary(segment: &RecordedSegment) -> String {
    let flags = segment.flags();
    match (segment.ack(), segment.len()) {
        (Some(ack), 0) => format!("{flags}, acknowledges {ack}"),
        (_, 0) => flags.to_string(),
        (None, len) => format!("{len} bytes"),
        (_, len) => format!("{flags}, {len} bytes"),
    }
}

/// A message, or the start or the end of a conversation, in both recordings.
struct PairedEvent<'a> {
    conversation: usize,
    made: &'a RecordedSegment,
    captured: &'a RecordedSegment,
}

/// Compares order and times across conversations.
pub(super) fn compare_order(conversations: &[ConversationPair<'_>], differences: &mut Vec<Difference>) {
    let (mut messages, mut starts_and_ends) = (Vec::new(), Vec::new());
    for (conversation, pair) in conversations.iter().enumerate() {
        for group in &pair.groups {
            let (Some(made), Some(captured)) = (group.made.first(), group.captured.first()) else { continue };
            let (made, captured) = (&pair.made.segments()[*made], &pair.captured.segments()[*captured]);
            let event = PairedEvent { conversation, made, captured };
            if made.tcp.is_none() || !made.is_empty() {
                messages.push(event);
            } else if made.flags().intersects(Flags::SYN | Flags::FIN) && made.from == Side::Client {
                starts_and_ends.push(event);
            }
        }
    }
    messages.sort_by_key(|event| event.made.frame);
    let difference = |event: &PairedEvent<'_>, field, made, captured, reason| {
        Difference::new(
            FieldPlace { conversation: Some(event.conversation), field, from: Some(event.made.from) },
            DifferenceKind {
                made_frame: Some(event.made.frame),
                made,
                captured_frame: Some(event.captured.frame),
                captured,
                reason,
            },
        )
    };
    let mut latest_frame = 0;
    for event in &messages {
        if event.captured.frame < latest_frame {
            let made = "after the previous messages".to_owned();
            differences.push(difference(
                event,
                ComparedField::Order,
                made,
                format!("before frame {latest_frame}"),
                None,
            ));
        }
        latest_frame = latest_frame.max(event.captured.frame);
    }
    // The start and end of a conversation are compared by the number of messages captured before them.
    let captured_frames: Vec<u64> = {
        let mut frames: Vec<_> = messages.iter().map(|event| event.captured.frame).collect();
        frames.sort_unstable();
        frames
    };
    for event in &starts_and_ends {
        let made_before = messages.partition_point(|message| message.made.frame < event.made.frame);
        let captured_before = captured_frames.partition_point(|frame| *frame < event.captured.frame);
        if made_before != captured_before {
            let is_end = event.made.flags().contains(Flags::FIN);
            let reason = if is_end { Reason::HeldOpen } else { Reason::OpensEarlier };
            let after = |n: usize| format!("{} after {n} of all messages", event.made.flags());
            let reason = (captured_before > made_before).then_some(reason);
            differences.push(difference(
                event,
                ComparedField::Order,
                after(made_before),
                after(captured_before),
                reason,
            ));
        }
    }
    compare_times(&messages, difference, differences);
}

/// Compares the times of messages, relative to the first message.
fn compare_times(
    messages: &[PairedEvent<'_>],
    difference: impl Fn(&PairedEvent<'_>, ComparedField, String, String, Option<Reason>) -> Difference,
    differences: &mut Vec<Difference>,
) {
    let Some(first) = messages.first() else { return };
    for event in messages {
        let nanos_since = |segment: &RecordedSegment, first: &RecordedSegment| {
            segment.time.zip(first.time).map(|(time, first)| time.as_nanos().saturating_sub(first.as_nanos()))
        };
        let made = nanos_since(event.made, first.made);
        let Some((made, captured)) = made.zip(nanos_since(event.captured, first.captured)) else { continue };
        if made != captured {
            let is_same_speed = Duration::from_nanos(made.abs_diff(captured)) <= LATENESS_MAX;
            let reason = if is_same_speed { Reason::LateWakeup } else { Reason::OtherSpeed };
            let seconds = |nanos: i64| {
                let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
                format!("{sign}{}.{:09} s", nanos / 1_000_000_000, nanos % 1_000_000_000)
            };
            differences.push(difference(event, ComparedField::Time, seconds(made), seconds(captured), Some(reason)));
        }
    }
}
