//! Reads a command from each connection of the control socket, carries it out, and writes the answer.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::change::Credential;
use switchboard_core::{AccountSummary, Operated, OperatorCommand};
use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{SECRET_MAX_BYTES, Secret};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::socket::ControlSocket;
use crate::hub::Hub;
use crate::telemetry;

/// Maximum connections that are served at once. Further ones wait.
const CONNECTIONS_MAX: usize = 8;

/// Maximum time of a connection: a list of a million accounts takes some seconds.
const CONNECTION_TIME_MAX: Duration = Duration::from_mins(1);

/// Maximum time in which the command must arrive.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);

/// Maximum time in which the store must answer.
const STORE_TIME_MAX: Duration = Duration::from_secs(30);

/// Maximum length of a command, in bytes with its LF.
const LINE_MAX_BYTES: u64 = 4096;

/// Number of accounts that are listed under one lock.
const ACCOUNTS_AT_ONCE: usize = 256;

/// The pause after a failed accept, such as one that finds no free file descriptor.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Serves the control socket. Never returns. Dropping the future ends all connections.
pub(crate) async fn serve(socket: ControlSocket, hub: Arc<Hub>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match socket.accept().await {
            Ok(stream) => {
                let hub = Arc::clone(&hub);
                connections.spawn(async move {
                    serve_connection(stream, &hub).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(target: telemetry::SERVER, %error, "the control socket accepts no connection");
                sleep(RETRY_DELAY).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection. If its client is gone or does not read, nobody is left to tell about an error.
pub(crate) async fn serve_connection(mut stream: UnixStream, hub: &Hub) {
    let served = async {
        match timeout(REQUEST_TIME_MAX, read_request(&mut stream)).await {
            Ok(Ok(Some(Request::ListAccounts))) => list_accounts(&mut stream, hub).await,
            Ok(Ok(Some(request))) => {
                let answer = carry_out(request, hub).await;
                stream.write_all(answer.as_bytes()).await
            }
            Ok(Ok(None)) => Ok(()),
            Ok(Err(refusal)) => stream.write_all(refusal.line().as_bytes()).await,
            Err(_) => stream.write_all(Refusal::TooSlow.line().as_bytes()).await,
        }
    };
    let _ = timeout(CONNECTION_TIME_MAX, served).await;
}

/// A command for the server.
#[derive(Debug)]
enum Request {
    ListAccounts,
    AddAccount { name: String, secret: Secret },
    ResetAccount { name: String, secret: Secret },
    DeleteAccount { name: String },
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refusal {
    Unknown,
    Incomplete,
    TooLong,
    TooSlow,
    InvalidText,
}

impl Refusal {
    fn line(self) -> String {
        let (code, sentence) = match self {
            Self::Unknown => ("UNKNOWN_COMMAND", "the commands are ACCOUNT LIST, ADD, RESET and DELETE"),
            Self::Incomplete => ("MISSING_ARGUMENT", "give a name, and for ADD and RESET a password after it"),
            Self::TooLong => ("LINE_TOO_LONG", "a command has at most 4096 bytes, and a password at most 1024"),
            Self::TooSlow => ("TRY_LATER", "the command did not arrive within 10 s: send it as one line"),
            Self::InvalidText => ("INVALID_TEXT", "send UTF-8 without control characters, and end the line with LF"),
        };
        format!("ERROR {code} {sentence}\n")
    }
}

/// Reads the line of a connection. `None` if there is none.
async fn read_request(stream: &mut UnixStream) -> Result<Option<Request>, Refusal> {
    // Enough room from the start: a buffer that grew would leave copies of the password behind.
    let mut line = Zeroizing::new(Vec::with_capacity(usize::try_from(LINE_MAX_BYTES).unwrap_or_default() + 1));
    let mut reader = BufReader::with_capacity(1, stream).take(LINE_MAX_BYTES + 1);
    if reader.read_until(b'\n', &mut line).await.unwrap_or_default() == 0 {
        return Ok(None);
    }
    if line.len() as u64 > LINE_MAX_BYTES {
        return Err(Refusal::TooLong);
    }
    let text = std::str::from_utf8(&line).map_err(|_| Refusal::InvalidText)?;
    let text = text.strip_suffix('\n').ok_or(Refusal::InvalidText)?;
    parse(text.strip_suffix('\r').unwrap_or(text)).map(Some)
}

fn parse(line: &str) -> Result<Request, Refusal> {
    if line.contains(char::is_control) {
        return Err(Refusal::InvalidText);
    }
    let command = line.strip_prefix("ACCOUNT ").ok_or(Refusal::Unknown)?;
    let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
    let name = |name: &str| {
        let is_word = !name.is_empty() && !name.contains(' ');
        if is_word { Ok(name.to_owned()) } else { Err(Refusal::Incomplete) }
    };
    let name_and_secret = || {
        let (word, secret) = rest.split_once(' ').ok_or(Refusal::Incomplete)?;
        match secret.len() {
            _ if secret.trim().is_empty() => Err(Refusal::Incomplete),
            0..=SECRET_MAX_BYTES => Ok((name(word)?, Secret::new(secret))),
            _ => Err(Refusal::TooLong),
        }
    };
    Ok(match verb {
        "LIST" if rest.is_empty() => Request::ListAccounts,
        "ADD" => name_and_secret().map(|(name, secret)| Request::AddAccount { name, secret })?,
        "RESET" => name_and_secret().map(|(name, secret)| Request::ResetAccount { name, secret })?,
        "DELETE" => Request::DeleteAccount { name: name(rest)? },
        _ => return Err(Refusal::Unknown),
    })
}

/// Carries out a command, and returns its answer.
async fn carry_out(request: Request, hub: &Hub) -> String {
    let hashed = |secret| async { hub.identities.hash_password(secret).await.map(Credential::Password) };
    let (verb, name, command) = match request {
        Request::ListAccounts => return String::new(),
        Request::AddAccount { name, secret } => match hashed(secret).await {
            Some(credential) => ("ADD", name.clone(), OperatorCommand::AddAccount { name, credential }),
            None => return error(ErrorCode::TryLater, &name),
        },
        Request::ResetAccount { name, secret } => match hashed(secret).await {
            Some(credential) => ("RESET", name.clone(), OperatorCommand::ResetAccount { name, credential }),
            None => return error(ErrorCode::TryLater, &name),
        },
        Request::DeleteAccount { name } => ("DELETE", name.clone(), OperatorCommand::DeleteAccount { name }),
    };
    match timeout(STORE_TIME_MAX, hub.operate(command)).await.unwrap_or(Err(ErrorCode::Unavailable)) {
        Ok(Operated { account, name, tokens, sessions }) => {
            let id = account.0;
            tracing::info!(target: telemetry::SERVER, verb, id, name, tokens, sessions, "operator's command: account");
            format!("ACCOUNT_{verb}_OK {id} {name} {tokens} {sessions}\n")
        }
        Err(code) => {
            tracing::warn!(target: telemetry::SERVER, verb, name, %code, "operator's command refused: account");
            error(code, &name)
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
        ErrorCode::TooManyAccounts => format!("{name}: the server has a million accounts: delete one first"),
        code => format!("{name}: {}", code.sentence()),
    };
    format!("ERROR {code} {sentence}\n")
}

/// Writes a line for each account, and then their number.
async fn list_accounts(stream: &mut UnixStream, hub: &Hub) -> io::Result<()> {
    let (mut count, mut last) = (0_u64, None);
    loop {
        let accounts = hub.accounts_after(last, ACCOUNTS_AT_ONCE);
        let Some(end) = accounts.last() else { break };
        last = Some(end.account);
        let mut lines = String::new();
        for AccountSummary { account, name, has_key, devices, sessions, records, bytes } in &accounts {
            let (id, proof) = (account.0, if *has_key { "key" } else { "password" });
            let _ = writeln!(lines, "ACCOUNT {id} {name} {proof} {devices} {sessions} {records} {bytes}");
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
            let request = parse(&format!("ACCOUNT {verb} Noy x")).expect("a command");
            let answer = carry_out(request, &hub).await;
            assert!(answer.starts_with("ERROR TRY_LATER Noy: nothing has changed"), "{answer}");
        }
    }

    #[test]
    fn line_is_a_command_or_says_what_is_missing() {
        let long = format!("ACCOUNT ADD Noy {}", "x".repeat(SECRET_MAX_BYTES + 1));
        let cases = [
            ("ACCOUNT LIST", Ok("ListAccounts")),
            ("ACCOUNT ADD Noy correct horse", Ok("AddAccount { name: \"Noy\", secret: Secret(…) }")),
            ("ACCOUNT RESET Noy x", Ok("ResetAccount { name: \"Noy\", secret: Secret(…) }")),
            ("ACCOUNT DELETE Noy", Ok("DeleteAccount { name: \"Noy\" }")),
            ("ACCOUNT DELETE", Err(Refusal::Incomplete)),
            ("ACCOUNT DELETE Noy Elias", Err(Refusal::Incomplete)),
            ("ACCOUNT ADD Noy", Err(Refusal::Incomplete)),
            ("ACCOUNT ADD Noy  ", Err(Refusal::Incomplete)),
            ("ACCOUNT ADD  x", Err(Refusal::Incomplete)),
            (&long, Err(Refusal::TooLong)),
            ("ACCOUNT LIST all", Err(Refusal::Unknown)),
            ("ACCOUNT", Err(Refusal::Unknown)),
            ("account list", Err(Refusal::Unknown)),
            ("STATUS", Err(Refusal::Unknown)),
            ("", Err(Refusal::Unknown)),
            ("ACCOUNT DELETE No\u{7}y", Err(Refusal::InvalidText)),
        ];
        for (line, expected) in cases {
            let parsed = parse(line).map(|request| format!("{request:?}"));
            assert_eq!(parsed.as_deref().map_err(|refusal| *refusal), expected, "{line:?}");
        }
    }
}
