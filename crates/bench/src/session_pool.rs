//! Many sessions on one thread: their sockets, and the one loop that waits for all of them.
//!
//! Each turn of the loop waits once and reads each socket that has something, into one buffer that all share. What is
//! unfinished is partial with its session, and so is what a socket does not take at once.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::clock;
use crate::connector::Connector;
use crate::error::Error;
use crate::payload::PAYLOAD_MAX_BYTES;
use crate::protocol::{ClientProfile, Protocol, ServerFrame};
use crate::target::Target;

/// How much is read at once: what a socket's buffer holds when it is busy, and little enough for a processor's cache.
const READ_BYTES: usize = 128 * 1024;

// The longest message and what a protocol puts around it.
const _: () = assert!(READ_BYTES >= 2 * PAYLOAD_MAX_BYTES);

/// How many sockets one turn takes: more have to wait for the next.
const EVENTS_MAX: usize = 1024;

/// How many sessions are in the course of being opened: fewer than the shortest queue of connections that servers have,
/// which is ten places long. What finds no place comes a second later, or not at all.
const OPENING_MAX: usize = 8;

/// Sessions by number, in the order in which they came.
#[derive(Debug)]
pub(crate) struct SessionPool<'p, P> {
    protocol: &'p P,
    target: Target,
    connector: Connector,
    poll: Poll,
    events: Events,
    sessions: Vec<Session>,
    /// Sessions that may have something to read, of which no event will tell again.
    unread: Vec<usize>,
    /// Sessions that were open as soon as they were begun, and wait for no answer.
    ready: Vec<usize>,
    read_buffer: Box<[u8]>,
    out_buffer: Vec<u8>,
    now: Instant,
}

#[derive(Debug)]
struct Session {
    client: ClientProfile,
    socket: Option<TcpStream>,
    state: SessionState,
    /// The beginning of a frame that is not whole.
    partial: Vec<u8>,
    /// What the socket has not taken yet.
    backlog: Vec<u8>,
    /// How many answers it waits for.
    awaited: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SessionState {
    Connecting,
    Open,
    /// Open, and it reads nothing.
    Frozen,
    Closing,
    Closed,
}

/// What happens to a session.
#[derive(Debug)]
pub(crate) enum SessionEvent<'a> {
    /// It has all the answers that it waited for.
    Ready,
    Message(&'a [u8]),
    Acknowledged,
    Refused(&'a [u8]),
    /// It could not connect.
    Unreachable(io::Error),
    /// It is over, cleanly or not.
    Closed(Option<io::Error>),
}

impl<'p, P: Protocol> SessionPool<'p, P> {
    /// Nobody yet; there is to be room for `sessions` at a time.
    pub(crate) fn new(protocol: &'p P, target: &Target, sessions: usize) -> Result<Self, Error> {
        crate::open_files::raise_limit(sessions)?;
        Ok(Self {
            protocol,
            target: *target,
            connector: Connector::new(target.addr),
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            sessions: Vec::with_capacity(sessions),
            unread: Vec::new(),
            ready: Vec::new(),
            read_buffer: vec![0; READ_BYTES].into_boxed_slice(),
            out_buffer: Vec::new(),
            now: clock::now(),
        })
    }

    /// When the last turn began.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn protocol(&self) -> &'p P {
        self.protocol
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Begins a new session, under a new number.
    pub(crate) fn open(&mut self, client: ClientProfile) -> Result<usize, Error> {
        let number = self.sessions.len();
        self.sessions.push(Session::new(client));
        self.connect(number)?;
        Ok(number)
    }

    /// Begins a new session under the number of one that is over. Where its connection is there when the call to connect
    /// returns, as on one machine, it speaks at once, like any program that connects and writes.
    ///
    /// Not within a turn: what that turn still has to tell would be taken for the new one's.
    pub(crate) fn reopen(&mut self, number: usize, client: ClientProfile) -> Result<(), Error> {
        self.sessions[number] = Session::new(client);
        self.connect(number)?;
        let session = &mut self.sessions[number];
        let is_there = session.socket.as_ref().is_some_and(|socket| socket.peer_addr().is_ok());
        if is_there && session.start(self.protocol, &mut self.out_buffer) {
            self.ready.push(number);
        }
        Ok(())
    }

    fn connect(&mut self, number: usize) -> Result<(), Error> {
        let (addr, open) = (self.target.addr, self.connector.opened());
        let socket = self.connector.connect(addr).map_err(|source| Error::Connect { addr, open, source })?;
        let session = &mut self.sessions[number];
        let socket = session.socket.insert(socket);
        self.poll.registry().register(socket, Token(number), Interest::READABLE | Interest::WRITABLE)?;
        session.state = SessionState::Connecting;
        Ok(())
    }

    /// Waits for `wait` at most until something happens, and tells `on_event` what.
    pub(crate) fn poll(
        &mut self,
        wait: Duration,
        mut on_event: impl FnMut(usize, SessionEvent<'_>),
    ) -> Result<(), Error> {
        let wait = if self.unread.is_empty() && self.ready.is_empty() { wait } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        self.now = clock::now();
        let Self { protocol, sessions, events, unread, ready, read_buffer, out_buffer, .. } = self;
        for number in ready.drain(..) {
            on_event(number, SessionEvent::Ready);
        }
        for number in unread.drain(..) {
            sessions[number]
                .read(*protocol, read_buffer, out_buffer, true, |event: SessionEvent<'_>| on_event(number, event));
        }
        for event in events.iter() {
            let number = event.token().0;
            let session = &mut sessions[number];
            let mut on_event = |event: SessionEvent<'_>| on_event(number, event);
            if event.is_writable() {
                session.flush(*protocol, out_buffer, &mut on_event);
            }
            if event.is_readable() {
                session.read(*protocol, read_buffer, out_buffer, event.is_read_closed() || event.is_error(), on_event);
            }
        }
        Ok(())
    }

    /// Has a session say what `what` appends.
    pub(crate) fn send(&mut self, number: usize, encode: impl FnOnce(&P, &ClientProfile, &mut Vec<u8>)) {
        let Self { protocol, sessions, out_buffer, .. } = self;
        sessions[number].send(out_buffer, |client, out| encode(protocol, client, out));
    }

    /// The same, where it then waits for answers: for so many as `what` returns.
    pub(crate) fn request(&mut self, number: usize, encode: impl FnOnce(&P, &ClientProfile, &mut Vec<u8>) -> u32) {
        let mut awaited = 0;
        self.send(number, |protocol, client, out| awaited = encode(protocol, client, out));
        self.sessions[number].awaited += awaited;
    }

    /// Has a session wait for `answers` to what another asked.
    pub(crate) fn await_answers(&mut self, number: usize, answers: u32) {
        self.sessions[number].awaited += answers;
    }

    /// Whether a session waits for an answer.
    pub(crate) fn is_awaiting_answers(&self, number: usize) -> bool {
        let session = &self.sessions[number];
        session.state == SessionState::Connecting || session.awaited > 0
    }

    /// Whether a session has text something that its socket has not taken yet.
    pub(crate) fn has_backlog(&self, number: usize) -> bool {
        !self.sessions[number].backlog.is_empty()
    }

    /// Has a session read nothing, or read again.
    pub(crate) fn set_frozen(&mut self, number: usize, is_frozen: bool) {
        let state = &mut self.sessions[number].state;
        match (*state, is_frozen) {
            (SessionState::Open, true) => *state = SessionState::Frozen,
            (SessionState::Frozen, false) => {
                *state = SessionState::Open;
                self.unread.push(number);
            }
            _ => {}
        }
    }

    pub(crate) fn client(&self, number: usize) -> &ClientProfile {
        &self.sessions[number].client
    }

    /// Opens a session for each of `clients`, and waits until all are open.
    pub(crate) fn open_all(
        &mut self,
        clients: impl IntoIterator<Item = ClientProfile>,
        of: usize,
    ) -> Result<(), Error> {
        let mut clients = clients.into_iter();
        let mut opening = 0;
        let mut left = true;
        let mut stall_timer = StallTimer::new(self.target.timeout, "to be opened");
        loop {
            while left && opening < OPENING_MAX {
                match clients.next() {
                    Some(client) => {
                        self.open(client)?;
                        opening += 1;
                    }
                    None => left = false,
                }
            }
            if opening == 0 {
                return Ok(());
            }
            let mut failed = None;
            let (addr, before) = (self.target.addr, opening);
            let open = self.sessions.len() - opening;
            self.poll(stall_timer.poll_timeout(), |number, event| match event {
                SessionEvent::Ready => opening -= 1,
                SessionEvent::Unreachable(source) => failed = Some(Error::Connect { addr, open, source }),
                event => failed = failed.take().or_else(|| event_error(event, number, of)),
            })?;
            failed.map_or(Ok(()), Err)?;
            stall_timer.check(self.now, opening < before, opening)?;
        }
    }

    /// Waits until no session waits for an answer.
    pub(crate) fn wait_for_answers(&mut self, what: &'static str) -> Result<(), Error> {
        let of = self.len();
        let mut stall_timer = StallTimer::new(self.target.timeout, what);
        let mut waiting = (0..of).filter(|&number| self.is_awaiting_answers(number)).count();
        while waiting > 0 {
            let (mut failed, before) = (None, waiting);
            self.poll(stall_timer.poll_timeout(), |number, event| match event {
                SessionEvent::Ready => waiting -= 1,
                event => failed = failed.take().or_else(|| event_error(event, number, of)),
            })?;
            failed.map_or(Ok(()), Err)?;
            stall_timer.check(self.now, waiting < before, waiting)?;
        }
        Ok(())
    }

    /// Ends a session: it says that it will send no more, reads up to the end of what the server sends, and is closed.
    pub(crate) fn close(&mut self, number: usize) {
        let session = &mut self.sessions[number];
        if session.state == SessionState::Frozen {
            self.unread.push(number);
        }
        match &session.socket {
            // A connection that is broken already is found so when it is read.
            Some(socket) if session.state != SessionState::Closed => {
                let _ = socket.shutdown(Shutdown::Write);
                session.state = SessionState::Closing;
            }
            _ => {}
        }
    }

    /// Ends all sessions, tells `on_event` of messages and acknowledgements that still come, and says how many sessions the
    /// server had not closed after `limit`: they are closed anyway.
    pub(crate) fn close_all(
        mut self,
        limit: Duration,
        mut on_event: impl FnMut(usize, SessionEvent<'_>),
    ) -> Result<usize, Error> {
        for number in 0..self.sessions.len() {
            self.close(number);
        }
        let mut left = self.sessions.iter().filter(|session| session.state != SessionState::Closed).count();
        let end = clock::now() + limit;
        while left > 0 && clock::now() < end {
            self.poll(end.saturating_duration_since(clock::now()), |session, event| match event {
                SessionEvent::Closed(_) => left -= 1,
                event => on_event(session, event),
            })?;
        }
        Ok(left)
    }
}

impl Session {
    fn new(client: ClientProfile) -> Self {
        Self { client, socket: None, state: SessionState::Closed, partial: Vec::new(), backlog: Vec::new(), awaited: 0 }
    }

    fn send(&mut self, out_buffer: &mut Vec<u8>, encode: impl FnOnce(&ClientProfile, &mut Vec<u8>)) {
        if !self.backlog.is_empty() {
            encode(&self.client, &mut self.backlog);
            return;
        }
        out_buffer.clear();
        encode(&self.client, out_buffer);
        let taken = self.write(out_buffer);
        self.backlog.extend_from_slice(&out_buffer[taken..]);
    }

    /// How much of `bytes` the socket takes now. A broken one takes all: that it is broken is found when it is read.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let Some(socket) = &mut self.socket else { return bytes.len() };
        let mut taken = 0;
        while taken < bytes.len() {
            match socket.write(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return bytes.len(),
            }
        }
        taken
    }

    /// The socket takes something again, or for the first time.
    fn flush<P: Protocol>(
        &mut self,
        protocol: &P,
        out_buffer: &mut Vec<u8>,
        on_event: &mut impl FnMut(SessionEvent<'_>),
    ) {
        if self.state == SessionState::Connecting {
            self.finish_connect(protocol, out_buffer, on_event);
        } else if !self.backlog.is_empty() {
            let backlog = std::mem::take(&mut self.backlog);
            let taken = self.write(&backlog);
            self.backlog.extend_from_slice(&backlog[taken..]);
        }
    }

    fn finish_connect<P: Protocol>(
        &mut self,
        protocol: &P,
        out_buffer: &mut Vec<u8>,
        on_event: &mut impl FnMut(SessionEvent<'_>),
    ) {
        let Some(socket) = &self.socket else { return };
        match socket.take_error().and_then(|error| error.map_or(Ok(()), Err)).and_then(|()| socket.peer_addr()) {
            Ok(_) if self.start(protocol, out_buffer) => on_event(SessionEvent::Ready),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => {
                (self.socket, self.state) = (None, SessionState::Closed);
                on_event(SessionEvent::Unreachable(error));
            }
        }
    }

    /// Says what comes first, and tells whether there is no answer to wait for.
    fn start<P: Protocol>(&mut self, protocol: &P, out_buffer: &mut Vec<u8>) -> bool {
        self.state = SessionState::Open;
        let mut awaited = 0;
        self.send(out_buffer, |client, out| awaited = protocol.open(client, out));
        self.awaited = awaited;
        awaited == 0
    }

    /// Reads what there is; up to the end where one is known to be there.
    fn read<P: Protocol>(
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
            let partial = self.partial.len();
            read_buffer[..partial].copy_from_slice(&self.partial);
            let ended = match socket.read(&mut read_buffer[partial..]) {
                Ok(0) => None,
                Ok(count) => {
                    self.partial.clear();
                    self.decode(protocol, &read_buffer[..partial + count], out_buffer, &mut on_event);
                    // A socket that gives less than it might has no more (epoll(7)).
                    if partial + count < read_buffer.len() && !until_end {
                        break;
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Some(error),
            };
            (self.socket, self.state) = (None, SessionState::Closed);
            return on_event(SessionEvent::Closed(ended));
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
                // Of one who leaves, only messages can still be wrong: that its peer has left is told to it too.
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

/// What is wrong where nobody should refuse anything or close.
pub(crate) fn event_error(event: SessionEvent<'_>, session: usize, sessions: usize) -> Option<Error> {
    match event {
        SessionEvent::Refused(text) => {
            Some(Error::Refused { text: String::from_utf8_lossy(text).into_owned(), session, sessions })
        }
        SessionEvent::Closed(source) => Some(Error::Closed { session, sessions, source }),
        SessionEvent::Unreachable(_) | SessionEvent::Ready | SessionEvent::Message(_) | SessionEvent::Acknowledged => {
            None
        }
    }
}

/// How long to wait where nothing gets any further.
#[derive(Debug)]
pub(crate) struct StallTimer {
    limit: Duration,
    since: Instant,
    waiting_for: &'static str,
}

impl StallTimer {
    pub(crate) fn new(limit: Duration, waiting_for: &'static str) -> Self {
        Self { limit, since: clock::now(), waiting_for }
    }

    /// How long one turn may wait.
    pub(crate) fn poll_timeout(&self) -> Duration {
        self.limit.min(Duration::from_millis(100))
    }

    /// Is patient again after a step forward, and gives up when there was none for too long.
    pub(crate) fn check(&mut self, now: Instant, has_progress: bool, left: usize) -> Result<(), Error> {
        if has_progress {
            self.since = now;
        } else if now.saturating_duration_since(self.since) > self.limit {
            return Err(Error::Silent { waiting_for: self.waiting_for, sessions: left, waited: self.limit });
        }
        Ok(())
    }
}
