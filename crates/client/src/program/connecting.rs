//! Shows at a terminal that the program is connecting, and gives a hint if the server sends nothing.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use switchboard_client::Error;
use switchboard_client::low_level::{self, Stream};
use switchboard_protocol::sanitize;
use tokio::time::timeout;

use super::address;
use super::args::Options;
use super::screen;

/// The time after which the user gets a hint. A server on another continent answers within half a second.
const HINT_AFTER: Duration = Duration::from_secs(2);

/// The hint if a server accepts the connection of a chat or a script and sends no `WELCOME`.
pub(crate) const SILENT_SERVER_HINT: &str = "A server of HTTP or redis waits for a request, and a port of the line \
     dialect waits for a name. Try --dialect line, or another port.";

/// The hint for a subcommand, which knows only the commands dialect.
pub(crate) const SILENT_PORT_HINT: &str =
    "A server of HTTP or redis waits for a request, and a port of the line dialect waits for a name. Try another port.";

/// Connects to `addr`, and shows this at a terminal.
pub(crate) async fn connect(addr: &str, options: &Options) -> Result<Stream, Error> {
    show_while(addr, options, low_level::connect(&addr, options.timeout)).await
}

/// Shows at a terminal that the program is connecting to `addr`, until `connecting` is ready.
pub(crate) async fn show_while<T>(addr: &str, options: &Options, connecting: impl Future<Output = T>) -> T {
    let status = format!("Connecting to {}…", sanitize(&address::host_port(addr)));
    wait(&status, "no answer yet. Is the address right? Does a firewall block the port?", options, connecting).await
}

/// Waits for the first line of the server at `addr`, and shows this at a terminal. The `hint` says what the server
/// may be if it sends nothing.
pub(crate) async fn receive_greeting<T>(
    addr: &str,
    hint: &str,
    options: &Options,
    greeting: impl Future<Output = T>,
) -> T {
    let addr = address::host_port(addr);
    let addr = sanitize(&addr);
    let hint = format!("{addr} accepted the connection, but has sent nothing yet. {hint}");
    wait(&format!("Waiting for {addr} to answer…"), &hint, options, greeting).await
}

async fn wait<T>(status: &str, hint: &str, options: &Options, awaited: impl Future<Output = T>) -> T {
    let line = StatusLine::show(status, options);
    let mut awaited = std::pin::pin!(awaited);
    if let Ok(result) = timeout(HINT_AFTER, &mut awaited).await {
        return result;
    }
    line.print_above(&format!("switchboard: {hint}"));
    awaited.await
}

/// A temporary line on standard error, if that is a terminal that can erase it. Dropping it erases the line.
struct StatusLine<'a> {
    text: &'a str,
    is_terminal: bool,
    is_erasable: bool,
}

impl<'a> StatusLine<'a> {
    fn show(text: &'a str, options: &Options) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let is_erasable = is_terminal && !options.plain && screen::can_fill_terminal();
        let line = Self { text, is_terminal, is_erasable };
        if is_erasable {
            write(text);
        }
        line
    }

    /// Prints a line that stays, above this line.
    fn print_above(&self, line: &str) {
        if self.is_erasable {
            write(&format!("\r\x1b[K{line}\n{}", self.text));
        } else if self.is_terminal {
            write(&format!("{line}\n"));
        }
    }
}

impl Drop for StatusLine<'_> {
    fn drop(&mut self) {
        if self.is_erasable {
            write("\r\x1b[K");
        }
    }
}

fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    // A failed write to standard error cannot be reported anywhere.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
