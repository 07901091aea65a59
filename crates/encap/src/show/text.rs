//! A frame, or a list of frames, for a terminal. Readable without colour: each layer has its letter.

mod checksums;
mod dump;
mod fields;
mod list;
mod paper;

use std::fmt::{self, Write};

use self::paper::Paper;
use super::{LayerView, Stage, View, count};

pub use list::list;

/// The least width that is laid out for, in columns; what is narrower wraps as the terminal does it.
pub const WIDTH_MIN: usize = 40;

/// How to show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// Columns.
    pub width: usize,
    /// Whether to colour.
    pub coloured: bool,
}

/// A frame: what is known about it, its layers as boxes, its bytes, its fields, its checksums.
#[must_use]
pub fn frame(view: &View<'_>, options: Options) -> String {
    let mut paper = Paper::new(options);
    // Writing to a string does not fail.
    let _ = write_frame(&mut paper, view);
    paper.into_text()
}

fn write_frame(paper: &mut Paper, view: &View<'_>) -> fmt::Result {
    if let Some(row) = &view.row {
        paper.bold(&row.heading())?;
        paper.wrapped("  ", &row.message())?;
        paper.wrapped("  ", &row.part())?;
        writeln!(paper)?;
    }
    about(paper, view)?;
    paper.heading("Layers, each inside the one before it")?;
    paper.wrapped("", &view.wrapping())?;
    boxes(paper, view)?;
    paper.heading("Bytes")?;
    dump::write(paper, view)?;
    for layer in view.layers.iter().filter(|layer| !layer.fields.is_empty()) {
        fields::write(paper, layer)?;
    }
    for checksum in &view.checksums {
        checksums::write(paper, checksum)?;
    }
    Ok(())
}

fn about(paper: &mut Paper, view: &View<'_>) -> fmt::Result {
    let bytes = if view.is_cut() {
        format!("{} of {} captured", view.bytes.len(), count(view.original_len as usize, "byte"))
    } else {
        count(view.bytes.len(), "byte")
    };
    paper.bold(&format!("Frame {}: {bytes}, {}", view.number, view.link_type))?;
    if let Some(time) = &view.time {
        let since = view.since_first.as_ref().map_or(String::new(), |since| format!(", {since} s after the first"));
        paper.wrapped("  ", &format!("at {time}{since}"))?;
    }
    for comment in &view.comments {
        paper.wrapped("  ", &format!("comment: {comment}"))?;
    }
    for issue in &view.issues {
        paper.warning("  ", &format!("byte {}: {}", issue.at, issue.what))?;
    }
    Ok(())
}

/// The layers as boxes, one inside the other. They are open to the right, so that no text needs to be measured.
fn boxes(paper: &mut Paper, view: &View<'_>) -> fmt::Result {
    let mut open: Vec<&LayerView> = Vec::new();
    for layer in &view.layers {
        if layer.stage == Stage::Trailer {
            // What no header claims stands in the frame, or, where nothing is around the packet, beside it.
            while open.last().is_some_and(|inner| inner.inside_end <= layer.start) {
                close(paper, &mut open)?;
            }
        }
        bars(paper, &open)?;
        paper.paint(layer.stage, &format!("┌ {} ", layer.mark))?;
        writeln!(paper, "{}, {}", layer.unit, count(layer.total(), "byte"))?;
        open.push(layer);
        inside(paper, view, layer, &open)?;
    }
    while !open.is_empty() {
        close(paper, &mut open)?;
    }
    Ok(())
}

fn inside(paper: &mut Paper, view: &View<'_>, layer: &LayerView, open: &[&LayerView]) -> fmt::Result {
    let text = match layer.stage {
        Stage::Payload if view.text_left_out > 0 => {
            format!("{} … and {} more", view.text, count(view.text_left_out, "byte"))
        }
        Stage::Payload => view.text.clone(),
        Stage::Trailer => "padding or trailer: no header claims it".into(),
        _ if layer.summary.is_empty() => format!("adds {}", count(layer.adds(), "byte")),
        _ => format!("adds {}: {}", count(layer.adds(), "byte"), layer.summary),
    };
    for line in paper::wrap(&text, paper.room(2 * open.len())) {
        bars(paper, open)?;
        writeln!(paper, "{line}")?;
    }
    Ok(())
}

fn bars(paper: &mut Paper, open: &[&LayerView]) -> fmt::Result {
    open.iter().try_for_each(|layer| paper.paint(layer.stage, "│ "))
}

fn close(paper: &mut Paper, open: &mut Vec<&LayerView>) -> fmt::Result {
    let Some(inner) = open.pop() else { return Ok(()) };
    bars(paper, open)?;
    paper.paint(inner.stage, "└")?;
    writeln!(paper)
}
