//! Checksums with their calculation.

use maud::{Markup, html};

use crate::show::{ChecksumSteps, ChecksumView, FrameView};

/// A frame's checksums, each with its state and calculation.
pub(crate) fn checksums(view: &FrameView<'_>) -> Markup {
    html! {
        @if !view.checksums.is_empty() {
            section {
                h2 { "Checksums" }
                @for checksum in &view.checksums { (checksum_section(checksum)) }
            }
        }
    }
}

fn checksum_section(checksum: &ChecksumView) -> Markup {
    html! {
        h3 {
            (checksum.layer) " checksum: " code { "0x" (checksum.found) } " "
            span class={ "state " (checksum.state) } { (checksum.state) }
        }
        p { (checksum.sentence) }
        @if let Some(work) = &checksum.work { (calculation(checksum, work)) }
    }
}

fn calculation(checksum: &ChecksumView, work: &ChecksumSteps) -> Markup {
    html! {
        table.work {
            caption { "The sum of all 16-bit words that the " (checksum.layer) " checksum covers" }
            thead { tr { th scope="col" { "Part" } th scope="col" { "Words, or their sum" } } }
            tbody {
                @for part in &work.parts {
                    @for (i, words) in part.words.iter().enumerate() {
                        tr {
                            th scope="row" {
                                @if i == 0 { (part.name) " " }
                                @if !words.label.is_empty() { span.why { (words.label) } }
                            }
                            td.words { @for line in words.lines() { div { (line) } } }
                        }
                    }
                    tr {
                        th scope="row" { span.why { "sum of the " (part.name) } }
                        td.words { (format!("{:#x}", part.sum)) }
                    }
                }
                @for (name, step) in work.steps() {
                    tr { th scope="row" { (name) } td.words { (step) } }
                }
            }
        }
    }
}
