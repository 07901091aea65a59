//! `encap compare`: the synthesised capture of a CSV beside the captured one.

use std::fmt::Write as _;

use serde_json::Value;
use switchboard_encap::capture::Reader;
use switchboard_encap::compare::{Comparison, Recording};
use switchboard_encap::wire::Frame;
use switchboard_tests::wire_lab::{csv, encap, in_namespace};

/// The differences between two captures that have no known reason.
fn unexplained(synthesised: &[u8], captured: &[u8]) -> Vec<String> {
    let record = |file: &[u8]| {
        let mut reader = Reader::new(file).expect("it is a capture");
        Recording::read(&mut reader).expect("it is short")
    };
    let (synthesised, captured) = (record(synthesised), record(captured));
    let comparison = Comparison::new(&synthesised, &captured);
    comparison
        .unexplained()
        .map(|difference| format!("{}: {}", difference.place.field, difference.kind.captured))
        .collect()
}

/// Offset in the file, length, and payload length of each frame of a capture.
fn places(file: &[u8]) -> Vec<(usize, usize, usize)> {
    let mut reader = Reader::new(file).expect("it is a capture");
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(packet) = reader.next_packet().expect("it can be read") {
        let len = packet.captured.len();
        let at = file[from..].windows(len).position(|window| window == packet.captured).expect("it is there");
        from += at + len;
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        places.push((from - len, len, frame.payload().len()));
    }
    places
}

#[test]
fn every_difference_between_sent_and_built_frames_has_a_known_reason() {
    in_namespace("every_difference_between_sent_and_built_frames_has_a_known_reason", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [sent, built, hard] =
            ["sent.pcapng", "built.pcapng", "hard.csv"].map(|name| folder.path().join(name).display().to_string());
        // Long messages, an empty one, many rows at one time, decreasing times, a response before its request.
        let mut text = String::from("protocol,src,dst,message,time\nHTTP,web,pc,200 OK,0.1\nHTTP,pc,web,GET /,0.2\n");
        writeln!(text, "CHAT,a,b,{},0.1\nCHAT,b,a,{},0.1", "x".repeat(300_000), "y".repeat(100_000)).expect("memory");
        text.push_str("CHAT,a,b,,0.2\nCHAT,a,b,late,0.3\nCHAT,b,a,early,0.1\n");
        (0..100).for_each(|i| writeln!(text, "CHAT,a,c,row {i},0.3").expect("memory"));
        std::fs::write(&hard, text).expect("it can be written");
        let mut files: Vec<String> = std::fs::read_dir(csv(""))
            .expect("it is there")
            .map(|file| file.expect("a file").path().display().to_string())
            .collect();
        assert!(files.len() >= 4);
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

                let [synthesised, captured] = [&built, &sent].map(|file| std::fs::read(file).expect("it is there"));
                assert_eq!(unexplained(&synthesised, &captured), Vec::<String>::new());
                if *file == hard {
                    continue;
                }
                for (number, (at, len, payload)) in (1..).zip(places(&captured)) {
                    let mut changes = Vec::new();
                    if transport == "tcp" {
                        // Each flag, the last byte of the sequence number, the urgent pointer. A FIN added to a segment
                        // without payload has a reason: it looks like an early copy of a FIN that is sent again later.
                        let flags = (0..8).map(|bit| 1_u8 << bit).filter(|bit| payload > 0 || *bit != 1);
                        changes.extend(flags.map(|bit| (at + 14 + 20 + 13, bit)));
                        changes.extend([(at + 14 + 20 + 7, 3), (at + 14 + 20 + 19, 1)]);
                    }
                    if payload > 0 {
                        changes.extend([(at + len - 1, 1), (at + len - payload, 0x20)]);
                    }
                    for (place, bits) in changes {
                        let mut damaged = captured.clone();
                        damaged[place] ^= bits;
                        let found = unexplained(&synthesised, &damaged);
                        assert!(!found.is_empty(), "{file}: frame {number}, byte {} ^ {bits:#04x}", place - at);
                    }
                }
            }
        }
        // The exit code reports a difference without a reason.
        let file = csv("http_input.csv").display().to_string();
        encap(0, &["send", &file, "-o", &sent]);
        let mut captured = std::fs::read(&sent).expect("it is there");
        let (at, len, _) = places(&captured)[3];
        captured[at + len - 1] ^= 1;
        std::fs::write(&sent, &captured).expect("it can be written");
        let (out, _) = encap(2, &["compare", &file, &sent]);
        assert!(
            out.contains("Differences without a known reason:")
                && out.contains("payload: 15 bytes, from byte 14 \"l\""),
            "{out}"
        );
    });
}
