//! The texts of `--help` and of the manual page.

/// Example command lines, each with a description.
pub(crate) const EXAMPLES: [(&str, &str); 10] = [
    ("switchboard --name Noy --chat Elias", "chat with Elias on this machine"),
    ("switchboard 'switchboard://HOST:PORT/#lab'", "open a link: chat in the room #lab"),
    ("switchboard chat.example:12345 --name Noy", "use the server chat.example"),
    ("printf 'WHO\\nPING\\n' | switchboard", "run a script: one reply per line"),
    ("switchboard send Elias 'dinner is ready'", "send one message"),
    ("switchboard listen --name Noy --json", "print every event as JSON"),
    ("switchboard login --name Noy --create", "create an account, and log in"),
    ("switchboard say '#lab' hello --name Noy", "say something in a room"),
    ("switchboard history '#lab' --name Noy", "print the last records of a room"),
    ("switchboard bench pairs --pairs 50", "measure the server under load"),
];

/// The rules for input, one paragraph per element.
pub(crate) const INPUT_HELP: [&str; 3] = [
    "At a terminal, the chat fills the screen: what you type is said in the conversation that you see, and a line that \
     begins with / is a command. F1 shows the keys and the commands.",
    "With --plain, each line that you type is sent unchanged, and each line from the server is printed. Ctrl-D ends the \
     chat.",
    "If standard input is not a terminal, it is a script: its lines are sent unchanged, and each line from the server \
     is printed.",
];

/// The exit codes, each with its meaning.
pub(crate) const EXIT_CODES: [(&str, &str); 7] = [
    ("0", "success"),
    ("1", "the server refused a request, or bench missed messages"),
    ("2", "the command line or the input is invalid"),
    ("3", "the connection failed or was lost"),
    ("4", "no answer in time"),
    ("5", "reading input or writing output failed"),
    ("128+N", "ended by signal N"),
];

/// The environment variables that the program reads, each with its use.
pub(crate) const ENVIRONMENT: [(&str, &str); 4] = [
    ("SWITCHBOARD_ADDR", "The server, if the command line names none."),
    ("NO_COLOR", "If it is set and not empty, colours are off unless --color is always."),
    (
        "XDG_CONFIG_HOME",
        "The folder for the settings of the chat, switchboard/client.toml; --print-config lists them. The default is \
         ~/.config.",
    ),
    (
        "XDG_STATE_HOME",
        "The folder for the state of the program, switchboard: the servers and their keys, the history of typed \
         commands, and the token, unanswered messages and positions of each account. The default is ~/.local/state.",
    ),
];

pub(super) fn after_help() -> String {
    let examples = EXAMPLES.map(|(example, about)| format!("  {example:<43} {about}\n")).concat();
    let codes = EXIT_CODES.map(|(code, about)| format!("  {code:<5}  {about}\n")).concat();
    format!("Examples:\n{examples}\n{}\n\nExit codes:\n{codes}", INPUT_HELP.join("\n\n"))
}
