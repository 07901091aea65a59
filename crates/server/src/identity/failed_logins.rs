//! The log of failed logins, for the operator. Anybody can cause its lines, so their rate is bounded.

use std::net::SocketAddr;

use switchboard_core::{IdentityAnswer, IdentityRequest};
use switchboard_protocol::Username;
use tokio::time::Instant;

use crate::telemetry;
use crate::throttle::TokenBucket;

/// Maximum lines in a second: enough to see who guesses, and too few to fill a disk.
const LINES_PER_SECOND: u32 = 10;

/// The state of the log.
#[derive(Debug)]
pub(crate) struct FailedLogins {
    bucket: TokenBucket,
    /// Failures since the last line that have none of their own.
    unlogged: u64,
}

/// A login whose proof is checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Login {
    /// The folded name of the account. `None` if no account can have the name: the word may be a secret in the wrong
    /// place.
    account: Option<String>,
    proof: &'static str,
}

impl Login {
    /// The login that asks for this check, if a login does.
    pub(crate) fn of(request: &IdentityRequest) -> Option<Self> {
        let (name, proof) = match request {
            IdentityRequest::CheckPassword { name, .. } => (name, "password"),
            IdentityRequest::CheckToken { name, .. } => (name, "token"),
            IdentityRequest::CheckSignature { name, .. } => (name, "key"),
            IdentityRequest::HashPassword(_)
            | IdentityRequest::ParseKey(_)
            | IdentityRequest::NewToken
            | IdentityRequest::NewChallenge { .. } => return None,
        };
        Some(Self { account: Username::new(name).is_ok().then(|| name.clone()), proof })
    }
}

impl FailedLogins {
    pub(crate) fn new(now: Instant) -> Self {
        Self { bucket: TokenBucket::new(LINES_PER_SECOND, now), unlogged: 0 }
    }

    /// Logs a login that was refused, unless there are too many. `peer`: the other end, if it has an address.
    pub(crate) fn log(&mut self, login: &Login, peer: Option<SocketAddr>, answer: &IdentityAnswer, now: Instant) {
        let why = match answer {
            IdentityAnswer::Rejected => "wrong",
            IdentityAnswer::TryLater => "too many attempts",
            _ => return,
        };
        if let Some(unlogged) = self.begin_line(now) {
            telemetry::login_failed(peer, login.account.as_deref(), login.proof, why, unlogged);
        }
    }

    /// Counts a failure. Returns the failures without a line before it, if it has a line.
    fn begin_line(&mut self, now: Instant) -> Option<u64> {
        if self.bucket.available(now).is_err() {
            self.unlogged += 1;
            return None;
        }
        self.bucket.take(1);
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use switchboard_protocol::version2::Secret;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_are_bounded_and_the_others_are_counted() {
        let start = Instant::now();
        let mut log = FailedLogins::new(start);
        let lines = (0..1000).filter(|_| log.begin_line(start) == Some(0)).count();
        assert_eq!(lines, LINES_PER_SECOND as usize);
        assert_eq!(log.begin_line(start + Duration::from_millis(100)), Some(990));
        assert_eq!(log.begin_line(start + Duration::from_millis(100)), None);
    }

    #[test]
    fn name_that_no_account_can_have_is_not_logged() {
        let login = |name: &str| {
            let secret = Secret::new("secret");
            Login::of(&IdentityRequest::CheckPassword { name: name.to_owned(), secret, hash: None }).expect("a login")
        };
        assert_eq!(login("noy"), Login { account: Some("noy".to_owned()), proof: "password" });
        assert_eq!(login("my:password").account, None);
        assert_eq!(Login::of(&IdentityRequest::NewToken), None);
    }
}
