//! A comparison as text: a table of segments, and the kinds of differences with their reasons.

use std::fmt;

use switchboard_encap::compare::{
    Comparison, ConversationPair, Difference, DifferenceKind, RecordedConversation, RecordedSegment, SegmentGroup,
};
use switchboard_encap::diagnostic::{Diagnostics, Kind as _};
use switchboard_protocol::sanitize;

/// Maximum differences without a known reason that are listed; the others are counted.
const LISTED_MAX: usize = 100;

/// Maximum pairs of a field and a reason that are listed; the differences of other pairs are counted.
const KINDS_MAX: usize = 4_096;

/// Displays a comparison.
pub(super) struct Table<'a>(pub(super) &'a Comparison<'a>);

/// The headings of the columns.
const HEADINGS: [&str; 10] = ["made", "captured", "from", "flags", "seq", "ack", "bytes", "window", "row", "options"];

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pair in &self.0.conversations {
            write_conversation(f, pair)?;
        }
        let mut explained = Diagnostics::<DifferenceKind, KINDS_MAX>::default();
        let mut unexplained = Diagnostics::<DifferenceKind, LISTED_MAX>::default();
        for Difference { place, kind, .. } in &self.0.differences {
            match kind.reason {
                Some(_) => explained.add(*place, kind.clone()),
                None => unexplained.add(*place, kind.clone()),
            }
        }
        let mut kinds: Vec<_> = explained.list().iter().collect();
        kinds.sort_by_key(|kind| kind.place.field);
        if !kinds.is_empty() {
            writeln!(f, "Differences with a known reason:\n")?;
        }
        for kind in &kinds {
            write_difference(f, kind)?;
        }
        write_left_out(f, explained.left_out())?;
        if !unexplained.list().is_empty() {
            writeln!(f, "Differences without a known reason:\n")?;
            for unexplained in unexplained.list() {
                write_difference(f, unexplained)?;
            }
            write_left_out(f, unexplained.left_out())?;
            writeln!(f)?;
        }
        let n = self.0.differences.len();
        match unexplained.list().len() as u64 + unexplained.left_out() {
            0 if n == 0 => writeln!(f, "No differences"),
            0 => writeln!(f, "{n} differences of {} kinds, each with its reason", kinds.len()),
            n_unexplained => writeln!(f, "{n} differences, {n_unexplained} of them without a known reason"),
        }
    }
}

/// Writes the number of differences that are not listed, if there are any.
fn write_left_out(f: &mut fmt::Formatter<'_>, left_out: u64) -> fmt::Result {
    if left_out == 0 { Ok(()) } else { writeln!(f, "  … and {left_out} more: --json has all") }
}

/// Writes a difference in one line, and its reason in the next.
fn write_difference(f: &mut fmt::Formatter<'_>, difference: &Difference) -> fmt::Result {
    let Difference { place, count, kind } = difference;
    write!(f, "  {}: {kind}", place.field)?;
    if let Some(from) = place.from {
        write!(f, " of the {from}")?;
    }
    if *count > 1 {
        DifferenceKind::fmt_count(*count, f)?;
    }
    writeln!(f)?;
    kind.reason.map_or(Ok(()), |reason| writeln!(f, "      {reason}"))
}

fn write_conversation(f: &mut fmt::Formatter<'_>, pair: &ConversationPair<'_>) -> fmt::Result {
    let ConversationPair { made, captured, groups } = pair;
    let ends = |conversation: &RecordedConversation| {
        let [client, server] = conversation.ends();
        format!("{client} → {server}")
    };
    if let Some(title) = made.title() {
        write!(f, "{}, ", sanitize(title))?;
    }
    writeln!(f, "{} {}, captured as {}", made.transport(), ends(made), ends(captured))?;
    let rows: Vec<[String; HEADINGS.len()]> = groups.iter().map(|group| cells(pair, group)).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default().max(HEADINGS[column].len())
    };
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    let headings = HEADINGS.map(str::to_owned);
    for row in std::iter::once(&headings).chain(&rows) {
        let mut text = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            // These columns have numbers, which are aligned right.
            let is_number = matches!(HEADINGS[column], "made" | "captured" | "seq" | "ack" | "bytes");
            let padding = " ".repeat(width - cell.chars().count());
            let parts = if is_number { [" ", &padding, cell] } else { [" ", cell, &padding] };
            text.extend(parts);
            text.push(' ');
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    writeln!(f)
}

/// The cells of a table row. A cell has one value if the synthesised and the captured value are equal, and else both.
fn cells(pair: &ConversationPair<'_>, group: &SegmentGroup) -> [String; HEADINGS.len()] {
    let made: Vec<&RecordedSegment> = group.made.iter().map(|index| &pair.made.segments()[*index]).collect();
    let captured: Vec<&RecordedSegment> =
        group.captured.iter().map(|index| &pair.captured.segments()[*index]).collect();
    let joined = |made: Option<String>, captured: Option<String>| match (made, captured) {
        (Some(made), Some(captured)) if made != captured => format!("{made}|{captured}"),
        (made, captured) => made.or(captured).unwrap_or_default(),
    };
    let last_value = |value: &dyn Fn(&RecordedSegment) -> String| {
        let last = |segments: &[&RecordedSegment]| segments.last().map(|segment| value(segment));
        joined(last(&made), last(&captured))
    };
    let frames = |segments: &[&RecordedSegment]| match segments {
        [] => "-".to_owned(),
        [segment] => segment.frame.to_string(),
        [first, .., last] => format!("{}-{}", first.frame, last.frame),
    };
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let first_seq = |segments: &[&RecordedSegment]| segments.first().map(|segment| number(segment.seq()));
    let bytes = |segments: &[&RecordedSegment]| {
        let bytes: u64 = segments.iter().map(|segment| segment.len()).sum();
        (!segments.is_empty()).then(|| bytes.to_string())
    };
    let msg_ids: Vec<_> = made.iter().filter_map(|segment| segment.msg_id.as_deref()).collect();
    let row = match &msg_ids[..] {
        [] => String::new(),
        [first, .., last] if first != last => format!("{first}-{last}"),
        [first, ..] => (*first).to_owned(),
    };
    let is_tcp = made.iter().chain(&captured).any(|segment| segment.seq().is_some());
    let tcp_only = |text: String| if is_tcp { text } else { String::new() };
    [
        frames(&made),
        frames(&captured),
        made.first().or(captured.first()).map_or_else(String::new, |segment| segment.from.to_string()),
        tcp_only(last_value(&|segment| segment.flags().to_string())),
        tcp_only(joined(first_seq(&made), first_seq(&captured))),
        tcp_only(last_value(&|segment| number(segment.ack()))),
        joined(bytes(&made), bytes(&captured)),
        tcp_only(last_value(&|segment| segment.window().map_or_else(String::new, |window| window.to_string()))),
        sanitize(&row).into_owned(),
        last_value(&|segment| segment.options()),
    ]
}

#[cfg(test)]
mod tests {
    use switchboard_encap::compare::{ComparedField, FieldPlace, Reason};

    use super::*;

    #[test]
    fn explained_differences_that_are_not_listed_are_counted() {
        let place = FieldPlace { conversation: None, field: ComparedField::OtherFrames, from: None };
        let difference = |mtu| {
            let reason = Some(Reason::Mtu { mtu });
            let (made, captured) = ("1".to_owned(), "2".to_owned());
            Difference::new(place, DifferenceKind { made_frame: None, made, captured_frame: None, captured, reason })
        };
        let text = |n| {
            let differences = (0..n).map(difference).collect();
            Table(&Comparison { conversations: Vec::new(), differences }).to_string()
        };
        let max = u32::try_from(KINDS_MAX).expect("the bound fits");
        assert!(text(max + 2).contains("\n  … and 2 more: --json has all\n"));
        assert!(!text(max).contains("more: --json"));
    }
}
