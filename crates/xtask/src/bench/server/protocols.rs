//! The protocols of the compared servers, as far as a message between two sessions needs them.

mod irc;
mod mqtt;
mod nats;
mod redis;
mod relay;

pub(super) use irc::Irc;
pub(super) use mqtt::Mqtt;
pub(super) use nats::Nats;
pub(super) use redis::Redis;
pub(super) use relay::RelayProtocol;

use memchr::memchr;

/// Removes a line from the front of `unread`, and returns the line without its CRLF or LF. `None` if the line is
/// incomplete.
fn take_line<'a>(unread: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr(b'\n', unread)?;
    let line = &unread[..end];
    *unread = &unread[end + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

fn parse_number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Removes `len` bytes and a CRLF from the front of `unread`, and returns the bytes without the CRLF. `None` if they
/// are incomplete.
fn take_block<'a>(unread: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (block, after_block) = unread.split_at_checked(len)?;
    *unread = after_block.get("\r\n".len()..)?;
    Some(block)
}

/// Appends each of `parts`.
fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Appends `number` in decimal, without allocating.
fn put_number(out: &mut Vec<u8>, number: usize) {
    if number >= 10 {
        put_number(out, number / 10);
    }
    out.push(b"0123456789"[number % 10]);
}

#[cfg(test)]
mod tests {
    use switchboard_bench::Protocol;
    use switchboard_bench::protocol::ServerFrame;

    use super::*;

    /// Decodes the first frame of each case. A case has the received bytes, the frame, and the bytes after the frame.
    fn check<P: Protocol>(protocol: &P, cases: &[(&[u8], Option<ServerFrame<'_>>, &[u8])]) {
        for (given, expected, expected_unread) in cases {
            let mut unread = *given;
            let frame = protocol.decode(&mut unread, &mut Vec::new());
            assert_eq!(frame, *expected, "{}: given {}", protocol.name(), given.escape_ascii());
            assert_eq!(unread, *expected_unread, "{}: unread bytes of {}", protocol.name(), given.escape_ascii());
        }
    }

    #[test]
    fn each_frame_decodes_to_its_kind() {
        check(
            &Nats { verbose: true },
            &[
                (b"MSG b 1 3\r\nabc\r\n+OK", Some(ServerFrame::Message(b"abc")), b"+OK"),
                (b"MSG b 1 3\r\nabc\r", None, b"MSG b 1 3\r\nabc\r"),
                (b"MSG b 1", None, b"MSG b 1"),
                (b"+OK\r\n", Some(ServerFrame::Acknowledgement), b""),
                (b"PONG\r\n", Some(ServerFrame::Answer), b""),
                (b"INFO {}\r\n", Some(ServerFrame::Ignored), b""),
                (b"-ERR 'no'\r\n", Some(ServerFrame::Refusal(b"-ERR 'no'")), b""),
            ],
        );
        check(
            &Redis,
            &[
                (b"*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$3\r\nabc\r\n:1", Some(ServerFrame::Message(b"abc")), b":1"),
                (b"*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$3\r\nab", None, b"*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$3\r\nab"),
                (b"*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:1\r\n", Some(ServerFrame::Answer), b""),
                (b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", Some(ServerFrame::Answer), b""),
                (b":1\r\n", Some(ServerFrame::Acknowledgement), b""),
                (b":0\r\n", Some(ServerFrame::Refusal(b":0")), b""),
                (b"+PONG\r\n", Some(ServerFrame::Answer), b""),
                (b"-ERR no\r\n", Some(ServerFrame::Refusal(b"-ERR no")), b""),
            ],
        );
        check(
            &Irc,
            &[
                (b":a!~a@h PRIVMSG b :x y\r\n:", Some(ServerFrame::Message(b"x y")), b":"),
                (b":a!~a@h PRIVMSG b :x", None, b":a!~a@h PRIVMSG b :x"),
                (b":s 001 a :Welcome\r\n", Some(ServerFrame::Ignored), b""),
                (b":s 422 a :no MOTD\r\n", Some(ServerFrame::Answer), b""),
                (b":s PONG s :x\r\n", Some(ServerFrame::Answer), b""),
                (b":s 433 * a :taken\r\n", Some(ServerFrame::Refusal(b":s 433 * a :taken")), b""),
                (b"ERROR :no\r\n", Some(ServerFrame::Refusal(b"ERROR :no")), b""),
            ],
        );
        check(
            &Mqtt,
            &[
                (b"\x30\x06\x00\x01babc\x20", Some(ServerFrame::Message(b"abc")), b" "),
                (b"\x30\x06\x00\x01bab", None, b"\x30\x06\x00\x01bab"),
                (b"\x20\x02\x00\x00", Some(ServerFrame::Answer), b""),
                (b"\x20\x02\x00\x05", Some(ServerFrame::Refusal(b"\x20\x02\x00\x05")), b""),
                (b"\x90\x03\x00\x01\x00", Some(ServerFrame::Answer), b""),
                (b"\xd0\x00", Some(ServerFrame::Answer), b""),
                (b"\x30\x80", None, b"\x30\x80"),
            ],
        );
        check(
            &RelayProtocol,
            &[(b"ok\nabc\n", Some(ServerFrame::Answer), b"abc\n"), (b"abc\n", Some(ServerFrame::Message(b"abc")), b"")],
        );
    }

    #[test]
    fn put_number_writes_decimal() {
        for given in [0, 7, 10, 64, 1024, usize::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, given);
            assert_eq!(out, given.to_string().as_bytes());
        }
    }
}
