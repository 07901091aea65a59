//! Names for the clients of one run.

/// Generates client names with a random prefix, so that two runs rarely share a name.
#[derive(Debug)]
pub(crate) struct ClientNames {
    run: u32,
}

impl ClientNames {
    pub(crate) fn new() -> Self {
        Self { run: fastrand::u32(..) }
    }

    pub(crate) fn get(&self, number: usize) -> String {
        format!("b{:08x}-{number}", self.run)
    }
}
