//! Counts of faulty messages.

use std::ops::AddAssign;

use serde::Serialize;

/// Numbers of messages that were delivered wrongly or not at all, by kind of fault.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Faults {
    /// Messages that never arrived.
    pub lost: u64,
    /// Messages that arrived after a later message of their stream, or after the wait for them had ended.
    pub reordered: u64,
    /// Messages that arrived more than once.
    pub duplicated: u64,
    /// Messages that arrived with a changed byte, or on the wrong session.
    pub corrupt: u64,
    /// Messages without an acknowledgement, and acknowledgements without a message.
    pub unacknowledged: u64,
}

impl Faults {
    /// Whether any count is above zero.
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
