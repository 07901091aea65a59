//! Plays every transcript on every stage.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use switchboard_tests::stage::{BareStage, TcpStage};
use switchboard_tests::transcript::Transcript;

/// The transcripts of both versions of the protocol.
fn transcripts() -> Vec<Transcript> {
    let mut all = transcripts_in("transcripts");
    all.extend(transcripts_in("transcripts/version2"));
    all
}

fn transcripts_in(folder: &str) -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(files.len() >= 5, "transcripts are missing");
    files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).expect("a transcript is UTF-8");
            Transcript::parse(&file.file_name().expect("a file has a name").to_string_lossy(), &text)
        })
        .collect()
}

#[test]
fn transcripts_hold_on_the_core_alone() {
    for transcript in transcripts() {
        transcript.play(&mut BareStage::new());
    }
}

#[test]
fn transcripts_hold_over_tcp() {
    for transcript in transcripts() {
        transcript.play(&mut TcpStage::new());
    }
}

#[test]
fn transcripts_hold_over_tcp_with_a_store_on_disk() {
    for transcript in transcripts() {
        transcript.play(&mut TcpStage::with_data());
    }
}

#[test]
fn transcripts_hold_over_tls() {
    for transcript in transcripts() {
        transcript.play(&mut TcpStage::over_tls());
    }
}

#[test]
fn transcripts_hold_over_web_socket() {
    for transcript in transcripts() {
        transcript.play(&mut TcpStage::over_web_socket());
    }
}

#[test]
fn transcripts_hold_over_web_socket_with_tls() {
    for transcript in transcripts() {
        transcript.play(&mut TcpStage::over_web_socket_with_tls());
    }
}

#[test]
fn transcripts_hold_over_tcp_a_byte_at_a_time() {
    for transcript in transcripts() {
        transcript.play(&mut TcpStage::byte_by_byte());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn transcripts_hold_for_any_split_of_the_input(piece_lens in proptest::collection::vec(1_usize..40, 1..8)) {
        for transcript in transcripts() {
            transcript.play(&mut BareStage::splitting(piece_lens.clone()));
        }
    }
}
