//! `cargo xtask soak`: tests that take too long for `cargo xtask test`.

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Soak {
    /// A day of a small team: 200 clients connect, talk, sleep, roam, flood and reset, and a model checks every line.
    ///
    /// `cargo xtask test` runs a day of a few seconds. If a day fails, it prints the variables that repeat it.
    Day {
        /// Length of a day, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Number of days, each with a seed of its own.
        #[arg(long, default_value_t = 3)]
        seeds: u64,
    },
    /// A server with a store on the disk is killed under load by SIGKILL, and a ledger checks that nothing is lost.
    ///
    /// `cargo xtask test` does this for half a minute. If a run fails, it prints the variables that repeat it.
    Kills {
        /// Number of kills.
        #[arg(long, default_value_t = 500)]
        kills: u32,
        /// Length of the run, in seconds.
        #[arg(long, default_value_t = 300)]
        seconds: u32,
    },
    /// A simulated server and its clients, one world for each seed, while the store fails and the server ends at random.
    ///
    /// `cargo xtask test` runs 100 seeds. A seed repeats exactly.
    Faults {
        /// Number of worlds, each with a seed of its own.
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        /// The seed of the first world.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// The full-screen client against a hostile server: random, oversized, control and bidirectional texts.
    ///
    /// `cargo xtask test` runs a few seconds of this. The number of lines counts each record, member and room.
    Client {
        /// Number of lines.
        #[arg(long, default_value_t = 10_000_000)]
        lines: u64,
    },
    /// A steady reader of a kilobyte a second, at the default settings of the server. Takes three minutes.
    Readers,
}

pub(crate) fn run(soak: &Soak) -> Result<(), String> {
    let mut cargo = crate::cargo::command();
    cargo.args(["test", "--release", "--locked"]);
    if !matches!(soak, Soak::Client { .. }) {
        cargo.args(["--package", "switchboard-tests", "--test"]);
    }
    match soak {
        Soak::Day { seconds, seeds } => cargo
            .args(["day", "--", "--nocapture"])
            .env("SWITCHBOARD_DAY_SECONDS", seconds.to_string())
            .env("SWITCHBOARD_DAY_SEEDS", seeds.to_string()),
        Soak::Kills { kills, seconds } => cargo
            .args(["kills", "--", "--nocapture"])
            .env("SWITCHBOARD_KILLS", kills.to_string())
            .env("SWITCHBOARD_KILLS_SECONDS", seconds.to_string()),
        Soak::Faults { seeds, from } => cargo
            .args(["faults", "--", "--nocapture"])
            .env("SWITCHBOARD_FAULTS_SEEDS", seeds.to_string())
            .env("SWITCHBOARD_FAULTS_FROM", from.to_string()),
        Soak::Client { lines } => cargo
            .args(["--package", "switchboard-client", "--bin", "switchboard", "hostile", "--", "--nocapture"])
            .env("SWITCHBOARD_HOSTILE_LINES", lines.to_string()),
        Soak::Readers => cargo.args(["slow_readers", "--", "--ignored", "--nocapture"]),
    };
    let status = cargo.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err("the tests failed: see above. The output names the seed".into()) }
}
