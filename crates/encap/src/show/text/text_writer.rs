//! The writer of the terminal output, with line width and colours.

use std::fmt::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{TextLayout, WIDTH_MIN};
use crate::show::Stage;

/// Collects text, wrapped and coloured for a terminal.
#[derive(Debug)]
pub(super) struct TextWriter {
    text: String,
    options: TextLayout,
}

impl Write for TextWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        Ok(())
    }
}

impl TextWriter {
    pub(super) fn new(options: TextLayout) -> Self {
        Self { text: String::new(), options: TextLayout { width: options.width.max(WIDTH_MIN), ..options } }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Columns available after an indent; at least 16.
    pub(super) fn room(&self, indent: usize) -> usize {
        self.options.width.saturating_sub(indent).max(16)
    }

    fn styled(&mut self, text: &str, style: Style) -> fmt::Result {
        let style = if self.options.coloured { style } else { Style::new() };
        write!(self, "{style}{text}{style:#}")
    }

    /// Writes text in the colour of a layer.
    pub(super) fn paint(&mut self, stage: Stage, text: &str) -> fmt::Result {
        self.styled(text, colour(stage))
    }

    pub(super) fn dim(&mut self, text: &str) -> fmt::Result {
        self.styled(text, Style::new().dimmed())
    }

    pub(super) fn bold(&mut self, text: &str) -> fmt::Result {
        self.styled(text, Style::new().bold())?;
        writeln!(self)
    }

    pub(super) fn heading(&mut self, text: &str) -> fmt::Result {
        writeln!(self)?;
        self.bold(text)
    }

    pub(super) fn warning(&mut self, indent: &str, text: &str) -> fmt::Result {
        for line in wrap(text, self.room(indent.len())) {
            write!(self, "{indent}")?;
            self.styled(&line, AnsiColor::Yellow.on_default())?;
            writeln!(self)?;
        }
        Ok(())
    }

    /// Writes text on as many lines as needed, each with the same indent.
    pub(super) fn wrapped(&mut self, indent: &str, text: &str) -> fmt::Result {
        wrap(text, self.room(indent.len())).iter().try_for_each(|line| writeln!(self, "{indent}{line}"))
    }
}

/// Colours that are readable on dark and light backgrounds.
fn colour(stage: Stage) -> Style {
    match stage {
        Stage::Link => AnsiColor::Yellow.on_default(),
        Stage::Tag | Stage::Extension => AnsiColor::Cyan.on_default(),
        Stage::Network => AnsiColor::Green.on_default(),
        Stage::Transport => AnsiColor::BrightBlue.on_default(),
        Stage::Payload => AnsiColor::Magenta.on_default(),
        Stage::Trailer => AnsiColor::BrightBlack.on_default(),
    }
}

/// Width of a character in columns: 2 for East Asian wide characters and emoji.
fn columns(c: char) -> usize {
    let is_wide = matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{3fffd}'
    );
    1 + usize::from(is_wide)
}

/// Splits text into lines of at most `width` columns: between words, or inside a word that is longer than a line.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut line_columns) = (String::new(), 0);
    for word in text.split_inclusive(' ') {
        let word_columns: usize = word.trim_end_matches(' ').chars().map(columns).sum();
        if line_columns > 0 && line_columns + word_columns > width {
            lines.push(std::mem::take(&mut line).trim_end_matches(' ').to_owned());
            line_columns = 0;
        }
        for c in word.chars() {
            if line_columns + columns(c) > width && c != ' ' {
                lines.push(std::mem::take(&mut line));
                line_columns = 0;
            }
            line.push(c);
            line_columns += columns(c);
        }
    }
    let last_line = line.trim_end_matches(' ');
    if !last_line.is_empty() || lines.is_empty() {
        lines.push(last_line.to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_if_possible() {
        let table: [(&str, &[&str]); 6] = [
            ("", &[""]),
            ("one two", &["one two"]),
            ("one two three", &["one two", "three"]),
            ("abcdefghijkl", &["abcdefgh", "ijkl"]),
            ("a bcdefghijkl", &["a", "bcdefghi", "jkl"]),
            ("你好你好你", &["你好你好", "你"]),
        ];
        for (given, expected) in table {
            assert_eq!(wrap(given, 8), expected, "{given}");
        }
    }
}
