//! The layers as nested boxes.

use maud::{Markup, html};

use super::layer_letter;
use crate::show::{FrameView, LayerView, Stage, count};

/// A frame's layers as nested boxes, each with the bytes that it adds.
pub(crate) fn layers(view: &FrameView<'_>) -> Markup {
    html! {
        section {
            h2 { "Layers, each inside the one before it" }
            p { (view.wrapping()) }
            (boxes(view, &view.layers, view.bytes.len()))
        }
    }
}

/// The boxes of `layers`, outermost first, up to the offset `end`.
fn boxes(view: &FrameView<'_>, layers: &[LayerView], end: usize) -> Markup {
    let Some((outer, others)) = layers.split_first() else { return html! {} };
    // A trailer is nested in the frame that contains it; without a link header, it stands beside the packet.
    let n_inside = others.iter().take_while(|layer| layer.end <= outer.inside_end.min(end)).count();
    let (inside, beside) = others.split_at(n_inside);
    html! {
        div class={ "box " (outer.stage.name()) } {
            p { (layer_letter(outer)) " " strong { (outer.unit) } ", " (count(outer.total_len(), "byte")) }
            p.detail { (contents(view, outer)) }
            (boxes(view, inside, outer.inside_end))
        }
        (boxes(view, beside, end))
    }
}

/// The line below the name of a layer: the payload, or the bytes that a header adds.
fn contents(view: &FrameView<'_>, layer: &LayerView) -> Markup {
    match layer.stage {
        Stage::Payload => html! {
            code { (view.text) }
            @if view.text_left_out > 0 { " … and " (count(view.text_left_out, "byte")) " more" }
        },
        Stage::Trailer => html! { "padding or trailer: no header claims it" },
        _ => html! {
            "adds " (count(layer.own_len(), "byte"))
            @if !layer.summary.is_empty() { ": " (layer.summary) }
        },
    }
}
