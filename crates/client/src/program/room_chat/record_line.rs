//! Formats the records of a room for a terminal.

use switchboard_client::conversations::{Gap, Item, Record, RecordVerb};
use switchboard_protocol::sanitize;

use super::super::chat_formatter::ChatFormatter;

/// The length of a date and a time to the minute, in the form of RFC 3339.
const MINUTE_CHARS: usize = "2026-11-28T22:10".len();

/// The notice before the last records of a room. `room` is sanitized.
pub(super) fn heading(room: &str, items: &[Item]) -> String {
    let mut records = items.iter().filter_map(|item| match item {
        Item::Record(record) => Some(record),
        _ => None,
    });
    let Some(first) = records.next() else { return format!("You are in {room}, which has no records yet.") };
    let at = first.at();
    let minute = at.get(..MINUTE_CHARS).unwrap_or(&at).replace('T', " ");
    match records.count() {
        0 => format!("You are in {room}. Its last record, of {minute} UTC:"),
        others => format!("You are in {room}. Its last {} records, from {minute} UTC on:", others + 1),
    }
}

/// Formats a record: a message as one of a chat, all others as a notice.
pub(super) fn record(formatter: ChatFormatter, record: &Record) -> String {
    let author = formatter.name(&record.author);
    let (text, object) = (sanitize(&record.text), formatter.name(&record.text));
    let notice = match record.verb {
        RecordVerb::From if record.redacted_by.is_some() => format!("A message of {author} was deleted."),
        RecordVerb::From => return formatter.message(&record.author, &record.text),
        RecordVerb::Joined => format!("{author} joined."),
        RecordVerb::Left => format!("{author} left."),
        RecordVerb::Topic if text.is_empty() => format!("{author} removed the topic."),
        RecordVerb::Topic => format!("{author} set the topic: {text}"),
        RecordVerb::Invited => format!("{author} invited {object}."),
        RecordVerb::Kicked => format!("{author} removed {object}."),
        RecordVerb::Banned => format!("{author} banned {object}."),
        RecordVerb::Unbanned => format!("{author} lifted the ban of {object}."),
        RecordVerb::Redacted if text.parse::<u64>().is_ok() => format!("{author} deleted the message {text}."),
        RecordVerb::Redacted => format!("{author} deleted the messages of {object}."),
        RecordVerb::Set => format!("{author} changed a setting: {text}"),
    };
    formatter.notice(notice)
}

/// The notice of a gap.
pub(super) fn gap(gap: &Gap) -> String {
    let reason = gap.reason.as_str();
    match gap.to {
        0 => format!("Records are missing: {reason}. The last ones that are there follow, also known ones."),
        to if to == gap.from => format!("Record {to} is missing: {reason}."),
        to => format!("Records {} to {to} are missing: {reason}.", gap.from),
    }
}

#[cfg(test)]
mod tests {
    use switchboard_client::conversations::GapReason;

    use super::*;
    use crate::program::args::ColorChoice;

    fn record_with(verb: RecordVerb, text: &str) -> Record {
        Record {
            verb,
            target: "#lab".to_owned(),
            seq: 7,
            at_millis: 1_795_904_037_123,
            by: Some(3),
            n: None,
            redacted_by: None,
            author: "Elias".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn each_record_is_one_line() {
        let formatter = ChatFormatter::new(Some(ColorChoice::Never));
        let cases = [
            (RecordVerb::From, "\u{1b}[2Jhi", r"Elias: \u{1b}[2Jhi"),
            (RecordVerb::Joined, "", ":: Elias joined."),
            (RecordVerb::Left, "", ":: Elias left."),
            (RecordVerb::Topic, "Wires", ":: Elias set the topic: Wires"),
            (RecordVerb::Topic, "", ":: Elias removed the topic."),
            (RecordVerb::Invited, "Dana", ":: Elias invited Dana."),
            (RecordVerb::Kicked, "Da\u{202e}na", r":: Elias removed Da\u{202e}na."),
            (RecordVerb::Banned, "Dana", ":: Elias banned Dana."),
            (RecordVerb::Unbanned, "Dana", ":: Elias lifted the ban of Dana."),
            (RecordVerb::Redacted, "9", ":: Elias deleted the message 9."),
            (RecordVerb::Redacted, "Dana", ":: Elias deleted the messages of Dana."),
            (RecordVerb::Set, "guests read", ":: Elias changed a setting: guests read"),
        ];
        for (verb, text, expected) in cases {
            assert_eq!(record(formatter, &record_with(verb, text)), expected);
        }
        let redacted = Record { redacted_by: Some(9), ..record_with(RecordVerb::From, "") };
        assert_eq!(record(formatter, &redacted), ":: A message of Elias was deleted.");
    }

    #[test]
    fn the_heading_counts_records() {
        let item = || Item::Record(record_with(RecordVerb::From, "hi"));
        let gap = Item::Gap(Gap { target: "#lab".to_owned(), from: 1, to: 4, reason: GapReason::Expired });
        let one = "You are in #lab. Its last record, of 2026-11-28 22:13 UTC:";
        let cases = [
            (vec![], "You are in #lab, which has no records yet."),
            (vec![gap.clone(), item()], one),
            (vec![item(), item()], "You are in #lab. Its last 2 records, from 2026-11-28 22:13 UTC on:"),
        ];
        for (items, expected) in cases {
            assert_eq!(heading("#lab", &items), expected);
        }
    }

    #[test]
    fn a_gap_names_its_records_and_its_reason() {
        let cases = [
            (0, 0, "Records are missing: LOST. The last ones that are there follow, also known ones."),
            (5, 5, "Record 5 is missing: LOST."),
            (1, 4, "Records 1 to 4 are missing: LOST."),
        ];
        for (from, to, expected) in cases {
            let item = Gap { target: "#lab".to_owned(), from, to, reason: GapReason::Lost };
            assert_eq!(gap(&item), expected);
        }
    }
}
