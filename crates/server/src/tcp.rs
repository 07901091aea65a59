//! How each connection's socket is set up.

use std::io;

use socket2::{SockRef, TcpKeepalive};

use crate::settings::Settings;

/// How many keepalive probes go unanswered before the peer is taken for dead, where the system has no user timeout.
/// Linux has, and goes by that alone (tcp(7), `TCP_USER_TIMEOUT`).
const KEEPALIVE_PROBES: u32 = 3;

/// Sends each batch at once, and finds a peer that is gone without a word: one that says nothing by keepalive probes
/// (RFC 9293 §3.8.4), one that acknowledges nothing by the user timeout (RFC 5482).
pub(crate) fn configure<'a>(socket: impl Into<SockRef<'a>>, settings: &Settings) -> io::Result<()> {
    let socket = socket.into();
    socket.set_tcp_nodelay(true)?;
    let probes = settings.keepalive / KEEPALIVE_PROBES;
    let keepalive = TcpKeepalive::new()
        .with_time(settings.keepalive)
        .with_interval(probes.max(std::time::Duration::from_secs(1)))
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(settings.user_timeout))?;
    Ok(())
}
