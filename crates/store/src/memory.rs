//! A store in memory: it begins empty, and keeps the newest records within bounds.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard_core::change::{Change, ConversationId, LastSent, Record, RecordKind, RedactTarget, Snapshot};

use crate::error::StoreError;
use crate::ledger::Ledger;
use crate::store::{Found, Page, PageSize, ReadLimit, Reader, Store, Trimmed, walk_sent};
use crate::words::{contain_all, phrases, words};

/// The bounds of a [`MemoryStore`]. When one is reached, the oldest records go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MemoryLimits {
    /// Maximum memory of all records, in bytes.
    pub bytes: usize,
    /// Maximum number of records of a conversation.
    pub records_per_conversation: usize,
}

/// Maximum number of records that one search reads. Reading them takes some tens of milliseconds.
const SEARCHED_MAX: usize = 100_000;

/// A store in memory.
///
/// A commit that does not fit leaves an unknown part of its batch. Then [`reopen`](Store::reopen) empties the store, as
/// a restart of the server would.
#[derive(Debug)]
pub struct MemoryStore {
    contents: Arc<Mutex<Contents>>,
}

impl MemoryStore {
    /// An empty store with these bounds.
    #[must_use]
    pub fn new(limits: MemoryLimits) -> Self {
        Self { contents: Arc::new(Mutex::new(Contents::new(limits, Ledger::default()))) }
    }
}

impl Store for MemoryStore {
    fn is_durable(&self) -> bool {
        false
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        Ok(lock(&self.contents).ledger.snapshot())
    }

    fn commit(&mut self, batch: &[Change]) -> Result<Vec<Trimmed>, StoreError> {
        let mut contents = lock(&self.contents);
        // An error or a panic leaves it so.
        contents.is_broken = true;
        for change in batch {
            contents.apply(change)?;
        }
        let trimmed = contents.trim();
        contents.is_broken = false;
        Ok(trimmed)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(MemoryReader { contents: Arc::clone(&self.contents) }))
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        let mut contents = lock(&self.contents);
        if contents.is_broken {
            let next_ids = contents.ledger.next_ids();
            *contents = Contents::new(contents.limits, Ledger::with_next_ids(next_ids));
        }
        Ok(())
    }

    fn check_writable(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn maintain(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }
}

#[derive(Debug)]
struct Contents {
    limits: MemoryLimits,
    ledger: Ledger,
    /// The records of each conversation without gaps. The last one is the last of the conversation.
    logs: HashMap<ConversationId, VecDeque<Arc<Record>>>,
    /// All records in the order in which they came. It also names records that are gone.
    order: VecDeque<(ConversationId, u64)>,
    /// The number of all records in `logs`.
    records: usize,
    /// The memory of all records in `logs`.
    bytes: usize,
    /// Conversations whose first records went because of the bounds, since the last commit.
    trimmed: Vec<Trimmed>,
    /// Whether a batch was applied in part.
    is_broken: bool,
}

impl Contents {
    fn new(limits: MemoryLimits, ledger: Ledger) -> Self {
        Self {
            limits,
            ledger,
            logs: HashMap::new(),
            order: VecDeque::new(),
            records: 0,
            bytes: 0,
            trimmed: Vec::new(),
            is_broken: false,
        }
    }

    fn apply(&mut self, change: &Change) -> Result<(), StoreError> {
        self.ledger.apply(change)?;
        match change {
            Change::RecordAppended(record) => {
                self.bytes += memory(record);
                self.records += 1;
                self.order.push_back((record.conversation, record.seq));
                let log = self.logs.entry(record.conversation).or_default();
                log.push_back(Arc::clone(record));
                if log.len() > self.limits.records_per_conversation {
                    let first = record.seq + 1 - self.limits.records_per_conversation as u64;
                    self.trim_to(record.conversation, first);
                }
            }
            Change::Redacted { conversation, target, by } => self.redact(*conversation, target, *by),
            Change::Expired { conversation, first } => self.drop_below(*conversation, *first),
            Change::ConversationDeleted { conversation } => {
                self.drop_below(*conversation, u64::MAX);
                self.logs.remove(conversation);
            }
            _ => {}
        }
        Ok(())
    }

    fn redact(&mut self, conversation: ConversationId, target: &RedactTarget, by: u64) {
        let Some(log) = self.logs.get_mut(&conversation) else { return };
        for record in log.iter_mut().filter(|record| record.seq < by && is_target(record, target)) {
            let record = Arc::make_mut(record);
            self.bytes -= record.text.len();
            record.text = String::new().into();
            record.redacted_by = Some(record.redacted_by.map_or(by, |earlier| earlier.min(by)));
        }
    }

    fn drop_below(&mut self, conversation: ConversationId, first: u64) {
        let Some(log) = self.logs.get_mut(&conversation) else { return };
        while let Some(record) = log.pop_front_if(|record| record.seq < first) {
            self.bytes -= memory(&record);
            self.records -= 1;
        }
    }

    fn trim_to(&mut self, conversation: ConversationId, first: u64) {
        self.drop_below(conversation, first);
        self.ledger.set_first(conversation, first);
        self.trimmed.push(Trimmed { conversation, first });
    }

    /// Drops the oldest records above the bound in bytes, and returns the conversations that lost some since last time.
    fn trim(&mut self) -> Vec<Trimmed> {
        while self.bytes > self.limits.bytes {
            let Some((conversation, seq)) = self.order.pop_front() else { break };
            if self.ledger.first(conversation).is_some_and(|first| first <= seq) {
                self.trim_to(conversation, seq + 1);
            }
        }
        // Entries of records that went for another reason must not take memory for ever.
        if self.order.len() > 2 * self.records + 1024 {
            let ledger = &self.ledger;
            self.order.retain(|&(conversation, seq)| ledger.first(conversation).is_some_and(|first| first <= seq));
        }
        // Only the last entry of each conversation counts.
        let mut seen = HashSet::new();
        let mut trimmed = std::mem::take(&mut self.trimmed);
        trimmed.reverse();
        trimmed.retain(|trimmed| seen.insert(trimmed.conversation));
        trimmed
    }

    /// The records of a conversation below `before`.
    fn below(&self, conversation: ConversationId, before: u64) -> impl DoubleEndedIterator<Item = &Arc<Record>> {
        self.logs.get(&conversation).into_iter().flat_map(move |log| {
            let first = log.front().map_or(before, |record| record.seq);
            let count = usize::try_from(before.saturating_sub(first)).unwrap_or(usize::MAX);
            log.range(..count.min(log.len()))
        })
    }

    fn record(&self, conversation: ConversationId, seq: u64) -> Option<&Arc<Record>> {
        let log = self.logs.get(&conversation)?;
        let place = seq.checked_sub(log.front()?.seq)?;
        log.get(usize::try_from(place).ok()?)
    }
}

/// Whether a redaction is about this record.
fn is_target(record: &Record, target: &RedactTarget) -> bool {
    match target {
        RedactTarget::Record(seq) => record.seq == *seq,
        RedactTarget::Account(account) => record.kind == RecordKind::Message && record.account == Some(*account),
        RedactTarget::Guest(name) => {
            record.kind == RecordKind::Message && record.account.is_none() && *record.author == **name
        }
    }
}

/// The memory that a record takes here, in bytes. Its author's name is counted although records share it.
fn memory(record: &Record) -> usize {
    /// The counters of an `Arc`, the pointers to it, and the entry in the order.
    const OVERHEAD: usize = 16 + size_of::<usize>() + size_of::<(ConversationId, u64)>();
    OVERHEAD + size_of::<Record>() + record.author.len() + record.text.len()
}

fn lock(contents: &Mutex<Contents>) -> MutexGuard<'_, Contents> {
    contents.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct MemoryReader {
    contents: Arc<Mutex<Contents>>,
}

impl Reader for MemoryReader {
    fn records(
        &mut self,
        conversation: ConversationId,
        range: RangeInclusive<u64>,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        let contents = lock(&self.contents);
        let first = contents.ledger.first(conversation).unwrap_or(1);
        let mut size = PageSize::new(limit);
        let from = (*range.start()).max(first);
        let numbers = (from..=*range.end()).map_while(|seq| contents.record(conversation, seq));
        let records = numbers.take_while(|record| size.add(record.text.len()));
        Ok(Page { first, records: records.map(|record| Record::clone(record)).collect() })
    }

    fn records_before(
        &mut self,
        conversation: ConversationId,
        before: u64,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        let contents = lock(&self.contents);
        let first = contents.ledger.first(conversation).unwrap_or(1);
        let mut size = PageSize::new(limit);
        let newest = contents.below(conversation, before).rev().take_while(|record| size.add(record.text.len()));
        let mut records: Vec<Record> = newest.map(|record| Record::clone(record)).collect();
        records.reverse();
        Ok(Page { first, records })
    }

    fn sent_seq(&mut self, conversation: ConversationId, last: LastSent, n: u64) -> Result<Option<u64>, StoreError> {
        let contents = lock(&self.contents);
        walk_sent(last, n, |seq| Ok(contents.record(conversation, seq).and_then(|record| record.sent)))
    }

    fn search(&mut self, conversations: &[ConversationId], words: &str, max: usize) -> Result<Found, StoreError> {
        let phrases = phrases(words);
        if phrases.is_empty() {
            return Ok(Found { records: Vec::new(), is_complete: true });
        }
        let conversations: HashSet<ConversationId> = conversations.iter().copied().collect();
        let contents = lock(&self.contents);
        let newest = contents.order.iter().rev().filter(|(conversation, _)| conversations.contains(conversation));
        let mut newest = newest.filter_map(|&(conversation, seq)| contents.record(conversation, seq));
        let mut found = newest.by_ref().take(SEARCHED_MAX).filter(|record| is_found(record, &phrases));
        let records = found.by_ref().take(max).map(|record| Record::clone(record)).collect();
        let has_more = found.next().is_some();
        Ok(Found { records, is_complete: !has_more && newest.next().is_none() })
    }
}

/// Whether a search for these phrases finds the record.
pub(crate) fn is_found(record: &Record, phrases: &[String]) -> bool {
    record.kind.is_searched() && contain_all(&words(&record.text), phrases)
}

#[cfg(test)]
mod tests {
    use switchboard_core::change::{Change, ConversationId};

    use super::{MemoryLimits, MemoryStore, memory};
    use crate::store::{Store, Trimmed};
    use crate::tests::home::{ALL, append, record, room, seqs};

    fn trimmed(conversation: u64, first: u64) -> Trimmed {
        Trimmed { conversation: ConversationId(conversation), first }
    }

    #[test]
    fn conversation_keeps_its_newest_records() {
        let mut store = MemoryStore::new(MemoryLimits { bytes: usize::MAX, records_per_conversation: 3 });
        assert_eq!(store.commit(&[room(1), room(2), append(record(2, 1, "other"))]), Ok(vec![]));
        let mut reader = store.reader().unwrap();
        let changes: Vec<Change> = (1..=3).map(|seq| append(record(1, seq, "text"))).collect();
        assert_eq!(store.commit(&changes), Ok(vec![]));
        assert_eq!(
            store.commit(&[append(record(1, 4, "text")), append(record(1, 5, "text"))]),
            Ok(vec![trimmed(1, 3)])
        );
        let page = reader.records(ConversationId(1), 1..=9, ALL).unwrap();
        assert_eq!((page.first, seqs(&page.records)), (3, vec![3, 4, 5]));
        let stored = store.load().unwrap().conversations;
        assert_eq!((stored[0].first, stored[0].last, stored[1].first), (3, 5, 1));
        assert_eq!(store.contents.lock().unwrap().records, 4);
    }

    #[test]
    fn oldest_records_go_when_the_memory_is_full() {
        let each = memory(&record(1, 1, "text"));
        let mut store = MemoryStore::new(MemoryLimits { bytes: 4 * each, records_per_conversation: 100 });
        store.commit(&[room(1), room(2)]).unwrap();
        for (batch, expected) in [
            (vec![(1, 1), (2, 1), (1, 2), (2, 2)], vec![]),
            (vec![(1, 3)], vec![trimmed(1, 2)]),
            (vec![(1, 4), (1, 5)], vec![trimmed(1, 3), trimmed(2, 2)]),
            // A batch may push out its own records.
            (vec![(2, 3), (2, 4), (2, 5), (2, 6), (2, 7)], vec![trimmed(2, 4), trimmed(1, 6)]),
        ] {
            let changes: Vec<Change> = batch.iter().map(|&(room, seq)| append(record(room, seq, "text"))).collect();
            let mut result = store.commit(&changes).unwrap();
            result.sort_by_key(|trimmed| expected.iter().position(|other| other == trimmed));
            assert_eq!(result, expected, "{batch:?}");
            let contents = store.contents.lock().unwrap();
            assert_eq!((contents.records, contents.bytes), (4, 4 * each));
        }
    }

    #[test]
    fn memory_is_bounded_however_records_go() {
        let limits = MemoryLimits { bytes: 1 << 20, records_per_conversation: 2 };
        let mut store = MemoryStore::new(limits);
        store.commit(&[room(1), room(2)]).unwrap();
        for seq in 1..=10_000 {
            let expired = Change::Expired { conversation: ConversationId(2), first: seq + 1 };
            store.commit(&[append(record(1, seq, "text")), append(record(2, seq, "text")), expired]).unwrap();
            let contents = store.contents.lock().unwrap();
            assert!(contents.order.len() < 2000 && contents.records <= 3, "{}", contents.order.len());
        }
        let contents = store.contents.lock().unwrap();
        assert_eq!((contents.records, contents.bytes), (2, 2 * memory(&record(1, 1, "text"))));
    }
}
