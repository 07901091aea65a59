//! One session: its socket, the bytes that its socket has not accepted, and its incomplete frame.

use std::io::{self, Read as _, Write as _};

use mio::net::TcpStream;

use crate::error::Error;
use crate::protocol::{ClientProfile, Protocol, ServerFrame};
use crate::socket::Socket;

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: ClientProfile,
    pub(crate) socket: Option<Socket<TcpStream>>,
    pub(crate) state: SessionState,
    /// The start of an incomplete frame.
    partial: Vec<u8>,
    /// Bytes that the socket has not accepted.
    backlog: Vec<u8>,
    /// Number of answers that the session waits for.
    pub(crate) awaited: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SessionState {
    Connecting,
    Open,
    /// Open, but not read.
    Frozen,
    Closing,
    Closed,
}

/// An event of one session.
#[derive(Debug)]
pub(crate) enum SessionEvent<'a> {
    /// The session is open and has received all answers that it waited for.
    Ready,
    Message(&'a [u8]),
    Acknowledged,
    Refused(&'a [u8]),
    /// The connection could not be opened.
    Unreachable(io::Error),
    /// The session has ended: with an error if its connection broke.
    Closed(Option<io::Error>),
}

impl Session {
    pub(crate) fn new(client: ClientProfile) -> Self {
        Self { client, socket: None, state: SessionState::Closed, partial: Vec::new(), backlog: Vec::new(), awaited: 0 }
    }

    pub(crate) fn send(&mut self, out_buffer: &mut Vec<u8>, encode: impl FnOnce(&ClientProfile, &mut Vec<u8>)) {
        if !self.backlog.is_empty() {
            encode(&self.client, &mut self.backlog);
            return;
        }
        out_buffer.clear();
        encode(&self.client, out_buffer);
        let accepted = self.write(out_buffer);
        self.backlog.extend_from_slice(&out_buffer[accepted..]);
    }

    /// Writes until the socket accepts no more, and returns the number of accepted bytes. A broken socket counts as
    /// accepting all bytes: the next read reports its error.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let Some(socket) = &mut self.socket else { return bytes.len() };
        let mut accepted = 0;
        while accepted < bytes.len() {
            match socket.write(&bytes[accepted..]) {
                Ok(count) => accepted += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return accepted,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return bytes.len(),
            }
        }
        accepted
    }

    /// Whether the session has bytes that its socket has not sent.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty() || self.socket.as_ref().is_some_and(Socket::has_unsent)
    }

    /// Handles a writable socket: finishes the connection, or writes the backlog.
    pub(crate) fn flush<P: Protocol>(
        &mut self,
        protocol: &P,
        out_buffer: &mut Vec<u8>,
        on_event: &mut impl FnMut(SessionEvent<'_>),
    ) {
        if self.state == SessionState::Connecting {
            self.finish_connect(protocol, out_buffer, on_event);
            return;
        }
        if let Some(socket) = &mut self.socket {
            // A broken socket reports its error at the next read.
            let _ = socket.flush();
        }
        if !self.backlog.is_empty() {
            let backlog = std::mem::take(&mut self.backlog);
            let accepted = self.write(&backlog);
            self.backlog.extend_from_slice(&backlog[accepted..]);
        }
    }

    fn finish_connect<P: Protocol>(
        &mut self,
        protocol: &P,
        out_buffer: &mut Vec<u8>,
        on_event: &mut impl FnMut(SessionEvent<'_>),
    ) {
        let Some(tcp) = self.socket.as_ref().map(Socket::tcp) else { return };
        match tcp.take_error().and_then(|error| error.map_or(Ok(()), Err)).and_then(|()| tcp.peer_addr()) {
            Ok(_) if self.start(protocol, out_buffer) => on_event(SessionEvent::Ready),
            Ok(_) => {}
            // The connection is not established yet.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => {
                (self.socket, self.state) = (None, SessionState::Closed);
                on_event(SessionEvent::Unreachable(error));
            }
        }
    }

    /// Sends the protocol's first bytes. Returns true if the session is ready, because the protocol waits for no
    /// answer.
    pub(crate) fn start<P: Protocol>(&mut self, protocol: &P, out_buffer: &mut Vec<u8>) -> bool {
        self.state = SessionState::Open;
        if let Some(socket) = &mut self.socket {
            // The handshakes of the layers begin, also if the protocol has no first bytes.
            let _ = socket.flush();
        }
        let mut awaited = 0;
        self.send(out_buffer, |client, out| awaited = protocol.open(client, out));
        self.awaited = awaited;
        awaited == 0
    }

    /// Reads until a short read shows that the socket is empty. With `until_end`, reads on until the socket would block
    /// or the stream ends.
    pub(crate) fn read<P: Protocol>(
        &mut self,
        protocol: &P,
        read_buffer: &mut [u8],
        out_buffer: &mut Vec<u8>,
        until_end: bool,
        mut on_event: impl FnMut(SessionEvent<'_>),
    ) {
        if self.state == SessionState::Frozen {
            return;
        }
        out_buffer.clear();
        while let Some(socket) = &mut self.socket {
            let is_drained_by_short_read = socket.is_drained_by_short_read() && !until_end;
            let partial_len = self.partial.len();
            read_buffer[..partial_len].copy_from_slice(&self.partial);
            let error = match socket.read(&mut read_buffer[partial_len..]) {
                Ok(0) => None,
                Ok(count) => {
                    self.partial.clear();
                    self.decode(protocol, &read_buffer[..partial_len + count], out_buffer, &mut on_event);
                    if is_drained_by_short_read && partial_len + count < read_buffer.len() {
                        break;
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Some(error),
            };
            (self.socket, self.state) = (None, SessionState::Closed);
            return on_event(SessionEvent::Closed(error));
        }
        if !out_buffer.is_empty() && self.state != SessionState::Closing {
            let answers = std::mem::take(out_buffer);
            self.send(out_buffer, |_, out| out.extend_from_slice(&answers));
        }
    }

    fn decode<P: Protocol>(
        &mut self,
        protocol: &P,
        mut unread: &[u8],
        answers: &mut Vec<u8>,
        on_event: &mut impl FnMut(SessionEvent<'_>),
    ) {
        let is_closing = self.state == SessionState::Closing;
        while let Some(frame) = protocol.decode(&mut unread, answers) {
            match frame {
                ServerFrame::Message(payload) => on_event(SessionEvent::Message(payload)),
                ServerFrame::Acknowledgement => on_event(SessionEvent::Acknowledged),
                // The server may report to a closing session that its peer has left. Only messages and
                // acknowledgements matter now.
                _ if is_closing => {}
                ServerFrame::Answer if self.awaited > 0 => {
                    self.awaited -= 1;
                    if self.awaited == 0 {
                        on_event(SessionEvent::Ready);
                    }
                }
                ServerFrame::Refusal(text) => on_event(SessionEvent::Refused(text)),
                ServerFrame::Answer | ServerFrame::Ignored => {}
            }
        }
        self.partial.extend_from_slice(unread);
    }
}
/// The error of a run that expects neither a refusal nor a close. `None` for other events.
pub(crate) fn event_error(event: SessionEvent<'_>, session: usize, sessions: usize) -> Option<Error> {
    match event {
        SessionEvent::Refused(text) => {
            Some(Error::Refused { text: String::from_utf8_lossy(text).into_owned(), session, sessions })
        }
        SessionEvent::Closed(Some(source)) if source.kind() == io::ErrorKind::InvalidData => {
            Some(Error::Transport { source })
        }
        SessionEvent::Closed(source) => Some(Error::Closed { session, sessions, source }),
        SessionEvent::Unreachable(_) | SessionEvent::Ready | SessionEvent::Message(_) | SessionEvent::Acknowledged => {
            None
        }
    }
}
