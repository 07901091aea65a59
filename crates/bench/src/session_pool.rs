//! All sessions of a run on one thread: their sockets and the event loop.
//!
//! Each poll waits once, then reads every readable socket into one shared buffer. A session stores only its
//! incomplete frame and the bytes that its socket has not accepted.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::clock;
use crate::connector::Connector;
use crate::error::Error;
use crate::payload::PAYLOAD_MAX_BYTES;
use crate::protocol::{ClientProfile, Protocol};
use crate::session::{Session, SessionEvent, SessionState, event_error};
use crate::socket::Socket;
use crate::stall_timer::StallTimer;
use crate::target::Target;

/// Size of the read buffer in bytes: as large as the kernel's receive buffer of a busy socket, and small enough for the
/// processor's cache.
const READ_BYTES: usize = 128 * 1024;

// The longest message fits in the read buffer, with its protocol overhead.
const _: () = assert!(READ_BYTES >= 2 * PAYLOAD_MAX_BYTES);

/// Maximum readiness events of one poll. Further events wait for the next poll.
const EVENTS_MAX: usize = 1024;

/// Maximum readiness events of the crowd in one poll: about a tenth of a millisecond of work. The other sessions wait
/// no longer than that.
const CROWD_EVENTS_MAX: usize = 64;

/// Maximum sessions that open at the same time. The listen queue of a server holds at least ten connections. A client
/// repeats a SYN beyond that only after a second, or the server refuses it.
const OPENING_MAX: usize = 8;

/// All sessions, numbered from 0 in the order in which they open.
#[derive(Debug)]
pub(crate) struct SessionPool<'p, P> {
    protocol: &'p P,
    target: Target,
    connector: Connector,
    poll: Poll,
    events: Events,
    crowd: Option<Crowd>,
    sessions: Vec<Session>,
    /// Sessions that are no longer frozen. Their sockets may hold unread bytes that no further event reports.
    unread: Vec<usize>,
    /// Reopened sessions that connected at once and wait for no answer. The next poll reports them as ready.
    ready: Vec<usize>,
    read_buffer: Box<[u8]>,
    out_buffer: Vec<u8>,
    now: Instant,
}

/// Sessions that become ready by the thousands at once. They have a poll of their own, because the kernel reports
/// sessions in the order in which they became ready: the few other sessions would be reported after the crowd.
#[derive(Debug)]
struct Crowd {
    /// The crowd consists of the sessions from this number on.
    first: usize,
    poll: Poll,
    events: Events,
}

impl<'p, P: Protocol> SessionPool<'p, P> {
    /// A pool without sessions, with room for `sessions` at a time.
    pub(crate) fn new(protocol: &'p P, target: &Target, sessions: usize) -> Result<Self, Error> {
        crate::open_files::raise_limit(sessions)?;
        Ok(Self {
            protocol,
            target: target.clone(),
            connector: Connector::new(target.addr),
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            crowd: None,
            sessions: Vec::with_capacity(sessions),
            unread: Vec::new(),
            ready: Vec::new(),
            read_buffer: vec![0; READ_BYTES].into_boxed_slice(),
            out_buffer: Vec::new(),
            now: clock::now(),
        })
    }

    /// The time at which the last poll stopped waiting.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn protocol(&self) -> &'p P {
        self.protocol
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Makes all sessions that open from now on a crowd: each poll handles few of their events, and the events of the
    /// other sessions first. A pool with a crowd polls without a pause.
    pub(crate) fn begin_crowd(&mut self) -> Result<(), Error> {
        let events = Events::with_capacity(CROWD_EVENTS_MAX);
        self.crowd = Some(Crowd { first: self.sessions.len(), poll: Poll::new()?, events });
        Ok(())
    }

    /// Opens a new session and returns its number.
    pub(crate) fn open(&mut self, client: ClientProfile) -> Result<usize, Error> {
        let number = self.sessions.len();
        self.sessions.push(Session::new(client));
        self.connect(number)?;
        Ok(number)
    }

    /// Opens a session under the number of a closed one. If the server runs on this machine, the connection may already
    /// be established when `connect` returns. The session then sends its first bytes immediately, as most client
    /// programs do.
    ///
    /// Call it between polls: the remaining events of a poll would go to the new session.
    pub(crate) fn reopen(&mut self, number: usize, client: ClientProfile) -> Result<(), Error> {
        self.sessions[number] = Session::new(client);
        self.connect(number)?;
        let session = &mut self.sessions[number];
        let is_connected = session.socket.as_ref().is_some_and(|socket| socket.tcp().peer_addr().is_ok());
        if is_connected && session.start(self.protocol, &mut self.out_buffer) {
            self.ready.push(number);
        }
        Ok(())
    }

    fn connect(&mut self, number: usize) -> Result<(), Error> {
        let (addr, open) = (self.target.addr, self.connector.opened());
        let tcp = self.connector.connect(addr).map_err(|source| Error::Connect { addr, open, source })?;
        let session = &mut self.sessions[number];
        let socket = session.socket.insert(Socket::new(tcp, &self.target.transport)?);
        let crowd = self.crowd.as_ref().filter(|crowd| number >= crowd.first);
        let poll = crowd.map_or(&self.poll, |crowd| &crowd.poll);
        poll.registry().register(socket.tcp_mut(), Token(number), Interest::READABLE | Interest::WRITABLE)?;
        session.state = SessionState::Connecting;
        Ok(())
    }

    /// Waits at most `wait` for events, and passes each to `on_event`.
    pub(crate) fn poll(
        &mut self,
        wait: Duration,
        mut on_event: impl FnMut(usize, SessionEvent<'_>),
    ) -> Result<(), Error> {
        let may_wait = self.unread.is_empty() && self.ready.is_empty() && self.crowd.is_none();
        poll_events(&mut self.poll, &mut self.events, if may_wait { wait } else { Duration::ZERO })?;
        if let Some(Crowd { poll, events, .. }) = &mut self.crowd {
            poll_events(poll, events, Duration::ZERO)?;
        }
        self.now = clock::now();
        let Self { protocol, sessions, events, crowd, unread, ready, read_buffer, out_buffer, .. } = self;
        for number in ready.drain(..) {
            on_event(number, SessionEvent::Ready);
        }
        for number in unread.drain(..) {
            sessions[number]
                .read(*protocol, read_buffer, out_buffer, true, |event: SessionEvent<'_>| on_event(number, event));
        }
        for event in events.iter().chain(crowd.iter().flat_map(|crowd| crowd.events.iter())) {
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

    /// Sends the bytes that `encode` appends, from session `number`.
    pub(crate) fn send(&mut self, number: usize, encode: impl FnOnce(&P, &ClientProfile, &mut Vec<u8>)) {
        let Self { protocol, sessions, out_buffer, .. } = self;
        sessions[number].send(out_buffer, |client, out| encode(protocol, client, out));
    }

    /// Sends a request. `encode` returns the number of answers to wait for.
    pub(crate) fn request(&mut self, number: usize, encode: impl FnOnce(&P, &ClientProfile, &mut Vec<u8>) -> u32) {
        let mut awaited = 0;
        self.send(number, |protocol, client, out| awaited = encode(protocol, client, out));
        self.sessions[number].awaited += awaited;
    }

    /// Adds `answers` to the number that a session waits for, because of another session's request.
    pub(crate) fn add_awaited(&mut self, number: usize, answers: u32) {
        self.sessions[number].awaited += answers;
    }

    pub(crate) fn is_awaiting_answers(&self, number: usize) -> bool {
        let session = &self.sessions[number];
        session.state == SessionState::Connecting || session.awaited > 0
    }

    /// Whether a session has bytes that its socket has not sent.
    pub(crate) fn has_backlog(&self, number: usize) -> bool {
        self.sessions[number].has_backlog()
    }

    /// If `is_frozen`, an open session stops reading. Otherwise a frozen session reads again.
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

    /// Opens a session for each of `clients`, and waits until all are open. Errors give `total` as the number of
    /// sessions.
    pub(crate) fn open_all(
        &mut self,
        clients: impl IntoIterator<Item = ClientProfile>,
        total: usize,
    ) -> Result<(), Error> {
        let mut clients = clients.into_iter();
        let mut opening = 0;
        let mut has_more = true;
        let mut stall_timer = StallTimer::new(self.target.timeout, "to be opened");
        loop {
            while has_more && opening < OPENING_MAX {
                match clients.next() {
                    Some(client) => {
                        self.open(client)?;
                        opening += 1;
                    }
                    None => has_more = false,
                }
            }
            if opening == 0 {
                return Ok(());
            }
            let mut failure = None;
            let (addr, opening_before) = (self.target.addr, opening);
            let open = self.sessions.len() - opening;
            self.poll(stall_timer.poll_timeout(), |number, event| match event {
                SessionEvent::Ready => opening -= 1,
                SessionEvent::Unreachable(source) => failure = Some(Error::Connect { addr, open, source }),
                event => failure = failure.take().or_else(|| event_error(event, number, total)),
            })?;
            failure.map_or(Ok(()), Err)?;
            stall_timer.check(self.now, opening < opening_before, opening)?;
        }
    }

    /// Waits until no session waits for an answer.
    pub(crate) fn wait_for_answers(&mut self, waiting_for: &'static str) -> Result<(), Error> {
        let total = self.len();
        let mut stall_timer = StallTimer::new(self.target.timeout, waiting_for);
        let mut waiting = (0..total).filter(|&number| self.is_awaiting_answers(number)).count();
        while waiting > 0 {
            let (mut failure, waiting_before) = (None, waiting);
            self.poll(stall_timer.poll_timeout(), |number, event| match event {
                SessionEvent::Ready => waiting -= 1,
                event => failure = failure.take().or_else(|| event_error(event, number, total)),
            })?;
            failure.map_or(Ok(()), Err)?;
            stall_timer.check(self.now, waiting < waiting_before, waiting)?;
        }
        Ok(())
    }

    /// Closes the sending side of a session. The session then reads until the server closes, too, and ends.
    pub(crate) fn close(&mut self, number: usize) {
        let session = &mut self.sessions[number];
        if session.state == SessionState::Frozen {
            self.unread.push(number);
        }
        match &mut session.socket {
            Some(socket) if session.state != SessionState::Closed => {
                socket.close_sending();
                session.state = SessionState::Closing;
            }
            _ => {}
        }
    }

    /// Closes all sessions and passes the messages and acknowledgements that still arrive to `on_event`. Returns the
    /// number of sessions that the server has not closed within `limit`. Their sockets are closed nevertheless.
    pub(crate) fn close_all(
        mut self,
        limit: Duration,
        mut on_event: impl FnMut(usize, SessionEvent<'_>),
    ) -> Result<usize, Error> {
        for number in 0..self.sessions.len() {
            self.close(number);
        }
        let mut open_sessions = self.sessions.iter().filter(|session| session.state != SessionState::Closed).count();
        let end = clock::now() + limit;
        while open_sessions > 0 && clock::now() < end {
            self.poll(end.saturating_duration_since(clock::now()), |session, event| match event {
                SessionEvent::Closed(_) => open_sessions -= 1,
                event => on_event(session, event),
            })?;
        }
        Ok(open_sessions)
    }
}

/// Waits at most `wait` for events. A signal ends the wait without events.
fn poll_events(poll: &mut Poll, events: &mut Events, wait: Duration) -> io::Result<()> {
    match poll.poll(events, Some(wait)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        polled => polled,
    }
}
