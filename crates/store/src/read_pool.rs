//! Threads that read from the store.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::store::Reader;

/// A request: reads, and passes the answer on.
type Request = Box<dyn FnOnce(&mut dyn Reader) + Send>;

/// Runs requests, each with one of a few readers, in the order in which they came.
pub struct ReadPool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The pool has as many waiting requests as it may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many reads wait: try again later")]
pub struct QueueFull;

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    waiting_max: usize,
}

struct Queue {
    requests: VecDeque<Request>,
    is_closing: bool,
}

impl ReadPool {
    /// Starts one thread for each reader. At most `waiting_max` requests wait for a thread.
    ///
    /// # Errors
    ///
    /// If the system starts no further thread.
    pub fn start(readers: Vec<Box<dyn Reader>>, waiting_max: usize) -> Result<Self, std::io::Error> {
        let queue = Mutex::new(Queue { requests: VecDeque::new(), is_closing: false });
        let shared = Arc::new(Shared { queue, wake: Condvar::new(), waiting_max });
        // If a thread cannot be started, the drop of the pool ends those before it.
        let pool = Self { shared, threads: Mutex::default() };
        for reader in readers {
            let shared = Arc::clone(&pool.shared);
            let thread = thread::Builder::new().name("store-read".to_owned()).spawn(move || shared.run(reader))?;
            pool.lock_threads().push(thread);
        }
        Ok(pool)
    }

    /// Adds a request, which runs on a thread of the pool. The request must not take long apart from its reads.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] if too many requests wait, or after [`close`](Self::close). Then the request does not run.
    pub fn read(&self, request: impl FnOnce(&mut dyn Reader) + Send + 'static) -> Result<(), QueueFull> {
        let mut queue = self.shared.lock();
        if queue.requests.len() >= self.shared.waiting_max || queue.is_closing {
            return Err(QueueFull);
        }
        queue.requests.push_back(Box::new(request));
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Finishes the requests that run, forgets those that wait, and closes the readers.
    pub fn close(&self) {
        let mut queue = self.shared.lock();
        queue.is_closing = true;
        let forgotten = std::mem::take(&mut queue.requests);
        drop(queue);
        drop(forgotten);
        self.shared.wake.notify_all();
        let threads = std::mem::take(&mut *self.lock_threads());
        for thread in threads {
            // A request may hold the last reference to the pool, and a thread cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }

    fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ReadPool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut reader: Box<dyn Reader>) {
        loop {
            let idle = |queue: &mut Queue| queue.requests.is_empty() && !queue.is_closing;
            let mut queue = self.wake.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
            let Some(request) = queue.requests.pop_front() else { return };
            drop(queue);
            // A panic, which is reported on stderr, ends one request. The others still need this thread.
            let _ = catch_unwind(AssertUnwindSafe(|| request(reader.as_mut())));
        }
    }
}

impl fmt::Debug for ReadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadPool").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use switchboard_core::change::ConversationId;

    use super::{QueueFull, ReadPool};
    use crate::{MemoryLimits, MemoryStore, ReadLimit, Store};

    #[test]
    fn request_that_panics_ends_no_other_one() {
        let store = MemoryStore::new(MemoryLimits { bytes: 1000, records_per_conversation: 10 });
        let pool = ReadPool::start(vec![store.reader().unwrap()], 2).unwrap();
        let (answer, answers) = mpsc::channel();
        pool.read(|_| panic!("a request that panics")).unwrap();
        pool.read(move |_| answer.send(()).unwrap()).unwrap();
        assert_eq!(answers.recv(), Ok(()));
    }

    #[test]
    fn requests_run_in_order_and_their_number_is_bounded() {
        let store = MemoryStore::new(MemoryLimits { bytes: 1000, records_per_conversation: 10 });
        let pool = ReadPool::start(vec![store.reader().unwrap()], 2).unwrap();
        let (begun, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (answer, answers) = mpsc::channel();
        pool.read(move |_| {
            begun.send(()).unwrap();
            released.recv().unwrap();
        })
        .unwrap();
        has_begun.recv().unwrap();
        for number in 0..2 {
            let answer = answer.clone();
            pool.read(move |reader| {
                let limit = ReadLimit { records: 1, bytes: 1 };
                let page = reader.records(ConversationId(1), 1..=9, limit).unwrap();
                answer.send((number, page.first)).unwrap();
            })
            .unwrap();
        }
        assert_eq!(pool.read(|_| {}), Err(QueueFull));
        release.send(()).unwrap();
        assert_eq!([answers.recv().unwrap(), answers.recv().unwrap()], [(0, 1), (1, 1)]);
    }
}
