//! Secrets in lines: passwords and tokens.

use std::fmt;

use zeroize::Zeroizing;

/// The longest secret in bytes. Hashing takes longer for a longer password, and nobody types one of this length.
pub const SECRET_MAX_BYTES: usize = 1024;

/// A password or token. `Debug` does not show it, `Display` does not exist, and its memory is cleared on drop.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Zeroizing<Box<str>>);

impl Secret {
    /// Copies `secret` into memory that is cleared on drop.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// The secret itself. Do not log it, and do not write it into an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_secret() {
        let secret = Secret::new("correct horse");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "Secret(…) Some(\n    Secret(…),\n)");
        assert_eq!(secret.expose(), "correct horse");
    }
}
