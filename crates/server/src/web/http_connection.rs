//! Serves one connection of a web listener: the handshake of TLS, the HTTP requests, and the session of a WebSocket.
//!
//! A browser keeps its connections open for a while after it has loaded a page. Each of them counts as a session, so
//! the server closes them soon.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::Duration;

use hyper::server::conn::http1::{self, Parts};
use hyper_util::rt::{TokioIo, TokioTimer};
use switchboard_protocol::Dialect;
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
use crate::telemetry;

/// Maximum time until the first byte arrives, and for the head of a request: two round trips over a bad mobile link,
/// with each packet lost twice.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// Time for which a connection takes requests. It loads a page with all its files, and then makes room for others behind
/// the same address: a browser opens up to six.
const REQUESTS_MAX: Duration = Duration::from_secs(15);

/// Time after which a connection ends although the client has not received the response: the page over a modem.
const CONNECTION_MAX: Duration = Duration::from_mins(2);

/// Maximum length of the head of a request, in bytes. Cookies of other servers on this machine may fill half of it.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// Maximum number of headers: a browser sends twenty, and proxies add some.
const HEADERS_MAX: usize = 64;

/// The first byte of a TLS connection: the type of a record with a handshake (RFC 8446 §5.1). It begins no HTTP request.
const TLS_HANDSHAKE: u8 = 0x16;

/// A fatal alert (RFC 8446 §6): `handshake_failure`, for clients that speak TLS to a listener without it.
const TLS_ALERT: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 40];

/// Serves a connection until it ends, or opens the session of its WebSocket.
pub(crate) async fn serve(
    mut acceptor: Acceptor,
    mut stream: TcpStream,
    mut peer: SocketAddr,
    listener: WebListener,
    mut permit: Permit,
) {
    if acceptor.web.trusts(peer.ip()) {
        let header = timeout(HEAD_MAX, proxy_protocol::receive(&mut stream));
        match acceptor.stopping.unless_stopped(header).await {
            Some(Ok(Ok(None))) => {}
            Some(Ok(Ok(Some(client)))) => match acceptor.admission.admit(client) {
                Ok(admitted) => (peer, permit) = (client, admitted),
                Err(code) => {
                    telemetry::rejected(client, code);
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
            let service = PageService::new(&acceptor, Client { address: peer, is_https: false }, listener);
            serve_http(acceptor, stream, service, permit).await;
        }
        (true, Some(tls)) => match acceptor.stopping.unless_stopped(tls.accept(stream)).await {
            Some(Ok(socket)) => {
                let service = PageService::new(&acceptor, Client { address: peer, is_https: true }, listener);
                serve_http(acceptor, socket, service, permit).await;
            }
            Some(Err(error)) => telemetry::handshake_failed(peer, &error),
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

/// Whether the client begins with TLS. Its first byte stays in the socket.
async fn begins_with_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1)) && first[0] == TLS_HANDSHAKE
}

async fn serve_http(acceptor: Acceptor, stream: impl Socket + 'static, service: PageService, permit: Permit) {
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut stopping = acceptor.stopping.clone();
    let mut requests_end = pin!(sleep(REQUESTS_MAX));
    let mut is_closing = false;
    let served = timeout(CONNECTION_MAX, async {
        loop {
            tokio::select! {
                result = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break result,
                () = &mut requests_end, if !is_closing => {}
                () = stopping.wait(), if !is_closing => {}
            }
            is_closing = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
    });
    let Ok(result) = served.await else { return };
    let Parts { io, read_buf, service, .. } = connection.into_parts();
    let mut stream = io.into_inner();
    match service.opened.take().filter(|_| result.is_ok()) {
        Some(Opened { client, permit: own_permit }) => {
            let permit = own_permit.unwrap_or(permit);
            let socket = WebSocket::new(stream, read_buf.to_vec(), client.transport());
            acceptor.start(socket, client.address, Dialect::Commands, permit);
        }
        None => linger(&mut stream).await,
    }
}
