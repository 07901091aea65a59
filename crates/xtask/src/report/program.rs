//! Somebody at a real program: what they type goes to its input, what they hear is what it prints.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long a line, or an end, may take: far longer than it does.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

/// A program that runs.
#[derive(Debug)]
pub(super) struct InteractiveProgram {
    command: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl InteractiveProgram {
    /// Starts a program with its words. Ours are in `programs`, all others where the system has them.
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
        let output: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("it is piped")), Box::new(child.stderr.take().expect("it is piped"))];
        for output in output {
            let sender = sender.clone();
            // Read to the end, so that it never waits for room.
            thread::spawn(move || {
                BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
            });
        }
        let input = child.stdin.take();
        Ok(Self { command: command.to_owned(), child, input, lines })
    }

    pub(super) fn send(&mut self, line: &str) -> Result<(), String> {
        let input = self.input.as_mut().ok_or_else(|| format!("{} has left", self.command))?;
        input.write_all(format!("{line}\n").as_bytes()).map_err(|error| format!("{}: {error}", self.command))
    }

    /// Gives the input away, for a thread to write to it.
    pub(super) fn take_input(&mut self) -> Option<ChildStdin> {
        self.input.take()
    }

    /// The next line that it prints.
    pub(super) fn next_line(&self) -> Result<String, String> {
        self.lines.recv_timeout(TIMEOUT).map_err(|_| format!("{} says nothing more", self.command))
    }

    /// Hears this line next.
    pub(super) fn expect(&self, line: &str) -> Result<(), String> {
        let found = self.next_line()?;
        if found == line { Ok(()) } else { Err(format!("{} says {found:?}, not {line:?}", self.command)) }
    }

    /// Hears lines until one holds `part`; gives how many came before it, and it.
    pub(super) fn skip_to_line_with(&self, part: &str) -> Result<(usize, String), String> {
        let mut before = 0;
        loop {
            let line = self.next_line().map_err(|error| format!("{error}, and no line with {part:?}"))?;
            if line.contains(part) {
                return Ok((before, line));
            }
            before += 1;
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), String> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).map_err(|error| format!("{}: {error}", self.command))
    }

    /// Ends its input, and waits until it has ended too.
    pub(super) fn close_input_and_wait(mut self) -> Result<(), String> {
        self.input.take();
        self.wait()
    }

    /// Waits until it has ended, and gives what it has said since.
    pub(super) fn wait(&mut self) -> Result<(), String> {
        for _ in 0..TIMEOUT.as_millis() / 5 {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) => return Ok(()),
                Err(error) => return Err(format!("{}: {error}", self.command)),
            }
        }
        Err(format!("{} does not end", self.command))
    }
}

impl Drop for InteractiveProgram {
    fn drop(&mut self) {
        // One that has ended already is only gathered.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
