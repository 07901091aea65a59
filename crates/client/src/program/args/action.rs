//! The subcommands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use switchboard_manual::Shell;

use super::address::AddrArg;
use super::options::{ReconnectArgs, parse_time};
use crate::program::bench::LoadCommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Measure the server's response time.
    Ping {
        #[command(flatten)]
        server: AddrArg,
        /// The number of pings.
        #[arg(long, default_value_t = 1, value_name = "N")]
        count: u32,
        /// The time between two pings.
        #[arg(long, default_value = "1s", value_parser = parse_time, value_name = "TIME")]
        interval: Duration,
    },
    /// List the registered users, one per line.
    Who {
        #[command(flatten)]
        server: AddrArg,
    },
    /// Send one message, as --name or as a guest.
    ///
    /// If the user is in a chat, tries again until --timeout. Exits with 0 only if the server accepted the message.
    #[command(override_usage = "switchboard send [OPTIONS] [ADDR] <USER> <TEXT>...")]
    Send {
        #[command(flatten)]
        name_arg: NameArg,
        /// The user to send to, and the message; its words are joined by spaces.
        ///
        /// An address may stand before the user: HOST:PORT or an IP address. A HOST without a port is not enough,
        /// because it could be a user.
        // `1..`, because options may stand among the words. `SendWords` checks the number.
        #[arg(required = true, num_args = 1.., value_names = ["USER", "TEXT"])]
        words: Vec<String>,
    },
    /// Register and print arriving messages, until interrupted.
    ///
    /// After a lost connection, reconnects with the same name. The server may keep the name in use for up to two
    /// minutes, because it has not noticed the loss yet.
    Listen {
        #[command(flatten)]
        server: AddrArg,
        #[command(flatten)]
        name_arg: NameArg,
        #[command(flatten)]
        reconnect: ReconnectArgs,
        /// Print the records of this conversation: a room (#ROOM), or a user with an account [default: the room of the
        /// link].
        ///
        /// A device of an account begins where it stopped the last time. The first time, and for a guest, it begins
        /// with the records that come from now on. After the server was restored from a backup, it begins with the
        /// last 1,024 records.
        #[arg(long, value_name = "TARGET")]
        conversation: Option<String>,
        /// The device of the account --name that listens [default: main, or the one that has logged in here].
        ///
        /// While it listens, no other command can use this device. Needs a conversation.
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
        /// Join the room first. Needs a conversation.
        #[arg(long)]
        join: bool,
        /// Exit after this number of messages.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Log in to an account, and store a token for the other commands.
    ///
    /// Asks for the password at the terminal, or reads it from the first line of standard input. The token is stored
    /// in a file that only you can read. Then --name NAME means this account in `say`, `history`, `rooms`, `export`
    /// and `listen --conversation`. A server takes secrets only over a secure connection, such as one on the same
    /// machine. Elsewhere, --key still works: then there is no token, and each command signs with the key.
    Login {
        #[command(flatten)]
        server: AddrArg,
        /// The name of the account.
        #[arg(long, short, value_name = "NAME")]
        name: Option<String>,
        /// The name of this device. Each program that stays connected needs a device of its own [default: main].
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
        /// Use this SSH key of the type ssh-ed25519 instead of a password: a private key, or a .pub file whose key the
        /// SSH agent has. `ssh-keygen` signs.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Create the account first.
        #[arg(long)]
        create: bool,
    },
    /// Say something in a conversation, and wait until the server has stored it.
    ///
    /// With an account, the message is stored once, even if this program or the connection fails: the next command of
    /// the device sends an unanswered message again. Exits with 0 only if the message is stored.
    #[command(override_usage = "switchboard say [OPTIONS] [ADDR] <TARGET> <TEXT>...")]
    Say {
        #[command(flatten)]
        account: AccountArgs,
        /// Join the room first.
        #[arg(long)]
        join: bool,
        /// The conversation, and the message; its words are joined by spaces.
        ///
        /// The conversation is a room (#ROOM, in quotes for most shells), a user with an account, or @ and an account's
        /// id. An address may stand before it: HOST:PORT or an IP address. A link that names a room stands for both, and
        /// all other words are the message.
        #[arg(required = true, num_args = 1.., value_names = ["TARGET", "TEXT"])]
        words: Vec<String>,
    },
    /// Print the last records of a conversation.
    #[command(override_usage = "switchboard history [OPTIONS] [ADDR] <TARGET>")]
    History {
        #[command(flatten)]
        account: AccountArgs,
        /// Print only records with a lower number.
        #[arg(long, value_name = "N")]
        before: Option<u64>,
        /// The number of records.
        #[arg(long, default_value_t = 50, value_name = "N")]
        count: u64,
        /// The conversation: a room (#ROOM), a user with an account, @ and an account's id, or a link that names a
        /// room. An address may stand before it.
        #[arg(required = true, num_args = 1..=2, value_name = "TARGET")]
        words: Vec<String>,
    },
    /// List the rooms, each with its number of members and its topic.
    Rooms {
        #[command(flatten)]
        server: AddrArg,
        #[command(flatten)]
        account: AccountArgs,
    },
    /// Print all records of a conversation, from the first one.
    #[command(override_usage = "switchboard export [OPTIONS] [ADDR] <TARGET>")]
    Export {
        #[command(flatten)]
        account: AccountArgs,
        /// The conversation: a room (#ROOM), a user with an account, @ and an account's id, or a link that names a
        /// room. An address may stand before it.
        #[arg(required = true, num_args = 1..=2, value_name = "TARGET")]
        words: Vec<String>,
    },
    /// Put a server under load, check every message, and report the results.
    Bench {
        #[command(subcommand)]
        load: LoadCommand,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page in roff format.
    Man,
}

impl Action {
    /// Takes the name that stands after the subcommand.
    pub(super) fn take_name(&mut self) -> Option<String> {
        match self {
            Self::Send { name_arg: NameArg { name }, .. }
            | Self::Listen { name_arg: NameArg { name }, .. }
            | Self::Login { name, .. }
            | Self::Say { account: AccountArgs { name, .. }, .. }
            | Self::History { account: AccountArgs { name, .. }, .. }
            | Self::Rooms { account: AccountArgs { name, .. }, .. }
            | Self::Export { account: AccountArgs { name, .. }, .. } => name.take(),
            _ => None,
        }
    }
}

/// `--name` after a subcommand.
#[derive(Args, Debug)]
pub(crate) struct NameArg {
    /// Register this name instead of a guest name.
    #[arg(long, short, value_name = "NAME")]
    name: Option<String>,
}

/// The account after a subcommand.
#[derive(Args, Debug)]
pub(crate) struct AccountArgs {
    /// The account to which `login` has logged in, or the name of a guest. Without it, a guest name.
    #[arg(long, short, value_name = "NAME")]
    name: Option<String>,
    /// The device of the account [default: main, or the one that has logged in here].
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
}

impl AccountArgs {
    /// The device as given.
    pub(crate) fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }
}
