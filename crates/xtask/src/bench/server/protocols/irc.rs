//! IRC (RFC 2812): a message is a `PRIVMSG` to a nickname. Nothing is acknowledged.

use switchboard_bench::Wire;
use switchboard_bench::protocol::{Heard, Seat};

use super::{line, put};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Irc;

impl Wire for Irc {
    fn name(&self) -> &'static str {
        "irc"
    }

    fn acknowledges(&self) -> bool {
        false
    }

    fn open(&self, seat: &Seat, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"NICK ", seat.name.as_bytes(), b"\r\nUSER bench 0 * :bench\r\n"]);
        1
    }

    fn ask(&self, _seat: &Seat, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"PING :x\r\n"]);
        1
    }

    fn encode(&self, seat: &Seat, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[b"PRIVMSG ", seat.peer.as_bytes(), b" :", payload, b"\r\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], answers: &mut Vec<u8>) -> Option<Heard<'a>> {
        let said = line(unread)?;
        let mut words = said.splitn(4, |&byte| byte == b' ');
        Some(match (words.next(), words.next(), words.next(), words.next()) {
            (_, Some(b"PRIVMSG"), Some(_), Some([b':', text @ ..])) => Heard::Message(text),
            (Some(b"PING"), Some(token), ..) => {
                put(answers, &[b"PONG ", token, b"\r\n"]);
                Heard::Other
            }
            // The end of the message of the day, or that there is none: the last line of a welcome.
            (_, Some(b"376" | b"422" | b"PONG"), ..) => Heard::Ready,
            // Replies are below 400, errors above (RFC 2812 §5).
            (Some(b"ERROR"), ..) | (_, Some([b'4' | b'5', _, _]), ..) => Heard::Refused(said),
            _ => Heard::Other,
        })
    }
}
