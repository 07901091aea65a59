//! Answers the HTTP requests of one connection.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HOST, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};

use super::client::Client;
use super::response::{self, Body};
use super::{Web, handshake, static_files};
use crate::tls::Tls;

/// The path of the WebSocket.
const WEBSOCKET: &str = "/ws";

/// The service of one connection.
#[derive(Debug)]
pub(super) struct PageService {
    pub(super) web: Arc<Web>,
    /// The peer of the connection, from which the requests come.
    pub(super) peer: Client,
    /// The TLS side of the listener.
    pub(super) tls: Option<Tls>,
    /// The client that has opened a WebSocket, once one has.
    pub(super) opened: Cell<Option<Client>>,
}

impl Service<Request<Incoming>> for PageService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (parts, _) = request.into_parts();
        let mut response = self.respond(&parts);
        response::protect(response.headers_mut());
        ready(Ok(response))
    }
}

impl PageService {
    fn respond(&self, request: &Parts) -> Response<Body> {
        let Some(host) = host(request) else {
            return response::text(
                StatusCode::BAD_REQUEST,
                "The request must have one header Host, such as localhost:8088.",
            );
        };
        if !self.web.hosts.accepts(&host, self.tls.as_ref()) {
            let text = format!(
                "This server does not have the name {}. Its operator can give it this name with --web-host.",
                host.host()
            );
            return response::text(StatusCode::MISDIRECTED_REQUEST, &text);
        }
        let client = self.peer;
        if !client.is_private() {
            return redirect(&host, request);
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            let mut response = response::text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here.");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let path = request.uri.path();
        if path == WEBSOCKET {
            let response = handshake::respond(request, &host, client.is_https);
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                self.opened.set(Some(client));
            }
            return response;
        }
        static_files::respond(path, &request.headers)
            .unwrap_or_else(|| response::text(StatusCode::NOT_FOUND, "There is nothing at this address."))
    }
}

/// The host that the request names: in its target, or in its only header Host (RFC 9112 §3.2).
fn host(request: &Parts) -> Option<Authority> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?.parse::<Authority>().ok()?;
    let host = request.uri.authority().cloned().unwrap_or(host);
    (hosts.next().is_none() && !host.as_str().contains('@')).then_some(host)
}

/// Sends the client to the same address over HTTPS.
fn redirect(host: &Authority, request: &Parts) -> Response<Body> {
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    let address = format!("https://{host}{path}");
    let text = format!("Over the network, this server is reached with HTTPS only: {address}");
    let mut response = response::text(StatusCode::PERMANENT_REDIRECT, &text);
    if let Ok(address) = HeaderValue::try_from(address) {
        response.headers_mut().insert(LOCATION, address);
    }
    response
}
