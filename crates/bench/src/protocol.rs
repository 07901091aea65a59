//! How a server is spoken to: what a load generator has to know of a protocol, and no more.
//!
//! A session takes its [`ClientProfile`], says what [`Protocol::open`] appends, and is open once it has heard as many
//! [`ServerFrame::Answer`] as that asked for. Two sessions that are to talk are then joined by [`Protocol::join`]. From there on
//! [`Protocol::encode`] makes messages of payloads and [`Protocol::decode`] payloads of messages.
//!
//! A payload is printable ASCII without a space at either end, so that it fits a protocol of lines. What one session
//! gives to `encode`, the other has to get from `decode`, to the byte.

mod commands;
mod line;

pub use commands::CommandsDialect;
pub use line::LineDialect;

/// A protocol, as the client of a server speaks it. It keeps no state: what it has to know of a session is its client.
pub trait Protocol {
    /// What it is called in reports.
    fn name(&self) -> &str;

    /// Whether each message is answered with a [`ServerFrame::Acknowledgement`] to its sender. A missing one is then a fault.
    fn acknowledges(&self) -> bool;

    /// Appends what a session says when it is connected, all at once, and returns how many [`ServerFrame::Answer`] it has to
    /// hear before it is open.
    fn open(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32;

    /// Appends what the speaker of a pair says to be joined to the listener, once both are open, and returns how many
    /// [`ServerFrame::Answer`] the speaker and the listener have to hear. Most protocols need nothing.
    fn join(&self, speaker: &ClientProfile, listener: &ClientProfile, out: &mut Vec<u8>) -> (u32, u32) {
        let _ = (speaker, listener, out);
        (0, 0)
    }

    /// Appends a question that the server answers to the asker alone, and returns how many [`ServerFrame::Answer`] make the
    /// answer. A protocol without one appends nothing and returns 0.
    fn ask(&self, client: &ClientProfile, out: &mut Vec<u8>) -> u32 {
        let _ = (client, out);
        0
    }

    /// Appends the message that carries `payload` from `client` to its peer.
    fn encode(&self, client: &ClientProfile, payload: &[u8], out: &mut Vec<u8>);

    /// Takes the first frame off the front of `unread` and says what it is, or takes nothing and returns `None` where
    /// the frame is not whole yet. What the protocol wants to be answered at once (a server's `PING`) is appended to
    /// `answers`.
    ///
    /// This is called for each message and each acknowledgement: it should look for those first, and allocate nothing.
    fn decode<'a>(&self, unread: &mut &'a [u8], answers: &mut Vec<u8>) -> Option<ServerFrame<'a>>;
}

/// Who a session is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientProfile {
    /// Its name: letters, digits and `-`, unlike any other of this run and of most others.
    pub name: String,
    /// The name of the session that it talks to; empty where it is alone.
    pub peer: String,
    /// Which pair it belongs to; the two of a pair have the same number.
    pub pair: usize,
    /// Whether it sends messages.
    pub speaks: bool,
    /// Whether messages are sent to it.
    pub listens: bool,
}

/// What a frame from the server is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerFrame<'a> {
    /// A message: its payload.
    Message(&'a [u8]),
    /// A message of this session was taken.
    Acknowledgement,
    /// An answer that opening, joining or asking waits for.
    Answer,
    /// Something that nobody waits for, and that is no fault.
    Ignored,
    /// A refusal, or anything else that does not belong into a good run: its text.
    Refusal(&'a [u8]),
}
