//! A checksum with its calculation.

use std::fmt::{self, Write};

use super::TextWriter;
use super::text_writer::wrap;
use crate::show::{ChecksumView, SumWords};

/// Width of a label, in columns.
const LABEL_COLUMNS: usize = 14;

pub(super) fn write(out: &mut TextWriter, checksum: &ChecksumView) -> fmt::Result {
    let ChecksumView { layer, at, found, state, sentence, work } = checksum;
    out.heading(&format!("{layer} checksum at {at:04x}: 0x{found}, {state}"))?;
    out.wrapped("  ", sentence)?;
    let Some(work) = work else { return Ok(()) };
    for part in &work.parts {
        writeln!(out, "  {}", part.name)?;
        part.words.iter().try_for_each(|words| write_words(out, words))?;
        writeln!(out, "    {:<LABEL_COLUMNS$}{:#x}", "sum", part.sum)?;
    }
    for (name, step) in work.steps() {
        // The names of steps begin 2 columns further left than labels.
        writeln!(out, "  {name:<width$}{step}", width = LABEL_COLUMNS + 2)?;
    }
    Ok(())
}

fn write_words(out: &mut TextWriter, words: &SumWords) -> fmt::Result {
    let mut label = words.label;
    for line in words.lines() {
        for line in wrap(&line, out.room(4 + LABEL_COLUMNS)) {
            writeln!(out, "    {label:<LABEL_COLUMNS$}{line}")?;
            label = "";
        }
    }
    Ok(())
}
