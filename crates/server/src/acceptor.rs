//! Letting people in, and carrying on when that fails.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use switchboard_protocol::{Dialect, ErrorCode};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::admission::Admission;
use crate::connection::{Connection, LINGER_MAX};
use crate::hub::Hub;
use crate::listener::Listener;
use crate::speaker::Speaker;
use crate::tcp;
use crate::telemetry;

/// How long a listener waits when there is nothing to accept with: long enough to cost nothing, short enough that a
/// person who connects does not notice once there is room.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How many connections may be in the course of being turned away.
pub(crate) const REJECTIONS_MAX: usize = 64;

/// How long a listener has to be without trouble before it says that it recovered.
const RECOVERED_AFTER: Duration = Duration::from_secs(1);

/// What a listener needs to open a session.
#[derive(Clone, Debug)]
pub(crate) struct Acceptor {
    pub(crate) hub: Arc<Hub>,
    pub(crate) admission: Arc<Admission>,
    /// Room for those that are being turned away.
    pub(crate) rejections: Arc<Semaphore>,
}

/// Accepts for as long as it is polled.
pub(crate) async fn accept(listener: Listener, acceptor: Acceptor) {
    // Where the system lets connections have what their listener has, they need not be set up one by one.
    let _ = tcp::configure(&listener.socket, &acceptor.hub.settings);
    let mut last_error: Option<Instant> = None;
    loop {
        match listener.socket.accept().await {
            Ok((stream, peer)) => {
                // One connection that comes through may be followed by the same trouble.
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
                        "cannot accept connections for now; those that are open carry on. \
                         If it is files that are short, raise `ulimit -n` or lower --max-sessions"
                    );
                }
                sleep(BACK_OFF).await;
            }
        }
    }
}

impl Acceptor {
    fn open(&self, stream: TcpStream, peer: SocketAddr, listener: &Listener) {
        let dialect = listener.dialect;
        let permit = match self.admission.admit(peer.ip()) {
            Ok(permit) => permit,
            Err(code) => {
                tracing::debug!(target: telemetry::SESSIONS, %peer, %code, "turned away");
                return self.reject(stream, code, listener.dialect);
            }
        };
        // It may have come before its listener was set up.
        let is_configured = stream.nodelay().unwrap_or(false);
        if !is_configured && let Err(error) = tcp::configure(&stream, &self.hub.settings) {
            // It was reset before it was let in: the settings themselves were checked.
            tracing::debug!(target: telemetry::SESSIONS, %peer, %error, "gone before it came in");
            return;
        }
        let (id, outbox) = self.hub.admit(dialect, stream, Instant::now());
        telemetry::opened(id, dialect, peer);
        let speaker = Speaker::new(id, dialect, self.hub.settings.line_bytes);
        // The connection itself is the task: an `async` block around it would hold it twice.
        tokio::spawn(Connection::new(Arc::clone(&self.hub), speaker, outbox, permit));
    }

    /// Says why in one line, which a new connection always has room for, and closes.
    fn reject(&self, mut stream: TcpStream, code: ErrorCode, dialect: Dialect) {
        let mut line = Vec::new();
        let _ = dialect.encode(&code.into(), &mut line);
        let _ = stream.try_write(&line);
        // What the client says at once would have the close be a reset, which may destroy that line: it is read, for as
        // many at a time as is no burden.
        let Ok(slot) = Arc::clone(&self.rejections).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _ = stream.shutdown().await;
            let _ = timeout(LINGER_MAX, tokio::io::copy(&mut stream, &mut tokio::io::sink())).await;
            drop(slot);
        });
    }
}

/// Errors that concern the connection that was to be accepted, not the listener (accept(2)).
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
