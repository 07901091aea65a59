//! Redis Streams, in RESP version 2: `XADD`, and `XREAD BLOCK` (redis.io, "Redis Streams").

use switchboard_bench::Protocol;
use switchboard_bench::protocol::{ClientProfile, ServerFrame};

use super::redis::{PING, put_bulk, take_bulk};
use super::{parse_number, put, take_line};

/// A receiver reads a stream that has its name. With `appendfsync always`, redis writes the replies of a turn of its
/// event loop after the sync of that turn, so both the acknowledgement and the delivery follow the sync.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RedisStreams;

/// The field of an entry that holds the payload.
const FIELD: &[u8] = b"m";

impl Protocol for RedisStreams {
    fn name(&self) -> &'static str {
        "redis streams"
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[PING]);
        if client.receives {
            put_read(out, client.name.as_bytes(), b"0-0");
        }
        1
    }

    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[b"*5\r\n$4\r\nXADD\r\n"]);
        put_bulk(out, client.peer.as_bytes());
        put(out, &[b"$1\r\n*\r\n"]);
        put_bulk(out, FIELD);
        put_bulk(out, payload);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        let mut rest = *unread;
        let line = take_line(&mut rest)?;
        let frame = match line {
            b"*2" => ServerFrame::Message(take_entry(&mut rest)?.1),
            // The head of a reply to `XREAD`. The next `XREAD` starts after the last entry of this reply.
            b"*1" => {
                let _stream_and_entries = take_line(&mut rest)?;
                let stream = take_bulk(&mut rest)?;
                let entries = parse_number(take_line(&mut rest)?.strip_prefix(b"*")?)?;
                let mut after_head = rest;
                let mut last = None;
                for _ in 0..entries {
                    take_line(&mut after_head)?;
                    last = Some(take_entry(&mut after_head)?.0);
                }
                put_read(answers, stream, last?);
                ServerFrame::Ignored
            }
            // The id of the new entry.
            [b'$', ..] => {
                let mut reply = *unread;
                take_bulk(&mut reply)?;
                rest = reply;
                ServerFrame::Acknowledgement
            }
            b"+PONG" => ServerFrame::Answer,
            _ => ServerFrame::Refusal(line),
        };
        *unread = rest;
        Some(frame)
    }
}

/// Appends the command that waits for the entries of `stream` after the entry `last`.
fn put_read(out: &mut Vec<u8>, stream: &[u8], last: &[u8]) {
    put(out, &[b"*6\r\n$5\r\nXREAD\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n$7\r\nSTREAMS\r\n"]);
    put_bulk(out, stream);
    put_bulk(out, last);
}

/// Removes an entry without its first line from the front of `unread`. Returns its id and its payload.
fn take_entry<'a>(unread: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let id = take_bulk(unread)?;
    let _field_and_value = take_line(unread)?;
    let _field = take_bulk(unread)?;
    Some((id, take_bulk(unread)?))
}
