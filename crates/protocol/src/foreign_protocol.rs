//! Other protocols on a chat port: a browser or a TLS client is told once, in a line, that it is in the wrong place.
//! (`protocol.md` §2)

use std::fmt;

use crate::dialect::Dialect;
use crate::error_code::ErrorCode;
use crate::reply::Reply;

/// A protocol that is not ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ForeignProtocol {
    /// A TLS record of type handshake (RFC 8446 §5.1). No line of chat begins with this byte.
    Tls,
    /// An HTTP request line (RFC 9112 §3).
    Http,
}

/// The first byte of a TLS handshake record.
const CONTENT_TYPE_HANDSHAKE: u8 = 22;

impl ForeignProtocol {
    /// Looks at the first byte of a line that has not ended yet: TLS need never send an LF.
    #[must_use]
    pub const fn from_first_byte(byte: u8) -> Option<Self> {
        if byte == CONTENT_TYPE_HANDSHAKE { Some(Self::Tls) } else { None }
    }

    /// Looks at a line of a session without a name.
    ///
    /// A request line gives HTTP away, and so does the `Host` header that every request has (RFC 9112 §3.2): a web page
    /// can make a browser send a request line that is over the line limit, and lines of chat after it. In the line
    /// dialect such a first line ends the session, and `Host: hi` is a name with a colon in it.
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

    /// The one line that it gets.
    #[must_use]
    pub fn refusal(self) -> Reply<'static> {
        let detail = match self {
            Self::Tls => "This port takes lines of chat in plain text, not TLS: try nc.",
            Self::Http => "This port takes lines of chat, not HTTP: try nc.",
        };
        Reply::Error { code: ErrorCode::WrongProtocol, detail: Some(detail.into()) }
    }
}

/// Whether this is `METHOD target HTTP/version`, and no message that looks like it.
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_told_from_chat() {
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
}
