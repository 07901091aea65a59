//! Why a connection is over.

use serde::{Deserialize, Serialize};
use switchboard_protocol::ErrorCode;

/// Why a connection is over.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ConnectionError {
    /// The server closed it between two lines, and gave no reason.
    #[error("the server closed the connection")]
    #[serde(rename = "BY_SERVER")]
    ClosedByServer,
    /// The server closed it and said why.
    #[error("the server closed the connection: {code}: {}", detail.as_deref().unwrap_or(code.sentence()))]
    #[serde(rename = "WITH_CODE")]
    ClosedWithCode {
        /// The code of its last `ERROR`.
        code: ErrorCode,
        /// The server's own sentence, where it sent one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// It ended inside a line: the server died, or something between cut it.
    #[error("the connection was cut in the middle of a line")]
    MidLine,
    /// A line passed the bound. What it answered is not known, so nothing after it can be trusted.
    #[error("the server sent a line of more than {max_bytes} bytes")]
    LineTooLong {
        /// The bound, in bytes with the LF.
        max_bytes: usize,
    },
    /// On this side: more events waited to be taken than are kept, while a command waited for its answer.
    #[error("more than {max_bytes} bytes of events came before an answer, and nobody took them")]
    EventsNotTaken {
        /// The bound, in bytes of memory.
        max_bytes: usize,
    },
    /// Reading or writing failed.
    #[error("the connection failed: {reason}")]
    Failed {
        /// What the system said.
        reason: String,
    },
    /// On this side: nobody holds the [`Client`](crate::Client) any more.
    #[error("this side closed the connection")]
    #[serde(rename = "DROPPED")]
    ClosedLocally,
}
