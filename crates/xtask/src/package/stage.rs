//! The files of the packages, each at its place below `target/package/PACKAGE`.

use std::env;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::{Compression, GzBuilder};

use super::{PACKAGES, Package, licenses};
use crate::command::output_of;

/// The folder of the staged files and of the packages.
pub(super) const FOLDER: &str = "target/package";

/// The shells, each with the folder and the name of a completion script.
const COMPLETIONS: [(&str, &str, &str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions", "", ""),
    ("zsh", "usr/share/zsh/vendor-completions", "_", ""),
    ("fish", "usr/share/fish/vendor_completions.d", "", ".fish"),
];

/// Stages the files of all packages. The programs must be built.
pub(super) fn all() -> Result<(), String> {
    PACKAGES.iter().try_for_each(stage)
}

/// The folder with the files of a package, as they will be in `/`.
pub(super) fn folder(package: &Package) -> PathBuf {
    Path::new(FOLDER).join(package.name)
}

/// The staged program of a package.
pub(super) fn program(package: &Package) -> PathBuf {
    folder(package).join("usr/bin").join(package.program)
}

/// The folder with the programs of a release build.
fn release_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from).join("release")
}

fn stage(package: &Package) -> Result<(), String> {
    let folder = folder(package);
    let _ = fs::remove_dir_all(&folder);
    copy_tree(&Path::new("packaging").join(package.name), &folder)?;

    let built = release_folder().join(package.program);
    let program = program(package);
    write(&program, &read(&built)?)?;
    fs::set_permissions(&program, Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
    output_of(Command::new("strip").arg("--strip-unneeded").arg(&program))?;

    let printed = |args: &[&str]| output_of(Command::new(&program).args(args));
    let page = format!("usr/share/man/man1/{}.1.gz", package.program);
    write(&folder.join(page), &gzip(&printed(&["man"])?))?;
    for (shell, place, start, end) in COMPLETIONS {
        let script = folder.join(place).join(format!("{start}{}{end}", package.program));
        write(&script, &printed(&["completions", shell])?)?;
    }

    let doc = folder.join("usr/share/doc").join(package.name);
    write(&doc.join("copyright"), &read(Path::new("packaging/copyright"))?)?;
    write(&doc.join("changelog.gz"), &gzip(&read(Path::new("CHANGELOG.md"))?))?;
    write(&doc.join("third-party-licenses.gz"), &gzip(licenses::of(package)?.as_bytes()))
}

/// The time of the present commit, in seconds since 1970. Without git, a fixed time.
pub(super) fn source_time() -> u64 {
    const NEW_YEAR_2026: u64 = 1_767_225_600;
    let output = Command::new("git").args(["log", "-1", "--format=%ct"]).output();
    let seconds = output.ok().and_then(|output| String::from_utf8_lossy(&output.stdout).trim().parse().ok());
    seconds.unwrap_or(NEW_YEAR_2026)
}

/// Copies a folder and all that is in it. A package without files of its own has no folder.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let from = entry.map_err(|error| format!("{}: {error}", from.display()))?.path();
        let to = to.join(from.file_name().unwrap_or_default());
        if from.is_dir() {
            copy_tree(&from, &to)?;
        } else {
            write(&to, &read(&from)?)?;
        }
    }
    Ok(())
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

pub(super) fn write(file: &Path, content: &[u8]) -> Result<(), String> {
    let folder: PathBuf = file.parent().unwrap_or(Path::new(".")).to_owned();
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, content));
    written.map_err(|error| format!("{}: {error}", file.display()))
}

/// Compresses without a name and a time, so that the same content gives the same bytes.
pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory takes all bytes");
    encoder.finish().expect("memory takes all bytes")
}
