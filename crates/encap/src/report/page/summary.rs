//! Summary of the capture as a whole.

use maud::{Markup, html};
use switchboard_protocol::sanitize;

use crate::analyze::{LIVE_MAX, LIVE_MAX_BYTES};
use crate::capture::Interface;
use crate::report::axis::Unit;
use crate::report::byte_count::format_bytes;
use crate::report::{CaptureSummary, Report};
use crate::show::count;

/// Maximum interfaces that are listed. The others are counted.
const INTERFACES_MAX: usize = 8;

/// Whether the packets are synthesised or captured, if the capture says so.
pub(super) fn origin(summary: &CaptureSummary) -> Markup {
    let all = summary.totals.packets;
    html! {
        @match &summary.synthesised {
            Some((n, comment)) => {
                div.origin role="note" {
                    p {
                        strong { "Synthesised" } ": "
                        @if *n == all {
                            "the packets of this capture were made by a program; none was captured from a wire."
                        } @else {
                            (n) " of " (all) " packets were made by a program; the others were captured."
                        }
                    }
                    p { q { (sanitize(comment)) } }
                }
            }
            None => @for comment in &summary.remarks {
                p { strong { "Comment of the capture: " } (sanitize(comment)) }
            }
        }
    }
}

pub(super) fn summary(report: &Report) -> Markup {
    let Report { file, summary, .. } = report;
    let totals = &summary.totals;
    let span = totals.last.zip(totals.first).and_then(|(last, first)| last.since(first));
    let checksums = totals.checksums;
    let item = |name: &str, value: Markup| html! { div { dt { (name) } dd { (value) } } };
    html! {
        section #summary {
            h2 { "Summary" }
            dl.facts {
                (item("Capture", html! {
                    (file) ", " (summary.format.to_string()) ": " (count(totals.packets, "packet")) ", "
                    (format_bytes(totals.bytes)) " on the wire"
                }))
                @if let (Some(first), Some(last), Some(span)) = (totals.first, totals.last, span) {
                    (item("Time", html! {
                        "from " time datetime=(first.iso()) { (first.iso()) }
                        " to " time datetime=(last.iso()) { (last.iso()) }
                        ": " (Unit::Time.format(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
                    }))
                } @else if totals.packets > 0 {
                    (item("Time", html! { "the capture has no times" }))
                }
                (item("Interfaces", interfaces(&summary.interfaces)))
                @if let Some(application) = &summary.section.application {
                    (item("Written by", html! {
                        (sanitize(application)) @if let Some(os) = &summary.section.os { ", " (sanitize(os)) }
                    }))
                }
                (item("Conversations", html! {
                    (totals.conversations)
                    @if totals.retired > 0 {
                        "; " (totals.retired) " split, because more than " (LIVE_MAX)
                        " were open at the same time, or they took more than " (LIVE_MAX_BYTES >> 20)
                        " MiB of memory: the later frames of a split conversation are listed as a new one"
                    }
                }))
                @if totals.no_conversation.packets > 0 {
                    (item("In no conversation", html! {
                        (count(totals.no_conversation.packets, "packet")) ", "
                        (format_bytes(totals.no_conversation.bytes))
                        ": neither TCP nor UDP, or unreadable"
                        @if totals.fragments.packets > 0 {
                            "; of these, " (count(totals.fragments.packets, "fragment"))
                            " of incomplete packets"
                        }
                    }))
                }
                (item("Checksums", html! {
                    (checksums.valid) " valid, " (checksums.partial) " partial (left to the network card), "
                    (checksums.zeroed) " zeroed, "
                    @if checksums.wrong > 0 { strong { (checksums.wrong) " wrong" } } @else { "none wrong" }
                    ", " (checksums.uncheckable) " not verifiable"
                }))
            }
            @if has_problems(summary) {
                div.issues role="note" {
                    @if totals.packets == 0 { p { "The capture holds no packet." } }
                    @for issue in totals.issues.list() { p { (issue.to_string()) } }
                    @if totals.issues.left_out() > 0 {
                        p { "and " (count(totals.issues.left_out(), "issue")) " of other kinds" }
                    }
                    @for note in &summary.notes { p { (note) } }
                    @if let Some(damage) = &summary.damage { p { (damage) ": the rest of the file could not be read" } }
                }
            }
        }
    }
}

/// Whether the packets or the file have something to warn about.
fn has_problems(summary: &CaptureSummary) -> bool {
    let totals = &summary.totals;
    totals.packets == 0 || !totals.issues.list().is_empty() || !summary.notes.is_empty() || summary.damage.is_some()
}

fn interfaces(interfaces: &[Interface]) -> Markup {
    html! {
        @if interfaces.is_empty() { "the capture describes none" }
        @for (i, interface) in interfaces.iter().take(INTERFACES_MAX).enumerate() {
            @if i > 0 { "; " }
            @if let Some(name) = &interface.name { (sanitize(name)) ", " }
            "link type " (interface.link_type.to_string())
            @if let Some(dropped) = interface.dropped.filter(|dropped| *dropped > 0) {
                ", " (dropped) " packets dropped"
            }
        }
        @if interfaces.len() > INTERFACES_MAX { "; and " (interfaces.len() - INTERFACES_MAX) " more" }
    }
}
