//! Binds listening addresses.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::{fmt, io};

use socket2::SockRef;
use switchboard_protocol::{Dialect, HostPort, HostPortError};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::listener_kind::ListenerKind;
use crate::loopback::is_loopback;
use crate::telemetry;
use crate::tls::Tls;

/// Maximum number of connections that wait to be accepted. It is large enough for several school classes that connect
/// at the same time.
const BACKLOG: u32 = 4096;

/// Number of attempts to find a port that is free at all addresses of a host. One attempt fails rarely.
const FREE_PORT_ATTEMPTS: usize = 16;

/// The first port that a user without privileges may bind on most systems (RFC 6335 §6: System Ports are below).
const UNPRIVILEGED_PORT_MIN: u16 = 1024;

/// A listening socket, and the dialect and the encryption of its sessions.
#[derive(Debug)]
pub struct Listener {
    pub(crate) service: Service,
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<Tls>,
}

/// The service of a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Service {
    /// Sessions that speak this dialect.
    Lines(Dialect),
    /// The page, and WebSockets that carry the commands dialect.
    Web,
}

/// Why a listener cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The name does not resolve.
    #[error("cannot listen on {address}: {error}. Give HOST:PORT with {flag}, such as {flag} 0.0.0.0:12345")]
    Unresolved {
        /// The address as the user gave it.
        address: ListenAddress,
        /// The flag that sets the address.
        flag: &'static str,
        /// The error of the resolver.
        error: io::Error,
    },
    /// Another socket listens on the address.
    #[error(
        "cannot listen on {address}: the port is in use, perhaps by another server{}. \
         Choose another address with {flag} HOST:PORT, or turn this listener off with {flag} none",
        if takes_ipv4_too(.address) { ", or by this one ([::] takes IPv4 too)" } else { "" }
    )]
    InUse {
        /// The address as the user gave it.
        address: ListenAddress,
        /// The flag that sets the address.
        flag: &'static str,
    },
    /// The port needs a privilege.
    #[error(
        "cannot listen on {address}: {error}. Ports below {UNPRIVILEGED_PORT_MIN} need a privilege: choose another \
         port with {flag} HOST:PORT, or give the program the privilege with \
         `setcap cap_net_bind_service=+ep /path/to/switchboard-server`, or let systemd open the port by a socket unit, \
         such as switchboard-server-web.socket of the package"
    )]
    Privileged {
        /// The address as the user gave it.
        address: ListenAddress,
        /// The flag that sets the address.
        flag: &'static str,
        /// The error of the system.
        error: io::Error,
    },
    /// The system refuses to bind the address.
    #[error("cannot listen on {address}: {error}. Choose another address with {flag} HOST:PORT")]
    Refused {
        /// The address as the user gave it.
        address: ListenAddress,
        /// The flag that sets the address.
        flag: &'static str,
        /// The error of the system.
        error: io::Error,
    },
}

impl BindError {
    fn new(error: io::Error, flag: &'static str, address: &ListenAddress) -> Self {
        let address = address.clone();
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, flag },
            io::ErrorKind::PermissionDenied if address.port() < UNPRIVILEGED_PORT_MIN => {
                Self::Privileged { address, flag, error }
            }
            _ => Self::Refused { address, flag, error },
        }
    }
}

/// Whether a socket of this address also takes the connections of IPv4.
fn takes_ipv4_too(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::All { .. } => true,
        ListenAddress::Host(host_port) => host_port.pair().0.parse() == Ok(Ipv6Addr::UNSPECIFIED),
    }
}

/// An address to listen on, as the user gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListenAddress {
    /// `:PORT`: all addresses of this machine, of IPv4 and IPv6.
    All {
        /// The port. 0: the system chooses a free port.
        port: u16,
    },
    /// `HOST:PORT`: all addresses of a host.
    Host(HostPort),
}

impl FromStr for ListenAddress {
    type Err = String;

    /// # Errors
    ///
    /// The error in the text, and an instruction how to mend it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(port) = text.strip_prefix(':') else {
            let host_port = text.parse::<HostPort>();
            return host_port.map(Self::Host).map_err(|error| format!("{error}, or :PORT for all addresses"));
        };
        // A host of any name shows whether the port is valid.
        let host_port: HostPort = format!("all:{port}").parse().map_err(|error: HostPortError| error.to_string())?;
        Ok(Self::All { port: host_port.pair().1 })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All { port } => write!(f, ":{port}"),
            Self::Host(host_port) => host_port.fmt(f),
        }
    }
}

impl ListenAddress {
    /// Whether only this machine reaches the address, as far as its text tells.
    pub(crate) fn is_loopback(&self) -> bool {
        let Self::Host(host_port) = self else { return false };
        is_loopback(host_port.pair().0)
    }

    fn port(&self) -> u16 {
        match self {
            Self::All { port } => *port,
            Self::Host(host_port) => host_port.pair().1,
        }
    }
}

impl Listener {
    /// Uses a socket that already listens.
    #[must_use]
    pub fn new(dialect: Dialect, socket: TcpListener) -> Self {
        Self { service: Service::Lines(dialect), socket, tls: None }
    }

    /// Encrypts the sessions of this listener.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Binds `address`. For port 0, the system chooses a free port. If the host has several addresses, binds all of
    /// them, with the same port. An address that this machine does not have is skipped, if another can be bound:
    /// `localhost` often has an IPv6 address on machines without IPv6.
    pub async fn bind(dialect: Dialect, address: &ListenAddress) -> Result<Vec<Self>, BindError> {
        let flag = match dialect {
            Dialect::Commands => "--listen",
            Dialect::Line => "--listen-line",
        };
        let sockets = bind_sockets(address, flag).await?;
        Ok(sockets.into_iter().map(|socket| Self::new(dialect, socket)).collect())
    }

    /// Like [`Self::bind`], for the commands dialect over TLS.
    pub async fn bind_tls(tls: &Tls, address: &ListenAddress) -> Result<Vec<Self>, BindError> {
        let sockets = bind_sockets(address, "--listen-tls").await?;
        Ok(sockets.into_iter().map(|socket| Self::new(Dialect::Commands, socket).with_tls(tls.clone())).collect())
    }

    /// Like [`Self::bind`], for the page and for WebSockets. With `tls`, clients may use HTTPS. Others than those on this
    /// machine must.
    pub async fn bind_web(tls: Option<&Tls>, address: &ListenAddress) -> Result<Vec<Self>, BindError> {
        let sockets = bind_sockets(address, "--listen-web").await?;
        Ok(sockets.into_iter().map(|socket| Self::for_web(socket, tls)).collect())
    }

    /// A listener of a kind on a socket that already listens. It must be in non-blocking mode. Without `tls`, a listener
    /// for browsers takes no HTTPS.
    ///
    /// # Errors
    ///
    /// If the runtime refuses the socket, or if `tls` is missing for [`ListenerKind::Tls`].
    pub fn on_socket(kind: ListenerKind, socket: std::net::TcpListener, tls: Option<&Tls>) -> io::Result<Self> {
        let socket = TcpListener::from_std(socket)?;
        Ok(match (kind, tls) {
            (ListenerKind::Commands, _) => Self::new(Dialect::Commands, socket),
            (ListenerKind::Line, _) => Self::new(Dialect::Line, socket),
            (ListenerKind::Tls, Some(tls)) => Self::new(Dialect::Commands, socket).with_tls(tls.clone()),
            (ListenerKind::Tls, None) => return Err(io::Error::other("a listener with TLS needs a certificate")),
            (ListenerKind::Web, tls) => Self::for_web(socket, tls),
        })
    }

    fn for_web(socket: TcpListener, tls: Option<&Tls>) -> Self {
        Self { service: Service::Web, socket, tls: tls.map(Tls::for_http) }
    }

    /// The bound address, with the port that the system chose.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Binds an address, which `flag` has set.
pub(crate) async fn bind_sockets(address: &ListenAddress, flag: &'static str) -> Result<Vec<TcpListener>, BindError> {
    let sockets = match address {
        ListenAddress::All { port } => listen_on_all(*port).map(|socket| vec![socket]),
        ListenAddress::Host(host_port) => {
            let resolved = lookup_host(host_port.pair()).await;
            let unresolved = |error| BindError::Unresolved { address: address.clone(), flag, error };
            let mut candidates: Vec<_> = resolved.map_err(unresolved)?.collect();
            candidates.sort_unstable();
            candidates.dedup();
            listen_on_each(&candidates)
        }
    };
    sockets.map_err(|error| BindError::new(error, flag, address))
}

/// Listens on all addresses with one socket for IPv4 and IPv6, or with a socket for IPv4 if there is no IPv6.
fn listen_on_all(port: u16) -> io::Result<TcpListener> {
    match listen((Ipv6Addr::UNSPECIFIED, port).into(), Some(false)) {
        Err(error) if is_absent(&error) => listen((Ipv4Addr::UNSPECIFIED, port).into(), None),
        result => result,
    }
}

/// Listens on each of the addresses of a host. They all have the same port.
fn listen_on_each(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut attempts = FREE_PORT_ATTEMPTS;
    loop {
        attempts -= 1;
        match try_listen_on_each(addresses) {
            // The port that the system chose for the first address is in use at another.
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && addresses.iter().all(|address| address.port() == 0)
                    && attempts > 0 => {}
            result => return result,
        }
    }
}

fn try_listen_on_each(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    let mut absent = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for &(mut address) in addresses {
        if address.port() == 0
            && let Some(first) = sockets.first()
        {
            address.set_port(first.local_addr()?.port());
        }
        match listen(address, None) {
            Ok(socket) => sockets.push(socket),
            Err(error) if is_absent(&error) => {
                tracing::warn!(target: telemetry::SERVER, %address, %error, "cannot listen on an address of the host");
                absent = error;
            }
            Err(error) => return Err(error),
        }
    }
    if sockets.is_empty() { Err(absent) } else { Ok(sockets) }
}

/// Whether the machine does not have the address, or not even its family.
fn is_absent(error: &io::Error) -> bool {
    let is_family_unsupported = error.raw_os_error() == Some(libc::EAFNOSUPPORT);
    is_family_unsupported || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// `is_ipv6_only` is for IPv6: whether the socket refuses IPv4. `None`: as the system is configured.
fn listen(address: SocketAddr, is_ipv6_only: Option<bool>) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted server can bind although connections of the previous server are in TIME-WAIT.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    if let Some(is_ipv6_only) = is_ipv6_only {
        SockRef::from(&socket).set_only_v6(is_ipv6_only)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_addresses_of_a_host_are_bound_to_one_port() {
        let loopback: Vec<SocketAddr> = ["127.0.0.1:0", "127.0.0.2:0"].map(|text| text.parse().expect(text)).into();
        let sockets = listen_on_each(&loopback).expect("a free port");
        let bound: Vec<_> = sockets.iter().map(|socket| socket.local_addr().expect("a bound socket")).collect();
        let hosts: Vec<_> = bound.iter().map(SocketAddr::ip).collect();
        assert_eq!(hosts, loopback.iter().map(SocketAddr::ip).collect::<Vec<_>>());
        assert_eq!(bound[0].port(), bound[1].port());
    }

    #[tokio::test]
    async fn an_address_in_use_is_an_error_although_another_is_free() {
        let taken = listen("127.0.0.1:0".parse().expect("an address"), None).expect("a free port");
        let taken = taken.local_addr().expect("a bound socket");
        let free = SocketAddr::new([127, 0, 0, 2].into(), taken.port());
        for addresses in [[taken, free], [free, taken]] {
            let error = listen_on_each(&addresses).expect_err("the address is in use");
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
    }

    #[tokio::test]
    async fn an_absent_address_is_skipped_if_another_is_present() {
        // A documentation address (RFC 5737), which no machine has.
        let [absent, present] = ["192.0.2.1:0", "127.0.0.1:0"].map(|text| text.parse().expect(text));
        assert_eq!(listen_on_each(&[absent, present]).expect("a free port").len(), 1);
        listen_on_each(&[absent]).expect_err("the address is absent");
        listen_on_each(&[]).expect_err("there is no address");
    }

    #[test]
    fn listen_address_is_parsed_and_displayed() {
        for text in [":21500", "127.0.0.1:0", "[fe80::1%eth0]:12345", "chat.example:1"] {
            assert_eq!(text.parse::<ListenAddress>().expect(text).to_string(), text);
        }
        for text in ["foo", ":", ":x", "", "none", "foo:99999"] {
            text.parse::<ListenAddress>().expect_err(text);
        }
    }
}
