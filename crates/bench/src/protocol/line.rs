//! The line dialect (`protocol.md` §5).

use memchr::memchr;

use super::commands::put;
use super::{ClientProfile, Protocol, ServerFrame};

/// The line dialect: a name on the first line, then `name: message`. The server acknowledges nothing.
#[derive(Clone, Copy, Debug)]
pub struct LineDialect;

impl Protocol for LineDialect {
    fn name(&self) -> &'static str {
        "line"
    }

    fn acknowledges(&self) -> bool {
        false
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[client.name.as_bytes(), b"\n"]);
        1
    }

    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[client.peer.as_bytes(), b": ", payload, b"\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], _answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        let end = memchr(b'\n', unread)?;
        let (line, rest) = (&unread[..end], &unread[end + 1..]);
        *unread = rest;
        let text = line.strip_prefix(b"[").and_then(|from| {
            let bracket = memchr(b']', from)?;
            from[bracket..].strip_prefix(b"] ")
        });
        Some(match text {
            Some(text) => ServerFrame::Message(text),
            None if line.starts_with(b"Welcome ") => ServerFrame::Answer,
            None => ServerFrame::Refusal(line),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_decodes_to_its_kind() {
        let cases: &[(&[u8], Option<ServerFrame<'_>>)] = &[
            (b"[b1-2] a] b\n", Some(ServerFrame::Message(b"a] b"))),
            (b"[b1-2] a", None),
            (b"Welcome b1-2! You can now chat.\n", Some(ServerFrame::Answer)),
            (b"User not found.\n", Some(ServerFrame::Refusal(b"User not found."))),
        ];
        for (given, expected) in cases {
            let mut unread = *given;
            assert_eq!(LineDialect.decode(&mut unread, &mut Vec::new()), *expected, "given {}", given.escape_ascii());
        }
    }
}
