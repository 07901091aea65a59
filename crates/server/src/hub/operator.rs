//! The operator's commands on the switchboard, and those that wait for the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use switchboard_core::change::AccountId;
use switchboard_core::{AccountSummary, Operated, OperatorCommand, OperatorTicket, StoreEffects as _};
use switchboard_protocol::ErrorCode;
use tokio::sync::oneshot;

use super::Hub;

/// The commands that wait for the store. Their number is bounded by that of the connections of the control socket.
#[derive(Debug, Default)]
pub(crate) struct PendingCommands {
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    last_ticket: u64,
    answers: HashMap<OperatorTicket, oneshot::Sender<Result<(), ErrorCode>>>,
}

impl PendingCommands {
    fn add(&self) -> (OperatorTicket, oneshot::Receiver<Result<(), ErrorCode>>) {
        let (answer, answered) = oneshot::channel();
        let mut pending = self.lock();
        pending.last_ticket += 1;
        let ticket = OperatorTicket(pending.last_ticket);
        pending.answers.insert(ticket, answer);
        (ticket, answered)
    }

    /// Takes the answer of the store. Nobody may wait for it any more.
    pub(super) fn answer(&self, ticket: OperatorTicket, result: Result<(), ErrorCode>) {
        if let Some(answer) = self.lock().answers.remove(&ticket) {
            let _ = answer.send(result);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Carries out a command of the operator, and returns after the store has its changes.
    ///
    /// # Errors
    ///
    /// The reason for which nothing has changed. After `UNAVAILABLE` and `STORE_FULL`, the command may have been carried
    /// out nevertheless.
    pub(crate) async fn operate(&self, command: OperatorCommand) -> Result<Operated, ErrorCode> {
        let (ticket, answered) = self.operator.add();
        let result = self.with_effects(|board, effects| board.operate(ticket, command, effects));
        if result.is_err() {
            self.operator.lock().answers.remove(&ticket);
        }
        let operated = result?;
        answered.await.unwrap_or(Err(ErrorCode::Unavailable))?;
        Ok(operated)
    }

    /// The next accounts after `last`, at most `max` of them.
    pub(crate) fn accounts_after(&self, last: Option<AccountId>, max: usize) -> Vec<AccountSummary> {
        self.with_effects(|board, effects| board.accounts_after(last, max, effects.wall_clock()))
    }
}
