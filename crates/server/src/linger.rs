//! A close that destroys no bytes on their way to the client.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Maximum time that a connection lingers.
pub(crate) const LINGER_MAX: Duration = Duration::from_secs(1);

/// Shuts down the write side, and discards what the client sends until it closes. A close with unread bytes would reset
/// the connection, and a reset may destroy bytes that the client has not read yet (compare RFC 9112 §9.6).
pub(crate) async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin + ?Sized)) {
    let _ = timeout(LINGER_MAX, async {
        let _ = stream.shutdown().await;
        let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
    })
    .await;
}
