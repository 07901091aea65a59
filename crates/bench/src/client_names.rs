//! ClientNames of sessions.

/// Gives out names that no other run has, or hardly any.
#[derive(Debug)]
pub(crate) struct ClientNames {
    run: u32,
}

impl ClientNames {
    pub(crate) fn new() -> Self {
        Self { run: fastrand::u32(..) }
    }

    /// The name of session `number`.
    pub(crate) fn get(&self, number: usize) -> String {
        format!("b{:08x}-{number}", self.run)
    }
}
