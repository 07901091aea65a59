//! The keys and the commands, as the help shows them.

use super::slash_command::COMMANDS;

/// One line of the help.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum HelpLine {
    Heading(&'static str),
    Pair { key: String, about: &'static str },
}

/// The keys, each with its use.
const KEYS: &[(&str, &str)] = &[
    ("Enter", "send"),
    ("Alt-Enter, Shift-Enter", "a new line: each line is a message"),
    ("Ctrl-K", "jump to a room or a person"),
    ("Alt-↑ Alt-↓", "the conversation before, after"),
    ("Alt-Shift-↑ ↓", "the same, among those with unread messages"),
    ("Alt-1 to Alt-9", "a conversation by its place in the list"),
    ("Alt-A", "the next conversation with unread messages"),
    ("Alt-/", "the conversation where you were before"),
    ("PgUp PgDn", "scroll; reads older messages as you come to them"),
    ("Ctrl-Home Ctrl-End", "the first message here, the newest one"),
    ("Ctrl-F", "search"),
    ("Tab", "complete a name, a room or a command"),
    ("↑ in an empty input", "earlier commands"),
    ("F2", "the words of the protocol below each message"),
    ("F5, F6", "send failed messages again, discard them"),
    ("Ctrl-R", "connect now"),
    ("Ctrl-L", "draw the screen anew"),
    ("Ctrl-C", "clear the text; in an empty input, twice: end"),
    ("Ctrl-D", "in an empty input: end"),
    ("Ctrl-_", "undo a change of the text"),
    ("Ctrl-Z", "stop the program until fg"),
];

/// The marks, each with its meaning.
const MARKS: &[(&str, &str)] = &[
    ("…", "the message waits for the server"),
    ("✓", "the server has stored it"),
    ("✓✓", "somebody else has read it (F2 shows who)"),
    ("!", "it was refused"),
    ("?", "unknown: the connection was lost meanwhile"),
    ("~Name", "a guest: anybody may have this name"),
    ("~ after a name", "a draft waits there"),
    ("● ○", "connected, not connected"),
    ("★ +", "the owner and the moderators of a room"),
];

/// All lines.
pub(crate) fn lines() -> Vec<HelpLine> {
    let pairs = |pairs: &'static [(&'static str, &'static str)]| {
        pairs.iter().map(|&(key, about)| HelpLine::Pair { key: key.to_owned(), about })
    };
    let commands = COMMANDS.iter().map(|info| {
        let key = format!("/{} {}", info.names[0], info.arguments);
        HelpLine::Pair { key: key.trim_end().to_owned(), about: info.about }
    });
    let mut lines = vec![HelpLine::Heading("Keys")];
    lines.extend(pairs(KEYS));
    lines.push(HelpLine::Heading("Marks"));
    lines.extend(pairs(MARKS));
    lines.push(HelpLine::Heading("Commands (only typed ones: pasted text is always a message)"));
    lines.extend(commands);
    lines
}
