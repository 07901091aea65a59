//! The workloads of the load generator.

use std::rc::Rc;
use std::time::Duration;

use crate::error::Error;
use crate::payload::{PAYLOAD_MAX_BYTES, PAYLOAD_MIN_BYTES};

mod churn;
mod fanout;
mod idle;
mod isolation;
mod pairs;
mod rate;
mod resume;

pub use churn::Churn;
pub use fanout::Fanout;
pub use idle::Idle;
pub use isolation::Isolation;
pub use pairs::Pairs;
pub use rate::Rate;
pub use resume::Resume;

/// The pairs that exchange messages, and the sizes of their payloads.
#[derive(Clone, Debug)]
pub struct MessageLoad {
    /// Number of session pairs.
    pub pairs: usize,
    /// Payload sizes, 22 to 65,536 bytes each. The messages of a stream use the sizes in turn.
    pub sizes: Vec<usize>,
    /// Whether both clients of a pair send.
    pub both_ways: bool,
}

impl MessageLoad {
    fn check(&self) -> Result<(), Error> {
        require_at_least_one(self.pairs as u64, "pairs")?;
        check_sizes(&self.sizes)
    }

    /// The largest payload size.
    fn size_max(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    fn sizes(&self) -> Rc<[usize]> {
        Rc::from(&*self.sizes)
    }

    /// Session numbers of the sender and the receiver of each stream in `pair`.
    fn streams_of(&self, pair: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (first, second) = (2 * pair, 2 * pair + 1);
        [(first, second), (second, first)].into_iter().take(if self.both_ways { 2 } else { 1 })
    }
}

/// Times of a run.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Time under load before the measurement.
    pub warm_up: Duration,
    /// Length of the measurement.
    pub time: Duration,
}

/// Fails if a payload of one of these sizes is too short for its header, or too long for one read.
fn check_sizes(sizes: &[usize]) -> Result<(), Error> {
    let shortest = sizes.iter().copied().min().unwrap_or(0);
    let longest = sizes.iter().copied().max().unwrap_or(0);
    if shortest < PAYLOAD_MIN_BYTES {
        return Err(Error::Usage(format!(
            "a message of {shortest} bytes has no room for its stream and its number: \
             give at least {PAYLOAD_MIN_BYTES}"
        )));
    }
    if longest > PAYLOAD_MAX_BYTES {
        return Err(Error::Usage(format!("a message of {longest} bytes: give at most {PAYLOAD_MAX_BYTES}")));
    }
    Ok(())
}

/// Fails if `value` is 0. `noun` names the value in the error.
fn require_at_least_one(value: u64, noun: &str) -> Result<(), Error> {
    if value == 0 { Err(Error::Usage(format!("0 {noun} make no load: give at least 1"))) } else { Ok(()) }
}
