//! Names for the clients of one run.

/// Generates client names with a random prefix, so that two runs rarely share a name.
#[derive(Debug)]
pub(crate) struct ClientNames {
    /// Random for each run.
    prefix: u32,
}

impl ClientNames {
    pub(crate) fn new() -> Self {
        Self { prefix: fastrand::u32(..) }
    }

    /// The name of client `number`.
    pub(crate) fn name_of(&self, number: usize) -> String {
        format!("b{:08x}-{number}", self.prefix)
    }
}
