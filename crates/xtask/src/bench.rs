//! What is promised about speed, measured side by side with what it is compared with.

mod child;
mod instructions;
mod server;
mod wire;

/// What is measured.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Benchmark {
    /// Our server and its peers under the same load.
    ///
    /// Each server has a core to itself, and the load generator another. Prints what each does for a second of its
    /// processor time, and writes it to report/bench.json and its pictures. Compares with nats-server, redis-server,
    /// ngircd and mosquitto, and installs them as `cargo xtask test` does.
    Server(server::Args),
    /// The wire lab: building, taking apart and analysing 1,006,000 frames of 1,000 connections.
    ///
    /// Makes the frames in target/bench, runs each program several times in turn on one core, prints the middle of
    /// the times with the limit that holds for it, the least beside it, and writes them to report/wire.json. Compares with
    /// tcptrace and tshark, and installs them as `cargo xtask test` does.
    Wire,
    /// Each step of a message, in instructions of the processor: the same on each run, however busy the machine is.
    ///
    /// Prints what the decoder, the parsers, the switchboard and the encoders take for a message, held against what is
    /// recorded in crates/switchboard/examples/instructions.txt, and writes it to report/instructions.json. Counts with
    /// valgrind, and installs it as `cargo xtask test` does.
    Instructions(instructions::Args),
    /// A server that only forwards bytes: the limit that others are held against.
    #[command(hide = true)]
    Relay {
        #[arg(long)]
        port: u16,
    },
}

pub(crate) fn run(benchmark: &Benchmark) -> Result<(), String> {
    // What is run and written is named from there.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    std::env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))?;
    match benchmark {
        Benchmark::Server(args) => server::run(args),
        Benchmark::Wire => wire::run(),
        Benchmark::Instructions(args) => instructions::run(args),
        Benchmark::Relay { port } => server::relay::serve(*port).map_err(|error| error.to_string()),
    }
}
