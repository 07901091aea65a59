//! What a capture says of an interface that it took packets from.

use super::Resolution;
use crate::wire::LinkType;

/// An interface as a capture describes it.
///
/// A pcap file has one without words; a pcapng file has any number in each section.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// What its frames begin with.
    pub link_type: LinkType,
    /// The most bytes it kept of a frame; 0 is no limit.
    pub snap_len: u32,
    /// Its name, such as `eth0`.
    pub name: Option<String>,
    /// What it is, in words.
    pub description: Option<String>,
    /// The filter that its packets passed.
    pub filter: Option<String>,
    /// The operating system of its machine.
    pub os: Option<String>,
    /// The unit of its times in the file.
    pub resolution: Resolution,
    /// What is added to its times, in seconds.
    pub time_offset_secs: i64,
    /// How many packets it received, if the capture says so.
    pub received: Option<u64>,
    /// How many of them it dropped for want of room, if the capture says so.
    pub dropped: Option<u64>,
}

impl Interface {
    /// An interface of which nothing is known but what its frames begin with.
    #[must_use]
    pub const fn new(link_type: LinkType) -> Self {
        Self {
            link_type,
            snap_len: 0,
            name: None,
            description: None,
            filter: None,
            os: None,
            resolution: Resolution::NANOS,
            time_offset_secs: 0,
            received: None,
            dropped: None,
        }
    }
}
