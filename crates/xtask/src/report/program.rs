//! Drives a program line by line, through its standard input and output.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for a line or an exit. Normally a program takes far less time.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

/// A running program. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct InteractiveProgram {
    command: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl InteractiveProgram {
    /// Starts a program with its arguments. Our own programs are in the folder `programs`. Other programs are found in
    /// the search path.
    pub(super) fn start(command: &str, programs: &Path) -> Result<Self, String> {
        let mut words = command.split(' ');
        let program = words.next().unwrap_or_default();
        let ours = programs.join(program);
        let mut child = Command::new(if ours.is_file() { ours.as_os_str() } else { program.as_ref() })
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command}: {error}"))?;
        let (sender, lines) = mpsc::channel();
        let output: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("a piped stream")),
            Box::new(child.stderr.take().expect("a piped stream")),
        ];
        for output in output {
            let sender = sender.clone();
            // This thread reads until the program closes its output, so that the program never blocks on a full pipe.
            thread::spawn(move || {
                BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
            });
        }
        let input = child.stdin.take();
        Ok(Self { command: command.to_owned(), child, input, lines })
    }

    /// Writes a line to the program's input.
    pub(super) fn send(&mut self, line: &str) -> Result<(), String> {
        let input = self.input.as_mut().ok_or_else(|| format!("{} has no open input", self.command))?;
        input.write_all(format!("{line}\n").as_bytes()).map_err(|error| format!("{}: {error}", self.command))
    }

    /// Takes the program's input away, so that a thread can write to it. Later calls of [`Self::send`] fail.
    pub(super) fn take_input(&mut self) -> Option<ChildStdin> {
        self.input.take()
    }

    /// Waits for the next line of output or error output.
    pub(super) fn next_line(&self) -> Result<String, String> {
        self.lines.recv_timeout(TIMEOUT).map_err(|_| format!("{} prints nothing more", self.command))
    }

    /// Fails unless the next line is `line`.
    pub(super) fn expect(&self, line: &str) -> Result<(), String> {
        let found = self.next_line()?;
        if found == line { Ok(()) } else { Err(format!("{} printed {found:?}, not {line:?}", self.command)) }
    }

    /// Reads until a line contains `part`. Returns the number of lines before that line, and the line.
    pub(super) fn skip_to_line_with(&self, part: &str) -> Result<(usize, String), String> {
        let mut skipped = 0;
        loop {
            let line = self.next_line().map_err(|error| format!("{error}, and printed no line with {part:?}"))?;
            if line.contains(part) {
                return Ok((skipped, line));
            }
            skipped += 1;
        }
    }

    /// Sends a signal to the program.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), String> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).map_err(|error| format!("{}: {error}", self.command))
    }

    /// Closes the program's input, and waits until the program exits.
    pub(super) fn close_input_and_wait(mut self) -> Result<(), String> {
        self.input.take();
        self.wait()
    }

    /// Waits until the program exits.
    pub(super) fn wait(&mut self) -> Result<(), String> {
        for _ in 0..TIMEOUT.as_millis() / 5 {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) => return Ok(()),
                Err(error) => return Err(format!("{}: {error}", self.command)),
            }
        }
        Err(format!("{} does not exit", self.command))
    }
}

impl Drop for InteractiveProgram {
    fn drop(&mut self) {
        // If the process has exited, this only collects its status.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
