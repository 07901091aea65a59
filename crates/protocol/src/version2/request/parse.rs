//! Parses the lines of a client in version 2. (`protocol.md` §13.4)

use std::borrow::Cow;

use super::{Command, Credential, FOREVER, Position, Proof, REASON_MAX_BYTES, Redaction, Request, Target};
use crate::dialect::commands;
use crate::error_code::ErrorCode;
use crate::parse_error::ParseError;
use crate::received_bytes::RawLine;
use crate::text::{Text, TextError, checked_line};
use crate::username::UsernameError;
use crate::version2::device_name::DeviceName;
use crate::version2::number::parse_number;
use crate::version2::period::Period;
use crate::version2::secret::{SECRET_MAX_BYTES, Secret};
use crate::version2::tags::{InvalidTag, request_number, split_tags, split_word};
use crate::version2::verbs::find_verb;

/// The request for a version above 1. It is the first line of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hello {
    /// The highest version that the client speaks: 2 or higher. The server answers with the highest that both speak.
    pub version: u64,
}

/// Recognizes `HELLO` and a version above 1, on the first line of a session. Ignores words that follow the version.
/// Everything else belongs to version 1, in which `HELLO` is an unknown command.
#[must_use]
pub fn hello<'a>(line: impl Into<RawLine<'a>>) -> Option<Hello> {
    let line = checked_line(line.into()).ok()?;
    let (word, rest) = line.split_once(' ')?;
    let version = rest.trim_start_matches(' ').split(' ').next()?;
    let version = parse_number(version).filter(|&version| version > 1)?;
    word.eq_ignore_ascii_case("HELLO").then_some(Hello { version })
}

/// Why a line is not a valid request, and what its `ERROR` line repeats. The session goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct RequestError<'a> {
    /// The number of the request.
    pub n: Option<u64>,
    /// The target of the request, as the client wrote it.
    pub target: Option<&'a str>,
    /// The reason.
    pub reason: InvalidRequest,
}

/// Why a line is not a valid request. The message is for the user who wrote the line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidRequest {
    /// For a reason that version 1 has, too. [`ParseError::UnknownCommand`] is not among them.
    #[error(transparent)]
    Version1(ParseError),
    /// The first word is not a verb, or a verb of version 1 that takes no argument has one.
    #[error("no such command: use WHO, ROOMS or CONVERSATIONS to list users, rooms or your conversations")]
    UnknownCommand,
    /// The tags are invalid.
    #[error(transparent)]
    Tag(#[from] InvalidTag),
    /// An argument is not as the verb needs it, or there is one too many.
    #[error("{verb} needs {needs}")]
    Argument {
        /// The verb in capitals.
        verb: &'static str,
        /// A description of the valid argument, such as `a number`.
        needs: &'static str,
    },
    /// The secret is too long.
    #[error("a secret has at most {SECRET_MAX_BYTES} bytes")]
    SecretTooLong,
}

impl InvalidRequest {
    /// The code of the `ERROR` line that reports this error.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Version1(error) => error.code(),
            Self::UnknownCommand => ErrorCode::UnknownCommand,
            Self::Tag(_) => ErrorCode::InvalidTag,
            Self::Argument { .. } => ErrorCode::InvalidArgument,
            Self::SecretTooLong => ErrorCode::TextTooLong,
        }
    }
}

impl From<ParseError> for InvalidRequest {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::UnknownCommand => Self::UnknownCommand,
            other => Self::Version1(other),
        }
    }
}

impl From<TextError> for InvalidRequest {
    fn from(error: TextError) -> Self {
        Self::Version1(error.into())
    }
}

impl From<UsernameError> for InvalidRequest {
    fn from(error: UsernameError) -> Self {
        Self::Version1(error.into())
    }
}

/// Parses one line without its LF. A blank line gives `Ok(None)`.
///
/// ```
/// use switchboard_protocol::Text;
/// use switchboard_protocol::version2::{Command, Request, Target, parse};
///
/// let say = Command::Say { target: Target::Room("#lab".into()), text: Text::new("hello", 3840)? };
/// assert_eq!(parse(b"@n=41 SAY #lab hello", 3840), Ok(Some(Request { n: Some(41), command: say })));
/// # Ok::<(), switchboard_protocol::TextError>(())
/// ```
pub fn parse<'a>(line: impl Into<RawLine<'a>>, text_max_bytes: usize) -> Result<Option<Request<'a>>, RequestError<'a>> {
    let raw = line.into();
    let line = checked_line(raw).map_err(|error| {
        // The client needs the number for its answer, so look for it in the valid part of the line.
        let (n, line) = split_number(valid_start(raw.as_bytes())).unwrap_or((None, ""));
        RequestError { n, target: target_word(line), reason: error.into() }
    })?;
    if line.is_empty() {
        return Ok(None);
    }
    let (n, line) = split_number(line).map_err(|error| {
        let (_, line) = split_tags(line);
        RequestError { n: None, target: target_word(line.trim_start_matches(' ')), reason: error.into() }
    })?;
    match parse_command(line, text_max_bytes) {
        Ok(command) => Ok(Some(Request { n, command })),
        Err(reason) => Err(RequestError { n, target: target_word(line), reason }),
    }
}

/// Splits a line into its number and the rest after the tags.
#[inline]
fn split_number(line: &str) -> Result<(Option<u64>, &str), InvalidTag> {
    match split_tags(line) {
        (None, line) => Ok((None, line)),
        (Some(tags), line) => Ok((request_number(tags)?, line.trim_start_matches(' '))),
    }
}

/// The complete words at the start of a line that are valid text, without white space before them.
fn valid_start(line: &[u8]) -> &str {
    let utf8 = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&line[..error.valid_up_to()]).unwrap_or_default(),
    };
    let text = utf8.trim_start();
    let text = text.split(|c: char| c.is_control() && c != '\t').next().unwrap_or_default();
    &text[..text.rfind(' ').map_or(0, |space| space + 1)]
}

/// The target in a line without tags, if its verb has one and a space ends it.
fn target_word(line: &str) -> Option<&str> {
    let (word, rest) = line.split_once(' ')?;
    let has_target = find_verb(word)?.has_target() && !word.eq_ignore_ascii_case("CONNECT");
    let target = rest.trim_start_matches(' ').split(' ').next()?;
    (has_target && !target.is_empty()).then_some(target)
}

/// Parses a line without tags.
fn parse_command(line: &str, text_max_bytes: usize) -> Result<Command<'_>, InvalidRequest> {
    // Fast path: most lines are messages. `| 0x20` turns a letter into lower case and leaves a space unchanged.
    if let Some(verb) = line.as_bytes().first_chunk::<4>()
        && verb.map(|byte| byte | 0x20) == *b"say "
    {
        return parse_say(&line[verb.len()..], text_max_bytes);
    }
    let (word, rest) = split_word(line);
    let rest = rest.unwrap_or_default();
    let verb = find_verb(word).ok_or(InvalidRequest::UnknownCommand)?;
    let mut arguments = Arguments { verb: verb.word, rest };
    let arguments = &mut arguments;
    let command = match verb.word {
        "SAY" => return parse_say(rest, text_max_bytes),
        "CLAIM" => Command::Claim { credential: arguments.credential()? },
        "LOGIN" => Command::Login {
            name: arguments.word("a name")?.into(),
            device: DeviceName::new(arguments.word("the name of a device")?)?,
            proof: arguments.proof()?,
        },
        "PROVE" => Command::Prove { signature: arguments.word("a signature")?.into() },
        "TOKEN" => Command::Token,
        "PASSWD" => Command::Passwd { credential: arguments.credential()? },
        "DEVICES" => Command::Devices,
        "REVOKE" => Command::Revoke { device: arguments.word("the name of a device")?.into() },
        "UNCLAIM" => Command::Unclaim,
        "JOIN" => Command::Join { target: arguments.target()?, invitation: arguments.invitation()? },
        "LEAVE" => Command::Leave { target: arguments.target()? },
        "TOPIC" => Command::Topic { target: arguments.target()?, text: arguments.text(text_max_bytes)? },
        "INVITE" => {
            Command::Invite { target: arguments.target()?, who: arguments.person()?, period: arguments.period()? }
        }
        "LINK" => {
            let target = arguments.target()?;
            let (period, uses) = arguments.link_limits()?;
            Command::Link { target, period, uses }
        }
        "UNLINK" => Command::Unlink { target: arguments.target()?, invitation: arguments.invitation()? },
        "KICK" => match arguments.room_or_server()? {
            Some(target) => Command::Kick { target, who: arguments.person()? },
            None => Command::ServerKick { who: arguments.person()?, reason: arguments.reason(text_max_bytes)? },
        },
        "BAN" => match arguments.room_or_server()? {
            Some(target) => Command::Ban { target, who: arguments.person()? },
            None => Command::ServerBan {
                who: arguments.person()?,
                period: arguments.period_before_reason(),
                reason: arguments.reason(text_max_bytes)?,
            },
        },
        "UNBAN" => match arguments.room_or_server()? {
            Some(target) => Command::Unban { target, who: arguments.person()? },
            None => Command::ServerUnban { who: arguments.person()? },
        },
        "REPORT" => Command::Report {
            target: arguments.target()?,
            seq: arguments.number()?,
            reason: arguments.reason(text_max_bytes)?,
        },
        "MUTE" => Command::Mute { target: arguments.target()?, who: arguments.person()?, period: arguments.period()? },
        "UNMUTE" => Command::Unmute { target: arguments.target()?, who: arguments.person()? },
        "REDACT" => Command::Redact { target: arguments.target()?, what: arguments.redaction()? },
        "OPEN" => Command::Open { target: arguments.target()?, position: arguments.position()? },
        "CLOSE" => Command::Close { target: arguments.target()? },
        "HISTORY" => {
            Command::History { target: arguments.target()?, before: arguments.number()?, count: arguments.number()? }
        }
        "CONVERSATIONS" => Command::Conversations,
        "READ" => Command::Read { target: arguments.target()?, seq: arguments.number()? },
        "READERS" => Command::Readers { target: arguments.target()?, seq: arguments.number()? },
        "SEARCH" => Command::Search {
            target: match arguments.word("a conversation or *")? {
                "*" => None,
                word => Some(Target::new(word)),
            },
            words: arguments.required_text("words", text_max_bytes)?,
        },
        "ROOMS" => Command::Rooms,
        "MEMBERS" => Command::Members { target: arguments.target()? },
        "ROOM" => Command::Room {
            target: arguments.target()?,
            setting: arguments.word("a setting")?.into(),
            value: arguments.required_text("a value", text_max_bytes)?,
        },
        "BLOCK" => Command::Block { who: arguments.person()? },
        "UNBLOCK" => Command::Unblock { who: arguments.person()? },
        "WATCH" => Command::Watch,
        "UNWATCH" => Command::Unwatch,
        "WIRE" => Command::Wire,
        _ => {
            let command = commands::parse_checked(line, text_max_bytes)?;
            return command.map(Command::Version1).ok_or(InvalidRequest::UnknownCommand);
        }
    };
    if arguments.rest.is_empty() {
        Ok(command)
    } else {
        Err(InvalidRequest::Argument { verb: verb.word, needs: "no further argument" })
    }
}

/// Parses the arguments of `SAY`.
#[inline]
fn parse_say(arguments: &str, text_max_bytes: usize) -> Result<Command<'_>, InvalidRequest> {
    let mut arguments = Arguments { verb: "SAY", rest: arguments };
    Ok(Command::Say { target: arguments.target()?, text: arguments.required_text("a text", text_max_bytes)? })
}

/// The part of a line that is not parsed yet.
struct Arguments<'a> {
    verb: &'static str,
    rest: &'a str,
}

impl<'a> Arguments<'a> {
    /// Takes the next word and the space after it. More spaces may precede it.
    #[inline]
    fn word(&mut self, needs: &'static str) -> Result<&'a str, InvalidRequest> {
        let (word, rest) = split_word(self.rest.trim_start_matches(' '));
        self.rest = rest.unwrap_or_default();
        if word.is_empty() { Err(self.missing(needs)) } else { Ok(word) }
    }

    fn missing(&self, needs: &'static str) -> InvalidRequest {
        InvalidRequest::Version1(ParseError::MissingArgument { verb: self.verb, needs })
    }

    fn target(&mut self) -> Result<Target<'a>, InvalidRequest> {
        Ok(Target::new(self.word("a conversation")?))
    }

    fn person(&mut self) -> Result<Target<'a>, InvalidRequest> {
        Ok(Target::new(self.word("a name")?))
    }

    /// Takes a room, or `*` for the whole server.
    fn room_or_server(&mut self) -> Result<Option<Target<'a>>, InvalidRequest> {
        Ok(match self.word("a room or *")? {
            "*" => None,
            word => Some(Target::new(word)),
        })
    }

    fn number(&mut self) -> Result<u64, InvalidRequest> {
        let word = self.word("a number")?;
        parse_number(word).ok_or(InvalidRequest::Argument { verb: self.verb, needs: "a number" })
    }

    /// Takes the rest of the line as a text, which may be empty.
    fn text(&mut self, max_bytes: usize) -> Result<Text<'a>, InvalidRequest> {
        Ok(Text::from_checked(std::mem::take(&mut self.rest), max_bytes)?)
    }

    /// Takes the rest of the line as a reason, which may be empty.
    fn reason(&mut self, text_max_bytes: usize) -> Result<Text<'a>, InvalidRequest> {
        self.text(text_max_bytes.min(REASON_MAX_BYTES))
    }

    /// Takes a period that a reason may follow, or the word `forever`. Both may be absent.
    fn period_before_reason(&mut self) -> Option<Period> {
        let (word, rest) = split_word(self.rest.trim_start_matches(' '));
        let period = Period::parse(word);
        if period.is_some() || word == FOREVER {
            self.rest = rest.unwrap_or_default();
        }
        period
    }

    #[inline]
    fn required_text(&mut self, needs: &'static str, max_bytes: usize) -> Result<Text<'a>, InvalidRequest> {
        if self.rest.is_empty() { Err(self.missing(needs)) } else { self.text(max_bytes) }
    }

    fn secret(&mut self, needs: &'static str) -> Result<Secret, InvalidRequest> {
        match std::mem::take(&mut self.rest) {
            "" => Err(self.missing(needs)),
            secret if secret.len() > SECRET_MAX_BYTES => Err(InvalidRequest::SecretTooLong),
            secret => Ok(Secret::new(secret)),
        }
    }

    /// Takes a public key as it is in a `.pub` file: its type, its Base64, and a comment, which is ignored.
    fn public_key(&mut self) -> Result<Cow<'a, str>, InvalidRequest> {
        if self.word("'ssh-ed25519' and a public key")? != "ssh-ed25519" {
            return Err(InvalidRequest::Argument { verb: self.verb, needs: "a key of the type ssh-ed25519" });
        }
        let key = self.word("the public key in Base64")?;
        self.rest = "";
        Ok(key.into())
    }

    fn credential(&mut self) -> Result<Credential<'a>, InvalidRequest> {
        match self.word("'password' and a password, or 'key' and a public key")? {
            kind if kind.eq_ignore_ascii_case("password") => Ok(Credential::Password(self.secret("a password")?)),
            kind if kind.eq_ignore_ascii_case("key") => Ok(Credential::Key(self.public_key()?)),
            _ => Err(InvalidRequest::Argument { verb: self.verb, needs: "the word 'password' or 'key'" }),
        }
    }

    fn proof(&mut self) -> Result<Proof<'a>, InvalidRequest> {
        match self.word("'password', 'token' or 'key', and what belongs to it")? {
            kind if kind.eq_ignore_ascii_case("password") => Ok(Proof::Password(self.secret("a password")?)),
            kind if kind.eq_ignore_ascii_case("token") => Ok(Proof::Token(self.secret("a token")?)),
            kind if kind.eq_ignore_ascii_case("key") => Ok(Proof::Key(self.public_key()?)),
            _ => Err(InvalidRequest::Argument { verb: self.verb, needs: "the word 'password', 'token' or 'key'" }),
        }
    }

    fn position(&mut self) -> Result<Option<Position<'a>>, InvalidRequest> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let epoch = self.word("an epoch")?;
        Ok(Some(Position { epoch: epoch.into(), after: self.number()? }))
    }

    /// Takes a period, which may be absent.
    fn period(&mut self) -> Result<Option<Period>, InvalidRequest> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let period = Period::parse(self.word("a time")?);
        let needs = "a time such as 30s, 10m, 2h or 1d, or none";
        period.map(Some).ok_or(InvalidRequest::Argument { verb: self.verb, needs })
    }

    /// Takes the word of a join link, which may be absent.
    fn invitation(&mut self) -> Result<Option<Secret>, InvalidRequest> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let word = self.word("the word of a link")?;
        if word.len() > SECRET_MAX_BYTES { Err(InvalidRequest::SecretTooLong) } else { Ok(Some(Secret::new(word))) }
    }

    /// Takes a period and a number of uses. Each of them may be absent.
    fn link_limits(&mut self) -> Result<(Option<Period>, Option<u64>), InvalidRequest> {
        let (word, rest) = split_word(self.rest.trim_start_matches(' '));
        let period = Period::parse(word);
        if period.is_some() {
            self.rest = rest.unwrap_or_default();
        }
        if self.rest.is_empty() {
            return Ok((period, None));
        }
        let uses = parse_number(self.word("a number")?).filter(|&uses| uses > 0);
        let needs = "a time such as 2d, a number of uses, or both";
        uses.map(|uses| (period, Some(uses))).ok_or(InvalidRequest::Argument { verb: self.verb, needs })
    }

    fn redaction(&mut self) -> Result<Redaction<'a>, InvalidRequest> {
        let word = self.word("the number of a record, or a name")?;
        Ok(match parse_number(word) {
            Some(seq) => Redaction::Record(seq),
            None => Redaction::Author(Target::new(word)),
        })
    }
}
