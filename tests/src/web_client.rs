//! A client of the web listener: HTTP requests, and a WebSocket written from RFC 6455, apart from the server's code.

use std::io::{self, BufRead as _, BufReader, Read, Write};

use crate::stream::Stream;

/// The key of the example in RFC 6455 §1.3, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The mask of all frames.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// The second byte of a frame: whether it has a mask, and how its length is written (RFC 6455 §5.2).
const MASKED: u8 = 0x80;
const LEN_OF_16_BITS: u8 = 126;
const LEN_OF_64_BITS: u8 = 127;

/// The first byte of a complete text message, of a fragment, and of control frames (RFC 6455 §5.2).
pub const TEXT: u8 = 0x81;
/// The first fragment of a text message.
pub const TEXT_BEGIN: u8 = 0x01;
/// A further fragment.
pub const CONTINUATION: u8 = 0x00;
/// The last fragment.
pub const CONTINUATION_END: u8 = 0x80;
/// A Close.
pub const CLOSE: u8 = 0x88;
/// A Ping.
pub const PING: u8 = 0x89;
/// A Pong.
pub const PONG: u8 = 0x8A;

/// A response to an HTTP request.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// The names, in lower case, and the values of the headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request without a body. `head` has all lines but the last, empty one. Returns `None` if the server closes
/// the connection without a response.
pub fn request(reader: &mut BufReader<Stream>, head: &str) -> Option<Response> {
    let head = head.trim_end().replace('\n', "\r\n");
    let _ = reader.get_mut().write_all(format!("{head}\r\n\r\n").as_bytes());
    receive_response(reader, head.starts_with("HEAD "))
}

/// Receives a response. Returns `None` if the server closes the connection instead.
pub fn receive_response(reader: &mut BufReader<Stream>, is_to_head: bool) -> Option<Response> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&len| len > 0)?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut response = Response { status, headers, body: Vec::new() };
    if is_to_head || status == 101 || status == 304 {
        return Some(response);
    }
    match response.header("content-length").and_then(|len| len.parse().ok()) {
        Some(len) => {
            response.body = vec![0; len];
            reader.read_exact(&mut response.body).ok()?;
        }
        None => {
            let _ = reader.read_to_end(&mut response.body);
        }
    }
    Some(response)
}

/// A frame of the server: its first byte, and its payload.
pub type Frame = (u8, Vec<u8>);

/// A WebSocket to a server. As a stream, it carries lines: each line that is read or written is a message.
#[derive(Debug)]
pub struct WebSocketStream {
    reader: BufReader<Stream>,
    /// Bytes of received lines that are not read yet.
    lines: Vec<u8>,
    /// A message has begun, and later fragments complete it.
    is_mid_message: bool,
    /// The code and the reason in the Close of the server.
    pub closed: Option<(u16, String)>,
}

impl WebSocketStream {
    /// Opens a WebSocket, as a program that is no browser.
    ///
    /// # Panics
    ///
    /// If the server does not open it.
    #[must_use]
    pub fn open(stream: Stream) -> Self {
        let (response, socket) = Self::try_open(stream, &[]);
        assert_eq!(response.status, 101, "{}", response.text());
        socket
    }

    /// Like [`Self::open`], with further headers. The WebSocket is open only if the status is 101.
    ///
    /// # Panics
    ///
    /// If the server sends no response, or a wrong proof.
    #[must_use]
    pub fn try_open(stream: Stream, headers: &[&str]) -> (Response, Self) {
        let host = headers.iter().any(|header| header.starts_with("Host:"));
        let own = if host { String::new() } else { format!("Host: {}\n", peer(&stream)) };
        let head = format!(
            "GET /ws HTTP/1.1\n{own}Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
             Sec-WebSocket-Key: {KEY}\n{}",
            headers.join("\n")
        );
        let mut reader = BufReader::new(stream);
        let response = request(&mut reader, &head).expect("a response");
        if response.status == 101 {
            assert_eq!(response.header("sec-websocket-accept"), Some(ACCEPT));
        }
        (response, Self { reader, lines: Vec::new(), is_mid_message: false, closed: None })
    }

    /// Sends a frame. An error shows at the next receipt.
    pub fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send_bytes(&masked_frame(first, payload));
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let stream = self.reader.get_mut();
        let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    }

    /// Receives a frame.
    ///
    /// # Errors
    ///
    /// The error of the stream, or of its end.
    ///
    /// # Panics
    ///
    /// If the frame breaks RFC 6455, or is a fragment.
    pub fn receive_frame(&mut self) -> io::Result<Frame> {
        let mut header = [0; 2];
        self.reader.read_exact(&mut header)?;
        let [first, second] = header;
        assert!(matches!(first, TEXT | CLOSE | PING | PONG), "the server sends a frame of type {first:#x}");
        let len = match second {
            0..126 => second.into(),
            LEN_OF_16_BITS => {
                let mut len = [0; 2];
                self.reader.read_exact(&mut len)?;
                u16::from_be_bytes(len).into()
            }
            LEN_OF_64_BITS => {
                let mut len = [0; 8];
                self.reader.read_exact(&mut len)?;
                u64::from_be_bytes(len)
            }
            _ => panic!("the server masks a frame"),
        };
        let mut payload = vec![0; usize::try_from(len).expect("a length in memory")];
        self.reader.read_exact(&mut payload)?;
        if first == TEXT {
            let text = std::str::from_utf8(&payload).expect("a text message is UTF-8");
            assert!(!text.contains('\n'), "a message is one line: {text:?}");
        }
        Ok((first, payload))
    }

    /// Receives the Close of the server, and ignores all frames before it. Returns its code and reason.
    ///
    /// # Panics
    ///
    /// If the connection ends without a Close.
    #[track_caller]
    pub fn expect_close(&mut self) -> (u16, String) {
        loop {
            let (first, payload) = self.receive_frame().expect("a Close before the end");
            if first == CLOSE {
                return close_of(&payload);
            }
        }
    }

    /// Sends a Close, as a client that has nothing more to say.
    pub fn close(&mut self) {
        self.send_frame(CLOSE, &1000_u16.to_be_bytes());
    }

    /// The stream below.
    pub fn stream(&mut self) -> &mut Stream {
        self.reader.get_mut()
    }

    /// The stream below.
    #[must_use]
    pub fn stream_ref(&self) -> &Stream {
        self.reader.get_ref()
    }
}

impl Read for WebSocketStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.lines.is_empty() && self.closed.is_none() {
            match self.receive_frame() {
                Ok((TEXT, mut payload)) => {
                    self.lines.append(&mut payload);
                    self.lines.push(b'\n');
                }
                Ok((PING, payload)) => self.send_frame(PONG, &payload),
                Ok((CLOSE, payload)) => self.closed = Some(close_of(&payload)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
        }
        let len = self.lines.len().min(buf.len());
        buf[..len].copy_from_slice(&self.lines[..len]);
        self.lines.drain(..len);
        Ok(len)
    }
}

impl Write for WebSocketStream {
    /// Sends each line as a message. A line without its end is a fragment, which later bytes continue.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let line = part.strip_suffix(b"\n");
            let first = match (line.is_some(), self.is_mid_message) {
                (true, false) => TEXT,
                (true, true) => CONTINUATION_END,
                (false, false) => TEXT_BEGIN,
                (false, true) => CONTINUATION,
            };
            self.is_mid_message = line.is_none();
            self.reader.get_mut().write_all(&masked_frame(first, line.unwrap_or(part)))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.reader.get_mut().flush()
    }
}

/// A masked frame. `first`: its type, and whether it is the last of its message.
#[must_use]
pub fn masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..126), _) => frame.push(MASKED | len),
        (_, Ok(len)) => {
            frame.push(MASKED | LEN_OF_16_BITS);
            frame.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            frame.push(MASKED | LEN_OF_64_BITS);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn close_of(payload: &[u8]) -> (u16, String) {
    let (code, reason) = payload.split_first_chunk().expect("a Close of the server has a code");
    (u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned())
}

fn peer(stream: &Stream) -> String {
    stream.socket().peer_addr().expect("a connected socket").to_string()
}
