//! `cargo xtask deny`: checks licences, bans, sources and duplicate versions of the dependencies by the rules of
//! deny.toml.

use std::env;
use std::process::Command;

use crate::command::run_command;
use crate::tools::Tool;

const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

pub(crate) fn run() -> Result<(), String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))?;
    let program = CARGO_DENY.ensure()?;
    // Advisories are not checked. They come from a separate repository, so their check needs a network.
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        println!("== {manifest} ==");
        let check = ["--config", "deny.toml", "check", "bans", "licenses", "sources"];
        run_command(Command::new(&program).args(["--manifest-path", manifest]).args(check))?;
    }
    Ok(())
}
