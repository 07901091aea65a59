//! HTTP responses, and the headers that all of them have.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

/// The body of a response. All of it is in memory.
pub(super) type Body = Full<Bytes>;

/// The page loads nothing but its own files, runs no script and no style that is not in a file, and stands in no frame
/// (Content Security Policy Level 3). `'self'` covers the WebSocket.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A response with a sentence for a person.
pub(super) fn text(status: StatusCode, sentence: &str) -> Response<Body> {
    of_type(status, "text/plain; charset=utf-8", format!("{sentence}\n"))
}

/// A response that was made for this request.
pub(super) fn of_type(status: StatusCode, content_type: &'static str, content: String) -> Response<Body> {
    let mut response = Response::new(Body::from(content));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds the headers that keep other sites away from the page.
pub(super) fn protect(headers: &mut HeaderMap) {
    let protections = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in protections {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
