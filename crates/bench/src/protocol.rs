//! The client side of a server's protocol, as far as a load generator needs it.
//!
//! A session starts with the bytes of [`Protocol::open`]. The session is open when it has received as many frames
//! [`ServerFrame::Answer`] as `open` returned. [`Protocol::join`] then joins the two sessions of a pair. After that,
//! [`Protocol::encode`] turns payloads into messages and [`Protocol::decode`] turns messages into payloads.
//!
//! A payload is printable ASCII without a space at either end, so that it fits any line protocol. `decode` must yield
//! exactly the bytes that the sender gave to `encode`.

mod commands;
mod conversations;
mod line;
mod rooms;

pub use commands::CommandsDialect;
pub use conversations::Conversations;
pub use line::LineDialect;
pub use rooms::Rooms;

pub(crate) use conversations::{PUBLIC_KEY, record_text};

/// The client side of a protocol. Implementations are stateless: all facts about a session are in its
/// [`ClientProfile`].
pub trait Protocol {
    /// Protocol name in reports.
    fn name(&self) -> &str;

    /// Whether the server answers each message with a [`ServerFrame::Acknowledgement`] to its sender. A missing
    /// acknowledgement is then a fault.
    fn acknowledges(&self) -> bool;

    /// Whether the server returns each message to its sender instead of delivering it to the receiver. The workload
    /// `pairs` then checks each message where it comes back.
    fn returns_to_sender(&self) -> bool {
        false
    }

    /// Appends the first bytes of a new session. Returns the number of answers ([`ServerFrame::Answer`]) to wait for
    /// before the session is open.
    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32;

    /// Appends the bytes with which the sender joins the receiver. Called when both sessions are open. Returns the
    /// number of answers that the sender waits for, and the number that the receiver waits for. Most protocols need
    /// neither bytes nor answers.
    fn join(&self, sender: &ClientProfile, receiver: &ClientProfile, out: &mut Vec<u8>) -> (u32, u32) {
        let _ = (sender, receiver, out);
        (0, 0)
    }

    /// Appends a request that the server answers to this client alone. Returns the number of answers to wait for. A
    /// protocol without such a request appends nothing and returns 0.
    fn ask(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        let _ = (client, out);
        0
    }

    /// Appends the message that carries `payload` from `client` to its peer.
    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>);

    /// Removes the first frame from the front of `unread` and returns it. Returns `None`, and removes nothing, if the
    /// frame is incomplete. Appends to `answers` any reply that the protocol requires at once, such as a `PONG` to
    /// the server's `PING`.
    ///
    /// `decode` runs for each message and each acknowledgement. An implementation should test for these two first, and
    /// should allocate nothing.
    fn decode<'a>(&self, unread: &mut &'a [u8], answers: &mut Vec<u8>) -> Option<ServerFrame<'a>>;
}

/// A simulated client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientProfile {
    /// Letters, digits and `-`. Unique in this run, and rarely used in another run.
    pub name: String,
    /// The name of the other client of the pair, or of the room that the client writes to; empty for other clients.
    pub peer: String,
    /// The room (channel, subject, topic) that the client reads or writes together with others. `None` for a client
    /// of a pair, which receives under its own name.
    pub room: Option<String>,
    /// Pair number, shared by the two clients of a pair.
    pub pair: usize,
    /// Whether the client sends messages.
    pub sends: bool,
    /// Whether the client receives messages.
    pub receives: bool,
}

impl ClientProfile {
    /// The name under which the client receives messages: that of its room, or its own.
    #[must_use]
    pub fn inbox(&self) -> &str {
        self.room.as_deref().unwrap_or(&self.name)
    }
}

/// A decoded frame from the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerFrame<'a> {
    /// A message with its payload.
    Message(&'a [u8]),
    /// Acknowledgement of one message of this session.
    Acknowledgement,
    /// An answer to the bytes of [`Protocol::open`], [`Protocol::join`] or [`Protocol::ask`].
    Answer,
    /// A frame without meaning for the load, such as a greeting.
    Ignored,
    /// A refusal, or any frame that a correct run never gets: its text.
    Refusal(&'a [u8]),
}
