//! What is promised about speed, measured side by side with what it is compared with.

mod child;
mod wire;

use clap::Subcommand;

/// What is measured.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Bench {
    /// The wire lab: building, taking apart and analysing 1,006,000 frames of 1,000 connections.
    ///
    /// Makes the frames in target/bench, runs each program several times in turn on one core, prints the middle of the
    /// times with the limit that holds, and writes them to report/wire.json. Compares with tcptrace and tshark, and
    /// installs them as `cargo xtask test` does.
    Wire,
}

pub(crate) fn run(bench: Bench) -> Result<(), String> {
    // What is run and written is named from there.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    std::env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))?;
    match bench {
        Bench::Wire => wire::run(),
    }
}
