//! `cargo xtask notebook`: runs report/encapsulation.ipynb, and keeps it with its outputs.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use crate::venv::{self, Venv};
use crate::{network, packages};

const NOTEBOOK: &str = "report/encapsulation.ipynb";
const REQUIREMENTS: &str = "report/requirements.txt";
/// Where Python's packages are, and what runs for them.
const VENV: &str = "target/notebook/venv";

/// How the notebook is run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the notebook with its outputs here
    #[arg(long, value_name = "FILE", default_value = NOTEBOOK)]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    // What is run and written is named from there.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))?;
    packages::ensure(packages::REPORT)?;
    network::ensure()?;
    let requirements = fs::read_to_string(REQUIREMENTS).map_err(|error| format!("{REQUIREMENTS}: {error}"))?;
    let venv = Venv::ensure(VENV, &requirements)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    venv::run_silently(cargo.args(["build", "--release", "--locked", "--bin", "encap"]))?;
    println!("        runs {NOTEBOOK}");
    // Jupyter writes into the home of whoever runs it; here it has one that is thrown away.
    let home = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let made = home.path().join("notebook.ipynb");
    let mut nbconvert = network::command();
    nbconvert.arg(venv.python()).args(["-m", "nbconvert", "--to", "notebook", "--execute"]);
    // When each cell ran is nothing to keep.
    nbconvert.args(["--ExecutePreprocessor.record_timing=False", "--log-level=ERROR", "--output"]).arg(&made);
    venv::run_silently(nbconvert.arg(NOTEBOOK).env("HOME", home.path()).env("IPYTHONDIR", home.path()))?;
    fs::copy(&made, &args.out).map_err(|error| format!("{}: {error}", args.out.display()))?;
    println!("{}", args.out.display());
    Ok(())
}
