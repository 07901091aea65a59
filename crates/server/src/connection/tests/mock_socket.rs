//! A socket that records its reads and writes.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::Socket;

/// A socket that accepts any write, unless it is blocked or broken.
#[derive(Clone, Debug, Default)]
pub(super) struct MockSocket(Arc<Mutex<SocketState>>);

impl MockSocket {
    pub(super) fn state(&self) -> MutexGuard<'_, SocketState> {
        self.0.lock().expect("no holder of the lock panics")
    }

    /// Sends bytes from the client, with one read for each element of `reads`.
    pub(super) fn send(&self, reads: impl IntoIterator<Item = String>) {
        let mut state = self.state();
        state.input.extend(reads.into_iter().map(String::into_bytes));
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    pub(super) fn half_close(&self) {
        self.state().end = Some(Ok(()));
        self.send([]);
    }

    pub(super) fn reset(&self) {
        self.state().end = Some(Err(io::ErrorKind::ConnectionReset));
        self.send([]);
    }

    pub(super) fn block(&self) {
        self.state().is_blocked = true;
    }

    pub(super) fn unblock(&self) {
        let mut state = self.state();
        state.is_blocked = false;
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
    }

    pub(super) fn break_writes(&self) {
        self.state().is_broken = true;
    }

    pub(super) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }
}

#[derive(Debug, Default)]
pub(super) struct SocketState {
    /// The bytes of the next reads, one element for each read. If there is none, a read is pending.
    input: VecDeque<Vec<u8>>,
    /// The result of a read after `input`, if the client has half-closed or reset the connection.
    end: Option<Result<(), io::ErrorKind>>,
    reader: Option<Waker>,
    /// Each write is pending.
    is_blocked: bool,
    /// Each write fails.
    is_broken: bool,
    writer: Option<Waker>,
    pub(super) calls: Vec<Call>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Call {
    /// A read that returned bytes.
    Read,
    Write(Vec<u8>),
    FailedWrite,
    Shutdown,
}

/// The text of each write.
pub(super) fn writes(calls: &[Call]) -> Vec<&str> {
    let mut texts = Vec::new();
    for call in calls {
        if let Call::Write(bytes) = call {
            texts.push(std::str::from_utf8(bytes).expect("all output is UTF-8"));
        }
    }
    texts
}

impl AsyncRead for MockSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let Some(mut bytes) = state.input.pop_front() else {
            if let Some(end) = state.end {
                return Poll::Ready(end.map_err(io::Error::from));
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let remaining = bytes.split_off(bytes.len().min(buf.remaining()));
        buf.put_slice(&bytes);
        if !remaining.is_empty() {
            state.input.push_front(remaining);
        }
        state.calls.push(Call::Read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MockSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.is_blocked {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.is_broken {
            state.calls.push(Call::FailedWrite);
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        state.calls.push(Call::Write(buf.to_vec()));
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().calls.push(Call::Shutdown);
        Poll::Ready(Ok(()))
    }
}

impl Socket for MockSocket {}
