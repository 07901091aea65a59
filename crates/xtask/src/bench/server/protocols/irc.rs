//! IRC (RFC 2812): a message is a `PRIVMSG` to a nickname. The server acknowledges nothing.

use switchboard_bench::Protocol;
use switchboard_bench::protocol::{ClientProfile, ServerFrame};

use super::{put, take_line};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Irc;

impl Protocol for Irc {
    fn name(&self) -> &'static str {
        "irc"
    }

    fn acknowledges(&self) -> bool {
        false
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"NICK ", client.name.as_bytes(), b"\r\nUSER bench 0 * :bench\r\n"]);
        1
    }

    fn ask(&self, _client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"PING :x\r\n"]);
        1
    }

    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[b"PRIVMSG ", client.peer.as_bytes(), b" :", payload, b"\r\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        let line = take_line(unread)?;
        let mut words = line.splitn(4, |&byte| byte == b' ');
        Some(match (words.next(), words.next(), words.next(), words.next()) {
            (_, Some(b"PRIVMSG"), Some(_), Some([b':', text @ ..])) => ServerFrame::Message(text),
            (Some(b"PING"), Some(token), ..) => {
                put(answers, &[b"PONG ", token, b"\r\n"]);
                ServerFrame::Ignored
            }
            // 376 ends the message of the day, and 422 says that there is none. Both end the welcome.
            (_, Some(b"376" | b"422" | b"PONG"), ..) => ServerFrame::Answer,
            // Numbers below 400 are replies, and numbers from 400 are errors (RFC 2812 §5).
            (Some(b"ERROR"), ..) | (_, Some([b'4' | b'5', _, _]), ..) => ServerFrame::Refusal(line),
            _ => ServerFrame::Ignored,
        })
    }
}
