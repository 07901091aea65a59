//! The commands dialect: one verb with its argument per line. (`protocol.md` §4)

use std::borrow::Cow;

use crate::command::Command;
use crate::parse_error::ParseError;
use crate::received_bytes::RawLine;
use crate::reply::{Reply, Users};
use crate::text::{Text, checked_line};
use crate::username::Username;

/// The kind of argument that follows a verb.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Argument {
    /// No argument.
    None,
    /// A username.
    Name,
    /// A message text, up to the end of the line.
    Text,
}

/// A verb of this dialect. Clients build their help, completion and input parsing from the table [`VERBS`].
///
/// [`parse`] is handwritten for speed. A test checks that it knows all verbs of the table.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// The word in capitals. The parser ignores case.
    pub word: &'static str,
    /// The kind of its argument.
    pub argument: Argument,
    /// A short description for help texts.
    pub about: &'static str,
}

/// All verbs, in the order in which a new user needs them.
pub const VERBS: [Verb; 6] = [
    Verb { word: "REGISTER", argument: Argument::Name, about: "take a name" },
    Verb { word: "WHO", argument: Argument::None, about: "list who is registered" },
    Verb { word: "CONNECT", argument: Argument::Name, about: "open a chat with somebody" },
    Verb { word: "MSG", argument: Argument::Text, about: "say something to your chat" },
    Verb { word: "DISCONNECT", argument: Argument::None, about: "leave the chat" },
    Verb { word: "PING", argument: Argument::None, about: "ask whether the server is there" },
];

/// Parses one line without its LF. A blank line gives `Ok(None)`.
///
/// ```
/// use switchboard_protocol::{Command, commands};
///
/// assert_eq!(commands::parse(b"ping\r", 3840), Ok(Some(Command::Ping)));
/// ```
pub fn parse<'a>(line: impl Into<RawLine<'a>>, text_max_bytes: usize) -> Result<Option<Command<'a>>, ParseError> {
    parse_checked(checked_line(line.into())?, text_max_bytes)
}

/// Parses a line without its LF and without white space around it, whose characters are checked.
#[inline]
pub(crate) fn parse_checked(line: &str, text_max_bytes: usize) -> Result<Option<Command<'_>>, ParseError> {
    // Fast path: most lines are messages. `| 0x20` turns a letter into lower case and leaves a space unchanged.
    if let Some(verb) = line.as_bytes().first_chunk::<4>()
        && verb.map(|byte| byte | 0x20) == *b"msg "
    {
        return Ok(Some(Command::Msg { text: Text::from_checked(&line[verb.len()..], text_max_bytes)? }));
    }
    // A verb is short, so a byte loop is faster than memchr, which takes longer to start.
    let (word, argument) = match line.bytes().position(|byte| byte == b' ') {
        Some(end) => (&line[..end], Some(&line[end + 1..])),
        None => (line, None),
    };
    let required_name = |verb| match argument.map(str::trim) {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(ParseError::MissingArgument { verb, needs: "a name" }),
    };
    let is_verb = |verb: &str| word.eq_ignore_ascii_case(verb);
    let command = if is_verb("MSG") {
        return Err(ParseError::MissingArgument { verb: "MSG", needs: "a text" });
    } else if is_verb("CONNECT") {
        Command::Connect { to: Cow::Borrowed(required_name("CONNECT")?) }
    } else if is_verb("REGISTER") {
        Command::Register { name: Username::new(required_name("REGISTER")?)? }
    } else if argument.is_some() {
        // None of the verbs below takes an argument.
        return Err(ParseError::UnknownCommand);
    } else if is_verb("PING") {
        Command::Ping
    } else if is_verb("WHO") {
        Command::Who
    } else if is_verb("DISCONNECT") {
        Command::Disconnect
    } else if word.is_empty() {
        return Ok(None);
    } else {
        return Err(ParseError::UnknownCommand);
    };
    Ok(Some(command))
}

/// Appends `command` as one line with its LF. Fails for [`Command::Tell`], which this dialect lacks.
pub fn encode_command(command: &Command<'_>, out: &mut Vec<u8>) -> Result<(), UnsupportedCommand> {
    match command {
        Command::Register { name } => append_line(out, ["REGISTER ", name.as_str()]),
        Command::Connect { to } => append_line(out, ["CONNECT ", to]),
        Command::Msg { text } => append_line(out, ["MSG ", text.as_str()]),
        Command::Tell { .. } => return Err(UnsupportedCommand),
        Command::Disconnect => append_line(out, ["DISCONNECT"]),
        Command::Ping => append_line(out, ["PING"]),
        Command::Who => append_line(out, ["WHO"]),
    }
    Ok(())
}

/// The commands dialect has no verb for this command ([`Command::Tell`]).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the commands dialect has no such command: send CONNECT, then MSG")]
pub struct UnsupportedCommand;

/// Appends `reply` as one line with its LF.
#[inline]
pub fn encode(reply: &Reply<'_>, out: &mut Vec<u8>) {
    match reply {
        Reply::From { name, text } => append_line(out, ["FROM ", name, ": ", text]),
        Reply::MsgSent => append_line(out, ["MSG_SENT"]),
        Reply::Welcome => append_line(out, ["WELCOME"]),
        Reply::RegisterOk { name } => append_line(out, ["REGISTER_OK ", name]),
        Reply::ConnectOk { name } => append_line(out, ["CONNECT_OK ", name]),
        Reply::IncomingConnection { name } => append_line(out, ["INCOMING_CONNECTION ", name]),
        Reply::DisconnectOk => append_line(out, ["DISCONNECT_OK"]),
        Reply::PeerDisconnected => append_line(out, ["PEER_DISCONNECTED"]),
        Reply::Pong => append_line(out, ["PONG"]),
        Reply::Users { names } => append_line(out, ["USERS ", names.as_comma_separated()]),
        Reply::Error { code, detail: None } => append_line(out, ["ERROR ", code.as_str()]),
        Reply::Error { code, detail: Some(detail) } => append_line(out, ["ERROR ", code.as_str(), " ", detail]),
    }
}

/// A line from the server is not a reply of this protocol version.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a reply of this version of the protocol")]
pub struct UnknownReply;

/// Parses one line from a server, without its LF. Names and texts stay unchecked, because the server may be another
/// program; the client sanitizes them before it displays them.
pub fn parse_reply(line: &str) -> Result<Reply<'_>, UnknownReply> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (word, argument) = match line.split_once(' ') {
        Some((word, argument)) => (word, Some(argument)),
        None => (line, None),
    };
    let reply = match (word, argument) {
        ("FROM", Some(name_and_text)) => {
            let (name, text) = name_and_text.split_once(": ").ok_or(UnknownReply)?;
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
        ("ERROR", Some(code_and_detail)) => {
            let (code, detail) = match code_and_detail.split_once(' ') {
                Some((code, detail)) => (code, Some(detail.into())),
                None => (code_and_detail, None),
            };
            Reply::Error { code: code.parse().map_err(|_| UnknownReply)?, detail }
        }
        _ => return Err(UnknownReply),
    };
    Ok(reply)
}

/// Appends the concatenated `parts` as one line with its LF.
#[expect(clippy::inline_always, reason = "once inlined, the compiler writes each constant part with one store")]
#[inline(always)]
fn append_line<const N: usize>(out: &mut Vec<u8>, parts: [&str; N]) {
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
        Command::Msg { text: Text::new(text, 64).expect("a valid text") }
    }

    fn register(name: &str) -> Command<'static> {
        Command::Register { name: Username::new(name).expect("a valid name") }
    }

    #[test]
    fn valid_lines_parse_as_commands() {
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
    fn invalid_lines_report_their_error() {
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
        let long_line = format!("MSG {}", "x".repeat(65));
        let expected = ParseError::Text(TextError::TooLong { bytes: 65, max_bytes: 64 });
        assert_eq!(parse(long_line.as_bytes(), 64), Err(expected));
    }

    #[test]
    fn every_verb_of_the_table_parses() {
        for verb in VERBS {
            let line = match verb.argument {
                Argument::None => verb.word.to_owned(),
                Argument::Name | Argument::Text => format!("{} x", verb.word),
            };
            assert!(matches!(parse(line.as_bytes(), 64), Ok(Some(_))), "{line}");
        }
    }

    #[test]
    fn texts_about_an_unknown_command_list_every_verb() {
        for text in [ErrorCode::UnknownCommand.sentence(), &ParseError::UnknownCommand.to_string()] {
            for verb in VERBS {
                assert!(text.contains(verb.word), "{text:?} lacks {}", verb.word);
            }
        }
    }

    fn name() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9א-ת一-十_.-]{1,32}".prop_filter("a valid name", |name| Username::new(name).is_ok())
    }

    /// A text that the parser returns unchanged: it is not blank, and ends without white space, which is trimmed.
    fn text() -> impl Strategy<Value = String> {
        "\\PC{1,80}"
            .prop_filter("no white space at its end", |text| !text.trim_end().is_empty() && text.trim_end() == text)
    }

    /// Any command of this dialect. Each variant of [`Command`] except `Tell` needs a line here.
    fn command() -> impl Strategy<Value = Command<'static>> {
        prop_oneof![
            name().prop_map(|name| register(&name)),
            name().prop_map(|name| Command::Connect { to: name.into() }),
            text().prop_map(|text| Command::Msg { text: Text::new(&text, 512).expect("a valid text").into_owned() }),
            Just(Command::Disconnect),
            Just(Command::Ping),
            Just(Command::Who),
        ]
    }

    /// Any reply. Each variant of [`Reply`] needs a line here.
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
        fn commands_round_trip(command in command()) {
            let mut line = Vec::new();
            encode_command(&command, &mut line).expect("the dialect has the command");
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert_eq!(parse(&line[..], 512), Ok(Some(command)));
        }

        #[test]
        fn replies_round_trip_through_line_and_json(reply in reply()) {
            let mut line = Vec::new();
            encode(&reply, &mut line);
            let line = String::from_utf8(line).expect("a line is UTF-8");
            let json = serde_json::to_string(&reply).expect("it serialises");
            prop_assert_eq!(parse_reply(line.trim_end_matches('\n')), Ok(reply.clone()));
            prop_assert_eq!(serde_json::from_str::<Reply<'_>>(&json).expect("it parses"), reply);
        }

        #[test]
        fn no_line_makes_a_parser_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line[..], 64);
            let _ = parse_reply(&String::from_utf8_lossy(&line));
        }
    }
}
