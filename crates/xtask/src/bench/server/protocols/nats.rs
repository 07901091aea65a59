//! The NATS client protocol (docs.nats.io, "Client Protocol").

use switchboard_bench::Protocol;
use switchboard_bench::protocol::{ClientProfile, ServerFrame};

use super::{parse_number, put, put_number, take_block, take_line};

/// A session's subject is that of its room, or its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nats {
    /// Whether the server answers each message with `+OK`. By default it does not.
    pub(crate) verbose: bool,
}

impl Protocol for Nats {
    fn name(&self) -> &'static str {
        if self.verbose { "nats verbose" } else { "nats" }
    }

    fn acknowledges(&self) -> bool {
        self.verbose
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        let connect = format!("CONNECT {{\"verbose\":{},\"pedantic\":false}}\r\n", self.verbose);
        put(out, &[connect.as_bytes()]);
        if !client.sends {
            put(out, &[b"SUB ", client.inbox().as_bytes(), b" 1\r\n"]);
        }
        // The server answers in order, so the `PONG` proves that the subscription is active.
        put(out, &[b"PING\r\n"]);
        1
    }

    fn ask(&self, _client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[b"PING\r\n"]);
        1
    }

    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[b"PUB ", client.peer.as_bytes(), b" "]);
        put_number(out, payload.len());
        put(out, &[b"\r\n", payload, b"\r\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        let mut rest = *unread;
        let line = take_line(&mut rest)?;
        let frame = match line {
            b"+OK" => ServerFrame::Acknowledgement,
            b"PONG" => ServerFrame::Answer,
            b"PING" => {
                put(answers, &[b"PONG\r\n"]);
                ServerFrame::Ignored
            }
            _ if line.starts_with(b"MSG ") => match line.rsplit(|&byte| byte == b' ').next().and_then(parse_number) {
                Some(len) => ServerFrame::Message(take_block(&mut rest, len)?),
                None => ServerFrame::Refusal(line),
            },
            _ if line.starts_with(b"INFO ") => ServerFrame::Ignored,
            _ => ServerFrame::Refusal(line),
        };
        *unread = rest;
        Some(frame)
    }
}
