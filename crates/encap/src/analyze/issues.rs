//! What was wrong with frames, summed up by kind.

use std::fmt;

use crate::wire::Issue;
use crate::wire::frame::Trouble;

/// Kinds that are told apart; the rest is counted together.
const KINDS_MAX: usize = 32;

/// What was wrong with frames.
#[derive(Clone, Debug, Default)]
pub struct Issues {
    kinds: Vec<IssueKind>,
    others: u64,
}

/// One kind of trouble.
#[derive(Clone, Copy, Debug)]
pub struct IssueKind {
    /// The first frame that has it.
    pub first_frame: u64,
    /// What it is there.
    pub first: Issue,
    /// How many frames have it.
    pub count: u64,
}

impl fmt::Display for IssueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {}: {}", self.first_frame, self.first)?;
        if self.count > 1 {
            write!(f, " (and {} more like it)", self.count - 1)?;
        }
        Ok(())
    }
}

impl Issues {
    /// Each kind, in the order in which they were first seen.
    #[must_use]
    pub fn kinds(&self) -> &[IssueKind] {
        &self.kinds
    }

    /// How many were of further kinds.
    #[must_use]
    pub const fn others(&self) -> u64 {
        self.others
    }

    pub(super) fn add(&mut self, frame: u64, issue: &Issue) {
        if matches!(issue.what, Trouble::FirstFragment | Trouble::LaterFragment(_)) {
            // Fragments are put together; those that make no whole are counted for themselves.
            return;
        }
        let kind = std::mem::discriminant(&issue.what);
        if let Some(known) = self.kinds.iter_mut().find(|known| std::mem::discriminant(&known.first.what) == kind) {
            known.count += 1;
        } else if self.kinds.len() < KINDS_MAX {
            self.kinds.push(IssueKind { first_frame: frame, first: *issue, count: 1 });
        } else {
            self.others += 1;
        }
    }
}
