//! What is made from the command line's own description: completions and the manual page.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::Cli;

/// Prints what completes the command line in `shell`.
pub(crate) fn completions(shell: Shell) -> io::Result<()> {
    // The generator panics where its writer fails, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "switchboard", &mut script);
    io::stdout().lock().write_all(&script)
}

/// Prints the manual page.
pub(crate) fn man() -> io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    io::stdout().lock().write_all(&page)
}
