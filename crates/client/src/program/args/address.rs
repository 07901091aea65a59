//! The server's address on the command line, before or after a subcommand.

use clap::Args;
use switchboard_client::JoinLink;
use switchboard_protocol::{HostPort, Username, sanitize};

use super::{Action, Cli};
use crate::program::address;
use crate::program::cli_error::CliError;
use crate::program::message_words::{SayWords, SendWords};
use crate::program::websocket_url::WebSocketUrl;

/// The server, if the user names none: this machine.
const DEFAULT_ADDR: &str = "127.0.0.1";

/// The server's address after a subcommand.
#[derive(Args, Debug)]
pub(crate) struct AddrArg {
    /// The server, as HOST or HOST:PORT, or as a link.
    #[arg(value_name = "ADDR")]
    addr: Option<String>,
}

impl Cli {
    /// Returns the address as given, if it is a valid username: the user may have omitted `--name`.
    pub(crate) fn addr_as_name(&self) -> Option<&str> {
        let addr = self.given_addr();
        (!addr.contains(['.', ':', '[']) && Username::new(addr).is_ok()).then_some(addr)
    }

    /// Returns the server's address as HOST:PORT, or the link as given, or for `bench` the address of a WebSocket. Fails
    /// if the user gave another URL, or something else that is no address.
    pub(crate) fn addr(&self) -> Result<String, CliError> {
        let addr = match &self.action {
            Some(Action::Send { words, .. }) => self.send_words(words)?.addr.unwrap_or(self.first_addr()),
            Some(Action::Say { words, .. }) => self.say_words(words)?.addr.unwrap_or(self.first_addr()),
            Some(Action::History { words, .. } | Action::Export { words, .. }) => match &words[..] {
                [addr, _] => addr,
                [link] if JoinLink::is_link(link) => link,
                _ => self.first_addr(),
            },
            _ => self.given_addr(),
        };
        if JoinLink::is_link(addr) {
            let link = addr.parse::<JoinLink>();
            return link
                .map(|link| link.to_string())
                .map_err(|error| CliError::Usage(sanitize(&error.to_string()).into_owned()));
        }
        if matches!(self.action, Some(Action::Bench { .. }))
            && let Some(url) = WebSocketUrl::parse(addr)
        {
            return url.map(|_| addr.to_owned());
        }
        if let Some((scheme, after_scheme)) = addr.split_once("://") {
            let host = after_scheme.split('/').next().unwrap_or(after_scheme);
            let message = format!("{addr} is not the address of a chat server: leave out {scheme}:// and write {host}");
            return Err(CliError::Usage(sanitize(&message).into_owned()));
        }
        match HostPort::parse_or_default_port(addr, self.options.dialect.port()) {
            Ok(addr) => Ok(addr.to_string()),
            Err(error) => Err(CliError::Usage(sanitize(&error.to_string()).into_owned())),
        }
    }

    /// The address as the user wrote it. An address after the subcommand has priority.
    fn given_addr(&self) -> &str {
        let after_subcommand = match &self.action {
            Some(
                Action::Ping { server, .. }
                | Action::Who { server }
                | Action::Listen { server, .. }
                | Action::Login { server, .. }
                | Action::Rooms { server, .. },
            ) => server.addr.as_deref(),
            Some(Action::Bench { load }) => load.target().server.addr.as_deref(),
            Some(
                Action::Send { .. }
                | Action::Say { .. }
                | Action::History { .. }
                | Action::Export { .. }
                | Action::Completions { .. }
                | Action::Man,
            )
            | None => None,
        };
        after_subcommand.unwrap_or(self.first_addr())
    }

    /// Returns the address before a subcommand, or of the environment.
    fn first_addr(&self) -> &str {
        self.addr.as_deref().unwrap_or(DEFAULT_ADDR)
    }

    /// Splits the words of `send`.
    pub(crate) fn send_words<'a>(&self, words: &'a [String]) -> Result<SendWords<'a>, CliError> {
        SendWords::split(words, self.addr.is_some())
    }

    /// Splits the words of `say`.
    pub(crate) fn say_words<'a>(&'a self, words: &'a [String]) -> Result<SayWords<'a>, CliError> {
        SayWords::split(words, self.addr.as_deref())
    }
}

/// The target among the words `[ADDR] TARGET`. A link that names a room stands for both.
pub(crate) fn target_of(words: &[String]) -> Result<String, CliError> {
    let target = words.last().map_or("", String::as_str);
    match address::room(target) {
        Some(room) => Ok(room.as_str().to_owned()),
        None if JoinLink::is_link(target) => {
            Err(CliError::Usage("the link names no room: write a user or #ROOM after it".to_owned()))
        }
        None => Ok(target.to_owned()),
    }
}
