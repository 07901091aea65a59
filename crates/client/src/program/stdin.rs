//! Forwards standard input to the socket.

use std::io;

use switchboard_client::low_level::StreamWriter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The largest read in bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// Sends the bytes `first` and then all of standard input. Before each write it passes the bytes to `prepare`, which may
/// change them. If the input does not end in an LF, it adds one.
///
/// If the socket fails, it returns `Ok`, because the reading side reports the reason. A returned error is an error of
/// standard input.
pub(crate) async fn forward(
    first: Vec<u8>,
    socket: &mut StreamWriter,
    mut prepare: impl FnMut(&mut Vec<u8>),
) -> io::Result<()> {
    let mut input = tokio::io::stdin();
    let mut bytes = first;
    let mut ends_in_lf = true;
    loop {
        if let Some(last) = bytes.last() {
            ends_in_lf = *last == b'\n';
            prepare(&mut bytes);
            if socket.write_all(&bytes).await.and(socket.flush().await).is_err() {
                return Ok(());
            }
        }
        bytes.resize(CHUNK_BYTES, 0);
        match input.read(&mut bytes).await? {
            0 if ends_in_lf => return Ok(()),
            0 => bytes = vec![b'\n'],
            n_read => bytes.truncate(n_read),
        }
    }
}
