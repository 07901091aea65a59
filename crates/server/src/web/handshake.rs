//! The request that opens a WebSocket (RFC 6455 §4.2).

use base64ct::{Base64, Encoding as _};
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Response, StatusCode, Version};
use sha1::{Digest as _, Sha1};

use super::response::{self, Body};

/// Appended to the key of the client (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The length of a client's key, in bytes (RFC 6455 §4.1).
const KEY_BYTES: usize = 16;

/// The only version of the protocol (RFC 6455 §4.1).
const VERSION: &str = "13";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The response to a request for a WebSocket: its status is 101 if the WebSocket opens.
pub(super) fn respond(request: &Parts, host: &Authority, is_https: bool) -> Response<Body> {
    let headers = &request.headers;
    if request.version != Version::HTTP_11
        || !has_token(headers, &UPGRADE, "websocket")
        || !has_token(headers, &CONNECTION, "upgrade")
    {
        let text = "This is the address of a WebSocket, which the page opens.";
        return upgrade_required(text);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        return upgrade_required("This server speaks version 13 of the WebSocket protocol.");
    }
    if let Err(reason) = check_origin(headers, host, is_https) {
        return response::text(StatusCode::FORBIDDEN, reason);
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next().filter(|key| is_key(key)), keys.next()) else {
        return response::text(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be one, with 16 bytes in base64.");
    };
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept(key.as_bytes()));
    response
}

/// Names the protocol and the version that the client must ask for (RFC 9110 §15.5.22, RFC 6455 §4.2.2).
fn upgrade_required(sentence: &str) -> Response<Body> {
    let mut response = response::text(StatusCode::UPGRADE_REQUIRED, sentence);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    response
}

/// Checks that no page of another site opens the WebSocket. Browsers always send the origin of the page; other programs
/// send none.
fn check_origin(headers: &HeaderMap, host: &Authority, is_https: bool) -> Result<(), &'static str> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let scheme = if is_https { "https" } else { "http" };
    let own = format!("{scheme}://{host}");
    match (origins.next(), origins.next()) {
        (Some(origin), None) if origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()) => Ok(()),
        (Some(_), _) => Err("Origin is another site: only the page of this server may open its WebSocket. \
            A proxy must pass the Host of the browser on, and X-Forwarded-Proto."),
        // A browser without the header Origin would still tell that the page is of another site.
        (None, _) => match headers.get(SEC_FETCH_SITE) {
            Some(site) if site != "same-origin" && site != "none" => {
                Err("Sec-Fetch-Site is another site: only the page of this server may open its WebSocket.")
            }
            _ => Ok(()),
        },
    }
}

/// Whether the elements of a header's list have `token` (RFC 9110 §5.6.1).
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|element| element.trim().eq_ignore_ascii_case(token))
}

fn is_key(key: &HeaderValue) -> bool {
    let mut bytes = [0; KEY_BYTES];
    key.to_str().is_ok_and(|key| Base64::decode(key, &mut bytes).is_ok_and(|bytes| bytes.len() == KEY_BYTES))
}

/// The proof that the server has understood the request (RFC 6455 §4.2.2).
fn accept(key: &[u8]) -> HeaderValue {
    let hash = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::try_from(Base64::encode_string(&hash)).expect("base64 is ASCII")
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    /// The example of RFC 6455 §1.3, with a header replaced or removed.
    fn status(name: &'static str, value: Option<&str>) -> StatusCode {
        let mut request = Request::new(());
        let headers = [
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("origin", "http://localhost:8088"),
        ];
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request.headers_mut().remove(name);
        if let Some(value) = value {
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        let (parts, ()) = request.into_parts();
        respond(&parts, &Authority::from_static("localhost:8088"), false).status()
    }

    #[test]
    fn only_complete_requests_of_the_own_page_open_a_websocket() {
        const SWITCHING: StatusCode = StatusCode::SWITCHING_PROTOCOLS;
        let cases = [
            ("x", None, SWITCHING),
            ("origin", None, SWITCHING),
            ("upgrade", Some("WebSocket"), SWITCHING),
            ("upgrade", None, StatusCode::UPGRADE_REQUIRED),
            ("connection", Some("close"), StatusCode::UPGRADE_REQUIRED),
            ("sec-websocket-version", Some("8"), StatusCode::UPGRADE_REQUIRED),
            ("sec-websocket-key", None, StatusCode::BAD_REQUEST),
            ("sec-websocket-key", Some("short"), StatusCode::BAD_REQUEST),
            ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZS4="), StatusCode::BAD_REQUEST),
            ("origin", Some("null"), StatusCode::FORBIDDEN),
            ("origin", Some("https://localhost:8088"), StatusCode::FORBIDDEN),
            ("origin", Some("http://localhost"), StatusCode::FORBIDDEN),
            ("origin", Some("http://localhost:8088.evil.example"), StatusCode::FORBIDDEN),
            ("origin", Some("http://evil.example"), StatusCode::FORBIDDEN),
        ];
        for (name, value, expected) in cases {
            assert_eq!(status(name, value), expected, "{name}: {value:?}");
        }
    }

    #[test]
    fn site_counts_without_an_origin() {
        for (site, is_accepted) in [("same-origin", true), ("none", true), ("cross-site", false), ("same-site", false)]
        {
            let headers = [(SEC_FETCH_SITE, HeaderValue::from_static(site))].into_iter().collect();
            let host = Authority::from_static("localhost");
            assert_eq!(check_origin(&headers, &host, false).is_ok(), is_accepted, "{site}");
        }
    }

    #[test]
    fn example_of_the_rfc_is_accepted() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
