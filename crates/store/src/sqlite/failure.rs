//! Errors of SQLite as errors of the store.

use std::path::PathBuf;

use rusqlite::{Error, ErrorCode};

use super::directory::is_full;
use crate::error::StoreError;

/// The path of the database, for errors.
#[derive(Clone, Debug)]
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn error(&self, error: &Error) -> StoreError {
        let place = self.0.clone();
        match error {
            Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => self.full(),
                // SQLite knows a full disk, but no quota, and it reports a lack of room for its other files in the same
                // way as a broken disk.
                ErrorCode::SystemIoFailure | ErrorCode::CannotOpen if is_full(&self.0) => self.full(),
                ErrorCode::DatabaseCorrupt => StoreError::Damaged { place, reason: error.to_string() },
                ErrorCode::NotADatabase => StoreError::Foreign { place },
                _ => self.unavailable(&error.to_string()),
            },
            Error::FromSqlConversionFailure(..) | Error::IntegralValueOutOfRange(..) | Error::InvalidColumnType(..) => {
                StoreError::Damaged { place, reason: error.to_string() }
            }
            _ => self.unavailable(&error.to_string()),
        }
    }

    /// Names the directory, because it does not matter which of its files cannot grow.
    fn full(&self) -> StoreError {
        StoreError::Full { place: self.0.parent().unwrap_or(&self.0).to_owned() }
    }

    pub(crate) fn unavailable(&self, reason: &str) -> StoreError {
        StoreError::Unavailable { place: self.0.clone(), reason: reason.to_owned() }
    }
}
