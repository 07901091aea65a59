//! A capture's description of an interface.

use super::Resolution;
use crate::wire::LinkType;

/// An interface of a capture file.
///
/// A pcap file describes one interface, and only by its link type and snapshot length. A pcapng section describes any
/// number of interfaces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// Link type of its frames.
    pub link_type: LinkType,
    /// Snapshot length: maximum captured bytes per frame; 0 is unlimited.
    pub snap_len: u32,
    /// Name, such as `eth0`.
    pub name: Option<String>,
    /// Free-form description.
    pub description: Option<String>,
    /// Capture filter.
    pub filter: Option<String>,
    /// Operating system of the capturing machine.
    pub os: Option<String>,
    /// Resolution of the timestamps.
    pub resolution: Resolution,
    /// Offset added to each timestamp, in seconds.
    pub time_offset_secs: i64,
    /// Number of packets received, if recorded.
    pub received: Option<u64>,
    /// Number of received packets dropped for lack of buffer space, if recorded.
    pub dropped: Option<u64>,
}

impl Interface {
    /// An interface with this link type, timestamps in nanoseconds, and no other information.
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
