//! Redis publish and subscribe, in RESP version 2 (redis.io, "Redis serialization protocol specification").

use switchboard_bench::Protocol;
use switchboard_bench::protocol::{ClientProfile, ServerFrame};

use super::{parse_number, put, put_number, take_block, take_line};

/// A session's channel is that of its room, or its name. A subscribed session may not publish, so only one session of a pair sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redis;

pub(super) const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

impl Protocol for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        if client.sends {
            put(out, &[PING]);
        } else {
            put(out, &[b"*2\r\n$9\r\nSUBSCRIBE\r\n"]);
            put_bulk(out, client.inbox().as_bytes());
        }
        1
    }

    fn ask(&self, _client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[PING]);
        1
    }

    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[b"*3\r\n$7\r\nPUBLISH\r\n"]);
        put_bulk(out, client.peer.as_bytes());
        put_bulk(out, payload);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], _answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        let mut rest = *unread;
        let line = take_line(&mut rest)?;
        let frame = match line {
            // The number of subscribers that received the message. Each channel here has at least one.
            [b':', b'1'..=b'9', ..] => ServerFrame::Acknowledgement,
            // A message, or the answer to `SUBSCRIBE`.
            b"*3" => {
                let kind = take_bulk(&mut rest)?;
                let _channel = take_bulk(&mut rest)?;
                if kind == b"message" {
                    ServerFrame::Message(take_bulk(&mut rest)?)
                } else {
                    take_line(&mut rest)?;
                    ServerFrame::Answer
                }
            }
            // The answer to `PING` in a subscribed session.
            b"*2" => {
                take_bulk(&mut rest)?;
                take_bulk(&mut rest)?;
                ServerFrame::Answer
            }
            b"+PONG" => ServerFrame::Answer,
            _ => ServerFrame::Refusal(line),
        };
        *unread = rest;
        Some(frame)
    }
}

/// Appends a bulk string.
pub(super) fn put_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'$');
    put_number(out, bytes.len());
    put(out, &[b"\r\n", bytes, b"\r\n"]);
}

/// Removes a bulk string from the front of `unread`, and returns its bytes. `None` if it is incomplete.
pub(super) fn take_bulk<'a>(unread: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = parse_number(take_line(unread)?.strip_prefix(b"$")?)?;
    take_block(unread, len)
}
