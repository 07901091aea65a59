//! Standard input, to the socket as it is.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;

/// Bytes read from standard input at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Sends `first` and then all of standard input, and tells `on_bytes` what is about to be sent. Input that ends without a
/// line's end gets one.
///
/// A socket that takes no more is no error here: why it does not is for whoever reads it to find out. An error is one of
/// standard input.
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
