//! What a maintainer runs: `cargo xtask test`, `cargo xtask bench`.

mod bench;
mod packages;
mod test;

use std::process::ExitCode;

use clap::Parser;

/// What a maintainer of Switchboard runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Everything that has to hold before a change lands: format, lints, docs, and all tests.
    ///
    /// Installs the system packages that the tests need, where they are missing and this is Debian or Ubuntu, as root
    /// or by sudo; elsewhere it says which they are.
    Test,
    /// Measures, and says whether what we say of ourselves holds.
    #[command(subcommand)]
    Bench(bench::What),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Test => test::run(),
        Task::Bench(what) => bench::run(&what),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
