//! The line of a record: `@in=#lab;seq=9089;at=2026-11-28T22:10:37.123Z;by=7 FROM Elias: hi`. (`protocol.md` §13.6)

use std::borrow::Cow;

use super::number::parse_number;
use super::tags::{iter_tags, push_number_tag, push_tag};
use super::timestamp::{parse_timestamp, push_timestamp};
use crate::dialect::commands::UnknownReply;
use crate::limits::RECORD_OVERHEAD_BYTES;

/// One record of a conversation, as a reader receives it. Names and texts of a parsed line are unchecked, as in
/// [`Reply`](super::Reply).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordLine<'a> {
    /// The conversation (tag `in`): the room, or the name of the other account. It has no space and no `;`.
    pub target: Cow<'a, str>,
    /// The number of the record (tag `seq`).
    pub seq: u64,
    /// When the server took it, in milliseconds since 1970-01-01T00:00:00Z (tag `at`). For display only.
    pub at_millis: u64,
    /// The account that wrote it (tag `by`). `None` for a guest.
    pub by: Option<u64>,
    /// Whether the record answers `HISTORY` or `SEARCH` (tag `past=1`).
    pub is_past: bool,
    /// The record that has redacted this one (tag `redacted`). The text is empty then.
    pub redacted_by: Option<u64>,
    /// The kind of the record.
    pub verb: RecordVerb,
    /// The author's name at that time.
    pub author: Cow<'a, str>,
    /// The text of a message, the new topic, or the object of the verb. Empty for `JOINED` and `LEFT`.
    pub text: Cow<'a, str>,
}

/// The kind of a record: its verb.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RecordVerb {
    /// `FROM <author>: <text>`: a message.
    From,
    /// `JOINED <author>`: the author has become a member.
    Joined,
    /// `LEFT <author>`: the author has left.
    Left,
    /// `TOPIC <author>: <text>`: the author has set the topic.
    Topic,
    /// `INVITED <author> <name>`: the author has invited somebody.
    Invited,
    /// `KICKED <author> <name>`: the author has removed somebody.
    Kicked,
    /// `BANNED <author> <name>`: the author has removed somebody for good.
    Banned,
    /// `UNBANNED <author> <name>`: the author lets somebody in again.
    Unbanned,
    /// `MUTED <author> <name> [<time>]`: the author lets somebody read, and not write.
    Muted,
    /// `UNMUTED <author> <name>`: the author lets somebody write again.
    Unmuted,
    /// `AUDIT <author>: <text>`: the author has done something that operators should know.
    Audit,
    /// `QUOTED <author>: <text>`: a reported message of the author.
    Quoted,
    /// `REDACTED <author> <number or name>`: the author has emptied records.
    Redacted,
    /// `SET <author> <setting> <value>`: the author has changed a setting.
    Set,
}

/// The form of the part of a record that follows its verb.
#[derive(Clone, Copy)]
enum Form {
    /// `author`
    Author,
    /// `author: text`
    Colon,
    /// `author text`
    Space,
}

impl RecordVerb {
    /// All verbs.
    pub const ALL: [RecordVerb; 14] = [
        Self::From,
        Self::Joined,
        Self::Left,
        Self::Topic,
        Self::Invited,
        Self::Kicked,
        Self::Banned,
        Self::Unbanned,
        Self::Muted,
        Self::Unmuted,
        Self::Audit,
        Self::Quoted,
        Self::Redacted,
        Self::Set,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::From => "FROM",
            Self::Joined => "JOINED",
            Self::Left => "LEFT",
            Self::Topic => "TOPIC",
            Self::Invited => "INVITED",
            Self::Kicked => "KICKED",
            Self::Banned => "BANNED",
            Self::Unbanned => "UNBANNED",
            Self::Muted => "MUTED",
            Self::Unmuted => "UNMUTED",
            Self::Audit => "AUDIT",
            Self::Quoted => "QUOTED",
            Self::Redacted => "REDACTED",
            Self::Set => "SET",
        }
    }

    const fn form(self) -> Form {
        match self {
            Self::From | Self::Topic | Self::Audit | Self::Quoted => Form::Colon,
            Self::Joined | Self::Left => Form::Author,
            Self::Invited
            | Self::Kicked
            | Self::Banned
            | Self::Unbanned
            | Self::Muted
            | Self::Unmuted
            | Self::Redacted
            | Self::Set => Form::Space,
        }
    }
}

impl RecordLine<'_> {
    /// Appends the record as one line with its LF. It is the same for all readers of a conversation; for the device
    /// that sent the record, [`push_with_n`](super::push_with_n) adds its number.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let push = |out: &mut Vec<u8>, text: &str| out.extend_from_slice(text.as_bytes());
        out.reserve(RECORD_OVERHEAD_BYTES + self.target.len() + self.author.len() + self.text.len());
        let start = out.len();
        push_tag(out, "in", &self.target);
        out[start] = b'@';
        push_number_tag(out, "seq", self.seq);
        push(out, ";at=");
        push_timestamp(out, self.at_millis);
        if let Some(by) = self.by {
            push_number_tag(out, "by", by);
        }
        if self.is_past {
            push(out, ";past=1");
        }
        if let Some(redacted_by) = self.redacted_by {
            push_number_tag(out, "redacted", redacted_by);
        }
        let separator = match self.verb.form() {
            Form::Author => "",
            Form::Colon => ": ",
            Form::Space => " ",
        };
        for part in [" ", self.verb.as_str(), " ", &self.author, separator] {
            push(out, part);
        }
        if !separator.is_empty() {
            push(out, &self.text);
        }
        out.push(b'\n');
    }

    /// Copies the borrowed text, so that the record can be sent across a channel.
    #[must_use]
    pub fn into_owned(self) -> RecordLine<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        RecordLine {
            target: owned(self.target),
            seq: self.seq,
            at_millis: self.at_millis,
            by: self.by,
            is_past: self.is_past,
            redacted_by: self.redacted_by,
            verb: self.verb,
            author: owned(self.author),
            text: owned(self.text),
        }
    }
}

/// Parses a record from its tags and the rest of its line. Ignores unknown tags.
pub(super) fn parse_record<'a>(tags: &'a str, rest: &'a str) -> Result<RecordLine<'a>, UnknownReply> {
    let (mut target, mut seq, mut at_millis, mut by, mut is_past, mut redacted_by) =
        (None, None, None, None, false, None);
    for tag in iter_tags(tags) {
        let (key, value) = tag.map_err(|_| UnknownReply)?;
        match key {
            "in" => target = Some(value),
            "seq" => seq = Some(parse_number(value).ok_or(UnknownReply)?),
            "at" => at_millis = Some(parse_timestamp(value).ok_or(UnknownReply)?),
            "by" => by = Some(parse_number(value).ok_or(UnknownReply)?),
            "past" => is_past = value == "1",
            "redacted" => redacted_by = Some(parse_number(value).ok_or(UnknownReply)?),
            _ => {}
        }
    }
    let (word, rest) = rest.split_once(' ').ok_or(UnknownReply)?;
    let verb = *RecordVerb::ALL.iter().find(|verb| verb.as_str() == word).ok_or(UnknownReply)?;
    let (author, text) = match verb.form() {
        Form::Author => (rest, ""),
        Form::Colon => rest.split_once(": ").ok_or(UnknownReply)?,
        Form::Space => rest.split_once(' ').ok_or(UnknownReply)?,
    };
    Ok(RecordLine {
        target: target.filter(|target| !target.is_empty()).ok_or(UnknownReply)?.into(),
        seq: seq.ok_or(UnknownReply)?,
        at_millis: at_millis.ok_or(UnknownReply)?,
        by,
        is_past,
        redacted_by,
        verb,
        author: author.into(),
        text: text.into(),
    })
}
