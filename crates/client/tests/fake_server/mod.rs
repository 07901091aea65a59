//! A fake server that plays one dialogue per connection.
//!
//! Dialogues are written from the client's side:
//!
//! - `> text` is a line that the client must send.
//! - `< text` is a line that the client receives.
//! - `<| text` is text that the client receives without an added LF. Each `\n` in the text stands for an LF, so that
//!   one segment can hold several lines.
//! - A final `.` means that the client must close the connection and send no further line. Without the `.`, the server
//!   closes the connection.

#![allow(dead_code, reason = "each test program uses only a part of this module")]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::timeout;

/// The time limit for each step of a test.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs `test` and its fake server on one thread.
pub(crate) async fn run_local<T>(test: impl Future<Output = T>) -> T {
    timeout(2 * TEST_TIMEOUT, LocalSet::new().run_until(test)).await.expect("a test ends in time")
}

pub(crate) struct FakeServer {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl FakeServer {
    /// Plays the dialogues in order, one for each connection.
    pub(crate) async fn play<const N: usize>(dialogues: [&'static str; N]) -> Self {
        Self::listen(async move |listener| {
            for dialogue in dialogues {
                FakeConnection::accept(&listener).await.play(dialogue).await;
            }
        })
        .await
    }

    /// Runs `server` in a task, on the first connection.
    pub(crate) async fn spawn(server: impl AsyncFnOnce(FakeConnection) + 'static) -> Self {
        Self::listen(async move |listener| server(FakeConnection::accept(&listener).await).await).await
    }

    /// Runs `server` in a task, on a new listener.
    pub(crate) async fn listen(server: impl AsyncFnOnce(TcpListener) + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback is free");
        let addr = listener.local_addr().expect("the listener is bound");
        Self { addr, task: tokio::task::spawn_local(async move { server(listener).await }) }
    }

    /// Waits for the end of the last dialogue. Panics if the client did not follow a dialogue.
    pub(crate) async fn finish(self) {
        timeout(TEST_TIMEOUT, self.task)
            .await
            .expect("the dialogue ends in time")
            .expect("the client follows the dialogue");
    }
}

/// The server's end of one connection.
pub(crate) struct FakeConnection {
    stream: BufReader<TcpStream>,
}

impl FakeConnection {
    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = timeout(TEST_TIMEOUT, listener.accept())
            .await
            .expect("a client connects in time")
            .expect("accept succeeds");
        Self { stream: BufReader::new(stream) }
    }

    /// Plays one dialogue.
    pub(crate) async fn play(&mut self, dialogue: &str) {
        for line in dialogue.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            if line == "." {
                self.expect_eof().await;
            } else if let Some(line) = line.strip_prefix("> ") {
                self.expect_line(line).await;
            } else if let Some(text) = line.strip_prefix("<| ") {
                self.send(text.replace("\\n", "\n").as_bytes()).await;
            } else if let Some(line) = line.strip_prefix("< ") {
                self.send(format!("{line}\n").as_bytes()).await;
            } else {
                panic!("not a step of a dialogue: {line:?}");
            }
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("the client is connected");
    }

    /// Sends `bytes` to a client that may have closed the connection.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes).await
    }

    pub(crate) async fn expect_line(&mut self, expected: &str) {
        assert_eq!(self.read_line().await.as_deref(), Some(expected));
    }

    pub(crate) async fn expect_eof(&mut self) {
        assert_eq!(self.read_line().await, None, "the client sends no further line");
    }

    /// Reads a line without its LF. Returns `None` at the end of the stream.
    pub(crate) async fn read_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let result = timeout(TEST_TIMEOUT, self.stream.read_line(&mut line)).await.expect("the client sends in time");
        result.expect("the client is connected");
        line.ends_with('\n').then(|| line.trim_end_matches('\n').to_owned())
    }
}
