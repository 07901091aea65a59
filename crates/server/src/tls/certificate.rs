//! The certificate of a server: read from files, or made by the server itself.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use rcgen::KeyPair;
use sha2::{Digest as _, Sha256};
use switchboard_store::{StoreError, prepare_directory};
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::self_made;

/// The files of a self-made certificate in the directory of the store.
const CERTIFICATE_FILE: &str = "tls-certificate.pem";
const KEY_FILE: &str = "tls-key.pem";

/// Where the certificate of a server comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CertificateSource {
    /// Two PEM files: the certificate with those that vouch for it, and its private key.
    Files {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// A certificate that the server makes, and keeps in this directory.
    SelfMade(PathBuf),
    /// A certificate that the server makes, and forgets at its end.
    Temporary,
}

/// Why a certificate cannot be used. The text goes to the operator.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("{}: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file holds no certificate, or no key, in PEM.
    #[error("{}: this is not {wanted} in PEM ({source})", .file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
        /// What the file should hold.
        wanted: &'static str,
        /// The fault.
        source: pem::Error,
    },
    /// The certificate and the key cannot be used together.
    #[error("{} and {}: {source}", .certificate.display(), .key.display())]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The fault.
        source: rustls::Error,
    },
    /// The directory of the store cannot take the certificate.
    #[error(transparent)]
    Directory(#[from] StoreError),
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Making(#[from] rcgen::Error),
}

impl CertificateSource {
    /// Makes a self-made certificate if it is not there or expires soon, with the key that is there.
    pub(super) fn prepare(&self, now: SystemTime) -> Result<(), CertificateError> {
        if let Self::SelfMade(directory) = self {
            let [certificate, key] = self_made_files(directory);
            if !key.exists() {
                prepare_directory(directory)?;
                write(&key, &KeyPair::generate()?.serialize_pem())?;
            }
            let is_expiring = |certified: &CertifiedKey| {
                certified.cert.first().is_some_and(|certificate| self_made::is_expiring(certificate, now))
            };
            if !certificate.exists() || is_expiring(&self.read()?) {
                let key = KeyPair::from_pem(&String::from_utf8_lossy(&contents(&key)?))?;
                write(&certificate, &self_made::make(&key, now)?)?;
            }
        }
        Ok(())
    }

    /// The files of the certificate and of its key.
    pub(super) fn files(&self) -> Option<[PathBuf; 2]> {
        match self {
            Self::Files { certificate, key } => Some([certificate.clone(), key.clone()]),
            Self::SelfMade(directory) => Some(self_made_files(directory)),
            Self::Temporary => None,
        }
    }

    /// Reads the certificate.
    pub(super) fn read(&self) -> Result<CertifiedKey, CertificateError> {
        match self {
            Self::Files { certificate, key } => read(certificate, key),
            Self::SelfMade(directory) => {
                let [certificate, key] = self_made_files(directory);
                read(&certificate, &key)
            }
            Self::Temporary => {
                let key = KeyPair::generate()?;
                let nowhere = Path::new("the temporary certificate");
                parse(nowhere, self_made::make(&key, super::now())?.as_bytes(), nowhere, key.serialize_pem().as_bytes())
            }
        }
    }
}

fn self_made_files(directory: &Path) -> [PathBuf; 2] {
    [CERTIFICATE_FILE, KEY_FILE].map(|name| directory.join(name))
}

/// The name of this machine, if it can stand in a certificate.
pub(crate) fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!name.is_empty() && name.chars().all(is_valid)).then(|| name.to_owned())
}

/// Puts a complete file in the place of `file`.
fn write(file: &Path, pem: &str) -> Result<(), CertificateError> {
    let new = file.with_extension("new");
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let written = written.and_then(|mut opened| opened.write_all(pem.as_bytes()).and_then(|()| opened.sync_all()));
    let written = written.and_then(|()| fs::rename(&new, file));
    written.map_err(|source| CertificateError::File { file: file.to_owned(), source })
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    parse(certificate, &contents(certificate)?, key, &contents(key)?)
}

fn contents(file: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(file).map_err(|source| CertificateError::File { file: file.to_owned(), source })
}

fn parse(
    certificate: &Path,
    certificate_pem: &[u8],
    key: &Path,
    key_pem: &[u8],
) -> Result<CertifiedKey, CertificateError> {
    let not_pem = |file: &Path, wanted, source| CertificateError::NotPem { file: file.to_owned(), wanted, source };
    let chain = CertificateDer::pem_slice_iter(certificate_pem)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        .map_err(|source| not_pem(certificate, "a certificate", source))?;
    let private_key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|source| not_pem(key, "a private key", source))?;
    CertifiedKey::from_der(chain, private_key, &ring::default_provider()).map_err(|source| CertificateError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })
}

/// Two hashes (SHA-256) by which a server is recognized.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fingerprints {
    /// The hash of the certificate, in the form in which browsers show it: `AB:CD:…`.
    pub certificate: String,
    /// The hash of the public key (RFC 7858 §4.2), in base64url without padding. It is in join links, and stays the same when the
    /// certificate is renewed with its key.
    pub key: String,
}

impl Fingerprints {
    pub(super) fn of(certified: &CertifiedKey) -> Self {
        let certificate = certified.cert.first().map_or(&[][..], |certificate| certificate);
        let key = certified.key.public_key();
        let key = key.as_ref().map_or(&[][..], |key| key);
        let colons: Vec<_> = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect();
        Self { certificate: colons.join(":"), key: Base64UrlUnpadded::encode_string(&Sha256::digest(key)) }
    }
}

impl fmt::Display for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.certificate)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    #[test]
    fn self_made_certificate_stays_the_same_and_its_key_is_private() {
        let directory = tempfile::tempdir().expect("a directory");
        let source = CertificateSource::SelfMade(directory.path().to_owned());
        let start = super::super::now();
        let fingerprints_after = |days: u64| {
            source.prepare(start + Duration::from_hours(24 * days)).expect("a directory");
            Fingerprints::of(&source.read().expect("a certificate"))
        };
        let fingerprints = || fingerprints_after(0);
        let first = fingerprints();
        assert_eq!(fingerprints(), first);
        assert_eq!(fingerprints_after(820 - 1 - 90 - 1), first, "the certificate is valid for long enough");
        let renewed = fingerprints_after(820 - 1 - 90 + 1);
        assert_eq!((renewed.key == first.key, renewed.certificate == first.certificate), (true, false));
        assert_eq!(fingerprints_after(820), renewed);
        let mode = fs::metadata(directory.path().join(KEY_FILE)).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A certificate that is made again has the same key, so links stay valid.
        fs::remove_file(directory.path().join(CERTIFICATE_FILE)).expect("a file");
        assert!(source.read().is_err(), "a missing file is not made while the server runs");
        let again = fingerprints();
        assert_eq!((again.key == first.key, again.certificate == first.certificate), (true, false));
        let other = CertificateSource::Temporary.read().expect("a certificate");
        assert_ne!(Fingerprints::of(&other), first);
    }

    #[test]
    fn faults_name_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| directory.path().join(name));
        let source = CertificateSource::Files { certificate: certificate.clone(), key: key.clone() };
        let error = || source.read().expect_err("the files are not usable").to_string();
        assert!(error().contains("certificate.pem: No such file"), "{}", error());

        let [first, second] = [(); 2].map(|()| KeyPair::generate().expect("a key"));
        fs::write(&certificate, "hello").expect("a file");
        fs::write(&key, second.serialize_pem()).expect("a file");
        assert!(error().contains("certificate.pem: this is not a certificate in PEM"), "{}", error());

        fs::write(&certificate, self_made::make(&first, super::super::now()).expect("a certificate")).expect("a file");
        assert!(error().contains("keys may not be consistent") || error().contains("mismatch"), "{}", error());
    }
}
