//! The commands dialect. (`protocol.md` §4)

use memchr::memchr;
use switchboard_protocol::{Reply, commands};

use super::{Heard, Seat, Wire};

/// The commands dialect: `REGISTER`, `CONNECT`, `MSG` and `FROM`; each message is acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Commands;

impl Wire for Commands {
    fn name(&self) -> &'static str {
        "commands"
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn open(&self, seat: &Seat, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"REGISTER ", seat.name.as_bytes(), b"\n"]);
        1
    }

    fn join(&self, _speaker: &Seat, listener: &Seat, out: &mut Vec<u8>) -> (u32, u32) {
        put(out, &[b"CONNECT ", listener.name.as_bytes(), b"\n"]);
        (1, 1)
    }

    fn ask(&self, _seat: &Seat, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"PING\n"]);
        1
    }

    fn encode(&self, _seat: &Seat, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[b"MSG ", payload, b"\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], _answers: &mut Vec<u8>) -> Option<Heard<'a>> {
        if let Some(rest) = unread.strip_prefix(b"MSG_SENT\n") {
            *unread = rest;
            return Some(Heard::Acknowledged);
        }
        let end = memchr(b'\n', unread)?;
        let (line, rest) = (&unread[..end], &unread[end + 1..]);
        *unread = rest;
        let text = line.strip_prefix(b"FROM ").and_then(|from| {
            let colon = memchr(b':', from)?;
            from[colon..].strip_prefix(b": ")
        });
        Some(text.map_or_else(|| rarer(line), Heard::Message))
    }
}

/// A line that is neither message nor acknowledgement.
fn rarer(line: &[u8]) -> Heard<'_> {
    let reply = std::str::from_utf8(line).ok().and_then(|line| commands::parse_reply(line).ok());
    match reply {
        Some(Reply::Welcome) => Heard::Other,
        Some(Reply::RegisterOk { .. } | Reply::ConnectOk { .. } | Reply::IncomingConnection { .. } | Reply::Pong) => {
            Heard::Ready
        }
        _ => Heard::Refused(line),
    }
}

pub(super) fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let cases: &[(&[u8], Option<Heard<'_>>, usize)] = &[
            (b"MSG_SENT\nMSG", Some(Heard::Acknowledged), 3),
            (b"FROM b1-2: a: b\n", Some(Heard::Message(b"a: b")), 0),
            (b"FROM b1-2: \n", Some(Heard::Message(b"")), 0),
            (b"FROM b1-2: a", None, 12),
            (b"MSG_SEN", None, 7),
            (b"", None, 0),
            (b"WELCOME\n", Some(Heard::Other), 0),
            (b"REGISTER_OK b1-2\n", Some(Heard::Ready), 0),
            (b"INCOMING_CONNECTION b1-2\nFROM", Some(Heard::Ready), 4),
            (b"PEER_DISCONNECTED\n", Some(Heard::Refused(b"PEER_DISCONNECTED")), 0),
            (b"ERROR NAME_TAKEN\n", Some(Heard::Refused(b"ERROR NAME_TAKEN")), 0),
            (b"\xff\n", Some(Heard::Refused(b"\xff")), 0),
        ];
        for (given, expected, left) in cases {
            let mut unread = *given;
            let heard = Commands.decode(&mut unread, &mut Vec::new());
            assert_eq!((heard, unread.len()), (*expected, *left), "given {}", given.escape_ascii());
        }
    }
}
