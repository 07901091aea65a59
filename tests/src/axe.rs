//! axe-core, which judges the accessibility of a page. `cargo xtask test` installs it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::browser::Browser;

/// The folder in which `cargo xtask test` installs axe-core.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/axe/lib");

/// The rules that the page in the browser breaks, each with its impact and its first elements.
///
/// # Panics
///
/// If axe-core is not installed.
#[must_use]
pub fn faults(browser: &Browser) -> Vec<String> {
    let script = fs::read_to_string(path()).expect("axe-core can be read");
    let _ = browser.run(&script, &[]);
    let found = browser.run_async(
        "const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
         return violations.map(({ id, impact, nodes }) =>
             `${impact} ${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)).join(' | ')}`);",
        &[],
    );
    found.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The script within its package, whose folder names the version of Python.
fn path() -> PathBuf {
    let versions = fs::read_dir(FOLDER).into_iter().flatten().filter_map(Result::ok);
    let script = |folder: &Path| folder.join("site-packages/axe_playwright_python/axe.min.js");
    let found = versions.map(|version| script(&version.path())).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("axe-core is not in {FOLDER}: cargo xtask test installs it"))
}
