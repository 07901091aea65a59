//! What may be asked of a server.

use std::rc::Rc;
use std::time::Duration;

use crate::error::Error;
use crate::payload::{PAYLOAD_MAX_BYTES, PAYLOAD_MIN_BYTES};

mod churn;
mod idle;
mod isolation;
mod pairs;
mod rate;

pub use churn::Churn;
pub use idle::Idle;
pub use isolation::Isolation;
pub use pairs::Pairs;
pub use rate::Rate;

/// Who talks, and how much they say at a time.
#[derive(Clone, Debug)]
pub struct MessageLoad {
    /// How many pairs of sessions there are.
    pub pairs: usize,
    /// How long payloads are, in bytes; more than one size take turns.
    pub sizes: Vec<usize>,
    /// Whether both of a pair speak.
    pub both_ways: bool,
}

impl MessageLoad {
    fn check(&self) -> Result<(), Error> {
        at_least_one(self.pairs as u64, "pairs")?;
        let shortest = self.sizes.iter().copied().min().unwrap_or(0);
        if shortest < PAYLOAD_MIN_BYTES {
            return Err(Error::Usage(format!(
                "a message of {shortest} bytes has no room for its stream and its number: \
                 give at least {PAYLOAD_MIN_BYTES}"
            )));
        }
        if self.longest() > PAYLOAD_MAX_BYTES {
            return Err(Error::Usage(format!(
                "a message of {} bytes: give at most {PAYLOAD_MAX_BYTES}",
                self.longest()
            )));
        }
        Ok(())
    }

    /// The longest size, in bytes.
    fn longest(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    fn sizes(&self) -> Rc<[usize]> {
        Rc::from(&*self.sizes)
    }

    /// Who speaks to whom in `pair`, by the numbers of their sessions.
    fn streams_of(&self, pair: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (one, other) = (2 * pair, 2 * pair + 1);
        [(one, other), (other, one)].into_iter().take(if self.both_ways { 2 } else { 1 })
    }
}

/// How long a run takes.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long the server is given to get warm, before anything is measured.
    pub warm_up: Duration,
    /// How long is measured.
    pub time: Duration,
}

fn at_least_one(value: u64, what: &str) -> Result<(), Error> {
    if value == 0 { Err(Error::Usage(format!("0 {what} make no load: give at least 1"))) } else { Ok(()) }
}
