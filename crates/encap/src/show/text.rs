//! A frame, or a list of frames, for a terminal. Each layer has a letter, so colour is optional.

mod checksums;
mod dump;
mod fields;
mod list;
mod text_writer;

use std::fmt::{self, Write};

use self::text_writer::TextWriter;
use super::{FrameView, LayerView, Stage, count};

pub use list::list;

/// Minimum layout width in columns. On a narrower terminal, the terminal wraps the lines.
pub(crate) const WIDTH_MIN: usize = 40;

/// Layout of the text output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TextLayout {
    /// Terminal width in columns.
    pub width: usize,
    /// Whether to use colours.
    pub coloured: bool,
}

/// A frame: metadata, layers as boxes, bytes, fields and checksums.
#[must_use]
pub fn frame(view: &FrameView<'_>, options: TextLayout) -> String {
    let mut out = TextWriter::new(options);
    // Writing to a string cannot fail.
    let _ = write_frame(&mut out, view);
    out.into_text()
}

fn write_frame(out: &mut TextWriter, view: &FrameView<'_>) -> fmt::Result {
    if let Some(row) = &view.row {
        out.bold(&row.heading())?;
        out.wrapped("  ", &row.message())?;
        out.wrapped("  ", &row.carried_part())?;
        writeln!(out)?;
    }
    write_metadata(out, view)?;
    out.heading("Layers, each inside the one before it")?;
    out.wrapped("", &view.wrapping())?;
    draw_boxes(out, view)?;
    out.heading("Bytes")?;
    dump::write(out, view)?;
    for layer in view.layers.iter().filter(|layer| !layer.fields.is_empty()) {
        fields::write(out, layer)?;
    }
    for checksum in &view.checksums {
        checksums::write(out, checksum)?;
    }
    Ok(())
}

fn write_metadata(out: &mut TextWriter, view: &FrameView<'_>) -> fmt::Result {
    let bytes = if view.is_cut() {
        format!("{} of {} captured", view.bytes.len(), count(view.original_len as usize, "byte"))
    } else {
        count(view.bytes.len(), "byte")
    };
    out.bold(&format!("Frame {}: {bytes}, {}", view.number, view.link_type))?;
    if let Some(time) = &view.time {
        let since = view.since_first.as_ref().map_or(String::new(), |since| format!(", {since} s after the first"));
        out.wrapped("  ", &format!("at {time}{since}"))?;
    }
    for comment in &view.comments {
        out.wrapped("  ", &format!("comment: {comment}"))?;
    }
    for issue in &view.issues {
        out.warning("  ", &issue.to_string())?;
    }
    Ok(())
}

/// Draws the layers as nested boxes. They have no right border, so the width of their texts does not matter.
fn draw_boxes(out: &mut TextWriter, view: &FrameView<'_>) -> fmt::Result {
    // The layers whose boxes are open, outermost first.
    let mut open: Vec<&LayerView> = Vec::new();
    for layer in &view.layers {
        if layer.stage == Stage::Trailer {
            // A trailer is inside the frame; without a link header, it stands beside the packet.
            while open.last().is_some_and(|inner| inner.inside_end <= layer.start) {
                close_box(out, &mut open)?;
            }
        }
        draw_bars(out, &open)?;
        out.paint(layer.stage, &format!("┌ {} ", layer.mark))?;
        writeln!(out, "{}, {}", layer.unit, count(layer.total_len(), "byte"))?;
        open.push(layer);
        write_contents(out, view, layer, &open)?;
    }
    while !open.is_empty() {
        close_box(out, &mut open)?;
    }
    Ok(())
}

/// Writes the lines below the name of a layer: the payload, or the bytes that a header adds.
fn write_contents(out: &mut TextWriter, view: &FrameView<'_>, layer: &LayerView, open: &[&LayerView]) -> fmt::Result {
    let text = match layer.stage {
        Stage::Payload if view.text_left_out > 0 => {
            format!("{} … and {} more", view.text, count(view.text_left_out, "byte"))
        }
        Stage::Payload => view.text.clone(),
        Stage::Trailer => "padding or trailer: no header claims it".into(),
        _ if layer.summary.is_empty() => format!("adds {}", count(layer.own_len(), "byte")),
        _ => format!("adds {}: {}", count(layer.own_len(), "byte"), layer.summary),
    };
    for line in text_writer::wrap(&text, out.room(2 * open.len())) {
        draw_bars(out, open)?;
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn draw_bars(out: &mut TextWriter, open: &[&LayerView]) -> fmt::Result {
    open.iter().try_for_each(|layer| out.paint(layer.stage, "│ "))
}

fn close_box(out: &mut TextWriter, open: &mut Vec<&LayerView>) -> fmt::Result {
    let Some(inner) = open.pop() else { return Ok(()) };
    draw_bars(out, open)?;
    out.paint(inner.stage, "└")?;
    writeln!(out)
}
