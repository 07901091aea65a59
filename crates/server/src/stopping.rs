//! The signal that the server stops, for connections that have no session yet.

use tokio::sync::watch;

/// Waits for the stop of the server.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(watch::Receiver<()>);

/// Stops the server for all [`Stopping`] when it is dropped.
#[derive(Debug)]
pub(crate) struct StopSignal {
    _sender: watch::Sender<()>,
}

impl Stopping {
    pub(crate) fn new() -> (StopSignal, Self) {
        let (sender, receiver) = watch::channel(());
        (StopSignal { _sender: sender }, Self(receiver))
    }

    /// Waits until the server stops.
    pub(crate) async fn wait(&mut self) {
        // Nothing is ever sent, so the result is an error: the sender is dropped.
        let _ = self.0.changed().await;
    }

    /// The output of `work`, unless the server stops before.
    pub(crate) async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            output = work => Some(output),
            () = self.wait() => None,
        }
    }
}
