//! Checks frames of a client with the decoder of the server.

use switchboard_protocol::websocket::{CloseCode, FrameDecoder, FrameEvent, FrameViolation};

/// The content of a stream.
#[derive(Debug, Default, Eq, PartialEq)]
struct Content {
    /// The lines, each with its LF.
    lines: Vec<u8>,
    pings: Vec<Vec<u8>>,
    /// Pongs and empty fragments.
    others: usize,
    closes: Vec<Option<CloseCode>>,
}

/// Decodes the bytes as the frames of a client.
///
/// # Panics
///
/// If the result breaks a property that must hold for every stream.
pub fn check_websocket(stream: &[u8]) {
    let (content, result) = decode(stream, stream.len());
    assert_eq!((&content, result), (&decode(stream, 1).0, decode(stream, 1).1), "the result is the same for any split");
    if let Err(violation) = result {
        assert!(!violation.to_string().is_empty());
        let number = violation.close_code().number();
        assert_eq!(CloseCode::from_number(number), Some(violation.close_code()));
    }
    // A frame has six bytes at least, so its payload and an LF need no more room than it.
    assert!(content.lines.len() <= stream.len(), "lines are shorter than their frames");
    assert!(content.closes.len() <= 1, "nothing follows a Close");
    assert!(content.pings.iter().all(|ping| ping.len() <= 125));
}

/// Decodes the stream in reads of `read_bytes` bytes.
fn decode(stream: &[u8], read_bytes: usize) -> (Content, Result<(), FrameViolation>) {
    let mut decoder = FrameDecoder::new();
    let mut content = Content::default();
    for read in stream.chunks(read_bytes.max(1)) {
        let result = decoder.decode(&mut read.to_vec(), |event| match event {
            FrameEvent::Part(part) => content.lines.extend_from_slice(part),
            FrameEvent::EndOfLine => content.lines.push(b'\n'),
            FrameEvent::Ping(payload) => content.pings.push(payload.to_vec()),
            FrameEvent::Pong | FrameEvent::EmptyFragment => content.others += 1,
            FrameEvent::Close(code) => content.closes.push(code),
        });
        if result.is_err() {
            // The part of the last line depends on the split.
            let complete = content.lines.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            content.lines.truncate(complete);
            return (content, result);
        }
    }
    (content, Ok(()))
}
