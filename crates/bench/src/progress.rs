//! How far a run is, for somebody who watches.

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What it does.
    pub phase: Phase,
    /// How much of that is done, from 0 to 1.
    pub done: f64,
    /// Messages that have arrived so far, or sessions that have come and gone.
    pub count: u64,
}

/// What a run does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Opens sessions.
    Opening,
    /// Talks, so that what is measured then is warm.
    WarmUp,
    /// Measures.
    Measuring,
    /// Waits for what is under way, and closes.
    Ending,
}
