//! The relay's protocol: a client sends its own name and the name of its peer in the first line. Each later line is a
//! message.

use switchboard_bench::Protocol;
use switchboard_bench::protocol::{ClientProfile, ServerFrame};

use super::{put, take_line};

#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayProtocol;

impl Protocol for RelayProtocol {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn acknowledges(&self) -> bool {
        false
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        put(out, &[client.name.as_bytes(), b" ", client.peer.as_bytes(), b"\n"]);
        1
    }

    fn encode(&self, _client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[payload, b"\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], _answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        Some(match take_line(unread)? {
            b"ok" => ServerFrame::Answer,
            payload => ServerFrame::Message(payload),
        })
    }
}
