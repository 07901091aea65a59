//! Whether the store takes changes, as far as its last commit tells.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use switchboard_store::StoreError;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Hub;

/// The time for which a commit shows that the store takes changes.
const PROOF_VALID: Duration = Duration::from_secs(1);

/// Maximum time of a probe. A store that needs longer is not ready.
const PROBE_MAX: Duration = Duration::from_secs(1);

/// The last failure and the last success of a commit.
#[derive(Debug)]
pub(super) struct StoreHealth {
    /// Why the store takes no changes now, if it takes none.
    failure: Mutex<Option<StoreError>>,
    /// The time of the last commit, or of the last answer to a probe.
    proved: watch::Sender<Option<Instant>>,
}

impl Default for StoreHealth {
    fn default() -> Self {
        Self { failure: Mutex::default(), proved: watch::Sender::new(None) }
    }
}

impl StoreHealth {
    /// A commit has succeeded.
    pub(super) fn prove(&self) {
        self.proved.send_replace(Some(Instant::now()));
    }

    /// The store takes no changes from now on, or takes them again.
    pub(super) fn set_failure(&self, failure: Option<StoreError>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        // Those who wait for a probe look at the failure.
        self.proved.send_modify(|_| {});
    }
}

impl Hub {
    /// Why the store takes no changes now, if it takes none.
    pub(crate) fn store_failure(&self) -> Option<StoreError> {
        self.store_health.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the store takes changes: the last commit is younger than a second, or else a probe succeeds. Requests at the
    /// same time share a probe, so there is at most one a second.
    pub(crate) async fn is_store_writable(&self) -> bool {
        let mut proved = self.store_health.proved.subscribe();
        let proof = *proved.borrow_and_update();
        if self.store_failure().is_none() && proof.is_none_or(|proof| proof.elapsed() >= PROOF_VALID) {
            let Some(store) = self.store.get() else { return false };
            store.probe();
            let answered = timeout(PROBE_MAX, proved.changed()).await;
            if !matches!(answered, Ok(Ok(()))) {
                return false;
            }
        }
        self.store_failure().is_none()
    }
}
