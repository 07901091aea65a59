//! Rooms with many readers, beside chats of version 1 (`protocol.md` §4 and §13).

use super::commands::put;
use super::conversations::PUBLIC_KEY;
use super::{ClientProfile, CommandsDialect, Conversations, Protocol, ServerFrame};

/// A client with a room speaks version 2. A reader is a guest that has the room open. A writer is an account, because a
/// guest may store few messages. A client without a room speaks version 1.
#[derive(Clone, Copy, Debug)]
pub struct Rooms;

impl Protocol for Rooms {
    fn name(&self) -> &'static str {
        "rooms"
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        let Some(room) = &client.room else { return CommandsDialect.open(client, out) };
        put(out, &[b"HELLO 2\nREGISTER ", client.name.as_bytes(), b"\n"]);
        let mut answers = 2;
        if client.sends {
            // The first writer that joins makes the room.
            put(out, &[b"CLAIM key ssh-ed25519 ", PUBLIC_KEY.as_bytes(), b"\nJOIN #", room.as_bytes(), b"\n"]);
            answers += 2;
        }
        if client.receives {
            put(out, &[b"OPEN #", room.as_bytes(), b"\n"]);
            answers += 2;
        }
        answers
    }

    fn join(&self, sender: &ClientProfile, receiver: &ClientProfile, out: &mut Vec<u8>) -> (u32, u32) {
        CommandsDialect.join(sender, receiver, out)
    }

    fn ask(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        CommandsDialect.ask(client, out)
    }

    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        if client.room.is_some() {
            Conversations.encode(client, payload, out);
        } else {
            CommandsDialect.encode(client, payload, out);
        }
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        match unread.first() {
            // `MSG_SENT` and `FROM`.
            Some(b'M' | b'F') => CommandsDialect.decode(unread, answers),
            _ => Conversations.decode(unread, answers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_versions_decode_to_their_kinds() {
        let cases: &[(&[u8], Option<ServerFrame<'_>>)] = &[
            (b"MSG_SENT\n", Some(ServerFrame::Acknowledgement)),
            (b"SAID #b1 7\n", Some(ServerFrame::Acknowledgement)),
            (b"FROM b1-2: a: b\n", Some(ServerFrame::Message(b"a: b"))),
            (b"@in=#b1;seq=7;at=2026-11-28T22:10:37.123Z;by=7 FROM b1-2: a\n", Some(ServerFrame::Message(b"a"))),
            (b"INCOMING_CONNECTION b1-2\n", Some(ServerFrame::Answer)),
            (b"OPEN_OK #b1 e 1 6\n", Some(ServerFrame::Answer)),
            (b"LIVE #b1 6\n", Some(ServerFrame::Answer)),
            (b"CONVERSATION #b1 e 1 7 0\n", Some(ServerFrame::Ignored)),
            (b"", None),
        ];
        for (given, expected) in cases {
            let mut unread = *given;
            assert_eq!(Rooms.decode(&mut unread, &mut Vec::new()), *expected, "given {}", given.escape_ascii());
        }
    }
}
