//! Parses a line typed by the user.

use switchboard_protocol::commands::{Argument, VERBS, Verb};

/// A parsed line of user input.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum UserLine<'a> {
    Blank,
    /// A command to send to the server unchanged.
    Command(&'a str),
    /// A message to send to the chat.
    Message(&'a str),
    /// A message for the user `name`: `/msg NAME TEXT`. It is sent only if this user is the peer.
    DirectMessage {
        name: &'a str,
        text: &'a str,
    },
    /// `/msg` without a text or a name.
    MissingText,
    Help,
    Quit,
    /// An unknown command after a slash. The value has no slash.
    UnknownSlash(&'a str),
}

/// The slash commands that the client executes itself, each with a description.
pub(crate) const LOCAL_COMMANDS: [(&str, &str); 2] = [("/help", "show this list"), ("/quit", "leave (so does Ctrl-D)")];

impl<'a> UserLine<'a> {
    /// Parses a line. In a chat, a verb with an argument of the wrong form (`who are you?`) is a message. A line that
    /// begins with `//` is a message that begins with `/`.
    pub(crate) fn parse(line: &'a str, in_chat: bool) -> Self {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            return Self::Blank;
        }
        if let Some(after_slash) = trimmed.strip_prefix('/') {
            let is_message = after_slash.starts_with('/');
            return if is_message { Self::Message(after_slash) } else { Self::parse_slash_command(after_slash) };
        }
        match split_verb(trimmed) {
            Some((verb, argument)) if !in_chat || argument_fits(verb, argument) => Self::Command(trimmed),
            _ => Self::Message(line),
        }
    }

    /// Parses a line of pasted text: a message, even if it looks like a command.
    pub(crate) fn pasted(line: &'a str) -> Self {
        if line.trim().is_empty() { Self::Blank } else { Self::Message(line) }
    }

    /// Whether the line acts on the current chat.
    pub(crate) fn depends_on_chat(&self) -> bool {
        match self {
            Self::Message(_) | Self::DirectMessage { .. } => true,
            Self::Command(command) => {
                split_verb(command).is_some_and(|(verb, _)| matches!(verb.word, "MSG" | "DISCONNECT"))
            }
            Self::Blank | Self::MissingText | Self::Help | Self::Quit | Self::UnknownSlash(_) => false,
        }
    }

    fn parse_slash_command(command: &'a str) -> Self {
        let (word, argument) = command.split_once(' ').unwrap_or((command, ""));
        if word.eq_ignore_ascii_case("msg") {
            return match argument.trim_start().split_once(char::is_whitespace) {
                Some((name, text)) => Self::DirectMessage { name, text },
                None => Self::MissingText,
            };
        }
        match command {
            _ if command.eq_ignore_ascii_case("help") => Self::Help,
            _ if command.eq_ignore_ascii_case("quit") => Self::Quit,
            _ if split_verb(command).is_some() => Self::Command(command),
            _ => Self::UnknownSlash(command),
        }
    }
}

/// Splits `line` into its verb and its argument. Returns `None` if `line` does not begin with a verb.
fn split_verb(line: &str) -> Option<(&'static Verb, Option<&str>)> {
    let (word, argument) = match line.split_once(' ') {
        Some((word, argument)) => (word, Some(argument)),
        None => (line, None),
    };
    let verb = VERBS.iter().find(|verb| verb.word.eq_ignore_ascii_case(word))?;
    Some((verb, argument))
}

/// Whether `argument` has the form that `verb` requires.
fn argument_fits(verb: &Verb, argument: Option<&str>) -> bool {
    match verb.argument {
        Argument::None => argument.is_none(),
        Argument::Name => argument.is_none_or(|name| !name.trim().contains(char::is_whitespace)),
        Argument::Text => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_or_a_message() {
        use UserLine::{Blank, Command, DirectMessage, Help, Message, MissingText, Quit, UnknownSlash};
        let direct = |name, text| DirectMessage { name, text };
        let cases = [
            // Each row: the typed line, its meaning outside of a chat, and its meaning in a chat.
            ("", Blank, Blank),
            ("  \t", Blank, Blank),
            ("WHO", Command("WHO"), Command("WHO")),
            (" who ", Command("who"), Command("who")),
            ("who are you?", Command("who are you?"), Message("who are you?")),
            ("connect Elias", Command("connect Elias"), Command("connect Elias")),
            ("connect with me", Command("connect with me"), Message("connect with me")),
            ("CONNECT", Command("CONNECT"), Command("CONNECT")),
            ("msg hi there", Command("msg hi there"), Command("msg hi there")),
            ("MSG   two", Command("MSG   two"), Command("MSG   two")),
            ("hello", Message("hello"), Message("hello")),
            ("  indented", Message("  indented"), Message("  indented")),
            ("/help", Help, Help),
            ("/QUIT ", Quit, Quit),
            ("/who", Command("who"), Command("who")),
            ("/msg Noy", MissingText, MissingText),
            ("/msg", MissingText, MissingText),
            ("/msg Noy hi there", direct("Noy", "hi there"), direct("Noy", "hi there")),
            ("/dance", UnknownSlash("dance"), UnknownSlash("dance")),
            ("//etc", Message("/etc"), Message("/etc")),
        ];
        for (given, outside_chat, in_chat) in cases {
            let pasted = if given.trim().is_empty() { Blank } else { Message(given) };
            assert_eq!(UserLine::pasted(given), pasted, "pasted {given:?}");
            assert_eq!(UserLine::parse(given, false), outside_chat, "given {given:?} outside of a chat");
            assert_eq!(UserLine::parse(given, true), in_chat, "given {given:?} in a chat");
        }
    }

    #[test]
    fn messages_and_disconnect_depend_on_the_chat() {
        let cases = [
            ("hello", true),
            ("MSG hello", true),
            ("/msg Noy hello", true),
            ("disconnect", true),
            ("/disconnect", true),
            ("CONNECT Noy", false),
            ("REGISTER Noy", false),
            ("WHO", false),
            ("/quit", false),
            ("", false),
        ];
        for (given, expected) in cases {
            assert_eq!(UserLine::parse(given, true).depends_on_chat(), expected, "given {given:?}");
        }
    }
}
