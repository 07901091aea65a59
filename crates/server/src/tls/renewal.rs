//! Renewed certificates: the server reads its files again when they change, and makes a self-made certificate again
//! before it expires.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::{CertificateError, CertificateSource, Fingerprints, Tls};
use crate::telemetry;

/// Interval between two checks whether the files have changed. A check costs two system calls.
const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Interval between two checks whether a self-made certificate expires.
const EXPIRY_CHECK_INTERVAL: Duration = Duration::from_hours(24);

/// The states of the certificate's file and of the key's.
pub(super) type FileStates = [Option<FileState>; 2];

/// Differs after a program has written a file, or put another one in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FileState {
    device: u64,
    inode: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    bytes: u64,
}

impl FileState {
    /// `None` for a file that is not there.
    fn of(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            bytes: metadata.size(),
        })
    }
}

impl CertificateSource {
    /// The present states of the files. `None` for a certificate without files.
    pub(super) fn file_states(&self) -> Option<FileStates> {
        let [certificate, key] = self.files()?;
        Some([FileState::of(&certificate), FileState::of(&key)])
    }
}

impl Tls {
    /// Reads the files again, for later handshakes, and logs the new certificate. Returns whether it is another one.
    ///
    /// # Errors
    ///
    /// The error is logged, too. The old certificate stays.
    pub fn reload(&self) -> Result<bool, CertificateError> {
        // The states before the read: the next check finds a later change.
        *self.read_states.lock().unwrap_or_else(PoisonError::into_inner) = self.source.file_states();
        let reloaded = self.read_again();
        match &reloaded {
            Ok(true) => self.log_certificate(),
            Ok(false) => {}
            Err(error) => tracing::error!(
                target: telemetry::SERVER,
                %error,
                "certificate not reloaded: the old one stays"
            ),
        }
        reloaded
    }

    /// Reads the files again each time that they have changed, and makes a self-made certificate again before it expires.
    /// Never returns.
    pub async fn watch(&self) -> Infallible {
        let mut expiry_checked = Instant::now();
        loop {
            tokio::time::sleep(FILE_CHECK_INTERVAL).await;
            if expiry_checked.elapsed() >= EXPIRY_CHECK_INTERVAL {
                expiry_checked = Instant::now();
                if let Err(error) = self.source.prepare(super::now()) {
                    tracing::error!(target: telemetry::SERVER, %error, "certificate not renewed: the old one stays");
                }
            }
            if *self.read_states.lock().unwrap_or_else(PoisonError::into_inner) != self.source.file_states() {
                let _ = self.reload();
            }
        }
    }

    /// Logs by which fingerprints clients recognize the certificate.
    pub fn log_certificate(&self) {
        let Fingerprints { certificate, key } = self.fingerprints();
        tracing::info!(target: telemetry::SERVER, fingerprint = certificate, key, "TLS certificate");
    }
}
