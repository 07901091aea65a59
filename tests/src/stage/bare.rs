//! The core alone: no socket, no runtime, no clock.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use switchboard_core::{CloseReason, Effects, Event, Full, Session, SessionId, Switchboard};
use switchboard_protocol::{AfterReply, Dialect, LineDecoder, ParseError, ReceivedBytes, Reply, limits};

use super::{Received, Stage};

/// The core with a minimal shell: it decodes lines and encodes replies.
#[derive(Debug)]
pub struct BareStage {
    board: Switchboard,
    session_ids: HashMap<String, SessionId>,
    effects: RecordingEffects,
    /// Lengths of the pieces that input is split into, used in turn. Empty: input is not split.
    piece_lens: Vec<usize>,
    start: Instant,
}

/// Effects that record the lines sent to each session.
#[derive(Debug, Default)]
struct RecordingEffects(HashMap<SessionId, RecordedSession>);

#[derive(Debug)]
struct RecordedSession {
    dialect: Dialect,
    decoder: LineDecoder,
    received: VecDeque<String>,
    closed: bool,
}

impl BareStage {
    /// A stage without splits.
    #[must_use]
    pub fn new() -> Self {
        Self::splitting(Vec::new())
    }

    /// A stage that splits all input into pieces of these lengths, used in turn.
    #[must_use]
    pub fn splitting(piece_lens: Vec<usize>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the stage has no clock, so any moment serves as its start")]
        let start = Instant::now();
        Self {
            board: Switchboard::new(Duration::from_mins(1)),
            session_ids: HashMap::new(),
            effects: RecordingEffects::default(),
            piece_lens,
            start,
        }
    }

    fn session(&mut self, who: &str) -> (SessionId, &mut RecordedSession) {
        let id = self.session_ids[who];
        (id, self.effects.0.get_mut(&id).expect("an open session is recorded"))
    }

    fn feed(&mut self, who: &str, bytes: &[u8]) {
        let mut unread = ReceivedBytes::new(bytes);
        let (id, session) = self.session(who);
        let dialect = session.dialect;
        // The decoder is taken out of the effects, because the loop also needs them mutably.
        let mut decoder = std::mem::replace(&mut session.decoder, LineDecoder::new(0));
        while !self.effects.0[&id].closed
            && let Some(line) = decoder.next_line(&mut unread)
        {
            let registered = self.board.session(id).is_some_and(Session::is_registered);
            let parsed =
                line.map_err(ParseError::from).and_then(|line| dialect.parse(line, registered, limits::TEXT_MAX_BYTES));
            match parsed {
                Ok(Some(command)) => self.board.handle(id, Event::Command(command), &mut self.effects),
                Ok(None) => {}
                Err(error) => self.effects.deliver(id, |out| dialect.encode_error(&error, registered, out)),
            }
            if self.effects.0[&id].closed {
                self.board.handle(id, Event::Closed(CloseReason::Refused), &mut self.effects);
            }
        }
        self.session(who).1.decoder = decoder;
    }
}

impl Default for BareStage {
    fn default() -> Self {
        Self::new()
    }
}

impl RecordingEffects {
    fn deliver(&mut self, to: SessionId, encode: impl FnOnce(&mut Vec<u8>) -> AfterReply) {
        let session = self.0.get_mut(&to).expect("the core sends to open sessions only");
        assert!(!session.closed, "the core sends to a closed session");
        let mut line = Vec::new();
        let after_reply = encode(&mut line);
        let lines = String::from_utf8(line).expect("a line is UTF-8");
        session.received.extend(lines.lines().map(str::to_owned));
        session.closed = after_reply == AfterReply::Close;
    }
}

impl Effects for RecordingEffects {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        let dialect = self.0[&to].dialect;
        self.deliver(to, |out| dialect.encode(reply, out));
        Ok(())
    }

    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full> {
        self.deliver(to, |out| {
            out.extend_from_slice(line);
            AfterReply::KeepOpen
        });
        Ok(())
    }

    fn close(&mut self, session: SessionId, why: CloseReason) {
        panic!("no transcript makes the core close {session:?}: {why}");
    }
}

impl Stage for BareStage {
    fn open(&mut self, who: &str, dialect: Dialect) {
        let id = self.board.admit(self.start);
        self.session_ids.insert(who.to_owned(), id);
        let decoder = LineDecoder::new(limits::LINE_MAX_BYTES);
        self.effects.0.insert(id, RecordedSession { dialect, decoder, received: VecDeque::new(), closed: false });
        self.board.handle(id, Event::Opened, &mut self.effects);
    }

    fn send(&mut self, who: &str, bytes: &[u8]) {
        let mut unsent = bytes;
        for piece_len in self.piece_lens.clone().into_iter().cycle().take(bytes.len()) {
            let (piece, later) = unsent.split_at(piece_len.min(unsent.len()));
            self.feed(who, piece);
            unsent = later;
        }
        self.feed(who, unsent);
    }

    fn receive(&mut self, who: &str) -> Received {
        let session = self.session(who).1;
        match session.received.pop_front() {
            Some(line) => Received::Line(line),
            None if session.closed => Received::End,
            None => Received::Silence,
        }
    }

    fn receive_pending(&mut self, who: &str) -> Option<String> {
        self.session(who).1.received.pop_front()
    }

    fn half_close(&mut self, who: &str) {
        let id = self.session_ids[who];
        self.board.handle(id, Event::Closed(CloseReason::Quit), &mut self.effects);
        self.session(who).1.closed = true;
    }

    fn close(&mut self, who: &str) {
        self.half_close(who);
    }
}
