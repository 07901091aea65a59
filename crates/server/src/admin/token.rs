//! The token that a monitoring shows from another machine.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Minimum length of a token, in bytes: 96 random bits in Base64.
const TOKEN_MIN_BYTES: usize = 16;

/// Maximum length of the file of a token, in bytes.
const FILE_MAX_BYTES: u64 = 1024;

/// A token, as its hash: so the time of a comparison does not depend on its bytes.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

/// Why a token cannot be used. The text goes to the operator.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    /// The file cannot be read.
    #[error("{}: {error}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// The file has no token of the right form.
    #[error(
        "{}: give one line of {TOKEN_MIN_BYTES} to 1000 printable ASCII characters without spaces, such as the output of \
         `openssl rand -base64 32`",
        .file.display()
    )]
    Invalid {
        /// The file.
        file: PathBuf,
    },
}

impl AdminToken {
    /// Reads the token from a file: its only line.
    ///
    /// # Errors
    ///
    /// [`AdminTokenError`] if the file cannot be read, or has no token.
    pub fn read(file: &Path) -> Result<Self, AdminTokenError> {
        let mut text = Zeroizing::new(String::with_capacity(1025));
        let read = fs::File::open(file).and_then(|opened| opened.take(FILE_MAX_BYTES).read_to_string(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(AdminTokenError::Invalid { file: file.to_owned() });
            }
            Err(error) => return Err(AdminTokenError::File { file: file.to_owned(), error }),
        }
        let token = text.trim_end();
        let is_valid = (TOKEN_MIN_BYTES..=1000).contains(&token.len()) && token.chars().all(|c| c.is_ascii_graphic());
        if is_valid { Ok(Self::new(token)) } else { Err(AdminTokenError::Invalid { file: file.to_owned() }) }
    }

    fn new(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Whether `given` is this token.
    pub(super) fn is(&self, given: &str) -> bool {
        Self::new(given).0.ct_eq(&self.0).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_one_line_of_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let read = |content: &str| {
            fs::write(&file, content).expect("a writable folder");
            AdminToken::read(&file)
        };
        let token = read("0123456789abcdef\n").expect("a token");
        assert!(token.is("0123456789abcdef"));
        assert!(!token.is("0123456789abcdeF") && !token.is(""));
        assert_eq!(format!("{token:?}"), "AdminToken(…)");
        let long = "x".repeat(1001);
        for content in
            ["", "short", "0123456789 abcdef", "0123456789abcdef\n0123456789abcdef", &long, "0123456789abcdé"]
        {
            let error = read(content).expect_err("no token").to_string();
            assert!(error.contains("openssl rand") && !error.contains("0123"), "{error}");
        }
        let missing = AdminToken::read(&folder.path().join("missing")).expect_err("no file").to_string();
        assert!(missing.contains("missing: No such file"), "{missing}");
    }
}
