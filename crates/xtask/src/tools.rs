//! Cargo's own tools, at pinned versions in `target/tools`.

use std::path::{Path, PathBuf};

use crate::cargo;
use crate::command::run_command;

/// A tool from crates.io.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// It is pinned, so that a new release does not change the result.
    pub(crate) version: &'static str,
}

impl Tool {
    /// Installs the tool, and returns the path of its program.
    pub(crate) fn ensure(&self) -> Result<PathBuf, String> {
        let Self { name, version } = self;
        // The name of the folder holds the version, so that each version has its own folder.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/tools/{name}-{version}"));
        let program = folder.join("bin").join(name);
        if !program.exists() {
            println!("installing {name} {version} in {}, once", folder.display());
            let mut install = cargo::command();
            install.args(["install", "--quiet", "--locked", "--version", version, "--root"]).arg(&folder).arg(name);
            run_command(&mut install)?;
        }
        Ok(program)
    }
}
