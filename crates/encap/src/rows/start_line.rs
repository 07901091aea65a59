//! The first line of a request or response of HTTP (RFC 9112 §2.1), RTSP or SIP. The version may be missing, because
//! people leave it out in files that they write by hand.

/// The kind of a first line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StartLine {
    /// `GET / HTTP/1.1`, or `GET /`.
    Request {
        /// Whether the line includes the version.
        has_version: bool,
    },
    /// `HTTP/1.1 200 OK`, or `200 OK`.
    Status {
        /// Whether the line includes the version.
        has_version: bool,
    },
}

impl StartLine {
    /// Parses `line`; `None` if it is neither kind. `version` is the start of the protocol's version, such as `HTTP/`.
    pub(crate) fn parse(line: &[u8], version: &[u8]) -> Option<Self> {
        const METHODS: [&[u8]; 9] =
            [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];
        let is_code = |word: &[u8]| word.len() == 3 && word.iter().all(u8::is_ascii_digit);
        let mut words = line.split(|byte| *byte == b' ');
        match [words.next()?, words.next().unwrap_or_default(), words.next().unwrap_or_default()] {
            [first, code, _] if first.starts_with(version) && is_code(code) => Some(Self::Status { has_version: true }),
            [code, ..] if is_code(code) => Some(Self::Status { has_version: false }),
            [method, target, last] if METHODS.contains(&method) && !target.is_empty() && words.next().is_none() => {
                let has_version = last.starts_with(version);
                (has_version || last.is_empty()).then_some(Self::Request { has_version })
            }
            _ => None,
        }
    }
}

/// The bytes before the first line end.
pub(crate) fn first_line(message: &[u8]) -> &[u8] {
    let line = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_line_may_lack_only_its_version() {
        let request = |has_version| Some(StartLine::Request { has_version });
        let status = |has_version| Some(StartLine::Status { has_version });
        for (given, expected) in [
            ("GET / HTTP/1.1", request(true)),
            ("GET /", request(false)),
            ("POST /login HTTP/1.0", request(true)),
            ("GET", None),
            ("GET  /", None),
            ("GET / there", None),
            ("GET / HTTP/1.1 more", None),
            ("get /", None),
            ("HTTP/1.1 200 OK", status(true)),
            ("HTTP/1.1 200", status(true)),
            ("HTTP/1.1", None),
            ("HTTP/1.1 OK", None),
            ("200 OK", status(false)),
            ("404", status(false)),
            ("2000 years", None),
            ("hello there", None),
            ("", None),
        ] {
            assert_eq!(StartLine::parse(given.as_bytes(), b"HTTP/"), expected, "given {given:?}");
        }
    }
}
