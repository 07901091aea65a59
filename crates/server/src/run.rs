//! Runs a server: starts the listeners, and drains the sessions at shutdown.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::Version2Settings;
use switchboard_protocol::Dialect;
use switchboard_store::{MemoryLimits, MemoryStore, SqliteOptions, SqliteStore, Store, StoreError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::acceptor::{Acceptor, REJECTIONS_MAX, accept};
use crate::admin::{self, AdminListener};
use crate::admission::Admission;
use crate::announcement::Announcement;
use crate::control::{self, ControlledServer, RunningServer, socket::ControlSocket};
use crate::hub::{Counts, Hub};
use crate::hub::{StoreLink, StoreStartError};
use crate::identity::server_id;
use crate::listener::{Listener, Service};
use crate::reader_watch::watch_readers;
use crate::reload::Reload;
use crate::settings::{InvalidSettings, Settings};
use crate::stopping::Stopping;
use crate::systemd::ServiceManager;
use crate::telemetry;
use crate::web::{About, Web, probe_silent_peers};

/// Maximum time between two checks of the registration deadlines. It is short compared with the usual timeout, and a
/// check costs little.
const TICK_MAX: Duration = Duration::from_millis(500);

/// How long a start waits while another process uses the data directory. A command of the operator on a stopped server
/// takes less.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);

/// The pause between two attempts.
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Figures of a server that has stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Summary {
    /// Sessions since the start.
    pub sessions: u64,
    /// Sessions that were closed because they did not read.
    pub slow_consumers: u64,
    /// Sessions that were closed with unsent bytes, at the end of `drain_timeout`.
    pub abandoned: usize,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings contradict each other.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreStartError),
    /// The control socket cannot be created.
    #[error("{directory}: cannot create the socket `control` in this directory: {error}", directory = .directory.display())]
    Control {
        /// The data directory.
        directory: PathBuf,
        /// The error of the system.
        error: std::io::Error,
    },
}

/// Serves on `listeners` until `shutdown` is ready. Then drains: accepts no more connections, handles no more lines,
/// writes the unsent bytes for at most the `drain_timeout` of the settings, and closes all sessions.
///
/// The store is the one of the settings: the directory `data`, or the memory. Dropping the future stops the listeners at
/// once. The connections continue until their runtime is dropped.
///
/// # Errors
///
/// [`RunError`] if the settings contradict each other, or if the store cannot be opened.
pub async fn run(
    listeners: Vec<Listener>,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<Summary, RunError> {
    open_and_serve(listeners, settings, Operations::default(), shutdown).await
}

/// The means of operation that a process of its own has, and a server that another program embeds has not.
#[derive(Debug, Default)]
pub struct Operations {
    /// For commands of the operator that change the configuration.
    pub reload: Option<Arc<Reload>>,
    /// Gets reports.
    pub manager: ServiceManager,
    /// Listeners for monitoring.
    pub admin: Vec<AdminListener>,
}

/// Like [`run`], for a process of its own.
///
/// # Errors
///
/// As those of [`run`].
pub async fn run_service(
    listeners: Vec<Listener>,
    settings: Settings,
    operations: Operations,
    shutdown: impl Future<Output = ()>,
) -> Result<Summary, RunError> {
    open_and_serve(listeners, settings, operations, shutdown).await
}

/// Like [`run`], with a store of the caller's own.
///
/// # Errors
///
/// [`RunError`] if the settings contradict each other, or if the store cannot be read.
pub async fn run_with_store(
    listeners: Vec<Listener>,
    settings: Settings,
    store: Box<dyn Store>,
    shutdown: impl Future<Output = ()>,
) -> Result<Summary, RunError> {
    serve(listeners, settings.validated()?, store, Operations::default(), shutdown).await
}

/// Opens the store of the settings, and serves.
async fn open_and_serve(
    listeners: Vec<Listener>,
    settings: Settings,
    operations: Operations,
    shutdown: impl Future<Output = ()>,
) -> Result<Summary, RunError> {
    let settings = settings.validated()?;
    let mut shutdown = pin!(shutdown);
    let store = tokio::select! {
        biased;
        store = open_store_when_free(&settings) => store?,
        () = &mut shutdown => return Ok(Summary { sessions: 0, slow_consumers: 0, abandoned: 0 }),
    };
    serve(listeners, settings, store, operations, shutdown).await
}

/// Serves with valid settings.
async fn serve(
    listeners: Vec<Listener>,
    settings: Settings,
    store: Box<dyn Store>,
    operations: Operations,
    shutdown: impl Future<Output = ()>,
) -> Result<Summary, RunError> {
    let Operations { reload, manager, admin } = operations;
    let drain_timeout = settings.drain_timeout;
    // A timeout of less than two seconds needs more frequent checks.
    let tick = TICK_MAX.min(settings.register_timeout / 4).max(Duration::from_millis(1));
    let admission = Admission::new(&settings);
    let control = match &settings.data {
        Some(data) => {
            let bound = ControlSocket::bind(data);
            Some(bound.map_err(|error| RunError::Control { directory: data.clone(), error })?)
        }
        None => None,
    };
    let hub = load_hub(settings, store)?;
    let mut acceptors = JoinSet::new();
    let running = Arc::new(RunningServer::new(&listeners, &admin, Arc::clone(&admission), reload));
    let controlled = ControlledServer { hub: Arc::clone(&hub), running: Some(Arc::clone(&running)) };
    for listener in admin {
        if let Ok(address) = listener.local_addr() {
            telemetry::listening_for_monitoring(address);
        }
        acceptors.spawn(admin::serve(listener, controlled.clone()));
    }
    if let Some(control) = control {
        acceptors.spawn(control::service::serve(control, controlled));
    }
    let (stop_signal, stopping) = Stopping::new();
    let commands_over_tls = listeners.iter().filter_map(|listener| {
        let tls = listener.tls.clone().filter(|_| listener.service == Service::Lines(Dialect::Commands))?;
        Some((listener.local_addr().ok()?, tls))
    });
    let about = About::new(&hub.settings, commands_over_tls.collect());
    let acceptor = Acceptor {
        hub: Arc::clone(&hub),
        admission: Arc::clone(&admission),
        rejections: Arc::new(Semaphore::new(REJECTIONS_MAX)),
        web: Arc::new(Web::new(&hub.settings, about)),
        stopping,
    };
    if listeners.iter().any(|listener| listener.service == Service::Web) {
        let hub = Arc::clone(&hub);
        acceptors.spawn(async move { probe_silent_peers(&hub).await });
    }

    let announcement = Announcement::start_if_wanted(&hub.settings, &listeners);
    for listener in listeners {
        if let Ok(address) = listener.local_addr() {
            match (listener.service, &listener.tls) {
                (Service::Web, tls) => telemetry::listening_for_web(address, tls.is_some()),
                (Service::Lines(dialect), Some(tls)) => {
                    telemetry::listening_with_tls(dialect, address, &tls.fingerprints().key);
                }
                (Service::Lines(dialect), None) => telemetry::listening(dialect, address),
            }
        }
        acceptors.spawn(accept(listener, acceptor.clone()));
    }
    drop(acceptor);
    manager.ready().await;
    // Also during the drain. It ends when it is dropped.
    let mut reports = JoinSet::new();
    reports.spawn(manager.clone().keep_informed(Arc::clone(&hub), Arc::clone(&admission)));

    tokio::select! {
        () = shutdown => {}
        () = running.planned_stop.due() => {}
        () = expire_periodically(&hub, tick) => {}
        () = watch_readers(&hub) => {}
    }

    manager.stopping().await;
    if let Some(announcement) = announcement {
        announcement.stop().await;
    }
    acceptors.shutdown().await;
    drop(stop_signal);
    hub.stop();
    tracing::info!(target: telemetry::SERVER, open_sessions = admission.sessions(), "stopping");
    let drained = timeout(drain_timeout, admission.wait_until_empty()).await.is_ok();
    let abandoned = if drained { 0 } else { hub.close_now() };
    if abandoned > 0 {
        tracing::warn!(
            target: telemetry::SERVER,
            sessions = abandoned,
            "closed sessions with unsent bytes at the end of the drain timeout"
        );
        admission.wait_until_empty().await;
    }
    hub.close_store();
    let Counts { sessions, slow_consumers, .. } = hub.counts();
    tracing::info!(target: telemetry::SERVER, sessions, slow_consumers, abandoned, "stopped");
    Ok(Summary { sessions, slow_consumers, abandoned })
}

/// Loads the state of a store. The result serves no listener yet.
pub(crate) fn load_hub(settings: Settings, mut store: Box<dyn Store>) -> Result<Arc<Hub>, StoreStartError> {
    let version2 = Version2Settings {
        server_name: settings.server_name.clone(),
        capabilities: capabilities(&settings, &*store),
        has_search: settings.search,
        guests_create_rooms: settings.guests_create_rooms,
        account_quota: settings.account_quota,
        guest_quota: settings.guest_quota,
        all_guests_quota: settings.all_guests_quota,
        ..Version2Settings::default()
    };
    let snapshot = store.load()?;
    if let Some(data) = &settings.data {
        telemetry::store_opened(data, snapshot.accounts.len(), snapshot.conversations.len());
    }
    let server_id = server_id::load(settings.data.as_deref()).map_err(StoreStartError::ServerId)?;
    let hub = Arc::new(Hub::with_server_id(settings, server_id));
    hub.load(snapshot, version2);
    hub.identities.set_hub(&hub);
    hub.set_store(StoreLink::start(store, &hub)?);
    Ok(hub)
}

/// Opens the store of the settings. Waits for a while if another process uses its directory.
async fn open_store_when_free(settings: &Settings) -> Result<Box<dyn Store>, StoreStartError> {
    let until = Instant::now() + LOCK_WAIT_MAX;
    let mut is_reported = false;
    loop {
        match open_store(settings) {
            Err(StoreStartError::Store(StoreError::Locked { place })) if Instant::now() < until => {
                if !std::mem::replace(&mut is_reported, true) {
                    tracing::warn!(
                        target: telemetry::SERVER,
                        directory = %place.display(),
                        seconds = LOCK_WAIT_MAX.as_secs(),
                        "another process uses the data directory: waiting for its end"
                    );
                }
                sleep(LOCK_RETRY_DELAY).await;
            }
            opened => return opened,
        }
    }
}

/// Opens the store of the settings.
pub(crate) fn open_store(settings: &Settings) -> Result<Box<dyn Store>, StoreStartError> {
    Ok(match &settings.data {
        Some(data) => Box::new(SqliteStore::open(data, SqliteOptions { search: settings.search })?),
        None => Box::new(MemoryStore::new(MemoryLimits {
            bytes: settings.memory_bytes,
            records_per_conversation: settings.memory_records,
        })),
    })
}

/// The words that tell clients what this server offers.
fn capabilities(settings: &Settings, store: &dyn Store) -> String {
    let mut words = vec!["accounts", "rooms"];
    words.extend(settings.search.then_some("search"));
    words.extend(store.is_durable().then_some("durable"));
    words.join(" ")
}

/// Closes the sessions that did not register in time. Never returns.
async fn expire_periodically(hub: &Hub, tick: Duration) {
    let mut ticks = interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        hub.expire(Instant::now());
    }
}
