//! The maintainer's commands: `cargo xtask test`, `bench`, `report`, `notebook`, `package`,
//! `deny`, `words`, `soak`.

mod axe;
mod bench;
mod cargo;
mod command;
mod deny;
mod network;
mod notebook;
mod package;
mod packages;
mod report;
mod soak;
mod test;
mod tools;
mod venv;
mod words;

use std::process::ExitCode;

use clap::Parser;

/// Commands for the maintainers of Switchboard.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// All checks that a change must pass: wording, format, lints, docs, and all tests.
    ///
    /// Installs the missing system packages that the tests need. This works on Debian and Ubuntu, as root or with sudo.
    /// Elsewhere it fails and names the packages.
    Test,
    /// Measures the promises on speed and memory, and fails if one does not hold.
    #[command(subcommand)]
    Bench(bench::Benchmark),
    /// The report on real traffic, captured and explained: report/report.pdf and report/report.html.
    ///
    /// Starts the server and clients of both dialects in a network namespace, captures their traffic, builds and sends
    /// the messages of the CSVs in tests/data, and typesets the results with Typst, which it installs in target/report.
    /// Takes the benchmark figures from report/bench.json and report/wire.json, the results of the last `cargo xtask
    /// bench`.
    Report(report::Args),
    /// Runs the notebook report/encapsulation.ipynb and keeps its outputs.
    ///
    /// Installs Jupyter and pandas in target/notebook, at the versions of report/requirements.txt.
    Notebook(notebook::Args),
    /// Makes packages of the server, the client and the wire lab for Debian (.deb) and for systems with RPM (.rpm), in
    /// target/package.
    ///
    /// Installs cargo-deb and cargo-generate-rpm in target/tools, which takes some minutes the first time.
    Package(package::Args),
    /// Checks licences, bans, sources and duplicate versions of all dependencies by the rules of deny.toml.
    ///
    /// Installs cargo-deny in target/tools, which takes some minutes the first time.
    Deny,
    /// Checks the wording of comments and documents: counts words such as "what", where a noun would be plainer.
    Words,
    /// Tests that take too long for `cargo xtask test`.
    #[command(subcommand)]
    Soak(soak::Soak),
    /// The scenario of `report`, inside its network namespace.
    #[command(hide = true)]
    ReportStage(report::scenario::Args),
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Test => test::run(),
        Task::Bench(benchmark) => bench::run(&benchmark),
        Task::Report(args) => report::run(&args),
        Task::Notebook(args) => notebook::run(&args),
        Task::Package(args) => package::run(&args),
        Task::Deny => deny::run(),
        Task::Words => words::run(),
        Task::Soak(soak) => soak::run(&soak),
        Task::ReportStage(args) => report::scenario::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
