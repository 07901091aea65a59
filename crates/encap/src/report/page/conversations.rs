//! The table of conversations, and the flags of each with their reasons.

use maud::{Markup, html};

use super::name;
use crate::analyze::{Conversation, DirectionSummary, End, Event, Handshake, Transport};
use crate::report::axis::Unit;
use crate::report::{CaptureSummary, LISTED_MAX};
use crate::show::count;

/// Up to this number, remarks are shown unfolded.
const UNFOLDED_MAX: usize = 40;

pub(super) fn conversations(summary: &CaptureSummary) -> Markup {
    let listed = &summary.listed;
    let is_shown = |c: &Conversation| summary.chosen.as_ref().is_some_and(|chosen| name(chosen) == name(c));
    // The drawn conversation is always listed.
    let beyond = summary.chosen.iter().filter(|chosen| !listed.iter().any(|c| name(c) == name(chosen)));
    let all: Vec<&Conversation> = listed.iter().chain(beyond).collect();
    let not_listed = summary.totals.conversations.saturating_sub(all.len() as u64);
    let remarkable: Vec<_> = all.iter().filter(|c| !c.flags.is_empty() || c.reset_cause.is_some()).collect();
    let n_remarks: usize = remarkable.iter().map(|c| c.flags.len()).sum();
    html! {
        section #conversations {
            h2 { "Conversations" }
            @if all.is_empty() {
                p { "There is none: no packet is TCP or UDP that could be read." }
            } @else {
                p.faint {
                    "Bytes are payload, each counted once. Acknowledged is the median round-trip time of the client's "
                    "segments, and of the server's."
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
                                th.number scope="col" { "sent again" }
                                th.number scope="col" { "acknowledged →, ←" }
                                th.number scope="col" { "remarks" }
                            }
                        }
                        tbody { @for c in &all { (row(c, is_shown(c))) } }
                    }
                }
                @if not_listed > 0 {
                    p { (count(not_listed, "conversation")) " more, after the first " (LISTED_MAX) ", are not listed." }
                }
            }
            @if !remarkable.is_empty() {
                h3 { "What is remarkable, and why" }
                @for c in &remarkable { (remarks(c, n_remarks <= UNFOLDED_MAX || is_shown(c))) }
            }
        }
    }
}

fn row(c: &Conversation, is_shown: bool) -> Markup {
    let is_tcp = c.transport == Transport::Tcp;
    let (again, flags) = (c.counts.retransmissions(), c.flags.len() as u64 + c.flags_left_out());
    html! {
        tr class=[is_shown.then_some("shown")] {
            th scope="row" { (name(c)) @if is_shown { " " a href="#drawings" { "drawn" } } }
            td { (c.client) }
            td { (c.server) }
            td { @if is_tcp { (handshake(c)) } @else { "–" } }
            td { @if is_tcp { (end(c)) } @else { "–" } }
            td.number { (c.segments()) }
            td.number { (c.from_client.bytes) }
            td.number { (c.from_server.bytes) }
            td.number { @if is_tcp { (again) } @else { "–" } }
            td.number { (middle(&c.from_client)) ", " (middle(&c.from_server)) }
            td.number { (flags) }
        }
    }
}

fn handshake(c: &Conversation) -> String {
    match (c.handshake, c.handshake_nanos) {
        (Handshake::Complete, Some(nanos)) => format!("complete, {}", Unit::Time.say(nanos)),
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

fn middle(direction: &DirectionSummary) -> String {
    direction.round_trips.map_or_else(|| "–".into(), |times| Unit::Time.say(times.median_nanos))
}

/// The flags of a conversation, each with its reason.
fn remarks(c: &Conversation, is_open: bool) -> Markup {
    html! {
        details open[is_open] {
            summary { (name(c)) ": " (c.client) " ↔ " (c.server) }
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
