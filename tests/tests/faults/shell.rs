//! The effects of the core: lines go to bounded outboxes, changes and questions wait until the world takes them.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use switchboard_core::change::{Change, UnixMillis};
use switchboard_core::{CloseReason, Effects, Full, IdentityRequest, Position, Query, SessionId, StoreEffects, Ticket};
use switchboard_protocol::Reply;

/// The marks of an outbox, in bytes: small, so that many readers are slow.
const SOFT_BYTES: usize = 2 * 1024;
const HARD_BYTES: usize = 32 * 1024;

/// The connection of a session.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Lines from the client that the server has not read.
    pub(crate) inbox: VecDeque<String>,
    outbox: VecDeque<String>,
    outbox_bytes: usize,
    /// Whether the server has ended the session.
    pub(crate) is_closed: bool,
    /// Whether the core asked to be called when the outbox has room.
    awaits_room: bool,
    /// Whether the core has paused the session, and not resumed it.
    pub(crate) is_paused: bool,
}

impl Wire {
    /// A connection whose client has sent these lines.
    pub(crate) fn new(lines: Vec<String>) -> Self {
        Self { inbox: lines.into(), ..Self::default() }
    }

    /// The client reads a line.
    pub(crate) fn read(&mut self) -> Option<String> {
        let line = self.outbox.pop_front()?;
        self.outbox_bytes -= line.len();
        Some(line)
    }

    /// Whether the core has to hear that there is room, which it then does.
    pub(crate) fn take_room(&mut self) -> bool {
        self.has_room() && std::mem::take(&mut self.awaits_room)
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.outbox.is_empty()
    }

    fn has_room(&self) -> bool {
        self.outbox_bytes <= SOFT_BYTES
    }
}

#[derive(Debug, Default)]
pub(crate) struct Shell {
    pub(crate) wires: BTreeMap<SessionId, Wire>,
    /// The changes of the present event.
    pub(crate) changes: Vec<Change>,
    /// The position of the last change, and the generation of the writer to which it belongs.
    pub(crate) position: Position,
    pub(crate) generation: u64,
    pub(crate) questions: Vec<(Ticket, Query)>,
    pub(crate) identity_requests: Vec<(SessionId, IdentityRequest)>,
    /// The time of day, in milliseconds.
    pub(crate) clock: u64,
    pub(crate) rng: Rng,
}

impl Effects for Shell {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        let mut line = Vec::new();
        switchboard_protocol::commands::encode(reply, &mut line);
        self.send_line(to, &line)
    }

    fn send_line(&mut self, to: SessionId, lines: &[u8]) -> Result<(), Full> {
        let wire = self.wires.get_mut(&to).expect("the core sends to open sessions");
        assert!(!wire.is_closed, "the core sends to a closed session");
        if wire.outbox_bytes + lines.len() > HARD_BYTES {
            return Err(Full);
        }
        for line in std::str::from_utf8(lines).expect("a line is UTF-8").lines() {
            wire.outbox_bytes += line.len();
            wire.outbox.push_back(line.to_owned());
        }
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        let is_expected = matches!(reason, CloseReason::Displaced | CloseReason::SlowConsumer);
        assert!(is_expected, "the core closes {session}: {reason}");
        if let Some(code) = reason.code() {
            let _ = self.send(session, &code.into());
        }
        self.wires.get_mut(&session).expect("the core closes open sessions").is_closed = true;
    }
}

impl StoreEffects for Shell {
    fn has_room(&self, session: SessionId) -> bool {
        self.wires.get(&session).is_some_and(Wire::has_room)
    }

    fn notify_of_room(&mut self, session: SessionId) {
        if let Some(wire) = self.wires.get_mut(&session) {
            wire.awaits_room = true;
        }
    }

    fn resume(&mut self, session: SessionId) {
        if let Some(wire) = self.wires.get_mut(&session) {
            wire.is_paused = false;
        }
    }

    fn append(&mut self, change: Change) -> Position {
        self.changes.push(change);
        self.position.0 += 1;
        self.position
    }

    fn read(&mut self, ticket: Ticket, query: Query) {
        self.questions.push((ticket, query));
    }

    fn identify(&mut self, session: SessionId, request: IdentityRequest) {
        self.identity_requests.push((session, request));
    }

    fn describe_connection(&mut self, session: SessionId) {
        panic!("no test sends WIRE, but {session:?} does");
    }

    fn wall_clock(&self) -> UnixMillis {
        UnixMillis(self.clock)
    }

    fn random(&mut self) -> u64 {
        self.rng.u64(..)
    }
}
