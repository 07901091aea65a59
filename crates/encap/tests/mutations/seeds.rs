//! The seeds of mutations: all files of `tests/data`, all frames in them, and the lines of `tests/transcripts`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use switchboard_encap::capture::Reader;

use super::InputKind;

/// An input before its mutation: a whole file, or a part of a file.
#[derive(Debug)]
pub(crate) struct Seed {
    /// The file that the bytes are from.
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
    version2: Vec<Seed>,
    websocket: Vec<Seed>,
    /// The bytes of `frames`, for [`Self::has_frame`].
    frame_set: HashSet<Vec<u8>>,
}

impl Seeds {
    pub(crate) fn read() -> Self {
        let captures = read_folder("data/captures");
        let frames: Vec<Seed> = captures.iter().flat_map(frames).collect();
        let mut lines = read_folder("data/chat");
        lines.extend(read_folder("transcripts").into_iter().map(transcript_lines));
        let frame_set = frames.iter().map(|frame| frame.bytes.clone()).collect();
        Self {
            captures,
            frames,
            csvs: read_folder("data/csv"),
            lines,
            version2: read_folder("data/version2"),
            websocket: read_folder("data/websocket"),
            frame_set,
        }
    }

    pub(crate) fn of_kind(&self, kind: InputKind) -> &[Seed] {
        match kind {
            InputKind::Capture => &self.captures,
            InputKind::Frame => &self.frames,
            InputKind::Csv => &self.csvs,
            InputKind::Lines => &self.lines,
            InputKind::Version2 => &self.version2,
            InputKind::WebSocket => &self.websocket,
        }
    }

    /// Whether `bytes` is a frame of an unchanged capture.
    pub(crate) fn has_frame(&self, bytes: &[u8]) -> bool {
        self.frame_set.contains(bytes)
    }
}

/// Reads the files of a folder in `tests`, sorted by name. The folders in it are others.
fn read_folder(name: &str) -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    assert!(paths.len() >= 3, "files are missing: {name} has only {paths:?}");
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

/// The lines that the clients of a transcript send and receive, without the clients' names.
fn transcript_lines(transcript: Seed) -> Seed {
    let text = String::from_utf8(transcript.bytes).unwrap();
    let steps = text.lines().filter_map(|step| step.split_once(" > ").or(step.split_once(" < ")));
    Seed { bytes: steps.flat_map(|(_, line)| [line, "\n"]).collect::<String>().into_bytes(), ..transcript }
}
