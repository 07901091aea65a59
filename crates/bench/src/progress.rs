//! Progress of a run, for display.

/// Progress of a run within its current phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The current phase.
    pub phase: Phase,
    /// Completed share of the phase, from 0 to 1.
    pub done: f64,
    /// Number of messages delivered so far. In `churn`: number of sessions closed so far.
    pub count: u64,
}

/// The phases of a run, in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Opening sessions.
    Opening,
    /// Sending messages that are not measured.
    WarmUp,
    /// Measuring.
    Measuring,
    /// Waiting for messages in flight, then closing sessions.
    Ending,
}
