//! A header as a table of fields.

use maud::{Markup, html};

use super::bytes::field_class;
use super::layer_letter;
use crate::show::{FrameView, LayerView};

/// Maximum bytes shown of a field. Only options can be longer.
const BYTES_MAX: usize = 64;

/// The fields of the frame's layer `index`: bytes, value and meaning.
pub(crate) fn fields(view: &FrameView<'_>, index: usize, layer: &LayerView) -> Markup {
    html! {
        h3 class={ "layer-name " (layer.stage.name()) } { (layer_letter(layer)) " " (layer.name) }
        table.fields {
            caption {
                "Bytes " (format!("{:04x} to {:04x}", layer.start, layer.end.saturating_sub(1)))
                ", " (layer.own_len()) " in all"
            }
            thead {
                tr {
                    th scope="col" { "Field" }
                    th scope="col" { "Bytes, bits" }
                    th scope="col" { "Value and meaning" }
                }
            }
            tbody {
                @for (j, field) in layer.fields.iter().enumerate() {
                    @let class = field_class(view, index, j);
                    tr id=(class) {
                        th scope="row" { a href={ "#" (class) } { (field.name) } }
                        td {
                            span.faint { (format!("{:04x}", field.start)) ": " }
                            // Two digits and a space per byte.
                            @if field.hex.len() > 3 * BYTES_MAX {
                                span.hex { (field.hex[..3 * BYTES_MAX]) "…" }
                            } @else {
                                span.hex { (field.hex) }
                            }
                            @if let Some(bits) = &field.bits { span.bits { (bits) } }
                        }
                        td {
                            span.value { (field.value) }
                            @if !field.meaning.is_empty() { " " span.why { (field.meaning) } }
                        }
                    }
                }
            }
        }
    }
}
