//! The protocols of the compared servers, as far as a message between two sessions needs them.

mod irc;
mod jetstream;
mod mqtt;
mod nats;
mod postgres;
mod redis;
mod redis_streams;
mod relay;

pub(super) use irc::Irc;
pub(super) use jetstream::JetStream;
pub(super) use mqtt::Mqtt;
pub(super) use nats::Nats;
pub(super) use postgres::Postgres;
pub(super) use redis::Redis;
pub(super) use redis_streams::RedisStreams;
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
                (b":5000\r\n", Some(ServerFrame::Acknowledgement), b""),
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
            &RedisStreams,
            &[
                (b"$3\r\n7-0\r\n$", Some(ServerFrame::Acknowledgement), b"$"),
                (b"$3\r\n7-0\r", None, b"$3\r\n7-0\r"),
                (b"*2\r\n$3\r\n7-0\r\n*2\r\n$1\r\nm\r\n$3\r\nabc\r\n*", Some(ServerFrame::Message(b"abc")), b"*"),
                (
                    b"*2\r\n$3\r\n7-0\r\n*2\r\n$1\r\nm\r\n$3\r\nab",
                    None,
                    b"*2\r\n$3\r\n7-0\r\n*2\r\n$1\r\nm\r\n$3\r\nab",
                ),
                (b"+PONG\r\n", Some(ServerFrame::Answer), b""),
                (b"-ERR no\r\n", Some(ServerFrame::Refusal(b"-ERR no")), b""),
            ],
        );
        check(
            &JetStream,
            &[
                (b"MSG store.b 1 $JS.ACK.b 3\r\nabc\r\n+", Some(ServerFrame::Message(b"abc")), b"+"),
                (b"MSG reply.a 2 22\r\n{\"stream\":\"b\",\"seq\":1}\r\n", Some(ServerFrame::Acknowledgement), b""),
                (b"MSG reply.a 2 12\r\n{\"type\":\"t\"}\r\n", Some(ServerFrame::Answer), b""),
                (b"MSG reply.a 2 12\r\n{\"error\":{}}\r\n", Some(ServerFrame::Refusal(b"{\"error\":{}}")), b""),
                (b"MSG reply.a 2 12\r\n{\"type\"", None, b"MSG reply.a 2 12\r\n{\"type\""),
                (b"PONG\r\n", Some(ServerFrame::Answer), b""),
            ],
        );
        check(
            &Postgres,
            &[
                (b"D\0\0\0\x0d\0\x01\0\0\0\x03abcC", Some(ServerFrame::Message(b"abc")), b"C"),
                (b"D\0\0\0\x0d\0\x01\0\0\0\x03ab", None, b"D\0\0\0\x0d\0\x01\0\0\0\x03ab"),
                (b"C\0\0\0\x0fINSERT 0 1\0", Some(ServerFrame::Acknowledgement), b""),
                (b"Z\0\0\0\x05I", Some(ServerFrame::Answer), b""),
                (b"2\0\0\0\x04", Some(ServerFrame::Ignored), b""),
                (b"E\0\0\0\x07no\0", Some(ServerFrame::Refusal(b"no\0")), b""),
            ],
        );
        check(
            &RelayProtocol,
            &[(b"ok\nabc\n", Some(ServerFrame::Answer), b"abc\n"), (b"abc\n", Some(ServerFrame::Message(b"abc")), b"")],
        );
    }

    #[test]
    fn redis_reader_asks_for_the_entries_after_the_last() {
        let entry = |id: &str| format!("*2\r\n$3\r\n{id}\r\n*2\r\n$1\r\nm\r\n$3\r\nabc\r\n");
        let reply = format!("*1\r\n*2\r\n$1\r\nb\r\n*2\r\n{}{}", entry("7-0"), entry("7-1"));
        let (incomplete, mut answers) = (&reply.as_bytes()[..reply.len() - 1], Vec::new());
        assert_eq!(RedisStreams.decode(&mut &*incomplete, &mut answers), None);
        assert_eq!(answers, b"");
        let mut unread = reply.as_bytes();
        let frames = [(); 3].map(|()| RedisStreams.decode(&mut unread, &mut answers));
        let message = Some(ServerFrame::Message(b"abc"));
        assert_eq!((frames, unread), ([Some(ServerFrame::Ignored), message, message], &b""[..]));
        assert!(answers.ends_with(b"STREAMS\r\n$1\r\nb\r\n$3\r\n7-1\r\n"), "{}", answers.escape_ascii());
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
