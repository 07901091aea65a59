//! The command line: one file a subcommand, each with its `Args` and its `run`.

mod analyze;
mod chat;
mod check;
mod colour;
mod failure;
mod follow;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::failure::Failure;

/// From a chat line to an Ethernet frame, and back.
#[derive(Debug, Parser)]
#[command(name = "encap", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Analyze(analyze::Args),
    Chat(chat::Args),
    Check(check::Args),
    Follow(follow::Args),
}

/// Reads the command line, does what it says, and gives what the shell is told. (A flag that is wrong is clap's 2.)
pub(crate) fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Analyze(args) => analyze::run(&args),
        Command::Chat(args) => chat::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Follow(args) => follow::run(&args),
    };
    done.unwrap_or_else(Failure::report)
}
