//! The dialect of a conversation, recognised by its messages or by the server's port.

use std::borrow::Cow;

use switchboard_protocol::{Dialect, ErrorCode, Reply, Users, commands, line};

use crate::analyze::Side;

/// Default port of the commands dialect.
const COMMANDS_PORT: u16 = 12_345;
/// Default port of the line dialect.
const LINE_PORT: u16 = 8_080;

/// Recognises the dialect by one message. `None` if the message fits both dialects or neither.
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

/// The dialect whose default port is `port`.
#[must_use]
pub const fn dialect_of_port(port: u16) -> Option<Dialect> {
    match port {
        COMMANDS_PORT => Some(Dialect::Commands),
        LINE_PORT => Some(Dialect::Line),
        _ => None,
    }
}

/// Parses a server's line in the line dialect: a line of `protocol.md` §5.3, or a variant that course servers send
/// (`Welcome <name>!` or `<name>: <text>`).
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
    // The second sentence for an invalid name.
    if text == "Invalid username. Usernames cannot contain colons." {
        return Some((Reply::from(ErrorCode::InvalidName), Spelling::Ours));
    }
    let (name, text) = text.split_once(": ")?;
    let is_name = !name.is_empty() && !name.contains(' ');
    is_name.then(|| (Reply::From { name: name.into(), text: text.into() }, Spelling::Foreign))
}

/// The wording of a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spelling {
    /// The wording of `protocol.md`.
    Ours,
    /// The wording of another server program.
    Foreign,
}

/// The verb of a reply in the commands dialect. For an error, the verb and the code.
pub(super) fn reply_verb(reply: &Reply<'_>) -> Cow<'static, str> {
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
