//! `switchboard-server`: reads its configuration, binds its listeners, and serves until a signal stops it.

mod signals;

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::num::NonZero;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use switchboard_protocol::Dialect;
use switchboard_server::admin::{AdminListener, AdminToken};
use switchboard_server::logging::{self, Log};
use switchboard_server::operator::{self, Command};
use switchboard_server::options::Config;
use switchboard_server::systemd::{PassedSockets, ServiceManager};
use switchboard_server::tls::{CertificateError, CertificateSource, Tls};
use switchboard_server::{BindError, Listener, Operations, Reload, Settings, run_service};
use tokio::runtime::{Builder, Runtime};

use crate::signals::{Request, Signals};

/// The server could not run, for example because a port is in use.
const EXIT_RUNTIME: u8 = 1;
/// A flag is invalid. (For an unknown flag, clap exits with the same code.)
const EXIT_USAGE: u8 = 2;
/// The configuration is invalid.
const EXIT_CONFIG: u8 = 3;

/// Target of the events of the server.
const SERVER: &str = "switchboard::server";

/// Number of file descriptors for everything but sessions: listeners, standard streams, and the runtime's own.
const FILES_BESIDE_SESSIONS: u64 = 32;

/// Number of task polls between two checks for I/O events. The checks are rare enough to cost little. They are frequent
/// enough that a connection's second attempt to read finds the bytes that have arrived since the first.
const EVENT_INTERVAL: u32 = 16;

fn main() -> ExitCode {
    let passed_sockets = match PassedSockets::take() {
        Ok(sockets) => sockets,
        Err(error) => return fail(EXIT_CONFIG, &error),
    };
    let config = match Config::from_process(&passed_sockets.addresses()) {
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
    if let Some(command) = config.command {
        return operate(&command, config.settings);
    }
    let log = logging::start(config.log_format, &config.log_level, config.settings.log_messages, config.qr_code);
    for unknown in &config.unknown_variables {
        tracing::warn!(target: SERVER, "{unknown}");
    }
    raise_file_limit(config.settings.max_sessions);

    let runtime = match runtime(config.threads) {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_RUNTIME, &format!("cannot start: {error}")),
    };
    let result = runtime.block_on(serve(&Arc::new(config), passed_sockets, &log));
    // A name may still be resolved on a thread of the runtime. The process does not wait for it.
    runtime.shutdown_background();
    log.finish();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_RUNTIME, &error),
    }
}

/// Carries out a command of the operator. Nothing is logged here: the command prints its result.
fn operate(command: &Command, settings: Settings) -> ExitCode {
    let runtime = match runtime(Some(1)) {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_RUNTIME, &format!("cannot start: {error}")),
    };
    let result = runtime.block_on(operator::run(command, settings));
    // A thread may still wait for a line of the terminal.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            fail(EXIT_RUNTIME, &error);
            error.exit_code()
        }
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

/// Binds the listeners, and serves until a signal stops the server.
async fn serve(
    config: &Arc<Config>,
    passed_sockets: PassedSockets,
    log: &Log,
) -> Result<(), Box<dyn std::error::Error>> {
    let manager = ServiceManager::from_environment();
    let tls = if config.needs_certificate() { Some(load_tls(config)?) } else { None };
    let reload = Arc::new(Reload::new(Arc::clone(config), tls.clone(), log.level()));
    let mut stopped = pin!(wait_for_stop(Signals::new()?, &reload, &manager));
    let mut listeners = tokio::select! {
        listeners = bind(config, tls.as_ref()) => listeners?,
        () = &mut stopped => return Ok(()),
    };
    listeners.extend(passed_sockets.into_listeners(tls.as_ref())?);
    let admin = bind_admin(config).await?;
    let operations = Operations { reload: Some(Arc::clone(&reload)), manager: manager.clone(), admin };
    tokio::select! {
        served = run_service(listeners, config.settings.clone(), operations, stopped) => served?,
        never = watch_certificate(tls.as_ref()) => match never {},
    };
    Ok(())
}

/// Reads or makes the certificate, and logs by which fingerprint clients recognize it.
fn load_tls(config: &Config) -> Result<Tls, CertificateError> {
    let tls = Tls::new(config.certificate.clone(), config.tls_oldest)?;
    tls.log_certificate();
    if config.certificate == CertificateSource::Temporary {
        tracing::warn!(
            target: SERVER,
            "this certificate ends with the server, and clients will refuse the next one: \
             --data DIR keeps it, or give your own with --tls-cert and --tls-key"
        );
    }
    Ok(tls)
}

/// Reads the certificate again when its files change. Never returns.
async fn watch_certificate(tls: Option<&Tls>) -> Infallible {
    match tls {
        Some(tls) => tls.watch().await,
        None => std::future::pending().await,
    }
}

async fn bind(config: &Config, tls: Option<&Tls>) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::new();
    for (dialect, addresses) in [(Dialect::Commands, &config.listen), (Dialect::Line, &config.listen_line)] {
        for address in addresses {
            listeners.extend(Listener::bind(dialect, address).await?);
        }
    }
    for address in &config.listen_tls {
        if let Some(tls) = tls {
            listeners.extend(Listener::bind_tls(tls, address).await?);
        }
    }
    for address in &config.listen_web {
        listeners.extend(Listener::bind_web(tls, address).await?);
    }
    Ok(listeners)
}

/// Binds the listeners for monitoring.
async fn bind_admin(config: &Config) -> Result<Vec<AdminListener>, Box<dyn std::error::Error>> {
    let token = config.admin_token_file.as_deref().map(AdminToken::read).transpose()?;
    let mut listeners = Vec::new();
    for address in &config.listen_admin {
        listeners.extend(AdminListener::bind(address, token.as_ref()).await?);
    }
    Ok(listeners)
}

/// Returns after a signal to stop. Until then, handles the signals to reload.
async fn wait_for_stop(mut signals: Signals, reload: &Reload, manager: &ServiceManager) {
    while signals.next().await == Request::Reload {
        manager.reloading().await;
        // The result is in the log.
        let _ = reload.reload();
        manager.ready().await;
    }
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
    // Standard error may be a terminal that is gone.
    let _ = writeln!(io::stderr(), "switchboard-server: {error}");
    ExitCode::from(code)
}
