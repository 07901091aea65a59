//! Takes the frames of a client apart.

use super::{CONTROL_MAX_BYTES, CloseCode, MESSAGE_MAX_BYTES, Opcode};

/// The longest header of a frame, in bytes: two bytes, a length of 64 bits, and the mask (RFC 6455 §5.2).
const HEADER_MAX_BYTES: usize = 14;

/// A part of the stream of a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FrameEvent<'a> {
    /// Bytes of the present line. A line comes in any number of parts.
    Part(&'a [u8]),
    /// The present line is complete.
    EndOfLine,
    /// A Ping. Its payload belongs into the Pong.
    Ping(&'a [u8]),
    /// A Pong.
    Pong,
    /// A continuation of a message, without bytes.
    EmptyFragment,
    /// A Close with its code, if it has one. Nothing follows it.
    Close(Option<CloseCode>),
}

/// Why the frames of a client are refused. The text goes to the client, in the Close frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameViolation {
    /// A frame of a client has no mask.
    #[error("a frame has no mask: clients mask each frame")]
    Unmasked,
    /// A reserved bit is set.
    #[error("a reserved bit is set: no extension was agreed on")]
    ReservedBit,
    /// The type of a frame is not defined.
    #[error("a frame has a reserved type")]
    ReservedOpcode,
    /// A control frame is too long, or in fragments.
    #[error("a control frame is fragmented or longer than 125 bytes")]
    MalformedControl,
    /// The length is not written in its shortest form, or its highest bit is set.
    #[error("the length of a frame is malformed")]
    MalformedLength,
    /// A continuation has no message to continue.
    #[error("a continuation frame continues no message")]
    NothingToContinue,
    /// A message begins before the last one has ended.
    #[error("a message begins within another")]
    Interleaved,
    /// The message is not text.
    #[error("messages are text: send lines")]
    Binary,
    /// The message is too long.
    #[error("a message is longer than 65536 bytes")]
    TooLong,
    /// A message has more than one line.
    #[error("a message is one line: send each line as a message")]
    SeveralLines,
    /// The code in a Close frame is malformed, or not allowed there.
    #[error("the code of a Close frame is malformed or not allowed")]
    CloseCode,
    /// The reason in a Close frame is not UTF-8.
    #[error("the reason in a Close frame is not UTF-8")]
    CloseReason,
}

// The texts of the errors name these numbers.
const _: () = assert!(MESSAGE_MAX_BYTES == 65_536 && CONTROL_MAX_BYTES == 125);

impl FrameViolation {
    /// The code of the Close frame that answers the violation.
    #[must_use]
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::Unmasked
            | Self::ReservedBit
            | Self::ReservedOpcode
            | Self::MalformedControl
            | Self::MalformedLength
            | Self::NothingToContinue
            | Self::Interleaved
            | Self::CloseCode => CloseCode::PROTOCOL_ERROR,
            Self::Binary => CloseCode::UNSUPPORTED_DATA,
            Self::TooLong => CloseCode::MESSAGE_TOO_BIG,
            Self::SeveralLines => CloseCode::POLICY_VIOLATION,
            Self::CloseReason => CloseCode::INVALID_DATA,
        }
    }
}

/// Decodes the frames of a client, which may be cut anywhere.
///
/// Between frames the decoder owns no memory.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    /// The beginning of a header.
    header: [u8; HEADER_MAX_BYTES],
    header_bytes: u8,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The message that a later frame continues.
    message: Option<Message>,
    /// The payload of a control frame. Boxed, because few frames are control frames.
    control: Option<Box<ControlPayload>>,
    is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    is_final: bool,
    mask: [u8; 4],
    /// Payload bytes that are decoded.
    done: u32,
    /// Payload bytes that are missing.
    left: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Message {
    bytes: u32,
    /// The last byte was an LF, which ends the line. So no byte may follow it.
    has_line_end: bool,
}

#[derive(Debug)]
struct ControlPayload {
    bytes: [u8; CONTROL_MAX_BYTES],
    len: usize,
}

impl FrameDecoder {
    /// Creates a decoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes `input`, and calls `handle` for each event. Unmasks the payload in place. Ignores all bytes after a
    /// Close.
    ///
    /// # Errors
    ///
    /// The first [`FrameViolation`]. The events before it are handled. Do not call the method again after it.
    pub fn decode(
        &mut self,
        mut input: &mut [u8],
        mut handle: impl FnMut(FrameEvent<'_>),
    ) -> Result<(), FrameViolation> {
        while !self.is_closed {
            let Some(frame) = &mut self.frame else {
                let Some((&mut byte, rest)) = input.split_first_mut() else { return Ok(()) };
                input = rest;
                self.header[usize::from(self.header_bytes)] = byte;
                self.header_bytes += 1;
                self.check_header()?;
                continue;
            };
            let len = input.len().min(frame.left as usize);
            if len == 0 && frame.left > 0 {
                return Ok(());
            }
            let (payload, rest) = input.split_at_mut(len);
            input = rest;
            unmask(payload, frame.mask, frame.done);
            // The length is at most that of the frame, which is bounded.
            let taken = u32::try_from(len).unwrap_or(u32::MAX);
            frame.done += taken;
            frame.left -= taken;
            let frame = *frame;
            if frame.left == 0 {
                self.frame = None;
            }
            if frame.opcode.is_control() {
                self.take_control(frame, payload, &mut handle)?;
            } else {
                self.take_data(frame, payload, &mut handle)?;
            }
        }
        Ok(())
    }

    /// Checks a header as far as it has arrived, so that a violation is found at once. Begins the frame of a complete
    /// header.
    fn check_header(&mut self) -> Result<(), FrameViolation> {
        let header = &self.header[..usize::from(self.header_bytes)];
        let first = header[0];
        if first & 0x70 != 0 {
            return Err(FrameViolation::ReservedBit);
        }
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(FrameViolation::ReservedOpcode)?;
        let is_final = first & 0x80 != 0;
        match (opcode, &self.message) {
            (Opcode::Binary, _) => return Err(FrameViolation::Binary),
            (Opcode::Continuation, None) => return Err(FrameViolation::NothingToContinue),
            (Opcode::Text, Some(_)) => return Err(FrameViolation::Interleaved),
            _ => {}
        }
        let Some(&second) = header.get(1) else { return Ok(()) };
        if second & 0x80 == 0 {
            return Err(FrameViolation::Unmasked);
        }
        let short_len = second & 0x7F;
        if opcode.is_control() && (!is_final || usize::from(short_len) > CONTROL_MAX_BYTES) {
            return Err(FrameViolation::MalformedControl);
        }
        let length_bytes = match short_len {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(length) = header.get(2..2 + length_bytes) else { return Ok(()) };
        let len = match short_len {
            126 | 127 => length.iter().fold(0, |len, &byte| len << 8 | u64::from(byte)),
            _ => u64::from(short_len),
        };
        let is_shortest = match short_len {
            126 => len > CONTROL_MAX_BYTES as u64,
            127 => len > u64::from(u16::MAX) && len >> 63 == 0,
            _ => true,
        };
        if !is_shortest {
            return Err(FrameViolation::MalformedLength);
        }
        let message_bytes = self.message.map_or(0, |message| u64::from(message.bytes));
        let left = match u32::try_from(len) {
            Ok(left) if opcode.is_control() || message_bytes + len <= MESSAGE_MAX_BYTES => left,
            _ => return Err(FrameViolation::TooLong),
        };
        let Some(&mask) = header[2 + length_bytes..].first_chunk() else { return Ok(()) };
        self.header_bytes = 0;
        self.frame = Some(Frame { opcode, is_final, mask, done: 0, left });
        Ok(())
    }

    /// Takes a part of a text frame or of its continuation.
    fn take_data(
        &mut self,
        frame: Frame,
        payload: &[u8],
        handle: &mut impl FnMut(FrameEvent<'_>),
    ) -> Result<(), FrameViolation> {
        let mut message = self.message.take().unwrap_or_default();
        // The header was checked: a message has at most `MESSAGE_MAX_BYTES`.
        message.bytes += u32::try_from(payload.len()).unwrap_or(u32::MAX);
        if let Some((_, before_last)) = payload.split_last() {
            if message.has_line_end || memchr::memchr(b'\n', before_last).is_some() {
                return Err(FrameViolation::SeveralLines);
            }
            message.has_line_end = payload.ends_with(b"\n");
            let line = payload.strip_suffix(b"\n").unwrap_or(payload);
            if !line.is_empty() {
                handle(FrameEvent::Part(line));
            }
        }
        if frame.left > 0 || !frame.is_final {
            self.message = Some(message);
        }
        if frame.left == 0 {
            if frame.is_final {
                handle(FrameEvent::EndOfLine);
            } else if frame.done == 0 {
                handle(FrameEvent::EmptyFragment);
            }
        }
        Ok(())
    }

    /// Takes a part of a control frame.
    fn take_control(
        &mut self,
        frame: Frame,
        payload: &[u8],
        handle: &mut impl FnMut(FrameEvent<'_>),
    ) -> Result<(), FrameViolation> {
        if frame.left > 0 || self.control.is_some() {
            let new = || Box::new(ControlPayload { bytes: [0; CONTROL_MAX_BYTES], len: 0 });
            let control = self.control.get_or_insert_with(new);
            control.bytes[control.len..][..payload.len()].copy_from_slice(payload);
            control.len += payload.len();
        }
        if frame.left > 0 {
            return Ok(());
        }
        let control = self.control.take();
        let payload = control.as_ref().map_or(payload, |control| &control.bytes[..control.len]);
        match frame.opcode {
            Opcode::Ping => handle(FrameEvent::Ping(payload)),
            Opcode::Close => {
                let code = close_code(payload)?;
                self.is_closed = true;
                handle(FrameEvent::Close(code));
            }
            _ => handle(FrameEvent::Pong),
        }
        Ok(())
    }
}

/// The code in the payload of a Close (RFC 6455 §5.5.1).
fn close_code(payload: &[u8]) -> Result<Option<CloseCode>, FrameViolation> {
    if payload.is_empty() {
        return Ok(None);
    }
    let Some((&number, reason)) = payload.split_first_chunk() else { return Err(FrameViolation::CloseCode) };
    let code = CloseCode::from_number(u16::from_be_bytes(number)).ok_or(FrameViolation::CloseCode)?;
    if std::str::from_utf8(reason).is_err() {
        return Err(FrameViolation::CloseReason);
    }
    Ok(Some(code))
}

/// Unmasks a part of a payload, before which the frame has `done` bytes (RFC 6455 §5.3).
fn unmask(payload: &mut [u8], mut mask: [u8; 4], done: u32) {
    mask.rotate_left((done % 4) as usize);
    let (words, rest) = payload.as_chunks_mut();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    rest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}
