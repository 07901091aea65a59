//! `encap compare`: the synthesised capture of a CSV, compared with a capture of its rows on real sockets.

use std::fmt::Write as _;

use serde_json::Value;
use switchboard_encap::capture::Reader;
use switchboard_encap::compare::{Comparison, Recording};
use switchboard_encap::wire::Frame;
use switchboard_tests::wire_lab::{csv, encap, in_namespace};

/// The differences between two captures that have no known reason.
fn unexplained(synthesised: &[u8], captured: &[u8]) -> Vec<String> {
    let record = |file: &[u8]| {
        let mut reader = Reader::new(file).expect("a capture");
        Recording::read(&mut reader).expect("a short capture")
    };
    let (synthesised, captured) = (record(synthesised), record(captured));
    let comparison = Comparison::new(&synthesised, &captured);
    comparison
        .unexplained()
        .map(|difference| format!("{}: {}", difference.place.field, difference.kind.captured))
        .collect()
}

/// Place of a byte in the TCP header of a captured frame: Ethernet has 14 bytes, IPv4 has 20.
const fn in_tcp_header(byte: usize) -> usize {
    14 + 20 + byte
}

/// Offset in the file, length, and payload length of each frame of a capture.
fn frame_places(file: &[u8]) -> Vec<(usize, usize, usize)> {
    let mut reader = Reader::new(file).expect("a capture");
    let mut places = Vec::new();
    let mut searched = 0;
    while let Some(packet) = reader.next_packet().expect("a readable capture") {
        let len = packet.captured.len();
        let position = file[searched..].windows(len).position(|window| window == packet.captured);
        let start = searched + position.expect("the file holds its frames unchanged");
        searched = start + len;
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        places.push((start, len, frame.payload().len()));
    }
    places
}

#[test]
fn every_difference_between_sent_and_built_frames_has_a_known_reason() {
    in_namespace("every_difference_between_sent_and_built_frames_has_a_known_reason", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [sent, built, hard] =
            ["sent.pcapng", "built.pcapng", "hard.csv"].map(|name| folder.path().join(name).display().to_string());
        // This CSV has long messages, an empty message, many rows at one time, times that decrease, and a response
        // before its request.
        let mut text = String::from("protocol,src,dst,message,time\nHTTP,web,pc,200 OK,0.1\nHTTP,pc,web,GET /,0.2\n");
        writeln!(text, "CHAT,a,b,{},0.1\nCHAT,b,a,{},0.1", "x".repeat(300_000), "y".repeat(100_000))
            .expect("writing to a String succeeds");
        text.push_str("CHAT,a,b,,0.2\nCHAT,a,b,late,0.3\nCHAT,b,a,early,0.1\n");
        (0..100).for_each(|i| writeln!(text, "CHAT,a,c,row {i},0.3").expect("writing to a String succeeds"));
        std::fs::write(&hard, text).expect("the folder is writable");
        let mut files: Vec<String> = std::fs::read_dir(csv(""))
            .expect("the folder exists")
            .map(|file| file.expect("a file").path().display().to_string())
            .collect();
        assert!(files.len() >= 4, "CSVs are missing: {files:?}");
        files.push(hard.clone());
        for file in &files {
            for transport in ["tcp", "udp"] {
                if *file == hard && transport == "udp" {
                    // The long messages do not fit in a datagram.
                    continue;
                }
                encap(0, &["send", file, "--transport", transport, "-o", &sent]);
                encap(0, &["build", file, "--transport", transport, "-o", &built]);
                let (out, _) = encap(0, &["compare", file, &sent, "--transport", transport]);
                assert!(
                    out.contains("Differences with a known reason:") && !out.contains("without a known reason"),
                    "{out}"
                );
                let (json, _) = encap(0, &["compare", &built, &sent, "--json"]);
                let report: Value = serde_json::from_str(&json).expect("JSON");
                assert_eq!(report["unexplained"], 0, "{file} over {transport}");
                assert!(
                    report["differences"]
                        .as_array()
                        .is_some_and(|list| list.iter().all(|entry| entry["reason"].is_string()))
                );

                let [synthesised, captured] = [&built, &sent].map(|file| std::fs::read(file).expect("the file exists"));
                assert_eq!(unexplained(&synthesised, &captured), Vec::<String>::new());
                if *file == hard {
                    continue;
                }
                // Each single change of a captured frame must appear as a difference without a known reason.
                for (number, (start, len, payload_len)) in (1..).zip(frame_places(&captured)) {
                    // Byte of the frame, and the bits to flip in it.
                    let mut changes = Vec::new();
                    if transport == "tcp" {
                        // Each flag. A FIN added to a segment without payload is left out, because it has a known
                        // reason: it looks like an early copy of a FIN that is sent again later.
                        let flags = (0..8).map(|bit| 1_u8 << bit).filter(|bit| payload_len > 0 || *bit != 1);
                        changes.extend(flags.map(|bit| (in_tcp_header(13), bit)));
                        // The last byte of the sequence number, and of the urgent pointer.
                        changes.extend([(in_tcp_header(7), 3), (in_tcp_header(19), 1)]);
                    }
                    if payload_len > 0 {
                        // The last and the first byte of the payload.
                        changes.extend([(len - 1, 1), (len - payload_len, 0x20)]);
                    }
                    for (byte, bits) in changes {
                        let mut damaged = captured.clone();
                        damaged[start + byte] ^= bits;
                        let found = unexplained(&synthesised, &damaged);
                        assert!(!found.is_empty(), "{file}: frame {number}, byte {byte} ^ {bits:#04x}: not noticed");
                    }
                }
            }
        }
        // A difference without a known reason sets the exit code.
        let file = csv("http_input.csv").display().to_string();
        encap(0, &["send", &file, "-o", &sent]);
        let mut captured = std::fs::read(&sent).expect("the file exists");
        // The fourth frame carries the first row, after three frames of the handshake.
        let (start, len, _) = frame_places(&captured)[3];
        captured[start + len - 1] ^= 1;
        std::fs::write(&sent, &captured).expect("the folder is writable");
        let (out, _) = encap(2, &["compare", &file, &sent]);
        assert!(
            out.contains("Differences without a known reason:")
                && out.contains("payload: 15 bytes, from byte 14 \"l\""),
            "{out}"
        );
    });
}
