//! Names of devices. An account has several devices, and each has a name of its own, such as `laptop`.

use std::fmt;

use crate::username::{Username, UsernameError};

/// A valid name of a device. It has the rules of a username: 1 to 32 characters, compared in folded form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeviceName(Username);

impl DeviceName {
    /// Checks `name` and folds it.
    pub fn new(name: &str) -> Result<Self, UsernameError> {
        Username::new(name).map(Self)
    }

    /// The name in its owner's spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The folded form, by which names are compared.
    #[must_use]
    pub fn folded(&self) -> &str {
        self.0.folded()
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
