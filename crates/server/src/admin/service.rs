//! Answers the requests of a monitoring.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};

use super::AdminToken;
use crate::control::ControlledServer;
use crate::metrics;
use crate::web::{Hosts, request_host};

/// The service of one listener.
#[derive(Debug)]
pub(super) struct AdminService(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    server: ControlledServer,
    hosts: Hosts,
    token: Option<AdminToken>,
}

type Body = Full<Bytes>;

impl Service<Request<Incoming>> for AdminService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        let (parts, _) = request.into_parts();
        Box::pin(async move { Ok(shared.respond(&parts).await) })
    }
}

impl AdminService {
    pub(super) fn new(server: ControlledServer, hosts: Hosts, token: Option<AdminToken>) -> Self {
        Self(Arc::new(Shared { server, hosts, token }))
    }
}

impl Shared {
    async fn respond(&self, request: &Parts) -> Response<Body> {
        // A page of another site that has taken a name of its own for this machine (DNS rebinding).
        if !request_host(request).is_some_and(|host| self.hosts.accepts(&host, None)) {
            return empty(StatusCode::MISDIRECTED_REQUEST);
        }
        if !self.is_allowed(request) {
            return with_header(StatusCode::UNAUTHORIZED, WWW_AUTHENTICATE, "Bearer");
        }
        let path = request.uri.path();
        if !["/metrics", "/healthz", "/readyz"].contains(&path) {
            return empty(StatusCode::NOT_FOUND);
        }
        if request.method != Method::GET {
            return with_header(StatusCode::METHOD_NOT_ALLOWED, ALLOW, "GET");
        }
        match path {
            "/metrics" => text(StatusCode::OK, metrics::CONTENT_TYPE, metrics::text(&self.server)),
            "/healthz" => sentence(StatusCode::OK, "alive"),
            _ => self.readiness().await,
        }
    }

    async fn readiness(&self) -> Response<Body> {
        let ControlledServer { hub, running } = &self.server;
        let stops_soon = running.as_ref().is_some_and(|running| running.planned_stop.remaining().is_some());
        if hub.is_stopping() || stops_soon {
            return sentence(StatusCode::SERVICE_UNAVAILABLE, "not ready: the server is stopping");
        }
        if !hub.is_store_writable().await {
            return sentence(StatusCode::SERVICE_UNAVAILABLE, "not ready: the store takes no changes");
        }
        sentence(StatusCode::OK, "ready")
    }

    fn is_allowed(&self, request: &Parts) -> bool {
        let Some(token) = &self.token else { return true };
        let mut given = request.headers.get_all(AUTHORIZATION).iter();
        let only = given.next().filter(|_| given.next().is_none());
        let only = only.and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
        // The scheme has any case (RFC 9110 §11.1).
        only.is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case("bearer") && token.is(given.trim()))
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

fn with_header(status: StatusCode, name: HeaderName, value: &'static str) -> Response<Body> {
    let mut response = empty(status);
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn sentence(status: StatusCode, sentence: &str) -> Response<Body> {
    text(status, "text/plain; charset=utf-8", format!("{sentence}\n"))
}

fn text(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = with_header(status, CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.body_mut() = Body::from(text);
    response
}
