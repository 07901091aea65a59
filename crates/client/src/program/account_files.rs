//! The files of one device of an account at one server: its token, its outbox, and its positions.
//!
//! ```text
//! $XDG_STATE_HOME/switchboard/accounts/SERVER/NAME/DEVICE/token
//!                                                        /outbox
//!                                                        /positions/CONVERSATION
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use switchboard_client::conversations::{DeviceName, Position, Secret};
use switchboard_protocol::Username;
use zeroize::Zeroizing;

use super::cli_error::CliError;
use super::state_directory;

/// The device, if the user names none.
pub(crate) const DEFAULT_DEVICE: &str = "main";

/// The directory of one device.
#[derive(Clone, Debug)]
pub(crate) struct AccountFiles {
    directory: PathBuf,
}

impl AccountFiles {
    /// The files of a device of the account `name` at `addr`. No file is created.
    pub(crate) fn new(addr: &str, name: &str, device: &str) -> Result<Self, CliError> {
        let (name, device) = (
            Username::new(name).map_err(switchboard_client::Error::from)?,
            DeviceName::new(device).map_err(switchboard_client::Error::from)?,
        );
        let Some(state) = state_directory::path() else {
            let reason = "there is no home directory: set XDG_STATE_HOME";
            return Err(CliError::Usage(reason.to_owned()));
        };
        let mut directory = state.join("accounts");
        // Spellings of one name are one account.
        for part in [addr, name.folded(), device.folded()] {
            directory.push(state_directory::file_name(part));
        }
        Ok(Self { directory })
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
        let path = self.token_path();
        let text = Zeroizing::new(format!("{}\n", token.expose()));
        state_directory::replace_private(&path, &text).map_err(|error| file_error(&path, &error))
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

    fn position_path(&self, target: &str) -> PathBuf {
        self.directory.join("positions").join(state_directory::file_name(target))
    }
}

fn file_error(path: &Path, error: &io::Error) -> CliError {
    CliError::Io(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
