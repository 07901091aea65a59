//! A frame, or a list of frames, as a self-contained HTML page: no scripts, no external files.
//!
//! [`frame`] and [`list`] give the body, and [`page`] the page around it. Each `id` starts with the frame's number, so
//! several frames fit one page.
//!
//! Hovering over a field highlights its bytes, and hovering over a byte highlights its fields. The rules come with the
//! dump and use the CSS selector `:has()`. A browser without it shows the page without highlights.

mod bytes;
mod checks;
mod header;
mod nesting;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{FrameSummary, FrameView, LayerView, count};

pub(crate) use bytes::dump;
pub(crate) use checks::checksums;
pub(crate) use header::fields;
pub(crate) use nesting::layers;

/// Style sheet of all parts.
pub(crate) const STYLE: &str = include_str!("html/style.css");

/// A complete page around `body`.
#[must_use]
pub fn page(title: &str, body: &Markup) -> Markup {
    page_with(title, "", body)
}

/// A complete page around `body`, with an additional style sheet.
pub(crate) fn page_with(title: &str, style: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                // An empty icon, so that no browser requests one.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) (PreEscaped(style)) }
            }
            body {
                main {
                    h1 { (title) }
                    (body)
                }
            }
        }
    }
}

/// All parts of a frame.
#[must_use]
pub fn frame(view: &FrameView<'_>) -> Markup {
    html! {
        article id=(frame_id(view)) {
            (row(view))
            (metadata(view))
            (layers(view))
            div.columns {
                (dump(view))
                div.headers {
                    h2 { "Headers, field by field" }
                    p.faint {
                        "Hovering over a field highlights its bytes; hovering over a byte highlights its fields."
                    }
                    @for (i, layer) in view.layers.iter().enumerate().filter(|(_, layer)| !layer.fields.is_empty()) {
                        (fields(view, i, layer))
                    }
                }
            }
            (checksums(view))
        }
    }
}

/// The row that the frame carries. Empty if the frame was not synthesised from a row.
pub(crate) fn row(view: &FrameView<'_>) -> Markup {
    html! {
        @if let Some(row) = &view.row {
            section {
                h2 { (row.heading()) }
                div.box.payload {
                    p { code { (row.message()) } }
                    p.detail { (row.carried_part()) }
                }
            }
        }
    }
}

/// Metadata and issues of a frame.
pub(crate) fn metadata(view: &FrameView<'_>) -> Markup {
    let captured = if view.is_cut() { format!(", of which {} were captured", view.bytes.len()) } else { String::new() };
    html! {
        p {
            "Frame " (view.number) ": " (count(view.original_len as usize, "byte")) (captured)
            ", link type " (view.link_type)
            @if let Some(time) = &view.time { ", " time datetime=(time) { (time) } }
            @if let Some(since) = &view.since_first { ", " (since) " s after the first" }
            "."
        }
        @for comment in &view.comments {
            p { strong { "Comment: " } (comment) }
        }
        @if !view.issues.is_empty() {
            div.issues role="note" {
                @for issue in &view.issues {
                    p { strong { "Byte " (issue.place.byte) ": " } (issue.kind.to_string()) }
                }
            }
        }
    }
}

/// A frame, collapsed to one line. A link to the frame expands it.
#[must_use]
pub fn folded(view: &FrameView<'_>) -> Markup {
    html! {
        details {
            summary { "Frame " (view.number) ": " (view.wrapping()) }
            (frame(view))
        }
    }
}

/// A table of frames, followed by each frame in full. `has_more` says whether further frames follow these.
#[must_use]
pub fn list(frames: &[FrameSummary], folded: &[Markup], has_more: bool) -> Markup {
    html! {
        table.frames {
            caption { (count(frames.len(), "frame")) @if has_more { ", the first of the capture" } }
            thead {
                tr {
                    th.number scope="col" { "frame" }
                    th.number scope="col" { "time, s" }
                    th scope="col" { "source → destination" }
                    th scope="col" { "protocol" }
                    th.number scope="col" { "bytes" }
                    th scope="col" { "info" }
                }
            }
            tbody {
                @for line in frames {
                    tr {
                        th.number scope="row" { a href={ "#f" (line.number) } { (line.number) } }
                        td.number { (line.since_first.as_deref().unwrap_or("-")) }
                        td { (line.source) " → " (line.destination) }
                        td { (line.protocol) }
                        td.number { (line.length) }
                        td {
                            (line.info())
                            @for remark in &line.remarks { " " span.why { (remark) } }
                        }
                    }
                }
            }
        }
        h2 { "Each frame" }
        @for frame in folded { (frame) }
    }
}

/// The `id` of a frame, the prefix of all its other `id`s.
fn frame_id(view: &FrameView<'_>) -> String {
    format!("f{}", view.number)
}

/// The letter of a layer, in the layer's colour.
fn layer_letter(layer: &LayerView) -> Markup {
    html! { span class={ "key " (layer.stage.name()) } { (layer.mark) } }
}
