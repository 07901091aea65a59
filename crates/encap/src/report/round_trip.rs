//! Round-trip times over time: from each segment to its acknowledgment.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::axis::{Axis, Px, Unit};
use super::drawn_segment::DrawnSegment;
use super::plot::{COLUMNS, Plot, TOP};
use super::svg_color::side_color;
use super::time_span::TimeSpan;
use crate::analyze::{RoundTripTimes, RoundTrips, Side};

/// Bottom edge of the plot area, in pixels.
const BOTTOM: i64 = 240;

/// With more points than this, each point is smaller.
const SPARSE_MAX: usize = 120;

/// The data of a plot of round-trip times: a bounded number of columns.
#[derive(Debug)]
pub struct RoundTrip {
    span: TimeSpan,
    sides: [SideRoundTrips; 2],
}

/// The round-trip times of one side's segments.
#[derive(Debug)]
struct SideRoundTrips {
    trips: RoundTrips,
    /// Minimum and maximum of each column.
    columns: Vec<Option<(u64, u64)>>,
}

impl Default for SideRoundTrips {
    fn default() -> Self {
        Self { trips: RoundTrips::default(), columns: vec![None; COLUMNS] }
    }
}

impl RoundTrip {
    /// An empty plot over a span of time.
    #[must_use]
    pub fn new(span: TimeSpan) -> Self {
        Self { span, sides: Default::default() }
    }

    /// Adds the next segment.
    pub fn add(&mut self, segment: &DrawnSegment<'_>) {
        if let Some(nanos) = segment.tcp.and_then(|tcp| tcp.round_trip_nanos) {
            // The time belongs to the side whose segment is acknowledged here.
            let acknowledged = &mut self.sides[segment.from.other().index()];
            acknowledged.trips.add(nanos);
            let column = &mut acknowledged.columns[self.span.column(segment.nanos)];
            let (min, max) = column.unwrap_or((nanos, nanos));
            *column = Some((min.min(nanos), max.max(nanos)));
        }
    }

    /// Minimum, median and maximum of the client's segments, and of the server's.
    #[must_use]
    pub fn times(&self) -> [Option<RoundTripTimes>; 2] {
        self.sides.each_ref().map(|side| side.trips.clone().times())
    }

    /// Whether no round-trip time was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.min_and_max().is_none()
    }

    /// The minimum and the maximum over both sides.
    fn min_and_max(&self) -> Option<(u64, u64)> {
        let columns = self.sides.iter().flat_map(|side| &side.columns).flatten();
        columns.copied().reduce(|(min, max), (low, high)| (min.min(low), max.max(high)))
    }

    /// The caption, in a few sentences.
    #[must_use]
    pub fn caption(&self) -> String {
        let mut text = String::new();
        for (side, times) in [Side::Client, Side::Server].into_iter().zip(self.times()) {
            let Some(times) = times else { continue };
            let [min, median, max] =
                [times.min_nanos, times.median_nanos, times.max_nanos].map(|nanos| Unit::Time.format(nanos));
            let _ = match times.count {
                1 => write!(text, "One round-trip time of the {side}'s segments was measured: {min}. "),
                n => write!(
                    text,
                    "{n} round-trip times of the {side}'s segments were measured: {min} to {max}, median {median}. ",
                ),
            };
        }
        text.push_str(
            "The scale is logarithmic. Retransmitted segments are not measured, because an acknowledgment does not \
             tell which copy it answers.",
        );
        let _ = write!(
            text,
            " Of several times within {}, the shortest and the longest are drawn, joined by a line.",
            Unit::Time.format(self.span.column_nanos())
        );
        text
    }

    /// Draws the plot.
    #[must_use]
    pub fn svg(&self) -> Markup {
        let caption = self.caption();
        let across = self.span.axis();
        let up = Axis::logarithmic(Unit::Time, self.min_and_max().unwrap_or((1, 1)), (BOTTOM, TOP));
        let n_points: usize = self.sides.iter().map(|side| side.columns.iter().flatten().count()).sum();
        let radius = Px(if n_points > SPARSE_MAX { 18 } else { 32 });
        let marks = [Side::Client, Side::Server].map(|side| {
            let columns = self.sides[side.index()].columns.iter().enumerate();
            let times = columns.filter_map(|(i, column)| column.map(|(min, max)| (i, min, max)));
            side_color(side).group(&html! {
                @for (i, min, max) in times {
                    @let (x, low, high) = (TimeSpan::place(i), up.place(min), up.place(max));
                    @if high != low { line x1=(x) y1=(low) x2=(x) y2=(high) stroke="currentColor" stroke-width="1" {} }
                    (point(side, x, low, radius))
                    @if high != low { (point(side, x, high, radius)) }
                }
            })
        });
        let legend = [Side::Client, Side::Server].map(|side| {
            (side_color(side).group(&point(side, Px(0), Px(0), Px(32))), format!("segments of the {side}"))
        });
        let plot = Plot {
            title: "Round-trip times",
            description: &caption,
            across: (TimeSpan::AXIS_TITLE, &across),
            up: &[("round-trip time", &up)],
            bottom: BOTTOM,
            legend: &legend,
        };
        plot.svg(&html! { @for mark in &marks { (mark) } })
    }
}

/// A disc for the client, a square for the server.
fn point(side: Side, x: Px, y: Px, radius: Px) -> Markup {
    let (left, top, width) = (Px(x.0 - radius.0), Px(y.0 - radius.0), Px(2 * radius.0));
    html! {
        @match side {
            Side::Client => circle cx=(x) cy=(y) r=(radius) fill="currentColor" {},
            Side::Server => rect
                x=(left) y=(top) width=(width) height=(width) stroke="currentColor" stroke-width="1.5" {},
        }
    }
}
