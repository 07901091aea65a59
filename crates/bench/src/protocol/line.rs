//! The line dialect. (`protocol.md` §5)

use memchr::memchr;

use super::commands::put;
use super::{Heard, Seat, Wire};

/// The line dialect: a name, then `name: message`. Nothing is acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Line;

impl Wire for Line {
    fn name(&self) -> &'static str {
        "line"
    }

    fn acknowledges(&self) -> bool {
        false
    }

    fn open(&self, seat: &Seat, out: &mut Vec<u8>) -> u32 {
        put(out, &[seat.name.as_bytes(), b"\n"]);
        1
    }

    fn encode(&self, seat: &Seat, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[seat.peer.as_bytes(), b": ", payload, b"\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], _answers: &mut Vec<u8>) -> Option<Heard<'a>> {
        let end = memchr(b'\n', unread)?;
        let (line, rest) = (&unread[..end], &unread[end + 1..]);
        *unread = rest;
        let text = line.strip_prefix(b"[").and_then(|from| {
            let bracket = memchr(b']', from)?;
            from[bracket..].strip_prefix(b"] ")
        });
        Some(match text {
            Some(text) => Heard::Message(text),
            None if line.starts_with(b"Welcome ") => Heard::Ready,
            None => Heard::Refused(line),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let cases: &[(&[u8], Option<Heard<'_>>)] = &[
            (b"[b1-2] a] b\n", Some(Heard::Message(b"a] b"))),
            (b"[b1-2] a", None),
            (b"Welcome b1-2! You can now chat.\n", Some(Heard::Ready)),
            (b"User not found.\n", Some(Heard::Refused(b"User not found."))),
        ];
        for (given, expected) in cases {
            let mut unread = *given;
            assert_eq!(Line.decode(&mut unread, &mut Vec::new()), *expected, "given {}", given.escape_ascii());
        }
    }
}
