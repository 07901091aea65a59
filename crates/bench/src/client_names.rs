//! Names of sessions.

/// Gives out names that no other run has, or hardly any.
#[derive(Debug)]
pub(crate) struct Names {
    run: u32,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self { run: fastrand::u32(..) }
    }

    /// The name of session `number`.
    pub(crate) fn of(&self, number: usize) -> String {
        format!("b{:08x}-{number}", self.run)
    }
}
