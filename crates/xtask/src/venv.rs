//! Python environments with packages from `PyPI`. Only packages that need no compiler are installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python environment with installed packages.
pub(crate) struct Venv {
    python: PathBuf,
}

impl Venv {
    /// Installs `requirements` in `folder`, unless they are already there. Each line names a package and its version. If
    /// a line has a hash, pip requires one in each line, and checks them. The lines are then the complete list: nothing
    /// that they depend on is installed.
    pub(crate) fn ensure(folder: &str, requirements: &str) -> Result<Self, String> {
        let folder = Path::new(folder);
        // `installed.txt` is written last, so it exists only after a complete installation.
        let (python, installed) = (folder.join("bin/python"), folder.join("installed.txt"));
        if fs::read_to_string(&installed).is_ok_and(|installed| installed == requirements) {
            return Ok(Self { python });
        }
        println!("        installing {} Python packages in {}", requirements.lines().count(), folder.display());
        run_silently(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
        if requirements.contains("--hash=") {
            pip.arg("--no-deps");
        }
        let list = folder.join("requirements.txt");
        let write = |file: &Path| fs::write(file, requirements).map_err(|error| format!("{}: {error}", file.display()));
        write(&list)?;
        run_silently(pip.arg("--requirement").arg(&list))?;
        write(&installed)?;
        Ok(Self { python })
    }

    /// Path of an installed program.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.python.with_file_name(name)
    }

    /// Path of the environment's interpreter.
    pub(crate) fn python(&self) -> &Path {
        &self.python
    }
}

/// Runs a command until it exits, without showing its output. If the command fails, the error contains its standard
/// error.
pub(crate) fn run_silently(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} failed:\n{}", String::from_utf8_lossy(&output.stderr).trim()))
}
