//! Which segments belong together.

use std::ops::Range;

use super::{Conversation, Segment};
use crate::analyze::Transport;
use crate::side::Side;
use crate::wire::tcp::Flags;

/// Segments that belong together: one of each, as a rule; none on one side if the other has nothing like it; several
/// where one stream was cut in other places than the other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Line {
    /// The synthesised ones, by their index in their conversation.
    pub made: Vec<usize>,
    /// The captured ones.
    pub captured: Vec<usize>,
}

/// What a segment is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Syn,
    Data,
    Fin,
    Reset,
    Ack,
    /// Nothing but what was sent before.
    Again,
}

/// What each segment of a conversation is for.
pub(super) fn kinds(conversation: &Conversation) -> Vec<Kind> {
    let mut reached = [0; 2];
    let mut has_syn = [false; 2];
    let mut has_fin = [false; 2];
    let kind = |segment: &Segment| {
        let (side, flags) = (segment.from.index(), segment.flags());
        if conversation.transport() == Transport::Udp {
            Kind::Data
        } else if flags.contains(Flags::RST) {
            Kind::Reset
        } else if flags.contains(Flags::SYN) {
            if std::mem::replace(&mut has_syn[side], true) { Kind::Again } else { Kind::Syn }
        } else if !segment.is_empty() {
            let is_new = segment.bytes.end > reached[side];
            reached[side] = segment.bytes.end.max(reached[side]);
            has_fin[side] |= flags.contains(Flags::FIN);
            if is_new { Kind::Data } else { Kind::Again }
        } else if flags.contains(Flags::FIN) {
            if std::mem::replace(&mut has_fin[side], true) { Kind::Again } else { Kind::Fin }
        } else {
            Kind::Ack
        }
    };
    conversation.segments().iter().map(kind).collect()
}

/// The segments of two conversations, those that belong together on one line; the lines in the order of the
/// synthesised ones, and the captured ones that have no part between them where they came.
pub(super) fn lines(made: &Conversation, captured: &Conversation) -> Vec<Line> {
    let kinds = [kinds(made), kinds(captured)];
    let mut lines = Vec::new();
    for side in [Side::Client, Side::Server] {
        let of = |conversation: &Conversation, kinds: &[Kind], kind: Kind| -> Vec<usize> {
            let segments = conversation.segments().iter().zip(kinds).enumerate();
            segments.filter(|(_, (segment, is))| segment.from == side && **is == kind).map(|(at, _)| at).collect()
        };
        let both = |kind: Kind| [of(made, &kinds[0], kind), of(captured, &kinds[1], kind)];
        for kind in [Kind::Syn, Kind::Fin, Kind::Reset, Kind::Again] {
            one_by_one(both(kind), &mut lines);
        }
        match made.transport() {
            Transport::Udp => one_by_one(both(Kind::Data), &mut lines),
            Transport::Tcp => {
                let range = |conversation: &Conversation, at: usize| conversation.segments()[at].bytes.clone();
                by_place(both(Kind::Data), |at| range(made, at), |at| range(captured, at), &mut lines);
            }
        }
        let [made_acks, mut captured_acks] = both(Kind::Ack);
        for at in made_acks {
            let ack = made.segments()[at].ack();
            let same = captured_acks.iter().position(|&other| captured.segments()[other].ack() == ack);
            let captured = same.map(|place| captured_acks.remove(place)).into_iter().collect();
            lines.push(Line { made: vec![at], captured });
        }
        lines.extend(captured_acks.into_iter().map(|at| Line { made: Vec::new(), captured: vec![at] }));
    }
    in_order(lines)
}

/// The first with the first, the second with the second.
fn one_by_one([made, captured]: [Vec<usize>; 2], lines: &mut Vec<Line>) {
    let get = |list: &[usize], at: usize| list.get(at).copied().into_iter().collect();
    for at in 0..made.len().max(captured.len()) {
        lines.push(Line { made: get(&made, at), captured: get(&captured, at) });
    }
}

/// Those that carry the same bytes: a line ends where both have come to the same place.
fn by_place(
    [made, captured]: [Vec<usize>; 2],
    made_bytes: impl Fn(usize) -> Range<u64>,
    captured_bytes: impl Fn(usize) -> Range<u64>,
    lines: &mut Vec<Line>,
) {
    let (mut made, mut captured) = (made.into_iter(), captured.into_iter());
    loop {
        let mut line = Line::default();
        line.made.extend(made.next());
        line.captured.extend(captured.next());
        if let ([one], [other]) = (&line.made[..], &line.captured[..]) {
            let (mut made_end, mut captured_end) = (made_bytes(*one).end, captured_bytes(*other).end);
            while made_end != captured_end {
                if made_end < captured_end {
                    let Some(at) = made.next() else { break };
                    line.made.push(at);
                    made_end = made_end.max(made_bytes(at).end);
                } else {
                    let Some(at) = captured.next() else { break };
                    line.captured.push(at);
                    captured_end = captured_end.max(captured_bytes(at).end);
                }
            }
        } else if line == Line::default() {
            return;
        }
        lines.push(line);
    }
}

/// Lines in the order of the synthesised segments; one without, after the line of the captured segment before its own.
fn in_order(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by_key(|line| (line.made.first().copied().unwrap_or(usize::MAX), line.captured.first().copied()));
    let n_made = lines.partition_point(|line| !line.made.is_empty());
    for line in lines.split_off(n_made) {
        let own = line.captured.first().copied();
        let before = lines.iter().rposition(|other| other.captured.first().is_some_and(|at| Some(*at) < own));
        lines.insert(before.map_or(0, |at| at + 1), line);
    }
    lines
}
