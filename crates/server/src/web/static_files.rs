//! The files of the page, which are part of the program.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY,
};
use hyper::{Response, StatusCode};

/// A file of the page. `build.rs` lists them.
struct StaticFile {
    path: &'static str,
    content_type: &'static str,
    /// Changes with the content.
    hash: &'static str,
    content: &'static [u8],
    /// The compressed content, if it is shorter.
    gzip: Option<&'static [u8]>,
}

const FILES: &[StaticFile] = include!(concat!(env!("OUT_DIR"), "/static_files.rs"));

/// The response to a request for the file at `path`, if there is one.
pub(super) fn respond(path: &str, request: &HeaderMap) -> Option<Response<Full<Bytes>>> {
    let file = FILES.iter().find(|file| file.path == path)?;
    let compressed = file.gzip.filter(|_| accepts_gzip(request));
    let (content, suffix) = compressed.map_or((file.content, ""), |gzip| (gzip, "-gzip"));
    // Each encoding has a tag of its own (RFC 9110 §8.8.3.3).
    let tag = format!("\"{}{suffix}\"", file.hash);
    let is_known = request.get_all(IF_NONE_MATCH).iter().any(|tags| matches(tags, &tag));
    let mut response = Response::new(Full::from(Bytes::from_static(if is_known { b"" } else { content })));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::try_from(tag).expect("a hash is ASCII"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    // Browsers keep a file, but ask each time whether it has changed: another server may have another page.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if !is_known {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.content_type));
        if compressed.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    Some(response)
}

/// Whether the client accepts gzip (RFC 9110 §12.5.3). A weight of zero refuses it.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let encodings = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    encodings.flat_map(|value| value.split(',')).any(|encoding| {
        let (name, parameter) = encoding.split_once(';').unwrap_or((encoding, ""));
        let weight = parameter.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// Whether one of the tags is `tag`, or any tag will do (RFC 9110 §13.1.2). Weak tags count, too.
fn matches(tags: &HeaderValue, tag: &str) -> bool {
    let Ok(tags) = tags.to_str() else { return false };
    tags.split(',').map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use switchboard_protocol::ErrorCode;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().expect(name), value.parse().expect(value))).collect()
    }

    #[test]
    fn page_is_compressed_for_clients_that_accept_it() {
        let cases = [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("br, gzip; q=1.0", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ];
        for (accepted, expected) in cases {
            let response = respond("/", &headers(&[("accept-encoding", accepted)])).expect("there is a page");
            assert_eq!(response.headers().contains_key(CONTENT_ENCODING), expected, "{accepted}");
            assert_eq!(response.headers()[VARY], "accept-encoding");
        }
    }

    #[test]
    fn known_file_is_not_sent_again() {
        let tag = |accepted: &str| {
            let response = respond("/", &headers(&[("accept-encoding", accepted)])).expect("there is a page");
            response.headers()[ETAG].to_str().expect("a tag").to_owned()
        };
        let (plain, gzip) = (tag(""), tag("gzip"));
        assert_ne!(plain, gzip);
        let cases = [
            (plain.clone(), StatusCode::NOT_MODIFIED),
            (format!("\"other\", W/{plain}"), StatusCode::NOT_MODIFIED),
            ("*".to_owned(), StatusCode::NOT_MODIFIED),
            (gzip, StatusCode::OK),
            ("\"other\"".to_owned(), StatusCode::OK),
        ];
        for (known, expected) in cases {
            let response = respond("/", &headers(&[("if-none-match", &known)])).expect("there is a page");
            assert_eq!(response.status(), expected, "{known}");
        }
        assert!(respond("/../Cargo.toml", &HeaderMap::new()).is_none());
    }

    #[test]
    fn page_knows_each_error_code_and_which_ones_end_a_session() {
        const SENTENCES: &str = include_str!("../../web/error_sentences.js");
        const REQUESTS: &str = include_str!("../../web/requests.js");
        // The page speaks only the commands dialect, and speaks it at the right port.
        const NEVER_SENT: [ErrorCode; 3] =
            [ErrorCode::InvalidFormat, ErrorCode::InvalidTarget, ErrorCode::WrongProtocol];
        let (_, final_errors) = REQUESTS.split_once("FINAL_ERRORS = new Set([").expect("the set");
        let (final_errors, _) = final_errors.split_once("])").expect("the end of the set");
        for code in ErrorCode::ALL {
            let has_sentence = SENTENCES.contains(&format!("\n  {code}: "));
            assert!(has_sentence || NEVER_SENT.contains(code), "the page has no sentence for {code}");
            assert_eq!(final_errors.contains(&format!("'{code}'")), code.ends_session(), "{code}");
        }
    }
}
