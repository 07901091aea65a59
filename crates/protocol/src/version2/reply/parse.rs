//! Parses the lines of a server in version 2, for a client. (`protocol.md` §13.5)

use std::borrow::Cow;

use super::{DoneVerb, GapReason, Reply, Standing, TaggedReply, Words};
use crate::dialect::commands::{self, UnknownReply};
use crate::reply::Users;
use crate::version2::number::parse_number;
use crate::version2::record::parse_record;
use crate::version2::secret::Secret;
use crate::version2::tags::{iter_tags, parse_n, split_tags, split_word};

/// Parses one line from a server, without its LF. Names and texts stay unchecked.
pub fn parse_reply(line: &str) -> Result<TaggedReply<'_>, UnknownReply> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (tags, rest) = split_tags(line);
    let Some(tags) = tags else { return Ok(parse_untagged(rest)?.into()) };
    let (mut n, mut has_seq, mut past, mut more) = (None, false, false, false);
    for tag in iter_tags(tags) {
        match tag.map_err(|_| UnknownReply)? {
            ("n", value) => n = Some(parse_n(value).ok_or(UnknownReply)?),
            ("seq", _) => has_seq = true,
            ("past", value) => past = value == "1",
            ("more", value) => more = value == "1",
            _ => {}
        }
    }
    // Only records have the tag `seq`.
    let mut reply = if has_seq { Reply::Record(parse_record(tags, rest)?) } else { parse_untagged(rest)? };
    match &mut reply {
        Reply::Gap { is_past, .. } => *is_past = past,
        Reply::Readers { has_more, .. } | Reply::SearchOk { has_more, .. } => *has_more = more,
        _ => {}
    }
    Ok(TaggedReply { n, reply })
}

/// Parses a line without its tags.
fn parse_untagged(line: &str) -> Result<Reply<'_>, UnknownReply> {
    let (word, rest) = split_word(line);
    let fields = &mut Fields(rest);
    let reply = match word {
        "HELLO_OK" => Reply::HelloOk {
            version: fields.number()?,
            server: fields.word()?,
            capabilities: Words::from_space_separated(fields.rest()),
        },
        "CLAIM_OK" => Reply::ClaimOk { name: fields.word()? },
        "LOGIN_OK" => Reply::LoginOk { name: fields.word()?, device: fields.word()? },
        "CHALLENGE" => Reply::Challenge { challenge: fields.word()? },
        "TOKEN_OK" => Reply::TokenOk { token: Secret::new(&fields.word()?) },
        "PASSWD_OK" => Reply::PasswdOk,
        "UNCLAIM_OK" => Reply::UnclaimOk,
        "DEVICE" => {
            let name = fields.word()?;
            let flags = Words::from_space_separated(fields.rest());
            Reply::Device { name, is_connected: flags.contains("connected"), is_this: flags.contains("this") }
        }
        "DEVICES_OK" => Reply::DevicesOk { count: fields.number()? },
        "REVOKE_OK" => Reply::RevokeOk { device: fields.word()? },
        "LINK_OK" => Reply::LinkOk { target: fields.word()?, invitation: Secret::new(&fields.word()?) },
        "SAID" => Reply::Said { target: fields.word()?, seq: fields.number()? },
        "OPEN_OK" => Reply::OpenOk {
            target: fields.word()?,
            epoch: fields.word()?,
            first: fields.number()?,
            last: fields.number()?,
        },
        "LIVE" => Reply::Live { target: fields.word()?, last: fields.number()? },
        "CLOSE_OK" => Reply::CloseOk { target: fields.word()? },
        "GAP" => Reply::Gap {
            target: fields.word()?,
            from: fields.number()?,
            to: fields.number()?,
            reason: fields.one_of(GapReason::ALL, GapReason::as_str)?,
            is_past: false,
        },
        "HISTORY_OK" => Reply::HistoryOk { target: fields.word()?, first: fields.number()?, last: fields.number()? },
        "CONVERSATION" => Reply::Conversation {
            target: fields.word()?,
            epoch: fields.word()?,
            first: fields.number()?,
            last: fields.number()?,
            read: fields.number()?,
        },
        "CONVERSATIONS_OK" => Reply::ConversationsOk { count: fields.number()? },
        "READ_OK" => Reply::ReadOk { target: fields.word()?, seq: fields.number()? },
        "READ" => Reply::Read { target: fields.word()?, seq: fields.number()? },
        "READERS" => Reply::Readers {
            target: fields.word()?,
            seq: fields.number()?,
            names: Users::from_comma_separated(fields.rest()),
            has_more: false,
        },
        "SEARCH_OK" => {
            let target = Some(fields.word()?).filter(|target| target != "*");
            Reply::SearchOk { target, count: fields.number()?, has_more: false }
        }
        "ROOM" => Reply::Room { target: fields.word()?, members: fields.number()?, topic: fields.rest().into() },
        "ROOMS_OK" => Reply::RoomsOk { count: fields.number()? },
        "MEMBER" => Reply::Member {
            target: fields.word()?,
            name: fields.word()?,
            standing: fields.one_of(Standing::ALL, Standing::as_str)?,
        },
        "MEMBERS_OK" => Reply::MembersOk { target: fields.word()?, count: fields.number()? },
        "BLOCK_OK" => Reply::BlockOk { name: fields.word()? },
        "UNBLOCK_OK" => Reply::UnblockOk { name: fields.word()? },
        "WATCH_OK" => Reply::WatchOk,
        "UNWATCH_OK" => Reply::UnwatchOk,
        "CAME" => Reply::Came { name: fields.word()? },
        "GONE" => Reply::Gone { name: fields.word()? },
        "NOTICE" => Reply::Notice { text: fields.rest().into() },
        "WIRE_OK" => Reply::WireOk { values: Words::from_space_separated(fields.rest()) },
        _ => match DoneVerb::ALL.iter().find(|verb| verb.as_str() == word) {
            Some(&verb) => Reply::Done { verb, target: fields.word()?, seq: fields.number()? },
            None => return parse_version1(line),
        },
    };
    if fields.0.is_none() { Ok(reply) } else { Err(UnknownReply) }
}

fn parse_version1(line: &str) -> Result<Reply<'_>, UnknownReply> {
    Ok(match commands::parse_reply(line)? {
        crate::Reply::Error { code, detail: None } => Reply::Error { code, target: None },
        crate::Reply::Error { code, detail: Some(detail) } if !detail.is_empty() && !detail.contains(' ') => {
            Reply::Error { code, target: Some(detail) }
        }
        reply => Reply::Version1(reply),
    })
}

/// The fields of a line that are not parsed yet. `None` at the end of the line.
struct Fields<'a>(Option<&'a str>);

impl<'a> Fields<'a> {
    fn str(&mut self) -> Result<&'a str, UnknownReply> {
        let rest = self.0.ok_or(UnknownReply)?;
        let (word, rest) = split_word(rest);
        self.0 = rest;
        if word.is_empty() { Err(UnknownReply) } else { Ok(word) }
    }

    fn word(&mut self) -> Result<Cow<'a, str>, UnknownReply> {
        self.str().map(Cow::Borrowed)
    }

    fn number(&mut self) -> Result<u64, UnknownReply> {
        parse_number(self.str()?).ok_or(UnknownReply)
    }

    fn one_of<T: Copy, const N: usize>(
        &mut self,
        all: [T; N],
        as_str: fn(T) -> &'static str,
    ) -> Result<T, UnknownReply> {
        let word = self.str()?;
        all.into_iter().find(|&value| as_str(value) == word).ok_or(UnknownReply)
    }

    /// Takes the rest of the line, which may be empty or absent.
    fn rest(&mut self) -> &'a str {
        self.0.take().unwrap_or_default()
    }
}
