//! Checks of identities, which the shell performs: they take time, random numbers, or the key of the server.

use switchboard_protocol::version2::Secret;

use crate::change::TokenHash;

/// A request to the shell.
#[derive(Clone, Debug)]
pub enum IdentityRequest {
    /// Hash a new password.
    HashPassword(Secret),
    /// Parse and check a new key: the Base64 of an SSH public key.
    ParseKey(String),
    /// Compare a password with its hash.
    CheckPassword {
        /// The folded name of the account.
        name: String,
        /// The password.
        secret: Secret,
        /// The hash in the PHC format. `None` if there is no such account, or if it has no password: then the check
        /// takes the same time, and fails.
        hash: Option<String>,
    },
    /// Compare a token with its hash.
    CheckToken {
        /// The folded name of the account.
        name: String,
        /// The token.
        secret: Secret,
        /// The hash. `None` if there is no such device, or if it has no token.
        hash: Option<TokenHash>,
    },
    /// Make a new token.
    NewToken,
    /// Make a challenge for a device that wants to log in with a key.
    NewChallenge {
        /// The folded name of the account.
        name: String,
        /// The name of the device.
        device: String,
    },
    /// Check the signature of a challenge.
    CheckSignature {
        /// The folded name of the account.
        name: String,
        /// The account's key. `None` if there is no such account, or if it has no key.
        key: Option<[u8; 32]>,
        /// The challenge, as it was sent.
        challenge: String,
        /// The signature, as it came.
        signature: String,
    },
}

/// The answer of the shell.
#[derive(Clone, Debug)]
pub enum IdentityAnswer {
    /// The hash of the new password, in the PHC format.
    PasswordHashed(String),
    /// The 32 bytes of the new key.
    KeyParsed([u8; 32]),
    /// The new key is not valid, or not safe.
    InvalidKey,
    /// The secret or the signature is right.
    Accepted,
    /// The secret or the signature is wrong.
    Rejected,
    /// A new token, and its hash.
    TokenMade(Secret, TokenHash),
    /// A new challenge, in base64.
    ChallengeMade(String),
    /// The connection is not secure, so it must carry no secret.
    NotSecure,
    /// Too many checks are waiting.
    Busy,
    /// The address, or somebody who tries this name, has asked too often.
    TryLater,
}
