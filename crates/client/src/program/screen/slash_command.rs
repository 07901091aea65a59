//! The commands that begin with a slash.
//!
//! Each verb of the protocol is a command, and so is each command that users of IRC type. Names of both kinds are in
//! one table, with the text of `/help`.

use switchboard_protocol::version2::VERBS;

/// A command of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CommandInfo {
    /// The name and its other spellings, without the slash.
    pub(crate) names: &'static [&'static str],
    /// The arguments, as `/help` shows them.
    pub(crate) arguments: &'static str,
    pub(crate) about: &'static str,
    pub(crate) kind: CommandKind,
}

/// What a command does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CommandKind {
    Join,
    Part,
    Query,
    Message,
    Me,
    Names,
    Topic,
    Quit,
    Nick,
    Who,
    Rooms,
    Search,
    Connect,
    Disconnect,
    LogIn,
    Claim,
    Close,
    Help,
    Ping,
    Raw,
    /// A line of the protocol whose first argument is the present conversation.
    LineHere(&'static str),
    /// A setting of the present room, whose value is the argument.
    SettingHere(&'static str),
    /// A line of the protocol.
    Line(&'static str),
}

use CommandKind as Kind;

/// All commands, in the order of `/help`.
pub(crate) const COMMANDS: &[CommandInfo] = &[
    info(&["join", "j"], "#ROOM", "enter a room; it is made if it does not exist", Kind::Join),
    info(&["part", "leave"], "[#ROOM]", "leave a room: you are no member any more", Kind::Part),
    info(&["query", "q"], "NAME", "go to the conversation with a person", Kind::Query),
    info(&["msg", "m"], "NAME TEXT", "write to a person or a room, and stay here", Kind::Message),
    info(&["me"], "TEXT", "say what you do: * Noy waves", Kind::Me),
    info(&["names", "members"], "", "list the members of this room", Kind::Names),
    info(&["topic"], "[TEXT]", "show the topic of this room, or set it", Kind::Topic),
    info(&["who"], "", "list the users who are connected", Kind::Who),
    info(&["rooms", "list"], "", "list the rooms", Kind::Rooms),
    info(&["search", "grep"], "WORDS", "search this conversation", Kind::Search),
    info(&["connect"], "NAME", "open a chat with a person, or enter a room", Kind::Connect),
    info(&["disconnect"], "", "leave the chat with a guest", Kind::Disconnect),
    info(&["close"], "", "remove this conversation from the list", Kind::Close),
    info(&["nick", "register"], "NAME", "take another name, as a guest", Kind::Nick),
    info(&["login"], "NAME", "log in to your account; asks for the password", Kind::LogIn),
    info(&["claim"], "", "make an account of your name; asks for a password", Kind::Claim),
    info(&["invite"], "NAME [TIME]", "invite an account into this room, such as for 2d", Kind::LineHere("INVITE")),
    info(&["link"], "[TIME] [NUMBER]", "make a join link of this room, such as 2d 30", Kind::LineHere("LINK")),
    info(&["unlink"], "[WORD]", "end a join link of this room, or all", Kind::LineHere("UNLINK")),
    info(&["kick"], "NAME", "remove a member from this room", Kind::LineHere("KICK")),
    info(&["ban"], "NAME", "remove an account for good", Kind::LineHere("BAN")),
    info(&["unban"], "NAME", "let an account come back", Kind::LineHere("UNBAN")),
    info(&["mute"], "NAME [TIME]", "let somebody read here and not write, such as for 10m", Kind::LineHere("MUTE")),
    info(&["unmute"], "NAME", "let somebody write here again", Kind::LineHere("UNMUTE")),
    info(&["slow"], "TIME|off", "slow mode: the time between two messages", Kind::SettingHere("slow")),
    info(&["report"], "NUMBER [REASON]", "report a message to the operators", Kind::LineHere("REPORT")),
    info(
        &["room", "mode"],
        "SETTING VALUE",
        "guests none|read|write, invite on|off, keep 30d, slow 30s|off, owner NAME",
        Kind::LineHere("ROOM"),
    ),
    info(&["redact"], "NUMBER", "delete a message (F2 shows the numbers)", Kind::LineHere("REDACT")),
    info(&["readers"], "NUMBER", "list the accounts that have read a message", Kind::LineHere("READERS")),
    info(&["block", "ignore"], "NAME", "hide the messages of an account", Kind::Line("BLOCK")),
    info(&["unblock", "unignore"], "NAME", "show them again", Kind::Line("UNBLOCK")),
    info(&["devices"], "", "list the devices of your account", Kind::Line("DEVICES")),
    info(&["revoke"], "DEVICE", "remove a device of your account", Kind::Line("REVOKE")),
    info(&["wire"], "", "show the figures of this connection", Kind::Line("WIRE")),
    info(&["ping"], "", "measure the round trip to the server", Kind::Ping),
    info(&["raw", "quote"], "LINE", "send a line of the protocol, show its answer", Kind::Raw),
    info(&["help", "?"], "", "show the keys and the commands", Kind::Help),
    info(&["quit", "exit", "bye"], "", "end; accounts stay members of their rooms", Kind::Quit),
];

/// Commands of IRC that have no counterpart here, each with the remedy.
const NOT_HERE: &[(&str, &str)] = &[
    ("whois", "/who lists the users, and /names the members of this room"),
    ("away", "nobody has to tell that they are away: messages to an account wait for it"),
    ("notice", "write /msg NAME TEXT"),
    ("ctcp", "write /msg NAME TEXT"),
    ("identify", "write /login NAME"),
    ("nickserv", "write /login NAME"),
    ("ns", "write /login NAME"),
    ("op", "write /room moderator NAME"),
    ("deop", "write /room member NAME"),
    ("server", "end with /quit, and start again with the other address"),
    ("reconnect", "press Ctrl-R"),
    ("say", "type the text without a command; a text that begins with a slash has two: //text"),
    ("exec", "this client runs no other programs"),
];

const fn info(
    names: &'static [&'static str],
    arguments: &'static str,
    about: &'static str,
    kind: CommandKind,
) -> CommandInfo {
    CommandInfo { names, arguments, about, kind }
}

/// A typed text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Typed<'a> {
    /// A message. Two slashes at its beginning stand for one.
    Text(&'a str),
    Command {
        info: &'static CommandInfo,
        argument: &'a str,
    },
    /// There is no such command. The text says what to do instead.
    Unknown {
        remedy: String,
    },
}

/// The command that does what this verb of the protocol does.
pub(crate) fn for_verb(verb: &str) -> Option<&'static str> {
    let is_verb = VERBS.iter().any(|known| known.word == verb);
    if is_verb { find(&verb.to_lowercase()).map(|info| info.names[0]) } else { None }
}

/// Parses a text that was typed, not pasted.
pub(crate) fn parse(text: &str) -> Typed<'_> {
    let Some(rest) = text.strip_prefix('/') else { return Typed::Text(text) };
    if rest.starts_with('/') {
        return Typed::Text(rest);
    }
    let (word, argument) = rest.split_once(' ').unwrap_or((rest, ""));
    let argument = argument.trim();
    // A path such as /etc/hosts is a text, and so is a comment of C.
    if word != "?" && !word.chars().all(char::is_alphanumeric) || word.is_empty() {
        return Typed::Text(text);
    }
    let lower = word.to_lowercase();
    if let Some(info) = find(&lower) {
        return Typed::Command { info, argument };
    }
    let word = switchboard_protocol::sanitize(word);
    if let Some((_, remedy)) = NOT_HERE.iter().find(|(name, _)| *name == lower) {
        return Typed::Unknown { remedy: format!("/{word} does not exist here: {remedy}.") };
    }
    let is_verb = VERBS.iter().any(|verb| verb.word.eq_ignore_ascii_case(&lower));
    let remedy = if is_verb {
        format!("To send the verb of the protocol, write /raw {} and its arguments.", lower.to_uppercase())
    } else {
        match COMMANDS.iter().find(|info| info.names[0].starts_with(&lower)) {
            Some(info) => format!("There is no command /{word}. Is it /{}? /help lists all.", info.names[0]),
            None => format!("There is no command /{word}. /help lists all. To say this text, begin with two slashes."),
        }
    };
    Typed::Unknown { remedy }
}

/// Whether a line of a text has the form of a command, also an unknown one.
pub(crate) fn is_like_command(text: &str) -> bool {
    text.lines().any(|line| !matches!(parse(line.trim()), Typed::Text(_)))
}

/// The command of a name in small letters.
pub(crate) fn find(name: &str) -> Option<&'static CommandInfo> {
    COMMANDS.iter().find(|info| info.names.contains(&name))
}

/// Whether a typed line may be kept in the history file: it is a command, and holds no secret and no message.
pub(crate) fn is_rememberable(text: &str) -> bool {
    let Typed::Command { info, argument } = parse(text) else { return false };
    match info.kind {
        // The word of a join link is a secret.
        Kind::Message | Kind::Me | Kind::Raw | Kind::LogIn | Kind::Claim | Kind::LineHere("UNLINK") => false,
        // All members read the topic.
        Kind::Topic => argument.is_empty(),
        Kind::Search => true,
        // No other command has more than two words. More are a text that the command does not need.
        _ => argument.split_whitespace().count() <= 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_from_commands() {
        let kind = |text| match parse(text) {
            Typed::Command { info, argument } => Some((info.kind, argument)),
            _ => None,
        };
        assert_eq!(parse("hi"), Typed::Text("hi"));
        assert_eq!(parse("DISCONNECT"), Typed::Text("DISCONNECT"));
        assert_eq!(parse("//quit"), Typed::Text("/quit"));
        assert_eq!(parse("/etc/hosts is a file"), Typed::Text("/etc/hosts is a file"));
        assert_eq!(parse("/* a comment */"), Typed::Text("/* a comment */"));
        assert!(is_like_command("hi\n /part") && is_like_command("/jion #lab") && !is_like_command("a\n/etc/hosts"));
        assert_eq!(parse("/"), Typed::Text("/"));
        assert_eq!(kind("/join #lab"), Some((Kind::Join, "#lab")));
        assert_eq!(kind("/J  #lab "), Some((Kind::Join, "#lab")));
        assert_eq!(kind("/msg Noy hi there"), Some((Kind::Message, "Noy hi there")));
        assert_eq!(kind("/kick Ada"), Some((Kind::LineHere("KICK"), "Ada")));
    }

    #[test]
    fn an_unknown_command_gets_a_remedy() {
        let remedy = |text| match parse(text) {
            Typed::Unknown { remedy } => remedy,
            other => panic!("{text} is {other:?}"),
        };
        assert!(remedy("/whois Noy").contains("/names"));
        assert!(remedy("/sea x").contains("Is it /search?"));
        assert!(remedy("/history #lab").contains("/raw HISTORY"));
        assert!(remedy("/xyz").contains("two slashes"));
        assert_eq!(parse("/\u{1b}[2J"), Typed::Text("/\u{1b}[2J"));
    }

    #[test]
    fn no_name_stands_for_two_commands() {
        let mut names: Vec<_> = COMMANDS.iter().flat_map(|info| info.names).collect();
        names.extend(NOT_HERE.iter().map(|(name, _)| name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn no_secret_and_no_message_is_remembered() {
        for text in ["/join #lab", "/topic", "/kick Ada", "/quit", "/search red blue green"] {
            assert!(is_rememberable(text), "{text}");
        }
        for text in [
            "hi",
            "//join",
            "/msg Noy secret",
            "/me waves",
            "/raw MSG hi",
            "/topic x",
            "/login Noy",
            "/claim",
            "/passwort x",
            "/unlink w0rd",
            "/quit I am fed up",
        ] {
            assert!(!is_rememberable(text), "{text}");
        }
    }
}
