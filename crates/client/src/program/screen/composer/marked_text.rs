//! A text that remembers which parts of it were pasted.

use std::ops::Range;

/// A text and its pasted parts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct MarkedText {
    text: String,
    /// Byte ranges, not empty, in order. Two neighbours do not touch.
    pasted: Vec<Range<usize>>,
}

/// How a text came into the draft.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    Typed,
    Pasted,
}

impl MarkedText {
    pub(super) fn new(text: String, origin: Origin) -> Self {
        let pasted = match origin {
            Origin::Pasted if !text.is_empty() => std::iter::once(0..text.len()).collect(),
            Origin::Pasted | Origin::Typed => Vec::new(),
        };
        Self { text, pasted }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Whether any part of the first word, or of the spaces before it, was pasted.
    pub(super) fn is_pasted_start(&self) -> bool {
        let word = self.text.trim_start();
        let word_end = word.find(char::is_whitespace).unwrap_or(word.len());
        let end = self.text.len() - word.len() + word_end;
        self.pasted.first().is_some_and(|pasted| pasted.start < end)
    }

    /// Replaces a part by another text, and returns the part.
    pub(super) fn replace(&mut self, range: Range<usize>, with: &Self) -> Self {
        let removed: String = self.text.drain(range.clone()).collect();
        self.text.insert_str(range.start, &with.text);
        let marks = std::mem::take(&mut self.pasted);
        let inside = clipped(&marks, range.clone()).map(|mark| mark.start - range.start..mark.end - range.start);
        let removed = Self { text: removed, pasted: inside.collect() };
        for mark in clipped(&marks, 0..range.start) {
            self.mark(mark);
        }
        for mark in &with.pasted {
            self.mark(range.start + mark.start..range.start + mark.end);
        }
        for mark in clipped(&marks, range.end..usize::MAX) {
            let shifted = |at: usize| at - range.end + range.start + with.text.len();
            self.mark(shifted(mark.start)..shifted(mark.end));
        }
        removed
    }

    /// Adds a pasted part after the others.
    fn mark(&mut self, mark: Range<usize>) {
        match self.pasted.last_mut() {
            Some(last) if last.end == mark.start => last.end = mark.end,
            _ => self.pasted.push(mark),
        }
    }
}

/// The parts of the marks that are inside a range.
fn clipped(marks: &[Range<usize>], range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let clip = move |mark: &Range<usize>| mark.start.max(range.start)..mark.end.min(range.end);
    marks.iter().map(clip).filter(|mark| !mark.is_empty())
}
