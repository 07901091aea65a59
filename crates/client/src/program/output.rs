//! Standard output, one whole line at a time.

use std::io::{self, Write as _};

use serde::Serialize;
use switchboard_protocol::sanitize;

use super::json::json as as_json;

/// Prints `line` made safe, and flushes.
pub(crate) fn line(line: &str) -> io::Result<()> {
    put(&sanitize(line))
}

/// Prints `value` as one line of JSON, and flushes.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    put(&as_json(value))
}

/// Prints `text`, which ends no line, and flushes.
pub(crate) fn prompt(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn put(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}
