//! A frame, or a list of frames, as one HTML page that needs nothing else: no script, no other file.
//!
//! The pieces stand alone, so that another page can take them: put [`STYLE`] in its head, then [`row`], [`about`], [`layers`],
//! [`dump`], [`fields`] and [`checksums`] where they are wanted, or [`frame`] for all of them. Every `id` begins with the
//! frame's number, so that several frames share a page.
//!
//! A field that is pointed at, or gone to, lights up its bytes, and the other way round: by `:has()`, in rules that
//! [`dump`] brings along. A browser that does not know it shows the same page, unlit.

mod bytes;
mod checks;
mod header;
mod nesting;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{FrameSummary, FrameView, LayerView, count};

pub use bytes::dump;
pub use checks::checksums;
pub use header::fields;
pub use nesting::layers;

/// What the pieces look like.
pub const STYLE: &str = include_str!("html/style.css");

/// A whole page around some pieces.
#[must_use]
pub fn page(title: &str, body: &Markup) -> Markup {
    page_with(title, "", body)
}

/// A whole page around some pieces, and others that bring a style of their own.
#[must_use]
pub fn page_with(title: &str, style: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                // An icon of its own, so that no browser asks for one.
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

/// A frame in full.
#[must_use]
pub fn frame(view: &FrameView<'_>) -> Markup {
    html! {
        article id=(id(view)) {
            (row(view))
            (about(view))
            (layers(view))
            div.columns {
                (dump(view))
                div.headers {
                    h2 { "Headers, field by field" }
                    p.faint { "A field that is pointed at lights up its bytes, and a byte its fields." }
                    @for (i, layer) in view.layers.iter().enumerate().filter(|(_, layer)| !layer.fields.is_empty()) {
                        (fields(view, i, layer))
                    }
                }
            }
            (checksums(view))
        }
    }
}

/// The row that a frame was made for, if that is known.
#[must_use]
pub fn row(view: &FrameView<'_>) -> Markup {
    html! {
        @if let Some(row) = &view.row {
            section {
                h2 { (row.heading()) }
                div.box.payload {
                    p { code { (row.message()) } }
                    p.said { (row.part()) }
                }
            }
        }
    }
}

/// What is known about a frame beside its bytes, and what is not as it should be.
#[must_use]
pub fn about(view: &FrameView<'_>) -> Markup {
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
                    p { strong { "Byte " (issue.at) ": " } (issue.what) }
                }
            }
        }
    }
}

/// A frame in full, folded under its one line: a link to it unfolds it.
#[must_use]
pub fn folded(view: &FrameView<'_>) -> Markup {
    html! {
        details {
            summary { "Frame " (view.number) ": " (view.wrapping()) }
            (frame(view))
        }
    }
}

/// Frames in a list, and each in full below.
#[must_use]
pub fn list(lines: &[FrameSummary], folded: &[Markup], more: bool) -> Markup {
    html! {
        table.frames {
            caption { (count(lines.len(), "frame")) @if more { ", the first of the capture" } }
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
                @for line in lines {
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

/// The `id` of a frame, with which all others in it begin.
fn id(view: &FrameView<'_>) -> String {
    format!("f{}", view.number)
}

/// The letter of a layer, in its colour.
fn key(layer: &LayerView) -> Markup {
    html! { span class={ "key " (layer.stage.name()) } { (layer.mark) } }
}
