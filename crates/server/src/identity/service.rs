//! Answers the switchboard's requests to check an identity.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use base64ct::{Base64, Encoding as _};
use switchboard_core::{IdentityAnswer, IdentityRequest, SessionId};
use switchboard_protocol::Username;
use switchboard_protocol::version2::Secret;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::challenge::{Challenge, SERVER_ID_BYTES, ServerIdentity};
use super::checker::{CheckLimits, SecretChecker};
use super::failed_logins::{FailedLogins, Login};
use super::login_throttle::{LoginThrottle, Origin, Outcome};
use super::random::random_bytes;
use super::secure_transport::Transport;
use super::ssh_signature::PublicKey;
use super::token::{self, DeviceToken};
use crate::address_key::AddressKey;
use crate::hub::Hub;
use crate::settings::Settings;

/// The checks of a running server.
#[derive(Debug)]
pub(crate) struct IdentityService {
    shared: Arc<Shared>,
    /// Set once, when the server starts.
    start: OnceLock<Start>,
}

/// Known from the start of the server on.
#[derive(Debug)]
struct Start {
    /// Gets the answers.
    hub: Weak<Hub>,
    /// Runs the checks. A thread of the store may begin one, and it has no runtime of its own.
    runtime: Handle,
}

#[derive(Debug)]
struct Shared {
    checker: SecretChecker,
    throttle: Mutex<LoginThrottle>,
    failed_logins: Mutex<FailedLogins>,
    settings: Settings,
    /// In the challenges that clients sign.
    server_id: [u8; SERVER_ID_BYTES],
}

impl IdentityService {
    pub(crate) fn new(settings: &Settings, server_id: [u8; SERVER_ID_BYTES]) -> Self {
        let shared = Shared {
            checker: SecretChecker::new(CheckLimits::default()),
            throttle: Mutex::new(LoginThrottle::new()),
            failed_logins: Mutex::new(FailedLogins::new(Instant::now())),
            settings: settings.clone(),
            server_id,
        };
        Self { shared: Arc::new(shared), start: OnceLock::new() }
    }

    /// Names the hub that gets the answers. The present runtime runs the checks.
    pub(crate) fn set_hub(&self, hub: &Arc<Hub>) {
        let start = Start { hub: Arc::downgrade(hub), runtime: Handle::current() };
        let is_first = self.start.set(start).is_ok();
        debug_assert!(is_first, "a service has one hub");
    }

    /// Hashes a password that the operator sets. `None` if too many passwords are being checked.
    pub(crate) async fn hash_password(&self, secret: Secret) -> Option<String> {
        self.shared.checker.hash(secret, random_bytes()).ok()?.await.ok()
    }

    /// Refuses all further passwords, as if too many were being checked.
    #[cfg(test)]
    pub(crate) fn refuse_checks(&self) {
        self.shared.checker.close();
    }

    /// Starts a check on the runtime, from any thread. The hub gets the answer.
    pub(crate) fn start(&self, session: SessionId, transport: Option<Transport>, request: IdentityRequest) {
        let Some(Start { hub, runtime }) = self.start.get() else { return };
        let (shared, hub) = (Arc::clone(&self.shared), Weak::clone(hub));
        runtime.spawn(async move {
            let answer = answer_always(async move { shared.answer(transport, request).await }).await;
            if let Some(hub) = hub.upgrade() {
                hub.identified(session, answer);
            }
        });
    }
}

/// Answers also if the check panics: the session waits for it.
async fn answer_always(check: impl Future<Output = IdentityAnswer> + Send + 'static) -> IdentityAnswer {
    // The panic is on standard error.
    tokio::spawn(check).await.unwrap_or(IdentityAnswer::Busy)
}

impl Shared {
    /// Checks, and logs a login that fails.
    async fn answer(&self, transport: Option<Transport>, request: IdentityRequest) -> IdentityAnswer {
        let login = Login::of(&request);
        let answer = self.check(transport, request).await;
        if let Some(login) = login {
            let peer = transport.and_then(Transport::peer);
            let mut log = self.failed_logins.lock().unwrap_or_else(PoisonError::into_inner);
            log.log(&login, peer, &answer, Instant::now());
        }
        answer
    }

    async fn check(&self, transport: Option<Transport>, request: IdentityRequest) -> IdentityAnswer {
        match request {
            IdentityRequest::HashPassword(_)
            | IdentityRequest::CheckPassword { .. }
            | IdentityRequest::CheckToken { .. }
            | IdentityRequest::NewToken
                if !self.allows_secrets(transport) =>
            {
                IdentityAnswer::NotSecure
            }
            IdentityRequest::HashPassword(_) | IdentityRequest::ParseKey(_) if !self.admits_credential(transport) => {
                IdentityAnswer::TryLater
            }
            IdentityRequest::HashPassword(secret) => match self.checker.hash(secret, random_bytes()) {
                Ok(hashed) => hashed.await.map_or(IdentityAnswer::Busy, IdentityAnswer::PasswordHashed),
                Err(_) => IdentityAnswer::Busy,
            },
            IdentityRequest::ParseKey(base64) => match PublicKey::from_base64(&base64) {
                Ok(key) => IdentityAnswer::KeyParsed(*key.as_bytes()),
                Err(_) => IdentityAnswer::InvalidKey,
            },
            IdentityRequest::CheckPassword { name, secret, hash } => {
                self.check_password(transport, &name, secret, hash).await
            }
            IdentityRequest::CheckToken { secret, hash, .. } => decision(token::verify(&secret, hash)),
            IdentityRequest::NewToken => {
                let token = DeviceToken::new(random_bytes());
                IdentityAnswer::TokenMade(token.to_text(), token.hash())
            }
            IdentityRequest::NewChallenge { name, device } => {
                let server = ServerIdentity { name: &self.settings.server_name, id: &self.server_id };
                IdentityAnswer::ChallengeMade(Challenge::login(server, &name, &device, random_bytes()).encoded())
            }
            IdentityRequest::CheckSignature { key, challenge, signature, .. } => {
                let challenge = Base64::decode_vec(&challenge).ok().and_then(|text| String::from_utf8(text).ok());
                let key = key.and_then(|key| PublicKey::from_bytes(&key).ok());
                decision(
                    challenge.zip(key).is_some_and(|(text, key)| Challenge::from_text(text).accepts(&key, &signature)),
                )
            }
        }
    }

    /// Checks a password, after the delay that earlier wrong ones have earned.
    async fn check_password(
        &self,
        transport: Option<Transport>,
        name: &str,
        secret: Secret,
        hash: Option<String>,
    ) -> IdentityAnswer {
        let attempt = match (self.origin(transport), Username::new(name)) {
            (Some(origin), Ok(name)) => match self.throttle().begin(origin, &name, Instant::now()) {
                Ok(attempt) => Some(attempt),
                Err(_) => return IdentityAnswer::TryLater,
            },
            // A connection without an address is on this machine, and nobody has an invalid name.
            _ => None,
        };
        if let Some(attempt) = &attempt {
            sleep_until(attempt.starts_at()).await;
        }
        let checked = match self.checker.verify(secret, hash) {
            Ok(checked) => checked.await.ok(),
            Err(_) => None,
        };
        let outcome = match checked {
            Some(true) => Outcome::Accepted,
            Some(false) => Outcome::Refused,
            None => Outcome::NotChecked,
        };
        if let Some(attempt) = attempt {
            self.throttle().finish(attempt, outcome, Instant::now());
        }
        checked.map_or(IdentityAnswer::Busy, decision)
    }

    /// Whether a client of this connection may set a further password or key now.
    fn admits_credential(&self, transport: Option<Transport>) -> bool {
        let origin = self.origin(transport);
        origin.is_none_or(|origin| self.throttle().admit_credential(origin, Instant::now()).is_ok())
    }

    fn allows_secrets(&self, transport: Option<Transport>) -> bool {
        transport.unwrap_or(Transport::Unix).allows_secrets(self.settings.allow_insecure_secrets)
    }

    fn origin(&self, transport: Option<Transport>) -> Option<Origin> {
        let peer = transport?.peer()?;
        let is_limited = self.settings.limit_loopback || !peer.ip().to_canonical().is_loopback();
        Some(Origin { address: AddressKey::new(peer, &self.settings.on_link_prefixes), is_limited })
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, LoginThrottle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decision(is_right: bool) -> IdentityAnswer {
    if is_right { IdentityAnswer::Accepted } else { IdentityAnswer::Rejected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn check_is_answered_also_if_it_panics() {
        let answer = answer_always(async { panic!("a panic for the test") }).await;
        assert!(matches!(answer, IdentityAnswer::Busy), "{answer:?}");
    }
}
