//! Opens sessions of version 2, with the address, the account and its stored tokens that a command names.

use std::io::{self, Write as _};
use std::time::Duration;

use switchboard_client::conversations::{
    Identity, News, NewsReceiver, RefusedMessage, Session, SessionOptions, ssh_keygen_signer,
};
use switchboard_client::{Error, ErrorCode};
use switchboard_protocol::sanitize;
use tokio::time::timeout;

use super::account_files::{AccountFiles, DEFAULT_DEVICE};
use super::args::Options;
use super::cli_error::CliError;
use super::state_directory;

/// The maximum number of guest names to try. A name of 32 random bits is seldom taken even once.
const GUEST_NAME_TRIES_MAX: u32 = 5;

/// A session of an account or guest.
pub(crate) struct OpenSession {
    pub(crate) session: Session,
    /// The files of the device. `None` for a guest.
    pub(crate) files: Option<AccountFiles>,
}

/// Connects as the account whose token or key is stored for `--name` and the device, or else as a guest. Without a device,
/// the one that has logged in on this machine counts.
pub(crate) async fn connect(addr: &str, options: &Options, device: Option<&str>) -> Result<OpenSession, CliError> {
    let settings = session_options(options);
    let Some(name) = &options.name else {
        if device.is_some() {
            return Err(CliError::Usage("--device needs the name of the account: --name NAME".to_owned()));
        }
        return Ok(OpenSession { session: connect_guest(addr, &settings).await?, files: None });
    };
    let stored = AccountFiles::logged_in_device(state_directory::path().as_deref(), addr, name);
    let used_device = device.or(stored.as_deref()).unwrap_or(DEFAULT_DEVICE);
    let files = AccountFiles::new(addr, name, used_device)?;
    let not_logged_in = |source| CliError::NotLoggedIn { name: sanitize(name).into_owned(), source };
    let Some(identity) = stored_identity(&files, name, used_device)? else {
        if device.is_some() {
            return Err(not_logged_in(Error::Refused { code: ErrorCode::NotLoggedIn, detail: None }));
        }
        let session = Session::connect_with_news(addr, Identity::guest(name), settings).await;
        let session = session.map_err(|error| match error {
            Error::Refused { code: ErrorCode::NameTaken, .. } => not_logged_in(error),
            error => error.into(),
        })?;
        return Ok(OpenSession { session: with_notices(session), files: None });
    };
    let settings = SessionOptions { outbox: Some(files.outbox_path()), ..settings };
    let session = Session::connect_with_news(addr, identity, settings).await.map_err(|error| match error {
        Error::Refused { code: ErrorCode::LoginFailed, .. } => not_logged_in(error),
        error => error.into(),
    })?;
    Ok(OpenSession { session: with_notices(session), files: Some(files) })
}

/// Shows the notices of the server on standard error, until the session ends.
fn with_notices((session, mut news): (Session, NewsReceiver)) -> Session {
    tokio::spawn(async move {
        while let Some(news) = news.next().await {
            if let News::Notice { text } = news {
                notice(&format!("the server: {}", sanitize(&text)));
            }
        }
    });
    session
}

/// How a device proves its account: with its token, or else by its SSH key. `None` if it has not logged in yet.
pub(crate) fn stored_identity(files: &AccountFiles, name: &str, device: &str) -> Result<Option<Identity>, CliError> {
    if let Some(token) = files.token()? {
        return Ok(Some(Identity::token(name, device, token)));
    }
    let Some(path) = files.key()? else { return Ok(None) };
    let (public_key, signer) = ssh_keygen_signer(&path).map_err(|source| Error::Signer { source })?;
    Ok(Some(Identity::key(name, device, &public_key, signer)))
}

/// Waits for the answers to messages, at most for `limit`, and closes the session.
pub(crate) async fn close(session: Session, limit: Duration) {
    match timeout(limit, session.flush()).await {
        Ok(Ok(refused)) => {
            for RefusedMessage { target, text, error, .. } in refused {
                let (target, text) = (sanitize(&target), sanitize(&text));
                notice(&format!("an earlier message to {target} was refused: {error} The message was: {text}"));
            }
        }
        // The session has ended.
        Ok(Err(_)) => {}
        Err(_) => notice("earlier messages are unanswered: the next command of this device sends them again"),
    }
    session.close().await;
}

async fn connect_guest(addr: &str, settings: &SessionOptions) -> Result<Session, CliError> {
    let mut tries_left = GUEST_NAME_TRIES_MAX;
    loop {
        let guest = Identity::guest(&format!("guest-{:08x}", fastrand::u32(..)));
        tries_left -= 1;
        match Session::connect_with_news(addr, guest, settings.clone()).await {
            Err(Error::Refused { code: ErrorCode::NameTaken, .. }) if tries_left > 0 => {}
            result => return Ok(with_notices(result?)),
        }
    }
}

pub(crate) fn session_options(options: &Options) -> SessionOptions {
    SessionOptions {
        limit: options.timeout,
        liveness: options.liveness(),
        outbox: None,
        reconnect: !options.reconnect.no_reconnect,
    }
}

/// Tells the user something, on standard error.
pub(crate) fn notice(text: &str) {
    // A failed write to standard error cannot be reported anywhere.
    let _ = writeln!(io::stderr(), "switchboard: {text}");
}
