//! The operator's commands on the switchboard, and those that wait for the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use switchboard_core::change::{AccountId, Ban};
use switchboard_core::{
    AccountSummary, CloseReason, Kicked, Operated, OperatorCommand, OperatorTicket, SessionId, StoreEffects as _,
};
use switchboard_protocol::version2::Reply;
use switchboard_protocol::{ErrorCode, IpPrefix};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::overview::SessionRow;
use super::{Closing, Hub};
use crate::identity::secure_transport::Transport;

/// Number of sessions that are told something under one lock: some hundred microseconds.
const NOTICES_AT_ONCE: usize = 256;

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

/// A command that waits for the store. Dropping it forgets the command, so that one that is given up takes no memory.
struct WaitingCommand<'a> {
    commands: &'a PendingCommands,
    ticket: OperatorTicket,
    answered: oneshot::Receiver<Result<(), ErrorCode>>,
}

impl Drop for WaitingCommand<'_> {
    fn drop(&mut self) {
        self.commands.lock().answers.remove(&self.ticket);
    }
}

impl PendingCommands {
    fn add(&self) -> WaitingCommand<'_> {
        let (answer, answered) = oneshot::channel();
        let mut pending = self.lock();
        pending.last_ticket += 1;
        let ticket = OperatorTicket(pending.last_ticket);
        pending.answers.insert(ticket, answer);
        drop(pending);
        WaitingCommand { commands: self, ticket, answered }
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
        let mut waiting = self.operator.add();
        let operated = self.with_effects(|board, effects| board.operate(waiting.ticket, command, effects))?;
        (&mut waiting.answered).await.unwrap_or(Err(ErrorCode::Unavailable))?;
        Ok(operated)
    }

    /// Closes the sessions of an id or name, and tells them `reason`, if it is not empty.
    ///
    /// # Errors
    ///
    /// The reason for which no session is closed.
    pub(crate) fn kick(&self, who: &str, reason: &str) -> Result<Kicked, ErrorCode> {
        self.with_effects(|board, effects| board.kick_sessions(who, reason, effects))
    }

    /// Tells all sessions of version 2 something. Returns their number. Other sessions have their turns meanwhile.
    pub(crate) async fn announce(&self, text: &str) -> usize {
        let line = notice(text);
        let (mut told, mut last) = (0, None);
        loop {
            let sessions = self.sessions_after(last, NOTICES_AT_ONCE);
            let Some(&end) = sessions.last() else { return told };
            last = Some(end);
            told += self.with_effects(|board, effects| board.notify(&sessions, &line, effects));
            yield_now().await;
        }
    }

    /// Tells a session why the last one of its client was ended.
    pub(super) fn tell_closing(&self, session: SessionId, closing: &Closing) {
        let line = notice(&closing.sentence());
        self.with_effects(|board, effects| board.notify(&[session], &line, effects));
    }

    /// The ends of the last sessions with this name, the newest one first, at most `max` of them.
    pub(crate) fn closings_of(&self, name: &str, max: usize) -> Vec<Closing> {
        self.lock().closings.of_name(name).take(max).cloned().collect()
    }

    /// Number of sessions that have ended since the start, with each reason.
    pub(crate) fn ended_sessions(&self) -> impl Iterator<Item = (CloseReason, u64)> {
        let counts = *self.lock().closings.counts();
        CloseReason::ALL.into_iter().zip(counts)
    }

    /// All bans, whose number is bounded.
    pub(crate) fn bans(&self) -> Vec<(String, Ban)> {
        self.lock().board.bans().map(|(who, ban)| (who, ban.clone())).collect()
    }

    /// Ends the sessions from these addresses. The sessions of operators stay.
    pub(super) fn end_addresses(&self, addresses: IpPrefix, reason: CloseReason, detail: &str) {
        let mut last = None;
        loop {
            let rows = self.session_rows_after(last);
            let Some(end) = rows.last() else { break };
            last = Some(end.id);
            let peer = |row: &SessionRow| row.outbox.transport().and_then(Transport::peer);
            let of_addresses = |row: &&SessionRow| peer(row).is_some_and(|peer| addresses.contains(peer.ip()));
            let sessions: Vec<_> = rows.iter().filter(of_addresses).map(|row| row.id).collect();
            if !sessions.is_empty() {
                self.with_effects(|board, effects| {
                    for session in sessions {
                        board.end_session(session, reason, detail, effects);
                    }
                });
            }
        }
    }

    /// The next accounts after `last`, at most `max` of them.
    pub(crate) fn accounts_after(&self, last: Option<AccountId>, max: usize) -> Vec<AccountSummary> {
        self.with_effects(|board, effects| board.accounts_after(last, max, effects.wall_clock()))
    }
}

/// A line `NOTICE`.
fn notice(text: &str) -> Vec<u8> {
    let mut line = Vec::new();
    Reply::Notice { text: text.into() }.encode(&mut line);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn command_that_is_given_up_is_forgotten() {
        let commands = PendingCommands::default();
        let given_up = commands.add();
        let mut waiting = commands.add();
        assert_ne!(given_up.ticket, waiting.ticket);
        drop(given_up);
        assert_eq!(commands.lock().answers.len(), 1);
        commands.answer(waiting.ticket, Err(ErrorCode::StoreFull));
        assert_eq!((&mut waiting.answered).await, Ok(Err(ErrorCode::StoreFull)));
        assert!(commands.lock().answers.is_empty());
    }
}
