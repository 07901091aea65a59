//! Opens connections: resolves an address, connects to the first of its hosts that answers (RFC 8305), and shakes hands
//! if the address is a link for TLS.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use switchboard_protocol::{HostPort, JoinLink, sanitize};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::connection_error::ConnectionError;
use crate::deadline;
use crate::error::{Error, FailedAttempt};
use crate::events::Event;
use crate::incoming::Incoming;
use crate::line_reader::LineReader;
use crate::stream::{Stream, StreamReader, StreamWriter};
use crate::{tcp, tls};

/// The time between the starts of two attempts: the "Connection Attempt Delay" of RFC 8305 §5, with its recommended
/// value.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The maximum number of addresses to try. With [`ATTEMPT_DELAY`] the last attempt begins within four seconds.
const ADDRESSES_MAX: usize = 16;

/// Connects to `addr` and reads `WELCOME`. Each of these two steps may take at most `limit`. Returns the reading and the
/// writing half of the connection.
pub async fn open_session(
    addr: &impl fmt::Display,
    limit: Duration,
) -> Result<(LineReader<StreamReader>, StreamWriter), Error> {
    receive_welcome(connect(addr, limit).await?, addr, limit).await
}

/// Connects to `addr` within `limit`: over TCP for `HOST:PORT`, and with TLS for a [`JoinLink`]. Does not wait for
/// `WELCOME`.
pub async fn connect(addr: &impl fmt::Display, limit: Duration) -> Result<Stream, Error> {
    let addr = addr.to_string();
    if !JoinLink::is_link(&addr) {
        return Ok(Stream::Tcp(connect_tcp(&addr, limit).await?));
    }
    let deadline = deadline::after(Instant::now(), limit);
    let link: JoinLink = addr.parse()?;
    let stream = connect_tcp(&link.address, limit).await?;
    Ok(Stream::Tls(tls::connect_tls(stream, &link, deadline, limit).await?))
}

/// Reads `WELCOME` from a connection to `addr`, within `limit`. Returns the reading and the writing half of the
/// connection.
pub async fn receive_welcome(
    stream: Stream,
    addr: &impl fmt::Display,
    limit: Duration,
) -> Result<(LineReader<StreamReader>, StreamWriter), Error> {
    let (read_half, socket) = stream.into_split();
    let mut lines = LineReader::new(read_half);
    let welcome = timeout(limit, lines.next_line()).await;
    let line = welcome.map_err(|_| Error::WelcomeTimeout { addr: addr.to_string(), limit })??;
    check_welcome(&line, addr)?;
    Ok((lines, socket))
}

/// Connects to `addr` (`HOST:PORT`) over TCP within `limit`. Does not wait for `WELCOME`.
///
/// If the host has several addresses, tries them in parallel, each 250 ms after the one before, until one of
/// them answers. All attempts share the time limit.
pub(crate) async fn connect_tcp(addr: &impl fmt::Display, limit: Duration) -> Result<TcpStream, Error> {
    let addr = addr.to_string();
    let deadline = deadline::after(Instant::now(), limit);
    let Ok(resolved) = timeout_at(deadline, resolve(&addr)).await else {
        return Err(Error::ConnectTimeout { addr, limit });
    };
    let addresses = match resolved {
        Ok(addresses) => interleave_families(addresses),
        Err(source) => return Err(Error::Resolve { addr, source }),
    };
    let socket = connect_first(addresses, deadline).await.map_err(|failed| connect_error(addr, limit, failed))?;
    tcp::configure(&socket);
    Ok(socket)
}

/// Returns the addresses of `addr`, which has the form HOST:PORT. HOST may be an IPv6 address in brackets, with the
/// name or the number of its zone (RFC 4007 §11): `[fe80::1%eth0]:12345`.
pub async fn resolve(addr: &str) -> io::Result<Vec<SocketAddr>> {
    let addr: HostPort = addr.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    Ok(lookup_host(addr.pair()).await?.collect())
}

/// Puts addresses of IPv4 and IPv6 in turns (RFC 8305 §4), because often one of the two does not work at all. Within a
/// family, the order of the system stays. Returns at most [`ADDRESSES_MAX`] addresses.
fn interleave_families(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let is_ipv6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_ipv6_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let turns = std::iter::from_fn(|| {
        let turn: Vec<_> = first.next().into_iter().chain(second.next()).collect();
        (!turn.is_empty()).then_some(turn)
    });
    turns.flatten().take(ADDRESSES_MAX).collect()
}

/// Connects to the first of `addresses` that answers. The next attempt begins [`ATTEMPT_DELAY`] after the last one, or
/// as soon as an attempt fails. On failure, returns the error of each attempt. An attempt without an answer until
/// `deadline`, or one that had not begun, has the kind [`io::ErrorKind::TimedOut`].
async fn connect_first(
    mut addresses: VecDeque<SocketAddr>,
    deadline: Instant,
) -> Result<TcpStream, Vec<FailedAttempt>> {
    let mut attempts = JoinSet::new();
    let mut unanswered = Vec::new();
    let mut failed = Vec::new();
    loop {
        if let Some(address) = addresses.pop_front() {
            unanswered.push(address);
            attempts.spawn(async move { (address, connect_to(address).await) });
        }
        let next_attempt_at = if addresses.is_empty() { deadline } else { Instant::now() + ATTEMPT_DELAY };
        tokio::select! {
            biased;
            attempt = attempts.join_next() => match attempt {
                None => return Err(failed),
                // No attempt is aborted before the set is dropped, so this is a panic, which goes on here.
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                Some(Ok((_, Ok(socket)))) => return Ok(socket),
                Some(Ok((address, Err(source)))) => {
                    unanswered.retain(|unanswered| *unanswered != address);
                    failed.push(FailedAttempt { address, source });
                }
            },
            () = sleep_until(deadline.min(next_attempt_at)) => if Instant::now() >= deadline {
                let timed_out = |address| FailedAttempt { address, source: io::ErrorKind::TimedOut.into() };
                failed.extend(unanswered.into_iter().map(timed_out));
                failed.extend(addresses.into_iter().map(FailedAttempt::not_tried));
                return Err(failed);
            },
        }
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    connect_socket(socket, address).await
}

/// Connects `socket` to `address`. Fails if the socket connected to itself, as if nobody listened.
///
/// A client may get the port of its server as its own port, if nobody listens there and the port is in the range of
/// ephemeral ports. TCP then connects the socket to itself (a simultaneous open, RFC 9293 §3.5).
async fn connect_socket(socket: TcpSocket, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket.connect(address).await?;
    if socket.local_addr()? == socket.peer_addr()? {
        // Without this option, the closed connection would occupy the server's port in TIME-WAIT.
        let _ = socket.set_zero_linger();
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(socket)
}

/// The error after failed attempts. With one attempt, it says no more than `addr`.
fn connect_error(addr: String, limit: Duration, mut failed: Vec<FailedAttempt>) -> Error {
    match failed.pop() {
        None => Error::Resolve { addr, source: io::Error::new(io::ErrorKind::NotFound, "the name has no address") },
        Some(only) if failed.is_empty() && only.source.kind() == io::ErrorKind::TimedOut => {
            Error::ConnectTimeout { addr, limit }
        }
        Some(only) if failed.is_empty() => Error::Connect { addr, source: only.source },
        Some(last) => {
            failed.push(last);
            Error::Unreachable { addr, limit, failed }
        }
    }
}

/// Returns the start of the first line from a server of another protocol, sanitized. It has 80 characters, which
/// identify the protocol and fit on one screen line.
#[must_use]
pub fn greeting_start(line: &str) -> String {
    let start: String = line.chars().take(80).collect();
    sanitize(&start).into_owned()
}

/// Fails if the first line from the server is not `WELCOME`. A server that refuses the session sends an `ERROR`
/// instead.
fn check_welcome(line: &str, addr: &impl fmt::Display) -> Result<(), Error> {
    match Incoming::parse(line) {
        _ if line == "WELCOME" => Ok(()),
        Incoming::Event(Event::Notice { code, detail }) => {
            Err(Error::Closed(ConnectionError::ClosedWithCode { code, detail }))
        }
        Incoming::Answer(Err(refused)) => Err(refused),
        Incoming::Answer(Ok(_)) | Incoming::Event(_) => {
            Err(Error::UnexpectedGreeting { addr: addr.to_string(), line: greeting_start(line) })
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        (listener, address)
    }

    /// An address at which Linux drops each SYN: a listener with a full backlog. Dropping the second value frees it.
    #[cfg(target_os = "linux")]
    async fn black_hole() -> (SocketAddr, (TcpListener, TcpStream)) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port on loopback is free");
        let listener = socket.listen(0).expect("the socket is bound");
        let address = listener.local_addr().expect("a bound listener has an address");
        let queued = TcpStream::connect(address).await.expect("a backlog of 0 has room for one connection");
        (address, (listener, queued))
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_address_that_drops_syns_does_not_hide_the_next_one() {
        let ((first, _full), (_listener, second)) = (black_hole().await, listen().await);
        let start = Instant::now();
        let socket = connect_first([first, second].into(), start + LIMIT).await.expect("the second address answers");
        assert_eq!(socket.peer_addr().expect("connected"), second);
        assert!(start.elapsed() >= ATTEMPT_DELAY, "the first address gets a head start");
        assert!(start.elapsed() < LIMIT / 2, "the second address does not wait for the first one");
    }

    #[tokio::test]
    async fn after_a_refusal_the_next_attempt_begins_at_once() {
        const REFUSING: usize = 8;
        let (closed, refusing) = listen().await;
        drop(closed);
        let (_listener, listening) = listen().await;
        let addresses = std::iter::repeat_n(refusing, REFUSING).chain([listening]).collect();
        let start = Instant::now();
        let socket = connect_first(addresses, start + LIMIT).await.expect("the last one answers");
        assert_eq!(socket.peer_addr().expect("connected"), listening);
        // With a delay before each attempt, this would take 2 s.
        assert!(start.elapsed() < ATTEMPT_DELAY * 6, "{:?}", start.elapsed());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_error_names_each_address_with_its_reason_after_one_time_limit() {
        let (closed, refusing) = listen().await;
        drop(closed);
        let ((first, _full), (second, _full_too)) = (black_hole().await, black_hole().await);
        let limit = Duration::from_secs(2);
        let start = Instant::now();
        let failed = connect_first([first, refusing, second].into(), start + limit).await.expect_err("nobody answers");
        assert!(start.elapsed() >= limit, "{:?}", start.elapsed());
        let error = connect_error("chat.example:12345".to_owned(), limit, failed).to_string();
        let expected = format!(
            "cannot reach chat.example:12345: {refusing}: connection refused, {first}: no answer within 2s, \
             {second}: no answer within 2s. Is the address right, and is the network up?"
        );
        assert_eq!(error, expected);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_error_tells_which_addresses_were_not_tried() {
        let ((first, _full), (_listener, second)) = (black_hole().await, listen().await);
        // Shorter than the delay before the second attempt.
        let limit = ATTEMPT_DELAY / 5;
        let failed = connect_first([first, second].into(), Instant::now() + limit).await.expect_err("nobody answers");
        let error = connect_error("chat.example:12345".to_owned(), limit, failed).to_string();
        let expected = format!(
            "cannot reach chat.example:12345: {first}: no answer within 50ms, {second}: not tried. \
             Is the address right, and is the network up?"
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn families_take_turns_and_the_number_of_addresses_is_bounded() {
        let addresses = |hosts: &[&str]| -> Vec<SocketAddr> {
            hosts.iter().map(|host| SocketAddr::new(host.parse().expect("an IP address"), 1)).collect()
        };
        let cases: [(&[&str], &[&str]); 4] = [
            (&[], &[]),
            (&["::1", "::2", "::3", "10.0.0.1"], &["::1", "10.0.0.1", "::2", "::3"]),
            (&["10.0.0.1", "::1", "::2"], &["10.0.0.1", "::1", "::2"]),
            (&["10.0.0.1", "10.0.0.2", "::1", "::2"], &["10.0.0.1", "::1", "10.0.0.2", "::2"]),
        ];
        for (given, expected) in cases {
            assert_eq!(interleave_families(addresses(given)), addresses(expected), "given {given:?}");
        }
        assert_eq!(interleave_families(addresses(&["10.0.0.1"; 100])).len(), ADDRESSES_MAX);
    }

    #[tokio::test]
    async fn a_socket_connected_to_itself_counts_as_refused_and_frees_the_port() {
        let (closed, address) = listen().await;
        drop(closed);
        let socket = TcpSocket::new_v4().expect("a socket");
        // The system may choose the same port by chance. Here it is certain.
        socket.bind(address).expect("the port is free");
        let error = connect_socket(socket, address).await.expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        // Without SO_REUSEADDR, a connection in TIME-WAIT would occupy the port.
        let server = TcpSocket::new_v4().expect("a socket");
        server.bind(address).expect("a server can take its port");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_ipv6_address_may_have_a_zone() {
        // The interface `lo` has the number 1 in each network namespace.
        for addr in ["[fe80::1%lo]:12345", "[fe80::1%1]:12345"] {
            let expected: SocketAddr = "[fe80::1%1]:12345".parse().expect("an address");
            assert_eq!(resolve(addr).await.expect("it resolves"), [expected], "given {addr}");
        }
        assert!(resolve("[fe80::1%no-such-link]:12345").await.is_err());
        assert_eq!(resolve("[::1]:7").await.expect("it resolves"), ["[::1]:7".parse().expect("an address")]);
    }
}
