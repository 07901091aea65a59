//! What is worth knowing about what was built.

use std::time::Duration;

use serde::Serialize;

use crate::diagnostic::Severity;

/// Something that may not be what was meant, and how often it happened.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Remark {
    /// The line of the first row that it is about.
    pub line: u64,
    /// How many connections, or rows, it is about.
    pub count: u64,
    /// What.
    #[serde(flatten)]
    pub kind: RemarkKind,
}

/// What is worth knowing.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the values of the sentences above them")]
pub enum RemarkKind {
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

impl RemarkKind {
    /// Whether it may not be what was meant, or is only worth knowing.
    #[must_use]
    pub fn severity(&self) -> Severity {
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
}

fn nanos<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// Remarks, equal ones counted.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    list: Vec<Remark>,
    /// The index of the one that was added last: mostly, it is added again.
    latest: usize,
}

impl Remarks {
    /// The most different ones; names of protocols are the file's, so there is no end to them otherwise.
    const MAX: usize = 256;

    pub(super) fn add(&mut self, line: u64, kind: RemarkKind) {
        match self.list.iter().position(|remark| remark.kind.is_same(&kind)) {
            Some(at) => {
                self.list[at].again(line, kind);
                self.latest = at;
            }
            None if self.list.len() < Self::MAX => {
                self.latest = self.list.len();
                self.list.push(Remark { line, count: 1, kind });
            }
            None => {}
        }
    }

    /// Counts the latest once more if it is of this kind, and says whether it was: for kinds of which one row after the
    /// other may be.
    #[inline]
    pub(super) fn again(&mut self, line: u64, is_kind: impl Fn(&RemarkKind) -> bool) -> bool {
        let latest = self.list.get_mut(self.latest).filter(|remark| is_kind(&remark.kind));
        latest.is_some_and(|remark| {
            remark.count += 1;
            remark.line = remark.line.min(line);
            true
        })
    }

    pub(super) fn into_vec(self) -> Vec<Remark> {
        self.list
    }
}

impl RemarkKind {
    /// Whether the two are said as one.
    fn is_same(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Later { .. }, Self::Later { .. })) || self == other
    }
}

impl Remark {
    /// Counts another of its kind, on `line`.
    fn again(&mut self, line: u64, kind: RemarkKind) {
        self.count += 1;
        self.line = self.line.min(line);
        if let (RemarkKind::Later { most: known }, RemarkKind::Later { most }) = (&mut self.kind, kind) {
            *known = (*known).max(most);
        }
    }
}
