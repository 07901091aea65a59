//! Output that waits until the store has the change that it names.
//!
//! The core numbers a record at once, but nobody hears of the number before the record is durable: a record that was
//! heard must not disappear. All waiting output is in one queue, in the order in which the core decided it.

use std::collections::VecDeque;

/// The place of a change in the order of all changes since the store was opened. The first change has place 1.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position(pub u64);

/// Output in the order of the changes on which it depends.
#[derive(Debug)]
pub(crate) struct CommitQueue<T> {
    waiting: VecDeque<(Position, T)>,
}

impl<T> Default for CommitQueue<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<T> CommitQueue<T> {
    /// Adds output that depends on the change at `position`, which is not before that of the output added last.
    pub(crate) fn push(&mut self, position: Position, output: T) {
        debug_assert!(self.waiting.back().is_none_or(|&(last, _)| last <= position));
        self.waiting.push_back((position, output));
    }

    /// Removes and returns the first output, if the store has all changes up to `durable` and the output needs no more.
    pub(crate) fn pop_durable(&mut self, durable: Position) -> Option<T> {
        self.waiting.pop_front_if(|(position, _)| *position <= durable).map(|(_, output)| output)
    }

    /// Whether the store has all changes on which the first output depends.
    pub(crate) fn has_durable(&self, durable: Position) -> bool {
        self.waiting.front().is_some_and(|(position, _)| *position <= durable)
    }

    /// Removes and returns all output.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(&mut self.waiting).into_iter().map(|(_, output)| output)
    }
}
