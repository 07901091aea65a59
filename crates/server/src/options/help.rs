//! The texts of `--help` and of the manual page.

/// Example command lines, each with a description.
pub(super) const EXAMPLES: [(&str, &str); 3] = [
    ("switchboard-server", "for this machine only"),
    ("switchboard-server --listen 0.0.0.0:12345", "for the whole network"),
    ("switchboard-server --config switchboard.toml --print-config", "the settings in effect"),
];

/// The signals, one paragraph.
pub(super) const SIGNALS: &str = "TERM, INT and QUIT stop the server after it has written its unsent bytes, and so does \
                                  HUP if it was started from a terminal. A second TERM, INT or QUIT ends it at once. \
                                  Without a terminal, HUP reads the file again and applies its log-level.";

/// The exit codes, each with its meaning.
pub(super) const EXIT_CODES: [(&str, &str); 5] = [
    ("0", "stopped by a signal"),
    ("1", "the server could not run"),
    ("2", "a flag is invalid"),
    ("3", "the configuration is invalid"),
    ("130", "a second signal ended the drain"),
];

/// Further paragraphs of the manual page.
pub(super) const DESCRIPTION: [&str; 3] = [
    "Each option is also a key of the TOML file that --config names, without its leading dashes, and a variable of the \
     environment: --max-sessions is SWITCHBOARD_MAX_SESSIONS. A flag has priority over a variable, and a variable over \
     the file.",
    "A service manager such as systemd may pass listening sockets. A socket with the name commands, line, tls or web takes \
     the place of --listen, --listen-line, --listen-tls or --listen-web. The server reports its start, its reloads, its \
     stop and its number of sessions to the service manager, and gives signs of life to its watchdog.",
    SIGNALS,
];

/// The files of the server, each with its content.
pub(super) const FILES: [(&str, &str); 4] = [
    ("DIR/switchboard.sqlite", "Accounts, rooms and messages, if --data is DIR. Other programs may read it."),
    ("DIR/control", "The socket on which a running server takes the commands of its operator."),
    ("DIR/server-id", "The number by which clients with SSH keys recognize the server."),
    ("DIR/tls-certificate.pem, DIR/tls-key.pem", "The certificate that the server makes, and its private key."),
];

pub(super) fn after_help() -> String {
    let examples = EXAMPLES.map(|(example, about)| format!("  {example:<60} {about}\n")).concat();
    let codes = EXIT_CODES.map(|(code, about)| format!("{code} {about}")).join("; ");
    format!(
        "Examples:\n{examples}\nJoin with:  switchboard --name YOU   or   nc 127.0.0.1 12345\n\n\
         Signals: {SIGNALS}\n\nExit codes: {codes}."
    )
}
