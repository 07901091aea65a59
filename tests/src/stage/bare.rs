//! The switchboard alone: no socket, no runtime, no clock.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use switchboard_core::{Closed, Effects, Event, Full, SessionId, Switchboard};
use switchboard_protocol::{Dialect, LineDecoder, ParseError, Reply, Then, Unread, limits};

use super::{Heard, Stage};

/// The switchboard alone, with the least shell that makes lines of it.
#[derive(Debug)]
pub struct BareStage {
    board: Switchboard,
    people: HashMap<String, SessionId>,
    ears: Ears,
    /// After how many bytes the stream of whoever speaks is cut, again and again.
    cuts: Vec<usize>,
    start: Instant,
}

/// What everybody was told.
#[derive(Debug, Default)]
struct Ears(HashMap<SessionId, Ear>);

#[derive(Debug)]
struct Ear {
    dialect: Dialect,
    decoder: LineDecoder,
    told: VecDeque<String>,
    closed: bool,
}

impl BareStage {
    /// A stage on which whatever is said arrives whole.
    #[must_use]
    pub fn new() -> Self {
        Self::cutting(Vec::new())
    }

    /// A stage on which the stream of whoever speaks is cut after so many bytes, in turn.
    #[must_use]
    pub fn cutting(cuts: Vec<usize>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any moment will do: time stands still on this stage")]
        let start = Instant::now();
        Self {
            board: Switchboard::new(Duration::from_mins(1)),
            people: HashMap::new(),
            ears: Ears::default(),
            cuts,
            start,
        }
    }

    fn ear(&mut self, who: &str) -> (SessionId, &mut Ear) {
        let id = self.people[who];
        (id, self.ears.0.get_mut(&id).expect("whoever is here has an ear"))
    }

    fn take(&mut self, who: &str, bytes: &[u8]) {
        let mut unread = Unread::new(bytes);
        let (id, ear) = self.ear(who);
        let dialect = ear.dialect;
        let mut decoder = std::mem::replace(&mut ear.decoder, LineDecoder::new(0));
        while !self.ears.0[&id].closed
            && let Some(line) = decoder.next_line(&mut unread)
        {
            let registered = self.board.is_registered(id).unwrap_or_default();
            let said =
                line.map_err(ParseError::from).and_then(|line| dialect.parse(line, registered, limits::TEXT_MAX_BYTES));
            match said {
                Ok(Some(command)) => self.board.handle(id, Event::Said(command), &mut self.ears),
                Ok(None) => {}
                Err(error) => self.ears.tell(id, |out| dialect.encode_error(&error, registered, out)),
            }
            if self.ears.0[&id].closed {
                self.board.handle(id, Event::Left(Closed::Refused), &mut self.ears);
            }
        }
        self.ear(who).1.decoder = decoder;
    }
}

impl Default for BareStage {
    fn default() -> Self {
        Self::new()
    }
}

impl Ears {
    fn tell(&mut self, to: SessionId, encode: impl FnOnce(&mut Vec<u8>) -> Then) {
        let ear = self.0.get_mut(&to).expect("whoever is spoken to has an ear");
        assert!(!ear.closed, "a closed session is spoken to");
        let mut line = Vec::new();
        let then = encode(&mut line);
        let lines = String::from_utf8(line).expect("a line is UTF-8");
        ear.told.extend(lines.lines().map(str::to_owned));
        ear.closed = then == Then::Close;
    }
}

impl Effects for Ears {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        let dialect = self.0[&to].dialect;
        self.tell(to, |out| dialect.encode(reply, out));
        Ok(())
    }

    fn close(&mut self, session: SessionId, why: Closed) {
        panic!("nothing in a transcript makes the switchboard close {session:?}: {why}");
    }
}

impl Stage for BareStage {
    fn open(&mut self, who: &str, dialect: Dialect) {
        let id = self.board.admit(self.start);
        self.people.insert(who.to_owned(), id);
        let decoder = LineDecoder::new(limits::LINE_MAX_BYTES);
        self.ears.0.insert(id, Ear { dialect, decoder, told: VecDeque::new(), closed: false });
        self.board.handle(id, Event::Opened, &mut self.ears);
    }

    fn say(&mut self, who: &str, bytes: &[u8]) {
        let mut rest = bytes;
        for cut in self.cuts.clone().into_iter().cycle().take(bytes.len()) {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            self.take(who, piece);
            rest = after;
        }
        self.take(who, rest);
    }

    fn hear(&mut self, who: &str) -> Heard {
        let ear = self.ear(who).1;
        match ear.told.pop_front() {
            Some(line) => Heard::Line(line),
            None if ear.closed => Heard::End,
            None => Heard::Silence,
        }
    }

    fn hear_until_now(&mut self, who: &str) -> Option<String> {
        self.ear(who).1.told.pop_front()
    }

    fn half_close(&mut self, who: &str) {
        let id = self.people[who];
        self.board.handle(id, Event::Left(Closed::Quit), &mut self.ears);
        self.ear(who).1.closed = true;
    }

    fn close(&mut self, who: &str) {
        self.half_close(who);
    }
}
