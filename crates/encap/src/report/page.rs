//! The report as one self-contained HTML page: no script, no other file.

mod conversations;
mod drawings;
mod summary;
mod transcript;

use maud::{Markup, html};

use super::Report;
use crate::show::html as show;

/// Style rules in addition to those of a frame.
const STYLE: &str = include_str!("page/style.css");

/// Renders the page.
#[must_use]
pub fn page(report: &Report) -> Markup {
    let Report { file, summary, diagrams, frame } = report;
    let chosen = summary.chosen.as_ref();
    show::page_with(
        &format!("Report on {file}"),
        STYLE,
        &html! {
            (summary::origin(summary))
            nav aria-label="Parts of this report" {
                ul {
                    li { a href="#summary" { "Summary" } }
                    li { a href="#conversations" { "Conversations" } }
                    @if let Some(chosen) = chosen {
                        li { a href="#drawings" { "Diagrams of " (conversation_name(chosen)) } }
                    }
                    li { a href="#transcript" { "Chat transcript" } }
                    @if let Some(frame) = frame { li { a href="#frame" { "Frame " (frame.number) } } }
                }
            }
            (summary::summary(report))
            (conversations::conversations(summary))
            @if let (Some(chosen), Some(diagrams)) = (chosen, diagrams) { (drawings::drawings(chosen, diagrams)) }
            (transcript::transcript(summary))
            @if let Some(frame) = frame {
                section #frame {
                    h2 { "Frame " (frame.number) ", layer by layer" }
                    p.faint { "This frame is shown because it is " (frame.why) "." }
                    (frame.markup)
                }
            }
        },
    )
}

/// `TCP 3`.
fn conversation_name(conversation: &crate::analyze::Conversation) -> String {
    format!("{} {}", conversation.transport, conversation.number)
}
