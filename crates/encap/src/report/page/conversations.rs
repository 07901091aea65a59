//! The table of conversations, and the flags of each with their reasons.

use maud::{Markup, html};

use super::conversation_name;
use crate::analyze::{Conversation, DirectionSummary, End, Event, Handshake, Transport};
use crate::report::axis::Unit;
use crate::report::{CaptureSummary, LISTED_MAX};
use crate::show::count;

/// If all conversations together have at most this many remarks, each list of remarks is open.
const UNFOLDED_MAX: usize = 40;

pub(super) fn conversations(summary: &CaptureSummary) -> Markup {
    let listed = &summary.listed;
    let is_same = |a: &Conversation, b: &Conversation| (a.transport, a.number) == (b.transport, b.number);
    let is_drawn = |c: &Conversation| summary.chosen.as_ref().is_some_and(|chosen| is_same(chosen, c));
    // The drawn conversation is always in the table, even after the first `LISTED_MAX`.
    let unlisted = summary.chosen.iter().filter(|chosen| !listed.iter().any(|c| is_same(c, chosen)));
    let all: Vec<&Conversation> = listed.iter().chain(unlisted).collect();
    let not_listed = summary.totals.conversations.saturating_sub(all.len() as u64);
    let remarkable: Vec<_> = all.iter().filter(|c| !c.flags.is_empty() || c.reset_cause.is_some()).collect();
    let n_remarks: usize = remarkable.iter().map(|c| c.flags.len()).sum();
    html! {
        section #conversations {
            h2 { "Conversations" }
            @if all.is_empty() {
                p { "There is none: the capture has no readable TCP or UDP packet." }
            } @else {
                p.faint {
                    "Bytes are those of the payload, without retransmissions. The column \"acknowledged\" has the "
                    "median round-trip time of the client's segments, and that of the server's segments."
                }
                div.scroll tabindex="0" role="region" aria-label="Table of conversations" {
                    table.conversations {
                        thead {
                            tr {
                                th scope="col" { "number" }
                                th scope="col" { "client" }
                                th scope="col" { "server" }
                                th scope="col" { "handshake" }
                                th scope="col" { "end" }
                                th.number scope="col" { "segments" }
                                th.number scope="col" { "bytes →" }
                                th.number scope="col" { "bytes ←" }
                                th.number scope="col" { "retransmissions" }
                                th.number scope="col" { "acknowledged →, ←" }
                                th.number scope="col" { "remarks" }
                            }
                        }
                        tbody { @for c in &all { (row(c, is_drawn(c))) } }
                    }
                }
                @if not_listed > 0 {
                    p { "Not listed: " (count(not_listed, "conversation")) " after the first " (LISTED_MAX) "." }
                }
            }
            @if !remarkable.is_empty() {
                h3 { "Remarks, with their reasons" }
                @for c in &remarkable { (remarks(c, n_remarks <= UNFOLDED_MAX || is_drawn(c))) }
            }
        }
    }
}

fn row(c: &Conversation, is_drawn: bool) -> Markup {
    let is_tcp = c.transport == Transport::Tcp;
    let n_remarks = c.flags.len() as u64 + c.flags_left_out();
    html! {
        tr class=[is_drawn.then_some("drawn")] {
            th scope="row" { (conversation_name(c)) @if is_drawn { " " a href="#drawings" { "drawn" } } }
            td { (c.client) }
            td { (c.server) }
            td { @if is_tcp { (handshake(c)) } @else { "–" } }
            td { @if is_tcp { (end(c)) } @else { "–" } }
            td.number { (c.segments()) }
            td.number { (c.from_client.bytes) }
            td.number { (c.from_server.bytes) }
            td.number { @if is_tcp { (c.counts.retransmissions()) } @else { "–" } }
            td.number { (median_round_trip(&c.from_client)) ", " (median_round_trip(&c.from_server)) }
            td.number { (n_remarks) }
        }
    }
}

fn handshake(c: &Conversation) -> String {
    match (c.handshake, c.handshake_nanos) {
        (Handshake::Complete, Some(nanos)) => format!("complete, {}", Unit::Time.format(nanos)),
        (Handshake::Complete, None) => "complete".into(),
        (Handshake::Partial, _) => "partial".into(),
        (Handshake::Refused, _) => "refused".into(),
        (Handshake::None, _) => "not seen".into(),
    }
}

fn end(c: &Conversation) -> &'static str {
    match c.end {
        End::Fin => "closed (FIN)",
        End::Reset => "reset",
        End::Open => "not seen",
    }
}

/// The median round-trip time of a direction's segments; a dash if none was measured.
fn median_round_trip(direction: &DirectionSummary) -> String {
    direction.round_trips.map_or_else(|| "–".into(), |times| Unit::Time.format(times.median_nanos))
}

/// The flags of a conversation, each with its reason.
fn remarks(c: &Conversation, is_open: bool) -> Markup {
    html! {
        details open[is_open] {
            summary { (conversation_name(c)) ": " (c.client) " ↔ " (c.server) }
            // The cause of a reset is shown even if its flag is beyond the limit of the list.
            @if let Some(cause) = c.reset_cause.filter(|_| !c.flags.iter().any(|flag| flag.event == Event::Reset)) {
                p { strong { "Reset: " } (cause.to_string()) "." }
            }
            ul.remarks {
                @for flag in &c.flags {
                    li {
                        span.faint { "frame " (flag.frame) ", " (flag.from) ": " }
                        strong { (flag.event.to_string()) } " — " (flag.why().to_string()) "."
                    }
                }
                @if c.flags_left_out() > 0 { li.faint { "and " (c.flags_left_out()) " more" } }
            }
        }
    }
}
