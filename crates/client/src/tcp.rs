//! The TCP options of connections.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

// The times are the defaults of the server (`keepalive` and `user-timeout` in `switchboard-server`), so that both ends
// give up a dead connection at about the same time.

/// The silence after which TCP probes the server.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// The time without an acknowledgement of data or probes, after which the server counts as gone.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_mins(1);

/// The number of unanswered keepalive probes after which the server counts as gone. Linux uses the user timeout instead
/// (tcp(7), `TCP_USER_TIMEOUT`).
const KEEPALIVE_PROBES: u32 = 3;

/// Sets the options. Nagle's algorithm is off, because chat lines are small and should leave at once. TCP detects a
/// server that is gone: by keepalive probes if the connection is silent (RFC 9293 §3.8.4), and by the user timeout if
/// data is not acknowledged (RFC 5482).
///
/// Failures are ignored, because the connection works without these options.
pub(crate) fn configure<'a>(socket: impl Into<SockRef<'a>>) {
    let socket = socket.into();
    let _ = socket.set_tcp_nodelay(true);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE / KEEPALIVE_PROBES)
        .with_retries(KEEPALIVE_PROBES);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_options_of_a_dead_connection_are_set() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let socket = TcpStream::connect(address).expect("the listener listens");
        configure(&socket);
        let options = SockRef::from(&socket);
        assert!(options.keepalive().expect("a TCP socket"));
        assert_eq!(options.tcp_keepalive_time().expect("a TCP socket"), KEEPALIVE);
        assert_eq!(options.tcp_user_timeout().expect("a TCP socket"), Some(USER_TIMEOUT));
        assert!(options.tcp_nodelay().expect("a TCP socket"));
    }
}
