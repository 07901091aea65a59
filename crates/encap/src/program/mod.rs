//! The command line. Each subcommand has a file with its `Args` and its `run`.

mod analyze;
mod build;
mod build_args;
#[cfg(target_os = "linux")]
mod capture;
mod capture_file;
mod chat;
mod check;
mod colour;
mod compare;
mod diagnostics;
mod dissector;
mod failure;
mod follow;
mod generate;
mod input;
mod output;
mod report;
#[cfg(target_os = "linux")]
mod send;
mod servers;
mod show;
mod synthesize;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use switchboard_manual::Shell;

use self::failure::Failure;

/// Builds, sends, captures and explains network traffic, from a chat line to an Ethernet frame
#[derive(Debug, Parser)]
#[command(name = "encap", version = env!("SWITCHBOARD_VERSION"), max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Build(build::Args),
    #[cfg(target_os = "linux")]
    Send(send::Args),
    #[cfg(target_os = "linux")]
    Capture(capture::Args),
    Show(show::Args),
    Analyze(analyze::Args),
    Follow(follow::Args),
    Chat(chat::Args),
    Compare(compare::Args),
    Report(report::Args),
    Dissector(dissector::Args),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page in roff format
    Man,
}

/// Runs the subcommand of the command line and returns its exit code. An invalid command line exits with 2.
pub(crate) fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Check(args) => check::run(&args),
        Command::Build(args) => build::run(&args),
        #[cfg(target_os = "linux")]
        Command::Send(args) => send::run(&args),
        #[cfg(target_os = "linux")]
        Command::Capture(args) => capture::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Follow(args) => follow::run(&args),
        Command::Chat(args) => chat::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Dissector(args) => dissector::run(&args),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man => generate::man(),
    };
    result.unwrap_or_else(Failure::report)
}
