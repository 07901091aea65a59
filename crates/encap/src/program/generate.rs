//! Generates shell completions and the manual page from the clap definition.

use std::process::ExitCode;

use clap::CommandFactory as _;
use switchboard_manual::{Manual, Shell, print_completions};

use super::Cli;
use super::failure::Failure;

/// Prints the completion script for `shell`.
pub(crate) fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    print_completions(shell, Cli::command())?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page, which covers all subcommands.
pub(crate) fn man() -> Result<ExitCode, Failure> {
    manual().print()?;
    Ok(ExitCode::SUCCESS)
}

fn manual() -> Manual<'static> {
    Manual {
        command: Cli::command(),
        description: &[],
        environment: &[],
        // The section of each subcommand has its exit codes.
        exit_codes: &[],
        files: &[],
        examples: &[
            ("encap build messages.csv -o messages.pcapng", "build the frames that carry the messages of a table"),
            ("encap show messages.pcapng", "show each message as segment, packet and frame"),
            ("encap chat capture.pcapng", "show the chat in a capture of the network"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_lists_every_option_of_every_subcommand() {
        let page = manual().checked_page();
        assert!(page.contains(".SH EXAMPLES") && page.contains("Exit status:"), "{page}");
    }
}
