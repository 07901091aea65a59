//! The seeds of mutations: all files of `tests/data`, all frames in them, and the lines of `tests/transcripts`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use switchboard_encap::capture::Reader;

use super::InputKind;

/// A file, or a part of one.
#[derive(Debug)]
pub(crate) struct Seed {
    /// Its file.
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

/// All seeds, by kind.
#[derive(Debug)]
pub(crate) struct Seeds {
    captures: Vec<Seed>,
    frames: Vec<Seed>,
    csvs: Vec<Seed>,
    lines: Vec<Seed>,
    frames_seen: HashSet<Vec<u8>>,
}

impl Seeds {
    pub(crate) fn read() -> Self {
        let captures = folder("data/captures");
        let frames: Vec<Seed> = captures.iter().flat_map(frames).collect();
        let mut lines = folder("data/chat");
        lines.extend(folder("transcripts").into_iter().map(transcript_lines));
        let frames_seen = frames.iter().map(|frame| frame.bytes.clone()).collect();
        Self { captures, frames, csvs: folder("data/csv"), lines, frames_seen }
    }

    pub(crate) fn of(&self, kind: InputKind) -> &[Seed] {
        match kind {
            InputKind::Capture => &self.captures,
            InputKind::Frame => &self.frames,
            InputKind::Csv => &self.csvs,
            InputKind::Lines => &self.lines,
        }
    }

    /// Whether `bytes` is a frame of an unchanged capture.
    pub(crate) fn has_frame(&self, bytes: &[u8]) -> bool {
        self.frames_seen.contains(bytes)
    }
}

/// The files of a folder in `tests`, sorted by name.
fn folder(name: &str) -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 3, "{name} holds {paths:?}");
    paths.into_iter().map(|path| Seed { bytes: fs::read(&path).unwrap(), path }).collect()
}

fn frames(capture: &Seed) -> Vec<Seed> {
    let mut reader = Reader::new(&capture.bytes[..]).unwrap();
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        frames.push(Seed { path: capture.path.clone(), bytes: packet.captured.to_vec() });
    }
    frames
}

/// The lines of a transcript, without speakers.
fn transcript_lines(transcript: Seed) -> Seed {
    let text = String::from_utf8(transcript.bytes).unwrap();
    let said = text.lines().filter_map(|line| line.split_once(" > ").or(line.split_once(" < ")));
    Seed { bytes: said.flat_map(|(_, said)| [said, "\n"]).collect::<String>().into_bytes(), ..transcript }
}
