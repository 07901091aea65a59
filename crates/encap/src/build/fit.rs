//! Whether a message is what its protocol's dissector expects.

use memchr::memmem;

use crate::rows::AppProtocol;

/// How messages of a protocol are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// A start line, header fields, an empty line: of this version.
    Headers(&'static [u8]),
    /// Lines that end in CR LF.
    Lines,
    /// Lines that end in LF, which no dissector reads.
    Chat,
    /// Fields of bits and bytes, which no text is.
    Binary,
    /// Not known; no dissector is asked.
    Any,
}

impl Shape {
    pub(super) fn of(protocol: &AppProtocol) -> Self {
        match protocol {
            AppProtocol::Http => Self::Headers(b"HTTP/"),
            AppProtocol::Rtsp => Self::Headers(b"RTSP/"),
            AppProtocol::Sip => Self::Headers(b"SIP/"),
            AppProtocol::Smtp
            | AppProtocol::Ftp
            | AppProtocol::Pop3
            | AppProtocol::Imap
            | AppProtocol::Telnet
            | AppProtocol::Irc => Self::Lines,
            AppProtocol::Chat => Self::Chat,
            AppProtocol::Other(_) => Self::Any,
            _ => Self::Binary,
        }
    }

    /// Whether a dissector finds in `message` what it looks for.
    pub(super) fn fits(self, message: &[u8]) -> bool {
        match self {
            Self::Headers(version) => {
                let line = first_line(message);
                let response = line.starts_with(version);
                let request = line.rsplit(|byte| *byte == b' ').next().is_some_and(|last| last.starts_with(version))
                    && line.iter().filter(|byte| **byte == b' ').count() == 2;
                (response || request) && memmem::find(message, b"\r\n\r\n").is_some()
            }
            Self::Lines => message.ends_with(b"\r\n"),
            Self::Chat | Self::Any => true,
            // Text is none of these protocols; bytes that are no text were written by someone who knows.
            Self::Binary => std::str::from_utf8(message)
                .map_or(true, |text| text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace())),
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
            (AppProtocol::Dns, b"\x12\x34\x01\x00\x00\x01", true),
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
