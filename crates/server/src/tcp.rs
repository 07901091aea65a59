//! The TCP options of connections.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::settings::Settings;

/// Number of unanswered keepalive probes after which a peer counts as dead. Linux uses the user timeout instead
/// (tcp(7), `TCP_USER_TIMEOUT`).
const KEEPALIVE_PROBES: u32 = 3;

/// Bytes that the kernel takes before it has sent them: as many as it sends in two large segments. More bytes would
/// wait in the kernel, where they count in no outbox (tcp(7), `TCP_NOTSENT_LOWAT`).
#[cfg(target_os = "linux")]
const NOTSENT_LOW_WATER_BYTES: u32 = 128 * 1024;

/// Sets the options. Nagle's algorithm is off, because each write is already a batch. TCP detects a dead peer: by
/// keepalive probes if the connection is silent (RFC 9293 §3.8.4), and by the user timeout if data is not acknowledged
/// (RFC 5482).
pub(crate) fn configure<'a>(socket: impl Into<SockRef<'a>>, settings: &Settings) -> io::Result<()> {
    let socket = socket.into();
    socket.set_tcp_nodelay(true)?;
    let probe_interval = settings.keepalive / KEEPALIVE_PROBES;
    let keepalive = TcpKeepalive::new()
        .with_time(settings.keepalive)
        .with_interval(probe_interval.max(Duration::from_secs(1)))
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(settings.user_timeout))?;
        socket.set_tcp_notsent_lowat(NOTSENT_LOW_WATER_BYTES)?;
    }
    Ok(())
}

/// Sets the time without acknowledgements after which TCP ends the connection, or turns this limit off. An error means
/// that the connection has ended, which its task learns from the next read or write.
pub(crate) fn set_user_timeout<'a>(socket: impl Into<SockRef<'a>>, timeout: Option<Duration>) {
    #[cfg(target_os = "linux")]
    let _ = socket.into().set_tcp_user_timeout(timeout);
    #[cfg(not(target_os = "linux"))]
    let _ = (socket.into(), timeout);
}
