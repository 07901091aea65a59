//! The client side of a WebSocket (RFC 6455), as far as a load needs it: no extensions, and no checks of the server
//! beyond its frames.

use std::io::{self, Write};

use crate::transport::{MessageKind, WebSocketClient};

/// Maximum bytes of the server's answer to the opening handshake.
const RESPONSE_MAX_BYTES: usize = 8 * 1024;

/// The nonce of the opening handshake (RFC 6455 §1.3). The load generator does not check its echo.
const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
const CONTROL_MAX_BYTES: usize = 125;

/// The bit of the last frame of a message.
const FINAL: u8 = 0x80;
/// The bit of a masked frame, beside its length.
const MASKED: u8 = 0x80;
/// The lengths that stand for a length of 16 or 64 bits behind them.
const LEN_16_BITS: u8 = 0x7e;
const LEN_64_BITS: u8 = 0x7f;

// The types of frames (RFC 6455 §11.8).
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// Free bytes that [`WebSocket::decode`] needs in front of its input.
pub(super) const DECODE_RESERVE: usize = 1;

/// The state of a WebSocket between two reads or writes.
#[derive(Debug)]
pub(super) struct WebSocket {
    kind: MessageKind,
    /// The beginning of the server's answer. `None` when the WebSocket is open.
    response: Option<Vec<u8>>,
    /// The beginning of a header, and the number of its bytes.
    header: [u8; 10],
    header_bytes: usize,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The payload of a control frame.
    control: Vec<u8>,
    /// Encoded bytes that the stream has not accepted.
    unsent: Vec<u8>,
    /// Frames that wait for the end of the opening handshake.
    held: Vec<u8>,
    /// Whether the server has sent a Close.
    pub(super) is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: u8,
    is_final: bool,
    /// Payload bytes that are missing.
    left: u64,
}

impl WebSocket {
    /// A WebSocket whose request waits to be sent.
    pub(super) fn new(client: &WebSocketClient) -> Self {
        let WebSocketClient { host, path, subprotocol, kind } = client;
        let subprotocol = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {NONCE}\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n"
        );
        Self {
            kind: *kind,
            response: Some(Vec::new()),
            header: [0; 10],
            header_bytes: 0,
            frame: None,
            control: Vec::new(),
            unsent: request.into_bytes(),
            held: Vec::new(),
            is_closed: false,
        }
    }

    /// Writes the encoded bytes to `stream`.
    pub(super) fn send_to(&mut self, stream: &mut impl Write) -> io::Result<()> {
        let (mut sent, mut result) = (0, Ok(()));
        while sent < self.unsent.len() && result.is_ok() {
            match stream.write(&self.unsent[sent..]) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => result = Err(error),
            }
        }
        self.unsent.drain(..sent);
        result
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Encodes bytes of the protocol: complete lines as a text message each, other bytes as one binary message.
    pub(super) fn encode(&mut self, bytes: &[u8]) {
        let frames = if self.response.is_some() { &mut self.held } else { &mut self.unsent };
        match self.kind {
            MessageKind::Lines => {
                let mut rest = bytes;
                while let Some(end) = memchr::memchr(b'\n', rest) {
                    encode_frame(TEXT, &rest[..end], frames);
                    rest = &rest[end + 1..];
                }
                debug_assert!(rest.is_empty(), "a protocol of lines encodes complete lines");
            }
            MessageKind::Bytes => encode_frame(BINARY, bytes, frames),
        }
    }

    /// Encodes a Close.
    pub(super) fn encode_close(&mut self) {
        encode_frame(CLOSE, &1000_u16.to_be_bytes(), &mut self.unsent);
    }

    /// Decodes the bytes of `buffer` after the first [`DECODE_RESERVE`], in place. Returns how many bytes of the protocol
    /// are then at its front. A message of lines gets its LF back. So a decoded message is at most as long as its frame,
    /// or one byte longer if its header came in an earlier read.
    pub(super) fn decode(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut read, mut written) = (DECODE_RESERVE, 0);
        if let Some(response) = &mut self.response {
            response.extend_from_slice(&buffer[read..]);
            let Some(end) = memchr::memmem::find(response, b"\r\n\r\n") else {
                return if response.len() < RESPONSE_MAX_BYTES {
                    Ok(0)
                } else {
                    Err(violation("its answer is too long"))
                };
            };
            if !response.starts_with(b"HTTP/1.1 101 ") {
                let status = response.split(|&byte| byte == b'\r').next().unwrap_or_default();
                return Err(violation(&format!("it answers {:?}", String::from_utf8_lossy(status))));
            }
            // The frames behind the answer came in this read.
            read = buffer.len() - (response.len() - end - "\r\n\r\n".len());
            self.response = None;
            self.unsent.append(&mut self.held);
        }
        while read < buffer.len() && !self.is_closed {
            let Some(frame) = &mut self.frame else {
                self.header[self.header_bytes] = buffer[read];
                self.header_bytes += 1;
                read += 1;
                self.begin_frame()?;
                // An empty frame has no byte that would end it.
                if self.frame.is_some_and(|frame| frame.left == 0) {
                    written += self.end_frame(buffer, written);
                }
                continue;
            };
            let available = buffer.len() - read;
            let len = usize::try_from(frame.left).map_or(available, |left| left.min(available));
            if frame.opcode < CLOSE {
                buffer.copy_within(read..read + len, written);
                written += len;
            } else {
                self.control.extend_from_slice(&buffer[read..read + len]);
            }
            read += len;
            frame.left -= len as u64;
            if frame.left == 0 {
                written += self.end_frame(buffer, written);
            }
        }
        Ok(written)
    }

    /// Begins the frame of a complete header.
    fn begin_frame(&mut self) -> io::Result<()> {
        let header = &self.header[..self.header_bytes];
        let [first, second, extended @ ..] = header else { return Ok(()) };
        let extended_bytes = match *second {
            ..LEN_16_BITS => 0,
            LEN_16_BITS => 2,
            LEN_64_BITS => 8,
            _ => return Err(violation("it masks a frame")),
        };
        if extended.len() < extended_bytes {
            return Ok(());
        }
        let left = match extended {
            [] => u64::from(*second),
            extended => extended.iter().fold(0, |len, &byte| len << 8 | u64::from(byte)),
        };
        let opcode = first & 0x0f;
        let is_known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) && first & 0x70 == 0;
        if !is_known || opcode >= CLOSE && left > CONTROL_MAX_BYTES as u64 {
            return Err(violation(&format!("it sends a frame that begins with {first:#04x}")));
        }
        self.header_bytes = 0;
        self.frame = Some(Frame { opcode, is_final: first & FINAL != 0, left });
        Ok(())
    }

    /// Ends a frame whose payload is complete. Returns the number of bytes that it adds at `end` of `buffer`.
    fn end_frame(&mut self, buffer: &mut [u8], end: usize) -> usize {
        let Some(frame) = self.frame.take() else { return 0 };
        match frame.opcode {
            PING => encode_frame(PONG, &self.control, &mut self.unsent),
            CLOSE => self.is_closed = true,
            CONTINUATION | TEXT | BINARY if frame.is_final && self.kind == MessageKind::Lines => {
                buffer[end] = b'\n';
                return 1;
            }
            _ => {}
        }
        self.control.clear();
        0
    }
}

/// The error of a server that breaks the rules of a WebSocket.
fn violation(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("this is no WebSocket: {what}"))
}

/// Appends a masked frame.
fn encode_frame(opcode: u8, payload: &[u8], frames: &mut Vec<u8>) {
    frames.push(FINAL | opcode);
    let len = payload.len();
    if let Some(short) = u8::try_from(len).ok().filter(|_| len <= CONTROL_MAX_BYTES) {
        frames.push(MASKED | short);
    } else if let Ok(len) = u16::try_from(len) {
        frames.push(MASKED | LEN_16_BITS);
        frames.extend_from_slice(&len.to_be_bytes());
    } else {
        frames.push(MASKED | LEN_64_BITS);
        frames.extend_from_slice(&(len as u64).to_be_bytes());
    }
    let mask = fastrand::u32(..).to_ne_bytes();
    frames.extend_from_slice(&mask);
    frames.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests;
