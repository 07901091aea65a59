//! `cargo xtask deny`: licences, bans, sources and duplicate versions of the dependencies, as deny.toml allows them.

use std::env;
use std::path::Path;
use std::process::Command;

/// Pinned, so that a new release changes no verdict by itself.
const VERSION: &str = "0.20.2";

pub(crate) fn run() -> Result<(), String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))?;
    // The folder's name holds the version, so that another version is installed beside it.
    let folder = format!("target/tools/cargo-deny-{VERSION}");
    let program = Path::new(&folder).join("bin/cargo-deny");
    if !program.exists() {
        println!("installing cargo-deny {VERSION} in {folder}: this takes some minutes, once");
        let install = ["install", "--locked", "--root", &folder, "--version", VERSION, "cargo-deny"];
        succeed(Command::new(env!("CARGO")).args(install))?;
    }
    // Advisories come from a repository of their own, which a check without a network does not reach.
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        println!("== {manifest} ==");
        let check = ["--config", "deny.toml", "check", "bans", "licenses", "sources"];
        succeed(Command::new(&program).args(["--manifest-path", manifest]).args(check))?;
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| format!("{program} cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} failed: {status}")) }
}
