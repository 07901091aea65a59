//! Checks lines of both dialects with the parsers of server and client.

use switchboard_encap::analyze::Side;
use switchboard_encap::analyze::chat::{ChatSession, parse_line_reply, recognise};
use switchboard_protocol::limits::{LINE_MAX_BYTES, TEXT_MAX_BYTES};
use switchboard_protocol::{Command, Dialect, LineDecoder, LineTooLong, ReceivedBytes, commands, line};

/// Parses the bytes as lines of a peer, in either dialect and from either side.
///
/// # Panics
///
/// If the result breaks a property that must hold for every line.
pub fn check_lines(stream: &[u8]) {
    let lines = decode(stream, stream.len());
    assert_eq!(lines, decode(stream, 1), "the decoder yields the same lines for any split");
    let mut sessions = [Dialect::Commands, Dialect::Line].map(|dialect| ChatSession::new(dialect, true));
    for line in lines.iter().flatten() {
        check_line(line);
        let text = String::from_utf8_lossy(line);
        for session in &mut sessions {
            for from in [Side::Client, Side::Server] {
                let (_, violation) = session.read_line(from, &text);
                assert!(violation.is_none_or(|violation| !violation.to_string().is_empty()));
            }
        }
    }
}

/// Decodes the stream in reads of `read_bytes` bytes.
pub(crate) fn decode(stream: &[u8], read_bytes: usize) -> Vec<Result<Vec<u8>, LineTooLong>> {
    let mut decoder = LineDecoder::new(LINE_MAX_BYTES);
    let mut lines = Vec::new();
    for read in stream.chunks(read_bytes.max(1)) {
        let mut unread = ReceivedBytes::new(read);
        while let Some(line) = decoder.next_line(&mut unread) {
            lines.push(line.map(|line| line.as_bytes().to_vec()));
        }
    }
    assert!(lines.iter().flatten().all(|line| line.len() < LINE_MAX_BYTES));
    lines
}

/// Parses a line in both dialects. A parsed command that is written again must parse to the same command.
fn check_line(bytes: &[u8]) {
    if let Ok(Some(command)) = commands::parse(bytes, TEXT_MAX_BYTES) {
        let mut written = Vec::new();
        commands::encode_command(&command, &mut written).expect("a parsed command can be encoded");
        assert_eq!(written.pop(), Some(b'\n'));
        assert_eq!(
            commands::parse(&written[..], TEXT_MAX_BYTES),
            Ok(Some(command)),
            "an encoded command parses to the same command"
        );
    }
    if let Ok(Command::Register { name }) = line::parse_name(bytes) {
        for text in [name.as_str(), name.folded()] {
            assert!(text.contains(char::is_alphanumeric), "a name has a letter or digit: {text:?}");
        }
        assert_eq!(line::parse_name(name.as_str().as_bytes()), Ok(Command::Register { name }));
    }
    if let Ok(Some(Command::Tell { to, text })) = line::parse(bytes, TEXT_MAX_BYTES) {
        let written = format!("{to}: {}", text.as_str());
        assert_eq!(line::parse(written.as_bytes(), TEXT_MAX_BYTES), Ok(Some(Command::Tell { to, text })));
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = (commands::parse_reply(&text), parse_line_reply(&text));
    let _ = (recognise(Side::Client, bytes), recognise(Side::Server, bytes));
}
