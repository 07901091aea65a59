//! Questions to the store, and their answers.

use crate::change::{ConversationId, LastSent, Record};

/// Identifies a question. No later question has the same ticket.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// A question to the store. It sees only what was durable when it is answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Query {
    /// The records `from` to `to`, both included, in ascending order. The answer is a beginning of them: at least one
    /// record, if there is any, and further ones within the bounds.
    Range {
        /// The conversation.
        conversation: ConversationId,
        /// The first number.
        from: u64,
        /// The last number.
        to: u64,
        /// Maximum number of records.
        max_records: usize,
        /// Maximum total length of the texts, in bytes.
        max_bytes: usize,
    },
    /// The newest records below `before`, in ascending order.
    Before {
        /// The conversation.
        conversation: ConversationId,
        /// The number after the last record.
        before: u64,
        /// Maximum number of records.
        max_records: usize,
        /// Maximum total length of the texts, in bytes.
        max_bytes: usize,
    },
    /// The record to which a device gave the number `n`.
    Sent {
        /// The conversation.
        conversation: ConversationId,
        /// The newest record of this device.
        last: LastSent,
        /// The number, which is not above `last.n`.
        n: u64,
    },
    /// The newest records that contain all words, newest first.
    Search {
        /// Where to search.
        conversations: Vec<ConversationId>,
        /// The words, separated by spaces.
        words: String,
        /// Maximum number of records.
        max_records: usize,
    },
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The records of a range.
    Records {
        /// The number of the first record that is left in the conversation, or of its next one.
        first: u64,
        /// The records.
        records: Vec<Record>,
    },
    /// The records that a search has found.
    Found {
        /// The records, newest first.
        records: Vec<Record>,
        /// Whether all records were searched. If not, older ones may contain the words, too.
        is_complete: bool,
    },
    /// The number of the record that was sent with `n`, if it is among the last [`SENT_KEPT`] of its device.
    Sent(Option<u64>),
    /// The store could not be read.
    Failed,
}

/// For how many records of a device in a conversation the number `n` is kept.
pub const SENT_KEPT: usize = 1024;
