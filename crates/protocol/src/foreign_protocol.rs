//! Detects TLS and HTTP on a chat port, and plain text on a port for TLS, so that the server can tell the client its
//! mistake. (`protocol.md` §2.7, §20)

use std::fmt;

use crate::dialect::Dialect;
use crate::error_code::ErrorCode;
use crate::reply::Reply;

/// A protocol other than Switchboard's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ForeignProtocol {
    /// A TLS handshake record (RFC 8446 §5.1). It begins with a control character, and a chat line cannot.
    Tls,
    /// An HTTP request line (RFC 9112 §3).
    Http,
    /// Text at a port for TLS.
    PlainText,
}

/// The first byte of a TLS connection: the type of a record with a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

impl ForeignProtocol {
    /// Detects TLS by the first byte of a line. The line may be incomplete, because a TLS client may never send an LF.
    #[must_use]
    pub const fn from_first_byte(byte: u8) -> Option<Self> {
        if byte == TLS_HANDSHAKE { Some(Self::Tls) } else { None }
    }

    /// Detects plain text by the first byte at a port for TLS. All bytes with which TLS can begin are control characters
    /// other than these (RFC 8446 §5.1).
    #[must_use]
    pub const fn at_tls_port(byte: u8) -> Option<Self> {
        if matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n') { Some(Self::PlainText) } else { None }
    }

    /// Detects TLS or HTTP by a line of an unregistered session.
    ///
    /// In the commands dialect, both the request line and the `Host` header identify an HTTP request. Every request has
    /// this header (RFC 9112 §3.2). It is needed where a web page makes a browser send a request line over the line
    /// limit, followed by chat lines. In the line dialect, every first line that is not a name ends the session,
    /// and so does that request line. So the header is not checked there, and `Host: hi` is only an invalid name.
    #[must_use]
    pub fn from_line(line: &[u8], dialect: Dialect) -> Option<Self> {
        const HOST: &[u8] = b"Host:";
        if let Some(foreign) = line.first().and_then(|&byte| Self::from_first_byte(byte)) {
            return Some(foreign);
        }
        let has_host = dialect == Dialect::Commands
            && line.get(..HOST.len()).is_some_and(|start| start.eq_ignore_ascii_case(HOST));
        (has_host || is_request_line(line.trim_ascii_end())).then_some(Self::Http)
    }

    /// The `ERROR` reply to send before the session closes.
    #[must_use]
    pub fn refusal(self) -> Reply<'static> {
        let detail = match self {
            Self::Tls => "This port takes lines of chat in plain text, not TLS: try nc.",
            Self::Http => "This port takes lines of chat, not HTTP: try nc.",
            Self::PlainText => {
                "This port takes TLS, not plain text: try openssl s_client -quiet -connect HOST:PORT, or another port."
            }
        };
        Reply::Error { code: ErrorCode::WrongProtocol, detail: Some(detail.into()) }
    }
}

/// Whether `line` has the form `METHOD target HTTP/version`. A `MSG` line of this form is a chat message.
fn is_request_line(line: &[u8]) -> bool {
    let mut words = line.split(|&byte| byte == b' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some(_target), Some(version), None) => {
            let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
            is_method && method != b"MSG" && version.starts_with(b"HTTP/")
        }
        _ => false,
    }
}

impl fmt::Display for ForeignProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::PlainText => "plain text",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_and_http_are_detected_and_chat_is_not() {
        let cases: &[(&[u8], Option<ForeignProtocol>)] = &[
            (b"GET / HTTP/1.1\r", Some(ForeignProtocol::Http)),
            (b"POST /login HTTP/1.0", Some(ForeignProtocol::Http)),
            (b"PRI * HTTP/2.0\r", Some(ForeignProtocol::Http)),
            (b"Host: 127.0.0.1:12345\r", Some(ForeignProtocol::Http)),
            (b"host:x", Some(ForeignProtocol::Http)),
            (b"\x16\x03\x01", Some(ForeignProtocol::Tls)),
            (b"Hostess", None),
            (b"GET /", None),
            (b"MSG try HTTP/1.1", None),
            (b"MSG I like HTTP/1.1", None),
            (b"REGISTER Noy", None),
            (b"Noy: GET / HTTP/1.1", None),
            (b"", None),
        ];
        for (given, expected) in cases {
            assert_eq!(
                ForeignProtocol::from_line(given, Dialect::Commands),
                *expected,
                "given {:?}",
                given.escape_ascii().to_string()
            );
        }
        assert_eq!(ForeignProtocol::from_line(b"Host: hi", Dialect::Line), None);
    }

    #[test]
    fn text_at_a_tls_port_is_detected_and_tls_is_not() {
        for text in ["REGISTER Noy\n", "\r\n", "GET / HTTP/1.1\r\n", " hi\n"] {
            assert_eq!(ForeignProtocol::at_tls_port(text.as_bytes()[0]), Some(ForeignProtocol::PlainText), "{text:?}");
        }
        // An alert, a handshake, and the longest form of the old SSL 2.
        for byte in [0x15, 0x16, 0x80, 0x00] {
            assert_eq!(ForeignProtocol::at_tls_port(byte), None, "{byte:#04x}");
        }
    }
}
