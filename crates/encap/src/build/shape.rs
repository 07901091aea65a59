//! The forms of messages that the dissectors of Wireshark can read.

use memchr::memmem;

use crate::rows::{AppProtocol, StartLine, Transport, first_line};

/// The form of the messages of a protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// HTTP: a start line, header fields, an empty line (RFC 9112).
    Http,
    /// Lines that end in CR LF.
    Lines,
    /// Lines that end in CR LF and are commands (RFC 2812 §2.3).
    Irc,
    /// Lines that end in LF. Wireshark has no dissector for the port; `encap dissector` splits the stream at LF.
    Chat,
    /// Binary fields, or a header with more required lines. No message counts as valid, so a server gets the port of
    /// such a protocol only if the file gives the port.
    Strict,
    /// Any bytes: Wireshark has no dissector for the protocol.
    Any,
}

impl Shape {
    /// The shape of the messages of `protocol`.
    pub(super) fn of(protocol: &AppProtocol) -> Self {
        match protocol {
            AppProtocol::Http => Self::Http,
            AppProtocol::Smtp | AppProtocol::Ftp | AppProtocol::Pop3 | AppProtocol::Imap | AppProtocol::Telnet => {
                Self::Lines
            }
            AppProtocol::Irc => Self::Irc,
            AppProtocol::Chat => Self::Chat,
            AppProtocol::Other(_) => Self::Any,
            _ => Self::Strict,
        }
    }

    /// Whether [`complete`](super::complete) can complete messages to this shape.
    pub(super) const fn is_completable(self) -> bool {
        matches!(self, Self::Http | Self::Lines | Self::Irc | Self::Chat)
    }

    /// Whether a message has this shape.
    pub(super) fn matches(self, message: &[u8]) -> bool {
        match self {
            Self::Http => is_http(message),
            Self::Lines => is_lines(message),
            Self::Irc => is_irc(message),
            Self::Chat => message.ends_with(b"\n"),
            Self::Any => true,
            Self::Strict => false,
        }
    }
}

/// Whether the message is UTF-8 and ends in CR LF. UTF-8 never has the byte 0xff, which begins a command of Telnet.
fn is_lines(message: &[u8]) -> bool {
    message.ends_with(b"\r\n") && std::str::from_utf8(message).is_ok()
}

/// Whether each line of the message is a command of IRC.
fn is_irc(message: &[u8]) -> bool {
    is_lines(message) && message.split_inclusive(|byte| *byte == b'\n').all(is_irc_line)
}

/// Whether a line has an optional prefix of `:` and a source, then a command of letters or digits (RFC 2812 §2.3.1).
fn is_irc_line(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let after_prefix = match line.strip_prefix(b":") {
        Some(source) => match source.iter().position(|byte| *byte == b' ') {
            Some(end) if end > 0 => &source[end + 1..],
            _ => return false,
        },
        None => line,
    };
    let command = after_prefix.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_number = command.len() == 3 && command.iter().all(u8::is_ascii_digit);
    !command.is_empty() && (is_number || command.iter().all(u8::is_ascii_alphabetic))
}

/// Whether the message has a start line with a version, header fields, and an empty line.
fn is_http(message: &[u8]) -> bool {
    http_header_len(message).is_some()
}

/// The length of the HTTP header with its empty line, in bytes; `None` if the header is incomplete.
fn http_header_len(message: &[u8]) -> Option<usize> {
    const HEADER_END: &[u8] = b"\r\n\r\n";
    let line = StartLine::parse(first_line(message), b"HTTP/")?;
    let has_version =
        matches!(line, StartLine::Request { has_version: true } | StartLine::Status { has_version: true });
    memmem::find(message, HEADER_END).filter(|_| has_version).map(|at| at + HEADER_END.len())
}

/// Whether the body of an HTTP message contradicts its Content-Type or Content-Encoding.
pub(super) fn has_misnamed_body(message: &[u8]) -> bool {
    let Some((header, body)) = http_header_len(message).map(|end| message.split_at(end)) else { return false };
    let field = |name: &str| {
        let mut lines = header.split(|byte| *byte == b'\n').skip(1);
        lines.find_map(|line| {
            let (line_name, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":")?.trim_ascii();
            line_name.eq_ignore_ascii_case(name.as_bytes()).then(|| value.to_ascii_lowercase())
        })
    };
    // A transfer coding changes the bytes of the body.
    if body.is_empty() || field("Transfer-Encoding").is_some() {
        return false;
    }
    field("Content-Encoding").is_some_and(|encoding| !may_have_encoding(&encoding, body))
        || field("Content-Type").is_some_and(|media_type| !may_have_type(&media_type, body))
}

/// Whether `body` may have this Content-Encoding, which Wireshark decodes. False for encodings not listed here.
fn may_have_encoding(encoding: &[u8], body: &[u8]) -> bool {
    match encoding {
        b"identity" => true,
        b"gzip" | b"x-gzip" => body.starts_with(b"\x1f\x8b\x08"),
        _ => false,
    }
}

/// Whether `body` may have this Content-Type, with or without parameters. False for types not listed here: Wireshark
/// may have a dissector for them.
fn may_have_type(media_type: &[u8], body: &[u8]) -> bool {
    let without_parameters = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    match without_parameters {
        b"image/png" => body.starts_with(b"\x89PNG\r\n\x1a\n"),
        b"image/jpeg" => body.starts_with(b"\xff\xd8\xff"),
        b"image/gif" => body.starts_with(b"GIF8"),
        b"application/json" => serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok(),
        b"application/octet-stream" | b"application/x-www-form-urlencoded" | b"application/javascript" => true,
        b"text/xml" => false,
        _ => without_parameters.starts_with(b"text/"),
    }
}

/// The protocol whose heuristic dissector in Wireshark reads a message because of its first bytes, on any port. Covers
/// only the protocols with which text is confused most often.
pub(super) fn heuristic_dissector(message: &[u8], transport: Transport) -> Option<&'static str> {
    match (transport, message) {
        (Transport::Tcp, [0x14..=0x17, 3, 0..=4, _, _, ..]) => Some("TLS"),
        (_, [0..=3, _, _, _, 0x21, 0x12, 0xa4, 0x42, ..]) => Some("STUN"),
        (Transport::Udp, [0x14..=0x17, 0xfe, 0xfd | 0xff, ..]) => Some("DTLS"),
        (Transport::Udp, [0xc0..=0xff, 0, 0, 0, 1, ..]) => Some("QUIC"),
        (Transport::Udp, [0x80..=0xbf, 192..=223, ..]) => Some("RTCP"),
        (Transport::Udp, message) if message.starts_with(b"d1:") => Some("BT-DHT"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_accept_only_messages_that_dissectors_read() {
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
            (AppProtocol::Chat, b"hi", false),
            (AppProtocol::Chat, b"hi\n", true),
            (AppProtocol::Irc, b"PRIVMSG #x :hi\r\n", true),
            (AppProtocol::Irc, b":srv 001 Noy :hi\r\n", true),
            (AppProtocol::Irc, b":srv\r\n", false),
            (AppProtocol::Irc, b" \r\n", false),
            (AppProtocol::Other("GOPHER".into()), b"hi", true),
        ];
        for (protocol, message, expected) in cases {
            assert_eq!(Shape::of(protocol).matches(message), *expected, "{protocol} {}", message.escape_ascii());
        }
    }

    #[test]
    fn body_that_contradicts_its_header_is_misnamed() {
        let cases: &[(&str, &[u8], bool)] = &[
            ("Content-Type: image/png", b"hello", true),
            ("Content-Type: image/png", b"", false),
            ("content-type: text/plain; charset=utf-8", b"hello", false),
            ("Content-Type: application/json", br#"{"a": 1}"#, false),
            ("Content-Type: application/json", b"{abc}", true),
            ("Content-Type: application/grpc", b"hello", true),
            ("Content-Encoding: gzip", b"hello", true),
            ("Content-Encoding: gzip", b"\x1f\x8b\x08...", false),
            ("Server: x", b"hello", false),
        ];
        for (field, body, expected) in cases {
            let message = [b"HTTP/1.1 200 OK\r\n", field.as_bytes(), b"\r\n\r\n", body].concat();
            assert_eq!(has_misnamed_body(&message), *expected, "{}", message.escape_ascii());
        }
        assert!(!has_misnamed_body(b"hello"), "a message without a header");
    }

    #[test]
    fn messages_that_begin_like_another_protocol_have_a_heuristic_dissector() {
        use Transport::{Tcp, Udp};
        let cases: [(&[u8], Transport, Option<&str>); 9] = [
            (b"\x16\x03\x01\x00\x05hello", Tcp, Some("TLS")),
            (b"\x16\x03\x01\x00\x05hello", Udp, None),
            (b"\x00\x01\x00\x04\x21\x12\xa4\x42aaaa", Tcp, Some("STUN")),
            (b"\x16\xfe\xfd\x00hello", Udp, Some("DTLS")),
            (b"\xc0\x00\x00\x00\x01\x08aaaa", Udp, Some("QUIC")),
            (b"\x80\xc8\x00\x06aaaa", Udp, Some("RTCP")),
            (b"d1:ad2:id20:", Udp, Some("BT-DHT")),
            ("\u{5e9}\u{5dc}\u{5d5}\u{5dd}, \u{1f44b}".as_bytes(), Udp, None),
            (b"hello", Tcp, None),
        ];
        for (message, transport, expected) in cases {
            assert_eq!(heuristic_dissector(message, transport), expected, "{}", message.escape_ascii());
        }
    }
}
