//! Many sessions on one thread: their sockets, and the one loop that waits for all of them.
//!
//! Each turn of the loop waits once and reads each socket that has something, into one buffer that all share. What is
//! unfinished is kept with its session, and so is what a socket does not take at once.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::clock;
use crate::connector::Sources;
use crate::error::Error;
use crate::payload::PAYLOAD_MAX_BYTES;
use crate::protocol::{Heard, Seat, Wire};
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
pub(crate) struct Crowd<'w, W> {
    wire: &'w W,
    target: Target,
    sources: Sources,
    poll: Poll,
    events: Events,
    sessions: Vec<Session>,
    /// Sessions that may have something to read, of which no event will tell again.
    unread: Vec<usize>,
    /// Sessions that were open as soon as they were begun, and wait for no answer.
    ready: Vec<usize>,
    read: Box<[u8]>,
    written: Vec<u8>,
    now: Instant,
}

#[derive(Debug)]
struct Session {
    seat: Seat,
    socket: Option<TcpStream>,
    state: State,
    /// The beginning of a frame that is not whole.
    kept: Vec<u8>,
    /// What the socket has not taken yet.
    backlog: Vec<u8>,
    /// How many answers it waits for.
    awaited: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Connecting,
    Open,
    /// Open, and it reads nothing.
    Frozen,
    Leaving,
    Gone,
}

/// What happens to a session.
#[derive(Debug)]
pub(crate) enum Event<'a> {
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

impl<'w, W: Wire> Crowd<'w, W> {
    /// Nobody yet; there is to be room for `sessions` at a time.
    pub(crate) fn new(wire: &'w W, target: &Target, sessions: usize) -> Result<Self, Error> {
        crate::open_files::make_room(sessions)?;
        Ok(Self {
            wire,
            target: *target,
            sources: Sources::new(target.addr),
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            sessions: Vec::with_capacity(sessions),
            unread: Vec::new(),
            ready: Vec::new(),
            read: vec![0; READ_BYTES].into_boxed_slice(),
            written: Vec::new(),
            now: clock::now(),
        })
    }

    /// When the last turn began.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn wire(&self) -> &'w W {
        self.wire
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Begins a new session, under a new number.
    pub(crate) fn begin(&mut self, seat: Seat) -> Result<usize, Error> {
        let number = self.sessions.len();
        self.sessions.push(Session::new(seat));
        self.connect(number)?;
        Ok(number)
    }

    /// Begins a new session under the number of one that is over. Where its connection is there when the call to connect
    /// returns, as on one machine, it speaks at once, like any program that connects and writes.
    ///
    /// Not within a turn: what that turn still has to tell would be taken for the new one's.
    pub(crate) fn begin_again(&mut self, number: usize, seat: Seat) -> Result<(), Error> {
        self.sessions[number] = Session::new(seat);
        self.connect(number)?;
        let session = &mut self.sessions[number];
        let is_there = session.socket.as_ref().is_some_and(|socket| socket.peer_addr().is_ok());
        if is_there && session.open(self.wire, &mut self.written) {
            self.ready.push(number);
        }
        Ok(())
    }

    fn connect(&mut self, number: usize) -> Result<(), Error> {
        let (addr, open) = (self.target.addr, self.sources.made());
        let socket = self.sources.connect(addr).map_err(|source| Error::Connect { addr, open, source })?;
        let session = &mut self.sessions[number];
        let socket = session.socket.insert(socket);
        self.poll.registry().register(socket, Token(number), Interest::READABLE | Interest::WRITABLE)?;
        session.state = State::Connecting;
        Ok(())
    }

    /// Waits for `wait` at most until something happens, and tells `hear` what.
    pub(crate) fn turn(&mut self, wait: Duration, mut hear: impl FnMut(usize, Event<'_>)) -> Result<(), Error> {
        let wait = if self.unread.is_empty() && self.ready.is_empty() { wait } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        self.now = clock::now();
        let Self { wire, sessions, events, unread, ready, read, written, .. } = self;
        for number in ready.drain(..) {
            hear(number, Event::Ready);
        }
        for number in unread.drain(..) {
            sessions[number].read(*wire, read, written, true, |event: Event<'_>| hear(number, event));
        }
        for event in events.iter() {
            let number = event.token().0;
            let session = &mut sessions[number];
            let mut hear = |event: Event<'_>| hear(number, event);
            if event.is_writable() {
                session.write_on(*wire, written, &mut hear);
            }
            if event.is_readable() {
                session.read(*wire, read, written, event.is_read_closed() || event.is_error(), hear);
            }
        }
        Ok(())
    }

    /// Has a session say what `what` appends.
    pub(crate) fn say(&mut self, number: usize, what: impl FnOnce(&W, &Seat, &mut Vec<u8>)) {
        let Self { wire, sessions, written, .. } = self;
        sessions[number].say(written, |seat, out| what(wire, seat, out));
    }

    /// The same, where it then waits for answers: for so many as `what` returns.
    pub(crate) fn ask(&mut self, number: usize, what: impl FnOnce(&W, &Seat, &mut Vec<u8>) -> u32) {
        let mut awaited = 0;
        self.say(number, |wire, seat, out| awaited = what(wire, seat, out));
        self.sessions[number].awaited += awaited;
    }

    /// Has a session wait for `answers` to what another asked.
    pub(crate) fn expect(&mut self, number: usize, answers: u32) {
        self.sessions[number].awaited += answers;
    }

    /// Whether a session waits for an answer.
    pub(crate) fn is_waiting(&self, number: usize) -> bool {
        let session = &self.sessions[number];
        session.state == State::Connecting || session.awaited > 0
    }

    /// Whether a session has said something that its socket has not taken yet.
    pub(crate) fn is_behind(&self, number: usize) -> bool {
        !self.sessions[number].backlog.is_empty()
    }

    /// Has a session read nothing, or read again.
    pub(crate) fn set_frozen(&mut self, number: usize, is_frozen: bool) {
        let state = &mut self.sessions[number].state;
        match (*state, is_frozen) {
            (State::Open, true) => *state = State::Frozen,
            (State::Frozen, false) => {
                *state = State::Open;
                self.unread.push(number);
            }
            _ => {}
        }
    }

    pub(crate) fn seat(&self, number: usize) -> &Seat {
        &self.sessions[number].seat
    }

    /// Opens a session for each of `seats`, and waits until all are open.
    pub(crate) fn open_all(&mut self, seats: impl IntoIterator<Item = Seat>, of: usize) -> Result<(), Error> {
        let mut seats = seats.into_iter();
        let mut opening = 0;
        let mut left = true;
        let mut patience = Patience::new(self.target.timeout, "to be opened");
        loop {
            while left && opening < OPENING_MAX {
                match seats.next() {
                    Some(seat) => {
                        self.begin(seat)?;
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
            self.turn(patience.tick(), |number, event| match event {
                Event::Ready => opening -= 1,
                Event::Unreachable(source) => failed = Some(Error::Connect { addr, open, source }),
                event => failed = failed.take().or_else(|| failure(event, number, of)),
            })?;
            failed.map_or(Ok(()), Err)?;
            patience.look(self.now, opening < before, opening)?;
        }
    }

    /// Waits until no session waits for an answer.
    pub(crate) fn settle(&mut self, what: &'static str) -> Result<(), Error> {
        let of = self.len();
        let mut patience = Patience::new(self.target.timeout, what);
        let mut waiting = (0..of).filter(|&number| self.is_waiting(number)).count();
        while waiting > 0 {
            let (mut failed, before) = (None, waiting);
            self.turn(patience.tick(), |number, event| match event {
                Event::Ready => waiting -= 1,
                event => failed = failed.take().or_else(|| failure(event, number, of)),
            })?;
            failed.map_or(Ok(()), Err)?;
            patience.look(self.now, waiting < before, waiting)?;
        }
        Ok(())
    }

    /// Ends a session: it says that it will send no more, reads up to the end of what the server sends, and is closed.
    pub(crate) fn leave(&mut self, number: usize) {
        let session = &mut self.sessions[number];
        if session.state == State::Frozen {
            self.unread.push(number);
        }
        match &session.socket {
            // A connection that is broken already is found so when it is read.
            Some(socket) if session.state != State::Gone => {
                let _ = socket.shutdown(Shutdown::Write);
                session.state = State::Leaving;
            }
            _ => {}
        }
    }

    /// Ends all sessions, tells `hear` of messages and acknowledgements that still come, and says how many sessions the
    /// server had not closed after `limit`: they are closed anyway.
    pub(crate) fn leave_all(mut self, limit: Duration, mut hear: impl FnMut(usize, Event<'_>)) -> Result<usize, Error> {
        for number in 0..self.sessions.len() {
            self.leave(number);
        }
        let mut left = self.sessions.iter().filter(|session| session.state != State::Gone).count();
        let end = clock::now() + limit;
        while left > 0 && clock::now() < end {
            self.turn(end.saturating_duration_since(clock::now()), |session, event| match event {
                Event::Closed(_) => left -= 1,
                event => hear(session, event),
            })?;
        }
        Ok(left)
    }
}

impl Session {
    fn new(seat: Seat) -> Self {
        Self { seat, socket: None, state: State::Gone, kept: Vec::new(), backlog: Vec::new(), awaited: 0 }
    }

    fn say(&mut self, written: &mut Vec<u8>, what: impl FnOnce(&Seat, &mut Vec<u8>)) {
        if !self.backlog.is_empty() {
            what(&self.seat, &mut self.backlog);
            return;
        }
        written.clear();
        what(&self.seat, written);
        let taken = self.write(written);
        self.backlog.extend_from_slice(&written[taken..]);
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
    fn write_on<W: Wire>(&mut self, wire: &W, written: &mut Vec<u8>, hear: &mut impl FnMut(Event<'_>)) {
        if self.state == State::Connecting {
            self.connected(wire, written, hear);
        } else if !self.backlog.is_empty() {
            let backlog = std::mem::take(&mut self.backlog);
            let taken = self.write(&backlog);
            self.backlog.extend_from_slice(&backlog[taken..]);
        }
    }

    fn connected<W: Wire>(&mut self, wire: &W, written: &mut Vec<u8>, hear: &mut impl FnMut(Event<'_>)) {
        let Some(socket) = &self.socket else { return };
        match socket.take_error().and_then(|error| error.map_or(Ok(()), Err)).and_then(|()| socket.peer_addr()) {
            Ok(_) if self.open(wire, written) => hear(Event::Ready),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => {
                (self.socket, self.state) = (None, State::Gone);
                hear(Event::Unreachable(error));
            }
        }
    }

    /// Says what comes first, and tells whether there is no answer to wait for.
    fn open<W: Wire>(&mut self, wire: &W, written: &mut Vec<u8>) -> bool {
        self.state = State::Open;
        let mut awaited = 0;
        self.say(written, |seat, out| awaited = wire.open(seat, out));
        self.awaited = awaited;
        awaited == 0
    }

    /// Reads what there is; up to the end where one is known to be there.
    fn read<W: Wire>(
        &mut self,
        wire: &W,
        read: &mut [u8],
        written: &mut Vec<u8>,
        to_the_end: bool,
        mut hear: impl FnMut(Event<'_>),
    ) {
        if self.state == State::Frozen {
            return;
        }
        written.clear();
        while let Some(socket) = &mut self.socket {
            let kept = self.kept.len();
            read[..kept].copy_from_slice(&self.kept);
            let ended = match socket.read(&mut read[kept..]) {
                Ok(0) => None,
                Ok(count) => {
                    self.kept.clear();
                    self.decode(wire, &read[..kept + count], written, &mut hear);
                    // A socket that gives less than it might has no more (epoll(7)).
                    if kept + count < read.len() && !to_the_end {
                        break;
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Some(error),
            };
            (self.socket, self.state) = (None, State::Gone);
            return hear(Event::Closed(ended));
        }
        if !written.is_empty() && self.state != State::Leaving {
            let answers = std::mem::take(written);
            self.say(written, |_, out| out.extend_from_slice(&answers));
        }
    }

    fn decode<W: Wire>(
        &mut self,
        wire: &W,
        mut unread: &[u8],
        answers: &mut Vec<u8>,
        hear: &mut impl FnMut(Event<'_>),
    ) {
        let is_leaving = self.state == State::Leaving;
        while let Some(heard) = wire.decode(&mut unread, answers) {
            match heard {
                Heard::Message(payload) => hear(Event::Message(payload)),
                Heard::Acknowledged => hear(Event::Acknowledged),
                // Of one who leaves, only messages can still be wrong: that its peer has left is told to it too.
                _ if is_leaving => {}
                Heard::Ready if self.awaited > 0 => {
                    self.awaited -= 1;
                    if self.awaited == 0 {
                        hear(Event::Ready);
                    }
                }
                Heard::Refused(said) => hear(Event::Refused(said)),
                Heard::Ready | Heard::Other => {}
            }
        }
        self.kept.extend_from_slice(unread);
    }
}

/// What is wrong where nobody should refuse anything or close.
pub(crate) fn failure(event: Event<'_>, session: usize, sessions: usize) -> Option<Error> {
    match event {
        Event::Refused(said) => {
            Some(Error::Refused { said: String::from_utf8_lossy(said).into_owned(), session, sessions })
        }
        Event::Closed(source) => Some(Error::Closed { session, sessions, source }),
        Event::Unreachable(_) | Event::Ready | Event::Message(_) | Event::Acknowledged => None,
    }
}

/// How long to wait where nothing gets any further.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    since: Instant,
    what: &'static str,
}

impl Patience {
    pub(crate) fn new(limit: Duration, what: &'static str) -> Self {
        Self { limit, since: clock::now(), what }
    }

    /// How long one turn may wait.
    pub(crate) fn tick(&self) -> Duration {
        self.limit.min(Duration::from_millis(100))
    }

    /// Is patient again after a step forward, and gives up when there was none for too long.
    pub(crate) fn look(&mut self, now: Instant, is_further: bool, left: usize) -> Result<(), Error> {
        if is_further {
            self.since = now;
        } else if now.saturating_duration_since(self.since) > self.limit {
            return Err(Error::Silent { what: self.what, left, waited: self.limit });
        }
        Ok(())
    }
}
