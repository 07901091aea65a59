//! Frames of clients and of the server: a table of violations, and properties for any split.

use proptest::prelude::*;

use super::*;

/// An event, with its bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Sent {
    Line(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    EmptyFragment,
    Close(Option<u16>),
}

/// Decodes `stream`, which arrives in pieces of these lengths, over and over.
fn decode(stream: &[u8], piece_lens: &[usize]) -> (Vec<Sent>, Result<(), FrameViolation>) {
    let mut decoder = FrameDecoder::new();
    let (mut sent, mut line) = (Vec::new(), Vec::new());
    let mut rest = stream.to_vec();
    let mut piece_lens = piece_lens.iter().cycle();
    while !rest.is_empty() {
        let len = piece_lens.next().map_or(rest.len(), |&len| len.clamp(1, rest.len()));
        let mut piece: Vec<u8> = rest.drain(..len).collect();
        let result = decoder.decode(&mut piece, |event| match event {
            FrameEvent::Part(part) => line.extend_from_slice(part),
            FrameEvent::EndOfLine => sent.push(Sent::Line(std::mem::take(&mut line))),
            FrameEvent::Ping(payload) => sent.push(Sent::Ping(payload.to_vec())),
            FrameEvent::Pong => sent.push(Sent::Pong),
            FrameEvent::EmptyFragment => sent.push(Sent::EmptyFragment),
            FrameEvent::Close(code) => sent.push(Sent::Close(code.map(CloseCode::number))),
        });
        if result.is_err() {
            return (sent, result);
        }
    }
    (sent, Ok(()))
}

/// A masked frame, as a client sends it. `first` has the final bit and the type.
fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | u8::try_from(len).expect("a short length")),
        len @ 126..0x1_0000 => {
            frame.push(0xFE);
            frame.extend_from_slice(&u16::try_from(len).expect("a length of 16 bits").to_be_bytes());
        }
        len => {
            frame.push(0xFF);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[test]
fn example_of_the_rfc_is_decoded() {
    // RFC 6455 §5.7: a masked "Hello".
    let frame = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
    assert_eq!(decode(&frame, &[]), (vec![Sent::Line(b"Hello".to_vec())], Ok(())));
}

#[test]
fn message_may_end_with_the_end_of_its_line() {
    for (payload, line) in [("PING", "PING"), ("PING\n", "PING"), ("PING\r\n", "PING\r"), ("", ""), ("\n", "")] {
        let expected = vec![Sent::Line(line.as_bytes().to_vec())];
        assert_eq!(decode(&client_frame(0x81, payload.as_bytes()), &[]), (expected, Ok(())), "{payload:?}");
    }
}

#[test]
fn each_violation_is_refused_with_its_code() {
    use FrameViolation as V;
    let after = |first: &[u8], then: &[u8]| [first, then].concat();
    let text_begins = client_frame(0x01, b"PI");
    let cases: &[(Vec<u8>, V, u16)] = &[
        (vec![0x81, 0x04, b'P', b'I', b'N', b'G'], V::Unmasked, 1002),
        (client_frame(0xC1, b"PING"), V::ReservedBit, 1002),
        (client_frame(0x91, b"PING"), V::ReservedBit, 1002),
        (client_frame(0x83, b"PING"), V::ReservedOpcode, 1002),
        (client_frame(0x8B, b""), V::ReservedOpcode, 1002),
        (client_frame(0x82, b"PING"), V::Binary, 1003),
        (client_frame(0x80, b"PING"), V::NothingToContinue, 1002),
        (after(&text_begins, &client_frame(0x81, b"NG")), V::Interleaved, 1002),
        (client_frame(0x09, b""), V::MalformedControl, 1002),
        (client_frame(0x89, &[b'x'; 126]), V::MalformedControl, 1002),
        (vec![0x81, 0xFE, 0x00, 0x04], V::MalformedLength, 1002),
        (vec![0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0, 4], V::MalformedLength, 1002),
        (vec![0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], V::MalformedLength, 1002),
        (vec![0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], V::TooLong, 1009),
        (client_frame(0x81, &vec![b'x'; 65_537]), V::TooLong, 1009),
        (after(&client_frame(0x01, &vec![b'x'; 65_536]), &client_frame(0x80, b"x")), V::TooLong, 1009),
        (client_frame(0x81, b"MSG a\nQUIT"), V::SeveralLines, 1008),
        (client_frame(0x81, b"\n\n"), V::SeveralLines, 1008),
        (after(&client_frame(0x01, b"PING\n"), &client_frame(0x80, b"P")), V::SeveralLines, 1008),
        (client_frame(0x88, b"x"), V::CloseCode, 1002),
        (client_frame(0x88, &1005_u16.to_be_bytes()), V::CloseCode, 1002),
        (client_frame(0x88, &999_u16.to_be_bytes()), V::CloseCode, 1002),
        (client_frame(0x88, &5000_u16.to_be_bytes()), V::CloseCode, 1002),
        (client_frame(0x88, &[0x03, 0xE8, 0xFF]), V::CloseReason, 1007),
    ];
    for (stream, violation, code) in cases {
        for piece_lens in [&[][..], &[1]] {
            assert_eq!(decode(stream, piece_lens).1, Err(*violation), "{stream:02x?}");
        }
        assert_eq!(violation.close_code().number(), *code, "{violation:?}");
    }
}

#[test]
fn control_frame_may_stand_within_a_message() {
    let stream = [
        client_frame(0x01, b"MSG "),
        client_frame(0x89, b"are you there"),
        client_frame(0x00, b""),
        client_frame(0x8A, b""),
        client_frame(0x80, b"hi"),
        client_frame(0x88, &1001_u16.to_be_bytes()),
        b"ignored".to_vec(),
    ];
    let expected = vec![
        Sent::Ping(b"are you there".to_vec()),
        Sent::EmptyFragment,
        Sent::Pong,
        Sent::Line(b"MSG hi".to_vec()),
        Sent::Close(Some(1001)),
    ];
    assert_eq!(decode(&stream.concat(), &[]), (expected, Ok(())));
}

/// Splits the complete frames of a server. Returns their types and payloads.
fn server_frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (len, rest) = match second {
            126 => (u16::from_be_bytes(rest[..2].try_into().expect("two bytes")).into(), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().expect("eight bytes")), &rest[8..]),
            len => (u64::from(*len), rest),
        };
        let (payload, rest) = rest.split_at(usize::try_from(len).expect("a length in memory"));
        frames.push((*first, payload.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "a frame has a header of two bytes");
    frames
}

#[test]
fn reason_of_a_close_is_cut_between_characters() {
    let mut frames = Vec::new();
    encode_close(CloseCode::GOING_AWAY, &"é".repeat(100), &mut frames);
    let expected = [&1001_u16.to_be_bytes()[..], "é".repeat(61).as_bytes()].concat();
    assert_eq!(server_frames(&frames), [(0x88, expected)]);
}

proptest! {
    #[test]
    fn decoder_yields_the_same_for_any_split(
        payloads in prop::collection::vec((0_u8..4, prop::collection::vec(b' '..=b'~', 0..200)), 0..12),
        piece_lens in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (kind, payload) in payloads {
            match kind {
                0 => stream.extend(client_frame(0x81, &payload)),
                1 => {
                    let (begin, end) = payload.split_at(payload.len() / 2);
                    stream.extend(client_frame(0x01, begin));
                    if begin.is_empty() {
                        expected.push(Sent::EmptyFragment);
                    }
                    stream.extend(client_frame(0x89, b"!"));
                    expected.push(Sent::Ping(b"!".to_vec()));
                    stream.extend(client_frame(0x80, end));
                }
                2 => {
                    let payload = &payload[..payload.len().min(CONTROL_MAX_BYTES)];
                    stream.extend(client_frame(0x89, payload));
                    expected.push(Sent::Ping(payload.to_vec()));
                    continue;
                }
                _ => {
                    stream.extend(client_frame(0x8A, b"x"));
                    expected.push(Sent::Pong);
                    continue;
                }
            }
            expected.push(Sent::Line(payload));
        }
        prop_assert_eq!(decode(&stream, &piece_lens), (expected, Ok(())));
    }

    #[test]
    fn decoder_never_panics_and_finds_the_same_violation_for_any_split(
        stream in prop::collection::vec(any::<u8>(), 0..300),
        piece_lens in prop::collection::vec(1_usize..40, 1..6),
    ) {
        prop_assert_eq!(decode(&stream, &piece_lens), decode(&stream, &[]));
    }

    #[test]
    fn encoder_makes_a_frame_of_each_line_whatever_room_it_gets(
        line_lens in prop::collection::vec(prop_oneof![0_usize..300, 65_000_usize..70_000], 0..4),
        rooms in prop::collection::vec(1_usize..20_000, 1..5),
    ) {
        let lines: Vec<_> = line_lens.into_iter().map(|len| vec![b'x'; len]).collect();
        let text: Vec<u8> = lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect();
        let (mut encoder, mut frames, mut encoded) = (LineEncoder::new(), Vec::new(), 0);
        let mut rooms = rooms.iter().cycle();
        while encoded < text.len() {
            let mut part = Vec::new();
            let room = *rooms.next().expect("there is a room");
            encoded += encoder.encode(&text[encoded..], &mut part, room);
            prop_assert!(part.len() <= room + 10 + 1, "a part has at most its room and one header");
            frames.extend(part);
        }
        prop_assert!(encoder.is_between_frames());
        let expected: Vec<_> = lines.into_iter().map(|line| (0x81, line)).collect();
        prop_assert_eq!(server_frames(&frames), expected);
    }
}
