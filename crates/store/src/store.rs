//! The interface of all stores.

use std::ops::RangeInclusive;

use switchboard_core::change::{Change, ConversationId, LastSent, Record, Sent, Snapshot, UnixMillis};
use switchboard_core::{Answer, Query, SENT_KEPT};

use crate::error::StoreError;

/// Keeps changes. One thread owns a store and makes all changes; [`reader`](Store::reader) gives other threads access.
pub trait Store: Send {
    /// Whether committed changes outlive the process and a crash of the machine.
    fn is_durable(&self) -> bool;

    /// Reads everything but the records.
    fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// Applies the changes in their order, all or none, and returns after they are durable.
    ///
    /// The result names the conversations whose oldest records the store has dropped because it is bounded. After an
    /// error it is unknown whether the changes were applied: call [`reopen`](Store::reopen) and [`load`](Store::load).
    fn commit(&mut self, batch: &[Change]) -> Result<Vec<Trimmed>, StoreError>;

    /// Opens another access to the records, for another thread. It sees what was durable at the time of each read.
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError>;

    /// Opens the store again after a failed commit. A later [`load`](Store::load) reads the true state.
    fn reopen(&mut self) -> Result<(), StoreError>;

    /// Checks that the store can be written and has some room.
    fn check_writable(&mut self) -> Result<(), StoreError>;

    /// Commits something that means nothing, to show that commits succeed. It takes no longer than a small commit.
    fn probe(&mut self) -> Result<(), StoreError> {
        self.check_writable()
    }

    /// Does a bounded part of the work that need not be done in a commit. Returns whether more of it is left.
    ///
    /// An error changes nothing that is stored. After it, the next commit may fail.
    fn maintain(&mut self) -> Result<bool, StoreError>;
}

/// The oldest records of a conversation are gone, because the store is bounded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Trimmed {
    /// The conversation.
    pub conversation: ConversationId,
    /// The number of the first record that is left, or of the next one.
    pub first: u64,
}

/// Reads records. A redacted record has no text, and an expired one is absent.
pub trait Reader: Send {
    /// Reads the records with these numbers, in ascending order, up to the limit.
    fn records(
        &mut self,
        conversation: ConversationId,
        range: RangeInclusive<u64>,
        limit: ReadLimit,
    ) -> Result<Page, StoreError>;

    /// Reads the newest records below `before`, up to the limit, and returns them in ascending order.
    fn records_before(
        &mut self,
        conversation: ConversationId,
        before: u64,
        limit: ReadLimit,
    ) -> Result<Page, StoreError>;

    /// Looks up the record to which a device gave the number `n`. `last` is the newest record of this device.
    ///
    /// The result is `None` if the device skipped `n`, or if [`SENT_KEPT`] records of the device are newer, or if the
    /// record or one of these has expired.
    fn sent_seq(&mut self, conversation: ConversationId, last: LastSent, n: u64) -> Result<Option<u64>, StoreError>;

    /// Finds messages and topics of these conversations that have all `words`, the newest first, at most `max`.
    ///
    /// Words are compared without accents, vowel points and upper case. A word of a script without spaces is also found
    /// within others.
    fn search(&mut self, conversations: &[ConversationId], words: &str, max: usize) -> Result<Found, StoreError>;

    /// Answers a question of the core.
    fn answer(&mut self, query: &Query) -> Result<Answer, StoreError> {
        Ok(match *query {
            Query::Range { conversation, from, to, max_records, max_bytes } => {
                let limit = ReadLimit { records: max_records, bytes: max_bytes };
                let page = self.records(conversation, from..=to, limit)?;
                Answer::Records { first: page.first, records: page.records }
            }
            Query::Before { conversation, before, max_records, max_bytes } => {
                let limit = ReadLimit { records: max_records, bytes: max_bytes };
                let page = self.records_before(conversation, before, limit)?;
                Answer::Records { first: page.first, records: page.records }
            }
            Query::Sent { conversation, last, n } => Answer::Sent(self.sent_seq(conversation, last, n)?),
            Query::Search { ref conversations, ref words, max_records } => {
                let found = self.search(conversations, words, max_records)?;
                Answer::Found { records: found.records, is_complete: found.is_complete }
            }
        })
    }

    /// Finds the number of the first record that the server took at `since` or later, or the number after the last
    /// record. This is the number for [`Change::Expired`] when records are kept for some time.
    ///
    /// The times of a conversation usually rise. If a clock was set back, the result is one of the possible borders.
    fn first_since(&mut self, conversation: ConversationId, since: UnixMillis) -> Result<u64, StoreError> {
        let one = ReadLimit { records: 1, bytes: 0 };
        let newest = self.records_before(conversation, u64::MAX, one)?;
        let Some(last) = newest.records.first() else { return Ok(newest.first) };
        let (mut low, mut high) = (newest.first, last.seq + 1);
        while low < high {
            let middle = low.midpoint(high);
            let page = self.records(conversation, middle..=middle, one)?;
            match page.records.first() {
                Some(record) if record.at >= since => high = middle,
                Some(_) => low = middle + 1,
                // Meanwhile, it has expired.
                None => low = page.first.max(middle + 1).min(high),
            }
        }
        Ok(low)
    }
}

/// The bounds of one read. A read returns at least one record, if there is one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReadLimit {
    /// Maximum number of records.
    pub records: usize,
    /// Maximum total length of the texts, in bytes.
    pub bytes: usize,
}

/// Records that were read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// The number of the first record of the conversation at the time of the read, or of the next record if it has
    /// none. Requested records below it are gone. 1 if the store does not know the conversation.
    pub first: u64,
    /// The records, in ascending order.
    pub records: Vec<Record>,
}

/// The result of a search.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// The records, the newest first.
    pub records: Vec<Record>,
    /// Whether all records were searched. If not, one of the bounds was reached: on results, or on work.
    pub is_complete: bool,
}

/// Counts the records of a page against its limit.
#[derive(Debug)]
pub(crate) struct PageSize {
    limit: ReadLimit,
    records: usize,
    bytes: usize,
}

impl PageSize {
    pub(crate) fn new(limit: ReadLimit) -> Self {
        Self { limit, records: 0, bytes: 0 }
    }

    /// Counts a record with a text of this length, and returns whether it fits.
    pub(crate) fn add(&mut self, text_bytes: usize) -> bool {
        let bytes = self.bytes.saturating_add(text_bytes);
        let fits = self.records == 0 || bytes <= self.limit.bytes;
        if self.records >= self.limit.records || !fits {
            return false;
        }
        self.records += 1;
        self.bytes = bytes;
        true
    }
}

/// Follows the list of a device's records from the newest to the one with the number `n`.
///
/// `sent_of` returns the [`Sent`] of a record, if the record exists.
pub(crate) fn walk_sent(
    last: LastSent,
    n: u64,
    mut sent_of: impl FnMut(u64) -> Result<Option<Sent>, StoreError>,
) -> Result<Option<u64>, StoreError> {
    if n >= last.n {
        return Ok((n == last.n).then_some(last.seq));
    }
    let mut seq = last.seq;
    for _ in 0..SENT_KEPT {
        let Some(sent) = sent_of(seq)? else { return Ok(None) };
        if sent.n <= n {
            return Ok((sent.n == n).then_some(seq));
        }
        // A damaged list must not run in a circle.
        if sent.previous_seq == 0 || sent.previous_seq >= seq {
            return Ok(None);
        }
        seq = sent.previous_seq;
    }
    Ok(None)
}
