//! The operator's commands on accounts. They come from no session.

use switchboard_protocol::version2::{Period, Target, fits_tag};
use switchboard_protocol::{ErrorCode, Username};

use super::REQUEST_WORK_MAX;
use super::audit::Actor;
use super::commit_queue::QueuedOutput;
use super::state::{IdentityChange, IdentityStep};
use crate::board::Switchboard;
use crate::change::{AccountId, Change, Credential, TokenHash, UnixMillis};
use crate::close_reason::CloseReason;
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// Identifies a command of the operator. No later command has the same ticket.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct OperatorTicket(pub u64);

/// A command of the operator.
#[derive(Clone, Debug)]
pub enum OperatorCommand {
    /// Create an account without devices.
    AddAccount {
        /// Its name.
        name: String,
        /// How its owner is recognized.
        credential: Credential,
    },
    /// Replace the credential of an account, end its tokens, and close its sessions.
    ResetAccount {
        /// Its name, in any spelling.
        name: String,
        /// The new credential.
        credential: Credential,
    },
    /// Delete an account as `UNCLAIM` does, and close its sessions.
    DeleteAccount {
        /// Its name, in any spelling.
        name: String,
    },
    /// Make an account an operator, or an ordinary account again.
    SetOperator {
        /// Its name, in any spelling.
        name: String,
        /// Whether it is an operator from now on.
        is_operator: bool,
    },
    /// Ban somebody from the server, and close the sessions.
    Ban {
        /// A name, `@` and an account id, or `@` and a prefix of addresses.
        who: String,
        /// How long. `None`: until it is taken back.
        period: Option<Period>,
        /// The reason, which the person is told. It may be empty.
        reason: String,
    },
    /// Take a ban back.
    Unban {
        /// The same as for the ban.
        who: String,
    },
}

/// The sessions that [`Switchboard::kick_sessions`] has closed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kicked {
    /// The name of the sessions, if they had one.
    pub name: Option<String>,
    /// Their number.
    pub sessions: usize,
}

/// The outcome of a command that is carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operated {
    /// The id of the account, if the command is about one.
    pub account: Option<AccountId>,
    /// Its name, in its owner's spelling, or the name or the addresses that are banned.
    pub name: String,
    /// Number of tokens that are no longer valid.
    pub tokens: usize,
    /// Number of sessions that are closed.
    pub sessions: usize,
}

/// An account in a list for the operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccountSummary {
    /// Its id.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Whether its owner is recognized by a key, and not by a password.
    pub has_key: bool,
    /// Whether it is an operator.
    pub is_operator: bool,
    /// Number of its devices.
    pub devices: usize,
    /// Number of its sessions.
    pub sessions: usize,
    /// Records that count for its quota now.
    pub records: u64,
    /// Bytes of text that count for its quota now.
    pub bytes: u64,
}

impl Switchboard {
    /// The next accounts after `last`, in order of their ids, and at most `max` of them.
    #[must_use]
    pub fn accounts_after(&self, last: Option<AccountId>, max: usize, now: UnixMillis) -> Vec<AccountSummary> {
        let accounts = self.version2.ledger.accounts.after(last).take(max);
        accounts
            .map(|(id, account)| {
                let (records, bytes) = account.usage.current(now.0);
                AccountSummary {
                    account: id,
                    name: account.name.to_string(),
                    has_key: matches!(account.credential, Credential::Key(_)),
                    is_operator: account.is_operator,
                    devices: account.devices.len(),
                    sessions: account.sessions().count(),
                    records,
                    bytes,
                }
            })
            .collect()
    }

    /// Carries out a command of the operator. [`StoreEffects::operated`] is called once the store has its changes.
    ///
    /// # Errors
    ///
    /// The reason for which nothing has changed.
    pub fn operate(
        &mut self,
        ticket: OperatorTicket,
        command: OperatorCommand,
        effects: &mut impl StoreEffects,
    ) -> Result<Operated, ErrorCode> {
        self.can_store()?;
        let (operated, done) = match command {
            OperatorCommand::AddAccount { name, credential } => {
                (self.add_account(&name, credential, effects)?, "ACCOUNT ADD")
            }
            OperatorCommand::ResetAccount { name, credential } => {
                (self.reset_account(&name, credential, effects)?, "ACCOUNT RESET")
            }
            OperatorCommand::DeleteAccount { name } => (self.remove_account(&name, effects)?, "ACCOUNT DELETE"),
            OperatorCommand::SetOperator { name, is_operator } => {
                let verb = if is_operator { "ACCOUNT OPERATOR on" } else { "ACCOUNT OPERATOR off" };
                (self.set_operator(&name, is_operator, effects)?, verb)
            }
            // These write into the audit log themselves.
            OperatorCommand::Ban { who, period, reason } => {
                (self.ban_from_server(&Actor::control(), &Target::new(&who), period, &reason, effects)?, "")
            }
            OperatorCommand::Unban { who } => {
                (self.unban_from_server(&Actor::control(), &Target::new(&who), effects)?, "")
            }
        };
        if !done.is_empty() {
            self.append_audit(&Actor::control(), &format!("{done} {}", operated.name), None, effects);
        }
        let position = self.version2.ledger.position();
        self.version2.commit_queue.push(position, QueuedOutput::Operated(ticket));
        self.settle(REQUEST_WORK_MAX, effects);
        Ok(operated)
    }

    /// Closes one session, or all sessions of an account or guest, and tells them `reason`, if it is not empty. `who`: the
    /// id of a session, such as `7v1`, or a name in any spelling. Nothing is stored.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::UserNotFound`] if nobody is connected under this id or name.
    pub fn kick_sessions(
        &mut self,
        who: &str,
        reason: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<Kicked, ErrorCode> {
        let session = who.parse().ok().filter(|&session| self.sessions.contains_key(session));
        let sessions = match (session, self.version2.ledger.accounts.find(who)) {
            (Some(session), _) => vec![session],
            (None, Some(account)) => self.sessions_of(account, None),
            (None, None) => self.directory.find(who, &self.sessions).into_iter().collect(),
        };
        let first = *sessions.first().ok_or(ErrorCode::UserNotFound)?;
        let name = self.sessions.get(first).and_then(|session| session.name()).map(str::to_owned);
        for &session in &sessions {
            if reason.is_empty() {
                self.close(session, CloseReason::Kicked, effects);
            } else {
                self.close_with_words(session, CloseReason::Kicked, reason, effects);
            }
        }
        if self.can_store().is_ok() {
            let space = if reason.is_empty() { "" } else { " " };
            let kicked = name.as_deref().unwrap_or(who);
            self.append_audit(&Actor::control(), &format!("KICK {kicked}{space}{reason}"), None, effects);
        }
        self.settle(REQUEST_WORK_MAX, effects);
        Ok(Kicked { name, sessions: sessions.len() })
    }

    /// Sends a line to those of the sessions that speak version 2. Returns their number.
    pub fn notify(&mut self, sessions: &[SessionId], line: &[u8], effects: &mut impl StoreEffects) -> usize {
        let speaks_version2 = |session: &&SessionId| self.version2.sessions.contains_key(*session);
        let sessions: Vec<_> = sessions.iter().filter(speaks_version2).copied().collect();
        for &session in &sessions {
            self.send_line(session, line, effects);
        }
        self.settle(REQUEST_WORK_MAX, effects);
        sessions.len()
    }

    fn add_account(
        &mut self,
        name: &str,
        credential: Credential,
        effects: &mut impl StoreEffects,
    ) -> Result<Operated, ErrorCode> {
        let username = Username::new(name).map_err(|_| ErrorCode::InvalidName)?;
        if !fits_tag(name) {
            return Err(ErrorCode::InvalidName);
        }
        // The owner could not log in while a guest has the name, or one that looks like it.
        if self.directory.is_taken(&username, &self.sessions) {
            return Err(ErrorCode::NameTaken);
        }
        let account = self.create_account(&username, credential, effects)?;
        Ok(Operated { account: Some(account), name: username.as_str().to_owned(), tokens: 0, sessions: 0 })
    }

    fn reset_account(
        &mut self,
        name: &str,
        credential: Credential,
        effects: &mut impl StoreEffects,
    ) -> Result<Operated, ErrorCode> {
        let id = self.version2.ledger.accounts.find(name).ok_or(ErrorCode::UserNotFound)?;
        let sessions = self.close_sessions_of(id, None, CloseReason::Revoked, "", effects);
        let account = self.version2.ledger.accounts.get_mut(id).ok_or(ErrorCode::UserNotFound)?;
        account.credential = credential.clone();
        let name = account.name.to_string();
        // A device keeps its numbers, so that a message that its client sends again is not stored twice. Nobody has a
        // token with a random hash.
        let mut replaced = Vec::new();
        for (&device, state) in account.devices.iter_mut().filter(|(_, state)| state.token.is_some()) {
            let words: [[u8; 8]; 4] = std::array::from_fn(|_| effects.random().to_ne_bytes());
            let hash = TokenHash(std::array::from_fn(|index| words[index / 8][index % 8]));
            state.token = Some(hash);
            replaced.push(Change::TokenSet { device, hash });
        }
        let tokens = replaced.len();
        let ledger = &mut self.version2.ledger;
        ledger.append(Change::CredentialSet { account: id, credential }, effects);
        for change in replaced {
            ledger.append(change, effects);
        }
        Ok(Operated { account: Some(id), name, tokens, sessions })
    }

    fn remove_account(&mut self, name: &str, effects: &mut impl StoreEffects) -> Result<Operated, ErrorCode> {
        let id = self.version2.ledger.accounts.find(name).ok_or(ErrorCode::UserNotFound)?;
        let account = self.version2.ledger.accounts.get(id).ok_or(ErrorCode::UserNotFound)?;
        let name = account.name.to_string();
        let tokens = account.devices.values().filter(|device| device.token.is_some()).count();
        let sessions = self.close_sessions_of(id, None, CloseReason::Revoked, "", effects);
        // No session has this id.
        self.delete_account(SessionId::default(), id, effects);
        Ok(Operated { account: Some(id), name, tokens, sessions })
    }

    /// Closes the sessions of an account but one, also those whose claim or login is not stored yet. Returns their number.
    pub(super) fn close_sessions_of(
        &mut self,
        account: AccountId,
        kept: Option<SessionId>,
        reason: CloseReason,
        words: &str,
        effects: &mut impl StoreEffects,
    ) -> usize {
        let sessions = self.sessions_of(account, kept);
        for &session in &sessions {
            self.close_with_words(session, reason, words, effects);
        }
        sessions.len()
    }

    /// The sessions of an account but one, also those whose claim or login is not stored yet.
    fn sessions_of(&self, account: AccountId, kept: Option<SessionId>) -> Vec<SessionId> {
        let is_of_account = |state: &super::SessionState| match (&state.device, &state.identity) {
            (Some((of, _)), _)
            | (None, Some(IdentityStep::Commit(IdentityChange::Claim(of, _) | IdentityChange::Login(of, _)))) => {
                *of == account
            }
            _ => false,
        };
        self.version2
            .sessions
            .iter()
            .filter(|&(&session, state)| Some(session) != kept && is_of_account(state))
            .map(|(&session, _)| session)
            .collect()
    }
}
