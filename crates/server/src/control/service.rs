//! The connections of the control socket: reads a command from each, and lets its group answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::request::{Refusal, Request};
use super::socket::ControlSocket;
use super::{ControlledServer, configuration, people, sessions, status};
use crate::{metrics, telemetry};

/// Maximum connections that are served at once. Further ones wait.
const CONNECTIONS_MAX: usize = 8;

/// Maximum time of a connection: a list of a million accounts takes some seconds.
const CONNECTION_TIME_MAX: Duration = Duration::from_mins(1);

/// Maximum time in which the command must arrive.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);

/// Maximum length of a command, in bytes with its LF.
const LINE_MAX_BYTES: u64 = 4096;

/// The answer to a command that a stopped server cannot carry out.
const NOT_RUNNING: &str = "ERROR NOT_RUNNING no server runs with this data directory: start it first\n";

/// The pause after a failed accept, such as one that finds no free file descriptor.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Serves the control socket. Never returns. Dropping the future ends all connections.
pub(crate) async fn serve(socket: ControlSocket, server: ControlledServer) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match socket.accept().await {
            Ok(stream) => {
                let server = server.clone();
                connections.spawn(async move {
                    serve_connection(stream, &server).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(target: telemetry::SERVER, %error, "the control socket accepts no connection");
                sleep(RETRY_DELAY).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection. If its client is gone or does not read, nobody is left to tell about an error.
pub(crate) async fn serve_connection(mut stream: UnixStream, server: &ControlledServer) {
    let exchange = async {
        match timeout(REQUEST_TIME_MAX, read_request(&mut stream)).await {
            Ok(Ok(Some(request))) => answer(request, &mut stream, server).await,
            Ok(Ok(None)) => Ok(()),
            Ok(Err(refusal)) => stream.write_all(refusal.line().as_bytes()).await,
            Err(_) => stream.write_all(Refusal::TooSlow.line().as_bytes()).await,
        }
    };
    let _ = timeout(CONNECTION_TIME_MAX, exchange).await;
}

/// Reads the line of a connection. `None` if there is none.
async fn read_request(stream: &mut UnixStream) -> Result<Option<Request>, Refusal> {
    // Enough room from the start: a buffer that grew would leave copies of the password behind.
    let mut line = Zeroizing::new(Vec::with_capacity(usize::try_from(LINE_MAX_BYTES).unwrap_or_default() + 1));
    let mut reader = BufReader::with_capacity(1, stream).take(LINE_MAX_BYTES + 1);
    if reader.read_until(b'\n', &mut line).await.unwrap_or_default() == 0 {
        return Ok(None);
    }
    if line.len() as u64 > LINE_MAX_BYTES {
        return Err(Refusal::TooLong);
    }
    let text = std::str::from_utf8(&line).map_err(|_| Refusal::InvalidText)?;
    let text = text.strip_suffix('\n').ok_or(Refusal::InvalidText)?;
    Request::parse(text.strip_suffix('\r').unwrap_or(text)).map(Some)
}

/// Carries out a command, and writes its answer.
async fn answer(request: Request, stream: &mut UnixStream, server: &ControlledServer) -> io::Result<()> {
    let ControlledServer { hub, running } = server;
    match (request, running) {
        (Request::Account(request), _) => request.answer(stream, hub).await,
        (Request::Bans(request), _) => request.answer(stream, hub).await,
        (_, None) => stream.write_all(NOT_RUNNING.as_bytes()).await,
        (Request::Announce(text), Some(_)) => stream.write_all(people::announce(&text, hub).await.as_bytes()).await,
        (Request::Drain(request), Some(running)) => {
            stream.write_all(request.answer(hub, running).await.as_bytes()).await
        }
        (Request::Kick { who, reason }, Some(_)) => stream.write_all(people::kick(&who, &reason, hub).as_bytes()).await,
        (Request::LogLevel(level), Some(running)) => {
            stream.write_all(running.configure(|reload| configuration::set_log_level(&level, reload)).as_bytes()).await
        }
        (Request::Metrics, Some(_)) => stream.write_all(metrics::text(server).as_bytes()).await,
        (Request::Reload, Some(running)) => stream.write_all(running.configure(configuration::reload).as_bytes()).await,
        (Request::Sessions, Some(_)) => sessions::list(stream, hub).await,
        (Request::Why { name }, Some(_)) => stream.write_all(people::why(&name, hub).as_bytes()).await,
        (Request::Status, Some(running)) => stream.write_all(status::answer(server, running).as_bytes()).await,
    }
}
