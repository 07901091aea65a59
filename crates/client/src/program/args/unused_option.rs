//! Options that are given but have no effect.

use switchboard_protocol::Dialect;

use super::options::{Options, ReconnectArgs};
use super::{Action, ChatMode, Cli};

impl Cli {
    /// Finds an option that is given but has no effect in the current mode of the program. Returns the option and the
    /// mode, as words for a message.
    pub(crate) fn unused_option(&self, chat_mode: ChatMode) -> Option<(&'static str, &'static str)> {
        let (mode, supported): (_, &[&str]) = match &self.action {
            Some(Action::Ping { .. }) => ("with ping", &["--json"]),
            Some(Action::Who { .. }) => ("with who", &["--json"]),
            Some(Action::Send { .. }) => ("with send", &["--name", "--json"]),
            Some(Action::Login { .. }) => ("with login", &["--name", "--json"]),
            Some(Action::Say { .. }) => ("with say", &["--name", "--json"]),
            Some(Action::History { .. }) => ("with history", &["--name", "--json"]),
            Some(Action::Rooms { .. }) => ("with rooms", &["--name", "--json"]),
            Some(Action::Export { .. }) => ("with export", &["--name", "--json"]),
            Some(Action::Listen { .. }) => ("with listen", &["--name", "--json", "--no-reconnect", "--ping-after"]),
            Some(Action::Bench { .. }) => ("with bench", &["--dialect line", "--json"]),
            Some(Action::Completions { .. }) => ("with completions", &[]),
            Some(Action::Man) => ("with man", &[]),
            None if self.options.dialect == Dialect::Line => ("in the line dialect", &["--name", "--plain"]),
            None => match chat_mode {
                ChatMode::FullScreen => (
                    "at a terminal",
                    &["--name", "--chat", "--device", "--no-reconnect", "--ping-after", "--color", "--log"],
                ),
                ChatMode::Plain => ("in plain mode", &["--name", "--chat", "--plain"]),
                // A user who always wants plain mode may have an alias with this option.
                ChatMode::Script => ("in a script", &["--name", "--chat", "--json", "--plain"]),
            },
        };
        let Options { name, chat, device, dialect, plain, json, reconnect, color, log, timeout: _ } = &self.options;
        let ReconnectArgs { no_reconnect, ping_after } = reconnect;
        let given = [
            ("--name", name.is_some()),
            ("--chat", chat.is_some()),
            ("--device", device.is_some()),
            ("--dialect line", *dialect == Dialect::Line && self.action.is_some()),
            ("--plain", *plain),
            ("--json", *json),
            ("--no-reconnect", *no_reconnect),
            ("--ping-after", ping_after.is_some()),
            ("--color", color.is_some()),
            ("--log", log.is_some()),
            ("--print-config", self.print_config),
        ];
        let (option, _) = given.into_iter().find(|(option, is_given)| *is_given && !supported.contains(option))?;
        Some((option, mode))
    }
}
