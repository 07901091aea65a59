//! Asks for a password: at a terminal without echo, otherwise from the first line of standard input.

use std::io::{self, IsTerminal as _, Write as _};

use switchboard_client::conversations::Secret;
use zeroize::Zeroizing;

use super::cli_error::CliError;
use super::signals::TerminationSignals;

/// Asks for a password. If `is_new`, asks twice at a terminal.
pub(crate) async fn ask(is_new: bool) -> Result<Secret, CliError> {
    if !io::stdin().is_terminal() {
        return to_secret(&read_line().await?);
    }
    let mut signals = TerminationSignals::listen()?;
    let mut password = None;
    let asking = async {
        let first = ask_without_echo("Password: ").await?;
        if is_new && *first != *ask_without_echo("The same password again: ").await? {
            return Err(CliError::Usage("the two passwords differ".to_owned()));
        }
        password = Some(first);
        Ok(())
    };
    // A signal must not leave the terminal without echo.
    signals.run_until_signal(asking).await?;
    to_secret(&password.unwrap_or_default())
}

fn to_secret(password: &str) -> Result<Secret, CliError> {
    if password.trim().is_empty() || password.contains(char::is_control) {
        return Err(CliError::Usage("the password is empty, or it has a control character".to_owned()));
    }
    Ok(Secret::new(password))
}

async fn ask_without_echo(prompt: &str) -> Result<Zeroizing<String>, CliError> {
    let _no_echo = NoEcho::start()?;
    let mut stderr = io::stderr();
    stderr.write_all(prompt.as_bytes())?;
    stderr.flush()?;
    let line = read_line().await;
    // The LF that the user typed was not shown.
    stderr.write_all(b"\n")?;
    line
}

async fn read_line() -> Result<Zeroizing<String>, CliError> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = Zeroizing::new(String::new());
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = reading.await.map_err(io::Error::other)??;
    Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// The terminal does not show what the user types. Dropping it restores the terminal.
#[cfg(unix)]
struct NoEcho(rustix::termios::Termios);

#[cfg(unix)]
impl NoEcho {
    fn start() -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

#[cfg(unix)]
impl Drop for NoEcho {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(not(unix))]
struct NoEcho;

#[cfg(not(unix))]
impl NoEcho {
    fn start() -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "write the password to standard input"))
    }
}
