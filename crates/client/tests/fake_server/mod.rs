//! A server that plays a dialogue, one connection after the other.
//!
//! A dialogue is written from the client's side: `>` it says, `<` it hears, `<|` it hears without a line's end (and with
//! one at each `\n`, to have several lines in one segment), and a last `.` says that it ends the connection without
//! another word (so silence is proved, not waited for). Where there is no `.`, the server closes when the dialogue is
//! over.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The longest that any one thing in a test may take.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) struct FakeServer {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl FakeServer {
    /// Plays one dialogue for each connection, in order.
    pub(crate) async fn play<const N: usize>(dialogues: [&'static str; N]) -> Self {
        Self::with(async move |listener| {
            for dialogue in dialogues {
                FakeConnection::accept(&listener).await.play(dialogue).await;
            }
        })
        .await
    }

    /// Runs `server` on a listener.
    pub(crate) async fn with(server: impl AsyncFnOnce(TcpListener) + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback takes a listener");
        let addr = listener.local_addr().expect("it is bound");
        Self { addr, task: tokio::task::spawn_local(async move { server(listener).await }) }
    }

    /// Waits for the last dialogue to end, and fails if it went another way.
    pub(crate) async fn finish(self) {
        timeout(TEST_TIMEOUT, self.task)
            .await
            .expect("the dialogue ends in time")
            .expect("the dialogue goes as written");
    }
}

/// One connection, as the server sees it.
pub(crate) struct FakeConnection {
    stream: BufReader<TcpStream>,
}

impl FakeConnection {
    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) =
            timeout(TEST_TIMEOUT, listener.accept()).await.expect("a client comes").expect("it is accepted");
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) async fn play(&mut self, dialogue: &str) {
        for line in dialogue.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            if line == "." {
                self.expect_eof().await;
            } else if let Some(line) = line.strip_prefix("> ") {
                self.expect_line(line).await;
            } else if let Some(part) = line.strip_prefix("<| ") {
                self.send(part.replace("\\n", "\n").as_bytes()).await;
            } else if let Some(line) = line.strip_prefix("< ") {
                self.send(format!("{line}\n").as_bytes()).await;
            } else {
                panic!("no step of a dialogue: {line:?}");
            }
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("the client listens");
    }

    /// Says it to a client that may be gone.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes).await
    }

    pub(crate) async fn expect_line(&mut self, expected: &str) {
        assert_eq!(self.read_line().await.as_deref(), Some(expected));
    }

    pub(crate) async fn expect_eof(&mut self) {
        assert_eq!(self.read_line().await, None, "the client says no more");
    }

    /// A line without its LF, or `None` at the end.
    async fn read_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(TEST_TIMEOUT, self.stream.read_line(&mut line)).await.expect("the client speaks in time");
        read.expect("the client is there");
        line.ends_with('\n').then(|| line.trim_end_matches('\n').to_owned())
    }
}
