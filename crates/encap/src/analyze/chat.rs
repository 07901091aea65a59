//! A chat in either dialect, read from the streams of a capture: who said what, and whether the protocol allows it.
//!
//! The dialect of a conversation is known by what is said, or else by the server's port. Lines end in LF (`protocol.md` §2);
//! but the clients and servers of some courses send a message without one and take what one read gives for a message
//! (`protocol.md` §8.2). So a direction is read by segments if what is unfinished is answered all the same.

mod framing;
mod session;
mod transcript;

use std::borrow::Cow;

use super::Side;
pub use framing::{Framing, Lines, Message};
pub use session::{Session, Turn, Violation};
use switchboard_protocol::{Dialect, ErrorCode, Reply, Users, commands, line};
pub use transcript::{Entry, Transcript, Verdict};

/// The port of the commands dialect.
const COMMANDS_PORT: u16 = 12_345;
/// The port of the line dialect.
const LINE_PORT: u16 = 8_080;

/// The dialect that a message tells of, if it does.
#[must_use]
pub fn recognise(from: Side, message: &[u8]) -> Option<Dialect> {
    let text = String::from_utf8_lossy(message);
    let text = text.trim_end();
    match from {
        Side::Server if commands::parse_reply(text).is_ok() => Some(Dialect::Commands),
        Side::Server => parse_line_reply(text).map(|_| Dialect::Line),
        Side::Client => {
            let (word, _) = text.split_once(' ').unwrap_or((text, ""));
            let is_verb = commands::VERBS.iter().any(|verb| word.eq_ignore_ascii_case(verb.word));
            is_verb.then_some(Dialect::Commands)
        }
    }
}

/// The dialect that a server's port is known for.
#[must_use]
pub const fn dialect_of_port(port: u16) -> Option<Dialect> {
    match port {
        COMMANDS_PORT => Some(Dialect::Commands),
        LINE_PORT => Some(Dialect::Line),
        _ => None,
    }
}

/// A line of a server of the line dialect. `None` if it is none of `protocol.md` §5.3, nor what some course servers say
/// instead: `Welcome <name>!`, and `<name>: <text>`.
#[must_use]
pub fn parse_line_reply(text: &str) -> Option<(Reply<'_>, Spelling)> {
    if let Some(rest) = text.strip_prefix("Welcome ") {
        return match (rest.strip_suffix("! You can now chat."), rest.strip_suffix('!')) {
            (Some(name), _) => Some((Reply::RegisterOk { name: name.into() }, Spelling::Ours)),
            (None, Some(name)) => Some((Reply::RegisterOk { name: name.into() }, Spelling::Foreign)),
            (None, None) => None,
        };
    }
    if let Some((name, text)) = text.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        return Some((Reply::From { name: name.into(), text: text.into() }, Spelling::Ours));
    }
    let mut sentence = Vec::new();
    for code in ErrorCode::ALL {
        sentence.clear();
        let _ = line::encode(&Reply::from(*code), &mut sentence);
        if sentence.strip_suffix(b"\n") == Some(text.as_bytes()) {
            return Some((Reply::from(*code), Spelling::Ours));
        }
    }
    if text == "Invalid username. Usernames cannot contain colons." {
        return Some((Reply::from(ErrorCode::InvalidName), Spelling::Ours));
    }
    let (name, text) = text.split_once(": ")?;
    let is_name = !name.is_empty() && !name.contains(' ');
    is_name.then(|| (Reply::From { name: name.into(), text: text.into() }, Spelling::Foreign))
}

/// Whether a reply is spelled as `protocol.md` has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spelling {
    /// It is.
    Ours,
    /// It is what another program says in its place.
    Foreign,
}

/// What a reply is called.
fn word(reply: &Reply<'_>) -> Cow<'static, str> {
    match reply {
        Reply::Welcome => "WELCOME".into(),
        Reply::RegisterOk { .. } => "REGISTER_OK".into(),
        Reply::ConnectOk { .. } => "CONNECT_OK".into(),
        Reply::IncomingConnection { .. } => "INCOMING_CONNECTION".into(),
        Reply::From { .. } => "FROM".into(),
        Reply::MsgSent => "MSG_SENT".into(),
        Reply::DisconnectOk => "DISCONNECT_OK".into(),
        Reply::PeerDisconnected => "PEER_DISCONNECTED".into(),
        Reply::Pong => "PONG".into(),
        Reply::Users { names: Users { .. } } => "USERS".into(),
        Reply::Error { code, .. } => format!("ERROR {}", code.as_str()).into(),
    }
}
