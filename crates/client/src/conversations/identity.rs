//! Who a session is, and how it proves this.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use switchboard_protocol::version2::{Command, DeviceName, Proof, Secret};
use switchboard_protocol::{Username, UsernameError};

/// Signs challenges by an SSH key. It gets the text of a challenge and returns the armored signature that
/// `ssh-keygen -Y sign -n switchboard` prints, or only its base64.
pub type Signer =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<String>> + Send>> + Send + Sync + 'static>;

/// Who a session is. The session keeps it in memory, because it logs in again after a lost connection.
#[derive(Clone)]
pub struct Identity(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Guest { name: String },
    Account { name: String, device: String, proof: AccountProof },
}

#[derive(Clone)]
pub(crate) enum AccountProof {
    Password(Secret),
    Token(Secret),
    Key { public_key: String, signer: Signer },
}

impl Identity {
    /// A guest, who has a name and no account.
    #[must_use]
    pub fn guest(name: &str) -> Self {
        Self(Kind::Guest { name: name.to_owned() })
    }

    /// A device of an account that logs in with the password.
    #[must_use]
    pub fn password(name: &str, device: &str, password: Secret) -> Self {
        Self::account(name, device, AccountProof::Password(password))
    }

    /// A device of an account that logs in with its token.
    #[must_use]
    pub fn token(name: &str, device: &str, token: Secret) -> Self {
        Self::account(name, device, AccountProof::Token(token))
    }

    /// A device of an account that logs in with an SSH key. `public_key` is the base64 that follows `ssh-ed25519` in
    /// the `.pub` file. `signer` signs one challenge for each connection.
    #[must_use]
    pub fn key(name: &str, device: &str, public_key: &str, signer: Signer) -> Self {
        Self::account(name, device, AccountProof::Key { public_key: public_key.to_owned(), signer })
    }

    fn account(name: &str, device: &str, proof: AccountProof) -> Self {
        Self(Kind::Account { name: name.to_owned(), device: device.to_owned(), proof })
    }

    /// The name as given.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Guest { name } | Kind::Account { name, .. } => name,
        }
    }

    /// The device as given. `None` for a guest.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        match &self.0 {
            Kind::Guest { .. } => None,
            Kind::Account { device, .. } => Some(device),
        }
    }

    /// The request with which the session begins.
    pub(crate) fn first_command(&self) -> Result<Command<'static>, UsernameError> {
        Ok(match &self.0 {
            Kind::Guest { name } => {
                Command::Version1(switchboard_protocol::Command::Register { name: Username::new(name)? }).into_owned()
            }
            Kind::Account { name, device, proof } => {
                // The name of an account obeys the rules of all names.
                let name = Username::new(name)?.as_str().to_owned().into();
                let proof = match proof {
                    AccountProof::Password(password) => Proof::Password(password.clone()),
                    AccountProof::Token(token) => Proof::Token(token.clone()),
                    AccountProof::Key { public_key, .. } => Proof::Key(public_key.clone().into()),
                };
                Command::Login { name, device: DeviceName::new(device)?, proof }
            }
        })
    }
}

impl fmt::Debug for Identity {
    /// Writes no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Guest { name } => f.debug_struct("Guest").field("name", name).finish(),
            Kind::Account { name, device, proof } => {
                let proof = match proof {
                    AccountProof::Password(_) => "password",
                    AccountProof::Token(_) => "token",
                    AccountProof::Key { .. } => "key",
                };
                f.debug_struct("Account").field("name", name).field("device", device).field("proof", &proof).finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_secret() {
        let signer: Signer = Arc::new(|_| Box::pin(async { Ok(String::new()) }));
        let identities = [
            Identity::password("Noy", "laptop", Secret::new("hunter2")),
            Identity::token("Noy", "laptop", Secret::new("hunter2")),
            Identity::key("Noy", "laptop", "hunter2", signer),
        ];
        for identity in identities {
            let text = format!("{identity:?} {identity:#?} {:?}", identity.first_command());
            assert!(text.contains("laptop"), "{text}");
            let is_key = text.contains("key");
            assert!(is_key || !text.contains("hunter2"), "{text}");
        }
    }
}
