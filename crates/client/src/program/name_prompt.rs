//! Asks for a name on standard input.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use switchboard_protocol::limits::LINE_MAX_BYTES;

use super::cli_error::CliError;
use super::stdout;

/// Shows `prompt`, and reads a name that `check` accepts. `check` returns the name without white space around it.
/// Repeats the prompt after an invalid name at a terminal, but not in a script.
pub(crate) fn ask(prompt: &str, check: impl Fn(&str) -> Result<&str, String>) -> Result<String, CliError> {
    loop {
        stdout::print_prompt(prompt)?;
        let mut name = Vec::new();
        let n_read = io::stdin().lock().take(LINE_MAX_BYTES as u64).read_until(b'\n', &mut name)?;
        match str::from_utf8(&name).map_err(|_| "A username must be valid UTF-8.".to_owned()).and_then(&check) {
            Ok(name) => return Ok(name.to_owned()),
            Err(why) if io::stdin().is_terminal() && n_read > 0 => stdout::print_line(&why)?,
            Err(why) => return Err(CliError::Usage(why)),
        }
    }
}
