//! Limits the number of sessions, in total and for each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard_protocol::ErrorCode;
use tokio::sync::Notify;

use crate::settings::Settings;

/// Counts the open sessions, and admits new ones within the limits.
#[derive(Debug)]
pub(crate) struct Admission {
    sessions_max: usize,
    per_address_max: usize,
    limit_loopback: bool,
    counts: Mutex<Counts>,
    /// Notified when the last session ends.
    empty: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    sessions: usize,
    by_address: HashMap<AddressKey, usize>,
}

/// The permission for one session. Dropping a permit makes room for another session.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    /// The address for which the session counts. `None` if the address is exempt from the limit.
    address_key: Option<AddressKey>,
}

impl Permit {
    /// Whether the limits per address and per second apply to the session. By default, loopback is exempt.
    pub(crate) fn is_limited(&self) -> bool {
        self.address_key.is_some()
    }
}

impl Admission {
    pub(crate) fn new(settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            sessions_max: settings.max_sessions,
            per_address_max: settings.max_sessions_per_address,
            limit_loopback: settings.limit_loopback,
            counts: Mutex::default(),
            empty: Notify::new(),
        })
    }

    /// Admits a session from `peer`, or returns the error for the client.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Permit, ErrorCode> {
        let peer = peer.to_canonical();
        let address_key = (self.limit_loopback || !peer.is_loopback()).then(|| AddressKey::new(peer));
        let mut counts = self.lock();
        if counts.sessions >= self.sessions_max {
            return Err(ErrorCode::ServerFull);
        }
        if let Some(address_key) = address_key {
            let address_sessions = counts.by_address.entry(address_key).or_default();
            if *address_sessions >= self.per_address_max {
                return Err(ErrorCode::TooManySessions);
            }
            *address_sessions += 1;
        }
        counts.sessions += 1;
        Ok(Permit { admission: Arc::clone(self), address_key })
    }

    /// The number of open sessions.
    pub(crate) fn sessions(&self) -> usize {
        self.lock().sessions
    }

    /// Waits until no session is open.
    pub(crate) async fn wait_until_empty(&self) {
        loop {
            // Created before the check, so that a notification between the check and the wait is not lost.
            let emptied = self.empty.notified();
            if self.sessions() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        counts.sessions -= 1;
        if counts.sessions == 0 {
            self.admission.empty.notify_waiters();
        }
        let Some(address_key) = self.address_key else { return };
        if let Some(address_sessions) = counts.by_address.get_mut(&address_key) {
            *address_sessions -= 1;
            if *address_sessions == 0 {
                counts.by_address.remove(&address_key);
            }
        }
    }
}

/// Addresses that share one count: a single IPv4 address, or an IPv6 /64, because an IPv6 subscriber has at least a /64
/// (RFC 6177 §2).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum AddressKey {
    V4(Ipv4Addr),
    /// The first 64 bits.
    V6(u64),
}

impl AddressKey {
    fn new(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(sessions_max: usize, per_address_max: usize) -> Arc<Admission> {
        Admission::new(&Settings {
            max_sessions: sessions_max,
            max_sessions_per_address: per_address_max,
            ..Settings::default()
        })
    }

    fn address(address: &str) -> IpAddr {
        address.parse().expect("the address is valid")
    }

    #[test]
    fn sessions_are_limited_by_address_except_on_loopback() {
        let admission = admission(100, 2);
        let cases = [
            ("192.0.2.1", None),
            ("192.0.2.1", None),
            ("192.0.2.1", Some(ErrorCode::TooManySessions)),
            // The same address, mapped into IPv6.
            ("::ffff:192.0.2.1", Some(ErrorCode::TooManySessions)),
            ("192.0.2.2", None),
            // Two addresses of one /64 use up its limit. 2001:db8:0:1::1 is in another /64.
            ("2001:db8::1", None),
            ("2001:db8::ffff:1", None),
            ("2001:db8::2", Some(ErrorCode::TooManySessions)),
            ("2001:db8:0:1::1", None),
            ("127.0.0.1", None),
            ("127.0.0.1", None),
            ("127.0.0.1", None),
        ];
        let mut permits = Vec::new();
        for (given, expected) in cases {
            let admitted = admission.admit(address(given));
            assert_eq!(admitted.as_ref().err().copied(), expected, "given {given}");
            permits.extend(admitted);
        }
        drop(permits);
        assert_eq!(admission.sessions(), 0);
        assert!(admission.lock().by_address.is_empty());
    }

    #[test]
    fn full_server_has_room_after_a_session_ends() {
        let admission = admission(1, 10);
        let permit = admission.admit(address("127.0.0.1")).expect("there is room");
        assert_eq!(admission.admit(address("127.0.0.1")).expect_err("the server is full"), ErrorCode::ServerFull);
        drop(permit);
        assert!(admission.admit(address("127.0.0.1")).is_ok());
    }
}
