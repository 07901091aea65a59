//! What went wrong with messages.

use std::ops::AddAssign;

use serde::Serialize;

/// How many messages arrived wrongly, or not at all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Faults {
    /// Messages that never arrived.
    pub lost: u64,
    /// Messages that arrived after one that was sent later, or when they had been waited for in vain.
    pub reordered: u64,
    /// Messages that arrived once too often.
    pub duplicated: u64,
    /// Messages of which some byte was changed, or that belong to somebody else.
    pub corrupt: u64,
    /// Messages that were not acknowledged, or acknowledgements of none.
    pub unacknowledged: u64,
}

impl Faults {
    /// Whether there is any.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.duplicated += other.duplicated;
        self.corrupt += other.corrupt;
        self.unacknowledged += other.unacknowledged;
    }
}
