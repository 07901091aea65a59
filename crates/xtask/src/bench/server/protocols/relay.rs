//! What the relay is spoken to in: two names on a line, then anything.

use switchboard_bench::Wire;
use switchboard_bench::protocol::{Heard, Seat};

use super::{line, put};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Relay;

impl Wire for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn acknowledges(&self) -> bool {
        false
    }

    fn open(&self, seat: &Seat, out: &mut Vec<u8>) -> u32 {
        put(out, &[seat.name.as_bytes(), b" ", seat.peer.as_bytes(), b"\n"]);
        1
    }

    fn encode(&self, _seat: &Seat, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[payload, b"\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], _answers: &mut Vec<u8>) -> Option<Heard<'a>> {
        Some(match line(unread)? {
            b"ok" => Heard::Ready,
            payload => Heard::Message(payload),
        })
    }
}
