//! Completes messages: adds the parts that a protocol requires, but a row may leave out.

use std::borrow::Cow;

use memchr::memmem;

use super::Content;
use super::shape::Shape;
use crate::rows::{RowRef, StartLine, first_line};

/// The bytes to send for a row: its message, completed if `content` asks for that.
pub(crate) fn payload<'a>(row: &RowRef<'a>, content: Content) -> Cow<'a, [u8]> {
    match content {
        Content::Complete if !row.message.is_empty() => complete(row),
        _ => Cow::Borrowed(row.message),
    }
}

fn complete<'a>(row: &RowRef<'a>) -> Cow<'a, [u8]> {
    let message = row.message;
    match Shape::of(row.protocol) {
        Shape::Lines | Shape::Irc => end_line(message, b"\r\n"),
        Shape::Chat => end_line(message, b"\n"),
        Shape::Http => complete_http(message, &row.destination.to_string()),
        Shape::Strict | Shape::Any => Cow::Borrowed(message),
    }
}

/// Adds `line_end` if the message does not end with it. A bare LF at the end is replaced.
fn end_line<'a>(message: &'a [u8], line_end: &[u8]) -> Cow<'a, [u8]> {
    if message.ends_with(line_end) {
        return Cow::Borrowed(message);
    }
    let line = message.strip_suffix(b"\n").unwrap_or(message);
    Cow::Owned([line, line_end].concat())
}

/// Adds the version, the Host and Content-Length fields, and the end of the header (RFC 9112), if they are missing.
fn complete_http<'a>(message: &'a [u8], host: &str) -> Cow<'a, [u8]> {
    let line = first_line(message);
    let Some(start_line) = complete_start_line(line) else { return Cow::Borrowed(message) };
    let line_end_len = if message.get(line.len()) == Some(&b'\r') { 2 } else { 1 };
    let (fields, body) = split_header(message.get(line.len() + line_end_len..).unwrap_or_default());
    // A line that is not a field may belong to a body without an empty line before it. Such a message stays unchanged.
    let is_field =
        |line: &[u8]| memchr::memchr(b':', line).is_some_and(|colon| colon > 0 && !line[..colon].contains(&b' '));
    if !non_empty_lines(fields).all(is_field) {
        return Cow::Borrowed(message);
    }
    let is_response = start_line.starts_with(b"HTTP/");
    let has_field = |name: &str| {
        fields.split(|byte| *byte == b'\n').any(|field| {
            field.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
                && field.get(name.len()) == Some(&b':')
        })
    };

    let mut complete = start_line.into_owned();
    complete.extend_from_slice(b"\r\n");
    for field in non_empty_lines(fields) {
        complete.extend_from_slice(field);
        complete.extend_from_slice(b"\r\n");
    }
    if !is_response && !has_field("Host") {
        complete
            .extend_from_slice(format!("Host: {}\r\n", host.replace(|c: char| !c.is_ascii_graphic(), "-")).as_bytes());
    }
    // Without a Content-Length, the body of a response would last until the connection closes. Responses with a status
    // of 1xx, 204 or 304 never have a body.
    let status = complete.get("HTTP/1.1 ".len()..).and_then(|after_version| after_version.first_chunk::<3>());
    let never_has_body = is_response && matches!(status, Some(b"204" | b"304" | [b'1', ..]));
    let may_have_body =
        is_response || !body.is_empty() || complete.starts_with(b"POST ") || complete.starts_with(b"PUT ");
    if may_have_body && !never_has_body && !has_field("Content-Length") && !has_field("Transfer-Encoding") {
        complete.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    complete.extend_from_slice(b"\r\n");
    complete.extend_from_slice(body);
    if complete == message { Cow::Borrowed(message) } else { Cow::Owned(complete) }
}

/// The start line, with a version if `line` has none; `None` if `line` is not a start line of HTTP.
fn complete_start_line(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    Some(match StartLine::parse(line, b"HTTP/")? {
        StartLine::Request { has_version: true } | StartLine::Status { has_version: true } => Cow::Borrowed(line),
        StartLine::Request { has_version: false } => Cow::Owned([line, b" HTTP/1.1"].concat()),
        StartLine::Status { has_version: false } => Cow::Owned([b"HTTP/1.1 ", line].concat()),
    })
}

/// The lines that are not empty, without their line ends.
fn non_empty_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty())
}

/// Splits the bytes after a start line at the first empty line, into header fields and body. Without an empty line, all
/// bytes are fields.
fn split_header(after_start_line: &[u8]) -> (&[u8], &[u8]) {
    for (blank, is_prefix) in [(&b"\r\n"[..], true), (b"\n", true), (b"\r\n\r\n", false), (b"\n\n", false)] {
        if is_prefix {
            if let Some(body) = after_start_line.strip_prefix(blank) {
                return (&[], body);
            }
        } else if let Some(at) = memmem::find(after_start_line, blank) {
            return (&after_start_line[..at], &after_start_line[at + blank.len()..]);
        }
    }
    (after_start_line, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_completion_adds_missing_parts_once() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"GET /", b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"),
            (b"GET / HTTP/1.0", b"GET / HTTP/1.0\r\nHost: web\r\n\r\n"),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            (b"GET / HTTP/1.1\nhost: a", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
            (b"POST /login", b"POST /login HTTP/1.1\r\nHost: web\r\nContent-Length: 0\r\n\r\n"),
            (b"POST / HTTP/1.1\r\n\r\nhi", b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi"),
            (b"200 OK", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            (b"HTTP/1.1 200 OK (CSS Data)", b"HTTP/1.1 200 OK (CSS Data)\r\nContent-Length: 0\r\n\r\n"),
            (b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhi", b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi"),
            (b"HTTP/1.1 204 No Content", b"HTTP/1.1 204 No Content\r\n\r\n"),
            (b"304 Not Modified", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
            (b"hello there", b"hello there"),
            (b"GET  /", b"GET  /"),
            (b"POST /login\nuser=a", b"POST /login\nuser=a"),
            (b"POST /login\n\nuser=a", b"POST /login HTTP/1.1\r\nHost: web\r\nContent-Length: 6\r\n\r\nuser=a"),
        ];
        for (given, expected) in cases {
            let completed = complete_http(given, "web");
            assert_eq!(completed.escape_ascii().to_string(), expected.escape_ascii().to_string());
            assert_eq!(complete_http(&completed, "web"), completed, "a second completion changes nothing");
        }
    }
}
