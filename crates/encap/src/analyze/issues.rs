//! The issues of all frames in a capture, merged by kind.

use std::fmt;
use std::mem;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::diagnostic::{Diagnostic, Diagnostics, Kind};
use crate::wire::{FrameIssue, FrameIssueKind};

/// The issues of one kind in a capture. Place and text are those of the first issue.
type CaptureIssue = Diagnostic<CaptureIssueKind>;

/// The issues in a capture. At most 32 kinds are listed; issues of further kinds are only counted.
pub type CaptureIssues = Diagnostics<CaptureIssueKind, 32>;

/// A kind of issue. Issues of one kind merge even if their values differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct CaptureIssueKind(pub FrameIssueKind);

/// The place of an issue: a byte of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct CaptureByte {
    /// The number of the first frame with the issue, from 1.
    pub first_frame: u64,
    /// Offset from the start of the frame.
    pub byte: u32,
}

/// `frame 3: byte 14`
impl fmt::Display for CaptureByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {}: byte {}", self.first_frame, self.byte)
    }
}

impl Kind for CaptureIssueKind {
    type Place = CaptureByte;
    const SERIALIZES_COUNT: bool = true;

    fn merges(listed: &CaptureIssue, other: &CaptureIssue) -> bool {
        mem::discriminant(&listed.kind.0) == mem::discriminant(&other.kind.0)
    }

    fn fmt_count(count: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " (and {} more like it)", count - 1)
    }
}

/// `{"message": TEXT}`
impl Serialize for CaptureIssueKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("CaptureIssueKind", 1)?;
        fields.serialize_field("message", &self.to_string())?;
        fields.end()
    }
}

/// Adds an issue of frame `first_frame`. Fragments are left out: [`Totals`](super::Totals) counts those whose packet
/// stays incomplete.
pub(super) fn add(issues: &mut CaptureIssues, first_frame: u64, issue: &FrameIssue) {
    if !matches!(issue.kind, FrameIssueKind::FirstFragment | FrameIssueKind::LaterFragment(_)) {
        issues.add(CaptureByte { first_frame, byte: issue.place.byte }, CaptureIssueKind(issue.kind));
    }
}
