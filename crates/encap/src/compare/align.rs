//! Aligns the segments of two paired conversations.

use std::ops::Range;

use super::{RecordedConversation, RecordedSegment};
use crate::analyze::Transport;
use crate::side::Side;
use crate::wire::tcp::Flags;

/// Segments that correspond to each other.
///
/// A group usually has one segment of each recording. A segment without a counterpart is alone in its group. If the
/// recordings cut a stream at different places, a group has several segments of one recording or of both.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SegmentGroup {
    /// The synthesised segments, by their index in the conversation.
    pub made: Vec<usize>,
    /// The captured segments, by their index in the conversation.
    pub captured: Vec<usize>,
}

/// The kind of a segment. Segments of one kind are aligned with each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SegmentKind {
    Syn,
    Data,
    Fin,
    Reset,
    /// A bare acknowledgment.
    Ack,
    Retransmission,
}

/// The kind of each segment of a conversation.
pub(super) fn kinds(conversation: &RecordedConversation) -> Vec<SegmentKind> {
    // For each side: the end of its data so far, and whether it has sent a SYN or a FIN.
    let mut data_end = [0; 2];
    let mut has_syn = [false; 2];
    let mut has_fin = [false; 2];
    let kind = |segment: &RecordedSegment| {
        let (side, flags) = (segment.from.index(), segment.flags());
        if conversation.transport() == Transport::Udp {
            SegmentKind::Data
        } else if flags.contains(Flags::RST) {
            SegmentKind::Reset
        } else if flags.contains(Flags::SYN) {
            if std::mem::replace(&mut has_syn[side], true) { SegmentKind::Retransmission } else { SegmentKind::Syn }
        } else if !segment.is_empty() {
            let is_new = segment.bytes.end > data_end[side];
            data_end[side] = segment.bytes.end.max(data_end[side]);
            has_fin[side] |= flags.contains(Flags::FIN);
            if is_new { SegmentKind::Data } else { SegmentKind::Retransmission }
        } else if flags.contains(Flags::FIN) {
            if std::mem::replace(&mut has_fin[side], true) { SegmentKind::Retransmission } else { SegmentKind::Fin }
        } else {
            SegmentKind::Ack
        }
    };
    conversation.segments().iter().map(kind).collect()
}

/// Aligns the segments of two conversations.
///
/// The groups are in the order of the synthesised segments. A captured segment without a counterpart follows the
/// segment that was captured before it.
pub(super) fn group_segments(made: &RecordedConversation, captured: &RecordedConversation) -> Vec<SegmentGroup> {
    let kinds = [kinds(made), kinds(captured)];
    let mut groups = Vec::new();
    for side in [Side::Client, Side::Server] {
        let indices = |conversation: &RecordedConversation, kinds: &[SegmentKind], wanted: SegmentKind| -> Vec<usize> {
            let segments = conversation.segments().iter().zip(kinds).enumerate();
            segments
                .filter(|(_, (segment, kind))| segment.from == side && **kind == wanted)
                .map(|(index, _)| index)
                .collect()
        };
        let indices_of_both = |kind: SegmentKind| [indices(made, &kinds[0], kind), indices(captured, &kinds[1], kind)];
        for kind in [SegmentKind::Syn, SegmentKind::Fin, SegmentKind::Reset, SegmentKind::Retransmission] {
            align_by_order(indices_of_both(kind), &mut groups);
        }
        match made.transport() {
            Transport::Udp => align_by_order(indices_of_both(SegmentKind::Data), &mut groups),
            Transport::Tcp => {
                let range =
                    |conversation: &RecordedConversation, index: usize| conversation.segments()[index].bytes.clone();
                align_by_range(
                    indices_of_both(SegmentKind::Data),
                    |index| range(made, index),
                    |index| range(captured, index),
                    &mut groups,
                );
            }
        }
        let [made_acks, mut captured_acks] = indices_of_both(SegmentKind::Ack);
        for made_index in made_acks {
            let ack = made.segments()[made_index].ack();
            let counterpart = captured_acks.iter().position(|&index| captured.segments()[index].ack() == ack);
            let captured = counterpart.map(|position| captured_acks.remove(position)).into_iter().collect();
            groups.push(SegmentGroup { made: vec![made_index], captured });
        }
        groups.extend(captured_acks.into_iter().map(|index| SegmentGroup { made: Vec::new(), captured: vec![index] }));
    }
    sort(groups)
}

/// Aligns segments of one kind by their order.
fn align_by_order([made, captured]: [Vec<usize>; 2], groups: &mut Vec<SegmentGroup>) {
    let index_at = |list: &[usize], position: usize| list.get(position).copied().into_iter().collect();
    for position in 0..made.len().max(captured.len()) {
        groups.push(SegmentGroup { made: index_at(&made, position), captured: index_at(&captured, position) });
    }
}

/// Aligns segments by their range of the stream. A group ends where segments of both recordings end at the same offset.
fn align_by_range(
    [made, captured]: [Vec<usize>; 2],
    made_bytes: impl Fn(usize) -> Range<u64>,
    captured_bytes: impl Fn(usize) -> Range<u64>,
    groups: &mut Vec<SegmentGroup>,
) {
    let (mut made, mut captured) = (made.into_iter(), captured.into_iter());
    loop {
        let mut group = SegmentGroup::default();
        group.made.extend(made.next());
        group.captured.extend(captured.next());
        if let ([made_first], [captured_first]) = (&group.made[..], &group.captured[..]) {
            let (mut made_end, mut captured_end) = (made_bytes(*made_first).end, captured_bytes(*captured_first).end);
            while made_end != captured_end {
                if made_end < captured_end {
                    let Some(index) = made.next() else { break };
                    group.made.push(index);
                    made_end = made_end.max(made_bytes(index).end);
                } else {
                    let Some(index) = captured.next() else { break };
                    group.captured.push(index);
                    captured_end = captured_end.max(captured_bytes(index).end);
                }
            }
        } else if group == SegmentGroup::default() {
            return;
        }
        groups.push(group);
    }
}

/// Sorts groups by their synthesised segments. A group without a synthesised segment follows the group of the previous
/// captured segment.
fn sort(mut groups: Vec<SegmentGroup>) -> Vec<SegmentGroup> {
    groups.sort_by_key(|group| (group.made.first().copied().unwrap_or(usize::MAX), group.captured.first().copied()));
    let n_made = groups.partition_point(|group| !group.made.is_empty());
    for group in groups.split_off(n_made) {
        let first = group.captured.first().copied();
        let previous =
            groups.iter().rposition(|other| other.captured.first().is_some_and(|index| Some(*index) < first));
        groups.insert(previous.map_or(0, |position| position + 1), group);
    }
    groups
}
