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

/// Above this number of points, points are smaller.
const SPARSE_MAX: usize = 120;

/// The data of a plot of round-trip times: a bounded number of columns.
#[derive(Debug)]
pub struct RoundTrip {
    span: TimeSpan,
    sides: [SideRoundTrips; 2],
}

/// The times of one side's segments.
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
    pub fn segment(&mut self, segment: &DrawnSegment<'_>) {
        if let Some(took) = segment.tcp.and_then(|tcp| tcp.round_trip_nanos) {
            let other = &mut self.sides[segment.from.other().index()];
            other.trips.add(took);
            let column = &mut other.columns[self.span.column(segment.nanos)];
            let (least, most) = column.unwrap_or((took, took));
            *column = Some((least.min(took), most.max(took)));
        }
    }

    /// Minimum, median and maximum of the client's segments, and of the server's.
    #[must_use]
    pub fn times(&self) -> [Option<RoundTripTimes>; 2] {
        self.sides.each_ref().map(|times| times.trips.clone().times())
    }

    /// Whether no round-trip time was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends().is_none()
    }

    /// The minimum and the maximum of both sides.
    fn ends(&self) -> Option<(u64, u64)> {
        let times = self.sides.iter().flat_map(|times| &times.columns).flatten();
        times.copied().reduce(|(least, most), (low, high)| (least.min(low), most.max(high)))
    }

    /// A description in one or two sentences.
    #[must_use]
    pub fn caption(&self) -> String {
        let mut text = String::new();
        for (side, times) in [Side::Client, Side::Server].into_iter().zip(self.times()) {
            let Some(times) = times else { continue };
            let (other, least) = (side.other(), Unit::Time.say(times.min_nanos));
            let _ = match times.count {
                1 => write!(text, "The {other} acknowledges what the {side} sends once, after {least}. "),
                n => write!(
                    text,
                    "The {other} acknowledges what the {side} sends {n} times, after {least} to {}; the median is {}. ",
                    Unit::Time.say(times.max_nanos),
                    Unit::Time.say(times.median_nanos),
                ),
            };
        }
        text.push_str(
            "The scale is logarithmic: each tenfold takes as much room as the next. What was sent twice is not timed, \
             as nobody can tell which of the two was acknowledged.",
        );
        let _ = write!(
            text,
            " Times within {} are drawn from the least to the most.",
            Unit::Time.say(self.span.column_nanos())
        );
        text
    }

    /// Draws the plot.
    #[must_use]
    pub fn svg(&self) -> Markup {
        let caption = self.caption();
        let across = self.span.axis();
        let up = Axis::powers(Unit::Time, self.ends().unwrap_or((1, 1)), (BOTTOM, TOP));
        let points: usize = self.sides.iter().map(|times| times.columns.iter().flatten().count()).sum();
        let radius = Px(if points > SPARSE_MAX { 18 } else { 32 });
        let marks = [Side::Client, Side::Server].map(|side| {
            let points = self.sides[side.index()].columns.iter().enumerate();
            let points = points.filter_map(|(i, ends)| ends.map(|(least, most)| (i, least, most)));
            side_color(side).group(&html! {
                @for (i, least, most) in points {
                    @let (x, low, high) = (TimeSpan::place(i), up.place(least), up.place(most));
                    @if high != low { line x1=(x) y1=(low) x2=(x) y2=(high) stroke="currentColor" stroke-width="1" {} }
                    (point(side, x, low, radius))
                    @if high != low { (point(side, x, high, radius)) }
                }
            })
        });
        let legend = [Side::Client, Side::Server].map(|side| {
            (side_color(side).group(&point(side, Px(0), Px(0), Px(32))), format!("segment of the {side}, acknowledged"))
        });
        let plot = Plot {
            title: "Round-trip times",
            description: &caption,
            across: (TimeSpan::NAME, &across),
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
