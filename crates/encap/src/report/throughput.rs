//! Throughput: bytes of payload in each direction, for each interval of time.

use maud::{Markup, html};

use super::axis::{Axis, Px, Unit, round_up};
use super::byte_count::format_bytes;
use super::drawn_segment::DrawnSegment;
use super::plot::{Plot, TOP};
use super::svg_color::side_color;
use super::time_span::TimeSpan;
use crate::analyze::Side;

/// Maximum bars of full length. One more bar covers the rest of the time.
const BARS_MAX: u64 = 60;
/// The zero line between the client's bars above and the server's below, in pixels from the top.
const MIDDLE: i64 = 150;
/// Bottom edge of the plot area, in pixels.
const BOTTOM: i64 = 266;

const NANOS_A_SECOND: u128 = 1_000_000_000;

/// The data of a throughput plot: a bounded number of bars.
#[derive(Debug)]
pub struct Throughput {
    span: TimeSpan,
    /// Interval of a bar, in nanoseconds.
    bar_nanos: u64,
    /// For each bar, the bytes of the client and those of the server.
    bars: Vec<[u64; 2]>,
    /// The bytes of the client and those of the server in all bars.
    bytes: [u64; 2],
}

impl Throughput {
    /// An empty plot over a span of time.
    #[must_use]
    pub fn new(span: TimeSpan) -> Self {
        let bar_nanos = round_up(span.nanos().div_ceil(BARS_MAX));
        let n = usize::try_from(span.nanos() / bar_nanos + 1).unwrap_or(1);
        Self { span, bar_nanos, bars: vec![[0; 2]; n], bytes: [0; 2] }
    }

    /// Adds the next segment or datagram.
    pub fn add(&mut self, segment: &DrawnSegment<'_>) {
        let i = usize::try_from(segment.nanos.min(self.span.nanos()) / self.bar_nanos).unwrap_or_default();
        let (side, len) = (segment.from.index(), u64::from(segment.len));
        self.bars[i][side] += len;
        self.bytes[side] += len;
    }

    /// Bytes of payload of the client, and of the server.
    #[must_use]
    pub const fn bytes(&self) -> [u64; 2] {
        self.bytes
    }

    /// Whether no payload was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == [0; 2]
    }

    /// Converts the bytes of one bar to bytes per second.
    fn rate(&self, bytes: u64) -> u64 {
        u64::try_from(u128::from(bytes) * NANOS_A_SECOND / u128::from(self.bar_nanos)).unwrap_or(u64::MAX)
    }

    /// The highest rate of a side's bars, in bytes per second.
    fn peak_rate(&self, side: Side) -> u64 {
        self.rate(self.bars.iter().map(|bytes| bytes[side.index()]).max().unwrap_or_default())
    }

    /// The caption, in a few sentences.
    #[must_use]
    pub fn caption(&self) -> String {
        let [client, server] = self.bytes.map(format_bytes);
        format!(
            "The client sends {client} of payload, at most {} in one bar. The server sends {server}, at most {}. Each \
             bar covers {}. Retransmitted payload counts again.",
            Unit::Rate.format(self.peak_rate(Side::Client)),
            Unit::Rate.format(self.peak_rate(Side::Server)),
            Unit::Time.format(self.bar_nanos),
        )
    }

    /// Draws the plot: the client's bars go up, the server's down.
    #[must_use]
    pub fn svg(&self) -> Markup {
        let across = self.span.axis();
        // Both directions have the same scale.
        let peak = self.peak_rate(Side::Client).max(self.peak_rate(Side::Server));
        let up = Axis::linear_to_tick(Unit::Rate, peak, (MIDDLE, TOP), 3);
        let down = Axis::linear_to_tick(Unit::Rate, peak, (MIDDLE, BOTTOM), 3);
        let marks = [(Side::Client, &up), (Side::Server, &down)].map(|(side, axis)| {
            let bars = self.bars.iter().map(|bytes| bytes[side.index()]).zip(0_u64..).filter(|(bytes, _)| *bytes > 0);
            side_color(side).group(&html! {
                @for (bytes, i) in bars {
                    (self.bar(side, i * self.bar_nanos, axis.place(self.rate(bytes)).0, &across))
                }
            })
        });
        let legend = [Side::Client, Side::Server].map(|side| {
            let mark = match side {
                Side::Client => html! { rect x="-5" y="-6" width="10" height="12" fill="currentColor" {} },
                Side::Server => html! {
                    rect
                        x="-4.5" y="-5.5" width="9" height="11"
                        fill="currentColor" fill-opacity=".25" stroke="currentColor" {}
                },
            };
            let direction = if side == Side::Client { "up" } else { "down" };
            (side_color(side).group(&mark), format!("from the {side} ({direction})"))
        });
        let plot = Plot {
            title: "Throughput",
            description: &self.caption(),
            across: (TimeSpan::AXIS_TITLE, &across),
            up: &[("client", &up), ("server", &down)],
            bottom: BOTTOM,
            legend: &legend,
        };
        plot.svg(&html! { @for mark in &marks { (mark) } })
    }

    /// The bar for the interval that begins at `start` nanoseconds, from the zero line to `end`, in tenths of a pixel.
    fn bar(&self, side: Side, start: u64, end: i64, across: &Axis) -> Markup {
        let (left, right) = (across.place(start), across.place(start.saturating_add(self.bar_nanos)));
        // Even a short bar is visible.
        let (width, height) = (Px((right.0 - left.0 - 10).max(15)), Px((end - MIDDLE * 10).abs().max(10)));
        let top = Px(if side == Side::Client { MIDDLE * 10 - height.0 } else { MIDDLE * 10 });
        html! {
            @match side {
                Side::Client => rect x=(left) y=(top) width=(width) height=(height) fill="currentColor" {},
                Side::Server => rect
                    x=(left) y=(top) width=(width) height=(height)
                    fill="currentColor" fill-opacity=".25" stroke="currentColor" {},
            }
        }
    }
}
