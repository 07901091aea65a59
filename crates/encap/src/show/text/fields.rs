//! The fields of a header: bytes on the left, name, value and meaning on the right.

use std::fmt::{self, Write};

use super::TextWriter;
use super::text_writer::wrap;
use crate::show::{FieldView, LayerView, count};

/// Bytes of a field per line.
const LINE_BYTES: usize = 8;
/// Maximum lines of bytes per field. Only options can have more.
const LINES_MAX: usize = 8;
/// Width of the offset with its gap, in columns.
const OFFSET_COLUMNS: usize = 4 + 2;
/// Width of the bytes with their gap, in columns.
const BYTES_COLUMNS: usize = 3 * LINE_BYTES + 1;

pub(super) fn write(out: &mut TextWriter, layer: &LayerView) -> fmt::Result {
    writeln!(out)?;
    out.paint(layer.stage, &format!("{} {}", layer.mark, layer.name))?;
    writeln!(
        out,
        ": bytes {:04x} to {:04x}, {}",
        layer.start,
        layer.end.saturating_sub(1),
        count(layer.own_len(), "byte")
    )?;
    layer.fields.iter().try_for_each(|field| write_field(out, field))
}

fn write_field(out: &mut TextWriter, field: &FieldView) -> fmt::Result {
    let bytes: Vec<&str> = field.hex.split(' ').collect();
    let mut left: Vec<String> = bytes.chunks(LINE_BYTES).map(|line| line.join(" ")).collect();
    if left.len() > LINES_MAX {
        left.truncate(LINES_MAX - 1);
        left.push(format!("… {}", count(bytes.len() - (LINES_MAX - 1) * LINE_BYTES, "byte")));
    }

    let bits = field.bits.as_ref().map_or(String::new(), |bits| format!("{bits} = "));
    let value = if field.value.is_empty() { String::new() } else { format!(": {}", field.value) };
    let name_and_value = format!("{bits}{}{value}", field.name);
    let room = out.room(OFFSET_COLUMNS + BYTES_COLUMNS);
    // Two spaces and two parentheses.
    let fits_in_line = name_and_value.chars().count() + 4 + field.meaning.chars().count() <= room;
    // The lines of the right column: name and value, and the meaning, which is dimmed.
    let mut right: Vec<(String, String)>;
    if fits_in_line {
        let meaning = if field.meaning.is_empty() { String::new() } else { format!("  ({})", field.meaning) };
        right = vec![(name_and_value, meaning)];
    } else {
        right = wrap(&name_and_value, room).into_iter().map(|line| (line, String::new())).collect();
        let meaning = if field.meaning.is_empty() { Vec::new() } else { wrap(&field.meaning, room - 2) };
        right.extend(meaning.into_iter().map(|line| ("  ".into(), line)));
    }

    for i in 0..left.len().max(right.len()) {
        let offset = if i == 0 { format!("{:04x}", field.start) } else { String::new() };
        out.dim(&format!("{offset:<OFFSET_COLUMNS$}"))?;
        let bytes = left.get(i).map_or("", String::as_str);
        match right.get(i) {
            Some((name_and_value, meaning)) => {
                write!(out, "{bytes:<BYTES_COLUMNS$}{name_and_value}")?;
                out.dim(meaning)?;
            }
            None => write!(out, "{bytes}")?,
        }
        writeln!(out)?;
    }
    Ok(())
}
