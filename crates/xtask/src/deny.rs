//! `cargo xtask deny`: checks licences, bans, sources and duplicate versions of the dependencies by the rules of
//! deny.toml.

use std::env;
use std::path::Path;
use std::process::Command;

/// The version of cargo-deny. It is pinned, so that a new release does not change the result.
const VERSION: &str = "0.20.2";

pub(crate) fn run() -> Result<(), String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))?;
    // The name of the folder holds the version, so that each version has its own folder.
    let folder = format!("target/tools/cargo-deny-{VERSION}");
    let program = Path::new(&folder).join("bin/cargo-deny");
    if !program.exists() {
        println!("installing cargo-deny {VERSION} in {folder}: this takes some minutes, once");
        let install = ["install", "--locked", "--root", &folder, "--version", VERSION, "cargo-deny"];
        run_command(Command::new(env!("CARGO")).args(install))?;
    }
    // Advisories are not checked. They come from a separate repository, so their check needs a network.
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        println!("== {manifest} ==");
        let check = ["--config", "deny.toml", "check", "bans", "licenses", "sources"];
        run_command(Command::new(&program).args(["--manifest-path", manifest]).args(check))?;
    }
    Ok(())
}

/// Runs a command. Fails if the command fails.
fn run_command(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| format!("{program} cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} failed: {status}")) }
}
