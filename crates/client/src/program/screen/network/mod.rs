//! The network side of the full screen: requests in, events out.
//!
//! ```text
//!                           ┌─ version2: a Session ── feeds, one for each open conversation ──▶ records ─┐
//! Request ──▶ Supervisor ───┤                     └── answers and news ─────────────────────▶ events ──┼─▶ App
//!                  │        └─ version1: a connection of version 1 ─────────────────────────▶ events ──┤
//!                  └─ connects, again and again ────────────────────────────────────────────▶ events ──┘
//! ```
//!
//! All queues are bounded. If the App does not take the events, the tasks wait, and so does the server in the end. The
//! App takes `events` before `records`, so that a flood of records does not delay the answers to its user. The App must
//! never wait for room in the queue of requests: it uses `try_send`.

mod attempt;
mod failure;
mod replacement;
mod request_words;
mod supervisor;
#[cfg(test)]
mod tests;
mod version1;
mod version2;

use std::path::PathBuf;
use std::time::Duration;

use switchboard_client::Liveness;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::supervisor::Supervisor;
use super::event::{NetworkEvent, Request};

/// The maximum number of requests that wait for the network. A user does not type faster than they are taken.
const REQUESTS_MAX: usize = 1024;

/// The maximum number of events that wait for the App, besides records.
const EVENTS_MAX: usize = 256;

/// The maximum number of batches of records that wait for the App. Further ones wait in the queues of the conversations.
const BATCHES_MAX: usize = 8;

/// The server, and the user there.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `HOST:PORT`, or a link.
    pub(crate) addr: String,
    /// The name of the account or guest.
    pub(crate) name: String,
    /// The device of the account. `None`: the device that has logged in here before, or else a guest.
    pub(crate) device: Option<String>,
    /// The time limit for the connection and for each answer until the session is logged in.
    pub(crate) limit: Duration,
    pub(crate) liveness: Liveness,
    /// Whether the network connects again after a lost connection.
    pub(crate) reconnects: bool,
    /// The directory with the tokens and the keys of known servers. `None` if there is no home directory.
    pub(crate) state: Option<PathBuf>,
}

/// The running network.
#[derive(Debug)]
pub(crate) struct Network {
    /// Takes requests. If it is full, too many are unanswered.
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) events: NetworkEvents,
    task: JoinHandle<()>,
}

/// The events for the App.
#[derive(Debug)]
pub(crate) struct NetworkEvents {
    events: mpsc::Receiver<NetworkEvent>,
    records: mpsc::Receiver<NetworkEvent>,
}

/// The ends of the queues of events that the tasks hold.
#[derive(Clone, Debug)]
struct Output {
    events: mpsc::Sender<NetworkEvent>,
    /// [`NetworkEvent::Opened`], [`NetworkEvent::Items`] and the ends of conversations, which are in order.
    records: mpsc::Sender<NetworkEvent>,
}

impl Network {
    /// Begins to connect. Spawns tasks on the current tokio runtime.
    pub(crate) fn start(settings: Settings) -> Self {
        let (requests, requests_rx) = mpsc::channel(REQUESTS_MAX);
        let (events_tx, events) = mpsc::channel(EVENTS_MAX);
        let (records_tx, records) = mpsc::channel(BATCHES_MAX);
        let output = Output { events: events_tx, records: records_tx };
        let task = tokio::spawn(Supervisor::new(settings, requests_rx, output).run());
        Self { requests, events: NetworkEvents { events, records }, task }
    }

    /// Ends the session: waits a short time for answers that are missing, and closes the connection.
    pub(crate) async fn close(self) {
        let Self { requests, mut events, task } = self;
        drop(requests);
        while events.next().await.is_some() {}
        // An error means that the task has panicked. The message of the panic is on standard error.
        let _ = task.await;
    }
}

impl NetworkEvents {
    /// Waits for the next event. Returns `None` after the end of the network.
    ///
    /// Cancel-safe: dropping the future loses no event.
    pub(crate) async fn next(&mut self) -> Option<NetworkEvent> {
        tokio::select! {
            biased;
            Some(event) = self.events.recv() => Some(event),
            Some(event) = self.records.recv() => Some(event),
            else => None,
        }
    }
}

impl Output {
    /// Sends an event that is not about an open conversation. It is lost if the App has ended.
    async fn send(&self, event: NetworkEvent) {
        let _ = self.events.send(event).await;
    }

    /// Sends an event about an open conversation. Fails if the App has ended.
    async fn send_record(&self, event: NetworkEvent) -> Result<(), mpsc::error::SendError<NetworkEvent>> {
        self.records.send(event).await
    }

    /// Says that a request has failed.
    async fn refuse(&self, request: Request, reason: String) {
        match request.refused(reason) {
            Some(event @ NetworkEvent::Closed { .. }) => drop(self.send_record(event).await),
            Some(event) => self.send(event).await,
            None => {}
        }
    }
}
