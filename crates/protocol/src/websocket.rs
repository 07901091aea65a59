//! WebSocket frames that carry lines (RFC 6455): one line a text message.
//!
//! The server reads with a [`FrameDecoder`] and writes with a [`LineEncoder`]. No extension is used, so no frame is
//! compressed. (`protocol.md` §21)

mod close_code;
mod frame_decoder;
mod line_encoder;

pub use close_code::CloseCode;
pub use frame_decoder::{FrameDecoder, FrameEvent, FrameViolation};
pub use line_encoder::{LineEncoder, encode_close, encode_ping, encode_pong};

/// The longest message that a client may send, in bytes: the longest line that an operator can allow. A longer frame
/// ends the session as soon as its header has arrived. A line over the server's own limit gets the same `ERROR` as over
/// TCP.
pub const MESSAGE_MAX_BYTES: u64 = crate::limits::LINE_CEILING_BYTES as u64;

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
pub const CONTROL_MAX_BYTES: usize = 125;

/// The type of a frame (RFC 6455 §5.2, §11.8).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    /// The type with this number, unless the number is reserved.
    fn from_bits(bits: u8) -> Option<Self> {
        [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong]
            .into_iter()
            .find(|opcode| *opcode as u8 == bits)
    }

    /// Whether the frame belongs to no message.
    fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

#[cfg(test)]
mod tests;
