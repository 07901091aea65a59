//! Whether a message is what its protocol's dissector expects.

use memchr::memmem;

use crate::rows::AppProtocol;

/// How messages of a protocol are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// A start line, header fields, an empty line (RFC 9112).
    Http,
    /// Lines that end in CR LF.
    Lines,
    /// Lines that end in LF, which no dissector reads.
    Chat,
    /// Fields of bits and bytes, or more than a start line: who writes that into a file of rows gives ports, too.
    Strict,
    /// Not known; no dissector is asked.
    Any,
}

impl Shape {
    pub(super) fn of(protocol: &AppProtocol) -> Self {
        match protocol {
            AppProtocol::Http => Self::Http,
            AppProtocol::Smtp
            | AppProtocol::Ftp
            | AppProtocol::Pop3
            | AppProtocol::Imap
            | AppProtocol::Telnet
            | AppProtocol::Irc => Self::Lines,
            AppProtocol::Chat => Self::Chat,
            AppProtocol::Other(_) => Self::Any,
            _ => Self::Strict,
        }
    }

    /// Whether a dissector finds in `message` what it looks for.
    pub(super) fn fits(self, message: &[u8]) -> bool {
        match self {
            Self::Http => {
                let line = first_line(message);
                let response = line.starts_with(b"HTTP/");
                let request = line.rsplit(|byte| *byte == b' ').next().is_some_and(|last| last.starts_with(b"HTTP/"))
                    && line.split(|byte| *byte == b' ').count() == 3;
                (response || request) && memmem::find(message, b"\r\n\r\n").is_some()
            }
            // UTF-8 has no byte that begins a command of Telnet.
            Self::Lines => message.ends_with(b"\r\n") && std::str::from_utf8(message).is_ok(),
            Self::Chat | Self::Any => true,
            Self::Strict => false,
        }
    }
}

/// What comes before the first line end.
pub(super) fn first_line(message: &[u8]) -> &[u8] {
    let line = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_is_told_from_what_a_dissector_expects() {
        let cases: &[(AppProtocol, &[u8], bool)] = &[
            (AppProtocol::Http, b"GET /", false),
            (AppProtocol::Http, b"GET / HTTP/1.1", false),
            (AppProtocol::Http, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            (AppProtocol::Http, b"HTTP/1.1 200 OK\r\n\r\n", true),
            (AppProtocol::Http, b"200 OK", false),
            (AppProtocol::Dns, b"where is example.org?", false),
            (AppProtocol::Telnet, b"\xff\xfd\x18\r\n", false),
            (AppProtocol::Smtp, b"EHLO a", false),
            (AppProtocol::Smtp, b"EHLO a\r\n", true),
            (AppProtocol::Chat, b"hi", true),
            (AppProtocol::Other("GOPHER".into()), b"hi", true),
        ];
        for (protocol, message, expected) in cases {
            assert_eq!(Shape::of(protocol).fits(message), *expected, "{protocol} {}", message.escape_ascii());
        }
    }
}
