//! What is worth knowing about what was built.

use std::time::Duration;

use serde::Serialize;

use super::RowLine;
use crate::diagnostic::{Diagnostic, Diagnostics, Kind, Severity};

/// A remark on a build: a result that may not be as intended. The place is the first row, and the count is of rows or of
/// connections.
pub type BuildRemark = Diagnostic<BuildRemarkKind>;

/// The remarks on a build. Names of protocols come from the file, so the number of different remarks has a bound.
pub type BuildRemarks = Diagnostics<BuildRemarkKind, 256>;

/// What is worth knowing.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the values of the sentences above them")]
pub enum BuildRemarkKind {
    /// The port of the protocol would have its dissector read text that is none of its own.
    #[error(
        "{protocol} messages that are not as {protocol} writes them are sent to port {port}, which Wireshark does not \
         dissect, and not to {usual}: {}give ports", if *completable { "use --complete, or " } else { "" }
    )]
    PortAvoided { protocol: String, usual: u16, port: u16, completable: bool },
    /// Given ports are kept.
    #[error(
        "port {port} is given, and Wireshark reads {reads} there, which these {protocol} messages are not: \
         give another port{}", if *completable { ", or use --complete" } else { "" }
    )]
    PortMisread { protocol: String, reads: String, port: u16, completable: bool },
    /// One connection for each pair of apps.
    #[error("{protocol} and {other} between the same two apps share one connection: give ports to part them")]
    Mixed { protocol: String, other: String },
    /// A handshake before the first row would be before 1970.
    #[error("all times are moved by {} ns, so that the handshake fits before the first row", by.as_nanos())]
    Moved {
        #[serde(serialize_with = "nanos")]
        by: Duration,
    },
    /// Rows at one moment, backwards, or faster than the wire.
    #[error("rows are sent later than they say, at most by {} ns: a wire carries one frame at a time, in the order of the file", most.as_nanos())]
    Later {
        #[serde(serialize_with = "nanos")]
        most: Duration,
    },
    /// Unlike TCP, UDP has a way to send nothing.
    #[error("an empty message is sent as an empty datagram")]
    EmptyDatagram,
    /// A stream has no other border between messages.
    #[error(
        "CHAT messages without a line end cannot be told apart in their stream, by chat programs or by encap dissector: \
         use --complete"
    )]
    Endless,
    /// Some dissectors do not ask for the port.
    #[error("messages begin as {reads} does, and Wireshark may read them as that on any port: begin them otherwise")]
    FirstBytes { reads: &'static str },
    /// Wireshark knows HTTP by its first line, on any port.
    #[error(
        "HTTP messages have a body that is not of the Content-Type or Content-Encoding that they say, which Wireshark \
         complains of: mend one of the two"
    )]
    BodyMisnamed,
    /// `--complete` could not tell what to add.
    #[error(
        "{protocol} messages are sent as they are, as they cannot be completed to what {protocol} asks for{}",
        if protocol == "HTTP" { ": write a start line, fields with a colon, and an empty line before a body" } else { "" }
    )]
    NotCompleted { protocol: String },
    /// `--complete` added to messages.
    #[error("{protocol} messages were completed with what {protocol} asks for")]
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
