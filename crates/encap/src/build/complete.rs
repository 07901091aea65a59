//! Completes messages with the parts that their protocols require and a row may leave out.

use std::borrow::Cow;

use memchr::memmem;

use super::Content;
use super::shape::Shape;
use crate::rows::{RowRef, StartLine, first_line};

/// The message as it is sent.
pub(crate) fn payload<'a>(row: &RowRef<'a>, content: Content) -> Cow<'a, [u8]> {
    match content {
        Content::Complete if !row.message.is_empty() => complete(row),
        _ => Cow::Borrowed(row.message),
    }
}

fn complete<'a>(row: &RowRef<'a>) -> Cow<'a, [u8]> {
    let message = row.message;
    match Shape::of(row.protocol) {
        Shape::Lines | Shape::Irc => end(message, b"\r\n"),
        Shape::Chat => end(message, b"\n"),
        Shape::Http => http(message, &row.destination.to_string()),
        Shape::Strict | Shape::Any => Cow::Borrowed(message),
    }
}

fn end<'a>(message: &'a [u8], line_end: &[u8]) -> Cow<'a, [u8]> {
    if message.ends_with(line_end) {
        return Cow::Borrowed(message);
    }
    let line = message.strip_suffix(b"\n").unwrap_or(message);
    Cow::Owned([line, line_end].concat())
}

/// Adds the version, the Host and Content-Length fields, and the end of the header (RFC 9112).
fn http<'a>(message: &'a [u8], host: &str) -> Cow<'a, [u8]> {
    let line = first_line(message);
    let Some(start) = start_line(line) else { return Cow::Borrowed(message) };
    let rest = &message[(line.len() + 1).min(message.len())..];
    let rest = if message.get(line.len()) == Some(&b'\r') { rest.strip_prefix(b"\n").unwrap_or(rest) } else { rest };
    let (fields, body) = parts(rest);
    // A line that is no field may belong to a body without an empty line before it. Such a message stays as it is.
    let is_field =
        |line: &[u8]| memchr::memchr(b':', line).is_some_and(|colon| colon > 0 && !line[..colon].contains(&b' '));
    if !lines(fields).all(is_field) {
        return Cow::Borrowed(message);
    }
    let is_response = start.starts_with(b"HTTP/");
    let has = |name: &str| {
        fields.split(|byte| *byte == b'\n').any(|field| {
            field.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
                && field.get(name.len()) == Some(&b':')
        })
    };

    let mut complete = start.into_owned();
    complete.extend_from_slice(b"\r\n");
    for field in lines(fields) {
        complete.extend_from_slice(field);
        complete.extend_from_slice(b"\r\n");
    }
    if !is_response && !has("Host") {
        complete
            .extend_from_slice(format!("Host: {}\r\n", host.replace(|c: char| !c.is_ascii_graphic(), "-")).as_bytes());
    }
    // A response without a length ends with the connection. Some statuses never have a body.
    let bodiless = is_response && matches!(complete.get(9..12), Some(b"204" | b"304" | [b'1', ..]));
    let takes_body = is_response || !body.is_empty() || complete.starts_with(b"POST ") || complete.starts_with(b"PUT ");
    if takes_body && !bodiless && !has("Content-Length") && !has("Transfer-Encoding") {
        complete.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    complete.extend_from_slice(b"\r\n");
    complete.extend_from_slice(body);
    if complete == message { Cow::Borrowed(message) } else { Cow::Owned(complete) }
}

/// The start line with a version; `None` if it is no start line of HTTP.
fn start_line(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    Some(match StartLine::parse(line, b"HTTP/")? {
        StartLine::Request { whole: true } | StartLine::Status { whole: true } => Cow::Borrowed(line),
        StartLine::Request { whole: false } => Cow::Owned([line, b" HTTP/1.1"].concat()),
        StartLine::Status { whole: false } => Cow::Owned([b"HTTP/1.1 ", line].concat()),
    })
}

/// The lines that are not empty.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty())
}

/// Header fields and body. Without an empty line, there are only fields.
fn parts(rest: &[u8]) -> (&[u8], &[u8]) {
    for (blank, at_front) in [(&b"\r\n"[..], true), (b"\n", true), (b"\r\n\r\n", false), (b"\n\n", false)] {
        if at_front {
            if let Some(body) = rest.strip_prefix(blank) {
                return (&[], body);
            }
        } else if let Some(at) = memmem::find(rest, blank) {
            return (&rest[..at], &rest[at + blank.len()..]);
        }
    }
    (rest, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_http_has_all_parts_and_stays_as_it_is() {
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
            let completed = http(given, "web");
            assert_eq!(completed.escape_ascii().to_string(), expected.escape_ascii().to_string());
            assert_eq!(http(&completed, "web"), completed, "completing twice changes nothing");
        }
    }
}
