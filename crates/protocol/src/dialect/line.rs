//! The line dialect: a name on the first line, then `name: message` per line. (`protocol.md` §5)

use std::borrow::Cow;

use crate::command::Command;
use crate::dialect::AfterReply;
use crate::error_code::ErrorCode;
use crate::parse_error::ParseError;
use crate::received_bytes::RawLine;
use crate::reply::Reply;
use crate::text::{Text, checked_line};
use crate::username::{Username, UsernameError};

/// Parses the first line of a session, without its LF, as a username.
pub fn parse_name<'a>(line: impl Into<RawLine<'a>>) -> Result<Command<'static>, ParseError> {
    let name = checked_line(line.into())?;
    // A colon is reported before other errors: the user probably sent `name: message` without a name first.
    if let Some(at) = name.chars().position(|c| c == ':') {
        return Err(UsernameError::Forbidden { found: ':', at: at + 1 }.into());
    }
    Ok(Command::Register { name: Username::new(name)? })
}

/// Parses a line after the first, without its LF. A blank line gives `Ok(None)`.
///
/// ```
/// use switchboard_protocol::{Command, Text, line};
///
/// let hey = Text::new("Hey, how are you?", 3840)?;
/// assert_eq!(
///     line::parse(b"User2: Hey, how are you?", 3840),
///     Ok(Some(Command::Tell { to: "User2".into(), text: hey })),
/// );
/// # Ok::<(), switchboard_protocol::TextError>(())
/// ```
pub fn parse<'a>(line: impl Into<RawLine<'a>>, text_max_bytes: usize) -> Result<Option<Command<'a>>, ParseError> {
    let line = checked_line(line.into())?;
    if line.is_empty() {
        return Ok(None);
    }
    let (to, text) = line.split_once(':').ok_or(ParseError::MissingColon)?;
    let to = to.trim();
    if to.is_empty() {
        return Err(ParseError::MissingTarget);
    }
    let text = Text::from_checked(text.trim_start(), text_max_bytes)?;
    Ok(Some(Command::Tell { to: Cow::Borrowed(to), text }))
}

/// Appends `reply` as one line with its LF, or nothing if this dialect does not have the reply.
pub fn encode(reply: &Reply<'_>, out: &mut Vec<u8>) -> AfterReply {
    match reply {
        Reply::From { name, text } => append_line(out, &["[", name, "] ", text]),
        Reply::RegisterOk { name } => append_line(out, &["Welcome ", name, "! You can now chat."]),
        Reply::Error { code, detail } => return encode_code(*code, detail.as_deref(), out),
        Reply::Welcome
        | Reply::ConnectOk { .. }
        | Reply::IncomingConnection { .. }
        | Reply::MsgSent
        | Reply::DisconnectOk
        | Reply::PeerDisconnected
        | Reply::Pong
        | Reply::Users { .. } => {}
    }
    AfterReply::KeepOpen
}

/// Appends the reply to an invalid first line. The session closes after it.
pub fn encode_name_error(error: &ParseError, out: &mut Vec<u8>) -> AfterReply {
    let has_colon = matches!(error, ParseError::Name(UsernameError::Forbidden { found: ':', .. }));
    append_line(
        out,
        &[if has_colon {
            "Invalid username. Usernames cannot contain colons."
        } else {
            "Invalid username. Connection closing."
        }],
    );
    AfterReply::Close
}

/// Appends the sentence of an error, or its `detail` if it has one.
fn encode_code(code: ErrorCode, detail: Option<&str>, out: &mut Vec<u8>) -> AfterReply {
    let sentence = match code {
        ErrorCode::NameTaken => {
            append_line(out, &["Username already taken. Connection closing."]);
            return AfterReply::Close;
        }
        ErrorCode::InvalidName => {
            append_line(out, &["Invalid username. Connection closing."]);
            return AfterReply::Close;
        }
        ErrorCode::UserNotFound => "User not found.",
        ErrorCode::SelfConnect => "You cannot send messages to yourself.",
        ErrorCode::InvalidFormat => "Invalid format. Use: username: message",
        ErrorCode::InvalidTarget => "Invalid target. Use: username: message",
        ErrorCode::UnknownCommand
        | ErrorCode::MissingArgument
        | ErrorCode::LineTooLong
        | ErrorCode::TextTooLong
        | ErrorCode::InvalidText
        | ErrorCode::AlreadyRegistered
        | ErrorCode::NotRegistered
        | ErrorCode::UserBusy
        | ErrorCode::NotConnected
        | ErrorCode::WrongProtocol
        | ErrorCode::RegisterTimeout
        | ErrorCode::ServerFull
        | ErrorCode::TooManySessions
        | ErrorCode::ServerShutdown
        | ErrorCode::Kicked
        | ErrorCode::Banned
        | ErrorCode::InvalidTag
        | ErrorCode::InvalidArgument
        | ErrorCode::InvalidRoom
        | ErrorCode::NotLoggedIn
        | ErrorCode::AlreadyLoggedIn
        | ErrorCode::LoginFailed
        | ErrorCode::NotSecure
        | ErrorCode::Displaced
        | ErrorCode::Revoked
        | ErrorCode::DeviceNotFound
        | ErrorCode::RoomNotFound
        | ErrorCode::NotAMember
        | ErrorCode::NotAllowed
        | ErrorCode::Muted
        | ErrorCode::TooSoon
        | ErrorCode::NotOpen
        | ErrorCode::RecordNotFound
        | ErrorCode::Stale
        | ErrorCode::Unavailable
        | ErrorCode::TryLater
        | ErrorCode::StoreFull
        | ErrorCode::QuotaFull
        | ErrorCode::TooManyAccounts
        | ErrorCode::TooManyDevices
        | ErrorCode::TooManyRooms
        | ErrorCode::RoomFull
        | ErrorCode::TooManyOpen
        | ErrorCode::TooManyWatchers
        | ErrorCode::TooManyBlocked
        | ErrorCode::TooManyBans
        | ErrorCode::NotSupported => code.sentence(),
    };
    match (code, detail) {
        // The words of the operator alone would not say that the session ends.
        (ErrorCode::Kicked, Some(reason)) => append_line(out, &["The operator has closed this session: ", reason]),
        (ErrorCode::Banned, Some(reason)) => append_line(out, &["You are banned from this server: ", reason]),
        _ => append_line(out, &[detail.unwrap_or(sentence)]),
    }
    AfterReply::KeepOpen
}

fn append_line(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TextError;

    #[test]
    fn lines_after_the_first_parse_as_messages() {
        let tell = |to: &'static str, text: &'static str| {
            Ok(Some(Command::Tell { to: to.into(), text: Text::new(text, 64).expect("a valid text") }))
        };
        let cases: [(&[u8], _); 9] = [
            (b"User2: Hey, how are you?", tell("User2", "Hey, how are you?")),
            (b"User2:   two  spaces : colon ", tell("User2", "two  spaces : colon")),
            (b"  User2 :hi\r", tell("User2", "hi")),
            (b"User2:", tell("User2", "")),
            (b"", Ok(None)),
            (b"  \r", Ok(None)),
            (b"no colon", Err(ParseError::MissingColon)),
            (b": hi", Err(ParseError::MissingTarget)),
            (b"User2: \x07", Err(ParseError::Text(TextError::Control { found: '\u{7}', at: 8 }))),
        ];
        for (given, expected) in cases {
            assert_eq!(parse(given, 64), expected, "given {:?}", given.escape_ascii().to_string());
        }
    }

    #[test]
    fn an_invalid_first_line_gets_a_reply_and_closes_the_session() {
        let cases: &[(&[u8], &str)] = &[
            (b"Us:er", "Invalid username. Usernames cannot contain colons.\n"),
            (b"User 1: hello", "Invalid username. Usernames cannot contain colons.\n"),
            (b"#a,b:c", "Invalid username. Usernames cannot contain colons.\n"),
            (b"", "Invalid username. Connection closing.\n"),
            (b"  \r", "Invalid username. Connection closing.\n"),
            (b"two words", "Invalid username. Connection closing.\n"),
            (b"\xff", "Invalid username. Connection closing.\n"),
        ];
        for (given, expected) in cases {
            let error = parse_name(*given).expect_err("the name is invalid");
            let mut out = Vec::new();
            assert_eq!(encode_name_error(&error, &mut out), AfterReply::Close);
            assert_eq!(String::from_utf8_lossy(&out), *expected, "given {:?}", given.escape_ascii().to_string());
        }
    }
}
