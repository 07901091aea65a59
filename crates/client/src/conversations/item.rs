//! What a conversation yields, and where a reader is in it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize, Serializer};
use switchboard_protocol::version2::{GapReason, RecordLine, RecordVerb};

/// A place in a conversation. The number counts only together with the epoch: the conversation gets a new epoch if
/// records were lost.
///
/// Its text form, for a state file, is `epoch/number`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Position {
    /// The epoch of the conversation.
    pub epoch: String,
    /// The last record that the reader has, or 0.
    pub number: u64,
}

/// The text is not a position.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a position: write EPOCH/NUMBER")]
pub struct InvalidPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.epoch, self.number)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, number) = text.rsplit_once('/').ok_or(InvalidPosition)?;
        if epoch.is_empty() || epoch.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(InvalidPosition);
        }
        Ok(Self { epoch: epoch.to_owned(), number: number.parse().map_err(|_| InvalidPosition)? })
    }
}

/// Where a reader begins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Start {
    /// With the records that come from now on.
    #[default]
    Now,
    /// With the first record that the server still has.
    Beginning,
    /// With the record after this position. If the position is not valid any more, the reader gets a [`Gap`] with the
    /// numbers 0, and then the last 1,024 records of the present epoch, at most.
    After(Position),
}

/// One item of a conversation. Its JSON form has the verb of the record, `GAP` or `LIVE` as the value of `event`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Item {
    /// A record.
    Record(Record),
    /// Records that this reader does not get. They would come before the next item.
    Gap(Gap),
    /// The reader has all records so far, and gets each new one from now on. Comes again after a lost connection.
    Live(Live),
}

/// One record of a conversation. Names and texts are unchecked: pass them to [`sanitize`](crate::sanitize()) before you
/// print them on a terminal.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Record {
    /// The kind of the record.
    #[serde(rename = "event", serialize_with = "serialize_verb")]
    pub verb: RecordVerb,
    /// The conversation: the name of the room, or of the other account.
    #[serde(rename = "in")]
    pub target: String,
    /// The number of the record.
    pub seq: u64,
    /// When the server took the record, in milliseconds since 1970-01-01T00:00:00Z. For display only. In JSON it is a
    /// text of RFC 3339.
    #[serde(rename = "at", serialize_with = "serialize_time")]
    pub at_millis: u64,
    /// The account that wrote the record. `None` for a guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<u64>,
    /// The number that this device gave to the message, if this device sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// The record that has redacted this one. The text is empty then.
    #[serde(rename = "redacted", skip_serializing_if = "Option::is_none")]
    pub redacted_by: Option<u64>,
    /// The author's name at that time.
    #[serde(rename = "name")]
    pub author: String,
    /// The text of a message, the new topic, or the object of the verb. Empty for `JOINED` and `LEFT`.
    pub text: String,
}

/// Records that a reader does not get.
///
/// With the numbers 0 it says that the reader's position is not valid any more, because records were lost or a backup
/// was restored. Nobody knows which records of the present epoch are new to the reader. So the reader gets the last
/// 1,024 of them, until the next [`Item::Live`], and it may know some.
/// [`Session::history`](super::Session::history) has the earlier ones. If the conversation is gone, its end follows.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename = "GAP")]
pub struct Gap {
    /// The conversation.
    #[serde(rename = "in")]
    pub target: String,
    /// The first of the records. 0: unknown.
    pub from: u64,
    /// The last of the records. 0: unknown.
    pub to: u64,
    /// Why the reader does not get them.
    #[serde(serialize_with = "serialize_reason")]
    pub reason: GapReason,
}

/// The point at which a reader has all records.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename = "LIVE")]
pub struct Live {
    /// The conversation.
    #[serde(rename = "in")]
    pub target: String,
    /// The last record so far, or 0.
    pub last: u64,
}

/// One conversation of an account.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ConversationInfo {
    /// The conversation.
    #[serde(rename = "in")]
    pub target: String,
    /// Its epoch.
    pub epoch: String,
    /// Its first record, or `last + 1` if it has none.
    pub first: u64,
    /// Its last record, or 0.
    pub last: u64,
    /// The account's read marker, or 0.
    pub read: u64,
}

/// One room.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RoomInfo {
    /// The name of the room.
    pub room: String,
    /// The number of members.
    pub members: u64,
    /// The topic, or an empty text.
    pub topic: String,
}

impl Record {
    pub(crate) fn new(line: RecordLine<'_>, n: Option<u64>) -> Self {
        let RecordLine { target, seq, at_millis, by, is_past: _, redacted_by, verb, author, text } = line;
        Self {
            verb,
            target: target.into_owned(),
            seq,
            at_millis,
            by,
            n,
            redacted_by,
            author: author.into_owned(),
            text: text.into_owned(),
        }
    }

    /// When the server took the record, as a text of RFC 3339 with milliseconds.
    #[must_use]
    pub fn at(&self) -> String {
        format_time(self.at_millis)
    }

    /// The record without its number and time, as on the wire: `FROM Elias: hi`. For display.
    #[must_use]
    pub fn to_display_text(&self) -> String {
        let line = RecordLine {
            target: Cow::Borrowed(&self.target),
            seq: self.seq,
            at_millis: self.at_millis,
            by: None,
            is_past: false,
            redacted_by: None,
            verb: self.verb,
            author: Cow::Borrowed(&self.author),
            text: Cow::Borrowed(&self.text),
        };
        let mut bytes = Vec::new();
        line.encode(&mut bytes);
        let line = String::from_utf8_lossy(&bytes);
        let (_tags, rest) = line.trim_end_matches('\n').split_once(' ').unwrap_or_default();
        rest.to_owned()
    }
}

/// The last millisecond of the year 9999, the last one that RFC 3339 has a form for.
const LAST_MILLISECOND: u64 = 253_402_300_799_999;

fn format_time(at_millis: u64) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(at_millis.min(LAST_MILLISECOND));
    humantime::format_rfc3339_millis(time).to_string()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn serialize_verb<S: Serializer>(verb: &RecordVerb, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verb.as_str())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn serialize_reason<S: Serializer>(reason: &GapReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn serialize_time<S: Serializer>(at_millis: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_time(*at_millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(verb: RecordVerb, text: &str) -> Record {
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
    fn items_have_a_json_form_with_the_kind_first() {
        let target = || "#lab".to_owned();
        let cases = [
            (
                Item::Record(record(RecordVerb::From, "hi")),
                concat!(
                    r##"{"event":"FROM","in":"#lab","seq":7,"at":"2026-11-28T22:13:57.123Z","##,
                    r#""by":3,"name":"Elias","text":"hi"}"#
                ),
            ),
            (
                Item::Gap(Gap { target: target(), from: 1, to: 4, reason: GapReason::Expired }),
                r##"{"event":"GAP","in":"#lab","from":1,"to":4,"reason":"EXPIRED"}"##,
            ),
            (Item::Live(Live { target: target(), last: 9 }), r##"{"event":"LIVE","in":"#lab","last":9}"##),
        ];
        for (item, json) in cases {
            assert_eq!(serde_json::to_string(&item).expect("an item has a JSON form"), json);
        }
    }

    #[test]
    fn the_display_text_has_no_tags() {
        let cases = [
            (RecordVerb::From, "hi", "FROM Elias: hi"),
            (RecordVerb::Joined, "", "JOINED Elias"),
            (RecordVerb::Kicked, "Dana", "KICKED Elias Dana"),
        ];
        for (verb, text, expected) in cases {
            assert_eq!(record(verb, text).to_display_text(), expected);
        }
    }

    #[test]
    fn positions_round_trip_through_text() {
        let position = Position { epoch: "a/b".to_owned(), number: 12 };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "12", "/12", "e/", "e/x", "e f/1"] {
            assert_eq!(text.parse::<Position>(), Err(InvalidPosition), "given {text:?}");
        }
    }
}
