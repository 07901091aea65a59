//! The ledger: all records that anybody heard, and all messages that the server has acknowledged.

use std::collections::{BTreeMap, HashMap};

use switchboard_protocol::version2::RecordLine;

/// Index of a conversation in the ledger.
pub(crate) type ConversationIndex = usize;

/// Index of an account.
pub(crate) type AccountIndex = usize;

/// A message, by the device that sent it and its number `n` in its conversation.
pub(crate) type MessageKey = (usize, u64);

/// Maximum number of violations that are kept for the report.
const VIOLATIONS_MAX: usize = 10;

#[derive(Debug, Default)]
struct Conversation {
    epoch: String,
    /// The heard records by their numbers. Everything in them but the target, `n` and `past` is the same for all readers.
    records: BTreeMap<u64, String>,
    /// The numbers of the heard messages.
    places: HashMap<MessageKey, u64>,
    acknowledged: HashMap<MessageKey, u64>,
    /// The highest number of a record or an acknowledgement.
    last: u64,
    /// The acknowledged read marker of each account.
    markers: HashMap<AccountIndex, u64>,
}

/// An account that was made while the server was killed again and again.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    pub(crate) name: String,
    /// Its token, if the server has acknowledged one.
    pub(crate) token: Option<String>,
}

/// Counts for the report.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) records_heard: u64,
    pub(crate) logins: u64,
    /// Messages that were sent again after a reconnect.
    pub(crate) resent: u64,
    /// Those of them that were stored already: the kill came before their answer.
    pub(crate) resent_and_stored: u64,
    pub(crate) displaced: u64,
}

/// All conversations and messages of a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    conversations: Vec<Conversation>,
    /// Unanswered messages of each device.
    pub(crate) unanswered: Vec<usize>,
    /// Records that each device has not heard yet, but somebody else. `None` before the load has ended.
    pub(crate) unheard: Vec<Option<u64>>,
    pub(crate) newcomers: Vec<Newcomer>,
    pub(crate) counts: Counts,
    pub(crate) violations: Vec<String>,
}

impl Ledger {
    pub(crate) fn new(conversations: usize, devices: usize) -> Self {
        Self {
            conversations: (0..conversations).map(|_| Conversation::default()).collect(),
            unanswered: vec![0; devices],
            unheard: vec![None; devices],
            newcomers: Vec::new(),
            counts: Counts::default(),
            violations: Vec::new(),
        }
    }

    pub(crate) fn violation(&mut self, violation: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }

    /// Checks an epoch, which never changes.
    pub(crate) fn check_epoch(&mut self, id: ConversationIndex, epoch: &str) {
        let known = &mut self.conversations[id].epoch;
        if known.is_empty() {
            epoch.clone_into(known);
        } else if known != epoch {
            let violation = format!("conversation {id}: the epoch was {known}, and is {epoch}");
            self.violation(violation);
        }
    }

    /// The epoch of a conversation.
    pub(crate) fn epoch(&self, id: ConversationIndex) -> &str {
        &self.conversations[id].epoch
    }

    /// The highest number of a conversation that anybody heard of.
    pub(crate) fn last(&self, id: ConversationIndex) -> u64 {
        self.conversations[id].last
    }

    /// Takes a record that a reader heard: it is the same as all others heard at this number.
    pub(crate) fn hear(&mut self, id: ConversationIndex, record: &RecordLine<'_>) {
        self.counts.records_heard += 1;
        let (seq, content) = (record.seq, content(record));
        let conversation = &mut self.conversations[id];
        conversation.last = conversation.last.max(seq);
        let known = conversation.records.entry(seq).or_insert_with(|| content.clone());
        if *known != content {
            let known = known.clone();
            return self.violation(format!("conversation {id}: record {seq} was {known:?}, and is {content:?}"));
        }
        let Some(key) = message_key(&record.text) else { return };
        let place = *conversation.places.entry(key).or_insert(seq);
        let acknowledged = conversation.acknowledged.get(&key).copied();
        if place != seq {
            self.violation(format!("conversation {id}: message {key:?} is doubled, at {place} and {seq}"));
        }
        if acknowledged.is_some_and(|acknowledged| acknowledged != seq) {
            self.violation(format!("conversation {id}: message {key:?} at {seq} was acknowledged as {acknowledged:?}"));
        }
    }

    /// Takes a `SAID`: each one for the same message has the same number, which is the number of its record.
    pub(crate) fn acknowledge(&mut self, id: ConversationIndex, key: MessageKey, seq: u64) {
        let conversation = &mut self.conversations[id];
        conversation.last = conversation.last.max(seq);
        let before = *conversation.acknowledged.entry(key).or_insert(seq);
        let place = conversation.places.get(&key).copied();
        if before != seq {
            self.violation(format!("conversation {id}: message {key:?} was acknowledged as {before} and as {seq}"));
        }
        if place != Some(seq) {
            // The author has the conversation open, and hears each record before its `SAID`.
            self.violation(format!(
                "conversation {id}: message {key:?} was acknowledged as {seq}, and is at {place:?}"
            ));
        }
    }

    /// Takes a `READ_OK`.
    pub(crate) fn acknowledge_marker(&mut self, id: ConversationIndex, account: AccountIndex, seq: u64) {
        let marker = self.conversations[id].markers.entry(account).or_default();
        *marker = (*marker).max(seq);
    }

    /// The highest acknowledged read marker of an account.
    pub(crate) fn marker(&self, id: ConversationIndex, account: AccountIndex) -> u64 {
        self.conversations[id].markers.get(&account).copied().unwrap_or_default()
    }

    /// Checks all records of a conversation, as they are stored at the end, against all that was heard before.
    pub(crate) fn check_stored(&mut self, id: ConversationIndex, stored: &[RecordLine<'_>]) {
        for (expected, record) in (1..).zip(stored) {
            if record.seq != expected {
                return self.violation(format!("conversation {id}: record {} is stored at {expected}", record.seq));
            }
            self.hear(id, record);
        }
        let Conversation { records, acknowledged, places, .. } = &self.conversations[id];
        let missing = records.keys().find(|&&seq| seq > stored.len() as u64).copied();
        let unplaced = acknowledged.iter().find(|(key, seq)| places.get(key) != Some(seq)).map(|(key, _)| *key);
        if let Some(seq) = missing {
            self.violation(format!("conversation {id}: record {seq} was heard, and {} are stored", stored.len()));
        }
        if let Some(key) = unplaced {
            self.violation(format!("conversation {id}: message {key:?} was acknowledged, and is not stored"));
        }
    }

    /// Whether all devices have all answers, and have heard all records.
    pub(crate) fn is_settled(&self) -> bool {
        self.unanswered.iter().all(|&unanswered| unanswered == 0) && self.unheard.iter().all(|&left| left == Some(0))
    }

    /// Number of acknowledged messages.
    pub(crate) fn acknowledged(&self) -> usize {
        self.conversations.iter().map(|conversation| conversation.acknowledged.len()).sum()
    }
}

/// The text of a message. Its beginning is the key.
pub(crate) fn text((device, n): MessageKey, filling_len: usize) -> String {
    format!("d{device} n{n} {}", "x".repeat(filling_len))
}

/// The key in the text of a message. Records of other kinds have none.
fn message_key(text: &str) -> Option<MessageKey> {
    let mut words = text.split(' ');
    let device = words.next()?.strip_prefix('d')?.parse().ok()?;
    Some((device, words.next()?.strip_prefix('n')?.parse().ok()?))
}

/// The parts of a record that are the same for all readers at all times.
fn content(record: &RecordLine<'_>) -> String {
    let RecordLine { at_millis, by, redacted_by, verb, author, text, .. } = record;
    format!("at {at_millis} by {by:?} redacted {redacted_by:?} {} {author}: {text}", verb.as_str())
}

#[cfg(test)]
mod tests {
    use switchboard_protocol::version2::{Reply, parse_reply};

    use super::*;

    /// A record of conversation 0.
    fn hear(ledger: &mut Ledger, seq: u64, text: &str) {
        with_record(seq, text, |record| ledger.hear(0, record));
    }

    fn with_record<R>(seq: u64, text: &str, take: impl FnOnce(&RecordLine<'_>) -> R) -> R {
        let line = format!("@in=#lab;seq={seq};at=2026-11-28T22:10:37.123Z;by=7 FROM Elias: {text}");
        match parse_reply(&line).map(|tagged| tagged.reply) {
            Ok(Reply::Record(record)) => take(&record),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_fault_of_a_server_is_a_violation() {
        /// A fault of a server, and a part of the violation.
        type Case = (fn(&mut Ledger), &'static str);
        let cases: [Case; 8] = [
            (|ledger| hear(ledger, 1, "d0 n2 x"), "record 1 was"),
            (|ledger| hear(ledger, 2, "d0 n1 x"), "is doubled, at 1 and 2"),
            (|ledger| ledger.acknowledge(0, (0, 1), 2), "was acknowledged as 1 and as 2"),
            (|ledger| ledger.acknowledge(0, (0, 2), 2), "was acknowledged as 2, and is at None"),
            (|ledger| ledger.check_epoch(0, "other"), "the epoch was first, and is other"),
            (|ledger| ledger.check_stored(0, &[]), "record 1 was heard, and 0 are stored"),
            (
                |ledger| with_record(2, "d0 n1 x", |record| ledger.check_stored(0, std::slice::from_ref(record))),
                "is stored at 1",
            ),
            (
                |ledger| with_record(1, "", |record| ledger.check_stored(0, std::slice::from_ref(record))),
                "record 1 was",
            ),
        ];
        for (fault, violation) in cases {
            let mut ledger = Ledger::new(1, 1);
            ledger.check_epoch(0, "first");
            hear(&mut ledger, 1, "d0 n1 x");
            ledger.acknowledge(0, (0, 1), 1);
            with_record(1, "d0 n1 x", |record| ledger.check_stored(0, std::slice::from_ref(record)));
            assert_eq!(ledger.violations, [""; 0]);
            fault(&mut ledger);
            let is_found = ledger.violations.iter().any(|found| found.contains(violation));
            assert!(is_found, "{violation:?} is not in {:?}", ledger.violations);
        }
    }
}
