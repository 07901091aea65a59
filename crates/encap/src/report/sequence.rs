//! The sequence diagram: two lifelines, and an arrow for each segment.

use std::collections::VecDeque;
use std::net::SocketAddr;

use maud::{Markup, html};

use super::drawn_segment::DrawnSegment;
use super::plot::{WIDTH, drawing};
use super::svg_color::{SvgColor, side_color};
use crate::analyze::{Events, Side};
use crate::show::{count, escape};

/// Maximum segments drawn from the beginning of a conversation.
pub const FIRST_MAX: usize = 48;
/// Maximum segments drawn from its end.
pub const LAST_MAX: usize = 16;
/// Maximum bytes of payload shown below an arrow.
const TEXT_MAX_BYTES: usize = 48;
/// Maximum characters of payload shown below an arrow, after escaping.
const TEXT_MAX_CHARS: usize = 72;

/// The client's lifeline and the server's, in pixels from the left.
const LIFELINES: [i64; 2] = [168, 660];
/// Right edges of the frame numbers and of their times, in pixels.
const FRAME_RIGHT: i64 = 56;
const TIME_RIGHT: i64 = 152;
/// Top edge of the first row, in pixels.
const TOP: i64 = 64;
/// Height of an arrow with the label above it, in pixels.
const ARROW_HEIGHT: i64 = 26;
/// Height of each text line below an arrow, in pixels.
const TEXT_HEIGHT: i64 = 15;
/// Maximum length of an address that is centred at the server's lifeline, in characters.
const ADDRESS_MAX_CHARS: usize = 18;
/// Height of the gap for omitted segments, in pixels.
const GAP_HEIGHT: i64 = 44;

/// The data of a sequence diagram: the first and the last segments of a conversation.
#[derive(Debug, Default)]
pub struct Sequence {
    first: Vec<SequenceRow>,
    last: VecDeque<SequenceRow>,
    segments: u64,
}

/// A row of the diagram: one segment.
#[derive(Debug)]
struct SequenceRow {
    frame: u64,
    nanos: u64,
    from: Side,
    is_tcp: bool,
    /// The label above the arrow.
    header: String,
    /// The first bytes of the payload.
    payload: Vec<u8>,
    /// Length of the payload on the wire, in bytes.
    len: u32,
    /// The events of the segment. Empty if there are none.
    remark: String,
}

impl SequenceRow {
    fn new(segment: &DrawnSegment<'_>) -> Self {
        let header = match segment.tcp {
            None => format!("datagram · len {}", segment.len),
            Some(tcp) => {
                let ack = tcp.ack.map_or_else(String::new, |ack| format!(" · ack {ack}"));
                format!("{} · seq {}{ack} · len {}", tcp.flags, tcp.seq, tcp.len)
            }
        };
        let events = segment.tcp.map_or_else(Events::default, |tcp| tcp.events);
        let remarks: Vec<_> = events.iter().map(|event| event.to_string()).collect();
        Self {
            frame: segment.frame,
            nanos: segment.nanos,
            from: segment.from,
            is_tcp: segment.tcp.is_some(),
            header,
            payload: segment.payload[..segment.payload.len().min(TEXT_MAX_BYTES)].to_vec(),
            len: segment.len,
            remark: remarks.join(", "),
        }
    }

    /// The first bytes of the payload as text.
    fn text(&self) -> Option<String> {
        if self.payload.is_empty() {
            return None;
        }
        let (text, _) = escape::text(&self.payload, TEXT_MAX_BYTES);
        let is_cut = self.len as usize > self.payload.len() || text.chars().count() > TEXT_MAX_CHARS;
        let start: String = text.chars().take(TEXT_MAX_CHARS).collect();
        Some(if is_cut { format!("{start}…") } else { start })
    }

    fn height(&self) -> i64 {
        let n_texts = i64::from(!self.payload.is_empty()) + i64::from(!self.remark.is_empty());
        ARROW_HEIGHT + n_texts * TEXT_HEIGHT
    }
}

impl Sequence {
    /// Adds the next segment.
    pub fn add(&mut self, segment: &DrawnSegment<'_>) {
        self.segments += 1;
        if self.first.len() < FIRST_MAX {
            return self.first.push(SequenceRow::new(segment));
        }
        if self.last.len() == LAST_MAX {
            self.last.pop_front();
        }
        self.last.push_back(SequenceRow::new(segment));
    }

    /// Number of segments that are not drawn.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.segments - (self.first.len() + self.last.len()) as u64
    }

    /// The caption, in a few sentences.
    #[must_use]
    pub fn caption(&self) -> String {
        let noun = self.noun();
        let all = count(self.segments, noun);
        let drawn = match self.left_out() {
            0 if self.segments == 1 => format!("The only {noun} of the conversation"),
            0 => format!("All {all} of the conversation, in the order of the capture"),
            n => format!(
                "The first {} and the last {} of {all}, in the order of the capture; the {n} between them are left out",
                self.first.len(),
                self.last.len(),
            ),
        };
        let numbers = if self.is_tcp() {
            " Sequence and acknowledgment numbers are relative: the SYN of each side has number 0."
        } else {
            ""
        };
        let is_remarked = self.first.iter().chain(&self.last).any(|row| !row.remark.is_empty());
        let remarks = if is_remarked { " Remarks on a segment follow ▲." } else { "" };
        format!(
            "{drawn}. On the left are frame numbers and times since the first frame of the conversation. The start of \
             a payload is shown below its arrow.{numbers}{remarks}"
        )
    }

    fn is_tcp(&self) -> bool {
        self.first.iter().any(|row| row.is_tcp)
    }

    fn noun(&self) -> &'static str {
        if self.is_tcp() { "segment" } else { "datagram" }
    }

    /// Draws the diagram. `ends` are the client's address and port, and the server's.
    #[must_use]
    pub fn svg(&self, ends: (SocketAddr, SocketAddr)) -> Markup {
        let mut y = TOP;
        let mut rows = Vec::new();
        for row in &self.first {
            rows.push(draw_row(row, y));
            y += row.height();
        }
        if self.left_out() > 0 {
            rows.push(draw_gap(&count(self.left_out(), self.noun()), y));
            y += GAP_HEIGHT;
        }
        for row in &self.last {
            rows.push(draw_row(row, y));
            y += row.height();
        }
        let bottom = y + 12;
        let title = format!("Sequence diagram of {} and {}", ends.0, ends.1);
        drawing(
            &title,
            &self.caption(),
            bottom + 8,
            &html! {
                (lifeline(Side::Client, ends.0, bottom))
                (lifeline(Side::Server, ends.1, bottom))
                (SvgColor::Faint.group(&html! {
                    text x=(FRAME_RIGHT) y="58" text-anchor="end" font-size="11" fill="currentColor" { "frame" }
                    text x=(TIME_RIGHT) y="58" text-anchor="end" font-size="11" fill="currentColor" { "time, s" }
                }))
                @for row in &rows { (row) }
            },
        )
    }
}

fn lifeline(side: Side, end: SocketAddr, bottom: i64) -> Markup {
    let x = LIFELINES[side.index()];
    // A long IPv6 address with its port would pass the right edge if it were centred.
    let address = end.to_string();
    let (text_x, anchor) =
        if side == Side::Server && address.len() > ADDRESS_MAX_CHARS { (WIDTH - 8, "end") } else { (x, "middle") };
    side_color(side).group(&html! {
        text x=(text_x) y="16" text-anchor=(anchor) font-weight="700" fill="currentColor" { (side) }
        text x=(text_x) y="32" text-anchor=(anchor) font-size="11" fill="currentColor" { (address) }
        line x1=(x) y1="42" x2=(x) y2=(bottom) stroke="currentColor" stroke-width="2" {}
    })
}

/// Draws a row with its top edge at `y`.
fn draw_row(row: &SequenceRow, y: i64) -> Markup {
    let (from, to) = (LIFELINES[row.from.index()], LIFELINES[row.from.other().index()]);
    // The arrow is at the height `line`. `forward` is 1 for an arrow to the right, and -1 for one to the left.
    let (line, forward) = (y + ARROW_HEIGHT - 8, (to - from).signum());
    let middle = i64::midpoint(from, to);
    let (start, tip) = (from + 2 * forward, to - 3 * forward);
    let head = tip - 9 * forward;
    let micros = row.nanos / 1_000;
    let mut text_y = line - 1;
    let mut next_text_y = || {
        text_y += TEXT_HEIGHT;
        text_y
    };
    html! {
        (SvgColor::Faint.group(&html! {
            text x=(FRAME_RIGHT) y=(line + 4) text-anchor="end" font-size="11" fill="currentColor" { (row.frame) }
            text x=(TIME_RIGHT) y=(line + 4) text-anchor="end" font-size="11" fill="currentColor" {
                (micros / 1_000_000) "." (format!("{:06}", micros % 1_000_000))
            }
        }))
        (side_color(row.from).group(&html! {
            line x1=(start) y1=(line) x2=(head) y2=(line) stroke="currentColor" stroke-width="1.5" {}
            path d={ "M" (tip) " " (line) "L" (head) " " (line - 4) "V" (line + 4) "Z" } fill="currentColor" {}
        }))
        (SvgColor::Text.group(&html! {
            text x=(middle) y=(line - 5) text-anchor="middle" fill="currentColor" { (row.header) }
        }))
        @if let Some(text) = row.text() {
            (SvgColor::Payload.group(&html! {
                text x=(middle) y=(next_text_y()) text-anchor="middle" font-size="11" fill="currentColor"
                    font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" { (text) }
            }))
        }
        @if !row.remark.is_empty() {
            (SvgColor::Alert.group(&html! {
                text x=(middle) y=(next_text_y()) text-anchor="middle" font-size="11" fill="currentColor" {
                    "▲ " (row.remark)
                }
            }))
        }
    }
}

/// Draws the gap for the omitted segments that `text` counts, with its top edge at `y`.
fn draw_gap(text: &str, y: i64) -> Markup {
    let middle = i64::midpoint(LIFELINES[0], LIFELINES[1]);
    SvgColor::Faint.group(&html! {
        @for at in [y + 10, y + GAP_HEIGHT - 6] {
            line x1=(LIFELINES[0]) y1=(at) x2=(LIFELINES[1]) y2=(at) stroke="currentColor" stroke-dasharray="2 5" {}
        }
        text x=(middle) y=(y + 28) text-anchor="middle" fill="currentColor" { (text) " left out" }
    })
}
