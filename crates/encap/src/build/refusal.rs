//! Why a row that can be read cannot be carried.

use std::net::IpAddr;

/// A row that is not carried.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct Refusal {
    /// The line of the file on which the row starts.
    pub line: u64,
    /// Why.
    pub kind: RefusalKind,
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
