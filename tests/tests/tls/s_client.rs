//! `openssl s_client` in a process of its own. Each wait for it is bounded, and it is killed at the end of the test.

use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use switchboard_tests::test_client::TIMEOUT;

use crate::server::text;

/// A stream of the program.
#[derive(Clone, Copy, Debug)]
enum Pipe {
    Output,
    Errors,
}

/// A running `openssl s_client`. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct SClient {
    child: Child,
    input: ChildStdin,
    /// Bytes of both streams. The channel ends when the program has closed them.
    chunks: mpsc::Receiver<(Pipe, Vec<u8>)>,
    output: Vec<u8>,
    errors: Vec<u8>,
}

impl SClient {
    /// Starts the program. `flags` come after the address of the server.
    pub(crate) fn start(address: SocketAddr, flags: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_client", "-connect", &address.to_string()])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl can be started");
        let input = child.stdin.take().expect("a pipe");
        let (sender, chunks) = mpsc::channel();
        forward(Pipe::Output, child.stdout.take().expect("a pipe"), sender.clone());
        forward(Pipe::Errors, child.stderr.take().expect("a pipe"), sender);
        Self { child, input, chunks, output: Vec::new(), errors: Vec::new() }
    }

    /// Types lines. After a failed handshake, the pipe is closed.
    pub(crate) fn send(&mut self, lines: &str) {
        let _ = self.input.write_all(lines.as_bytes()).and_then(|()| self.input.flush());
    }

    /// Waits until the output or the errors contain `part`. Returns `false` if the program ends before.
    ///
    /// # Panics
    ///
    /// If the program neither writes nor ends for [`TIMEOUT`].
    pub(crate) fn wait_for(&mut self, part: &str) -> bool {
        loop {
            if self.output().contains(part) || self.errors().contains(part) {
                return true;
            }
            match self.chunks.recv_timeout(TIMEOUT) {
                Ok(chunk) => self.append(chunk),
                Err(mpsc::RecvTimeoutError::Disconnected) => return false,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("openssl does not write {part:?}: {}{}", self.output(), self.errors())
                }
            }
        }
    }

    /// The output until now.
    pub(crate) fn output(&self) -> String {
        text(&self.output)
    }

    /// The errors until now.
    pub(crate) fn errors(&self) -> String {
        text(&self.errors)
    }

    fn append(&mut self, (pipe, bytes): (Pipe, Vec<u8>)) {
        match pipe {
            Pipe::Output => self.output.extend(bytes),
            Pipe::Errors => self.errors.extend(bytes),
        }
    }
}

impl Drop for SClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends the bytes of a pipe to a channel, until the program closes it.
fn forward(pipe: Pipe, mut stream: impl Read + Send + 'static, chunks: mpsc::Sender<(Pipe, Vec<u8>)>) {
    thread::spawn(move || {
        let mut chunk = [0; 1024];
        while let Ok(len @ 1..) = stream.read(&mut chunk) {
            if chunks.send((pipe, chunk[..len].to_vec())).is_err() {
                break;
            }
        }
    });
}
