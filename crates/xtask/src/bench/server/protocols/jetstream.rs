//! NATS JetStream: streams in files, and push consumers (docs.nats.io, "JetStream wire API reference").

use memchr::memmem;
use switchboard_bench::Protocol;
use switchboard_bench::protocol::{ClientProfile, ServerFrame};

use super::{parse_number, put, put_number, take_block, take_line};

/// Each receiver has a stream of its own, with its name as the subject, so that the streams sync side by side. A push
/// consumer delivers a message once the stream has stored it. The server answers each message with an acknowledgement,
/// once it has stored and synced the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JetStream;

// The ids of a session's subscriptions.
const DELIVERIES: &[u8] = b"1";
const REPLIES: &[u8] = b"2";

impl Protocol for JetStream {
    fn name(&self) -> &'static str {
        "jetstream"
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        let name = &client.name;
        put(out, &[b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n"]);
        put(out, &[b"SUB reply.", name.as_bytes(), b" ", REPLIES, b"\r\n"]);
        if !client.receives {
            put(out, &[b"PING\r\n"]);
            return 1;
        }
        put(out, &[b"SUB deliver.", name.as_bytes(), b" ", DELIVERIES, b"\r\n"]);
        let stream = format!(
            "{{\"name\":\"{name}\",\"subjects\":[\"store.{name}\"],\"storage\":\"file\",\"num_replicas\":1,\
             \"retention\":\"limits\"}}"
        );
        put_request(out, &format!("$JS.API.STREAM.CREATE.{name}"), name, &stream);
        1
    }

    /// Creates the consumer of the receiver's stream, as the client libraries create an ordered consumer.
    fn join(&self, sender: &ClientProfile, receiver: &ClientProfile, out: &mut Vec<u8>) -> (u32, u32) {
        let stream = &receiver.name;
        let consumer = format!(
            "{{\"stream_name\":\"{stream}\",\"config\":{{\"name\":\"reader\",\"deliver_subject\":\"deliver.{stream}\",\
             \"ack_policy\":\"none\",\"deliver_policy\":\"all\",\"replay_policy\":\"instant\",\"max_deliver\":1,\
             \"mem_storage\":true,\"num_replicas\":1}}}}"
        );
        put_request(out, &format!("$JS.API.CONSUMER.CREATE.{stream}.reader"), &sender.name, &consumer);
        (1, 0)
    }

    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        put(out, &[b"PUB store.", client.peer.as_bytes(), b" reply.", client.name.as_bytes(), b" "]);
        put_number(out, payload.len());
        put(out, &[b"\r\n", payload, b"\r\n"]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        let mut rest = *unread;
        let line = take_line(&mut rest)?;
        let frame = if let Some(head) = line.strip_prefix(b"MSG ") {
            let mut words = head.split(|&byte| byte == b' ');
            let subscription = words.nth(1);
            match (words.next_back().and_then(parse_number), subscription) {
                (Some(len), Some(DELIVERIES)) => ServerFrame::Message(take_block(&mut rest, len)?),
                (Some(len), Some(_)) => decode_reply(take_block(&mut rest, len)?),
                _ => ServerFrame::Refusal(line),
            }
        } else {
            match line {
                b"PONG" => ServerFrame::Answer,
                b"PING" => {
                    put(answers, &[b"PONG\r\n"]);
                    ServerFrame::Ignored
                }
                _ if line.starts_with(b"INFO ") => ServerFrame::Ignored,
                _ => ServerFrame::Refusal(line),
            }
        };
        *unread = rest;
        Some(frame)
    }
}

/// Appends a request with a body in JSON. The answer goes to the replies of the client `from`.
fn put_request(out: &mut Vec<u8>, subject: &str, from: &str, body: &str) {
    put(out, &[format!("PUB {subject} reply.{from} {}\r\n{body}\r\n", body.len()).as_bytes()]);
}

/// Decodes the answer to a message or a request.
fn decode_reply(reply: &[u8]) -> ServerFrame<'_> {
    if memmem::find(reply, b"\"error\"").is_some() {
        ServerFrame::Refusal(reply)
    } else if reply.starts_with(b"{\"stream\":") {
        ServerFrame::Acknowledgement
    } else {
        ServerFrame::Answer
    }
}
