//! The listener for the operator's monitoring: `/metrics`, `/healthz` and `/readyz` over HTTP.
//!
//! Commands never go over it: an operator on another machine uses ssh and the control socket. On loopback it needs no
//! token. Elsewhere each request needs one, and gets nothing else than its refusal without it.

mod service;
mod token;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::service::AdminService;
pub use self::token::{AdminToken, AdminTokenError};
use crate::control::ControlledServer;
use crate::listener::{BindError, ListenAddress, bind_sockets};
use crate::telemetry;
use crate::web::Hosts;

/// Maximum connections at once. Further ones are closed: a monitoring needs two or three.
const CONNECTIONS_MAX: usize = 16;

/// Maximum time for the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(5);

/// Maximum time of a connection, which carries one request.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(20);

/// Maximum length of the head of a request, in bytes. hyper takes no less.
const HEAD_MAX_BYTES: usize = 8 * 1024;

/// Maximum number of headers.
const HEADERS_MAX: usize = 32;

/// The pause after a failed accept.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// A listening socket for monitoring.
#[derive(Debug)]
pub struct AdminListener {
    socket: TcpListener,
    token: Option<AdminToken>,
}

impl AdminListener {
    /// Binds `address`, as the other listeners do. With `token`, each request needs it.
    pub async fn bind(address: &ListenAddress, token: Option<&AdminToken>) -> Result<Vec<Self>, BindError> {
        let sockets = bind_sockets(address, "--listen-admin").await?;
        Ok(sockets.into_iter().map(|socket| Self { socket, token: token.cloned() }).collect())
    }

    /// The bound address, with the port that the system chose.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Serves a listener. Never returns. Dropping the future ends its connections.
pub(crate) async fn serve(listener: AdminListener, server: ControlledServer) {
    let AdminListener { socket, token } = listener;
    let hosts = Hosts::new(&server.hub.settings.web_hosts);
    let service = Arc::new(AdminService::new(server, hosts, token));
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
                    let service = Arc::clone(&service);
                    connections.spawn(async move {
                        serve_connection(stream, service).await;
                        drop(permit);
                    });
                }
            }
            Err(error) => {
                tracing::warn!(target: telemetry::SERVER, %error, "the listener for monitoring accepts no connection");
                sleep(RETRY_DELAY).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves the one request of a connection. If its client is gone or breaks HTTP, nobody is left to tell about it.
async fn serve_connection(stream: TcpStream, service: Arc<AdminService>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let _ = timeout(CONNECTION_TIME_MAX, connection).await;
}

#[cfg(test)]
mod tests;
