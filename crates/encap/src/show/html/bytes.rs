//! The hexadecimal dump, in the colours of the layers.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use super::{frame_id, layer_letter};
use crate::show::{FrameView, count, escape};

/// Bytes per row.
const ROW_BYTES: usize = 16;
/// Rows shown from the start of a long frame; they include the headers.
const FIRST_ROWS: usize = 64;
/// Rows shown from the end of a long frame.
const LAST_ROWS: usize = 16;

/// The dump as a table, with the highlighting rules and a legend.
pub(crate) fn dump(view: &FrameView<'_>) -> Markup {
    let n_rows = view.bytes.len().div_ceil(ROW_BYTES);
    let elided = if n_rows > FIRST_ROWS + LAST_ROWS { FIRST_ROWS..n_rows - LAST_ROWS } else { 0..0 };
    let fields = FieldClasses::new(view);
    html! {
        section.bytes {
            style { (PreEscaped(rules(view))) }
            h2 { "Bytes" }
            p {
                @for layer in &view.layers {
                    span.entry { (layer_letter(layer)) " " (layer.name) " " (layer.own_len()) } " "
                }
            }
            // A scrolling region must be reachable by keyboard.
            div.scroll tabindex="0" role="region" aria-label={ "Bytes of frame " (view.number) } {
                table.dump {
                    caption { "Each byte, with the letter of its layer" }
                    thead {
                        tr {
                            th scope="col" { "at" }
                            th scope="col" { "hexadecimal" }
                            th scope="col" { "ASCII" }
                            th scope="col" { "layer" }
                        }
                    }
                    tbody {
                        @for (i, bytes) in view.bytes.chunks(ROW_BYTES).enumerate() {
                            @if i == elided.start && !elided.is_empty() {
                                tr {
                                    th scope="row" { "…" }
                                    td colspan="3" { (count(elided.len() * ROW_BYTES, "byte")) " not shown" }
                                }
                            }
                            @if !elided.contains(&i) { (row(view, &fields, i * ROW_BYTES, bytes)) }
                        }
                    }
                }
            }
        }
    }
}

fn row(view: &FrameView<'_>, fields: &FieldClasses, start: usize, bytes: &[u8]) -> Markup {
    let stage = |at| view.layer_at(at).map_or("", |layer| layer.stage.name());
    // A wider gap in the middle of the row.
    let half = |i| if i == ROW_BYTES / 2 - 1 { " half" } else { "" };
    html! {
        tr {
            th scope="row" { (format!("{start:04x}")) }
            td {
                @for (i, byte) in bytes.iter().enumerate() {
                    b class={ (stage(start + i)) (half(i)) (fields.classes(start + i)) } { (format!("{byte:02x}")) }
                }
            }
            td {
                @for (i, byte) in bytes.iter().enumerate() {
                    i class={ (stage(start + i)) (fields.classes(start + i)) } { (escape::ascii(*byte)) }
                }
            }
            td {
                @for i in 0..bytes.len() {
                    i class=(stage(start + i)) { (view.layer_at(start + i).map_or('?', |layer| layer.mark)) }
                }
            }
        }
    }
}

/// Maps bytes to the fields that contain them.
struct FieldClasses {
    /// The CSS classes of each byte, up to the end of the last header.
    classes: Vec<String>,
}

impl FieldClasses {
    fn new(view: &FrameView<'_>) -> Self {
        let end = view.layers.iter().flat_map(|layer| &layer.fields).map(|field| field.end).max().unwrap_or(0);
        let mut classes = vec![String::new(); end];
        for (i, layer) in view.layers.iter().enumerate() {
            for (j, field) in layer.fields.iter().enumerate() {
                for byte in &mut classes[field.start..field.end] {
                    let _ = write!(byte, " {}", field_class(view, i, j));
                }
            }
        }
        Self { classes }
    }

    fn classes(&self, at: usize) -> &str {
        self.classes.get(at).map_or("", String::as_str)
    }
}

/// The CSS class of a field's bytes, also the `id` of its table row.
pub(super) fn field_class(view: &FrameView<'_>, layer: usize, field: usize) -> String {
    format!("{}-{layer}-{field}", frame_id(view))
}

/// Two CSS rules per field: one highlights its bytes, the other its row.
fn rules(view: &FrameView<'_>) -> String {
    let mut rules = String::new();
    let frame = frame_id(view);
    for (i, layer) in view.layers.iter().enumerate() {
        for j in 0..layer.fields.len() {
            let field = field_class(view, i, j);
            // The rules contain numbers only, no text of the capture.
            let _ = writeln!(
                rules,
                "#{frame}:has(#{field}:is(:hover,:focus-within,:target)) .{field}\
                 {{background:var(--lit);color:var(--lit-ink)}}"
            );
            let _ = writeln!(
                rules,
                "#{frame}:has(.{field}:hover) #{field}>*\
                 {{background:var(--lit);color:var(--lit-ink);--faint:var(--lit-ink)}}"
            );
        }
    }
    rules
}
