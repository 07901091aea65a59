//! Listening sockets that the service manager passes: `sd_listen_fds(3)`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, SockRef, Type};

use crate::listener::Listener;
use crate::listener_kind::ListenerKind;
use crate::tls::Tls;

/// The sockets that the service manager passed to this process. Each takes the place of a setting.
#[derive(Debug, Default)]
pub struct PassedSockets {
    sockets: Vec<(ListenerKind, TcpListener)>,
}

/// Why a passed socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedSocketError {
    /// The variables `LISTEN_PID` and `LISTEN_FDS` are wrong, or a descriptor is closed.
    #[error("the service manager passes no usable sockets: {0}")]
    Environment(io::Error),
    /// The name says nothing about the service of the socket.
    #[error(
        "the service manager passes a socket with the name {name:?}: set FileDescriptorName= in its socket unit to \
         commands, line, tls or web"
    )]
    UnknownName {
        /// The name of the socket.
        name: String,
    },
    /// The descriptor is no TCP socket that listens.
    #[error(
        "the socket {name} of the service manager cannot be used: {error}. Give it ListenStream=PORT or ADDRESS:PORT"
    )]
    Unusable {
        /// The name of the socket.
        name: &'static str,
        /// The error of the system.
        error: io::Error,
    },
}

impl PassedSockets {
    /// Takes the sockets that the environment announces. A second call finds none.
    ///
    /// # Errors
    ///
    /// [`PassedSocketError`] if the name or the kind of a socket is wrong.
    pub fn take() -> Result<Self, PassedSocketError> {
        static ARE_TAKEN: AtomicBool = AtomicBool::new(false);
        if ARE_TAKEN.swap(true, Ordering::Relaxed) {
            return Ok(Self::default());
        }
        let passed = sd_notify::listen_fds_with_names().map_err(PassedSocketError::Environment)?;
        let sockets = passed.map(|(descriptor, name)| {
            let kind = ListenerKind::ALL.into_iter().find(|kind| kind.socket_name() == name);
            let kind = kind.ok_or(PassedSocketError::UnknownName { name })?;
            let unusable = |error| PassedSocketError::Unusable { name: kind.socket_name(), error };
            Ok((kind, into_listener(take_ownership(descriptor)).map_err(unusable)?))
        });
        Ok(Self { sockets: sockets.collect::<Result<_, _>>()? })
    }

    /// The kinds and the addresses of the sockets.
    #[must_use]
    pub fn addresses(&self) -> Vec<(ListenerKind, SocketAddr)> {
        let address = |(kind, socket): &(ListenerKind, TcpListener)| Some((*kind, socket.local_addr().ok()?));
        self.sockets.iter().filter_map(address).collect()
    }

    /// The listeners on the sockets. `tls` is there if a setting or a socket needs it. Needs a runtime of tokio.
    ///
    /// # Errors
    ///
    /// If the runtime refuses a socket.
    pub fn into_listeners(self, tls: Option<&Tls>) -> io::Result<Vec<Listener>> {
        self.sockets.into_iter().map(|(kind, socket)| Listener::on_socket(kind, socket, tls)).collect()
    }
}

/// Takes a descriptor that the service manager has passed.
#[expect(unsafe_code, reason = "std has no safe way to take a descriptor by its number")]
fn take_ownership(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the descriptor is open, because `sd_notify` has set one of its flags. The service manager has passed it to
    // this process, whose other code does not know its number, and `take` gets here once.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Checks that a descriptor is a TCP socket that listens, and makes it ready for the runtime.
fn into_listener(descriptor: OwnedFd) -> io::Result<TcpListener> {
    let socket = SockRef::from(&descriptor);
    let is_tcp = [Domain::IPV4, Domain::IPV6].contains(&socket.domain()?) && socket.r#type()? == Type::STREAM;
    if !is_tcp || !socket.is_listener()? {
        return Err(io::Error::other("it is no TCP socket that listens"));
    }
    socket.set_nonblocking(true)?;
    Ok(descriptor.into())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::unix::net::UnixListener;

    use socket2::Socket;

    use super::*;

    #[test]
    fn only_a_tcp_socket_that_listens_is_accepted() {
        let listening =
            TcpListener::bind("[::1]:0").or_else(|_| TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listening.local_addr().expect("a bound socket");
        assert_eq!(into_listener(listening.into()).expect("it listens").local_addr().expect("a bound socket"), address);

        let folder = tempfile::tempdir().expect("a folder");
        let others: [OwnedFd; 4] = [
            UdpSocket::bind("127.0.0.1:0").expect("a free port").into(),
            UnixListener::bind(folder.path().join("socket")).expect("a socket").into(),
            Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket").into(),
            std::fs::File::open("/dev/null").expect("a file").into(),
        ];
        for descriptor in others {
            into_listener(descriptor).expect_err("it is no TCP socket that listens");
        }
    }
}
