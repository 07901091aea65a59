//! Benchmarks. Each one measures speed claims, side by side with their baselines.

mod child;
mod client;
mod comeback;
mod instructions;
mod machine;
mod median;
mod plot;
mod server;
mod store;
mod wire;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Benchmark {
    /// Our server and other servers under the same load.
    ///
    /// Each server runs alone on one core, and the load generator on another. Prints the work of each server per second
    /// of its processor time. Writes the results to report/bench.json, and plots beside that file. Compares with
    /// nats-server, redis-server, ngircd, mosquitto and postgresql, and installs them as `cargo xtask test` does.
    Server(server::Args),
    /// Our full-screen client beside weechat, each in a terminal of 100 columns and 30 rows.
    ///
    /// Measures the processor time for messages that arrive in a room, the memory with 100,000 lines, and the time from
    /// the start to the first typed character. Takes about five minutes. Writes the results to report/client.json, and
    /// the table of docs/comparison-clients.md. Compares with weechat and ngircd, and installs them as `cargo xtask
    /// test` does.
    Client(client::Args),
    /// 10,000 clients that come back after a restart of the server.
    ///
    /// Each client is a session of our library, with an account and an open room. The operator's command `drain` ends the
    /// server, which starts again at once. Prints the time until the clients are back at their positions, and the
    /// processor time of the server. Writes the figures to report/comeback.json, and a plot beside that file.
    Comeback(comeback::Args),
    /// A server with five million stored records: its start after a kill, its memory, and reads.
    ///
    /// Fills a store in target/bench/store with records in 10,000 conversations, which takes some minutes the first time.
    /// Kills a server under load, starts it again, and prints the time until it answers, its memory, the time to resume
    /// 100 conversations with 10,000 missed records, and the time for the last 50 records of a conversation.
    Store,
    /// The wire lab: build the frames of a million rows, decode them and analyze them.
    ///
    /// Writes the rows and the frames to target/bench. Runs the programs in turn on one core, several rounds. Prints
    /// the median and the minimum time of each program, and whether the limits hold. Writes the results to
    /// report/wire.json. Compares with text2pcap, tcptrace and tshark, and installs them as `cargo xtask test` does.
    Wire,
    /// The processor instructions of each step of a message. The count is the same on each run, even on a busy machine.
    ///
    /// Prints the instructions of the decoder, the parsers, the switchboard and the encoders for one message.
    /// Compares them with the counts recorded in crates/switchboard/examples/instructions.txt, and writes them to
    /// report/instructions.json. Counts with valgrind, and installs it as `cargo xtask test` does.
    Instructions(instructions::Args),
    /// A server that only forwards bytes: the upper bound for all servers.
    #[command(hide = true)]
    Relay {
        #[arg(long)]
        port: u16,
    },
}

pub(crate) fn run(benchmark: &Benchmark) -> Result<(), String> {
    // Relative paths start at the repository's root.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    std::env::set_current_dir(root).map_err(|error| format!("{root} cannot be entered: {error}"))?;
    match benchmark {
        Benchmark::Server(args) => server::run(args),
        Benchmark::Client(args) => client::run(args),
        Benchmark::Comeback(args) => comeback::run(args),
        Benchmark::Store => store::run(),
        Benchmark::Wire => wire::run(),
        Benchmark::Instructions(args) => instructions::run(args),
        Benchmark::Relay { port } => server::relay::serve(*port).map_err(|error| error.to_string()),
    }
}
