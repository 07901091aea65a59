//! `switchboard-server`: reads its configuration, binds its listeners, and serves until a signal stops it.

use std::io::{self, Write as _};
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;

use switchboard_protocol::Dialect;
use switchboard_server::options::Config;
use switchboard_server::{Listener, logging, run};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// The server could not run, for example because a port is in use.
const EXIT_RUNTIME: u8 = 1;
/// A flag is invalid. (For an unknown flag, clap exits with the same code.)
const EXIT_USAGE: u8 = 2;
/// The configuration is invalid.
const EXIT_CONFIG: u8 = 3;
/// A second signal ended the drain. Shells report a program that SIGINT ended with the same code.
const EXIT_SECOND_SIGNAL: i32 = 130;

/// Target of the events of the server.
const SERVER: &str = "switchboard::server";

/// Number of file descriptors for everything but sessions: listeners, standard streams, and the runtime's own.
const FILES_BESIDE_SESSIONS: u64 = 32;

/// Number of task polls between two checks for I/O events. The checks are rare enough to cost little. They are frequent
/// enough that a connection's second attempt to read finds the bytes that have arrived since the first.
const EVENT_INTERVAL: u32 = 16;

fn main() -> ExitCode {
    let config = match Config::from_process() {
        Ok(config) => config,
        Err(errors) => return fail(if errors.is_usage() { EXIT_USAGE } else { EXIT_CONFIG }, &errors),
    };
    if let Some(print) = config.print {
        // An error is ignored: a program that reads the output may close the pipe early.
        let _ = io::stdout().write_all(print.as_bytes());
        for unknown in config.unknown_variables {
            let _ = writeln!(io::stderr(), "switchboard-server: warning: {unknown}");
        }
        return ExitCode::SUCCESS;
    }
    let _log_guard = logging::start(config.log_format, &config.log_level, config.settings.log_messages);
    for unknown in &config.unknown_variables {
        tracing::warn!(target: SERVER, "{unknown}");
    }
    raise_file_limit(config.settings.max_sessions);

    let runtime = match runtime(config.threads) {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_RUNTIME, &format!("cannot start: {error}")),
    };
    match runtime.block_on(serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_RUNTIME, &error),
    }
}

/// Builds a runtime with the given number of threads, by default one for each core.
fn runtime(threads: Option<usize>) -> io::Result<Runtime> {
    let threads = threads.or_else(|| available_parallelism().ok().map(NonZero::get));
    let mut builder = match threads {
        // A single thread shares no queue, so a wake-up costs less and tasks run in the order of their wake-ups.
        Some(1) => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    builder.event_interval(EVENT_INTERVAL).enable_all().build()
}

/// Binds the listeners, and serves until a signal. A second signal ends the process at once.
async fn serve(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut stop_signal = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };

    let mut listeners = Vec::new();
    for (dialect, addresses) in [(Dialect::Commands, &config.listen), (Dialect::Line, &config.listen_line)] {
        for address in addresses {
            listeners.extend(Listener::bind(dialect, address).await?);
        }
    }
    run(listeners, config.settings, async move {
        stop_signal().await;
        tokio::spawn(async move {
            stop_signal().await;
            std::process::exit(EXIT_SECOND_SIGNAL);
        });
    })
    .await?;
    Ok(())
}

/// Raises the limit of open files as far as allowed, and warns if that is too low for `max_sessions`.
fn raise_file_limit(max_sessions: usize) {
    let files_needed = max_sessions as u64 + FILES_BESIDE_SESSIONS;
    match rlimit::increase_nofile_limit(files_needed) {
        Ok(files) if files < files_needed => tracing::warn!(
            files,
            max_sessions,
            "this process may open fewer files than max-sessions needs: raise `ulimit -n` or lower --max-sessions"
        ),
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "cannot read or raise the limit of open files"),
    }
}

fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("switchboard-server: {error}");
    ExitCode::from(code)
}
