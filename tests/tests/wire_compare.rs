//! `encap compare`: what is built of rows, beside what a kernel makes of them.

use std::fmt::Write as _;

use serde_json::Value;
use switchboard_encap::capture::Reader;
use switchboard_encap::compare::{Comparison, Recording};
use switchboard_encap::wire::Frame;
use switchboard_tests::wire_lab::{csv, encap, in_namespace};

/// What has no reason in a capture that was changed here and there.
fn unexplained(made: &[u8], captured: &[u8]) -> Vec<String> {
    let record = |file: &[u8]| {
        let mut reader = Reader::new(file).expect("it is a capture");
        Recording::read(&mut reader).expect("it is short")
    };
    let (made, captured) = (record(made), record(captured));
    let comparison = Comparison::new(&made, &captured);
    comparison.unexplained().map(|difference| format!("{}: {}", difference.field, difference.captured)).collect()
}

/// Where each frame of a capture lies in its file, and where its payload begins in it.
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
fn what_a_kernel_makes_of_rows_differs_from_what_is_built_for_known_reasons_only() {
    in_namespace("what_a_kernel_makes_of_rows_differs_from_what_is_built_for_known_reasons_only", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [sent, built, hard] =
            ["sent.pcapng", "built.pcapng", "hard.csv"].map(|name| folder.path().join(name).display().to_string());
        // Long rows, an empty one, many at once, backwards, and an answer before any question.
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
                    // A datagram has no room for its rows.
                    continue;
                }
                encap(0, &["send", file, "--transport", transport, "-o", &sent]);
                encap(0, &["build", file, "--transport", transport, "-o", &built]);
                let (out, _) = encap(0, &["compare", file, &sent, "--transport", transport]);
                assert!(out.contains("What differs, and why:") && !out.contains("no reason is known"), "{out}");
                let (json, _) = encap(0, &["compare", &built, &sent, "--json"]);
                let said: Value = serde_json::from_str(&json).expect("JSON");
                assert_eq!(said["unexplained"], 0, "{file} over {transport}");
                assert!(
                    said["differences"].as_array().is_some_and(|list| list.iter().all(|one| one["reason"].is_string()))
                );

                let [made, captured] = [&built, &sent].map(|file| std::fs::read(file).expect("it is there"));
                assert_eq!(unexplained(&made, &captured), Vec::<String>::new());
                if *file == hard {
                    continue;
                }
                for (number, (at, len, payload)) in (1..).zip(places(&captured)) {
                    let mut changes = Vec::new();
                    if transport == "tcp" {
                        // Each flag, and the last byte of the sequence and the urgent pointer's. Only a FIN on what carries
                        // nothing might be: one that is sent again later, as nobody acknowledged it.
                        let flags = (0..8).map(|bit| 1_u8 << bit).filter(|bit| payload > 0 || *bit != 1);
                        changes.extend(flags.map(|bit| (at + 14 + 20 + 13, bit)));
                        changes.extend([(at + 14 + 20 + 7, 3), (at + 14 + 20 + 19, 1)]);
                    }
                    if payload > 0 {
                        changes.extend([(at + len - 1, 1), (at + len - payload, 0x20)]);
                    }
                    for (place, bits) in changes {
                        let mut spoiled = captured.clone();
                        spoiled[place] ^= bits;
                        let found = unexplained(&made, &spoiled);
                        assert!(!found.is_empty(), "{file}: frame {number}, byte {} ^ {bits:#04x}", place - at);
                    }
                }
            }
        }
        // The shell is told.
        let file = csv("http_input.csv").display().to_string();
        encap(0, &["send", &file, "-o", &sent]);
        let mut captured = std::fs::read(&sent).expect("it is there");
        let (at, len, _) = places(&captured)[3];
        captured[at + len - 1] ^= 1;
        std::fs::write(&sent, &captured).expect("it can be written");
        let (out, _) = encap(2, &["compare", &file, &sent]);
        assert!(
            out.contains("What differs, and no reason is known:")
                && out.contains("payload: 15 bytes, from byte 14 \"l\""),
            "{out}"
        );
    });
}
