//! Serves one connection of a web listener: the handshake of TLS, the HTTP requests, and the session of a WebSocket.
//!
//! A browser keeps its connections open for a while after it has loaded a page. Each of them counts as a session, so
//! the server closes them soon.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1::{self, Parts};
use hyper_util::rt::{TokioIo, TokioTimer};
use switchboard_protocol::{Dialect, ForeignProtocol};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::client::Client;
use super::service::{Opened, PageService};
use super::socket::WebSocket;
use super::{WebListener, proxy_protocol};
use crate::acceptor::Acceptor;
use crate::admission::Permit;
use crate::linger::{LINGER_MAX, linger};
use crate::socket::Socket;
use crate::stopping::Stopping;
use crate::telemetry;

/// Maximum time until the first byte arrives, and for the head of a request: two round trips over a bad mobile link,
/// with each packet lost twice.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// Time for which a connection takes requests. It loads a page with all its files, and then makes room for others behind
/// the same address: a browser opens up to six.
const REQUESTS_TIME_MAX: Duration = Duration::from_secs(15);

/// Maximum time of a connection, with its last response: the page over a modem.
const RESPONSE_TIME_MAX: Duration = Duration::from_mins(2);

/// Maximum length of the head of a request, in bytes. Cookies of other servers on this machine may fill half of it.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// Maximum number of headers: a browser sends twenty, and proxies add some.
const HEADERS_MAX: usize = 64;

/// A fatal alert (RFC 8446 §6): `handshake_failure`, for clients that speak TLS to a listener without it.
const TLS_ALERT: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 40];

/// Serves a connection until it ends, or opens the session of its WebSocket.
pub(crate) async fn serve(
    mut acceptor: Acceptor,
    mut stream: TcpStream,
    peer: SocketAddr,
    listener: WebListener,
    mut permit: Permit,
) {
    let mut client = Client { address: peer, is_https: false };
    if acceptor.web.trusted_proxies.contains(peer.ip()) {
        let header = timeout(HEAD_MAX, proxy_protocol::receive(&mut stream));
        match acceptor.stopping.unless_stopped(header).await {
            Some(Ok(Ok(None))) => {}
            Some(Ok(Ok(Some(named)))) => match acceptor.admission.admit(named.address) {
                Ok(admitted) => (client, permit) = (named, admitted),
                Err(code) => {
                    telemetry::rejected(named.address, code);
                    return reject(stream).await;
                }
            },
            Some(Ok(Err(error))) => return telemetry::proxy_failed(peer, &error),
            Some(Err(_)) | None => return,
        }
    }
    let first_byte = timeout(HEAD_MAX, begins_with_tls(&stream));
    let Some(Ok(is_tls)) = acceptor.stopping.unless_stopped(first_byte).await else { return };
    match (is_tls, listener.tls.clone()) {
        (false, _) => {
            let service = PageService::new(&acceptor, client, listener);
            serve_http(acceptor, stream, service, permit).await;
        }
        (true, Some(tls)) => match acceptor.stopping.unless_stopped(tls.accept(stream)).await {
            Some(Ok(socket)) => {
                let service = PageService::new(&acceptor, Client { is_https: true, ..client }, listener);
                serve_http(acceptor, socket, service, permit).await;
            }
            Some(Err(error)) => telemetry::handshake_failed(client.address, &error),
            None => {}
        },
        (true, None) => {
            let _ = stream.try_write(TLS_ALERT);
            linger(&mut stream).await;
        }
    }
}

/// Tells a client that there is no room for it, unless it speaks TLS.
pub(crate) async fn reject(mut stream: TcpStream) {
    const RESPONSE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Connection: close\r\nRetry-After: 30\r\n\r\nThere is no room for another connection. Try again later.\n";
    if timeout(LINGER_MAX, begins_with_tls(&stream)).await == Ok(false) {
        let _ = stream.try_write(RESPONSE);
    }
    linger(&mut stream).await;
}

/// Whether the client begins with TLS, as no HTTP request does. Its first byte stays in the socket.
async fn begins_with_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1)) && ForeignProtocol::from_first_byte(first[0]).is_some()
}

async fn serve_http(acceptor: Acceptor, stream: impl Socket + 'static, service: PageService, permit: Permit) {
    let service = Arc::new(service);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), Arc::clone(&service));
    let (mut stopping, drain_timeout) = (acceptor.stopping.clone(), acceptor.hub.settings.drain_timeout);
    let drained = async {
        stopping.wait().await;
        sleep(drain_timeout).await;
    };
    let served = timeout(RESPONSE_TIME_MAX, serve_requests(&mut connection, &service, acceptor.stopping.clone()));
    let served = tokio::select! {
        served = served => served,
        () = drained => return,
    };
    let Ok(result) = served else { return };
    let Parts { io, read_buf, .. } = connection.into_parts();
    let mut stream = io.into_inner();
    match service.take_opened().filter(|_| result.is_ok()) {
        Some(Opened { client, permit: own_permit }) => {
            let permit = own_permit.unwrap_or(permit);
            let socket = WebSocket::new(stream, read_buf.to_vec(), client.transport());
            acceptor.start(socket, client.address, Dialect::Commands, permit);
        }
        None => linger(&mut stream).await,
    }
}

/// Answers requests until their time is over, the client ends, or a WebSocket is open.
async fn serve_requests<S: Socket>(
    connection: &mut http1::Connection<TokioIo<S>, Arc<PageService>>,
    service: &PageService,
    mut stopping: Stopping,
) -> hyper::Result<()> {
    let mut requests_end = pin!(sleep(REQUESTS_TIME_MAX));
    let mut is_closing = false;
    loop {
        tokio::select! {
            result = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {
                result?;
                break;
            }
            () = &mut requests_end, if !is_closing => {}
            () = stopping.wait(), if !is_closing => {}
        }
        is_closing = true;
        Pin::new(&mut *connection).graceful_shutdown();
    }
    // Without a shutdown, hyper may give the stream back before it has sent the end of the last response.
    if service.has_opened() { Ok(()) } else { connection.await }
}

#[cfg(test)]
mod tests;
