//! A checksum worked as on paper.

use std::fmt::{self, Write};

use super::Paper;
use super::paper::wrap;
use crate::show::{ChecksumView, Words};

/// Columns of a label.
const LABEL: usize = 14;

pub(super) fn write(paper: &mut Paper, checksum: &ChecksumView) -> fmt::Result {
    let ChecksumView { layer, at, found, state, sentence, work } = checksum;
    paper.heading(&format!("{layer} checksum at {at:04x}: 0x{found}, {state}"))?;
    paper.wrapped("  ", sentence)?;
    let Some(work) = work else { return Ok(()) };
    for part in &work.parts {
        writeln!(paper, "  {}", part.name)?;
        part.words.iter().try_for_each(|words| write_words(paper, words))?;
        writeln!(paper, "    {:<LABEL$}{:#x}", "sum", part.sum)?;
    }
    for (name, step) in work.steps() {
        writeln!(paper, "  {name:<16}{step}")?;
    }
    Ok(())
}

fn write_words(paper: &mut Paper, words: &Words) -> fmt::Result {
    let mut label = words.label;
    for line in words.lines() {
        for line in wrap(&line, paper.room(4 + LABEL)) {
            writeln!(paper, "    {label:<LABEL$}{line}")?;
            label = "";
        }
    }
    Ok(())
}
