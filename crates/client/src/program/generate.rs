//! Generates shell completions and the manual page from the clap definition.

use std::io;

use clap::CommandFactory as _;
use switchboard_manual::{Manual, Shell, print_completions};

use super::args::{Cli, ENVIRONMENT, EXAMPLES, EXIT_CODES, INPUT_HELP};

/// Prints the completion script for `shell`.
pub(crate) fn completions(shell: Shell) -> io::Result<()> {
    print_completions(shell, Cli::command())
}

/// Prints the manual page, which covers all subcommands.
pub(crate) fn man() -> io::Result<()> {
    manual().print()
}

fn manual() -> Manual<'static> {
    Manual {
        command: Cli::command(),
        description: &INPUT_HELP,
        environment: &ENVIRONMENT,
        exit_codes: &EXIT_CODES,
        files: &[],
        examples: &EXAMPLES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_lists_every_option_of_every_subcommand() {
        let page = manual().checked_page();
        for part in [".SH ENVIRONMENT", "SWITCHBOARD_ADDR", ".SH \"EXIT STATUS\"", ".nf\nprintf"] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
    }
}
