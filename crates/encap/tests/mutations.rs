//! A hundred thousand captures and CSVs that something happened to, and frames and lines beside them: nothing panics, and
//! memory stays bounded.
//!
//! Each mutation follows from its kind and its number alone. One that fails is printed as such; to play it again alone:
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

/// What is allocated at once for one mutation, in bytes, at most. A reader's buffer takes 256 KiB, whatever the file; twice
/// the file if a block of it is longer, which no seed is. The rest is what is said of the file, of which the page that
/// shows its longest frame is the most: some hundred bytes for each byte of the frame.
const PEAK_MAX_BYTES: usize = 2 * 1024 * 1024;

/// What happened to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Capture,
    Frame,
    Csv,
    Lines,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Capture, Self::Frame, Self::Csv, Self::Lines];

    /// How many mutations there are of it.
    const fn count(self) -> u64 {
        match self {
            Self::Capture => 30_000,
            Self::Csv => 70_000,
            Self::Frame | Self::Lines => 5_000,
        }
    }
}

const _: () = assert!(Kind::Capture.count() + Kind::Csv.count() == 100_000);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Capture => "capture",
            Self::Frame => "frame",
            Self::Csv => "csv",
            Self::Lines => "lines",
        })
    }
}

/// A mutation: what it happens to, and its number.
#[derive(Clone, Copy, Debug)]
struct Mutation {
    kind: Kind,
    number: u64,
}

impl Mutation {
    fn all() -> Vec<Self> {
        Kind::ALL.into_iter().flat_map(|kind| (0..kind.count()).map(move |number| Self { kind, number })).collect()
    }

    /// Finds one by its name.
    fn named(name: &str) -> Self {
        let found = name.split_once('/').and_then(|(kind, number)| {
            let kind = Kind::ALL.into_iter().find(|known| known.to_string() == kind)?;
            Some(Self { kind, number: number.parse().ok()? })
        });
        found.unwrap_or_else(|| panic!("MUTATION={name}: write one as it was printed, as capture/4711"))
    }

    /// The file that it happens to, and what becomes of it.
    fn play<'a>(&self, seeds: &'a Seeds) -> (&'a Seed, Vec<u8>) {
        let mut rng = fastrand::Rng::with_seed(self.number);
        let files = seeds.of(self.kind);
        let seed = &files[rng.usize(..files.len())];
        let mut file = seed.bytes.clone();
        mutate(&mut file, files, &mut rng);
        (seed, file)
    }

    /// Has it read, and says how many bytes were allocated at once for that.
    fn read(&self, seeds: &Seeds) -> usize {
        let (_, file) = self.play(seeds);
        memory::peak_of(|| match self.kind {
            // Frames that nothing happened to are not shown again each time.
            Kind::Capture => _ = hostile::check_capture(&file, |packet| !seeds.has_frame(packet.captured)),
            Kind::Frame => hostile::check_frame(&file),
            Kind::Csv => hostile::check_rows(&file),
            Kind::Lines => hostile::check_lines(&file),
        })
    }

    /// What goes wrong with it, if something does.
    fn fails(&self, seeds: &Seeds, most: &AtomicUsize) -> Option<String> {
        let what = match catch_unwind(AssertUnwindSafe(|| self.read(seeds))) {
            Ok(peak) if peak <= PEAK_MAX_BYTES => {
                most.fetch_max(peak, Ordering::Relaxed);
                return None;
            }
            Ok(peak) => format!("allocates {peak} bytes at once"),
            Err(_) => "panics".to_owned(),
        };
        let (seed, _) = self.play(seeds);
        Some(format!("MUTATION={self} {what}; it is made of {}", seed.path.display()))
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.number)
    }
}

#[test]
fn nothing_that_happens_to_a_file_makes_its_reader_panic_or_take_much_memory() {
    let seeds = Seeds::read();
    if let Ok(name) = std::env::var("MUTATION") {
        let mutation = Mutation::named(&name);
        let (seed, file) = mutation.play(&seeds);
        println!("{mutation}, of {}: {}", seed.path.display(), file.escape_ascii());
        println!("{} bytes at once", mutation.read(&seeds));
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
    println!("{} mutations, {} bytes at once at most", mutations.len(), most.into_inner());
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), mutations.len(), failed.join("\n"));
}
