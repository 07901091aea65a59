//! Asks the operator: for a password without echo, or for a confirmation. Without a terminal, a password is the first
//! line of standard input.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::CommandError;

/// Asks for a new password, twice at a terminal.
pub(super) async fn ask_new() -> Result<Zeroizing<String>, CommandError> {
    let password = if io::stdin().is_terminal() {
        let first = until_signal(ask_without_echo("New password: ")).await?;
        if *first != *until_signal(ask_without_echo("The same password again: ")).await? {
            return Err(CommandError::Usage("the two passwords differ: nothing has changed".to_owned()));
        }
        first
    } else {
        read_line().await?
    };
    if password.trim().is_empty() || password.contains(char::is_control) {
        let reason = "the password is empty, or it has a control character: type it, or write it to standard input";
        return Err(CommandError::Usage(reason.to_owned()));
    }
    Ok(password)
}

/// Asks at the terminal for the name of an account that is to be deleted. Returns whether it is typed.
pub(super) async fn confirm_deletion(name: &str) -> Result<bool, CommandError> {
    if !io::stdin().is_terminal() {
        return Err(CommandError::Usage("give --yes to delete an account without a terminal".to_owned()));
    }
    write_prompt(&format!("Delete the account {name} and its devices? Its messages stay. Type its name: "))?;
    let typed = until_signal(read_line()).await?;
    Ok(*typed == *name)
}

/// Waits for an answer, but not after a signal to stop, so that the terminal is never left without echo.
async fn until_signal<T>(answer: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| terminal_error(&error))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| terminal_error(&error))?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(|error| terminal_error(&error))?;
    tokio::select! {
        answer = answer => answer,
        _ = interrupted.recv() => Err(CommandError::Interrupted),
        _ = terminated.recv() => Err(CommandError::Interrupted),
        _ = hung_up.recv() => Err(CommandError::Interrupted),
    }
}

async fn ask_without_echo(prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    let no_echo = NoEcho::start().map_err(|error| terminal_error(&error))?;
    write_prompt(prompt)?;
    let line = read_line().await;
    drop(no_echo);
    // The LF that the user typed was not shown.
    write_prompt("\n")?;
    line
}

fn write_prompt(prompt: &str) -> Result<(), CommandError> {
    let mut stderr = io::stderr();
    stderr.write_all(prompt.as_bytes()).and_then(|()| stderr.flush()).map_err(|error| terminal_error(&error))
}

async fn read_line() -> Result<Zeroizing<String>, CommandError> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = Zeroizing::new(String::new());
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = reading.await.map_err(io::Error::other).and_then(|line| line).map_err(|error| terminal_error(&error))?;
    Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}

fn terminal_error(error: &io::Error) -> CommandError {
    CommandError::Io { place: "the terminal or standard input".to_owned(), error: error.to_string() }
}

/// The terminal does not show typed characters. Dropping it restores the terminal.
struct NoEcho(Termios);

impl NoEcho {
    fn start() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
