//! The commands of the operator: `switchboard-server account …`, `ctl …` and `restore …`.

mod account;
mod connection;
mod ctl;
mod facts;
mod password;
mod restore;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use switchboard_manual::Shell;
use switchboard_protocol::sanitize;
use switchboard_store::StoreError;

pub use self::ctl::CtlCommand;
use crate::hub::StoreStartError;
use crate::options;
use crate::settings::Settings;

/// Exit code of a command that was interrupted by a signal at its prompt.
const EXIT_INTERRUPTED: u8 = 130;

/// A command of the operator.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum Command {
    /// List, add, reset or delete accounts, while the server runs or not
    #[command(subcommand)]
    Account(AccountCommand),

    /// Watch and steer a running server
    #[command(subcommand)]
    Ctl(CtlCommand),

    /// Check a backup, and copy it into a new directory, named by --data. Each conversation gets a new epoch, so that
    /// clients notice that newer records are lost
    Restore {
        /// The backup: a copy of `switchboard.sqlite`, made by `sqlite3 DIR/switchboard.sqlite '.backup FILE'`
        file: PathBuf,
    },

    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the manual page in roff format
    Man,
}

impl Command {
    /// Whether the command works on a data directory.
    pub(crate) fn needs_data(&self) -> bool {
        !matches!(self, Self::Completions { .. } | Self::Man)
    }
}

/// A command on accounts. A password is read from standard input, or asked for twice at a terminal.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum AccountCommand {
    /// List all accounts, one a line
    List {
        /// Print a JSON object a line
        #[arg(long)]
        json: bool,
    },

    /// Create an account with a password
    Add {
        /// The name of the account
        name: String,
    },

    /// Give an account a new password, end the tokens of all its devices, and close its sessions
    Reset {
        /// The name of the account
        name: String,
    },

    /// Make an account an operator, who moderates all rooms and bans people, or an ordinary account again
    Operator {
        /// The name of the account
        name: String,

        /// Whether it is an operator from now on
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },

    /// Delete an account as UNCLAIM does: its messages stay
    Delete {
        /// The name of the account
        name: String,

        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Why a command failed. The text goes to the operator.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command is incomplete.
    #[error("{0}")]
    Usage(String),
    /// A signal came while the command asked for something.
    #[error("interrupted: nothing has changed")]
    Interrupted,
    /// The server refuses the command.
    #[error("{}", sanitize(.0))]
    Refused(String),
    /// A file, a socket or the terminal cannot be used.
    #[error("{place}: {error}")]
    Io {
        /// The place, as the operator knows it.
        place: String,
        /// The error of the system, or what to do about it.
        error: String,
    },
    /// Standard output cannot be written.
    #[error("standard output: {0}")]
    Output(#[from] std::io::Error),
    /// The backup or the directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stopped server cannot be loaded.
    #[error(transparent)]
    Start(#[from] StoreStartError),
}

impl CommandError {
    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Interrupted => EXIT_INTERRUPTED,
            _ => 1,
        })
    }
}

/// Carries out a command. Needs a runtime of tokio.
///
/// # Errors
///
/// [`CommandError`] if the command is refused, or if its outcome is unknown.
pub async fn run(command: &Command, settings: Settings) -> Result<(), CommandError> {
    let data = || {
        let data = settings.data.clone();
        data.ok_or_else(|| CommandError::Usage("name the data directory of the server: --data DIR".to_owned()))
    };
    match command {
        Command::Account(command) => account::run(command, &data()?, settings).await,
        Command::Ctl(command) => ctl::run(command, &data()?).await,
        Command::Restore { file } => restore::run(file, &data()?),
        Command::Completions { shell } => Ok(options::completions(*shell)?),
        Command::Man => Ok(options::man()?),
    }
}
