//! Tells whether the dissector of a protocol can read a message.

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
    /// Binary fields, or a longer header. No message of a CSV is taken for one; a file with such messages gives ports.
    Strict,
    /// Unknown: there is no dissector.
    Any,
}

impl Shape {
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

    /// Whether an incomplete message can be completed to this form.
    pub(super) const fn is_completable(self) -> bool {
        matches!(self, Self::Http | Self::Lines | Self::Irc | Self::Chat)
    }

    /// Whether a message has this form.
    pub(super) fn fits(self, message: &[u8]) -> bool {
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

/// Whether the message consists of lines in UTF-8, which has no byte that begins a command of Telnet.
fn is_lines(message: &[u8]) -> bool {
    message.ends_with(b"\r\n") && std::str::from_utf8(message).is_ok()
}

/// Whether the message consists of lines of IRC.
fn is_irc(message: &[u8]) -> bool {
    is_lines(message) && message.split_inclusive(|byte| *byte == b'\n').all(is_irc_line)
}

/// Whether a line has an optional prefix of `:` and a source, then a command of letters or digits (RFC 2812 §2.3.1).
fn is_irc_line(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let rest = match line.strip_prefix(b":") {
        Some(rest) => match rest.iter().position(|byte| *byte == b' ') {
            Some(end) if end > 0 => &rest[end + 1..],
            _ => return false,
        },
        None => line,
    };
    let command = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_number = command.len() == 3 && command.iter().all(u8::is_ascii_digit);
    !command.is_empty() && (is_number || command.iter().all(u8::is_ascii_alphabetic))
}

/// Whether the message has a start line, fields, and an empty line.
fn is_http(message: &[u8]) -> bool {
    http_head(message).is_some()
}

/// The length of the header of HTTP with its empty line.
fn http_head(message: &[u8]) -> Option<usize> {
    let line = StartLine::parse(first_line(message), b"HTTP/")?;
    let is_whole = matches!(line, StartLine::Request { whole: true } | StartLine::Status { whole: true });
    memmem::find(message, b"\r\n\r\n").filter(|_| is_whole).map(|end| end + 4)
}

/// Whether the body of an HTTP message contradicts its Content-Type or Content-Encoding.
pub(super) fn is_misnamed(message: &[u8]) -> bool {
    let Some((head, body)) = http_head(message).map(|end| message.split_at(end)) else { return false };
    let field = |name: &str| {
        let mut lines = head.split(|byte| *byte == b'\n').skip(1);
        lines.find_map(|line| {
            let (found, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":")?.trim_ascii();
            found.eq_ignore_ascii_case(name.as_bytes()).then(|| value.to_ascii_lowercase())
        })
    };
    if body.is_empty() || field("Transfer-Encoding").is_some() {
        return false;
    }
    field("Content-Encoding").is_some_and(|encoding| !is_encoded(&encoding, body))
        || field("Content-Type").is_some_and(|kind| !is_of_type(&kind, body))
}

/// Whether `body` may have this encoding, which a dissector undoes first.
fn is_encoded(encoding: &[u8], body: &[u8]) -> bool {
    match encoding {
        b"identity" => true,
        b"gzip" | b"x-gzip" => body.starts_with(b"\x1f\x8b\x08"),
        _ => false,
    }
}

/// Whether `body` may have this type, which may have its own dissector.
fn is_of_type(kind: &[u8], body: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    match kind {
        b"image/png" => body.starts_with(b"\x89PNG\r\n\x1a\n"),
        b"image/jpeg" => body.starts_with(b"\xff\xd8\xff"),
        b"image/gif" => body.starts_with(b"GIF8"),
        b"application/json" => serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok(),
        b"application/octet-stream" | b"application/x-www-form-urlencoded" | b"application/javascript" => true,
        b"text/xml" => false,
        _ => kind.starts_with(b"text/"),
    }
}

/// The protocol that Wireshark recognizes by the first bytes of a message, on any port. Only the most common false
/// positives are listed.
pub(super) fn read_by_first_bytes(message: &[u8], transport: Transport) -> Option<&'static str> {
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
            assert_eq!(Shape::of(protocol).fits(message), *expected, "{protocol} {}", message.escape_ascii());
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
            assert_eq!(is_misnamed(&message), *expected, "{}", message.escape_ascii());
        }
        assert!(!is_misnamed(b"hello"));
    }

    #[test]
    fn first_bytes_of_other_protocols_are_recognized() {
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
            assert_eq!(read_by_first_bytes(message, transport), expected, "{}", message.escape_ascii());
        }
    }
}
