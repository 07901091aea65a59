//! Checks of identities: passwords, device tokens, SSH keys, and the delays that make guessing slow.
//!
//! ```text
//! CLAIM, LOGIN, PASSWD ─▶ secure_transport ─▶ login_throttle ─▶ checker ─▶ password
//!                                  └────────▶ token
//!                                  └────────▶ challenge ─▶ ssh_signature
//! ```
//!
//! Nothing here knows which accounts exist. The core looks the account up. For an unknown name, it passes `None` in place
//! of the credential. The check is the same, so an unknown name has the answer and the time of a wrong secret.

pub(crate) mod challenge;
pub(crate) mod checker;
pub(crate) mod failed_logins;
pub(crate) mod login_throttle;
pub(crate) mod password;
pub(crate) mod random;
pub(crate) mod secure_transport;
pub(crate) mod server_id;
pub(crate) mod service;
pub(crate) mod ssh_signature;
pub(crate) mod token;

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use switchboard_core::change::Credential;
    use switchboard_protocol::version2::Secret;

    use super::checker::{CheckLimits, SecretChecker};
    use super::token::DeviceToken;
    use super::{password, ssh_signature};

    /// Both forms of debug output.
    fn shown(value: &dyn Debug) -> String {
        format!("{value:?} {value:#?}")
    }

    #[tokio::test]
    async fn debug_output_shows_no_secret() {
        let typed = "correct horse";
        let token = DeviceToken::new([7; 32]);
        let token_text = token.to_text();
        let phc = password::hash(&Secret::new(typed), [1; 16]);
        let key_text = "AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm";
        let key = ssh_signature::PublicKey::from_base64(key_text).expect("a valid key");
        let checker = SecretChecker::new(CheckLimits::default());
        let waiting = checker.hash(Secret::new(typed), [1; 16]).expect("there is room");
        let values: [&dyn Debug; 8] = [
            &Secret::new(typed),
            &token,
            &token_text,
            &token.hash(),
            &Credential::Password(phc.clone()),
            &Credential::Key(*key.as_bytes()),
            &key,
            &checker,
        ];
        let secrets = [typed, token_text.expose(), &phc, "7, 7", "102, 102", "0x07", "AAAAC3Nza", "argon2id"];
        for value in values {
            let shown = shown(value);
            for secret in secrets {
                assert!(!shown.contains(secret), "{shown} shows {secret}");
            }
        }
        assert_eq!(waiting.await.as_deref(), Ok(&*phc));
    }
}
