//! Checks lines of version 2 with the parsers of server and client.

use switchboard_protocol::limits::TEXT_MAX_BYTES;
use switchboard_protocol::version2::{
    Command, Reply, Request, RequestError, TaggedReply, VERSION, hello, parse, parse_reply, push_with_n,
};
use switchboard_protocol::{ErrorCode, commands};

use super::lines::decode;

/// Parses the bytes as lines of a client and of a server that speak version 2.
///
/// # Panics
///
/// If the result breaks a property that must hold for every line.
pub fn check_version2_lines(stream: &[u8]) {
    for line in decode(stream, stream.len()).iter().flatten() {
        check_request(line);
        check_reply(&String::from_utf8_lossy(line));
    }
}

/// A parsed request that is written again must parse to the same request. The answer to an invalid line must be a line.
fn check_request(bytes: &[u8]) {
    if let Some(hello) = hello(bytes) {
        assert!(hello.version >= VERSION);
        assert_eq!(commands::parse(bytes, TEXT_MAX_BYTES), Err(switchboard_protocol::ParseError::UnknownCommand));
    }
    match parse(bytes, TEXT_MAX_BYTES) {
        Ok(None) => assert_eq!(commands::parse(bytes, TEXT_MAX_BYTES), Ok(None), "a line is blank in both versions"),
        Ok(Some(request)) => {
            let mut written = Vec::new();
            request.encode(&mut written).expect("a parsed request can be encoded");
            assert_eq!(written.pop(), Some(b'\n'));
            assert_eq!(parse(&written[..], TEXT_MAX_BYTES), Ok(Some(request.clone())));
            let has_tags = String::from_utf8_lossy(bytes).trim_start().starts_with('@');
            if let Request { command: Command::Version1(command), .. } = request
                && !has_tags
            {
                assert_eq!(commands::parse(bytes, TEXT_MAX_BYTES), Ok(Some(command)));
            }
        }
        Err(error) => check_answer(&error),
    }
}

/// The answer to an invalid line is one line, and a client reads the same number, code and target in it.
fn check_answer(error: &RequestError<'_>) {
    let code = error.reason.code();
    assert!(!code.ends_session() && ErrorCode::ALL.contains(&code));
    let reply = Reply::Error { code, target: error.target.map(Into::into) };
    let answer = TaggedReply { n: error.n, reply };
    assert_eq!(parse_reply(&encoded(&answer)), Ok(answer));
}

/// A parsed reply that is written again must parse to the same reply.
fn check_reply(line: &str) {
    // The parser removes one CR at the end of a line. A second one would be part of the last word.
    let Ok(tagged) = parse_reply(line.trim_end_matches('\r')) else { return };
    let written = encoded(&tagged);
    assert_eq!(parse_reply(&written).as_ref(), Ok(&tagged), "an encoded reply parses to the same reply");
    if let TaggedReply { n: Some(n), reply } = tagged {
        let mut line = Vec::new();
        reply.encode(&mut line);
        let mut with_n = Vec::new();
        push_with_n(&mut with_n, n, &line);
        assert_eq!(String::from_utf8_lossy(&with_n), format!("{written}\n"));
    }
}

/// The line of a reply, without its LF.
fn encoded(reply: &TaggedReply<'_>) -> String {
    let mut line = Vec::new();
    reply.encode(&mut line);
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(!line.contains(&b'\n'));
    String::from_utf8(line).expect("a line is UTF-8")
}
