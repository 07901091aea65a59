//! `ACCOUNT`: lists, creates, resets and deletes accounts, and makes operators.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use switchboard_core::change::Credential;
use switchboard_core::{AccountSummary, Operated, OperatorCommand};
use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{SECRET_MAX_BYTES, Secret};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::request::Refusal;
use crate::hub::Hub;
use crate::telemetry;

/// Maximum time in which the store must answer.
pub(super) const STORE_TIME_MAX: Duration = Duration::from_secs(30);

/// Number of accounts that are listed under one lock.
const ACCOUNTS_AT_ONCE: usize = 256;

/// A command on accounts.
#[derive(Debug)]
pub(super) enum AccountRequest {
    List,
    Add { name: String, secret: Secret },
    Reset { name: String, secret: Secret },
    Delete { name: String },
    Operator { name: String, is_operator: bool },
}

impl AccountRequest {
    /// Parses the rest of a line after `ACCOUNT`.
    pub(super) fn parse(rest: &str) -> Result<Option<Self>, Refusal> {
        let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let name = |name: &str| (!name.is_empty() && !name.contains(' ')).then(|| name.to_owned());
        let name_and_secret = || {
            let (word, secret) = rest.split_once(' ')?;
            Some((name(word)?, secret)).filter(|(_, secret)| !secret.trim().is_empty())
        };
        let checked = |secret: &str| {
            if secret.len() > SECRET_MAX_BYTES { Err(Refusal::TooLong) } else { Ok(Secret::new(secret)) }
        };
        Ok(match verb {
            "LIST" => rest.is_empty().then_some(Self::List),
            "ADD" => match name_and_secret() {
                Some((name, secret)) => Some(Self::Add { name, secret: checked(secret)? }),
                None => None,
            },
            "RESET" => match name_and_secret() {
                Some((name, secret)) => Some(Self::Reset { name, secret: checked(secret)? }),
                None => None,
            },
            "OPERATOR" => match rest.split_once(' ') {
                Some((word, "on")) => name(word).map(|name| Self::Operator { name, is_operator: true }),
                Some((word, "off")) => name(word).map(|name| Self::Operator { name, is_operator: false }),
                _ => None,
            },
            "DELETE" => name(rest).map(|name| Self::Delete { name }),
            _ => None,
        })
    }

    /// Carries out the command, and writes its answer.
    pub(super) async fn answer(self, stream: &mut UnixStream, hub: &Hub) -> io::Result<()> {
        match self {
            Self::List => list(stream, hub).await,
            request => stream.write_all(request.carry_out(hub).await.as_bytes()).await,
        }
    }

    /// Carries out a command on one account, and returns its answer.
    async fn carry_out(self, hub: &Hub) -> String {
        let hashed = |secret| async { hub.identities.hash_password(secret).await.map(Credential::Password) };
        let (verb, name, command) = match self {
            Self::List => return String::new(),
            Self::Add { name, secret } => match hashed(secret).await {
                Some(credential) => ("ADD", name.clone(), OperatorCommand::AddAccount { name, credential }),
                None => return error(ErrorCode::TryLater, &name),
            },
            Self::Reset { name, secret } => match hashed(secret).await {
                Some(credential) => ("RESET", name.clone(), OperatorCommand::ResetAccount { name, credential }),
                None => return error(ErrorCode::TryLater, &name),
            },
            Self::Delete { name } => ("DELETE", name.clone(), OperatorCommand::DeleteAccount { name }),
            Self::Operator { name, is_operator } => {
                ("OPERATOR", name.clone(), OperatorCommand::SetOperator { name, is_operator })
            }
        };
        match timeout(STORE_TIME_MAX, hub.operate(command)).await.unwrap_or(Err(ErrorCode::Unavailable)) {
            Ok(Operated { account, name, tokens, sessions }) => {
                let id = account.map_or(0, |account| account.0);
                tracing::info!(target: telemetry::SERVER, verb, id, name, tokens, sessions, "operator's command: account");
                format!("ACCOUNT_{verb}_OK {id} {name} {tokens} {sessions}\n")
            }
            Err(code) => {
                tracing::warn!(target: telemetry::SERVER, verb, name, %code, "operator's command refused: account");
                error(code, &name)
            }
        }
    }
}

/// The answer to a command that was refused, with a sentence for the operator.
fn error(code: ErrorCode, name: &str) -> String {
    let sentence = match code {
        ErrorCode::UserNotFound => format!("{name}: there is no such account: `account list` shows all"),
        ErrorCode::NameTaken => format!(
            "{name}: an account or a connected guest has this name, or one that looks like it: choose another, or ask \
             the guest to CLAIM the name"
        ),
        ErrorCode::InvalidName => {
            format!("{name}: give a name of 1 to 32 letters, digits, '_', '-' or '.', of any script, without ';'")
        }
        ErrorCode::Unavailable => {
            format!(
                "{name}: the outcome is unknown, because the store did not answer: look at `account list` and the log"
            )
        }
        ErrorCode::TryLater => format!(
            "{name}: nothing has changed, because too many passwords are being checked: try again in a few seconds"
        ),
        ErrorCode::StoreFull => format!("{name}: the disk of the data directory is full: make room, then try again"),
        ErrorCode::InvalidRoom => {
            "users have made a room with the name #audit: they have to leave it, or purge it, then try again".to_owned()
        }
        ErrorCode::TooManyAccounts => format!("{name}: the server has a million accounts: delete one first"),
        code => format!("{name}: {}", code.sentence()),
    };
    format!("ERROR {code} {sentence}\n")
}

/// Writes a line for each account, and then their number.
async fn list(stream: &mut UnixStream, hub: &Hub) -> io::Result<()> {
    let (mut count, mut last) = (0_u64, None);
    loop {
        let accounts = hub.accounts_after(last, ACCOUNTS_AT_ONCE);
        let Some(end) = accounts.last() else { break };
        last = Some(end.account);
        let mut lines = String::new();
        for AccountSummary { account, name, has_key, is_operator, devices, sessions, records, bytes } in &accounts {
            let role = if *is_operator { " operator" } else { "" };
            let (id, proof) = (account.0, if *has_key { "key" } else { "password" });
            let _ = writeln!(lines, "ACCOUNT {id} {name} {proof} {devices} {sessions} {records} {bytes}{role}");
            count += 1;
        }
        stream.write_all(lines.as_bytes()).await?;
    }
    stream.write_all(format!("ACCOUNT_LIST_OK {count}\n").as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[tokio::test]
    async fn command_is_refused_and_known_to_change_nothing_while_too_many_passwords_are_checked() {
        let hub = Hub::new(Settings::default());
        hub.identities.refuse_checks();
        for verb in ["ADD", "RESET"] {
            let request = AccountRequest::parse(&format!("{verb} Noy x")).expect("a valid secret");
            let answer = request.expect("a command").carry_out(&hub).await;
            assert!(answer.starts_with("ERROR TRY_LATER Noy: nothing has changed"), "{answer}");
        }
    }
}
