//! axe-core, which judges the accessibility of the chat page. The end-to-end tests run it in the browser.

use crate::venv::Venv;

/// A package from `PyPI` that contains axe-core 4.12.1, with its hash. Nothing of its Python code runs.
const AXE: &str = "axe-playwright-python==0.1.8 \
    --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8\n";

/// Installs axe-core in the folder in which the tests look for it (`tests/src/axe.rs`).
pub(crate) fn ensure() -> Result<(), String> {
    Venv::ensure(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/axe"), AXE).map(drop)
}
