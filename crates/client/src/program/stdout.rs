//! Prints whole lines to standard output.

use std::io::{self, Write as _};

use serde::Serialize;
use switchboard_protocol::sanitize;

use super::json::to_json_line;

/// Sanitizes and prints `line`, and flushes.
pub(crate) fn print_line(line: &str) -> io::Result<()> {
    write_line(&sanitize(line))
}

/// Prints `value` as one line of JSON, and flushes.
pub(crate) fn print_json(value: &impl Serialize) -> io::Result<()> {
    write_line(&to_json_line(value))
}

/// Prints `text` without an LF, and flushes.
pub(crate) fn print_prompt(text: &str) -> io::Result<()> {
    print_text(text)
}

/// Prints `text` as it is, and flushes.
pub(crate) fn print_text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn write_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}
