//! The program `switchboard` as a process.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::process::{program, wait_in_time};
use crate::test_client::TIMEOUT;

/// A running `switchboard`, with its lines of standard output and standard error. Dropping it kills the process.
#[derive(Debug)]
pub struct ClientProgram {
    child: Child,
    out: mpsc::Receiver<String>,
    errors: mpsc::Receiver<String>,
}

impl ClientProgram {
    /// Starts the program.
    #[must_use]
    pub fn start(args: &[&str]) -> Self {
        let mut command = Command::new(program("switchboard"));
        command.args(args);
        Self::spawn(command)
    }

    /// Starts the program by `command`.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let out = lines(child.stdout.take().expect("a piped stream"));
        let errors = lines(child.stderr.take().expect("a piped stream"));
        Self { child, out, errors }
    }

    /// The next line on standard output.
    ///
    /// # Panics
    ///
    /// If no line arrives within [`TIMEOUT`].
    #[must_use]
    pub fn line(&self) -> String {
        self.out.recv_timeout(TIMEOUT).expect("a line on standard output")
    }

    /// The next line on standard error that contains `part`.
    ///
    /// # Panics
    ///
    /// If no such line arrives within [`TIMEOUT`].
    #[expect(clippy::must_use_candidate, reason = "some callers only wait for the line")]
    pub fn error_with(&self, part: &str) -> String {
        loop {
            let line = self.errors.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("no error has {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits until the process exits.
    ///
    /// # Panics
    ///
    /// If the process does not exit within [`TIMEOUT`].
    pub fn wait(&mut self) -> ExitStatus {
        wait_in_time(&mut self.child)
    }
}

impl Drop for ClientProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    receiver
}
