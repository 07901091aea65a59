//! Other protocols on a chat port: a browser or a TLS client is told once, in a line, that it is in the wrong place.
//! (`protocol.md` §2)

use std::fmt;

use crate::code::Code;
use crate::reply::Reply;

/// A protocol that is not ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Foreign {
    /// A TLS record of type handshake (RFC 8446 §5.1). No line of chat begins with this byte.
    Tls,
    /// An HTTP request line (RFC 9112 §3).
    Http,
}

impl Foreign {
    /// Looks at the first byte of a session.
    #[must_use]
    pub const fn of_first_byte(byte: u8) -> Option<Self> {
        const CONTENT_TYPE_HANDSHAKE: u8 = 22;
        if byte == CONTENT_TYPE_HANDSHAKE { Some(Self::Tls) } else { None }
    }

    /// Looks at the first line of a session.
    #[must_use]
    pub fn of_first_line(line: &[u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        let mut parts = line.split(|&byte| byte == b' ');
        let (Some(method), Some(_target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
        (is_method && method != b"MSG" && version.starts_with(b"HTTP/")).then_some(Self::Http)
    }

    /// The one line that it gets.
    #[must_use]
    pub fn refusal(self) -> Reply<'static> {
        let detail = match self {
            Self::Tls => "This port takes lines of chat in plain text, not TLS: try nc.",
            Self::Http => "This port takes lines of chat, not HTTP: try nc.",
        };
        Reply::Error { code: Code::WrongProtocol, detail: Some(detail.into()) }
    }
}

impl fmt::Display for Foreign {
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
    fn request_lines_are_told_from_chat() {
        let cases: &[(&[u8], Option<Foreign>)] = &[
            (b"GET / HTTP/1.1\r", Some(Foreign::Http)),
            (b"POST /login HTTP/1.0", Some(Foreign::Http)),
            (b"PRI * HTTP/2.0\r", Some(Foreign::Http)),
            (b"GET /", None),
            (b"MSG try HTTP/1.1", None),
            (b"MSG I like HTTP/1.1", None),
            (b"REGISTER Noy", None),
            (b"Noy: GET / HTTP/1.1", None),
            (b"", None),
        ];
        for (given, expected) in cases {
            assert_eq!(Foreign::of_first_line(given), *expected, "given {:?}", given.escape_ascii().to_string());
        }
        assert_eq!(Foreign::of_first_byte(0x16), Some(Foreign::Tls));
        assert_eq!(Foreign::of_first_byte(b'R'), None);
    }
}
