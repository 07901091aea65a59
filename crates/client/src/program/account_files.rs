//! The files of one device of an account at one server: its token or the path of its SSH key, its outbox, and its
//! positions.
//!
//! ```text
//! $XDG_STATE_HOME/switchboard/accounts/SERVER/NAME/DEVICE/token
//!                                                        /key
//!                                                        /outbox
//!                                                        /positions/CONVERSATION
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use switchboard_client::conversations::{DeviceName, Position, Secret};
use switchboard_protocol::Username;
use zeroize::Zeroizing;

use super::address;
use super::cli_error::CliError;
use super::state_directory;

/// The device of a subcommand, if the user names none.
pub(crate) const DEFAULT_DEVICE: &str = "main";

/// The directory of one device.
#[derive(Clone, Debug)]
pub(crate) struct AccountFiles {
    directory: PathBuf,
}

impl AccountFiles {
    /// The files of a device of the account `name` at `addr`. No file is created.
    pub(crate) fn new(addr: &str, name: &str, device: &str) -> Result<Self, CliError> {
        Self::in_state(state_directory::path().as_deref(), addr, name, device)
    }

    /// Like [`AccountFiles::new`], in the directory `state`, if there is one.
    pub(crate) fn in_state(state: Option<&Path>, addr: &str, name: &str, device: &str) -> Result<Self, CliError> {
        let (name, device) = (
            Username::new(name).map_err(switchboard_client::Error::from)?,
            DeviceName::new(device).map_err(switchboard_client::Error::from)?,
        );
        let Some(state) = state else {
            let reason = "there is no home directory: set XDG_STATE_HOME";
            return Err(CliError::Usage(reason.to_owned()));
        };
        let mut directory = state.join("accounts");
        // Spellings of one name are one account, and links with and without a key lead to one server.
        for part in [&*address::host_port(addr), name.folded(), device.folded()] {
            directory.push(state_directory::file_name(part));
        }
        Ok(Self { directory })
    }

    /// What to use instead of a chat, if `name` is taken by an account to which this user has logged in.
    pub(crate) fn account_hint(addr: &str, name: &str) -> Option<String> {
        Self::logged_in_device(state_directory::path().as_deref(), addr, name)?;
        let name = switchboard_protocol::sanitize(name);
        Some(format!("{name} is your account: use `say`, `history` or `listen --conversation`."))
    }

    /// The device with which this user has logged in to the account `name`: [`DEFAULT_DEVICE`] if it is one of several,
    /// or else the one of the last login.
    pub(crate) fn logged_in_device(state: Option<&Path>, addr: &str, name: &str) -> Option<String> {
        let default = Self::in_state(state, addr, name, DEFAULT_DEVICE).ok()?;
        let directories = fs::read_dir(default.directory.parent()?).ok()?.filter_map(Result::ok);
        let devices = directories.filter_map(|directory| {
            let device = state_directory::name_of_file(directory.file_name().to_str()?)?;
            let files = Self { directory: directory.path() };
            let stored_at = |path: PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
            let logged_in_at = stored_at(files.token_path()).max(stored_at(files.key_path()))?;
            Some((device == DEFAULT_DEVICE, logged_in_at, device))
        });
        devices.max().map(|(_, _, device)| device)
    }

    /// The stored token. `None` if this device has not logged in yet.
    pub(crate) fn token(&self) -> Result<Option<Secret>, CliError> {
        let path = self.token_path();
        match fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(token) => Ok(Some(Secret::new(token.trim_end_matches('\n')))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error(&path, &error)),
        }
    }

    pub(crate) fn store_token(&self, token: &Secret) -> Result<(), CliError> {
        self.create()?;
        let text = Zeroizing::new(format!("{}\n", token.expose()));
        replace(&self.token_path(), &self.key_path(), &text)
    }

    /// The path of the SSH key with which this device logs in. `None` if it has a token, or has not logged in yet.
    pub(crate) fn key(&self) -> Result<Option<PathBuf>, CliError> {
        let path = self.key_path();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(PathBuf::from(text.strip_suffix('\n').unwrap_or(&text)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error(&path, &error)),
        }
    }

    /// Stores the path of an SSH key in the place of a token.
    pub(crate) fn store_key(&self, key: &str) -> Result<(), CliError> {
        self.create()?;
        replace(&self.key_path(), &self.token_path(), &format!("{key}\n"))
    }

    pub(crate) fn outbox_path(&self) -> PathBuf {
        self.directory.join("outbox")
    }

    /// Where `listen` was in a conversation.
    pub(crate) fn position(&self, target: &str) -> Result<Option<Position>, CliError> {
        let path = self.position_path(target);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim_end_matches('\n').parse().map(Some).map_err(|error| {
                CliError::Usage(format!("{} is damaged ({error}): remove it to begin anew", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error(&path, &error)),
        }
    }

    pub(crate) fn store_position(&self, target: &str, position: &Position) -> Result<(), CliError> {
        let path = self.position_path(target);
        let directory = path.parent().unwrap_or(&self.directory);
        let stored = state_directory::create_private(directory)
            .and_then(|()| state_directory::replace_private(&path, &format!("{position}\n")));
        stored.map_err(|error| file_error(&path, &error))
    }

    /// Creates the directory, if it is missing.
    pub(crate) fn create(&self) -> Result<(), CliError> {
        state_directory::create_private(&self.directory).map_err(|error| file_error(&self.directory, &error))
    }

    fn token_path(&self) -> PathBuf {
        self.directory.join("token")
    }

    fn key_path(&self) -> PathBuf {
        self.directory.join("key")
    }

    fn position_path(&self, target: &str) -> PathBuf {
        self.directory.join("positions").join(state_directory::file_name(target))
    }
}

/// Replaces the file of one proof of the account, and removes the file of the other one.
fn replace(path: &Path, other: &Path, text: &str) -> Result<(), CliError> {
    state_directory::replace_private(path, text).map_err(|error| file_error(path, &error))?;
    match fs::remove_file(other) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(other, &error)),
        _ => Ok(()),
    }
}

fn file_error(path: &Path, error: &io::Error) -> CliError {
    CliError::Io(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn the_default_device_or_the_one_of_the_last_login_is_used_again() {
        let state = tempfile::tempdir().expect("a directory");
        let files = |device| AccountFiles::in_state(Some(state.path()), "h:1", "Noy", device).expect("valid names");
        let used = || AccountFiles::logged_in_device(Some(state.path()), "h:1", "noy");
        assert_eq!(used(), None);
        // A login that was refused leaves an empty directory.
        files("main").create().expect("a directory");
        assert_eq!(used(), None);
        for (device, at) in [("Laptop", 2), ("phone", 1)] {
            files(device).store_token(&Secret::new("t0k")).expect("room on the disk");
            let token = fs::File::open(files(device).token_path()).expect("a file");
            token.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(at)).expect("a time");
        }
        assert_eq!(used().as_deref(), Some("laptop"));
        files("main").store_key("/home/noy/.ssh/id").expect("room on the disk");
        assert_eq!(used().as_deref(), Some("main"));
    }
}
