//! A difference between two recordings.

use std::fmt;

use serde::Serialize;
use switchboard_protocol::sanitize;

use super::{ComparedField, Reason};
use crate::diagnostic::{Diagnostic, Kind, Severity};
use crate::side::Side;

/// A field that has different values in the synthesised and in the captured recording.
pub type Difference = Diagnostic<DifferenceKind>;

/// The place of a difference: a field of a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct FieldPlace {
    /// The index of the pair of conversations. `None` if the frames are in no pair.
    pub conversation: Option<usize>,
    /// The field.
    pub field: ComparedField,
    /// The sender of the frames. `None` if the difference is not about frames of one side.
    pub from: Option<Side>,
}

/// The two values of a field, and the reason if it is known.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct DifferenceKind {
    /// The number of the synthesised frame, if there is one.
    pub made_frame: Option<u64>,
    /// The synthesised value.
    pub made: String,
    /// The number of the captured frame, if there is one.
    pub captured_frame: Option<u64>,
    /// The captured value.
    pub captured: String,
    /// The reason for the difference, if it is known.
    pub reason: Option<Reason>,
}

/// Both values and their frames, safe to show.
impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, captured {}", sanitize(&self.made), sanitize(&self.captured))?;
        match (self.made_frame, self.captured_frame) {
            (Some(made), Some(captured)) => write!(f, "; frames {made} and {captured}"),
            (Some(made), None) => write!(f, "; synthesised frame {made}"),
            (None, Some(captured)) => write!(f, "; captured frame {captured}"),
            (None, None) => Ok(()),
        }
    }
}

impl Kind for DifferenceKind {
    type Place = FieldPlace;

    /// A difference with a known reason is only a note.
    fn severity(&self) -> Severity {
        if self.reason.is_some() { Severity::Note } else { Severity::Warning }
    }

    /// Differences of the same field merge if they have the same known reason.
    fn merges(listed: &Difference, other: &Difference) -> bool {
        listed.place.field == other.place.field
            && listed.kind.reason.is_some()
            && listed.kind.reason == other.kind.reason
    }

    fn fmt_count(count: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " ({count} times; this is the first)")
    }
}
