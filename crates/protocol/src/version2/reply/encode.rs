//! Encodes the lines of a server in version 2. (`protocol.md` §13.5)

use super::{Reply, TaggedReply};
use crate::dialect::commands;
use crate::version2::number::push_number;

impl TaggedReply<'_> {
    /// Appends the reply as one line with its LF.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Some(n) = self.n else { return self.reply.encode(out) };
        if let Reply::Record(_) | Reply::Gap { .. } | Reply::Readers { .. } | Reply::SearchOk { .. } = self.reply {
            let mut line = Vec::new();
            self.reply.encode(&mut line);
            push_with_n(out, n, &line);
        } else {
            push_n(out, n);
            out.push(b' ');
            self.reply.encode(out);
        }
    }
}

/// Appends an encoded line with the tag `n`, for the device whose request had this number.
pub fn push_with_n(out: &mut Vec<u8>, n: u64, line: &[u8]) {
    push_n(out, n);
    match line {
        [b'@', tagged @ ..] => {
            out.push(b';');
            out.extend_from_slice(tagged);
        }
        untagged => {
            out.push(b' ');
            out.extend_from_slice(untagged);
        }
    }
}

fn push_n(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(b"@n=");
    push_number(out, n);
}

/// Begins a line with a tag of the value 1, if it is set.
fn push_flag(out: &mut Vec<u8>, key: &str, is_set: bool) {
    if is_set {
        for part in ["@", key, "=1 "] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

impl Reply<'_> {
    /// Appends the reply as one line with its LF, without a number.
    pub fn encode(&self, out: &mut Vec<u8>) {
        use Field::{Number, Word};
        match self {
            Self::Version1(reply) => commands::encode(reply, out),
            Self::HelloOk { version, server, capabilities } => {
                append_line(out, "HELLO_OK", [Number(*version), Word(server), Word(capabilities.as_space_separated())]);
            }
            Self::ClaimOk { name } => append_line(out, "CLAIM_OK", [Word(name)]),
            Self::LoginOk { name, device } => append_line(out, "LOGIN_OK", [Word(name), Word(device)]),
            Self::Challenge { challenge } => append_line(out, "CHALLENGE", [Word(challenge)]),
            Self::TokenOk { token } => append_line(out, "TOKEN_OK", [Word(token.expose())]),
            Self::PasswdOk => append_line(out, "PASSWD_OK", []),
            Self::UnclaimOk => append_line(out, "UNCLAIM_OK", []),
            Self::Device { name, is_connected, is_this } => match (is_connected, is_this) {
                (false, false) => append_line(out, "DEVICE", [Word(name)]),
                (true, false) => append_line(out, "DEVICE", [Word(name), Word("connected")]),
                (false, true) => append_line(out, "DEVICE", [Word(name), Word("this")]),
                (true, true) => append_line(out, "DEVICE", [Word(name), Word("connected"), Word("this")]),
            },
            Self::DevicesOk { count } => append_line(out, "DEVICES_OK", [Number(*count)]),
            Self::RevokeOk { device } => append_line(out, "REVOKE_OK", [Word(device)]),
            Self::Done { verb, target, seq } => append_line(out, verb.as_str(), [Word(target), Number(*seq)]),
            Self::LinkOk { target, invitation } => {
                append_line(out, "LINK_OK", [Word(target), Word(invitation.expose())]);
            }
            Self::Said { target, seq } => append_line(out, "SAID", [Word(target), Number(*seq)]),
            Self::OpenOk { target, epoch, first, last } => {
                append_line(out, "OPEN_OK", [Word(target), Word(epoch), Number(*first), Number(*last)]);
            }
            Self::Live { target, last } => append_line(out, "LIVE", [Word(target), Number(*last)]),
            Self::CloseOk { target } => append_line(out, "CLOSE_OK", [Word(target)]),
            Self::Gap { target, from, to, reason, is_past } => {
                push_flag(out, "past", *is_past);
                append_line(out, "GAP", [Word(target), Number(*from), Number(*to), Word(reason.as_str())]);
            }
            Self::HistoryOk { target, first, last } => {
                append_line(out, "HISTORY_OK", [Word(target), Number(*first), Number(*last)]);
            }
            Self::Conversation { target, epoch, first, last, read } => append_line(
                out,
                "CONVERSATION",
                [Word(target), Word(epoch), Number(*first), Number(*last), Number(*read)],
            ),
            Self::ConversationsOk { count } => append_line(out, "CONVERSATIONS_OK", [Number(*count)]),
            Self::ReadOk { target, seq } => append_line(out, "READ_OK", [Word(target), Number(*seq)]),
            Self::Read { target, seq } => append_line(out, "READ", [Word(target), Number(*seq)]),
            Self::Readers { target, seq, names, has_more } => {
                push_flag(out, "more", *has_more);
                append_line(out, "READERS", [Word(target), Number(*seq), Word(names.as_comma_separated())]);
            }
            Self::SearchOk { target, count, has_more } => {
                push_flag(out, "more", *has_more);
                append_line(out, "SEARCH_OK", [Word(target.as_deref().unwrap_or("*")), Number(*count)]);
            }
            Self::Room { target, members, topic } => {
                append_line(out, "ROOM", [Word(target), Number(*members), Word(topic)]);
            }
            Self::RoomsOk { count } => append_line(out, "ROOMS_OK", [Number(*count)]),
            Self::Member { target, name, standing } => {
                append_line(out, "MEMBER", [Word(target), Word(name), Word(standing.as_str())]);
            }
            Self::MembersOk { target, count } => append_line(out, "MEMBERS_OK", [Word(target), Number(*count)]),
            Self::BlockOk { name } => append_line(out, "BLOCK_OK", [Word(name)]),
            Self::UnblockOk { name } => append_line(out, "UNBLOCK_OK", [Word(name)]),
            Self::WatchOk => append_line(out, "WATCH_OK", []),
            Self::UnwatchOk => append_line(out, "UNWATCH_OK", []),
            Self::Came { name } => append_line(out, "CAME", [Word(name)]),
            Self::Gone { name } => append_line(out, "GONE", [Word(name)]),
            Self::Notice { text } => append_line(out, "NOTICE", [Word(text)]),
            Self::WireOk { values } => append_line(out, "WIRE_OK", [Word(values.as_space_separated())]),
            Self::Error { code, target: None } => append_line(out, "ERROR", [Word(code.as_str())]),
            Self::Error { code, target: Some(target) } => {
                append_line(out, "ERROR", [Word(code.as_str()), Word(target)]);
            }
            Self::Record(record) => record.encode(out),
        }
    }
}

/// A part of a line after its verb.
enum Field<'a> {
    /// A word, or at the end of a line also a text, which may be empty.
    Word(&'a str),
    Number(u64),
}

/// Appends one line with its LF. A space precedes each field.
#[inline]
fn append_line<const N: usize>(out: &mut Vec<u8>, verb: &str, fields: [Field<'_>; N]) {
    out.extend_from_slice(verb.as_bytes());
    for field in fields {
        out.push(b' ');
        match field {
            Field::Word(word) => out.extend_from_slice(word.as_bytes()),
            Field::Number(number) => push_number(out, number),
        }
    }
    out.push(b'\n');
}
