//! Extracts sections and tables from the repository's Markdown documents.

use std::fs;
use std::path::Path;

/// Reads a document of the repository.
pub(super) fn read(file: &str) -> Result<String, String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))
}

/// The text below a heading such as `## Invariants`, up to the next heading of the same or a higher level.
pub(super) fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let (_, below) = text.split_once(&format!("\n{heading}\n"))?;
    let level = heading.split(' ').next().unwrap_or_default().len();
    let end = (1..=level).filter_map(|level| below.find(&format!("\n{} ", "#".repeat(level)))).min();
    Some(&below[..end.unwrap_or(below.len())])
}

/// The cells of the first table in a section, row by row, without the head of the table.
pub(super) fn table(section: &str) -> Vec<Vec<String>> {
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    lines.skip(2).map(row).collect()
}

fn row(line: &str) -> Vec<String> {
    let cells = line.strip_prefix('|').unwrap_or(line);
    let cells = cells.strip_suffix('|').unwrap_or(cells);
    cells.split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_from_its_section() {
        let text = "# T\n## A\nx\n\n| h | i |\n|---|---|\n| a | b |\n|c||\n\n### B\ny\n## C\nz";
        assert_eq!(section(text, "## C"), Some("z"));
        assert_eq!(section(text, "### B"), Some("y"));
        assert_eq!(table(section(text, "## A").expect("the section exists")), [["a", "b"], ["c", ""]]);
        assert!(table("no table").is_empty());
    }
}
