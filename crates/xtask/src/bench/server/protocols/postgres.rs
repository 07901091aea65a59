//! PostgreSQL's protocol, version 3: prepared statements without waiting between them (PostgreSQL documentation,
//! "Frontend/Backend Protocol").

use switchboard_bench::Protocol;
use switchboard_bench::protocol::{ClientProfile, ServerFrame};

use super::put;

/// Each message is one `INSERT` in a transaction of its own. It returns the payload to its sender, and nothing goes to
/// the receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Postgres;

impl Postgres {
    /// The role that the sessions use. It owns the database `postgres`.
    pub(crate) const ROLE: &str = "postgres";

    /// The table of the messages.
    pub(crate) const TABLE: &str = "CREATE TABLE record (room text, seq bigint GENERATED ALWAYS AS IDENTITY, \
                                    at timestamptz DEFAULT now(), author text, body text, PRIMARY KEY (room, seq));";
}

const INSERT: &[u8] = b"INSERT INTO record (room, author, body) VALUES ($1, $2, $3) RETURNING body";

/// `Sync`: ends the transaction and asks for `ReadyForQuery`.
const SYNC: &[u8] = b"S\x00\x00\x00\x04";

impl Protocol for Postgres {
    fn name(&self) -> &'static str {
        "postgresql"
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn returns_to_sender(&self) -> bool {
        true
    }

    fn open(&self, _client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        let role = Self::ROLE.as_bytes();
        // The startup message has no type. 3.0 is the version of the protocol.
        put_with_len(out, |out| put(out, &[&[0, 3, 0, 0], b"user\0", role, b"\0database\0", role, b"\0\0"]));
        // `Parse`: the statement `i`, whose parameter types the server infers.
        out.push(b'P');
        put_with_len(out, |out| put(out, &[b"i\0", INSERT, b"\0\0\0"]));
        put(out, &[SYNC]);
        // `ReadyForQuery` after the start, and after `Sync`.
        2
    }

    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>) {
        let parameters = [client.peer.as_bytes(), client.name.as_bytes(), payload];
        // `Bind`: no portal name, the statement, text formats, the parameters, text results.
        out.push(b'B');
        put_with_len(out, |out| {
            put(out, &[b"\0i\0\0\0\0\x03"]);
            for parameter in parameters {
                let len = u32::try_from(parameter.len()).unwrap_or(u32::MAX);
                put(out, &[&len.to_be_bytes(), parameter]);
            }
            put(out, &[b"\0\0"]);
        });
        // `Execute`: no portal name, all rows.
        put(out, &[b"E\x00\x00\x00\x09\0\0\0\0\0", SYNC]);
    }

    fn decode<'a>(&self, unread: &mut &'a [u8], _answers: &mut Vec<u8>) -> Option<ServerFrame<'a>> {
        let (&kind, rest) = unread.split_first()?;
        let len = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        let (message, rest) = rest.split_at_checked(len)?;
        let body = message.get(4..)?;
        *unread = rest;
        Some(match kind {
            // `DataRow`: a number of columns, and the length and the text of the only one.
            b'D' => body.get(6..).map_or(ServerFrame::Refusal(body), ServerFrame::Message),
            // `CommandComplete`.
            b'C' => ServerFrame::Acknowledgement,
            // `ReadyForQuery`.
            b'Z' => ServerFrame::Answer,
            // `ErrorResponse`, or a request for a password.
            b'E' => ServerFrame::Refusal(body),
            b'R' if body != [0, 0, 0, 0] => ServerFrame::Refusal(b"a password is required"),
            _ => ServerFrame::Ignored,
        })
    }
}

/// Appends the bytes of `append`, after their length. The length counts its own four bytes.
fn put_with_len(out: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    put(out, &[&[0; 4]]);
    append(out);
    let len = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}
