use switchboard_client::conversations::{Gap, GapReason, Item, Record, RecordVerb};

use super::*;

/// Noy, whose account is 1.
struct Noy;

impl Reader for Noy {
    fn is_own(&self, record: &Record) -> bool {
        record.by == Some(1)
    }

    fn is_mention(&self, text: &str) -> bool {
        text.contains("Noy")
    }
}

fn record(seq: u64, verb: RecordVerb, text: &str) -> Item {
    Item::Record(Record {
        verb,
        target: "#lab".to_owned(),
        seq,
        at_millis: 1_000 * seq,
        by: Some(2),
        n: None,
        redacted_by: None,
        author: "Elias".to_owned(),
        text: text.to_owned(),
    })
}

fn messages(seqs: impl IntoIterator<Item = u64>) -> Vec<Item> {
    seqs.into_iter().map(|seq| record(seq, RecordVerb::From, &format!("m{seq}"))).collect()
}

fn gap(from: u64, to: u64, reason: GapReason) -> Item {
    Item::Gap(Gap { target: "#lab".to_owned(), from, to, reason })
}

/// The timeline in one line: `m1 m2 [3-7] m8`. Holes are in brackets, gaps in braces.
fn shown(timeline: &Timeline) -> String {
    let show = |entry: &Entry| match &entry.content {
        Content::Message(message) if message.is_redacted => "-".to_owned(),
        Content::Message(message) => message.text.to_string(),
        Content::Happening { verb, .. } => verb.as_str().to_owned(),
        Content::Gap { from, to, .. } => format!("{{{from}-{to}}}"),
        Content::Hole { from, to } => format!("[{from}-{to}]"),
        Content::Notice { text, .. } => format!("({text})"),
    };
    timeline.iter().map(|(_, entry)| show(entry)).collect::<Vec<_>>().join(" ")
}

#[test]
fn pages_and_live_records_meet_in_the_order_of_their_numbers() {
    let mut timeline = Timeline::default();
    timeline.add_page(u64::MAX, &messages(8..=9), &Noy);
    timeline.add_live(&messages(10..=11), &Noy);
    assert_eq!((shown(&timeline), timeline.older_before()), ("m8 m9 m10 m11".to_owned(), Some(8)));
    timeline.add_page(8, &messages(5..=7), &Noy);
    // Records 1 to 3 have expired.
    timeline.add_page(5, &messages(4..=4), &Noy);
    assert_eq!(shown(&timeline), "m4 m5 m6 m7 m8 m9 m10 m11");
    assert_eq!(timeline.older_before(), Some(4));
    timeline.add_page(4, &[], &Noy);
    assert_eq!(timeline.older_before(), None);
}

#[test]
fn a_hole_between_known_ranges_is_shown_until_it_is_filled() {
    let mut timeline = Timeline::default();
    timeline.add_live(&messages(1..=2), &Noy);
    timeline.add_live(&messages(8..=8), &Noy);
    assert_eq!(shown(&timeline), "m1 m2 [3-7] m8");
    timeline.add_page(8, &messages(6..=7), &Noy);
    assert_eq!(shown(&timeline), "m1 m2 [3-5] m6 m7 m8");
    // Record 4 has expired: the page leaves it out.
    timeline.add_page(6, &messages([2, 3, 5]), &Noy);
    assert_eq!(shown(&timeline), "m1 m2 m3 m5 m6 m7 m8");
}

#[test]
fn a_record_is_shown_once_however_often_it_comes() {
    let mut timeline = Timeline::default();
    assert_eq!(timeline.add_live(&messages([1, 2, 2, 1]), &Noy).len(), 2);
    timeline.add_page(3, &messages(1..=2), &Noy);
    assert_eq!(shown(&timeline), "m1 m2");
}

#[test]
fn gaps_of_the_server_stand_in_their_places() {
    let mut timeline = Timeline::default();
    timeline.add_live(&[gap(1, 3, GapReason::Expired)], &Noy);
    timeline.add_live(&messages(4..=4), &Noy);
    timeline.add_live(&[gap(5, 5, GapReason::Hidden)], &Noy);
    timeline.add_live(&messages(6..=6), &Noy);
    assert_eq!(shown(&timeline), "{1-3} m4 {5-5} m6");
}

#[test]
fn after_a_new_epoch_equal_records_are_not_doubled() {
    let mut timeline = Timeline::default();
    timeline.add_live(&messages(1..=4), &Noy);
    timeline.add_live(&[gap(0, 0, GapReason::Lost)], &Noy);
    // The backup had the records 1 and 2. Another record 3 came after it was restored.
    timeline.add_live(&messages(1..=2), &Noy);
    timeline.add_live(&[record(3, RecordVerb::From, "another")], &Noy);
    assert_eq!(shown(&timeline), "m3 m4 {0-0} m1 m2 another");
}

#[test]
fn notices_stay_behind_the_record_after_which_they_came() {
    let mut timeline = Timeline::default();
    timeline.add_live(&messages(5..=5), &Noy);
    timeline.add_notice(1, "lost", false);
    timeline.add_live(&messages(6..=6), &Noy);
    timeline.add_page(5, &messages(4..=4), &Noy);
    timeline.add_notice(1, "back", false);
    assert_eq!(shown(&timeline), "m4 m5 (lost) m6 (back)");
}

#[test]
fn redacted_texts_are_deleted() {
    let mut timeline = Timeline::default();
    timeline.add_live(&messages(1..=3), &Noy);
    timeline.add_live(&[record(4, RecordVerb::Redacted, "2")], &Noy);
    assert_eq!(shown(&timeline), "m1 - m3 REDACTED");
    timeline.add_live(&[record(5, RecordVerb::Redacted, "Elias")], &Noy);
    assert_eq!(shown(&timeline), "- - - REDACTED REDACTED");
    assert_eq!(timeline.text_bytes(), "2".len() + "Elias".len());
}

#[test]
fn a_long_conversation_forgets_its_oldest_entries_and_reads_them_again() {
    let mut timeline = Timeline::default();
    let all = ENTRIES_MAX as u64 + 10;
    timeline.add_live(&messages(1..=all), &Noy);
    assert_eq!((timeline.len(), timeline.older_before()), (ENTRIES_MAX, Some(11)));
    timeline.forget_all_but(2);
    assert_eq!(shown(&timeline), format!("m{} m{all}", all - 1));
    timeline.add_page(all - 1, &messages([all - 3, all - 2]), &Noy);
    assert_eq!(timeline.older_before(), Some(all - 3));
    assert_eq!(timeline.text_bytes(), 4 * format!("m{all}").len());
}
