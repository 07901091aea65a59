//! `cargo xtask notebook`: executes report/encapsulation.ipynb and stores it with its outputs.

use std::path::PathBuf;
use std::{env, fs};

use crate::venv::{self, Venv};
use crate::{network, packages};

const NOTEBOOK: &str = "report/encapsulation.ipynb";
const REQUIREMENTS: &str = "report/requirements.txt";
/// Folder of the Python environment.
const VENV: &str = "target/notebook/venv";

/// Options of `cargo xtask notebook`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the notebook with its outputs to this file
    #[arg(long, value_name = "FILE", default_value = NOTEBOOK)]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    // Relative paths start at the repository's root.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))?;
    packages::ensure(packages::REPORT)?;
    network::ensure()?;
    let requirements = fs::read_to_string(REQUIREMENTS).map_err(|error| format!("{REQUIREMENTS}: {error}"))?;
    let venv = Venv::ensure(VENV, &requirements)?;
    let mut cargo = crate::cargo::command();
    venv::run_silently(cargo.args(["build", "--release", "--locked", "--bin", "encap"]))?;
    println!("        running {NOTEBOOK}");
    // Jupyter writes into the home folder of its user, so it gets a temporary one.
    let home = tempfile::tempdir().map_err(|error| format!("a temporary folder cannot be made: {error}"))?;
    let executed = home.path().join("notebook.ipynb");
    let mut nbconvert = network::command();
    nbconvert.arg(venv.python()).args(["-m", "nbconvert", "--to", "notebook", "--execute"]);
    // Cell times would change the notebook on each run.
    nbconvert.args(["--ExecutePreprocessor.record_timing=False", "--log-level=ERROR", "--output"]).arg(&executed);
    venv::run_silently(nbconvert.arg(NOTEBOOK).env("HOME", home.path()).env("IPYTHONDIR", home.path()))?;
    fs::copy(&executed, &args.out).map_err(|error| format!("{}: {error}", args.out.display()))?;
    println!("{}", args.out.display());
    Ok(())
}
