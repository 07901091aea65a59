//! Another session that is to take the place of the present one: after a login, or with another name.

use std::future::pending;

use tokio::task::JoinHandle;

use super::super::super::cli_error::CliError;
use super::attempt::{Connected, Login};

/// The attempt to begin another session, if there is one. The present session goes on meanwhile.
#[derive(Debug, Default)]
pub(super) struct Replacement {
    attempt: Option<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    /// The request in the words of the protocol.
    request: String,
    task: JoinHandle<Result<(Connected, Login), CliError>>,
}

impl Replacement {
    /// Begins an attempt in the place of an earlier one.
    pub(super) fn start(
        &mut self,
        request: String,
        attempt: impl Future<Output = Result<(Connected, Login), CliError>> + Send + 'static,
    ) {
        self.stop();
        self.attempt = Some(Attempt { request, task: tokio::spawn(attempt) });
    }

    pub(super) fn is_pending(&self) -> bool {
        self.attempt.is_some()
    }

    /// Waits for the result of the attempt, or forever if there is none. Cancel-safe. An error names the request.
    pub(super) async fn result(&mut self) -> Result<(Connected, Login), (String, CliError)> {
        let Some(attempt) = &mut self.attempt else { return pending().await };
        let result = (&mut attempt.task).await;
        let request = std::mem::take(&mut attempt.request);
        self.attempt = None;
        match result {
            Ok(result) => result.map_err(|error| (request, error)),
            Err(error) => Err((request, CliError::Io(std::io::Error::other(error)))),
        }
    }

    fn stop(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.task.abort();
        }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        self.stop();
    }
}
