//! The transcript of all chats, line by line.

use maud::{Markup, html};

use crate::report::{CaptureSummary, ENTRIES_MAX};
use crate::show::count;

/// Maximum characters shown of a line.
const LINE_MAX_CHARS: usize = 500;

pub(super) fn transcript(summary: &CaptureSummary) -> Markup {
    let verdict = &summary.verdict;
    let sessions = verdict.sessions();
    html! {
        section #transcript {
            h2 { "Chat transcript" }
            @if sessions == 0 {
                p { "No conversation is a chat in either dialect, as far as messages and ports show." }
            } @else if verdict.n_guessed_from_port > 0 {
                p.faint {
                    "The dialect of " (count(verdict.n_guessed_from_port, "session"))
                    " is a guess from the server's port: it may be another protocol."
                }
            }
            @if sessions > 0 {
                ul.verdict { @for line in verdict.to_string().lines() { li { (line) } } }
            }
            @if !summary.entries.is_empty() {
                table.talk {
                    thead {
                        tr {
                            th.number scope="col" { "frame" }
                            th.number scope="col" { "time, s" }
                            th scope="col" { "sender → receiver: line" }
                        }
                    }
                    tbody {
                        @for entry in &summary.entries {
                            tr {
                                th.number scope="row" { (entry.frame) }
                                td.number {
                                    @if let Some(since) = entry.since {
                                        (since.as_secs()) "." (format!("{:06}", since.subsec_micros()))
                                    }
                                }
                                td {
                                    span.line { (shortened(&entry.text)) }
                                    @if let Some(violation) = &entry.violation {
                                        span.violation { "▲ not allowed: " (violation.to_string()) }
                                    }
                                }
                            }
                        }
                    }
                }
                @if summary.entries_left_out > 0 {
                    p {
                        "Left out: " (count(summary.entries_left_out, "line")) " after the first " (ENTRIES_MAX)
                        ". encap chat prints all lines."
                    }
                }
            }
        }
    }
}

/// The first [`LINE_MAX_CHARS`] characters of a line.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(LINE_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
