//! Reading the configuration and the certificate again while the server runs, and the level of the log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::logging::LogLevel;
use crate::options::Config;
use crate::telemetry;
use crate::tls::Tls;

/// The key that a running server applies.
const LOG_LEVEL: &str = "log-level";

/// The parts of a process that can be read again. SIGHUP and the operator's commands share them.
#[derive(Debug)]
pub struct Reload {
    config: Arc<Config>,
    tls: Option<Tls>,
    log: LogLevel,
    /// The level of the log in effect.
    level: Mutex<String>,
}

/// The result of a reload.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reloaded {
    /// The keys, or `certificate`, that are in effect now.
    pub applied: Vec<&'static str>,
    /// The keys that have changed, and that are fixed in the listeners, the sessions and the runtime.
    pub needs_restart: Vec<String>,
}

impl Reload {
    /// `config`: the configuration with which the process was started.
    #[must_use]
    pub fn new(config: Arc<Config>, tls: Option<Tls>, log: LogLevel) -> Self {
        let level = Mutex::new(config.log_level.clone());
        Self { config, tls, log, level }
    }

    /// Reads the certificate and the configuration again, applies the level of the log, and logs the result. A mistake in
    /// one of them changes nothing of it.
    ///
    /// # Errors
    ///
    /// The mistakes, for the operator.
    pub fn reload(&self) -> Result<Reloaded, String> {
        let mut reloaded = Reloaded::default();
        let mut mistakes = Vec::new();
        match self.tls.as_ref().map(Tls::reload) {
            Some(Ok(true)) => reloaded.applied.push("certificate"),
            Some(Err(error)) => mistakes.push(error.to_string()),
            Some(Ok(false)) | None => {}
        }
        if self.config.file.is_none() {
            tracing::info!(target: telemetry::SERVER, "reload: there is no configuration file");
        } else {
            match self.config.read_again() {
                Ok(new) => self.apply(&new, &mut reloaded),
                Err(errors) => {
                    let error = errors.to_string();
                    tracing::error!(target: telemetry::SERVER, error, "configuration not reloaded: nothing has changed");
                    mistakes.push(error);
                }
            }
        }
        if mistakes.is_empty() { Ok(reloaded) } else { Err(mistakes.join("; ")) }
    }

    fn apply(&self, new: &Config, reloaded: &mut Reloaded) {
        let mut level = self.lock();
        let is_applied = *level != new.log_level;
        reloaded.applied.extend(is_applied.then_some(LOG_LEVEL));
        reloaded.needs_restart = self.config.changed_keys(new);
        reloaded.needs_restart.retain(|key| key != LOG_LEVEL);
        // The new level applies after this event, so that `warn` does not hide it.
        tracing::info!(
            target: telemetry::SERVER,
            applied = if is_applied { LOG_LEVEL } else { "" },
            needs_restart = reloaded.needs_restart.join(","),
            "configuration reloaded"
        );
        if is_applied {
            self.log.set(&new.log_level);
            level.clone_from(&new.log_level);
        }
    }

    /// Changes the level of the log, which must be valid for [`check_level`](crate::logging::check_level), until the next
    /// reload.
    pub(crate) fn set_log_level(&self, level: &str) {
        // Before the change, so that a less verbose level does not hide it.
        tracing::warn!(target: telemetry::SERVER, level, "operator's command: log-level");
        self.log.set(level);
        level.clone_into(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
