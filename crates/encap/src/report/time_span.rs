//! Time, cut into as many columns as a plot has pixels: so that what is drawn is bounded, however much there was.

use super::axis::{Axis, Px, Unit};
use super::plot::{ACROSS, COLUMNS};
use crate::analyze::Conversation;

/// The time from a conversation's first frame to its last.
#[derive(Clone, Copy, Debug)]
pub struct TimeSpan {
    nanos: u64,
}

impl TimeSpan {
    /// That of `conversation`; `None` if the capture does not tell times, or only one.
    #[must_use]
    pub fn of(conversation: &Conversation) -> Option<Self> {
        let since = conversation.last?.since(conversation.first?)?;
        Self::new(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// One of so many nanoseconds, if it is one.
    #[must_use]
    pub const fn new(nanos: u64) -> Option<Self> {
        if nanos > 0 { Some(Self { nanos }) } else { None }
    }

    /// Its nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.nanos
    }

    /// Its axis.
    #[must_use]
    pub fn axis(self) -> Axis {
        Axis::linear(Unit::Time, self.nanos, ACROSS, 8)
    }

    /// What it is called, below its axis.
    pub const NAME: &str = "time since the first frame";

    /// The column of a moment.
    #[must_use]
    pub fn column(self, nanos: u64) -> usize {
        let last = COLUMNS as u128 - 1;
        let column = u128::from(nanos.min(self.nanos)) * last / u128::from(self.nanos);
        usize::try_from(column).unwrap_or_default()
    }

    /// How long a column lasts.
    #[must_use]
    pub fn column_nanos(self) -> u64 {
        (self.nanos / COLUMNS as u64).max(1)
    }

    /// Where a column is drawn.
    #[must_use]
    pub fn place(column: usize) -> Px {
        Px(i64::try_from(column).unwrap_or_default() * 10 + ACROSS.0 * 10 + 5)
    }
}
