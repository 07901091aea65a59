//! Refusals: rows that can be read, but not built.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Kind, Severity};

/// The reason that no frame carries a row, with the place of the row.
pub type Refusal = Diagnostic<RefusalKind>;

/// The place of a row in the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct RowLine {
    /// The number of the row's first line, from 1.
    pub line: u64,
}

/// For example `line 4`.
impl fmt::Display for RowLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)
    }
}

/// The reasons of a refusal. Each text ends with a remedy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts document the variants and their fields")]
pub enum RefusalKind {
    #[error("{0} is a multicast or broadcast address, to which TCP cannot connect: use --transport udp")]
    GroupOverTcp(IpAddr),
    #[error(
        "a message of {bytes} bytes does not fit in a datagram of at most {max}: use --transport tcp or a larger --mtu"
    )]
    DatagramTooLong { bytes: usize, max: usize },
    /// RFC 8200 §5.
    #[error("IPv6 needs an MTU of at least {} bytes: raise --mtu", super::Mtu::MIN_V6)]
    MtuBelowV6,
    #[error("there are more than {max} connections: split the file")]
    TooManyConnections { max: usize },
    /// The 64-bit nanoseconds since 1970 end in that year.
    #[error("its time, counted from --start, is after the year 2262: choose an earlier start")]
    TooLate,
    /// The 32-bit seconds since 1970 end in that year.
    #[error("its time is after the year 2106, the last that pcap can store: use --format pcapng")]
    BeyondPcap,
}

impl Kind for RefusalKind {
    type Place = RowLine;

    fn severity(&self) -> Severity {
        Severity::Error
    }
}
