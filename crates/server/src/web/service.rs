//! Answers the HTTP requests of one connection.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, HOST, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};
use tokio::task::yield_now;

use super::client::Client;
use super::response::{self, Body};
use super::trusted_proxies::NoClient;
use super::{Web, WebListener, about, handshake, hosts, static_files};
use crate::acceptor::Acceptor;
use crate::admission::{Admission, Permit};
use crate::telemetry;

/// Paths that are not files.
const WEBSOCKET: &str = "/ws";
const ABOUT: &str = "/about.json";
const JOIN_CODE: &str = "/join.svg";

/// Maximum number of requests of a connection. A page has some fifty files. The most expensive response, a QR code, takes
/// a millisecond.
const REQUESTS_MAX: usize = 200;

/// The service of one connection.
#[derive(Debug)]
pub(super) struct PageService {
    web: Arc<Web>,
    admission: Arc<Admission>,
    /// The peer of the connection, from which the requests come: a client or a proxy.
    peer: Client,
    listener: WebListener,
    /// Number of requests of the connection.
    requests: AtomicUsize,
    /// The WebSocket that a request has opened. No request follows it.
    opened: Mutex<Option<Opened>>,
}

/// A WebSocket that is about to open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) client: Client,
    /// The permit of a client behind a proxy. The connection of the proxy has another.
    pub(super) permit: Option<Permit>,
}

impl Service<Request<Incoming>> for PageService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (parts, _) = request.into_parts();
        let mut response = self.respond(&parts);
        response::protect(response.headers_mut());
        let is_last = self.requests.fetch_add(1, Ordering::Relaxed) + 1 >= REQUESTS_MAX;
        if is_last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Box::pin(async move {
            // Other tasks have their turns between two requests that came together.
            yield_now().await;
            Ok(response)
        })
    }
}

impl PageService {
    pub(super) fn new(acceptor: &Acceptor, peer: Client, listener: WebListener) -> Self {
        let (web, admission) = (Arc::clone(&acceptor.web), Arc::clone(&acceptor.admission));
        Self { web, admission, peer, listener, requests: AtomicUsize::new(0), opened: Mutex::new(None) }
    }

    pub(super) fn has_opened(&self) -> bool {
        self.lock_opened().is_some()
    }

    pub(super) fn take_opened(&self) -> Option<Opened> {
        self.lock_opened().take()
    }

    fn lock_opened(&self) -> MutexGuard<'_, Option<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, request: &Parts) -> Response<Body> {
        let Some(host) = request_host(request) else {
            return response::text(
                StatusCode::BAD_REQUEST,
                "The request must have one header Host, such as localhost:8088.",
            );
        };
        if !self.web.hosts.accepts(&host, self.listener.tls.as_ref()) {
            let text = format!(
                "This server does not have the name {}. Its operator can give it this name with --web-host.",
                host.host()
            );
            return response::text(StatusCode::MISDIRECTED_REQUEST, &text);
        }
        let client = match self.web.trusted_proxies.client(self.peer, &request.headers) {
            Ok(client) => client,
            Err(error @ NoClient::UntrustedProxy) => return response::text(StatusCode::FORBIDDEN, &error.to_string()),
            Err(error @ NoClient::Malformed) => return response::text(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        if !client.is_private(&hosts::name(&host)) {
            return redirect(&host, request);
        }
        let path = request.uri.path();
        match (&request.method, path) {
            // A WebSocket is opened by GET (RFC 6455 §4.2.1).
            (&Method::GET, _) => {}
            (_, WEBSOCKET) => return wrong_method("Only GET is answered here.", "GET"),
            (&Method::HEAD, _) => {}
            _ => return wrong_method("Only GET and HEAD are answered here.", "GET, HEAD"),
        }
        if path == WEBSOCKET {
            let response = handshake::respond(request, &host, client.is_https);
            let is_opened = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            return if is_opened { self.open(client, response) } else { response };
        }
        let page = || about::page_address(&host, client.is_https, self.listener.reachable());
        match path {
            ABOUT => self.web.about.respond(&page(), self.listener.tls.as_ref()),
            JOIN_CODE => about::join_code(&page(), request.uri.query()),
            _ => static_files::respond(path, &request.headers)
                .unwrap_or_else(|| response::text(StatusCode::NOT_FOUND, "There is nothing at this address.")),
        }
    }

    /// Opens a WebSocket with `response`, if its client has room for another session.
    fn open(&self, client: Client, response: Response<Body>) -> Response<Body> {
        let permit = if client.address == self.peer.address {
            None
        } else {
            match self.admission.admit(client.address) {
                Ok(permit) => Some(permit),
                Err(code) => {
                    telemetry::rejected(client.address, code);
                    return response::text(StatusCode::SERVICE_UNAVAILABLE, "There is no room for another session.");
                }
            }
        };
        *self.lock_opened() = Some(Opened { client, permit });
        response
    }
}

/// The host that the request names: in its target, or in its only header Host (RFC 9112 §3.2).
pub(crate) fn request_host(request: &Parts) -> Option<Authority> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?.parse::<Authority>().ok()?;
    let host = request.uri.authority().cloned().unwrap_or(host);
    (hosts.next().is_none() && !host.as_str().contains('@')).then_some(host)
}

fn wrong_method(sentence: &str, allowed: &'static str) -> Response<Body> {
    let mut response = response::text(StatusCode::METHOD_NOT_ALLOWED, sentence);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
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
