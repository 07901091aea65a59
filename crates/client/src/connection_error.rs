//! The reasons for which a connection ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchboard_protocol::ErrorCode;

/// Why a connection ended.
// Some JSON words differ from the variant names. Programs match on the words, so a word stays when its variant gets a
// new name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ConnectionError {
    /// The server closed the connection after a complete line and gave no reason.
    #[error("the server closed the connection")]
    #[serde(rename = "BY_SERVER")]
    ClosedByServer,
    /// The server sent an `ERROR` that ends the session, and closed the connection.
    #[error("the server closed the connection: {code}: {}", detail.as_deref().unwrap_or(code.sentence()))]
    #[serde(rename = "WITH_CODE")]
    ClosedWithCode {
        /// The code of this `ERROR`.
        code: ErrorCode,
        /// The server's text after the code, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The stream ended inside a line: the server or the network failed.
    #[error("the connection was cut in the middle of a line")]
    MidLine,
    /// The server sent a line over the limit. The line may be an answer or an event, so the client can no longer match
    /// answers to requests.
    #[error("the server sent a line of more than {max_bytes} bytes")]
    LineTooLong {
        /// The limit in bytes, LF included.
        max_bytes: usize,
    },
    /// This side gave up: the queue of events reached its limit while a command waited for its answer.
    #[error("more than {max_bytes} bytes of events came before an answer, and nobody took them")]
    EventsNotTaken {
        /// The limit in bytes of memory.
        max_bytes: usize,
    },
    /// The server was silent and did not answer a `PING`: its machine, or the network between, is gone.
    #[error(
        "nothing came from the server for {}, not even the answer to a PING: the network is down, or the \
         server is gone",
        format_silence(*silent_ms)
    )]
    Unresponsive {
        /// The time since the last byte from the server, in milliseconds.
        silent_ms: u64,
    },
    /// A read or write failed.
    #[error("the connection failed: {reason}")]
    Failed {
        /// The message of the I/O error.
        reason: String,
    },
    /// This side closed the connection because the last [`Client`](crate::Client) was dropped.
    #[error("this side closed the connection")]
    #[serde(rename = "DROPPED")]
    ClosedLocally,
}

impl ConnectionError {
    pub(crate) fn unresponsive(silence: Duration) -> Self {
        Self::Unresponsive { silent_ms: u64::try_from(silence.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// The silence for a person: from one second on, in whole seconds.
fn format_silence(silent_ms: u64) -> impl std::fmt::Display {
    let silence = match silent_ms {
        0..1000 => Duration::from_millis(silent_ms),
        _ => Duration::from_secs(silent_ms / 1000),
    };
    humantime::format_duration(silence)
}
