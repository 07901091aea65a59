//! Stored conversations: version 2 of the commands dialect (`protocol.md` §13).

use memchr::memchr;
use switchboard_protocol::version2::{Reply, parse_reply};

use super::commands::put;
use super::{ClientProfile, Protocol, ServerFrame};

/// Rooms, one for each receiver, which has it open. The sender is an account that is not a member, because a member
/// without an open view hears of each batch. The server acknowledges a message once it has stored it.
#[derive(Clone, Copy, Debug)]
pub struct Conversations;

/// A public key whose private part does not exist any more, so that no account of a run can be used later.
pub(crate) const PUBLIC_KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIHTfAw6Kx19f2UguGz4ZTnCvcfZq3L7TIBVl6nAUqUWb";

impl Protocol for Conversations {
    fn name(&self) -> &'static str {
        "conversations"
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"HELLO 2\nREGISTER ", client.name.as_bytes(), b"\nCLAIM key ssh-ed25519 "]);
        put(out, &[PUBLIC_KEY.as_bytes(), b"\n"]);
        if !client.receives {
            return 3;
        }
        let name = client.name.as_bytes();
        put(out, &[b"JOIN #", name, b"\nOPEN #", name, b"\n"]);
        6
    }

    fn ask(&self, _client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"PING\n"]);
        1
    }

    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[b"SAY #", client.peer.as_bytes(), b" ", payload, b"\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], _answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        let end = memchr(b'\n', unread)?;
        let (line, rest) = (&unread[..end], &unread[end + 1..]);
        *unread = rest;
        Some(match line {
            [b'S', b'A', b'I', b'D', b' ', ..] => ServerFrame::Acknowledgement,
            [b'@', ..] => record_text(line).map_or(ServerFrame::Ignored, ServerFrame::Message),
            _ => decode_reply(line),
        })
    }
}

/// The text of a message in a record: it follows tags, `FROM`, the author and a colon. `None` for any other line.
pub(crate) fn record_text(line: &[u8]) -> Option<&[u8]> {
    let tags = line.strip_prefix(b"@")?;
    let from = tags[memchr(b' ', tags)? + 1..].strip_prefix(b"FROM ")?;
    from[memchr(b':', from)?..].strip_prefix(b": ")
}

/// Decodes a line that is neither a record nor an acknowledgement.
fn decode_reply(line: &[u8]) -> ServerFrame<'_> {
    let reply = std::str::from_utf8(line).ok().and_then(|line| parse_reply(line).ok());
    match reply.map(|reply| reply.reply) {
        // A gap shows itself: its records are missing. News of a conversation come to members that do not have it open.
        Some(
            Reply::Version1(switchboard_protocol::Reply::Welcome) | Reply::Gap { .. } | Reply::Conversation { .. },
        ) => ServerFrame::Ignored,
        Some(
            Reply::Version1(
                switchboard_protocol::Reply::RegisterOk { .. }
                | switchboard_protocol::Reply::ConnectOk { .. }
                | switchboard_protocol::Reply::IncomingConnection { .. }
                | switchboard_protocol::Reply::Pong,
            )
            | Reply::HelloOk { .. }
            | Reply::ClaimOk { .. }
            | Reply::Done { .. }
            | Reply::OpenOk { .. }
            | Reply::Live { .. },
        ) => ServerFrame::Answer,
        _ => ServerFrame::Refusal(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_decodes_to_its_kind() {
        let cases: &[(&[u8], Option<ServerFrame<'_>>)] = &[
            (b"SAID #b1-2 7\n", Some(ServerFrame::Acknowledgement)),
            (
                b"@in=#b1-2;seq=7;at=2026-11-28T22:10:37.123Z;by=7 FROM b1-2: a: b\n",
                Some(ServerFrame::Message(b"a: b")),
            ),
            (b"@in=#b1-2;seq=1;at=2026-11-28T22:10:37.123Z;by=7 JOINED b1-2\n", Some(ServerFrame::Ignored)),
            (b"@in=#b1-2;seq=7", None),
            (b"WELCOME\n", Some(ServerFrame::Ignored)),
            (b"HELLO_OK 2 switchboard durable\n", Some(ServerFrame::Answer)),
            (b"CLAIM_OK b1-2\n", Some(ServerFrame::Answer)),
            (b"JOIN_OK #b1-2 1\n", Some(ServerFrame::Answer)),
            (b"GAP #b1-2 1 4 EXPIRED\n", Some(ServerFrame::Ignored)),
            (b"ERROR STORE_FULL #b1-2\n", Some(ServerFrame::Refusal(b"ERROR STORE_FULL #b1-2"))),
        ];
        for (given, expected) in cases {
            let mut unread = *given;
            let frame = Conversations.decode(&mut unread, &mut Vec::new());
            assert_eq!(frame, *expected, "given {}", given.escape_ascii());
        }
    }
}
