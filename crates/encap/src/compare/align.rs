//! Which segments belong together.

use std::ops::Range;

use super::{RecordedConversation, RecordedSegment};
use crate::analyze::Transport;
use crate::side::Side;
use crate::wire::tcp::Flags;

/// Segments that belong together: one of each, as a rule; none on one side if the other has nothing like it; several
/// where one stream was cut in other places than the other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SegmentGroup {
    /// The synthesised ones, by their index in their conversation.
    pub made: Vec<usize>,
    /// The captured ones.
    pub captured: Vec<usize>,
}

/// What a segment is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SegmentKind {
    Syn,
    Data,
    Fin,
    Reset,
    Ack,
    /// Nothing but what was sent before.
    Again,
}

/// What each segment of a conversation is for.
pub(super) fn kinds(conversation: &RecordedConversation) -> Vec<SegmentKind> {
    let mut reached = [0; 2];
    let mut has_syn = [false; 2];
    let mut has_fin = [false; 2];
    let kind = |segment: &RecordedSegment| {
        let (side, flags) = (segment.from.index(), segment.flags());
        if conversation.transport() == Transport::Udp {
            SegmentKind::Data
        } else if flags.contains(Flags::RST) {
            SegmentKind::Reset
        } else if flags.contains(Flags::SYN) {
            if std::mem::replace(&mut has_syn[side], true) { SegmentKind::Again } else { SegmentKind::Syn }
        } else if !segment.is_empty() {
            let is_new = segment.bytes.end > reached[side];
            reached[side] = segment.bytes.end.max(reached[side]);
            has_fin[side] |= flags.contains(Flags::FIN);
            if is_new { SegmentKind::Data } else { SegmentKind::Again }
        } else if flags.contains(Flags::FIN) {
            if std::mem::replace(&mut has_fin[side], true) { SegmentKind::Again } else { SegmentKind::Fin }
        } else {
            SegmentKind::Ack
        }
    };
    conversation.segments().iter().map(kind).collect()
}

/// The segments of two conversations, those that belong together on one line; the lines in the order of the
/// synthesised ones, and the captured ones that have no part between them where they came.
pub(super) fn group_segments(made: &RecordedConversation, captured: &RecordedConversation) -> Vec<SegmentGroup> {
    let kinds = [kinds(made), kinds(captured)];
    let mut groups = Vec::new();
    for side in [Side::Client, Side::Server] {
        let of = |conversation: &RecordedConversation, kinds: &[SegmentKind], kind: SegmentKind| -> Vec<usize> {
            let segments = conversation.segments().iter().zip(kinds).enumerate();
            segments.filter(|(_, (segment, is))| segment.from == side && **is == kind).map(|(at, _)| at).collect()
        };
        let both = |kind: SegmentKind| [of(made, &kinds[0], kind), of(captured, &kinds[1], kind)];
        for kind in [SegmentKind::Syn, SegmentKind::Fin, SegmentKind::Reset, SegmentKind::Again] {
            one_by_one(both(kind), &mut groups);
        }
        match made.transport() {
            Transport::Udp => one_by_one(both(SegmentKind::Data), &mut groups),
            Transport::Tcp => {
                let range = |conversation: &RecordedConversation, at: usize| conversation.segments()[at].bytes.clone();
                by_place(both(SegmentKind::Data), |at| range(made, at), |at| range(captured, at), &mut groups);
            }
        }
        let [made_acks, mut captured_acks] = both(SegmentKind::Ack);
        for at in made_acks {
            let ack = made.segments()[at].ack();
            let same = captured_acks.iter().position(|&other| captured.segments()[other].ack() == ack);
            let captured = same.map(|place| captured_acks.remove(place)).into_iter().collect();
            groups.push(SegmentGroup { made: vec![at], captured });
        }
        groups.extend(captured_acks.into_iter().map(|at| SegmentGroup { made: Vec::new(), captured: vec![at] }));
    }
    in_order(groups)
}

/// The first with the first, the second with the second.
fn one_by_one([made, captured]: [Vec<usize>; 2], groups: &mut Vec<SegmentGroup>) {
    let get = |list: &[usize], at: usize| list.get(at).copied().into_iter().collect();
    for at in 0..made.len().max(captured.len()) {
        groups.push(SegmentGroup { made: get(&made, at), captured: get(&captured, at) });
    }
}

/// Those that carry the same bytes: a line ends where both have come to the same place.
fn by_place(
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
        if let ([one], [other]) = (&group.made[..], &group.captured[..]) {
            let (mut made_end, mut captured_end) = (made_bytes(*one).end, captured_bytes(*other).end);
            while made_end != captured_end {
                if made_end < captured_end {
                    let Some(at) = made.next() else { break };
                    group.made.push(at);
                    made_end = made_end.max(made_bytes(at).end);
                } else {
                    let Some(at) = captured.next() else { break };
                    group.captured.push(at);
                    captured_end = captured_end.max(captured_bytes(at).end);
                }
            }
        } else if group == SegmentGroup::default() {
            return;
        }
        groups.push(group);
    }
}

/// Lines in the order of the synthesised segments; one without, after the line of the captured segment before its own.
fn in_order(mut groups: Vec<SegmentGroup>) -> Vec<SegmentGroup> {
    groups.sort_by_key(|group| (group.made.first().copied().unwrap_or(usize::MAX), group.captured.first().copied()));
    let n_made = groups.partition_point(|group| !group.made.is_empty());
    for group in groups.split_off(n_made) {
        let own = group.captured.first().copied();
        let before = groups.iter().rposition(|other| other.captured.first().is_some_and(|at| Some(*at) < own));
        groups.insert(before.map_or(0, |at| at + 1), group);
    }
    groups
}
