//! Another session that is to take the place of the present one: after a login, or with another name.

use std::future::pending;

use tokio::task::JoinHandle;

use switchboard_client::{Error, ErrorCode};

use super::super::super::cli_error::CliError;
use super::super::event::{NetworkEvent, Request};
use super::attempt::{Connected, Login};
use super::failure::attempt_sentence;

/// The attempt to begin another session, if there is one. The present session goes on meanwhile.
#[derive(Debug, Default)]
pub(super) struct Replacement {
    attempt: Option<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    /// The request in the words of the protocol.
    request: String,
    /// The account whose password the user has typed.
    account: Option<String>,
    task: JoinHandle<Result<(Connected, Login), CliError>>,
}

impl Replacement {
    /// Begins an attempt in the place of an earlier one.
    pub(super) fn start(
        &mut self,
        request: &Request,
        attempt: impl Future<Output = Result<(Connected, Login), CliError>> + Send + 'static,
    ) {
        self.stop();
        let account = match request {
            Request::LogIn { name, .. } => Some(name.clone()),
            _ => None,
        };
        self.attempt = Some(Attempt { request: request.words(), account, task: tokio::spawn(attempt) });
    }

    pub(super) fn is_pending(&self) -> bool {
        self.attempt.is_some()
    }

    /// Waits for the result of the attempt, or forever if there is none. Cancel-safe. A failed attempt is an event for the
    /// App.
    pub(super) async fn result(&mut self) -> Result<(Connected, Login), NetworkEvent> {
        let Some(attempt) = &mut self.attempt else { return pending().await };
        let result = (&mut attempt.task).await;
        let (request, account) = (std::mem::take(&mut attempt.request), attempt.account.take());
        self.attempt = None;
        let result = result.unwrap_or_else(|error| Err(CliError::Io(std::io::Error::other(error))));
        result.map_err(|error| {
            let reason = attempt_sentence(&error);
            match (account, error) {
                (Some(name), CliError::Client(Error::Refused { code: ErrorCode::LoginFailed, .. })) => {
                    NetworkEvent::PasswordRefused { name, reason }
                }
                _ => NetworkEvent::Refused { request, reason },
            }
        })
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
