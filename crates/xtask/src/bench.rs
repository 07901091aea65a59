//! What is measured rather than tested.

mod server;

use std::io;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Our server and its peers under the same load: writes report/bench.json and its pictures.
    Server(server::Args),
    /// A server that only forwards bytes: the limit that others are held against.
    #[command(hide = true)]
    Relay {
        #[arg(long)]
        port: u16,
    },
}

pub(crate) fn run(what: &What) -> Result<(), String> {
    match what {
        What::Server(args) => server::run(args),
        What::Relay { port } => server::relay::serve(*port).map_err(|error: io::Error| error.to_string()),
    }
}
