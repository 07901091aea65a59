//! The bytes in hexadecimal, each with its layer's colour and letter.

use std::fmt::{self, Write};

use super::Paper;
use crate::show::{View, count, escape};

/// Columns that a row of 16 bytes takes.
const WIDE: usize = 94;

/// Rows that are shown from the beginning of a frame; headers lie there.
const FIRST_ROWS: usize = 64;
/// Rows that are shown from its end.
const LAST_ROWS: usize = 16;

pub(super) fn write(paper: &mut Paper, view: &View<'_>) -> fmt::Result {
    legend(paper, view)?;
    let a_row = if paper.room(0) >= WIDE { 16 } else { 8 };
    let n_rows = view.bytes.len().div_ceil(a_row);
    let elided = if n_rows > FIRST_ROWS + LAST_ROWS { FIRST_ROWS..n_rows - LAST_ROWS } else { 0..0 };
    for (i, row) in view.bytes.chunks(a_row).enumerate() {
        if elided.contains(&i) {
            if i == elided.start {
                let bytes = (elided.end - elided.start) * a_row;
                writeln!(
                    paper,
                    "…     {} of {} not shown",
                    count(bytes, "byte"),
                    view.layer_at(i * a_row).map_or("the frame", |layer| &layer.name)
                )?;
            }
            continue;
        }
        write_row(paper, view, i * a_row, row, a_row)?;
    }
    Ok(())
}

fn legend(paper: &mut Paper, view: &View<'_>) -> fmt::Result {
    for layer in &view.layers {
        paper.paint(layer.stage, &format!("{}", layer.mark))?;
        writeln!(
            paper,
            " {:<24} {:04x}–{:04x}  {}",
            layer.name,
            layer.start,
            layer.end.saturating_sub(1),
            count(layer.adds(), "byte")
        )?;
    }
    Ok(())
}

fn write_row(paper: &mut Paper, view: &View<'_>, start: usize, row: &[u8], a_row: usize) -> fmt::Result {
    paper.dim(&format!("{start:04x}  "))?;
    let stages: Vec<_> = (start..start + row.len()).map(|at| view.layer_at(at)).collect();
    let each = |paper: &mut Paper, i: usize, text: &str| match stages[i] {
        Some(layer) => paper.paint(layer.stage, text),
        None => paper.write_str(text),
    };
    for (i, byte) in row.iter().enumerate() {
        each(paper, i, &format!("{byte:02x}"))?;
        paper.write_str(if i % 8 == 7 { "  " } else { " " })?;
    }
    let missing = a_row - row.len();
    let gaps = a_row / 8 - row.len() / 8;
    write!(paper, "{:1$}", "", 3 * missing + gaps)?;
    for (i, byte) in row.iter().enumerate() {
        each(paper, i, &String::from(escape::ascii(*byte)))?;
    }
    write!(paper, "{:1$}  ", "", missing)?;
    for (i, layer) in stages.iter().enumerate() {
        let mark = layer.map_or('?', |layer| layer.mark);
        each(paper, i, &String::from(mark))?;
    }
    writeln!(paper)
}
