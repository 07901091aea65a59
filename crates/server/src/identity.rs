//! Checks of identities: passwords, device tokens, SSH keys, and the delays that make guessing slow.
//!
//! ```text
//! CLAIM, LOGIN, PASSWD ─▶ secure_transport ─▶ login_throttle ─▶ checker ─▶ password
//!                                  └────────▶ token
//!                                  └────────▶ challenge ─▶ ssh_signature
//! ```
//!
//! Nothing here knows which accounts exist. The core looks the account up, and an unknown name goes the same way with
//! `None` in place of its credential, so that it costs and says the same as a wrong secret.

pub(crate) mod challenge;
pub(crate) mod checker;
pub(crate) mod password;
pub(crate) mod random;
pub(crate) mod secure_transport;
pub(crate) mod ssh_signature;
pub(crate) mod token;
