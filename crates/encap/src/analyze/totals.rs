//! Sums over a whole capture.

use std::ops::AddAssign;

use serde::Serialize;

use super::checksums::Checksums;
use super::issues::CaptureIssues;
use crate::time::Timestamp;

/// A number of packets, and the sum of their lengths.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Amount {
    /// Number of packets.
    pub packets: u64,
    /// Bytes on the wire, with all headers.
    pub bytes: u64,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// Sums over a whole capture.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Number of packets.
    pub packets: u64,
    /// Bytes on the wire, with all headers.
    pub bytes: u64,
    /// Earliest time of a packet.
    pub first: Option<Timestamp>,
    /// Latest time of a packet.
    pub last: Option<Timestamp>,
    /// Number of conversations in focus.
    pub conversations: u64,
    /// Conversations that were closed before their end, to bound memory.
    pub retired: u64,
    /// Packets of conversations out of focus.
    pub out_of_focus: Amount,
    /// Packets of no conversation: neither TCP nor UDP, or unreadable, or fragments of incomplete packets.
    pub no_conversation: Amount,
    /// Fragments of incomplete packets. `no_conversation` includes them.
    pub fragments: Amount,
    /// Checksums of all packets, except those out of focus.
    pub checksums: Checksums,
    /// Issues of all frames, merged by kind.
    pub issues: CaptureIssues,
}
