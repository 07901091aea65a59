//! MQTT 3.1.1, quality of service 0: the server acknowledges nothing (OASIS MQTT Version 3.1.1 §3).

use switchboard_bench::Protocol;
use switchboard_bench::protocol::{ClientProfile, ServerFrame};

use super::put;

/// A session's name is its topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mqtt;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGREQ: &[u8] = &[0xc0, 0];
const PINGRESP: u8 = 0xd0;

impl Protocol for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn acknowledges(&self) -> bool {
        false
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        let name = client.name.as_bytes();
        // Protocol name and level 4, a clean session, and no keep-alive (§3.1.2).
        // The 10 bytes of the next line, the length of the name in 2 bytes, and the name.
        put_header(CONNECT, 12 + name.len(), out);
        put(out, &[b"\x00\x04MQTT\x04\x02\x00\x00"]);
        put_string(name, out);
        if client.sends {
            return 1;
        }
        // The packet identifier in 2 bytes, the length of the name in 2 bytes, the name, and the quality of service.
        put_header(SUBSCRIBE, 5 + name.len(), out);
        put(out, &[b"\x00\x01"]);
        put_string(name, out);
        put(out, &[b"\x00"]);
        2
    }

    fn ask(&self, _client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[PINGREQ]);
        1
    }

    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        put_header(PUBLISH, 2 + client.peer.len() + payload.len(), out);
        put_string(client.peer.as_bytes(), out);
        put(out, &[payload]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], _answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        let (&kind, mut rest) = unread.split_first()?;
        let len = take_len(&mut rest)?;
        let (body, rest) = rest.split_at_checked(len)?;
        let packet = &unread[..unread.len() - rest.len()];
        *unread = rest;
        Some(match (kind, body) {
            (PUBLISH, [high, low, body @ ..]) => {
                let topic_len = usize::from(u16::from_be_bytes([*high, *low]));
                body.get(topic_len..).map_or(ServerFrame::Refusal(packet), ServerFrame::Message)
            }
            (CONNACK, [_, 0]) | (SUBACK, [_, _, 0]) | (PINGRESP, []) => ServerFrame::Answer,
            _ => ServerFrame::Refusal(packet),
        })
    }
}

/// Appends a fixed header: the packet type, and the length of the rest in groups of seven bits, lowest first (§2.2.3).
fn put_header(kind: u8, mut len: usize, out: &mut Vec<u8>) {
    out.push(kind);
    loop {
        let low = u8::try_from(len % 128).unwrap_or_default();
        len /= 128;
        out.push(if len > 0 { low | 0x80 } else { low });
        if len == 0 {
            return;
        }
    }
}

/// Appends a string after its length (§1.5.3).
fn put_string(string: &[u8], out: &mut Vec<u8>) {
    let len = u16::try_from(string.len()).unwrap_or(u16::MAX);
    put(out, &[&len.to_be_bytes(), string]);
}

/// Removes the length of a fixed header from the front of `unread`, and decodes it. `None` if it is incomplete.
fn take_len(unread: &mut &[u8]) -> Option<usize> {
    let mut len = 0;
    for shift in [0, 7, 14, 21] {
        let (&byte, rest) = unread.split_first()?;
        *unread = rest;
        len |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some(len)
}
