//! Accepts connections, and continues after errors.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use switchboard_protocol::{Dialect, ErrorCode};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::admission::{Admission, Permit};
use crate::connection::Connection;
use crate::hub::Hub;
use crate::linger::linger;
use crate::listener::{Listener, Service};
use crate::socket::Socket;
use crate::speaker::Speaker;
use crate::stopping::Stopping;
use crate::tcp;
use crate::telemetry;
use crate::web::{self, Web, WebListener};

/// Pause of a listener after an error, for example when the process has no file descriptors left. It is long enough
/// that retries cost little, and too short for a person to notice.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Maximum number of rejected connections from which the server still reads, until their clients close.
pub(crate) const REJECTIONS_MAX: usize = 64;

/// Time without an error after which an accepted connection shows that the listener has recovered.
const RECOVERED_AFTER: Duration = Duration::from_secs(1);

/// Opens a session for each accepted connection, or rejects it.
#[derive(Clone, Debug)]
pub(crate) struct Acceptor {
    pub(crate) hub: Arc<Hub>,
    pub(crate) admission: Arc<Admission>,
    /// Limits the rejected connections that the server still reads to [`REJECTIONS_MAX`].
    pub(crate) rejections: Arc<Semaphore>,
    pub(crate) web: Arc<Web>,
    /// Ends the waits of connections that have no session yet.
    pub(crate) stopping: Stopping,
}

/// Accepts connections until it is dropped.
pub(crate) async fn accept(listener: Listener, acceptor: Acceptor) {
    // On some systems, an accepted connection inherits the options of its listener, which saves system calls.
    let _ = tcp::configure(&listener.socket, &acceptor.hub.settings);
    let mut last_error: Option<Instant> = None;
    loop {
        match listener.socket.accept().await {
            Ok((stream, peer)) => {
                // One success soon after an error is not enough: the same error may follow it.
                if last_error.take_if(|last| last.elapsed() > RECOVERED_AFTER).is_some() {
                    tracing::warn!(target: telemetry::SERVER, "accepting connections again");
                }
                acceptor.open(stream, peer, &listener);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                if last_error.replace(Instant::now()).is_none() {
                    tracing::warn!(
                        target: telemetry::SERVER,
                        %error,
                        sessions = acceptor.admission.sessions(),
                        "cannot accept connections for now; open sessions continue. \
                         If the process is out of file descriptors, raise `ulimit -n` or lower --max-sessions"
                    );
                }
                sleep(BACK_OFF).await;
            }
        }
    }
}

impl Acceptor {
    fn open(&self, stream: TcpStream, peer: SocketAddr, listener: &Listener) {
        // A socket for IPv6 and IPv4 reports an IPv4 peer as ::ffff:192.0.2.1.
        let peer = match peer.ip().to_canonical() {
            address @ IpAddr::V4(_) => SocketAddr::new(address, peer.port()),
            // Keeps the scope of a link-local address.
            IpAddr::V6(_) => peer,
        };
        let is_proxy = listener.service == Service::Web && self.web.trusted_proxies.contains(peer.ip());
        let admitted = if is_proxy { self.admission.admit_proxy() } else { self.admission.admit(peer) };
        let permit = match admitted {
            Ok(permit) => permit,
            Err(code) => {
                telemetry::rejected(peer, code);
                return match listener.service {
                    Service::Web => self.reject_slowly(web::reject(stream)),
                    Service::Lines(dialect) if listener.tls.is_none() => self.reject(stream, code, dialect),
                    // A line before the handshake would break it. The client learns from the close that it was refused.
                    Service::Lines(_) => {}
                };
            }
        };
        // A connection lacks the options if the system does not let it inherit them, or if it was established before
        // the listener had them.
        let is_configured = stream.nodelay().unwrap_or(false);
        if !is_configured && let Err(error) = tcp::configure(&stream, &self.hub.settings) {
            // The options are valid, so setting them fails only on a connection that was reset.
            tracing::debug!(target: telemetry::SESSIONS, %peer, %error, "reset before the session opened");
            return;
        }
        let mut acceptor = self.clone();
        let dialect = match listener.service {
            Service::Lines(dialect) => dialect,
            Service::Web => {
                let listener = WebListener::of(listener);
                tokio::spawn(web::serve(acceptor, stream, peer, listener, permit));
                return;
            }
        };
        let Some(tls) = listener.tls.clone() else { return self.start(stream, peer, dialect, permit) };
        tokio::spawn(async move {
            match acceptor.stopping.unless_stopped(tls.accept(stream)).await {
                Some(Ok(socket)) => acceptor.start(socket, peer, dialect, permit),
                Some(Err(error)) => telemetry::handshake_failed(peer, &error),
                None => {}
            }
        });
    }

    /// Opens the session of a connection.
    pub(crate) fn start(&self, socket: impl Socket + 'static, peer: SocketAddr, dialect: Dialect, permit: Permit) {
        let (id, outbox) = self.hub.admit(dialect, socket, Instant::now());
        telemetry::opened(id, dialect, peer);
        let speaker = Speaker::new(id, dialect, self.hub.settings.line_bytes);
        // `Connection` itself is the future, because an `async` block around it would double the size of the task.
        tokio::spawn(Connection::new(Arc::clone(&self.hub), speaker, outbox, permit));
    }

    /// Sends the error and closes the connection. The line always fits into the empty send buffer of a new connection.
    fn reject(&self, mut stream: TcpStream, code: ErrorCode, dialect: Dialect) {
        let mut line = Vec::new();
        let _ = dialect.encode(&code.into(), &mut line);
        let _ = stream.try_write(&line);
        self.reject_slowly(async move { linger(&mut stream).await });
    }

    /// Runs the end of a rejected connection, for a limited number of connections at a time.
    fn reject_slowly(&self, rejection: impl Future<Output = ()> + Send + 'static) {
        let Ok(slot) = Arc::clone(&self.rejections).try_acquire_owned() else { return };
        tokio::spawn(async move {
            rejection.await;
            drop(slot);
        });
    }
}

/// Whether an error of accept(2) concerns the new connection, and not the listener.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}
