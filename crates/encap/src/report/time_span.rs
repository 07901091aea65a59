//! The time span of a conversation. It is divided into columns, one for each pixel, so that the size of a drawing is
//! bounded.

use super::axis::{Axis, Px, Unit};
use super::plot::{ACROSS, COLUMNS};
use crate::analyze::Conversation;

/// The time from a conversation's first frame to its last.
#[derive(Clone, Copy, Debug)]
pub struct TimeSpan {
    nanos: u64,
}

impl TimeSpan {
    /// The span of `conversation`. `None` if its frames have no times, or all have the same time.
    #[must_use]
    pub fn of_conversation(conversation: &Conversation) -> Option<Self> {
        let since = conversation.last?.since(conversation.first?)?;
        Self::new(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// A span of `nanos` nanoseconds. `None` for 0.
    #[must_use]
    pub const fn new(nanos: u64) -> Option<Self> {
        if nanos > 0 { Some(Self { nanos }) } else { None }
    }

    /// The length, in nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.nanos
    }

    /// The horizontal axis of a plot.
    #[must_use]
    pub fn axis(self) -> Axis {
        Axis::linear(Unit::Time, self.nanos, ACROSS, 8)
    }

    /// Title of the axis.
    pub const AXIS_TITLE: &str = "time since the first frame";

    /// The column of a time, given in nanoseconds after the first frame. The last column also has all later times.
    #[must_use]
    pub fn column(self, nanos: u64) -> usize {
        let last_column = COLUMNS as u128 - 1;
        let column = u128::from(nanos.min(self.nanos)) * last_column / u128::from(self.nanos);
        usize::try_from(column).unwrap_or_default()
    }

    /// Length of a column, in nanoseconds.
    #[must_use]
    pub fn column_nanos(self) -> u64 {
        (self.nanos / COLUMNS as u64).max(1)
    }

    /// The middle of a column.
    #[must_use]
    pub fn place(column: usize) -> Px {
        // In tenths of a pixel: a column is one pixel wide.
        Px(i64::try_from(column).unwrap_or_default() * 10 + ACROSS.0 * 10 + 5)
    }
}
