//! A WebSocket as the socket of an outbox: lines on our side, frames on the other.
//!
//! The socket holds no buffer while nothing is on its way. Frames that TCP did not take yet wait in `unsent`, and the
//! outbox gives no further lines until they are sent.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use switchboard_core::CloseReason;
use switchboard_protocol::websocket::{
    CloseCode, FrameDecoder, FrameEvent, FrameViolation, LineEncoder, encode_close, encode_ping, encode_pong,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::buffers;
use crate::identity::secure_transport::Transport;
use crate::socket::{Probe, Socket};
use crate::tcp_info;

/// Maximum bytes of frames that are encoded before TCP takes them, except for the header of the last frame: as many as
/// a TLS record holds. So a blocked session has few bytes that no outbox counts.
const ENCODED_MAX_BYTES: usize = 16 * 1024;

/// Maximum number of frames without a part of a line in [`EMPTY_FRAMES_INTERVAL`]: control frames and empty fragments.
/// They cost work, but the rate of lines does not count them. Clients send a few in a minute.
const EMPTY_FRAMES_MAX: u16 = 1000;
const EMPTY_FRAMES_INTERVAL: Duration = Duration::from_mins(1);
const TOO_MANY_EMPTY_FRAMES: &str = "too many control frames and empty fragments in a short time";

/// Number of unanswered pings after which a peer counts as gone.
const UNANSWERED_PINGS_MAX: u8 = 2;

thread_local! {
    static RECEIVED: RefCell<Box<[u8]>> = RefCell::new(vec![0; buffers::READ_BYTES].into());
}

/// A WebSocket over TCP or TLS.
#[derive(Debug)]
pub(crate) struct WebSocket<S> {
    stream: S,
    /// How the bytes travel, and from where, as a proxy may have reported.
    transport: Transport,
    /// Bytes that arrived together with the request to open the WebSocket.
    early: Vec<u8>,
    decoder: FrameDecoder,
    encoder: LineEncoder,
    unsent: Vec<u8>,
    /// Number of bytes at the front of `unsent` that TCP has taken.
    sent: usize,
    /// The payload of a Ping whose Pong waits for earlier bytes. A later Ping replaces it (RFC 6455 §5.5.3).
    pong: Option<Box<[u8]>>,
    empty_frames: EmptyFrames,
    unanswered_pings: u8,
    /// Bytes have arrived since the last probe.
    has_received: bool,
    /// The last read has found no bytes. Otherwise an answer of the peer may wait in the system, because the server reads
    /// later from a session that is too fast.
    awaits_bytes: bool,
    input: Input,
    /// The code and the reason for the Close frame. `None`: the Close frame is sent, or the session is open.
    close: Option<(CloseCode, Box<str>)>,
}

/// Counts the frames without a part of a line.
#[derive(Clone, Copy, Debug)]
struct EmptyFrames {
    count: u16,
    /// The beginning of the interval. It moves only when the count is above the maximum, so that few frames ask for the
    /// time.
    since: Instant,
}

impl EmptyFrames {
    fn add(&mut self, count: u16) {
        self.count = self.count.saturating_add(count);
        if self.are_too_many() && self.since.elapsed() >= EMPTY_FRAMES_INTERVAL {
            *self = Self { count, since: Instant::now() };
        }
    }

    fn are_too_many(&self) -> bool {
        self.count > EMPTY_FRAMES_MAX
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Input {
    Open,
    /// A violation was found after complete lines. The next read reports it.
    Violated(FrameViolation),
    /// The peer has sent a Close, with this code.
    Closed(Option<CloseCode>),
    /// Our Close is sent. All further bytes are discarded.
    Discarded,
}

impl<S: Socket> WebSocket<S> {
    /// A WebSocket over `stream`, from which `early` was read already.
    pub(crate) fn new(stream: S, early: Vec<u8>, transport: Transport) -> Self {
        Self {
            stream,
            transport,
            early,
            decoder: FrameDecoder::new(),
            encoder: LineEncoder::new(),
            unsent: Vec::new(),
            sent: 0,
            pong: None,
            empty_frames: EmptyFrames { count: 0, since: Instant::now() },
            unanswered_pings: 0,
            has_received: true,
            awaits_bytes: false,
            input: Input::Open,
            close: None,
        }
    }

    /// Reads bytes of the stream into `received`, the early ones first. Returns their number.
    fn poll_receive(&mut self, cx: &mut Context<'_>, received: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.early.is_empty() {
            let len = self.early.len().min(received.len());
            received[..len].copy_from_slice(&self.early[..len]);
            self.early.drain(..len);
            if self.early.is_empty() {
                self.early = Vec::new();
            }
            return Poll::Ready(Ok(len));
        }
        let mut buf = ReadBuf::new(received);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut buf);
        self.awaits_bytes = read.is_pending();
        ready!(read)?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Takes the frames in `received`. Their lines go to `lines`, which has room for one byte more.
    fn take_frames(&mut self, received: &mut [u8], lines: &mut ReadBuf<'_>) {
        let (mut pong, mut closed, mut empty_frames) = (None, None, 0_u16);
        let result = self.decoder.decode(received, |event| match event {
            FrameEvent::Part(part) => lines.put_slice(part),
            FrameEvent::EndOfLine => lines.put_slice(b"\n"),
            FrameEvent::Ping(payload) => {
                pong = Some(payload.into());
                empty_frames = empty_frames.saturating_add(1);
            }
            FrameEvent::Pong | FrameEvent::EmptyFragment => empty_frames = empty_frames.saturating_add(1),
            FrameEvent::Close(code) => closed = Some(code),
        });
        self.pong = pong.or(self.pong.take());
        self.empty_frames.add(empty_frames);
        if let Err(violation) = result {
            self.input = Input::Violated(violation);
        } else if let Some(code) = closed {
            self.input = Input::Closed(code);
        }
    }

    /// Queues a Pong that waits, unless earlier bytes wait or a frame is incomplete. So a peer that sends Pings and does
    /// not read fills no buffer.
    fn queue_pong(&mut self) {
        if self.unsent.is_empty()
            && self.encoder.is_between_frames()
            && let Some(payload) = self.pong.take()
        {
            encode_pong(&payload, self.frames());
        }
    }

    /// The buffer for further frames.
    fn frames(&mut self) -> &mut Vec<u8> {
        if self.unsent.capacity() == 0 {
            self.unsent = buffers::take();
        }
        &mut self.unsent
    }

    /// Writes frames until all are written.
    fn poll_write_frames(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.sent < self.unsent.len() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent[self.sent..]))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.sent += written;
            }
            self.sent = 0;
            buffers::give_back(std::mem::take(&mut self.unsent));
            self.queue_pong();
            if self.unsent.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: Socket> AsyncRead for WebSocket<S> {
    /// Reads lines, each with its LF.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this.input {
                Input::Open => {}
                Input::Violated(violation) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, violation)));
                }
                Input::Closed(_) => return Poll::Ready(Ok(())),
                Input::Discarded => return Pin::new(&mut this.stream).poll_read(cx, buf),
            }
            if this.empty_frames.are_too_many() {
                this.close = Some((CloseCode::POLICY_VIOLATION, TOO_MANY_EMPTY_FRAMES.into()));
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, TOO_MANY_EMPTY_FRAMES)));
            }
            let filled = buf.filled().len();
            let is_end = RECEIVED.with_borrow_mut(|received| {
                // Each frame yields at most its payload and one LF. Its header is longer than the LF, unless an earlier
                // read took it. So leave room for one LF.
                let len = received.len().min(buf.remaining().saturating_sub(1));
                let len = ready!(this.poll_receive(cx, &mut received[..len]))?;
                this.has_received = true;
                this.unanswered_pings = 0;
                this.take_frames(&mut received[..len], buf);
                Poll::Ready(io::Result::Ok(len == 0))
            });
            let is_end = ready!(is_end)?;
            if this.pong.is_some() {
                // If the stream takes not all, the next flush goes on.
                let _ = this.poll_write_frames(cx);
            }
            if is_end || buf.filled().len() > filled {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: Socket> AsyncWrite for WebSocket<S> {
    /// Takes bytes of complete lines. Takes none before the stream has taken all earlier frames: otherwise they would
    /// pile up where no outbox counts them.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_write_frames(cx))?;
        let mut frames = buffers::take();
        let taken = this.encoder.encode(lines, &mut frames, ENCODED_MAX_BYTES);
        this.unsent = frames;
        match this.poll_write_frames(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_frames(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    /// Sends the Close frame, and shuts down the stream.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some((code, reason)) = this.close.take()
            && this.encoder.is_between_frames()
        {
            // No Pong follows the Close.
            this.pong = None;
            encode_close(code, &reason, this.frames());
            this.input = Input::Discarded;
        }
        ready!(this.poll_write_frames(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl<S: Socket> Socket for WebSocket<S> {
    fn transport(&self) -> Option<Transport> {
        Some(self.transport)
    }

    fn tcp(&self) -> Option<&TcpStream> {
        self.stream.tcp()
    }

    fn set_close_reason(&mut self, reason: CloseReason) {
        match self.input {
            // The Close is sent.
            Input::Discarded => {}
            Input::Violated(violation) => {
                self.close = Some((violation.close_code(), violation.to_string().into()));
            }
            Input::Closed(code) => self.close = Some((code.unwrap_or(CloseCode::NORMAL), "".into())),
            Input::Open => {
                self.close.get_or_insert_with(|| (close_code(reason), reason.as_str().into()));
            }
        }
    }

    /// Queues a Ping if nothing has arrived since the last call, and all frames are acknowledged. The Ping counts as
    /// unanswered only while the server reads.
    fn probe(&mut self) -> Probe {
        let was_silent = !std::mem::take(&mut self.has_received);
        let is_owed = !self.unsent.is_empty() || has_unacked_bytes(&self.stream);
        if self.input != Input::Open || !was_silent || is_owed {
            return Probe::Unneeded;
        }
        if self.awaits_bytes {
            if self.unanswered_pings == UNANSWERED_PINGS_MAX {
                return Probe::Unanswered;
            }
            self.unanswered_pings += 1;
        }
        encode_ping(self.frames());
        Probe::Asked
    }
}

/// Whether the system knows of bytes that the peer has not acknowledged.
fn has_unacked_bytes(stream: &impl Socket) -> bool {
    stream.tcp().and_then(tcp_info::send_state).is_some_and(|state| state.has_unacked_bytes)
}

/// The code for a session that has ended for `reason`.
fn close_code(reason: CloseReason) -> CloseCode {
    match reason {
        CloseReason::Shutdown => CloseCode::GOING_AWAY,
        CloseReason::Quit | CloseReason::Reset => CloseCode::NORMAL,
        CloseReason::SlowConsumer
        | CloseReason::RegisterTimeout
        | CloseReason::Refused
        | CloseReason::WrongProtocol
        | CloseReason::Displaced
        | CloseReason::Revoked
        | CloseReason::Kicked
        | CloseReason::Banned => CloseCode::POLICY_VIOLATION,
    }
}

#[cfg(test)]
mod tests;
