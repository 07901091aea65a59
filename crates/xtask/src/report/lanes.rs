//! A timeline of several connections. Each connection has a lane, from its SYN to its end.

use maud::{Markup, html};
use switchboard_encap::report::axis::{Axis, Unit};
use switchboard_encap::report::plot::{ACROSS, Plot, TOP};
use switchboard_encap::report::svg_color::{SvgColor, side_color};
use switchboard_encap::side::Side;

use super::frames::Segment;

/// Height of a lane, in pixels.
const LANE: i64 = 30;
/// Maximum ticks of the time axis.
const TICKS: u64 = 8;

/// Draws the given connections. Each one has its number, and the name of its client as a label.
pub(super) fn svg(segments: &[Segment], connections: &[(u64, &str)]) -> String {
    let last = segments.iter().map(|segment| segment.nanos).max().unwrap_or(1);
    let across = Axis::linear(Unit::Time, last, ACROSS, TICKS);
    let lanes = connections.iter().zip(0..).map(|(&(number, name), lane)| {
        let own_segments: Vec<_> = segments.iter().filter(|segment| segment.connection == number).collect();
        let y = TOP + LANE / 2 + LANE * lane;
        html! { (label(name, y)) (draw_lane(&own_segments, y, &across)) }
    });
    let marks = html! { @for lane in lanes { (lane) } };
    let bottom = TOP + LANE * i64::try_from(connections.len()).unwrap_or_default();
    let tick = |side| data_tick(side, 0, 8);
    let legend = [
        (tick(Side::Client), "client says".to_owned()),
        (tick(Side::Server), "server says".to_owned()),
        (end_mark("FIN", 0, 0), "FIN".to_owned()),
        (end_mark("RST", 0, 0), "RST".to_owned()),
    ];
    let plot = Plot {
        title: "The connections of the run, side by side",
        description: "Each client has a lane from its SYN to its end, with a tick for each segment that carries data.",
        across: ("time", &across),
        up: &[],
        bottom,
        legend: &legend,
    };
    plot.svg(&marks).into_string()
}

fn label(name: &str, y: i64) -> Markup {
    SvgColor::Text.group(&html! { text x=(ACROSS.0 - 8) y=(y + 4) text-anchor="end" fill="currentColor" { (name) } })
}

fn draw_lane(segments: &[&Segment], y: i64, across: &Axis) -> Markup {
    // The axis counts in tenths of a pixel.
    let x_of = |segment: &Segment| across.place(segment.nanos).0 / 10;
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return html! {} };
    let (x1, x2) = (x_of(first), x_of(last));
    let line = html! { line x1=(x1) y1=(y) x2=(x2) y2=(y) stroke="currentColor" stroke-width="2" {} };
    html! {
        (SvgColor::Grid.group(&line))
        @for segment in segments.iter().filter(|segment| segment.bytes > 0) {
            (data_tick(segment.from, x_of(segment), y))
        }
        @for segment in segments { (end_mark(&segment.flags, x_of(segment), y)) }
    }
}

/// A tick for a segment with data: upwards for the client's data, downwards for the server's.
fn data_tick(from: Side, x: i64, y: i64) -> Markup {
    let to = if from == Side::Client { y - 9 } else { y + 9 };
    side_color(from).group(&html! { line x1=(x) y1=(y) x2=(x) y2=(to) stroke="currentColor" stroke-width="2" {} })
}

/// The mark of a connection's end: a ring for FIN, a cross for RST. Empty for other flags.
fn end_mark(flags: &str, x: i64, y: i64) -> Markup {
    if flags.contains("RST") {
        let path = format!("M{} {}l8 8m0 -8l-8 8", x - 4, y - 4);
        return SvgColor::Alert.group(&html! { path d=(path) stroke="currentColor" stroke-width="2" {} });
    }
    if flags.contains("FIN") {
        return SvgColor::Faint
            .group(&html! { circle cx=(x) cy=(y) r="3.5" stroke="currentColor" stroke-width="1.5" {} });
    }
    html! {}
}
