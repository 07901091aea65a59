//! Sums over a whole capture.

use std::ops::AddAssign;

use serde::Serialize;

use super::checksums::Checksums;
use super::issues::CaptureIssues;
use crate::time::Timestamp;

/// A number of packets, and their bytes on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Amount {
    /// How many.
    pub packets: u64,
    /// Their bytes, headers and all.
    pub bytes: u64,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, more: Self) {
        self.packets += more.packets;
        self.bytes += more.bytes;
    }
}

/// What there was in a capture as a whole.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// All packets.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// The earliest time.
    pub first: Option<Timestamp>,
    /// The latest.
    pub last: Option<Timestamp>,
    /// Conversations, listed or not.
    pub conversations: u64,
    /// Conversations that were closed for want of room.
    pub retired: u64,
    /// What belongs to conversations that the focus leaves out.
    pub out_of_focus: Amount,
    /// What belongs to no conversation: neither TCP nor UDP, or not to be read.
    pub no_conversation: Amount,
    /// Fragments of packets that did not become whole: part of what belongs to no conversation.
    pub fragments: Amount,
    /// All checksums, of what is in focus and of what belongs to no conversation.
    pub checksums: Checksums,
    /// What was wrong with frames.
    pub issues: CaptureIssues,
}
