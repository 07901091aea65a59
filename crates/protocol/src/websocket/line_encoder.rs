//! Puts the lines of a server into frames.

use super::{CONTROL_MAX_BYTES, CloseCode, Opcode};

/// The bit of the last frame of a message. The server never sends a message in fragments.
const FINAL: u8 = 0x80;

/// Encodes lines as text frames, one frame a line, without the LF.
///
/// A long line is encoded in parts, which may be sent one after the other. So a frame is complete only if
/// [`LineEncoder::is_between_frames`].
#[derive(Debug, Default)]
pub struct LineEncoder {
    /// Bytes of the present line that are not encoded, its LF included.
    left: usize,
}

impl LineEncoder {
    /// Creates an encoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the last frame is complete, so that another frame may follow.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.left == 0
    }

    /// Encodes bytes from the front of `lines`, until `frames` has about `frames_bytes`. Returns the number of bytes that
    /// it has encoded, at least one of a text that is not empty. `lines` ends with an LF.
    pub fn encode(&mut self, lines: &[u8], frames: &mut Vec<u8>, frames_bytes: usize) -> usize {
        let mut encoded = 0;
        while encoded < lines.len() && (encoded == 0 || frames.len() < frames_bytes) {
            let rest = &lines[encoded..];
            if self.left == 0 {
                let line_bytes = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                encode_header(Opcode::Text, line_bytes, frames);
                self.left = line_bytes + 1;
            }
            let room = frames_bytes.saturating_sub(frames.len()).max(1);
            let part = (self.left - 1).min(rest.len()).min(room);
            frames.extend_from_slice(&rest[..part]);
            self.left -= part;
            encoded += part;
            if self.left == 1 && part < rest.len() {
                self.left = 0;
                encoded += 1;
            }
        }
        encoded
    }
}

/// Encodes a Ping without a payload.
pub fn encode_ping(frames: &mut Vec<u8>) {
    encode_header(Opcode::Ping, 0, frames);
}

/// Encodes a Pong with the payload of its Ping.
pub fn encode_pong(payload: &[u8], frames: &mut Vec<u8>) {
    encode_header(Opcode::Pong, payload.len(), frames);
    frames.extend_from_slice(payload);
}

/// Encodes a Close. A reason that does not fit is cut.
pub fn encode_close(code: CloseCode, reason: &str, frames: &mut Vec<u8>) {
    let code = code.number().to_be_bytes();
    let reason = &reason[..reason.floor_char_boundary(CONTROL_MAX_BYTES - code.len())];
    encode_header(Opcode::Close, code.len() + reason.len(), frames);
    frames.extend_from_slice(&code);
    frames.extend_from_slice(reason.as_bytes());
}

/// Encodes the header of an unmasked frame, with the length in its shortest form (RFC 6455 §5.2).
fn encode_header(opcode: Opcode, payload_bytes: usize, frames: &mut Vec<u8>) {
    frames.push(FINAL | opcode as u8);
    match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(len @ 0..126), _) => frames.push(len),
        (_, Ok(len)) => {
            frames.push(126);
            frames.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            frames.push(127);
            frames.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}
