//! The answer to a client that sends plain text to a port for TLS.

use std::io;

use switchboard_protocol::{Dialect, ForeignProtocol};
use tokio::net::TcpStream;

use crate::linger::linger;

/// Waits for the first byte of a client. If it is plain text, answers with a line that names the mistake.
///
/// # Errors
///
/// An error of the kind `InvalidData` after plain text, or that of the connection.
pub(super) async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    let mut first = [0];
    let count = stream.peek(&mut first).await?;
    let Some(foreign) = first[..count].first().and_then(|&byte| ForeignProtocol::at_tls_port(byte)) else {
        return Ok(());
    };
    let mut line = Vec::new();
    let _ = Dialect::Commands.encode(&foreign.refusal(), &mut line);
    // The line fits into the empty send buffer of a new connection.
    let _ = stream.try_write(&line);
    linger(stream).await;
    Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks plain text"))
}
