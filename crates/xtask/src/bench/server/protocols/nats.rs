//! NATS, as its client protocol has it (docs.nats.io, "Client Protocol").

use switchboard_bench::Wire;
use switchboard_bench::protocol::{Heard, Seat};

use super::{block, line, number, put, put_number};

/// A session's name is its subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nats {
    /// Whether each message is answered with `+OK`; by default none is.
    pub(crate) verbose: bool,
}

impl Wire for Nats {
    fn name(&self) -> &'static str {
        if self.verbose { "nats verbose" } else { "nats" }
    }

    fn acknowledges(&self) -> bool {
        self.verbose
    }

    fn open(&self, seat: &Seat, out: &mut Vec<u8>) -> u32 {
        let connect = format!("CONNECT {{\"verbose\":{},\"pedantic\":false}}\r\n", self.verbose);
        put(out, &[connect.as_bytes()]);
        if !seat.speaks {
            put(out, &[b"SUB ", seat.name.as_bytes(), b" 1\r\n"]);
        }
        // The answer to this comes after those to the others, so that no message is sent before they took effect.
        put(out, &[b"PING\r\n"]);
        1
    }

    fn ask(&self, _seat: &Seat, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"PING\r\n"]);
        1
    }

    fn encode(&self, seat: &Seat, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[b"PUB ", seat.peer.as_bytes(), b" "]);
        put_number(out, payload.len());
        put(out, &[b"\r\n", payload, b"\r\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], answers: &mut Vec<u8>) -> Option<Heard<'a>> {
        let mut rest = *unread;
        let said = line(&mut rest)?;
        let heard = match said {
            b"+OK" => Heard::Acknowledged,
            b"PONG" => Heard::Ready,
            b"PING" => {
                put(answers, &[b"PONG\r\n"]);
                Heard::Other
            }
            _ if said.starts_with(b"MSG ") => match said.rsplit(|&byte| byte == b' ').next().and_then(number) {
                Some(len) => Heard::Message(block(&mut rest, len)?),
                None => Heard::Refused(said),
            },
            _ if said.starts_with(b"INFO ") => Heard::Other,
            _ => Heard::Refused(said),
        };
        *unread = rest;
        Some(heard)
    }
}
