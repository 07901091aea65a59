//! Forwards standard input to the socket.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;

/// The largest read in bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// Sends `first` and then all of standard input. Calls `on_bytes` with the bytes before each write. Adds an LF if the
/// input does not end in one.
///
/// Stops without an error if the socket fails, because the reading side reports the reason. All returned errors are
/// those of standard input.
pub(crate) async fn forward(
    first: Vec<u8>,
    socket: &mut OwnedWriteHalf,
    mut on_bytes: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut input = tokio::io::stdin();
    let mut bytes = first;
    let mut ends_a_line = true;
    loop {
        if let Some(last) = bytes.last() {
            ends_a_line = *last == b'\n';
            on_bytes(&bytes);
            if socket.write_all(&bytes).await.is_err() {
                return Ok(());
            }
        }
        bytes.resize(CHUNK_BYTES, 0);
        match input.read(&mut bytes).await? {
            0 if ends_a_line => return Ok(()),
            0 => bytes = vec![b'\n'],
            read => bytes.truncate(read),
        }
    }
}
