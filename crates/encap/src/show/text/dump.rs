//! The hexadecimal dump, each byte with its layer's colour and letter.

use std::fmt::{self, Write};

use super::TextWriter;
use crate::show::{FrameView, count, escape};

/// Minimum width for rows of 16 bytes, in columns: 90, and room for offsets with more than 4 digits.
const WIDE_ROW_COLUMNS: usize = 94;

/// Rows shown from the start of a long frame; they include the headers.
const FIRST_ROWS: usize = 64;
/// Rows shown from the end of a long frame.
const LAST_ROWS: usize = 16;

pub(super) fn write(out: &mut TextWriter, view: &FrameView<'_>) -> fmt::Result {
    write_legend(out, view)?;
    let row_len = if out.room(0) >= WIDE_ROW_COLUMNS { 16 } else { 8 };
    let n_rows = view.bytes.len().div_ceil(row_len);
    let elided = if n_rows > FIRST_ROWS + LAST_ROWS { FIRST_ROWS..n_rows - LAST_ROWS } else { 0..0 };
    for (i, row) in view.bytes.chunks(row_len).enumerate() {
        if elided.contains(&i) {
            if i == elided.start {
                let bytes = (elided.end - elided.start) * row_len;
                writeln!(
                    out,
                    "…     {} of {} not shown",
                    count(bytes, "byte"),
                    view.layer_at(i * row_len).map_or("the frame", |layer| &layer.name)
                )?;
            }
            continue;
        }
        write_row(out, view, i * row_len, row, row_len)?;
    }
    Ok(())
}

fn write_legend(out: &mut TextWriter, view: &FrameView<'_>) -> fmt::Result {
    for layer in &view.layers {
        out.paint(layer.stage, &format!("{}", layer.mark))?;
        writeln!(
            out,
            " {:<24} {:04x}–{:04x}  {}",
            layer.name,
            layer.start,
            layer.end.saturating_sub(1),
            count(layer.own_len(), "byte")
        )?;
    }
    Ok(())
}

fn write_row(out: &mut TextWriter, view: &FrameView<'_>, start: usize, row: &[u8], row_len: usize) -> fmt::Result {
    out.dim(&format!("{start:04x}  "))?;
    let layers: Vec<_> = (start..start + row.len()).map(|at| view.layer_at(at)).collect();
    let write_in_colour = |out: &mut TextWriter, i: usize, text: &str| match layers[i] {
        Some(layer) => out.paint(layer.stage, text),
        None => out.write_str(text),
    };
    for (i, byte) in row.iter().enumerate() {
        write_in_colour(out, i, &format!("{byte:02x}"))?;
        out.write_str(if i % 8 == 7 { "  " } else { " " })?;
    }
    // The last row may be shorter. Spaces align its other columns.
    let missing = row_len - row.len();
    let gaps = row_len / 8 - row.len() / 8;
    write!(out, "{:1$}", "", 3 * missing + gaps)?;
    for (i, byte) in row.iter().enumerate() {
        write_in_colour(out, i, &String::from(escape::ascii(*byte)))?;
    }
    write!(out, "{:1$}  ", "", missing)?;
    for (i, layer) in layers.iter().enumerate() {
        let mark = layer.map_or('?', |layer| layer.mark);
        write_in_colour(out, i, &String::from(mark))?;
    }
    writeln!(out)
}
