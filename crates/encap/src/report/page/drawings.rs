//! The drawings of one conversation, each with a caption.

use maud::{Markup, html};

use super::conversation_name;
use crate::analyze::{Conversation, Side, Transport};
use crate::report::Diagrams;

pub(super) fn drawings(conversation: &Conversation, diagrams: &Diagrams) -> Markup {
    let is_tcp = conversation.transport == Transport::Tcp;
    html! {
        section #drawings {
            h2 { (conversation_name(conversation)) ": " (conversation.client) " ↔ " (conversation.server) }
            h3 { "Sequence" }
            (figure("Sequence diagram", &diagrams.sequence.svg(diagrams.ends), &diagrams.sequence.caption()))
            @match &diagrams.over_time {
                None => p { "There are no drawings over time: all packets have the same time, or no time." },
                Some(over_time) => {
                    @if is_tcp {
                        h3 { "Time-sequence graphs" }
                        @for (side, drawing) in [Side::Client, Side::Server].iter().zip(&over_time.time_sequences) {
                            @if drawing.is_empty() {
                                p { "The " (side) " sends no payload: there is nothing to draw." }
                            } @else {
                                (figure(
                                    &format!("Time-sequence graph of the {side}"), &drawing.svg(), &drawing.caption()
                                ))
                            }
                        }
                        h3 { "Round-trip times" }
                        @if over_time.round_trip.is_empty() {
                            p { "No round-trip time could be measured." }
                        } @else {
                            (figure("Round-trip times", &over_time.round_trip.svg(), &over_time.round_trip.caption()))
                        }
                    }
                    h3 { "Throughput" }
                    @if over_time.throughput.is_empty() {
                        p { "No payload was sent." }
                    } @else {
                        (figure("Throughput", &over_time.throughput.svg(), &over_time.throughput.caption()))
                    }
                    @if !is_tcp {
                        p.faint { "UDP has no sequence numbers or acknowledgments, so there are no other drawings." }
                    }
                }
            }
        }
    }
}

fn figure(name: &str, drawing: &Markup, caption: &str) -> Markup {
    html! {
        figure {
            // A scrollable element must be reachable by keyboard.
            div.scroll tabindex="0" role="region" aria-label=(name) { (drawing) }
            figcaption { (caption) }
        }
    }
}
