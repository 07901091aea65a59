//! The effects of the core on a stage: they are recorded, and changes go to a naive store.

use std::collections::{HashMap, VecDeque};

use switchboard_core::change::{Change, TokenHash, UnixMillis};
use switchboard_core::{
    CloseReason, Effects, Full, IdentityAnswer, IdentityRequest, Position, Query, SessionId, StoreEffects, Ticket,
};
use switchboard_protocol::version2::Secret;
use switchboard_protocol::{AfterReply, Dialect, LineDecoder, Reply, limits};

use super::home::Home;

/// Effects that record the lines sent to each session, and the requests that the stage has to answer.
#[derive(Debug, Default)]
pub(super) struct StageEffects {
    pub(super) sessions: HashMap<SessionId, RecordedSession>,
    pub(super) home: Home,
    /// Whether the store keeps changes waiting.
    pub(super) holds: bool,
    pub(super) questions: VecDeque<(Ticket, Query)>,
    pub(super) identity_requests: VecDeque<(SessionId, IdentityRequest)>,
    /// The sessions that ask for the figures of their connections.
    pub(super) undescribed: VecDeque<SessionId>,
    /// Whether checks of identities wait for a direction.
    pub(super) holds_checks: bool,
    pub(super) resumed: VecDeque<SessionId>,
    /// Number of tokens so far.
    pub(super) tokens: u8,
    /// Number of random numbers so far.
    pub(super) randoms: u64,
    /// Days that the clock is ahead.
    pub(super) days: u64,
}

#[derive(Debug)]
pub(super) struct RecordedSession {
    pub(super) dialect: Dialect,
    pub(super) speaks: Speaks,
    pub(super) decoder: LineDecoder,
    /// Received bytes whose lines are not handled yet, because the session is paused.
    pub(super) unread: Vec<u8>,
    pub(super) received: VecDeque<String>,
    pub(super) closed: bool,
    /// Whether the session's outbox has room.
    pub(super) is_reading: bool,
}

/// The version of the protocol that a session speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Speaks {
    /// The first line decides.
    Undecided,
    Version1,
    Version2,
}

impl RecordedSession {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            speaks: if dialect == Dialect::Commands { Speaks::Undecided } else { Speaks::Version1 },
            decoder: LineDecoder::new(limits::LINE_MAX_BYTES),
            unread: Vec::new(),
            received: VecDeque::new(),
            closed: false,
            is_reading: true,
        }
    }
}

impl StageEffects {
    pub(super) fn session(&mut self, id: SessionId) -> &mut RecordedSession {
        self.sessions.get_mut(&id).expect("an open session is recorded")
    }

    pub(super) fn deliver(&mut self, to: SessionId, encode: impl FnOnce(&mut Vec<u8>) -> AfterReply) {
        let session = self.sessions.get_mut(&to).expect("the core sends to open sessions only");
        assert!(!session.closed, "the core sends to a closed session");
        let mut line = Vec::new();
        let after_reply = encode(&mut line);
        let lines = String::from_utf8(line).expect("a line is UTF-8");
        session.received.extend(lines.lines().map(str::to_owned));
        session.closed = after_reply == AfterReply::Close;
    }
}

impl Effects for StageEffects {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        let dialect = self.sessions[&to].dialect;
        self.deliver(to, |out| dialect.encode(reply, out));
        Ok(())
    }

    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full> {
        assert_eq!(line.last(), Some(&b'\n'), "the core sends whole lines");
        self.deliver(to, |out| {
            out.extend_from_slice(line);
            AfterReply::KeepOpen
        });
        Ok(())
    }

    fn close(&mut self, session: SessionId, why: CloseReason) {
        let code = why.code().unwrap_or_else(|| panic!("no transcript makes the core close {session:?}: {why}"));
        let _ = self.send(session, &code.into());
        self.session(session).closed = true;
    }
}

impl StoreEffects for StageEffects {
    fn has_room(&self, session: SessionId) -> bool {
        self.sessions[&session].is_reading
    }

    fn notify_of_room(&mut self, session: SessionId) {
        assert!(!self.sessions[&session].is_reading, "a session awaits room that it has");
    }

    fn resume(&mut self, session: SessionId) {
        self.resumed.push_back(session);
    }

    fn append(&mut self, change: Change) -> Position {
        self.home.append(change)
    }

    fn read(&mut self, ticket: Ticket, query: Query) {
        self.questions.push_back((ticket, query));
    }

    fn identify(&mut self, session: SessionId, request: IdentityRequest) {
        self.identity_requests.push_back((session, request));
    }

    fn describe_connection(&mut self, session: SessionId) {
        self.undescribed.push_back(session);
    }

    fn wall_clock(&self) -> UnixMillis {
        // 2026-11-28T22:10:37.123Z
        UnixMillis(1_795_903_837_123 + self.days * 86_400_000)
    }

    fn random(&mut self) -> u64 {
        self.randoms += 1;
        self.randoms
    }
}

/// Answers a request for a check of an identity, with hashes and signatures that a reader of a transcript can write.
pub(super) fn identify(request: &IdentityRequest, tokens: &mut u8) -> IdentityAnswer {
    const CHALLENGE: &str = "Q0hBTExFTkdF";
    let check = |is_right: bool| if is_right { IdentityAnswer::Accepted } else { IdentityAnswer::Rejected };
    let password_hash = |secret: &Secret| format!("hash:{}", secret.expose());
    match request {
        IdentityRequest::HashPassword(secret) => IdentityAnswer::PasswordHashed(password_hash(secret)),
        IdentityRequest::ParseKey(base64) => parse_key(base64),
        IdentityRequest::CheckPassword { secret, hash, .. } => check(hash.as_ref() == Some(&password_hash(secret))),
        IdentityRequest::CheckToken { secret, hash, .. } => {
            check(hash.is_some_and(|hash| secret.expose() == token_of(hash)))
        }
        IdentityRequest::NewToken => {
            *tokens += 1;
            let hash = TokenHash([*tokens; 32]);
            IdentityAnswer::TokenMade(Secret::new(&token_of(hash)), hash)
        }
        IdentityRequest::NewChallenge { .. } => IdentityAnswer::ChallengeMade(CHALLENGE.to_owned()),
        IdentityRequest::CheckSignature { key, challenge, signature, .. } => {
            check(key.is_some_and(|key| *signature == signature_of(&key, challenge)))
        }
    }
}

/// Takes the last 32 characters in Base64 for the key.
fn parse_key(base64: &str) -> IdentityAnswer {
    let key = base64.strip_prefix("AAAAC3NzaC1lZDI1NTE5AAAAI").and_then(|key| key.as_bytes().last_chunk::<32>());
    key.map_or(IdentityAnswer::InvalidKey, |&key| IdentityAnswer::KeyParsed(key))
}

/// The end of the key and the challenge.
fn signature_of(key: &[u8; 32], challenge: &str) -> String {
    format!("{}:{challenge}", String::from_utf8_lossy(&key[28..]))
}

fn token_of(hash: TokenHash) -> String {
    format!("token-{}", hash.0[0])
}
