//! The keys of servers that this user has met: `$XDG_STATE_HOME/switchboard/known-servers`.
//!
//! The file has one server a line: its address and the hash of its key. A server for which an authority of the system
//! vouches needs no entry.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchboard_client::tls::{ServerKey, fetch_key};
use switchboard_client::{Error, HostPort, JoinLink, KeyHash};

use super::address;
use super::args::Options;
use super::cli_error::CliError;
use super::{open_session, state_directory};

/// The name of the file in the state directory.
const FILE: &str = "known-servers";

/// The address of a server, with the key that the server must have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CheckedAddress {
    /// `HOST:PORT`, or a link.
    pub(crate) addr: String,
    pub(crate) trust: Trust,
}

/// Why a server counts as the right one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Trust {
    /// Without TLS: for no reason.
    Plain,
    /// The user has met its key before, or the link names the key.
    KnownKey,
    /// The user meets its key for the first time. The certificate has this fingerprint.
    NewKey { fingerprint: String },
    /// An authority of the system vouches for its certificate.
    Authority,
}

/// Like [`check`], with the file of this user. Tells the user of a first contact, on standard error.
pub(crate) async fn with_known_key(addr: String, options: &Options) -> Result<String, CliError> {
    let CheckedAddress { addr, trust } = check(addr, state_directory::path().as_deref(), options.timeout).await?;
    if let Trust::NewKey { fingerprint } = trust {
        let text = format!(
            "First contact with {}. Its certificate has the fingerprint {fingerprint}. The log of the server shows it, \
             too: compare the two before you say anything private.",
            address::host_port(&addr)
        );
        open_session::notice(&text);
    }
    Ok(addr)
}

/// Adds the key to the address of a server, if the address is a link without a key, and the key is known. An unknown
/// server is asked for its key. An address without TLS becomes a link if its key is known. A new key is stored in the directory `state` once a
/// handshake has proved that the server has it.
pub(crate) async fn check(addr: String, state: Option<&Path>, limit: Duration) -> Result<CheckedAddress, CliError> {
    let Ok(mut link) = addr.parse::<JoinLink>() else { return check_plain(addr, state) };
    let file = file_in(state)?;
    let mut trust = Trust::KnownKey;
    if let Some(key) = &link.key {
        // The user trusts the source of the link, but may have mistyped it.
        if known_key(&file, &link.address)?.as_ref() != Some(key) {
            let found = fetch_key(&link.address, limit).await?.hash;
            if found != *key {
                return Err(CliError::OtherKeyThanLink { addr: link.address.to_string(), of_link: key.clone(), found });
            }
            store(&file, &link.address, key)?;
        }
    } else if let Some(key) = known_key(&file, &link.address)? {
        link.key = Some(key);
    } else {
        let ServerKey { hash, certificate, is_vouched_for } = fetch_key(&link.address, limit).await?;
        if is_vouched_for {
            trust = Trust::Authority;
        } else {
            store(&file, &link.address, &hash)?;
            link.key = Some(hash);
            trust = Trust::NewKey { fingerprint: certificate };
        }
    }
    Ok(CheckedAddress { addr: link.to_string(), trust })
}

/// Without TLS, there is no key to check. But where this user has met a key, TLS is spoken: an announcement without TLS
/// would otherwise get the token of the user in the clear.
fn check_plain(addr: String, state: Option<&Path>) -> Result<CheckedAddress, CliError> {
    let (Ok(address), Some(state)) = (addr.parse::<HostPort>(), state) else {
        return Ok(CheckedAddress { addr, trust: Trust::Plain });
    };
    Ok(match known_key(&state.join(FILE), &address)? {
        Some(key) => {
            let link = JoinLink { address, room: None, key: Some(key) };
            CheckedAddress { addr: link.to_string(), trust: Trust::KnownKey }
        }
        None => CheckedAddress { addr, trust: Trust::Plain },
    })
}

/// The addresses of the servers in the state directory `state` whose keys are known, the last met one last. Unreadable
/// lines are left out.
pub(crate) fn addresses(state: &Path) -> Vec<HostPort> {
    let lines = read(&state.join(FILE)).unwrap_or_default();
    lines.lines().filter_map(|line| line.split_once(' ')?.0.parse().ok()).collect()
}

/// Adds to the error of a changed key how to accept the new one.
pub(crate) fn explain(error: CliError) -> CliError {
    match (error, file()) {
        (CliError::Client(error), Ok(file)) if is_of_other_key(&error) => CliError::OtherKey { error, file },
        (error, _) => error,
    }
}

/// Whether the server has another key than the expected one, now or after a lost connection.
fn is_of_other_key(error: &Error) -> bool {
    match error {
        Error::OtherKey { .. } => true,
        Error::Ended(reason) => is_of_other_key(reason),
        _ => false,
    }
}

fn file() -> Result<PathBuf, CliError> {
    file_in(state_directory::path().as_deref())
}

fn file_in(state: Option<&Path>) -> Result<PathBuf, CliError> {
    state.map(|state| state.join(FILE)).ok_or_else(|| {
        CliError::Usage("there is no home directory for the keys of servers: set XDG_STATE_HOME".to_owned())
    })
}

fn known_key(file: &Path, address: &HostPort) -> Result<Option<KeyHash>, CliError> {
    let lines = read(file)?;
    let key = lines.lines().find_map(|line| line.strip_prefix(&format!("{address} ")).map(str::trim));
    key.map(KeyHash::new)
        .transpose()
        .map_err(|_| CliError::Usage(format!("{} is damaged: remove the line of {address}", file.display())))
}

fn store(file: &Path, address: &HostPort, key: &KeyHash) -> Result<(), CliError> {
    let (known, of_this_server) = (read(file)?, format!("{address} "));
    let others = known.lines().filter(|line| !line.starts_with(&of_this_server));
    let lines = others.chain([&*format!("{address} {key}")]).flat_map(|line| [line, "\n"]).collect::<String>();
    let stored = file.parent().map_or(Ok(()), state_directory::create_private);
    stored.and_then(|()| state_directory::replace_private(file, &lines)).map_err(|error| file_error(file, &error))
}

fn read(file: &Path) -> Result<String, CliError> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| file_error(file, &error)),
    }
}

fn file_error(file: &Path, error: &io::Error) -> CliError {
    CliError::Io(io::Error::new(error.kind(), format!("{}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_replaces_the_earlier_one_of_the_same_server() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("state").join("known-servers");
        let [first, second] = ["1", "2"].map(|digit| KeyHash::new(&digit.repeat(43)).expect("a hash"));
        let [here, there]: [HostPort; 2] = ["h:1", "h:12"].map(|text| text.parse().expect("an address"));
        store(&file, &here, &first).expect("a new file");
        store(&file, &there, &first).expect("a second line");
        store(&file, &here, &second).expect("a new key");
        assert_eq!(known_key(&file, &here).expect("a file"), Some(second));
        assert_eq!(known_key(&file, &there).expect("a file"), Some(first));
        fs::write(&file, "h:1 x\n").expect("a file");
        assert!(known_key(&file, &here).is_err());
    }

    #[test]
    fn a_known_server_is_never_reached_without_its_key() {
        let directory = tempfile::tempdir().expect("a directory");
        let key = KeyHash::new(&"1".repeat(43)).expect("a hash");
        store(&directory.path().join(FILE), &"h:1".parse().expect("an address"), &key).expect("a new file");
        let checked = |addr: &str| check_plain(addr.to_owned(), Some(directory.path())).expect("an address");
        let expected = CheckedAddress { addr: format!("switchboard://h:1/?key={key}"), trust: Trust::KnownKey };
        assert_eq!(checked("h:1"), expected);
        assert_eq!(checked("h:2").trust, Trust::Plain);
    }
}
