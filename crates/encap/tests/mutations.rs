//! Reads 100,000 damaged captures and CSV files, 5,000 damaged frames, 10,000 inputs of damaged chat lines, and
//! 5,000 of damaged WebSocket frames. None may cause a panic, or need more than a fixed amount of memory.
//!
//! Kind and number determine a mutation, and are its name. To repeat the mutation `capture/4711`:
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

/// Maximum memory allocated at once for one mutation, in bytes. The buffer of a reader takes 256 KiB, because no seed
/// has a longer block. The HTML page of a frame takes most of the other memory: about a hundred bytes for each byte of
/// the frame.
const PEAK_MAX_BYTES: usize = 2 * 1024 * 1024;

/// The kind of the mutated input.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum InputKind {
    Capture,
    Frame,
    Csv,
    Lines,
    Version2,
    WebSocket,
}

impl InputKind {
    const ALL: [Self; 6] = [Self::Capture, Self::Frame, Self::Csv, Self::Lines, Self::Version2, Self::WebSocket];

    /// Number of mutations of this kind.
    const fn count(self) -> u64 {
        match self {
            Self::Capture => 30_000,
            Self::Csv => 70_000,
            Self::Frame | Self::Lines | Self::Version2 | Self::WebSocket => 5_000,
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
            Self::Version2 => "version2",
            Self::WebSocket => "websocket",
        })
    }
}

/// One mutated input. The number is the seed of the random changes.
#[derive(Clone, Copy, Debug)]
struct Mutation {
    kind: InputKind,
    number: u64,
}

impl Mutation {
    fn all() -> Vec<Self> {
        InputKind::ALL.into_iter().flat_map(|kind| (0..kind.count()).map(move |number| Self { kind, number })).collect()
    }

    /// Parses the name of a mutation, such as `capture/4711`.
    fn parse(name: &str) -> Self {
        let parsed = name.split_once('/').and_then(|(kind, number)| {
            let kind = InputKind::ALL.into_iter().find(|known| known.to_string() == kind)?;
            Some(Self { kind, number: number.parse().ok()? })
        });
        parsed.unwrap_or_else(|| panic!("MUTATION={name}: expected a kind and a number, as in capture/4711"))
    }

    /// Returns the seed and the mutated input.
    fn input<'a>(&self, seeds: &'a Seeds) -> (&'a Seed, Vec<u8>) {
        let mut rng = fastrand::Rng::with_seed(self.number);
        let seeds = seeds.of_kind(self.kind);
        let seed = &seeds[rng.usize(..seeds.len())];
        let mut input = seed.bytes.clone();
        mutate(&mut input, seeds, &mut rng);
        (seed, input)
    }

    /// Reads the mutated input. Returns the peak of allocated bytes.
    fn read(&self, seeds: &Seeds) -> usize {
        let (_, input) = self.input(seeds);
        memory::peak_of(|| match self.kind {
            // Frames that the mutation did not change are not displayed, which saves time.
            InputKind::Capture => _ = hostile::check_capture(&input, |packet| !seeds.has_frame(packet.captured)),
            InputKind::Frame => hostile::check_frame(&input),
            InputKind::Csv => hostile::check_rows(&input),
            InputKind::Lines => hostile::check_lines(&input),
            InputKind::Version2 => hostile::check_version2_lines(&input),
            InputKind::WebSocket => hostile::check_websocket(&input),
        })
    }

    /// Reads the mutated input. Describes the failure, if there is one. Otherwise raises `highest_peak` to the peak of
    /// allocated bytes.
    fn failure(&self, seeds: &Seeds, highest_peak: &AtomicUsize) -> Option<String> {
        let failure = match catch_unwind(AssertUnwindSafe(|| self.read(seeds))) {
            Ok(peak) if peak <= PEAK_MAX_BYTES => {
                highest_peak.fetch_max(peak, Ordering::Relaxed);
                return None;
            }
            Ok(peak) => format!("allocates {peak} bytes at once"),
            Err(_) => "panics".to_owned(),
        };
        let (seed, _) = self.input(seeds);
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
        let mutation = Mutation::parse(&name);
        let (seed, input) = mutation.input(&seeds);
        println!("{mutation}, seed {}: {}", seed.path.display(), input.escape_ascii());
        println!("{} bytes allocated at once", mutation.read(&seeds));
        return;
    }
    let mutations = Mutation::all();
    let (next_index, highest_peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Each thread takes the next mutation until none is left.
    let run_mutations = || {
        let taken = std::iter::from_fn(|| mutations.get(next_index.fetch_add(1, Ordering::Relaxed)));
        taken.filter_map(|mutation| mutation.failure(&seeds, &highest_peak)).collect::<Vec<_>>()
    };
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(run_mutations)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!("{} mutations, at most {} bytes allocated at once", mutations.len(), highest_peak.into_inner());
    let (n_failures, n_mutations) = (failures.len(), mutations.len());
    assert!(failures.is_empty(), "{n_failures} of {n_mutations} mutations failed:\n{}", failures.join("\n"));
}
