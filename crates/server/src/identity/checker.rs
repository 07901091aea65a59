//! Runs the slow checks of secrets on tokio's blocking threads, so that no session waits for the password of another.
//!
//! A check takes 30 ms of one core and 19 MiB. So few run at once, a bounded number waits, and more are refused.

use std::future::Future;
use std::sync::Arc;

use switchboard_protocol::version2::Secret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task;

use super::password::{self, SALT_BYTES};

/// Bounds of a [`SecretChecker`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CheckLimits {
    /// Maximum number of checks that run at once, each with 19 MiB. The default is the number of cores: more would not
    /// be faster.
    pub(crate) running_max: usize,
    /// Maximum number of checks that wait. 256: on two cores, the last one waits four seconds.
    pub(crate) waiting_max: usize,
}

impl Default for CheckLimits {
    fn default() -> Self {
        Self { running_max: std::thread::available_parallelism().map_or(1, Into::into), waiting_max: 256 }
    }
}

/// Too many checks wait. The client hears `UNAVAILABLE`, and may ask again later.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many passwords are being checked: try again in a few seconds")]
pub(crate) struct Overloaded;

/// The check panicked, or the server stopped before it was complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the check was not completed")]
pub(crate) struct NotCompleted;

/// Hashes and verifies passwords within bounds.
#[derive(Clone, Debug)]
pub(crate) struct SecretChecker {
    /// One permit for each check that runs or waits.
    admitted: Arc<Semaphore>,
    /// One permit for each check that runs. The semaphore is fair, so checks run in the order of their requests.
    running: Arc<Semaphore>,
}

impl SecretChecker {
    pub(crate) fn new(limits: CheckLimits) -> Self {
        let running_max = limits.running_max.max(1);
        let admitted_max = running_max.saturating_add(limits.waiting_max).min(Semaphore::MAX_PERMITS);
        Self { admitted: Arc::new(Semaphore::new(admitted_max)), running: Arc::new(Semaphore::new(running_max)) }
    }

    /// Hashes a new password ([`password::hash`]).
    ///
    /// The place in the queue is taken at once. Dropping the future gives it back, unless the check already runs.
    pub(crate) fn hash(
        &self,
        password: Secret,
        salt: [u8; SALT_BYTES],
    ) -> Result<impl Future<Output = Result<String, NotCompleted>> + Send + use<>, Overloaded> {
        self.run(move || password::hash(&password, salt))
    }

    /// Verifies a password ([`password::verify`]). The hash is `None` if the account does not exist or has no password.
    pub(crate) fn verify(
        &self,
        password: Secret,
        phc: Option<String>,
    ) -> Result<impl Future<Output = Result<bool, NotCompleted>> + Send + use<>, Overloaded> {
        self.run(move || password::verify(&password, phc.as_deref()))
    }

    #[cfg(test)]
    pub(crate) fn close(&self) {
        self.admitted.close();
    }

    fn run<T: Send + 'static, C: FnOnce() -> T + Send + 'static>(
        &self,
        check: C,
    ) -> Result<impl Future<Output = Result<T, NotCompleted>> + Send + use<T, C>, Overloaded> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Overloaded)?;
        Ok(run_admitted(check, admitted, Arc::clone(&self.running)))
    }
}

/// Runs a check on a blocking thread. The thread holds the permits: a check goes on when nobody waits for it any more,
/// and still counts then.
async fn run_admitted<T: Send + 'static>(
    check: impl FnOnce() -> T + Send + 'static,
    admitted: OwnedSemaphorePermit,
    running: Arc<Semaphore>,
) -> Result<T, NotCompleted> {
    let running = running.acquire_owned().await.map_err(|_| NotCompleted)?;
    let checked = task::spawn_blocking(move || {
        let result = check();
        drop((running, admitted));
        result
    });
    // A panic is on standard error, and the attempt still counts as one that was not checked.
    checked.await.map_err(|_| NotCompleted)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, mpsc};

    use super::*;

    fn checker(running_max: usize, waiting_max: usize) -> SecretChecker {
        SecretChecker::new(CheckLimits { running_max, waiting_max })
    }

    #[tokio::test]
    async fn passwords_are_hashed_and_verified() {
        let checker = checker(2, 2);
        let phc = checker.hash(Secret::new("x"), [1; SALT_BYTES]).expect("there is room").await.expect("a hash");
        for (typed, phc, expected) in [("x", Some(&phc), true), ("y", Some(&phc), false), ("x", None, false)] {
            let verified = checker.verify(Secret::new(typed), phc.cloned()).expect("there is room").await;
            assert_eq!(verified, Ok(expected), "{typed} {phc:?}");
        }
    }

    #[tokio::test]
    async fn no_more_checks_run_than_allowed() {
        let checker = checker(2, 20);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                let check = move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    now.fetch_sub(1, Ordering::SeqCst);
                };
                tokio::spawn(checker.run(check).expect("there is room"))
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic").expect("the server runs");
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn checks_beyond_the_queue_are_refused_until_there_is_room() {
        let checker = checker(1, 1);
        let (release, released) = mpsc::channel::<()>();
        let running = tokio::spawn(checker.run(move || released.recv().is_ok()).expect("one runs"));
        let waiting = checker.run(|| true).expect("one waits");
        assert_eq!(checker.run(|| true).err(), Some(Overloaded));
        drop(waiting);
        let waiting = checker.run(|| true).expect("the dropped one has made room");
        assert_eq!(checker.run(|| true).err(), Some(Overloaded));
        release.send(()).expect("the check waits");
        assert_eq!(running.await.expect("no panic"), Ok(true));
        assert_eq!(waiting.await, Ok(true));
        assert!(checker.run(|| true).is_ok());
    }

    #[tokio::test]
    async fn panic_of_a_check_is_reported_and_gives_its_place_back() {
        let checker = checker(1, 0);
        let panicked = checker.run(|| panic!("a panic for the test")).expect("there is room");
        assert_eq!(panicked.await, Err::<(), _>(NotCompleted));
        assert!(checker.run(|| true).is_ok());
    }

    /// A client that closes its connection again and again must not start more checks than allowed.
    #[tokio::test]
    async fn running_check_counts_when_nobody_waits_for_it() {
        let checker = checker(1, 0);
        let (release, released) = mpsc::channel::<()>();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let started = Mutex::new(Some(started));
        let check = move || {
            let started = started.lock().expect("no panic").take().expect("it runs once");
            started.send(()).expect("the test waits");
            released.recv().is_ok()
        };
        let abandoned = tokio::spawn(checker.run(check).expect("there is room"));
        has_started.await.expect("the check starts");
        abandoned.abort();
        assert!(abandoned.await.expect_err("it was aborted").is_cancelled());
        assert_eq!(checker.run(|| true).err(), Some(Overloaded));
        release.send(()).expect("the check waits");
        while checker.run(|| true).is_err() {
            tokio::task::yield_now().await;
        }
    }
}
