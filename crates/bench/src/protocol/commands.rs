//! The commands dialect (`protocol.md` §4).

use memchr::memchr;
use switchboard_protocol::{Reply, commands};

use super::{ClientProfile, Protocol, ServerFrame};

/// The commands dialect: `REGISTER`, `CONNECT`, `MSG` and `FROM`. The server acknowledges each message.
#[derive(Clone, Copy, Debug)]
pub struct CommandsDialect;

impl Protocol for CommandsDialect {
    fn name(&self) -> &'static str {
        "commands"
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"REGISTER ", client.name.as_bytes(), b"\n"]);
        1
    }

    fn join(&self, _sender: &ClientProfile, receiver: &ClientProfile, out: &mut Vec<u8>) -> (u32, u32) {
        put(out, &[b"CONNECT ", receiver.name.as_bytes(), b"\n"]);
        (1, 1)
    }

    fn ask(&self, _client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"PING\n"]);
        1
    }

    fn encode(&self, _client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[b"MSG ", payload, b"\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], _answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        if let Some(rest) = unread.strip_prefix(b"MSG_SENT\n") {
            *unread = rest;
            return Some(ServerFrame::Acknowledgement);
        }
        let end = memchr(b'\n', unread)?;
        let (line, rest) = (&unread[..end], &unread[end + 1..]);
        *unread = rest;
        let text = line.strip_prefix(b"FROM ").and_then(|from| {
            let colon = memchr(b':', from)?;
            from[colon..].strip_prefix(b": ")
        });
        Some(text.map_or_else(|| decode_reply(line), ServerFrame::Message))
    }
}

/// Decodes a line that is neither a message nor an acknowledgement.
fn decode_reply(line: &[u8]) -> ServerFrame<'_> {
    let reply = std::str::from_utf8(line).ok().and_then(|line| commands::parse_reply(line).ok());
    match reply {
        Some(Reply::Welcome) => ServerFrame::Ignored,
        Some(Reply::RegisterOk { .. } | Reply::ConnectOk { .. } | Reply::IncomingConnection { .. } | Reply::Pong) => {
            ServerFrame::Answer
        }
        _ => ServerFrame::Refusal(line),
    }
}

/// Appends each of `parts`.
pub(super) fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_decodes_to_its_kind() {
        let cases: &[(&[u8], Option<ServerFrame<'_>>, usize)] = &[
            (b"MSG_SENT\nMSG", Some(ServerFrame::Acknowledgement), 3),
            (b"FROM b1-2: a: b\n", Some(ServerFrame::Message(b"a: b")), 0),
            (b"FROM b1-2: \n", Some(ServerFrame::Message(b"")), 0),
            (b"FROM b1-2: a", None, 12),
            (b"MSG_SEN", None, 7),
            (b"", None, 0),
            (b"WELCOME\n", Some(ServerFrame::Ignored), 0),
            (b"REGISTER_OK b1-2\n", Some(ServerFrame::Answer), 0),
            (b"INCOMING_CONNECTION b1-2\nFROM", Some(ServerFrame::Answer), 4),
            (b"PEER_DISCONNECTED\n", Some(ServerFrame::Refusal(b"PEER_DISCONNECTED")), 0),
            (b"ERROR NAME_TAKEN\n", Some(ServerFrame::Refusal(b"ERROR NAME_TAKEN")), 0),
            (b"\xff\n", Some(ServerFrame::Refusal(b"\xff")), 0),
        ];
        for (given, expected, unread_bytes) in cases {
            let mut unread = *given;
            let frame = CommandsDialect.decode(&mut unread, &mut Vec::new());
            assert_eq!((frame, unread.len()), (*expected, *unread_bytes), "given {}", given.escape_ascii());
        }
    }
}
