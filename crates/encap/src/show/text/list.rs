//! A list of frames, one per line.

use std::fmt::{self, Write};

use super::{TextLayout, TextWriter};
use crate::show::{FrameSummary, Stage};

/// Maximum width for an address with port, in columns. A longer address shifts the rest of its line.
const ADDRESS_MAX_COLUMNS: usize = 28;

/// A list of frames, one per line, with column headings.
#[must_use]
pub fn list(frames: &[FrameSummary], options: TextLayout) -> String {
    let mut out = TextWriter::new(options);
    // Writing to a string cannot fail.
    let _ = write(&mut out, frames);
    out.into_text()
}

fn write(out: &mut TextWriter, frames: &[FrameSummary]) -> fmt::Result {
    let width = |heading: &str, len: &dyn Fn(&FrameSummary) -> usize| {
        frames.iter().map(len).max().unwrap_or(0).max(heading.len())
    };
    let number = width("frame", &|line| line.number.to_string().len());
    let time = width("time", &|line| line.since_first.as_ref().map_or(0, String::len));
    let source = width("source", &|line| line.source.len()).min(ADDRESS_MAX_COLUMNS);
    let destination = width("destination", &|line| line.destination.len()).min(ADDRESS_MAX_COLUMNS);
    let protocol = width("protocol", &|line| line.protocol.len());
    out.dim(&format!(
        "{:>number$}  {:>time$}  {:<source$}   {:<destination$}  {:<protocol$}  {:>6}  info",
        "frame", "time", "source", "destination", "protocol", "length"
    ))?;
    writeln!(out)?;
    for line in frames {
        let since = line.since_first.as_deref().unwrap_or("-");
        write!(out, "{:>number$}  {since:>time$}  ", line.number)?;
        out.paint(Stage::Network, &format!("{:<source$} → {:<destination$}", line.source, line.destination))?;
        write!(out, "  ")?;
        out.paint(Stage::Transport, &format!("{:<protocol$}", line.protocol))?;
        writeln!(out, "{}", format_args!("  {:>6}  {}", line.length, line.info()).to_string().trim_end())?;
        for remark in &line.remarks {
            out.wrapped(&" ".repeat(number + 2), remark)?;
        }
    }
    Ok(())
}
