//! Frames of a server, cut anywhere, and frames of the client.

use super::*;

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

fn websocket(kind: MessageKind) -> WebSocket {
    let host = "127.0.0.1:1".to_owned();
    WebSocket::new(&WebSocketClient { host, path: "/ws".to_owned(), subprotocol: Some("mqtt"), kind })
}

/// Decodes `stream`, which arrives in pieces of `piece_bytes`.
fn decode(websocket: &mut WebSocket, stream: &[u8], piece_bytes: usize) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    for piece in stream.chunks(piece_bytes) {
        let mut buffer = [&[0; DECODE_RESERVE], piece].concat();
        let count = websocket.decode(&mut buffer)?;
        decoded.extend_from_slice(&buffer[..count]);
    }
    Ok(decoded)
}

/// A frame of a server.
fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let header = match u8::try_from(payload.len()) {
        Ok(len @ ..126) => vec![first, len],
        _ => [&[first, 126][..], &u16::try_from(payload.len()).expect("a short payload").to_be_bytes()].concat(),
    };
    [&header, payload].concat()
}

/// The payload of a masked frame with a short length, after its first byte was checked.
fn unmask(frame: &[u8], first: u8) -> Vec<u8> {
    assert_eq!((frame[0], usize::from(frame[1])), (first, 0x80 | (frame.len() - 6)), "{frame:02x?}");
    frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

#[test]
fn messages_are_the_same_for_any_split() {
    let long = [b'x'; 300];
    let stream = [
        RESPONSE.to_vec(),
        server_frame(0x81, b"WELCOME"),
        server_frame(0x81, b""),
        server_frame(0x89, b"?"),
        server_frame(0x01, b"MSG_"),
        server_frame(0x80, b"SENT"),
        server_frame(0x82, &long),
        server_frame(0x88, &[3, 232]),
        b"ignored".to_vec(),
    ]
    .concat();
    let cases = [
        (MessageKind::Lines, [&b"WELCOME\n\nMSG_SENT\n"[..], &long, b"\n"].concat()),
        (MessageKind::Bytes, [&b"WELCOMEMSG_SENT"[..], &long].concat()),
    ];
    for (kind, expected) in cases {
        for piece_bytes in 1..stream.len() {
            let mut websocket = websocket(kind);
            let mut sent = Vec::new();
            websocket.send_to(&mut sent).expect("room in memory");
            assert!(sent.starts_with(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"), "{}", sent.escape_ascii());
            assert!(sent.ends_with(b"\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"), "{}", sent.escape_ascii());
            let decoded = decode(&mut websocket, &stream, piece_bytes).expect("a valid stream");
            assert_eq!(decoded.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{piece_bytes}");
            assert!(websocket.is_closed);
            let mut pong = Vec::new();
            websocket.send_to(&mut pong).expect("room in memory");
            assert_eq!(unmask(&pong, 0x8a), b"?");
        }
    }
}

#[test]
fn frames_are_masked_and_wait_for_the_opening_handshake() {
    let mut websocket = websocket(MessageKind::Lines);
    let mut sent = Vec::new();
    websocket.send_to(&mut sent).expect("room in memory");
    websocket.encode(b"PING\nWHO\n");
    assert!(!websocket.has_unsent(), "the server has not answered");
    assert_eq!(decode(&mut websocket, RESPONSE, 10).expect("an answer"), b"");
    sent.clear();
    websocket.send_to(&mut sent).expect("room in memory");
    let (ping, who) = sent.split_at(10);
    assert_eq!((unmask(ping, 0x81), unmask(who, 0x81)), (b"PING".to_vec(), b"WHO".to_vec()));
}

#[test]
fn other_servers_and_other_frames_are_refused() {
    let after_response = |frame: &[u8]| [RESPONSE, frame].concat();
    let cases = [
        (b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(), "it answers \"HTTP/1.1 404 Not Found\""),
        (vec![b'x'; 9000], "its answer is too long"),
        (after_response(&[0x81, 0x80]), "it masks a frame"),
        (after_response(&[0xc1, 0x00]), "a frame that begins with 0xc1"),
        (after_response(&[0x83, 0x00]), "a frame that begins with 0x83"),
        (after_response(&[0x89, 126, 0, 126]), "a frame that begins with 0x89"),
    ];
    for (stream, expected) in cases {
        let error = decode(&mut websocket(MessageKind::Lines), &stream, 7).expect_err(expected);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains(expected), "{error}");
    }
}
