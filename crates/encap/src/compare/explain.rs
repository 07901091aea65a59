//! What is not the same, and why.

use std::time::Duration;

use super::align::{SegmentKind, kinds};
use super::reason::WOKEN_MAX;
use super::{
    ComparedField, ConversationPair, Difference, DifferenceKind, FieldPlace, Reason, RecordedConversation,
    RecordedSegment, SegmentGroup,
};
use crate::analyze::Transport;
use crate::side::Side;
use crate::wire::Checksum;
use crate::wire::tcp::Flags;

/// What may be on its way to the other side on one machine, at the least of its age, in nanoseconds.
const CROSSING_NANOS: i64 = 1_000_000;

/// How far a clock of milliseconds may be from the times of a capture, whose kernel may tick each 10 ms.
const CLOCK_SLACK_MILLIS: i64 = 12;

/// The most bytes of an IP packet.
const LONGEST_PACKET: u32 = 65_535;

/// The least that an acknowledgment waits for data to go with, in nanoseconds, by a clock that may tick each 10 ms.
const DELAYED_ACK_NANOS: i64 = 30_000_000;

/// Bytes of a payload that are shown where it differs.
const EXCERPT_BYTES: usize = 16;

/// All that is not the same in two conversations that belong together.
pub(super) fn conversation(
    index: usize,
    made: &RecordedConversation,
    captured: &RecordedConversation,
    groups: &[SegmentGroup],
    differences: &mut Vec<Difference>,
) {
    let both = PairExplainer { index, made, captured, kinds: kinds(captured) };
    let mut found = Vec::new();
    for group in groups {
        both.group(group, &mut found);
    }
    both.order_of_groups(groups, &mut found);
    differences.append(&mut found);
}

/// Two conversations that belong together.
struct PairExplainer<'a> {
    index: usize,
    made: &'a RecordedConversation,
    captured: &'a RecordedConversation,
    kinds: Vec<SegmentKind>,
}

impl PairExplainer<'_> {
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

    fn group(&self, group: &SegmentGroup, found: &mut Vec<Difference>) {
        let made: Vec<&RecordedSegment> = group.made.iter().map(|at| &self.made.segments()[*at]).collect();
        let captured: Vec<&RecordedSegment> = group.captured.iter().map(|at| &self.captured.segments()[*at]).collect();
        match (&made[..], &captured[..]) {
            ([], captured) => {
                for (segment, at) in captured.iter().zip(&group.captured) {
                    let reason = self.why_captured_alone(segment, *at);
                    self.header_alone(segment, found);
                    let none = (None, "not there".to_owned());
                    found.push(self.difference(ComparedField::Segment, none, (Some(segment), name(segment)), reason));
                }
            }
            (made, []) => {
                for segment in made {
                    let reason = self.why_made_alone(segment);
                    let none = (None, "not there".to_owned());
                    found.push(self.difference(ComparedField::Segment, (Some(segment), name(segment)), none, reason));
                }
            }
            (made, captured) => {
                self.payload(made, captured, found);
                if let ([one], [other]) = (made, captured) {
                    self.fields(one, other, true, found);
                } else {
                    self.segmentation(made, captured, found);
                }
            }
        }
    }

    /// The same bytes, cut in other places.
    fn segmentation(&self, made: &[&RecordedSegment], captured: &[&RecordedSegment], found: &mut Vec<Difference>) {
        let (Some(first), Some(other), Some(last)) = (made.first(), captured.first(), made.last()) else { return };
        let ends = |list: &[&RecordedSegment]| list.iter().map(|segment| segment.bytes.end).max();
        let is_same = ends(made) == ends(captured) && first.bytes.start == other.bytes.start;
        let len = captured.iter().map(|segment| segment.len()).sum::<u64>();
        let is_long = len > captured.iter().map(|segment| segment.len()).min().unwrap_or_default().max(536);
        let reason = match () {
            () if !is_same => None,
            // A kernel has no cause to cut what fits in any segment.
            () if captured.len() > made.len() => is_long.then_some(Reason::Cut),
            () if made.iter().filter(|segment| segment.flags().contains(Flags::PSH)).count() > 1 => {
                Some(Reason::Joined)
            }
            () => Some(Reason::Cut),
        };
        let cut = |list: &[&RecordedSegment]| {
            let lens: Vec<_> = list.iter().map(|segment| segment.len()).collect();
            match lens.iter().max() {
                Some(most) if lens.len() > 4 => format!("{} segments of at most {most} bytes", lens.len()),
                _ => lens.iter().map(u64::to_string).collect::<Vec<_>>().join(" + ") + " bytes",
            }
        };
        found.push(self.difference(
            ComparedField::Segmentation,
            (Some(first), cut(made)),
            (Some(other), cut(captured)),
            reason,
        ));
        for (at, segment) in captured.iter().enumerate() {
            // The last one's flags are those of the last; the others are held against the first, without a PSH.
            let is_last = at + 1 == captured.len();
            self.fields(if is_last { last } else { first }, segment, false, found);
        }
    }

    /// Whether the stream says the same where two segments, or more, lie.
    fn payload(&self, made: &[&RecordedSegment], captured: &[&RecordedSegment], found: &mut Vec<Difference>) {
        let (Some(first), Some(other)) = (made.first(), captured.first()) else { return };
        let place = |segments: &[&RecordedSegment]| {
            let start = segments.iter().map(|segment| segment.bytes.start).min().unwrap_or_default();
            let end = segments.iter().map(|segment| segment.bytes.end).max().unwrap_or_default();
            usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX)
        };
        let of = |conversation: &RecordedConversation, segments: &[&RecordedSegment]| -> Vec<Option<u8>> {
            conversation.said(first.from).get(place(segments)).unwrap_or_default().to_vec()
        };
        let (said, heard) = (of(self.made, made), of(self.captured, captured));
        if said == heard {
            return;
        }
        let at = said.iter().zip(&heard).take_while(|(one, other)| one == other).count();
        let is_missing = heard.get(at).is_some_and(Option::is_none);
        let is_cut = captured.iter().any(|segment| segment.is_cut);
        let reason = (is_missing && is_cut && said.len() == heard.len()).then_some(Reason::CutShort);
        let show = |bytes: &[Option<u8>]| {
            let rest = bytes.get(at..).unwrap_or_default();
            let known: Vec<u8> = rest.iter().map_while(|byte| *byte).take(EXCERPT_BYTES).collect();
            let more = if rest.len() > known.len() { " …" } else { "" };
            format!("{} bytes, from byte {at} \"{}\"{more}", bytes.len(), known.escape_ascii())
        };
        found.push(self.difference(
            ComparedField::Payload,
            (Some(first), show(&said)),
            (Some(other), show(&heard)),
            reason,
        ));
    }

    /// The fields of two segments. If they are cut in other places, what follows from that was said.
    fn fields(
        &self,
        made: &RecordedSegment,
        captured: &RecordedSegment,
        is_one_to_one: bool,
        found: &mut Vec<Difference>,
    ) {
        let values = captured.values();
        for (field, value) in made.values() {
            let Some((_, other)) = values.iter().find(|(same, _)| *same == field) else { continue };
            if value == *other || (!is_one_to_one && field == ComparedField::Sequence) {
                continue;
            }
            let reason = self.why(field, made, captured, is_one_to_one);
            found.push(self.difference(field, (Some(made), value), (Some(captured), other.clone()), reason));
        }
    }

    /// The header of a segment that stands alone is held against another of its side: what has a reason was said of those.
    fn header_alone(&self, captured: &RecordedSegment, found: &mut Vec<Difference>) {
        let is_syn = |segment: &RecordedSegment| segment.flags().contains(Flags::SYN);
        let mut made = self.made.segments().iter();
        let Some(made) = made.find(|made| made.from == captured.from && is_syn(made) == is_syn(captured)) else {
            return;
        };
        let mut all = Vec::new();
        self.fields(made, captured, false, &mut all);
        let own = [ComparedField::Flags, ComparedField::Acknowledgment];
        all.retain(|difference| difference.kind.reason.is_none() && !own.contains(&difference.place.field));
        found.append(&mut all);
    }

    fn is_loopback(&self) -> bool {
        self.captured.ends().iter().all(|end| end.ip().is_loopback())
    }

    /// Whether all that this side sent has one value.
    fn is_constant<T: PartialEq>(&self, from: Side, value: impl Fn(&RecordedSegment) -> T) -> bool {
        let mut all = self.captured.segments().iter().filter(|segment| segment.from == from).map(value);
        all.next().is_none_or(|first| all.all(|other| other == first))
    }

    /// Why a field of two segments that belong together is not the same.
    fn why(
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
                Some(Reason::Random)
            }
            ComparedField::LinkType => (captured.link_type != made.link_type).then_some(Reason::LinkKind),
            ComparedField::SourceMac | ComparedField::DestinationMac => {
                let is_zero = captured.macs.is_some_and(|macs| macs.iter().all(|mac| mac.0 == [0; 6]));
                match (self.is_loopback(), is_zero) {
                    (true, true) => Some(Reason::LoopbackHasNoMac),
                    (false, false) if self.is_constant(from, |segment| segment.macs) => Some(Reason::Interface),
                    _ => None,
                }
            }
            ComparedField::Padding => (made.padding > 0 && captured.padding == 0).then_some(Reason::NotPadded),
            ComparedField::IpVersion => Some(Reason::OtherVersion),
            ComparedField::Source | ComparedField::Destination => {
                Some(if self.is_loopback() { Reason::Loopback } else { Reason::MadeUpAddress })
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
                    return Some(Reason::NotNumbered);
                }
                v4.is_next.then_some(Reason::PacketCount).or(is_udp.then_some(Reason::NotCounted))
            }
            ComparedField::TransportChecksum => (captured.transport_checksum == Some(Checksum::Partial))
                .then_some(Reason::Offload)
                .or(captured.is_cut.then_some(Reason::CutShort)),
            ComparedField::HeaderChecksum => {
                let is_zero = matches!(captured.header_checksum, Some(Checksum::Zeroed(_)));
                let is_constant = self.is_constant(from, |segment| segment.header_checksum);
                (is_zero && is_constant).then_some(Reason::HeaderOffload)
            }
            ComparedField::Time | ComparedField::Issue => None,
            _ => self.why_tcp(field, made, captured, is_one_to_one),
        }
    }

    fn why_tcp(
        &self,
        field: ComparedField,
        made: &RecordedSegment,
        captured: &RecordedSegment,
        is_one_to_one: bool,
    ) -> Option<Reason> {
        let (one, other) = (made.tcp.as_ref()?, captured.tcp.as_ref()?);
        match field {
            ComparedField::MaximumSegmentSize => {
                let mss = other.options.maximum_segment_size?;
                let headers = if captured.ends[0].is_ipv4() { 40 } else { 60 };
                let mtu = u32::from(mss) + headers;
                // Both sides are on one interface there.
                let is_one = self.captured.segments().iter().filter_map(|segment| segment.tcp.as_ref());
                let mut is_one = is_one.filter_map(|tcp| tcp.options.maximum_segment_size);
                let reason = match (self.is_loopback(), mtu) {
                    (true, LONGEST_PACKET) => Reason::LoopbackMtu,
                    _ => Reason::Mtu { mtu },
                };
                (!self.is_loopback() || is_one.all(|same| same == mss)).then_some(reason)
            }
            ComparedField::WindowScale => Some(Reason::ReceiveBuffer),
            ComparedField::Window if other.tracked.window.field > 0 => Some(Reason::ReceiveBuffer),
            ComparedField::Window => (self.offered(captured) == captured.ack()).then_some(Reason::WindowUsedUp),
            ComparedField::OptionOrder => one.option_order.is_empty().then_some(Reason::WithoutOptions),
            ComparedField::TimestampValue => self.is_clock(captured).then_some(Reason::Clock),
            ComparedField::TimestampEcho => {
                let echo = other.echo?;
                let earlier = self.earlier(captured).filter(|segment| segment.from != captured.from);
                let mut clocks = earlier.filter_map(|segment| segment.tcp.as_ref()?.clock);
                clocks.any(|clock| clock == echo).then_some(Reason::EchoOfClock)
            }
            ComparedField::Acknowledgment => {
                let ack = other.tracked.ack?;
                let before = self.earlier(captured).filter(|segment| segment.from == captured.from);
                let is_later = before.filter_map(RecordedSegment::ack).all(|earlier| earlier <= ack);
                (is_later && self.is_end_of_peer(captured, ack)).then_some(Reason::Crossed)
            }
            ComparedField::Flags => {
                let push = |flags: Flags| flags.contains(Flags::PSH);
                let plain = |flags: Flags| flags.bits() & !Flags::PSH.bits();
                let (one, other) = (one.tracked.flags, other.tracked.flags);
                let with_fin = plain(one | Flags::FIN) == plain(other) && !captured.is_empty();
                if with_fin {
                    return Some(Reason::FinWithData);
                }
                // The last of a message is pushed by both; before that, only a kernel does.
                let is_earlier = plain(one) == plain(other) && push(other) && !push(one);
                (is_earlier && (!is_one_to_one || !captured.is_empty())).then_some(Reason::PushedEarlier)
            }
            _ => None,
        }
    }

    /// The number up to which a side had said, before a segment of its own, that it takes what is sent.
    fn offered(&self, before: &RecordedSegment) -> Option<i64> {
        let own = self.earlier(before).filter(|segment| segment.from == before.from);
        own.filter_map(|segment| segment.tcp.as_ref()?.tracked.window_end()).max()
    }

    /// What was captured before a segment.
    fn earlier(&self, than: &RecordedSegment) -> impl Iterator<Item = &RecordedSegment> {
        let frame = than.frame;
        self.captured.segments().iter().take_while(move |segment| segment.frame < frame)
    }

    /// Whether `ack` is the end of something that the other side had sent, and all after that was hardly on its way.
    fn is_end_of_peer(&self, than: &RecordedSegment, ack: i64) -> bool {
        let mut is_end = false;
        let mut is_crossing = true;
        for segment in self.earlier(than).filter(|segment| segment.from != than.from) {
            is_end |= segment.end() == ack;
            if segment.end() > ack {
                let age = than.time.zip(segment.time).map(|(than, time)| than.as_nanos() - time.as_nanos());
                is_crossing &= age.is_some_and(|age| age < CROSSING_NANOS);
            }
        }
        is_end && is_crossing
    }

    /// Whether a timestamp goes with the time.
    fn is_clock(&self, captured: &RecordedSegment) -> bool {
        let first = self.captured.segments().iter().find(|segment| segment.from == captured.from);
        let Some((first, time)) = first.and_then(|first| first.time).zip(captured.time) else { return false };
        let Some(clock) = captured.tcp.as_ref().and_then(|tcp| tcp.clock) else { return false };
        let elapsed = (time.as_nanos() - first.as_nanos()) / 1_000_000;
        (i64::from(clock) - elapsed).abs() <= CLOCK_SLACK_MILLIS + elapsed / 100
    }

    /// Why a kernel sent what was not made up.
    fn why_captured_alone(&self, segment: &RecordedSegment, at: usize) -> Option<Reason> {
        match self.kinds[at] {
            SegmentKind::Again => {
                let plain = |segment: &RecordedSegment| segment.flags().bits() & !Flags::PSH.bits();
                let is_data = !segment.is_empty() && plain(segment) == Flags::ACK.bits();
                let mut before = self.earlier(segment).filter(|before| before.from == segment.from);
                let is_same = before.any(|before| before.seq() == segment.seq() && plain(before) == plain(segment));
                (is_data || is_same).then_some(Reason::Again)
            }
            SegmentKind::Ack => {
                let ack = segment.ack().filter(|_| segment.flags() == Flags::ACK)?;
                // It says what comes next of its own side, and of the other's.
                let own = self.earlier(segment).filter(|before| before.from == segment.from);
                let is_next = own.map(RecordedSegment::end).max() == segment.seq();
                if !is_next || !self.is_end_of_peer(segment, ack) {
                    return None;
                }
                let mut before = self.earlier(segment).filter(|before| before.from == segment.from);
                if let Some(same) = before.find(|before| before.ack() == Some(ack)) {
                    return (same.window() != segment.window()).then_some(Reason::WindowUpdate);
                }
                let carrier = first_with(self.made, segment.from, ack)?;
                let mut peer = self.earlier(segment).filter(|other| other.from != segment.from);
                let acknowledged = peer.find(|other| other.end() == ack)?;
                let waited = segment.time.zip(acknowledged.time).map(|(ack, sent)| ack.as_nanos() - sent.as_nanos());
                Some(match carrier {
                    _ if acknowledged.flags().contains(Flags::FIN) => Reason::AckOfFin,
                    _ if waited.is_some_and(|waited| waited >= DELAYED_ACK_NANOS) => Reason::AckDelayed,
                    _ if carrier.is_empty() && carrier.flags() == Flags::ACK => Reason::AckMerged,
                    _ => Reason::AckAtOnce,
                })
            }
            _ => None,
        }
    }

    /// Why a kernel did not send what was made up.
    fn why_made_alone(&self, segment: &RecordedSegment) -> Option<Reason> {
        let from = segment.from;
        if segment.flags().contains(Flags::FIN) && segment.is_empty() {
            let mut all = self.captured.segments().iter().filter(|other| other.from == from);
            return all.any(|other| other.flags().contains(Flags::FIN)).then_some(Reason::FinWithData);
        }
        if segment.flags() != Flags::ACK || !segment.is_empty() {
            return None;
        }
        let carrier = first_with(self.captured, from, segment.ack()?)?;
        Some(if carrier.is_empty() && !carrier.flags().contains(Flags::FIN) {
            Reason::AckMerged
        } else {
            Reason::AckRode
        })
    }

    /// What takes numbers comes in one order.
    fn order_of_groups(&self, groups: &[SegmentGroup], found: &mut Vec<Difference>) {
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
                    (Some(made), "after what it stands below".to_owned()),
                    (Some(captured), format!("before frame {}", latest.frame)),
                    None,
                )),
                _ => latest = Some(captured),
            }
        }
    }
}

/// The first segment of a side that acknowledges as much, or more.
fn first_with(conversation: &RecordedConversation, from: Side, ack: i64) -> Option<&RecordedSegment> {
    conversation.segments().iter().find(|segment| segment.from == from && segment.ack() >= Some(ack))
}

/// What a segment is, in short.
fn name(segment: &RecordedSegment) -> String {
    let flags = segment.flags();
    match (segment.ack(), segment.len()) {
        (Some(ack), 0) => format!("{flags}, acknowledges {ack}"),
        (_, 0) => flags.to_string(),
        (None, len) => format!("{len} bytes"),
        (_, len) => format!("{flags}, {len} bytes"),
    }
}

/// A message, or a beginning or end, and where it is in both recordings.
struct PairedEvent<'a> {
    conversation: usize,
    made: &'a RecordedSegment,
    captured: &'a RecordedSegment,
}

/// What comes before what, across conversations, and when.
pub(super) fn order(conversations: &[ConversationPair<'_>], differences: &mut Vec<Difference>) {
    let (mut messages, mut bounds) = (Vec::new(), Vec::new());
    for (conversation, pair) in conversations.iter().enumerate() {
        for group in &pair.groups {
            let (Some(made), Some(captured)) = (group.made.first(), group.captured.first()) else { continue };
            let (made, captured) = (&pair.made.segments()[*made], &pair.captured.segments()[*captured]);
            let event = PairedEvent { conversation, made, captured };
            if made.tcp.is_none() || !made.is_empty() {
                messages.push(event);
            } else if made.flags().intersects(Flags::SYN | Flags::FIN) && made.from == Side::Client {
                bounds.push(event);
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
    let mut latest = 0;
    for event in &messages {
        if event.captured.frame < latest {
            let made = "after the messages before it".to_owned();
            differences.push(difference(event, ComparedField::Order, made, format!("before frame {latest}"), None));
        }
        latest = latest.max(event.captured.frame);
    }
    // Of one conversation, all is in order already: what others say meanwhile is another matter.
    let captured: Vec<u64> = {
        let mut frames: Vec<_> = messages.iter().map(|event| event.captured.frame).collect();
        frames.sort_unstable();
        frames
    };
    for event in &bounds {
        let before = messages.partition_point(|message| message.made.frame < event.made.frame);
        let captured_before = captured.partition_point(|frame| *frame < event.captured.frame);
        if before != captured_before {
            let is_end = event.made.flags().contains(Flags::FIN);
            let reason = if is_end { Reason::HeldOpen } else { Reason::OpensEarlier };
            let after = |n: usize| format!("{} after {n} of all messages", event.made.flags());
            let reason = (captured_before > before).then_some(reason);
            differences.push(difference(event, ComparedField::Order, after(before), after(captured_before), reason));
        }
    }
    times(&messages, difference, differences);
}

/// When messages leave, counted from the first.
fn times(
    messages: &[PairedEvent<'_>],
    difference: impl Fn(&PairedEvent<'_>, ComparedField, String, String, Option<Reason>) -> Difference,
    differences: &mut Vec<Difference>,
) {
    let Some(first) = messages.first() else { return };
    for event in messages {
        let since = |segment: &RecordedSegment, first: &RecordedSegment| {
            segment.time.zip(first.time).map(|(time, first)| time.as_nanos().saturating_sub(first.as_nanos()))
        };
        let made = since(event.made, first.made);
        let Some((made, captured)) = made.zip(since(event.captured, first.captured)) else { continue };
        if made != captured {
            let is_late = Duration::from_nanos(made.abs_diff(captured)) <= WOKEN_MAX;
            let reason = if is_late { Reason::Woken } else { Reason::OtherSpeed };
            let seconds = |nanos: i64| {
                let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
                format!("{sign}{}.{:09} s", nanos / 1_000_000_000, nanos % 1_000_000_000)
            };
            differences.push(difference(event, ComparedField::Time, seconds(made), seconds(captured), Some(reason)));
        }
    }
}
