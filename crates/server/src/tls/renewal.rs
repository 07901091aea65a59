//! Renewed certificates: the server reads its files again when they change, and makes a self-made certificate again
//! before it expires.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use super::{CertificateSource, Fingerprints, Tls};
use crate::telemetry;

/// Interval between two checks of the files. A check costs two system calls.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Number of looks between two checks whether a self-made certificate expires: a day.
const LOOKS_BETWEEN_CHECKS: u32 = 43_200;

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
    /// Reads the files again, for later handshakes, and logs the new certificate. After an error, the old certificate
    /// stays, and the error is logged.
    pub fn reload(&self) {
        // The states before the read: a later change is found by the next look.
        *self.read_states.lock().unwrap_or_else(PoisonError::into_inner) = self.source.file_states();
        match self.read_again() {
            Ok(true) => self.log_certificate(),
            Ok(false) => {}
            Err(error) => tracing::error!(
                target: telemetry::SERVER,
                %error,
                "certificate not reloaded: the old one stays"
            ),
        }
    }

    /// Reads the files again each time that they have changed, and makes a self-made certificate again before it expires.
    /// Never returns.
    pub async fn watch(&self) -> Infallible {
        let mut looks = 0;
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            looks = (looks + 1) % LOOKS_BETWEEN_CHECKS;
            if looks == 0
                && let Err(error) = self.source.prepare(super::now())
            {
                tracing::error!(target: telemetry::SERVER, %error, "certificate not renewed: the old one stays");
            }
            if *self.read_states.lock().unwrap_or_else(PoisonError::into_inner) != self.source.file_states() {
                self.reload();
            }
        }
    }

    /// Logs by which fingerprints clients recognize the certificate.
    pub fn log_certificate(&self) {
        let Fingerprints { certificate, key } = self.fingerprints();
        tracing::info!(target: telemetry::SERVER, fingerprint = certificate, key, "TLS certificate");
    }
}
