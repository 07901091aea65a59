//! `cargo xtask package`: packages of the three programs for Debian and for systems with RPM.
//!
//! ```text
//! packaging/PACKAGE ──────────────────┐                           ┌─ dpkg-deb ──────────▶ .deb
//! program, its manual and completions ┼▶ target/package/PACKAGE ──┤
//! copyright, changelog, licenses ─────┘  (as it will be in `/`)   └─ cargo-generate-rpm ▶ .rpm
//! ```

mod deb;
mod licenses;
mod stage;
pub(crate) mod verify;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::cargo;
use crate::command::{output_of, run_command};
use crate::packages;
use crate::tools::Tool;

const CARGO_GENERATE_RPM: Tool = Tool { name: "cargo-generate-rpm", version: "0.21.1" };

/// A package with its one program.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    /// The folder of its crate, in the workspace.
    pub(crate) folder: &'static str,
}

pub(crate) const PACKAGES: [Package; 3] = [
    Package { name: "switchboard-server", program: "switchboard-server", folder: "crates/server" },
    Package { name: "switchboard-client", program: "switchboard", folder: "crates/client" },
    Package { name: "switchboard-encap", program: "encap", folder: "crates/encap" },
];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Make only packages for Debian.
    #[arg(long, conflicts_with = "rpm")]
    deb: bool,
    /// Make only packages for systems with RPM.
    #[arg(long)]
    rpm: bool,
    /// Check the packages for Debian: with lintian, systemd-analyze, and by an installation in a small system.
    #[arg(long, conflicts_with = "rpm")]
    verify: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    enter_workspace()?;
    let build = PACKAGES.iter().flat_map(|package| ["--package", package.name]);
    let mut command = cargo::command();
    run_command(command.args(["build", "--release", "--locked"]).args(build))?;
    if args.verify {
        packages::ensure(packages::PACKAGING)?;
        return verify::run();
    }
    stage::all()?;
    if !args.rpm {
        for file in build_debs()? {
            println!("{}", file.display());
        }
    }
    if !args.deb {
        for file in build_rpms()? {
            println!("{}", file.display());
        }
    }
    Ok(())
}

fn enter_workspace() -> Result<(), String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))
}

/// Makes packages for Debian of the programs in the folder of a release build.
pub(crate) fn build_debs() -> Result<Vec<PathBuf>, String> {
    let hint =
        |error| format!("{error}\n.deb needs dpkg-dev and binutils; `cargo xtask package --rpm` does not need dpkg");
    PACKAGES.iter().map(deb::build).collect::<Result<_, _>>().map_err(hint)
}

/// Makes packages for systems with RPM of the staged files.
fn build_rpms() -> Result<Vec<PathBuf>, String> {
    let hint = |error| format!("{error}\n`cargo xtask package --deb` needs no cargo-generate-rpm");
    let program = CARGO_GENERATE_RPM.ensure().map_err(hint)?;
    let build = |package: &Package| {
        let mut command = Command::new(&program);
        command.args(["generate-rpm", "--package", package.folder, "--output", stage::FOLDER]);
        let time = stage::source_time().to_string();
        output_of(command.env("SOURCE_DATE_EPOCH", &time).args(["--source-date", &time]))
    };
    PACKAGES.iter().try_for_each(|package| build(package).map(drop))?;
    let files = fs::read_dir(stage::FOLDER).map_err(|error| format!("{}: {error}", stage::FOLDER))?;
    let files = files.flatten().map(|entry| entry.path());
    Ok(files.filter(|file| file.extension().is_some_and(|extension| extension == "rpm")).collect())
}
