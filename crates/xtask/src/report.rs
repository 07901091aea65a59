//! `cargo xtask report`: generates the report from real traffic. No number in it is typed by hand.
//!
//! ```text
//! conversation.txt ─▶ scenario: real programs in a network namespace ─▶ captures ─┐
//! tests/data/csv ─▶ encap build, send, compare ───────────────────────────────────┤
//! the parser's tables, the server's settings, bench.json ─────────────────────────┼─▶ data/*.json, *.svg
//!                                                                                 │
//! report.typ, which reads the data and has no number of its own ──────────────────┴─▶ report.pdf, report.html
//! ```

mod about;
mod architecture;
mod drawings;
mod format;
mod frames;
mod lanes;
mod markdown;
mod program;
mod protocol;
mod rows;
pub(crate) mod scenario;
mod script;
mod speed;
mod traffic;
mod typeset;

use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs, thread};

use serde::Serialize;
use serde_json::Value;

use crate::{network, packages, venv};

/// Folder of the captures and of the output of the programs. These files are not part of the report.
const RUN: &str = "target/report/run";

/// Options of `cargo xtask report`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the report and its data into this folder of the repository
    #[arg(long, value_name = "DIR", default_value = "report")]
    out: PathBuf,
    /// Build the programs with this cargo profile: dev builds fastest, and release is the profile of installed programs
    #[arg(long, value_name = "NAME", default_value = "dev")]
    profile: String,
}

impl Args {
    /// Cargo's output folder of the profile.
    fn programs(&self) -> PathBuf {
        Path::new("target").join(if self.profile == "dev" { "debug" } else { &self.profile })
    }
}

/// The paths and the profile that every step needs.
struct ReportContext {
    /// Folder of our programs.
    programs: PathBuf,
    /// Cargo profile of the programs.
    profile: String,
    /// Folder of the captures.
    run: PathBuf,
    /// Folder of the report's data files.
    data: PathBuf,
}

impl ReportContext {
    /// Writes a JSON data file of the report.
    fn write(&self, name: &str, data: &impl Serialize) -> Result<(), String> {
        let text = serde_json::to_string_pretty(data).map_err(|error| format!("{name}: {error}"))? + "\n";
        write(&self.data.join(name), text.as_bytes())
    }

    /// Writes a drawing of the report.
    fn write_svg(&self, name: &str, svg: &str) -> Result<(), String> {
        write(&self.data.join(name), svg.as_bytes())
    }

    /// Runs one of our programs in the folder of the captures, and returns its output. Fails if the program exits with
    /// a code that is not in `codes`.
    fn output(&self, program: &str, args: &[&str], codes: &[i32]) -> Result<String, String> {
        let output = Command::new(self.programs.join(program)).args(args).current_dir(&self.run).output();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        if output.status.code().is_some_and(|code| codes.contains(&code)) {
            return String::from_utf8(output.stdout).map_err(|error| format!("{program}: {error}"));
        }
        Err(format!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Like [`Self::output`], for a program that prints JSON.
    fn json(&self, program: &str, args: &[&str]) -> Result<Value, String> {
        let printed = self.output(program, args, &[0])?;
        serde_json::from_str(&printed).map_err(|error| format!("{program} {}: {error}", args.join(" ")))
    }
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    let start = now();
    // Relative paths start at the repository's root.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))?;
    let step = |name: &str| println!("{:>4} s  {name}", start.elapsed().as_secs());
    let create_folder = |path: PathBuf| match fs::create_dir_all(&path) {
        Ok(()) => fs::canonicalize(&path).map_err(|error| format!("{}: {error}", path.display())),
        Err(error) => Err(format!("{} cannot be made: {error}", path.display())),
    };

    if args.out.is_absolute() || args.out.components().any(|part| part == Component::ParentDir) {
        return Err(
            "--out must be a relative path below the repository's root, because Typst reads no other files".to_owned()
        );
    }
    step("checking programs and fonts");
    packages::ensure(packages::REPORT)?;
    network::ensure()?;
    step("building the server, the client and encap, and installing Typst");
    let typst = thread::scope(|scope| {
        let typst = scope.spawn(typeset::Typst::ensure);
        build(&args.profile)?;
        typst.join().map_err(|_| "the installation of Typst panicked".to_owned())?
    })?;
    let context = ReportContext {
        programs: create_folder(args.programs())?,
        profile: args.profile.clone(),
        run: create_folder(PathBuf::from(RUN))?,
        data: create_folder(args.out.join("data"))?,
    };
    step("running the server and its clients in a network namespace, and capturing their traffic");
    run_scenario(&context)?;
    step("reading the captures");
    let observed = read_observations(&context)?;
    traffic::write(&context, &observed)?;
    step("building, sending and comparing the rows of tests/data/csv");
    rows::write(&context)?;
    step("writing the protocol, the bounds and the benchmark figures");
    protocol::write(&context)?;
    speed::write(&context)?;
    architecture::write(&context)?;
    about::write(&context)?;
    step("typesetting the PDF and the HTML");
    typst.compile(&args.out)?;
    step("done");
    for name in ["report.pdf", "report.html"] {
        println!("{}", args.out.join(name).display());
    }
    Ok(())
}

/// Builds the programs with a cargo profile. The profile `dev` is fast, because the build of xtask has already built
/// the common dependencies.
fn build(profile: &str) -> Result<(), String> {
    let programs = ["switchboard-server", "switchboard", "encap"];
    let mut cargo = crate::cargo::command();
    cargo.args(["build", "--locked", "--quiet", "--profile", profile]);
    cargo.args(programs.iter().flat_map(|program| ["--bin", program]));
    match cargo.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("cargo build --profile {profile} failed")),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
    }
}

/// Runs this program again in a network namespace, where it plays the scenario and may capture.
fn run_scenario(context: &ReportContext) -> Result<(), String> {
    let xtask = env::current_exe().map_err(|error| format!("the path of this program is unknown: {error}"))?;
    let mut stage = network::command();
    stage.arg(xtask).args(["report-stage", "--programs"]).arg(&context.programs).arg("--out").arg(&context.run);
    venv::run_silently(&mut stage)
}

/// Reads the observations that the scenario has written.
fn read_observations(context: &ReportContext) -> Result<scenario::Observations, String> {
    let file = context.run.join("seen.json");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(file, bytes).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

#[expect(clippy::disallowed_methods, reason = "the elapsed time shown to the maintainer is real time")]
fn now() -> Instant {
    Instant::now()
}
