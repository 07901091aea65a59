//! Remarks: diagnostics about rows that were built, for results that the user may not expect.

use std::time::Duration;

use serde::Serialize;

use super::RowLine;
use crate::diagnostic::{Diagnostic, Diagnostics, Kind, Severity};

/// A remark on a build. Its place is the first row concerned, and its count is the number of rows or connections.
pub type BuildRemark = Diagnostic<BuildRemarkKind>;

/// The remarks on a build, at most 256: they contain protocol names, and a file may have any number of these.
pub type BuildRemarks = Diagnostics<BuildRemarkKind, 256>;

/// The remedy for HTTP messages that cannot be completed.
const HTTP_HINT: &str = ": write a start line, fields with a colon, and an empty line before a body";

/// The problem that a remark reports.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the texts document the variants and their fields")]
pub enum BuildRemarkKind {
    #[error(
        "{protocol} messages are not valid {protocol}, so they are sent to port {port}, which Wireshark does not \
         dissect, instead of {usual}: {}give ports", if *completable { "use --complete, or " } else { "" }
    )]
    PortAvoided { protocol: String, usual: u16, port: u16, completable: bool },
    #[error(
        "Wireshark reads {reads} on the given port {port}, but these {protocol} messages are not valid {reads}: \
         give another port{}", if *completable { ", or use --complete" } else { "" }
    )]
    PortMisread { protocol: String, reads: String, port: u16, completable: bool },
    #[error("{protocol} and {other} between the same two apps share one connection: give ports to separate them")]
    Mixed { protocol: String, other: String },
    /// Without this shift, the handshake would be before 1970.
    #[error("all times are moved by {} ns, so that the handshake fits before the first row", by.as_nanos())]
    Moved {
        #[serde(serialize_with = "nanos")]
        by: Duration,
    },
    #[error(
        "rows are sent up to {} ns after their time: a wire carries one frame at a time, in the order of the file",
        most.as_nanos()
    )]
    Later {
        #[serde(serialize_with = "nanos")]
        most: Duration,
    },
    #[error("an empty message is sent as an empty datagram")]
    EmptyDatagram,
    #[error(
        "CHAT messages without a line end run together in their stream: chat programs and encap dissector cannot \
         separate them; use --complete"
    )]
    Endless,
    /// Some dissectors of Wireshark recognise the first bytes of a stream on any port.
    #[error("messages begin like {reads}, so Wireshark may read them as {reads} on any port: begin them differently")]
    FirstBytes { reads: &'static str },
    #[error(
        "the body of HTTP messages does not match their Content-Type or Content-Encoding, which Wireshark reports: \
         correct one of the two"
    )]
    BodyMisnamed,
    #[error(
        "{protocol} messages are sent unchanged, because they cannot be completed to valid {protocol}{}",
        if protocol == "HTTP" { HTTP_HINT } else { "" }
    )]
    NotCompleted { protocol: String },
    #[error("{protocol} messages were completed to valid {protocol}")]
    Completed { protocol: String },
}

impl Kind for BuildRemarkKind {
    type Place = RowLine;
    const SERIALIZES_COUNT: bool = true;

    fn severity(&self) -> Severity {
        match self {
            Self::PortAvoided { .. }
            | Self::PortMisread { .. }
            | Self::Mixed { .. }
            | Self::Endless
            | Self::BodyMisnamed
            | Self::FirstBytes { .. }
            | Self::NotCompleted { .. } => Severity::Warning,
            Self::Moved { .. } | Self::Later { .. } | Self::EmptyDatagram | Self::Completed { .. } => Severity::Note,
        }
    }

    #[inline]
    fn merges(listed: &BuildRemark, other: &BuildRemark) -> bool {
        matches!((&listed.kind, &other.kind), (Self::Later { .. }, Self::Later { .. })) || listed.kind == other.kind
    }

    #[inline]
    fn merge(listed: &mut BuildRemark, other: BuildRemark) {
        listed.count += other.count;
        listed.place.line = listed.place.line.min(other.place.line);
        if let (Self::Later { most: listed }, Self::Later { most }) = (&mut listed.kind, other.kind) {
            *listed = most.max(*listed);
        }
    }
}

fn nanos<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
