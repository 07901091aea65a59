//! The time-sequence graph of one direction: bytes sent and bytes acknowledged over time.
//!
//! The form is that of Stevens (TCP/IP Illustrated, volume 1) and `tcptrace`: a bar for each segment from its first
//! sequence number to its last, below it a staircase of acknowledgments, above it the right edge of the window.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::axis::{Axis, Px, Unit};
use super::byte_count::format_bytes;
use super::drawn_segment::DrawnSegment;
use super::plot::{ACROSS, COLUMNS, Plot, TOP};
use super::svg_color::{SvgColor, side_color};
use super::time_span::TimeSpan;
use crate::analyze::Side;
use crate::show::count;

/// Bottom edge of the plot area, in pixels.
const BOTTOM: i64 = 300;

/// The data of a time-sequence graph: a bounded number of columns.
#[derive(Debug)]
pub struct TimeSequence {
    from: Side,
    span: TimeSpan,
    columns: Vec<SequenceColumn>,
    /// The largest number that was sent or acknowledged.
    last: u64,
    /// Segments of this side with payload, SYN or FIN.
    segments: u64,
    /// Payload bytes of these segments.
    bytes: u64,
    /// Number of these segments that are retransmissions.
    retransmissions: u64,
}

/// The segments within one column. Sequence numbers are relative to the SYN.
#[derive(Clone, Copy, Debug, Default)]
struct SequenceColumn {
    /// The range of numbers sent for the first time.
    sent: Option<(u64, u64)>,
    /// The range of numbers sent again.
    retransmitted: Option<(u64, u64)>,
    /// The largest acknowledgment number of the other side.
    acked: Option<u64>,
    /// The right edge of the other side's window at the end of the column.
    window_end: Option<u64>,
}

impl TimeSequence {
    /// An empty graph of one side's stream over a span of time.
    #[must_use]
    pub fn new(from: Side, span: TimeSpan) -> Self {
        Self {
            from,
            span,
            columns: vec![SequenceColumn::default(); COLUMNS],
            last: 0,
            segments: 0,
            bytes: 0,
            retransmissions: 0,
        }
    }

    /// Adds the next segment of either side.
    pub fn add(&mut self, segment: &DrawnSegment<'_>) {
        // A segment from before the start of the stream has a negative number. It is drawn at 0.
        let number = |relative: i64| u64::try_from(relative).unwrap_or_default();
        let column = &mut self.columns[self.span.column(segment.nanos)];
        let Some(tcp) = &segment.tcp else { return };
        if segment.from != self.from {
            let acked = tcp.ack.map(number);
            column.acked = column.acked.max(acked);
            column.window_end = tcp.window_end().map(number).or(column.window_end);
            self.last = self.last.max(acked.unwrap_or_default());
            return;
        }
        let (first, end) = (number(tcp.seq), number(tcp.end()));
        if first == end {
            return;
        }
        self.segments += 1;
        self.bytes += u64::from(tcp.len);
        self.last = self.last.max(end);
        let range = if tcp.is_retransmission() {
            self.retransmissions += 1;
            &mut column.retransmitted
        } else {
            &mut column.sent
        };
        let (low, high) = range.unwrap_or((first, end));
        *range = Some((low.min(first), high.max(end)));
    }

    /// Whether the side sent no payload.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The caption, in a few sentences.
    #[must_use]
    pub fn caption(&self) -> String {
        let Self { from, segments, bytes, retransmissions, .. } = *self;
        let mut text = format!(
            "The {from} sends {} with payload, SYN or FIN within {}: {} of payload",
            count(segments, "segment"),
            Unit::Time.format(self.span.nanos()),
            format_bytes(bytes),
        );
        match retransmissions {
            0 => text.push_str(", without retransmissions"),
            n => {
                let _ = write!(text, ", with {} (×)", count(n, "retransmission"));
            }
        }
        let _ = write!(
            text,
            ". A bar spans the sequence numbers of a segment, or of all segments within {}. The staircase shows how \
             far the {} has acknowledged them",
            Unit::Time.format(self.span.column_nanos()),
            from.other(),
        );
        text.push_str(match (self.has_window(), self.is_window_in_range()) {
            (false, _) => "; the end of its window is unknown, because the handshake was not captured.",
            (true, false) => "; the end of its window is always above the drawing.",
            (true, true) => "; the dotted line is the end of its window.",
        });
        text
    }

    /// Whether the end of the window is ever known.
    fn has_window(&self) -> bool {
        self.columns.iter().any(|column| column.window_end.is_some())
    }

    /// Whether the end of the window is ever low enough to be drawn.
    fn is_window_in_range(&self) -> bool {
        let top = self.sequence_axis().last();
        self.columns.iter().any(|column| column.window_end.is_some_and(|end| end <= top))
    }

    fn sequence_axis(&self) -> Axis {
        Axis::linear_to_tick(Unit::Bytes, self.last, (BOTTOM, TOP), 6)
    }

    /// Draws the graph.
    #[must_use]
    pub fn svg(&self) -> Markup {
        let (across, up) = (self.span.axis(), self.sequence_axis());
        let color = side_color(self.from);
        let sent = color.group(&html! { path d=(self.bars(&up)) stroke="currentColor" stroke-width="1.6" {} });
        let acked = SvgColor::Text.group(&html! {
            path d=(self.stairs(&up, |column| column.acked)) stroke="currentColor" stroke-width="1" {}
        });
        let retransmitted =
            SvgColor::Alert.group(&html! { path d=(self.crosses(&up)) stroke="currentColor" stroke-width="1.6" {} });
        let window_end = SvgColor::Faint.group(&html! {
            path d=(self.stairs(&up, |column| column.window_end.filter(|end| *end <= up.last())))
                stroke="currentColor" stroke-width="1.5" stroke-dasharray="1.5 3" {}
        });
        let mut legend = vec![
            (
                color.group(&html! { path d="M0 -6V6M-3 -6H3M-3 6H3" stroke="currentColor" stroke-width="1.6" {} }),
                "segment".to_owned(),
            ),
            (
                SvgColor::Text.group(&html! { path d="M-8 4H0V-4H8" stroke="currentColor" {} }),
                format!("acknowledged by the {}", self.from.other()),
            ),
        ];
        if self.retransmissions > 0 {
            let mark = html! { path d="M-4 -4L4 4M-4 4L4 -4" stroke="currentColor" stroke-width="1.6" {} };
            legend.push((SvgColor::Alert.group(&mark), "retransmission".to_owned()));
        }
        if self.is_window_in_range() {
            let mark = html! { path d="M-8 0H8" stroke="currentColor" stroke-width="1.5" stroke-dasharray="1.5 3" {} };
            legend.push((SvgColor::Faint.group(&mark), "end of the window".to_owned()));
        }
        let plot = Plot {
            title: &format!("Time-sequence graph of the {}", self.from),
            description: &self.caption(),
            across: (TimeSpan::AXIS_TITLE, &across),
            up: &[("sequence number", &up)],
            bottom: BOTTOM,
            legend: &legend,
        };
        plot.svg(&html! { (window_end) (acked) (sent) (retransmitted) })
    }

    /// An SVG path with a bar in each column with new data.
    fn bars(&self, up: &Axis) -> String {
        let mut path = String::new();
        for (i, column) in self.columns.iter().enumerate() {
            if let Some((low, high)) = column.sent {
                let (x, low, high) = (TimeSpan::place(i), up.place(low), up.place(high));
                let (left, right) = (Px(x.0 - 20), Px(x.0 + 20));
                let _ = write!(path, "M{x} {low}V{high}M{left} {low}H{right}M{left} {high}H{right}");
            }
        }
        path
    }

    /// An SVG path with a cross and a bar in each column with retransmissions.
    fn crosses(&self, up: &Axis) -> String {
        let mut path = String::new();
        for (i, column) in self.columns.iter().enumerate() {
            if let Some((low, high)) = column.retransmitted {
                let (x, low, high) = (TimeSpan::place(i), up.place(low), up.place(high));
                let y = i64::midpoint(low.0, high.0);
                let (left, right, above, below) = (Px(x.0 - 40), Px(x.0 + 40), Px(y - 40), Px(y + 40));
                let _ = write!(path, "M{x} {low}V{high}M{left} {above}L{right} {below}M{left} {below}L{right} {above}");
            }
        }
        path
    }

    /// An SVG path with a staircase: each value is kept until the next.
    fn stairs(&self, up: &Axis, value: impl Fn(&SequenceColumn) -> Option<u64>) -> String {
        let mut path = String::new();
        for (i, column) in self.columns.iter().enumerate() {
            if let Some(value) = value(column) {
                let (x, y) = (TimeSpan::place(i), up.place(value));
                let _ = if path.is_empty() { write!(path, "M{x} {y}") } else { write!(path, "H{x}V{y}") };
            }
        }
        if !path.is_empty() {
            let _ = write!(path, "H{}", ACROSS.1);
        }
        path
    }
}
