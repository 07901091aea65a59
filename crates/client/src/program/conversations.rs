//! The subcommands of conversations: `login`, `say`, `history`, `rooms`, `export`, and `listen --conversation`.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use switchboard_client::conversations::{
    Conversation, Delivery, Identity, Item, LinkState, Position, RecordVerb, Session, SessionOptions, Start,
    ssh_keygen_signer,
};
use switchboard_client::{Error, ErrorCode};
use switchboard_protocol::sanitize;
use tokio::time::{Instant, timeout};

use super::account_files::{AccountFiles, DEFAULT_DEVICE};
use super::args::Options;
use super::cli_error::{CliError, with_timeout};
use super::open_session::{OpenSession, close, connect, notice, session_options};
use super::signals::TerminationSignals;
use super::{password, stdout};

/// The most records that the server sends as one answer to `HISTORY`.
const HISTORY_MAX: u64 = 256;

/// The number before which the history begins, if the user names none: above all records.
const NUMBER_MAX: u64 = switchboard_protocol::version2::NUMBER_MAX;

/// How often `listen` stores its position while records arrive without a pause.
const STORE_INTERVAL: Duration = Duration::from_secs(1);

/// The JSON form of a successful login.
#[derive(Serialize)]
struct LoginJson<'a> {
    reply: &'static str,
    name: &'a str,
    device: &'a str,
    /// The SSH key that signs at each connection, if the server gives no token here.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// The JSON form of a stored message.
#[derive(Serialize)]
struct SaidJson<'a> {
    reply: &'static str,
    #[serde(rename = "in")]
    target: &'a str,
    seq: u64,
}

/// Logs in with a password or key, and stores a token with which this device logs in from now on. Where the connection
/// is not secure enough for a token, stores the path of the key instead: its signature is no secret.
pub(crate) async fn login(
    addr: &str,
    options: &Options,
    device: Option<&str>,
    key: Option<&Path>,
    is_new: bool,
) -> Result<(), CliError> {
    let Some(name) = &options.name else {
        return Err(CliError::Usage("write the name of the account: --name NAME".to_owned()));
    };
    let device = device.unwrap_or(DEFAULT_DEVICE);
    let files = AccountFiles::new(addr, name, device)?;
    files.create()?;
    let identity = if let Some(path) = key {
        let (public_key, signer) = ssh_keygen_signer(path).map_err(|source| Error::Signer { source })?;
        if is_new {
            create(addr, options, name, async |guest| guest.claim_key(&public_key, signer.clone()).await).await?;
        }
        Identity::key(name, device, &public_key, signer)
    } else {
        let password = password::ask(is_new).await?;
        if is_new {
            create(addr, options, name, async |guest| guest.claim(password.clone()).await).await?;
        }
        Identity::password(name, device, password)
    };
    let settings = SessionOptions { outbox: Some(files.outbox_path()), ..session_options(options) };
    let session = Session::connect(addr, identity, settings).await?;
    let stored_key = match (with_timeout(options.timeout, session.token()).await, key) {
        (Err(CliError::Client(Error::Refused { code: ErrorCode::NotSecure, .. })), Some(key)) => {
            let key = absolute(key)?;
            files.store_key(&key)?;
            Some(key)
        }
        (token, _) => {
            files.store_token(&token?)?;
            None
        }
    };
    if options.json {
        let (name, key) = (session.name(), stored_key.as_deref());
        stdout::print_json(&LoginJson { reply: "LOGIN_OK", name, device, key })?;
    } else {
        stdout::print_line(&format!("logged in as {}, device {device}", session.name()))?;
        if let Some(key) = stored_key {
            stdout::print_line(&format!(
                "The connection is not encrypted, so there is no token: each command signs with the key {key}"
            ))?;
        }
    }
    session.close().await;
    Ok(())
}

/// The path of a key from any working directory.
fn absolute(key: &Path) -> Result<String, CliError> {
    let path = std::path::absolute(key)?.into_os_string().into_string();
    path.map_err(|_| CliError::Usage(format!("the path {} is not UTF-8: rename the key", key.display())))
}

/// Registers `name` as a guest and turns it into an account.
async fn create(
    addr: &str,
    options: &Options,
    name: &str,
    claim: impl AsyncFnOnce(&Session) -> Result<String, Error>,
) -> Result<(), CliError> {
    let guest = Session::connect(addr, Identity::guest(name), session_options(options)).await?;
    with_timeout(options.timeout, claim(&guest)).await?;
    guest.close().await;
    Ok(())
}

/// Says `text` in a conversation. Returns once the server has stored it.
pub(crate) async fn say(
    addr: &str,
    options: &Options,
    device: Option<&str>,
    (target, text): (&str, &str),
    joins: bool,
) -> Result<(), CliError> {
    if text.trim().is_empty() {
        return Err(Error::Blank.into());
    }
    if text.contains('\n') {
        return Err(CliError::Usage("the message has more than one line: send each line by itself".to_owned()));
    }
    let OpenSession { session, .. } = connect(addr, options, device).await?;
    if joins {
        with_timeout(options.timeout, session.join(target)).await?;
    }
    let seq = match with_timeout(options.timeout, session.say(target, text)).await {
        Err(CliError::TimedOut(_)) if session.delivery() == Delivery::OnceAcrossRestarts => {
            return Err(CliError::Unanswered(options.timeout));
        }
        result => result.map_err(|error| with_remedy(error, target))?,
    };
    if options.json {
        stdout::print_json(&SaidJson { reply: "SAID", target, seq })?;
    }
    // Messages of an earlier run.
    if timeout(options.timeout, session.flush()).await.is_err() {
        notice(
            "earlier messages of this device are still unanswered: the next command of this device sends them again",
        );
    }
    close(session, options.timeout).await;
    Ok(())
}

/// Prints the last records of a conversation before a number.
pub(crate) async fn history(
    addr: &str,
    options: &Options,
    device: Option<&str>,
    target: &str,
    before: Option<u64>,
    count: u64,
) -> Result<(), CliError> {
    let OpenSession { session, .. } = connect(addr, options, device).await?;
    let mut pages = Vec::new();
    let (mut before, mut left) = (before.unwrap_or(NUMBER_MAX), count);
    while left > 0 && before > 1 {
        let request = session.history(target, before, left.min(HISTORY_MAX));
        let page = with_timeout(options.timeout, request).await?;
        let numbers = page.iter().filter_map(first_number).min();
        let Some(first) = numbers.filter(|first| *first > 0 && *first < before) else { break };
        left = left.saturating_sub(page.len() as u64);
        before = first;
        pages.push(page);
    }
    for item in pages.iter().rev().flatten() {
        print_item(item, options)?;
    }
    close(session, options.timeout).await;
    Ok(())
}

/// The number of the first record that an item stands for.
fn first_number(item: &Item) -> Option<u64> {
    match item {
        Item::Record(record) => Some(record.seq),
        Item::Gap(gap) => Some(gap.from),
        _ => None,
    }
}

/// Prints the rooms.
pub(crate) async fn rooms(addr: &str, options: &Options, device: Option<&str>) -> Result<(), CliError> {
    let OpenSession { session, .. } = connect(addr, options, device).await?;
    for room in with_timeout(options.timeout, session.rooms()).await? {
        if options.json {
            stdout::print_json(&room)?;
        } else {
            stdout::print_line(format!("{} {} {}", room.room, room.members, room.topic).trim_end())?;
        }
    }
    close(session, options.timeout).await;
    Ok(())
}

/// Prints all records of a conversation.
pub(crate) async fn export(addr: &str, options: &Options, device: Option<&str>, target: &str) -> Result<(), CliError> {
    let OpenSession { session, .. } = connect(addr, options, device).await?;
    let mut conversation = with_timeout(options.timeout, session.open(target, Start::Beginning)).await?;
    loop {
        let item = timeout(options.timeout, conversation.next()).await;
        let item = item.map_err(|_| CliError::TimedOut(options.timeout))?;
        match item {
            None | Some(Ok(Item::Live(_))) => break,
            Some(item) => print_item(&item?, options)?,
        }
    }
    drop(conversation);
    close(session, options.timeout).await;
    Ok(())
}

/// Prints the records of a conversation, until `count` messages have arrived or a signal comes. A device of an account
/// begins where it was.
pub(crate) async fn listen(
    addr: &str,
    options: &Options,
    device: Option<&str>,
    target: &str,
    joins: bool,
    count: Option<u64>,
) -> Result<(), CliError> {
    let OpenSession { session, files } = connect(addr, options, device).await?;
    if joins {
        with_timeout(options.timeout, session.join(target)).await?;
    }
    let start = match &files {
        Some(files) => files.position(target)?.map_or(Start::Now, Start::After),
        None => Start::Now,
    };
    let conversation = with_timeout(options.timeout, session.open(target, start)).await;
    let conversation = conversation.map_err(|error| with_remedy(error, target))?;
    let position = conversation.position().clone();
    let mut listener = Listener { conversation, files, target, options, position, stored_at: Instant::now() };
    listener.store_position()?;
    let mut signals = TerminationSignals::listen()?;
    let result = signals.run_until_signal(listener.run(count)).await;
    listener.store_position()?;
    drop(listener);
    match result {
        Err(CliError::Signalled(signal)) if signal == INTERRUPT => {}
        result => result?,
    }
    close(session, options.timeout).await;
    Ok(())
}

/// Adds the remedy to a refused `say` or `listen`. The server's sentence names lines of the protocol, such as `JOIN`.
fn with_remedy(error: CliError, target: &str) -> CliError {
    let CliError::Client(source @ Error::Refused { code, .. }) = error else { return error };
    let mut hints = match code {
        ErrorCode::NotAMember => vec!["Here, --join does that.".to_owned()],
        ErrorCode::NotLoggedIn => vec!["Here, `switchboard login --name NAME` does that.".to_owned()],
        _ => Vec::new(),
    };
    if matches!(code, ErrorCode::NotLoggedIn | ErrorCode::UserNotFound) && !target.starts_with(['#', '@']) {
        hints.push(format!("If {0} is a room, write '#{0}'.", sanitize(target)));
    }
    if hints.is_empty() { CliError::Client(source) } else { CliError::Hinted { source, hint: hints.join(" ") } }
}

/// SIGINT, with which a user ends `listen`.
const INTERRUPT: i32 = 2;

struct Listener<'a> {
    conversation: Conversation,
    files: Option<AccountFiles>,
    target: &'a str,
    options: &'a Options,
    /// The position after the last printed item.
    position: Position,
    /// When the position was last stored.
    stored_at: Instant,
}

impl Listener<'_> {
    async fn run(&mut self, count: Option<u64>) -> Result<(), CliError> {
        let mut link = self.conversation.session().link();
        let mut was_connected = true;
        let mut messages_left = count;
        let mut is_stored = true;
        while messages_left != Some(0) {
            tokio::select! {
                item = self.conversation.next() => {
                    let Some(item) = item else { return Ok(()) };
                    let item = item?;
                    print_item(&item, self.options)?;
                    self.position.clone_from(self.conversation.position());
                    if matches!(&item, Item::Record(record) if record.verb == RecordVerb::From) {
                        messages_left = messages_left.map(|left| left - 1);
                    }
                    is_stored = false;
                }
                changed = link.changed() => {
                    let state = link.borrow_and_update().clone();
                    if changed.is_ok() {
                        was_connected = report_link(&state, was_connected);
                    }
                }
                () = tokio::time::sleep_until(self.stored_at + STORE_INTERVAL), if !is_stored => {
                    self.store_position()?;
                    is_stored = true;
                }
            }
        }
        Ok(())
    }

    fn store_position(&mut self) -> Result<(), CliError> {
        self.stored_at = Instant::now();
        match &self.files {
            Some(files) => files.store_position(self.target, &self.position),
            None => Ok(()),
        }
    }
}

/// Tells the user about the connection. Returns whether it is there.
fn report_link(state: &LinkState, was_connected: bool) -> bool {
    match state {
        LinkState::Reconnecting { reason, delay } => {
            notice(&format!("{reason}; reconnecting in {:.1} s", delay.as_secs_f64()));
            false
        }
        LinkState::Connected => {
            if !was_connected {
                notice("reconnected");
            }
            true
        }
        _ => was_connected,
    }
}

/// Prints one item: with `--json` as an object, otherwise as a line with its number and time.
fn print_item(item: &Item, options: &Options) -> io::Result<()> {
    if options.json {
        return stdout::print_json(item);
    }
    match item {
        Item::Record(record) => {
            let text = match (record.verb, record.redacted_by) {
                (RecordVerb::From, None) => format!("{}: {}", record.author, record.text),
                (RecordVerb::From, Some(_)) => format!("{}: (redacted)", record.author),
                _ => record.to_display_text(),
            };
            stdout::print_line(&format!("{} {} {text}", record.seq, record.at()))
        }
        Item::Gap(gap) if gap.to == 0 => stdout::print_line(&format!(
            "(records are missing: {}; the last ones that are there follow, also known ones; `export` prints all)",
            gap.reason.as_str()
        )),
        Item::Gap(gap) => {
            stdout::print_line(&format!("(records {} to {} are missing: {})", gap.from, gap.to, gap.reason.as_str()))
        }
        _ => Ok(()),
    }
}
