//! Why a row that can be read cannot be carried.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Kind, Severity};

/// The refusal of a row, which no frame carries.
pub type Refusal = Diagnostic<RefusalKind>;

/// A row of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct RowLine {
    /// The line on which the row starts, from 1.
    pub line: u64,
}

/// `line 4`
impl fmt::Display for RowLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)
    }
}

/// Why a row is not carried. Each says how to mend it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RefusalKind {
    /// A group cannot shake hands.
    #[error("{0} is the address of a group or of all, which TCP has no connection to: use --transport udp")]
    GroupOverTcp(IpAddr),
    /// A message goes into one datagram, and that into one packet.
    #[error(
        "a message of {bytes} bytes does not fit in a datagram: at most {max} do; use --transport tcp or a larger --mtu"
    )]
    DatagramTooLong {
        /// Its length.
        bytes: usize,
        /// What there is room for.
        max: usize,
    },
    /// Below what IPv6 asks of every link.
    #[error("IPv6 needs an MTU of at least {} bytes: raise --mtu", super::Mtu::MIN_V6)]
    MtuBelowV6,
    /// More connections than are told apart.
    #[error("there are more than {max} connections: split the file")]
    TooManyConnections {
        /// How many there may be.
        max: usize,
    },
    /// Beyond 2262.
    #[error("its time with what --start adds is beyond the year 2262: choose an earlier start")]
    TooLate,
    /// Beyond 2106, in a file whose times end there.
    #[error("its time is beyond the year 2106, where the times of pcap end: use --format pcapng")]
    BeyondPcap,
}

impl Kind for RefusalKind {
    type Place = RowLine;

    fn severity(&self) -> Severity {
        Severity::Error
    }
}
