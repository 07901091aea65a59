//! Programs of Python, installed from `PyPI` in a folder of their own, nothing to compile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with a Python and what it was asked to hold.
pub(crate) struct Venv {
    python: PathBuf,
}

impl Venv {
    /// Installs the requirements (one a line, each with its version) in `folder`, where they are not there yet.
    pub(crate) fn ensure(folder: &str, requirements: &str) -> Result<Self, String> {
        let folder = Path::new(folder);
        // What is in the folder, once all of it is.
        let (python, installed) = (folder.join("bin/python"), folder.join("installed.txt"));
        if fs::read_to_string(&installed).is_ok_and(|installed| installed == requirements) {
            return Ok(Self { python });
        }
        println!("        installs {} packages of Python in {}", requirements.lines().count(), folder.display());
        run_silently(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
        run_silently(pip.args(requirements.lines()))?;
        fs::write(&installed, requirements).map_err(|error| format!("{}: {error}", installed.display()))?;
        Ok(Self { python })
    }

    /// Its Python.
    pub(crate) fn python(&self) -> &Path {
        &self.python
    }
}

/// Runs it to its end, silently; what it said is the error.
pub(crate) fn run_silently(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} failed:\n{}", String::from_utf8_lossy(&output.stderr).trim()))
}
