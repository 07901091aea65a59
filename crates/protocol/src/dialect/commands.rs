//! The commands dialect: a verb and its argument, one line each. (`protocol.md` §4)

use std::borrow::Cow;

use crate::command::Command;
use crate::parse_error::ParseError;
use crate::received_bytes::RawLine;
use crate::reply::{Reply, Users};
use crate::text::{Text, checked_line};
use crate::username::Username;

/// What a verb is followed by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Argument {
    /// Nothing.
    None,
    /// A name.
    Name,
    /// A text, to the end of the line.
    Text,
}

/// A row of the table of verbs, from which a client makes its help, its completions and its guess at what a person means.
/// The parser is written out by hand, and a test holds it to this table.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// The word, in capitals; it matches in any case.
    pub word: &'static str,
    /// What follows it.
    pub argument: Argument,
    /// What it does, for a list of verbs.
    pub about: &'static str,
}

/// The verbs, in the order in which a person meets them.
pub const VERBS: [Verb; 6] = [
    Verb { word: "REGISTER", argument: Argument::Name, about: "take a name" },
    Verb { word: "WHO", argument: Argument::None, about: "list who is registered" },
    Verb { word: "CONNECT", argument: Argument::Name, about: "open a chat with somebody" },
    Verb { word: "MSG", argument: Argument::Text, about: "say something to your chat" },
    Verb { word: "DISCONNECT", argument: Argument::None, about: "leave the chat" },
    Verb { word: "PING", argument: Argument::None, about: "ask whether the server is there" },
];

/// Reads one line, without its LF. `Ok(None)` is a blank line, which asks for nothing.
///
/// ```
/// use switchboard_protocol::{Command, commands};
///
/// assert_eq!(commands::parse(b"ping\r", 3840), Ok(Some(Command::Ping)));
/// ```
pub fn parse<'a>(line: impl Into<RawLine<'a>>, text_max_bytes: usize) -> Result<Option<Command<'a>>, ParseError> {
    let line = checked_line(line.into())?;
    // What most lines are. A letter and this bit is the small letter, and a space is a space.
    if let Some(verb) = line.as_bytes().first_chunk::<4>()
        && verb.map(|byte| byte | 0x20) == *b"msg "
    {
        return Ok(Some(Command::Msg { text: Text::from_checked(&line[verb.len()..], text_max_bytes)? }));
    }
    // A verb is short: to look byte by byte is over before a search has begun.
    let (word, argument) = match line.bytes().position(|byte| byte == b' ') {
        Some(end) => (&line[..end], Some(&line[end + 1..])),
        None => (line, None),
    };
    let name = |verb| match argument.map(str::trim) {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(ParseError::MissingArgument { verb, needs: "a name" }),
    };
    let is = |verb: &str| word.eq_ignore_ascii_case(verb);
    let command = if is("MSG") {
        return Err(ParseError::MissingArgument { verb: "MSG", needs: "a text" });
    } else if is("CONNECT") {
        Command::Connect { to: Cow::Borrowed(name("CONNECT")?) }
    } else if is("REGISTER") {
        Command::Register { name: Username::new(name("REGISTER")?)? }
    } else if argument.is_some() {
        return Err(ParseError::UnknownCommand);
    } else if is("PING") {
        Command::Ping
    } else if is("WHO") {
        Command::Who
    } else if is("DISCONNECT") {
        Command::Disconnect
    } else if word.is_empty() {
        return Ok(None);
    } else {
        return Err(ParseError::UnknownCommand);
    };
    Ok(Some(command))
}

/// Appends `command` as a line, or says that this dialect has no words for it ([`Command::Tell`]).
pub fn encode_command(command: &Command<'_>, out: &mut Vec<u8>) -> Result<(), UnsupportedCommand> {
    match command {
        Command::Register { name } => put(out, ["REGISTER ", name.as_str()]),
        Command::Connect { to } => put(out, ["CONNECT ", to]),
        Command::Msg { text } => put(out, ["MSG ", text.as_str()]),
        Command::Tell { .. } => return Err(UnsupportedCommand),
        Command::Disconnect => put(out, ["DISCONNECT"]),
        Command::Ping => put(out, ["PING"]),
        Command::Who => put(out, ["WHO"]),
    }
    Ok(())
}

/// The commands dialect cannot write to somebody outside a chat.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the commands dialect has no command for this: CONNECT, then MSG")]
pub struct UnsupportedCommand;

/// Appends `reply` as one line.
#[inline]
pub fn encode(reply: &Reply<'_>, out: &mut Vec<u8>) {
    match reply {
        Reply::From { name, text } => put(out, ["FROM ", name, ": ", text]),
        Reply::MsgSent => put(out, ["MSG_SENT"]),
        Reply::Welcome => put(out, ["WELCOME"]),
        Reply::RegisterOk { name } => put(out, ["REGISTER_OK ", name]),
        Reply::ConnectOk { name } => put(out, ["CONNECT_OK ", name]),
        Reply::IncomingConnection { name } => put(out, ["INCOMING_CONNECTION ", name]),
        Reply::DisconnectOk => put(out, ["DISCONNECT_OK"]),
        Reply::PeerDisconnected => put(out, ["PEER_DISCONNECTED"]),
        Reply::Pong => put(out, ["PONG"]),
        Reply::Users { names } => put(out, ["USERS ", names.as_comma_separated()]),
        Reply::Error { code, detail: None } => put(out, ["ERROR ", code.as_str()]),
        Reply::Error { code, detail: Some(detail) } => put(out, ["ERROR ", code.as_str(), " ", detail]),
    }
}

/// A line from a server that is none of its replies.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a reply of this version of the protocol")]
pub struct UnknownReply;

/// Reads one line from a server, without its LF. Names and texts are taken as they are: the server may be another
/// program, and it is the client that decides what it shows.
pub fn parse_reply(line: &str) -> Result<Reply<'_>, UnknownReply> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (word, rest) = match line.split_once(' ') {
        Some((word, rest)) => (word, Some(rest)),
        None => (line, None),
    };
    let reply = match (word, rest) {
        ("FROM", Some(rest)) => {
            let (name, text) = rest.split_once(": ").ok_or(UnknownReply)?;
            Reply::From { name: name.into(), text: text.into() }
        }
        ("MSG_SENT", None) => Reply::MsgSent,
        ("WELCOME", None) => Reply::Welcome,
        ("REGISTER_OK", Some(name)) => Reply::RegisterOk { name: name.into() },
        ("CONNECT_OK", Some(name)) => Reply::ConnectOk { name: name.into() },
        ("INCOMING_CONNECTION", Some(name)) => Reply::IncomingConnection { name: name.into() },
        ("DISCONNECT_OK", None) => Reply::DisconnectOk,
        ("PEER_DISCONNECTED", None) => Reply::PeerDisconnected,
        ("PONG", None) => Reply::Pong,
        ("USERS", names) => Reply::Users { names: Users::from_comma_separated(names.unwrap_or_default()) },
        ("ERROR", Some(rest)) => {
            let (code, detail) = match rest.split_once(' ') {
                Some((code, detail)) => (code, Some(detail.into())),
                None => (rest, None),
            };
            Reply::Error { code: code.parse().map_err(|_| UnknownReply)?, detail }
        }
        _ => return Err(UnknownReply),
    };
    Ok(reply)
}

/// Appends a line of `parts`.
#[expect(clippy::inline_always, reason = "parts that are known when this is compiled are then a store each")]
#[inline(always)]
fn put<const N: usize>(out: &mut Vec<u8>, parts: [&str; N]) {
    out.reserve(parts.iter().map(|part| part.len()).sum::<usize>() + 1);
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error_code::ErrorCode;
    use crate::text::TextError;
    use crate::username::UsernameError;

    fn msg(text: &str) -> Command<'_> {
        Command::Msg { text: Text::new(text, 64).expect("a good text") }
    }

    fn register(name: &str) -> Command<'static> {
        Command::Register { name: Username::new(name).expect("a good name") }
    }

    #[test]
    fn lines_are_commands() {
        let cases: &[(&str, Option<Command<'_>>)] = &[
            ("REGISTER Noy", Some(register("Noy"))),
            ("register   Noy", Some(register("Noy"))),
            ("CONNECT Elias\r", Some(Command::Connect { to: "Elias".into() })),
            ("CONNECT no such name", Some(Command::Connect { to: "no such name".into() })),
            ("MSG hello", Some(msg("hello"))),
            ("msg hello", Some(msg("hello"))),
            ("  MSG hello  ", Some(msg("hello"))),
            ("MSG   two  spaces ", Some(msg("  two  spaces"))),
            ("MSG \ttab", Some(msg("\ttab"))),
            ("Ping", Some(Command::Ping)),
            ("WHO\r", Some(Command::Who)),
            ("DISCONNECT", Some(Command::Disconnect)),
            ("", None),
            (" \t \r", None),
        ];
        for (given, expected) in cases {
            assert_eq!(parse(given.as_bytes(), 64).as_ref(), Ok(expected), "given {given:?}");
        }
    }

    #[test]
    fn other_lines_are_errors_that_say_which() {
        let missing = |verb, needs| ParseError::MissingArgument { verb, needs };
        let cases: &[(&[u8], ParseError)] = &[
            (b"HELLO 2", ParseError::UnknownCommand),
            (b"@id=7 MSG hi", ParseError::UnknownCommand),
            (b"PING me", ParseError::UnknownCommand),
            (b"MSG\thello", ParseError::UnknownCommand),
            (b"MSG", missing("MSG", "a text")),
            (b"MSG ", missing("MSG", "a text")),
            (b"REGISTER", missing("REGISTER", "a name")),
            (b"CONNECT  ", missing("CONNECT", "a name")),
            (b"REGISTER a,b", ParseError::Name(UsernameError::Forbidden { found: ',', at: 2 })),
            (b"MSG \x1b[2J", ParseError::Text(TextError::Control { found: '\u{1b}', at: 5 })),
            (b"\xff", ParseError::Text(TextError::NotUtf8 { at: 1 })),
        ];
        for (given, expected) in cases {
            let given_text = given.escape_ascii().to_string();
            assert_eq!(parse(*given, 64).as_ref(), Err(expected), "given {given_text:?}");
        }
        let long = format!("MSG {}", "x".repeat(65));
        let expected = ParseError::Text(TextError::TooLong { bytes: 65, max_bytes: 64 });
        assert_eq!(parse(long.as_bytes(), 64), Err(expected));
    }

    #[test]
    fn every_verb_of_the_table_is_parsed() {
        for verb in VERBS {
            let line = match verb.argument {
                Argument::None => verb.word.to_owned(),
                Argument::Name | Argument::Text => format!("{} x", verb.word),
            };
            assert!(matches!(parse(line.as_bytes(), 64), Ok(Some(_))), "{line}");
        }
    }

    fn name() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9א-ת一-十_.-]{1,32}".prop_filter("a name", |name| Username::new(name).is_ok())
    }

    /// A text that a line carries whole: what the white space around it would lose is not in it.
    fn text() -> impl Strategy<Value = String> {
        "\\PC{1,80}"
            .prop_filter("no white space at its end", |text| !text.trim_end().is_empty() && text.trim_end() == text)
    }

    fn command() -> impl Strategy<Value = Command<'static>> {
        prop_oneof![
            name().prop_map(|name| register(&name)),
            name().prop_map(|name| Command::Connect { to: name.into() }),
            text().prop_map(|text| Command::Msg { text: Text::new(&text, 512).expect("a good text").into_owned() }),
            Just(Command::Disconnect),
            Just(Command::Ping),
            Just(Command::Who),
        ]
    }

    fn reply() -> impl Strategy<Value = Reply<'static>> {
        let code = proptest::sample::select(ErrorCode::ALL);
        prop_oneof![
            Just(Reply::Welcome),
            name().prop_map(|name| Reply::RegisterOk { name: name.into() }),
            name().prop_map(|name| Reply::ConnectOk { name: name.into() }),
            name().prop_map(|name| Reply::IncomingConnection { name: name.into() }),
            (name(), text()).prop_map(|(name, text)| Reply::From { name: name.into(), text: text.into() }),
            Just(Reply::MsgSent),
            Just(Reply::DisconnectOk),
            Just(Reply::PeerDisconnected),
            Just(Reply::Pong),
            proptest::collection::vec(name(), 0..5).prop_map(|names| Reply::Users { names: names.into() }),
            (code, proptest::option::of(text()))
                .prop_map(|(code, detail)| Reply::Error { code, detail: detail.map(Into::into) }),
        ]
    }

    proptest! {
        #[test]
        fn a_command_is_read_back_as_itself(command in command()) {
            let mut line = Vec::new();
            encode_command(&command, &mut line).expect("the dialect has words for it");
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert_eq!(parse(&line[..], 512), Ok(Some(command)));
        }

        #[test]
        fn a_reply_is_read_back_as_itself_from_line_and_from_json(reply in reply()) {
            let mut line = Vec::new();
            encode(&reply, &mut line);
            let line = String::from_utf8(line).expect("a line is UTF-8");
            let json = serde_json::to_string(&reply).expect("it serialises");
            prop_assert_eq!(parse_reply(line.trim_end_matches('\n')), Ok(reply.clone()));
            prop_assert_eq!(serde_json::from_str::<Reply<'_>>(&json).expect("it parses"), reply);
        }

        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line[..], 64);
            let _ = parse_reply(&String::from_utf8_lossy(&line));
        }
    }
}
