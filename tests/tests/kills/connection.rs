//! The connection of a client, line by line.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Receive buffer of a client. With the large ones of loopback, no reader would ever be slow.
const RECEIVE_BUFFER_BYTES: u32 = 16 * 1024;

/// A connection to the server, which ends at each kill.
pub(crate) struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// The beginning of a line.
    incomplete: Vec<u8>,
    unsent: Vec<u8>,
}

impl Connection {
    /// Connects, unless no server is there.
    pub(crate) async fn open(address: SocketAddr) -> Option<Self> {
        let socket = TcpSocket::new_v4().expect("an open file is free");
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).expect("a new socket");
        let stream = socket.connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (reader, writer) = stream.into_split();
        Some(Self { reader: BufReader::new(reader), writer, incomplete: Vec::new(), unsent: Vec::new() })
    }

    /// Queues a line. [`Self::receive`] writes it.
    pub(crate) fn queue(&mut self, line: &str) {
        self.unsent.extend_from_slice(line.as_bytes());
        self.unsent.push(b'\n');
    }

    /// Writes the queued lines, and returns the next line of the server, or `None` at the end of the connection. If the
    /// future is dropped, no byte is lost.
    pub(crate) async fn receive(&mut self) -> Option<String> {
        loop {
            tokio::select! {
                read = self.reader.read_until(b'\n', &mut self.incomplete) => {
                    // A kill may cut the last line in two.
                    if read.is_err() || self.incomplete.pop() != Some(b'\n') {
                        return None;
                    }
                    return Some(String::from_utf8(std::mem::take(&mut self.incomplete)).expect("lines are UTF-8"));
                }
                written = self.writer.write(&self.unsent), if !self.unsent.is_empty() => {
                    // After an error, the lines that have arrived before are still read.
                    let written = written.unwrap_or(self.unsent.len());
                    self.unsent.drain(..written);
                }
            }
        }
    }
}
