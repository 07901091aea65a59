//! Reads 100,000 damaged captures and CSV files, and damaged frames and chat lines: no panic, bounded memory.
//!
//! The mutation's kind and number determine it. A failed one is printed in this form; to repeat it:
//!
//! ```sh
//! MUTATION=capture/4711 cargo test -p switchboard-encap --test mutations -- --nocapture
//! ```

#[path = "../../../fuzz/src/lib.rs"]
pub mod hostile;
#[path = "mutations/memory.rs"]
mod memory;
#[path = "mutations/mutator.rs"]
mod mutator;
#[path = "mutations/seeds.rs"]
mod seeds;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mutator::mutate;
use seeds::{Seed, Seeds};

/// Maximum memory allocated at once for one mutation, in bytes. A reader's buffer takes 256 KiB, or twice the file if a
/// block is longer; no seed has such a block. Most of the rest is the HTML page of the longest frame: about a hundred
/// bytes for each byte of the frame.
const PEAK_MAX_BYTES: usize = 2 * 1024 * 1024;

/// The kind of the mutated input.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum InputKind {
    Capture,
    Frame,
    Csv,
    Lines,
}

impl InputKind {
    const ALL: [Self; 4] = [Self::Capture, Self::Frame, Self::Csv, Self::Lines];

    /// Number of mutations.
    const fn count(self) -> u64 {
        match self {
            Self::Capture => 30_000,
            Self::Csv => 70_000,
            Self::Frame | Self::Lines => 5_000,
        }
    }
}

const _: () = assert!(InputKind::Capture.count() + InputKind::Csv.count() == 100_000);

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Capture => "capture",
            Self::Frame => "frame",
            Self::Csv => "csv",
            Self::Lines => "lines",
        })
    }
}

/// A mutation: kind and number determine it.
#[derive(Clone, Copy, Debug)]
struct Mutation {
    kind: InputKind,
    number: u64,
}

impl Mutation {
    fn all() -> Vec<Self> {
        InputKind::ALL.into_iter().flat_map(|kind| (0..kind.count()).map(move |number| Self { kind, number })).collect()
    }

    /// Parses the name of a mutation.
    fn named(name: &str) -> Self {
        let found = name.split_once('/').and_then(|(kind, number)| {
            let kind = InputKind::ALL.into_iter().find(|known| known.to_string() == kind)?;
            Some(Self { kind, number: number.parse().ok()? })
        });
        found.unwrap_or_else(|| panic!("MUTATION={name}: expected a kind and a number, as in capture/4711"))
    }

    /// The seed, and the mutated input.
    fn play<'a>(&self, seeds: &'a Seeds) -> (&'a Seed, Vec<u8>) {
        let mut rng = fastrand::Rng::with_seed(self.number);
        let files = seeds.of(self.kind);
        let seed = &files[rng.usize(..files.len())];
        let mut file = seed.bytes.clone();
        mutate(&mut file, files, &mut rng);
        (seed, file)
    }

    /// Reads the mutated input. Returns the peak of allocated bytes.
    fn read(&self, seeds: &Seeds) -> usize {
        let (_, file) = self.play(seeds);
        memory::peak_of(|| match self.kind {
            // Unchanged frames are not displayed again for each mutation.
            InputKind::Capture => _ = hostile::check_capture(&file, |packet| !seeds.has_frame(packet.captured)),
            InputKind::Frame => hostile::check_frame(&file),
            InputKind::Csv => hostile::check_rows(&file),
            InputKind::Lines => hostile::check_lines(&file),
        })
    }

    /// Describes the failure, if there is one.
    fn fails(&self, seeds: &Seeds, most: &AtomicUsize) -> Option<String> {
        let failure = match catch_unwind(AssertUnwindSafe(|| self.read(seeds))) {
            Ok(peak) if peak <= PEAK_MAX_BYTES => {
                most.fetch_max(peak, Ordering::Relaxed);
                return None;
            }
            Ok(peak) => format!("allocates {peak} bytes at once"),
            Err(_) => "panics".to_owned(),
        };
        let (seed, _) = self.play(seeds);
        Some(format!("MUTATION={self} {failure}; its seed is {}", seed.path.display()))
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.number)
    }
}

#[test]
fn damaged_inputs_neither_panic_nor_exceed_memory() {
    let seeds = Seeds::read();
    if let Ok(name) = std::env::var("MUTATION") {
        let mutation = Mutation::named(&name);
        let (seed, file) = mutation.play(&seeds);
        println!("{mutation}, seed {}: {}", seed.path.display(), file.escape_ascii());
        println!("{} bytes allocated at once", mutation.read(&seeds));
        return;
    }
    let mutations = Mutation::all();
    let (next, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mine = std::iter::from_fn(|| mutations.get(next.fetch_add(1, Ordering::Relaxed)));
        mine.filter_map(|mutation| mutation.fails(&seeds, &most)).collect::<Vec<_>>()
    };
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    let failed: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!("{} mutations, at most {} bytes allocated at once", mutations.len(), most.into_inner());
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), mutations.len(), failed.join("\n"));
}
