//! Frames in a list, one a line.

use std::fmt::{self, Write};

use super::{Options, Paper};
use crate::show::{Line, Stage};

/// The most columns of an address with its port; longer ones push the rest of their line to the right.
const END_MAX: usize = 28;

/// Frames in a list, one a line, under a line of headings.
#[must_use]
pub fn list(lines: &[Line], options: Options) -> String {
    let mut paper = Paper::new(options);
    // Writing to a string does not fail.
    let _ = write(&mut paper, lines);
    paper.into_text()
}

fn write(paper: &mut Paper, lines: &[Line]) -> fmt::Result {
    let widest = |least: usize, text: &dyn Fn(&Line) -> usize| lines.iter().map(text).max().unwrap_or(0).max(least);
    let number = widest(5, &|line| line.number.to_string().len());
    let time = widest(4, &|line| line.since_first.as_ref().map_or(0, String::len));
    let source = widest(6, &|line| line.source.len()).min(END_MAX);
    let destination = widest(11, &|line| line.destination.len()).min(END_MAX);
    let protocol = widest(8, &|line| line.protocol.len());
    paper.dim(&format!(
        "{:>number$}  {:>time$}  {:<source$}   {:<destination$}  {:<protocol$}  {:>6}  info",
        "frame", "time", "source", "destination", "protocol", "length"
    ))?;
    writeln!(paper)?;
    for line in lines {
        let since = line.since_first.as_deref().unwrap_or("-");
        write!(paper, "{:>number$}  {since:>time$}  ", line.number)?;
        paper.paint(Stage::Network, &format!("{:<source$} → {:<destination$}", line.source, line.destination))?;
        write!(paper, "  ")?;
        paper.paint(Stage::Transport, &format!("{:<protocol$}", line.protocol))?;
        writeln!(paper, "{}", format_args!("  {:>6}  {}", line.length, line.info()).to_string().trim_end())?;
        for remark in &line.remarks {
            paper.wrapped(&" ".repeat(number + 2), remark)?;
        }
    }
    Ok(())
}
