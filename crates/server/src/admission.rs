//! Limits the number of sessions, in total and for each address.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard_protocol::ErrorCode;
use tokio::sync::Notify;

use crate::address_key::AddressKey;
use crate::settings::Settings;
use switchboard_protocol::IpPrefix;

/// Counts the open sessions, and admits new ones within the limits.
#[derive(Debug)]
pub(crate) struct Admission {
    sessions_max: usize,
    per_address_max: usize,
    limit_loopback: bool,
    on_link_prefixes: Vec<IpPrefix>,
    counts: Mutex<Counts>,
    /// Notified when the last session ends.
    empty: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    sessions: usize,
    /// Connections that were refused since the start: the server was full, or their address had too many.
    refused_full: u64,
    refused_address: u64,
    by_address: HashMap<Arc<AddressKey>, usize>,
}

impl Counts {
    /// Counts a session for `address_key`, unless `max` sessions are counted for it.
    fn add(&mut self, address_key: AddressKey, max: usize) -> Result<Arc<AddressKey>, ErrorCode> {
        let address_key = match self.by_address.get_key_value(&address_key) {
            Some((_, &sessions)) if sessions >= max => {
                self.refused_address += 1;
                return Err(ErrorCode::TooManySessions);
            }
            Some((address_key, _)) => Arc::clone(address_key),
            None => Arc::new(address_key),
        };
        *self.by_address.entry(Arc::clone(&address_key)).or_default() += 1;
        Ok(address_key)
    }
}

/// The permission for one session. Dropping a permit makes room for another session.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    /// The address for which the session counts, shared with the key in [`Counts`], so that an idle connection holds no
    /// more than a pointer. `None` if the address is exempt from the limit.
    address_key: Option<Arc<AddressKey>>,
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
            on_link_prefixes: settings.on_link_prefixes.clone(),
            counts: Mutex::default(),
            empty: Notify::new(),
        })
    }

    /// Admits a session from `peer`, or returns the error for the client.
    pub(crate) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Result<Permit, ErrorCode> {
        let is_limited = self.limit_loopback || !peer.ip().to_canonical().is_loopback();
        let address_key = is_limited.then(|| AddressKey::new(peer, &self.on_link_prefixes));
        let mut counts = self.lock();
        if counts.sessions >= self.sessions_max {
            counts.refused_full += 1;
            return Err(ErrorCode::ServerFull);
        }
        let address_key = match address_key {
            Some(address_key) => Some(counts.add(address_key, self.per_address_max)?),
            None => None,
        };
        counts.sessions += 1;
        Ok(Permit { admission: Arc::clone(self), address_key })
    }

    /// Admits a connection of a trusted proxy, whose clients count by themselves.
    pub(crate) fn admit_proxy(self: &Arc<Self>) -> Result<Permit, ErrorCode> {
        let mut counts = self.lock();
        if counts.sessions >= self.sessions_max {
            counts.refused_full += 1;
            return Err(ErrorCode::ServerFull);
        }
        counts.sessions += 1;
        Ok(Permit { admission: Arc::clone(self), address_key: None })
    }

    /// The numbers of connections that were refused since the start, by code.
    pub(crate) fn refusals(&self) -> [(ErrorCode, u64); 2] {
        let counts = self.lock();
        [(ErrorCode::ServerFull, counts.refused_full), (ErrorCode::TooManySessions, counts.refused_address)]
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
        let Some(address_key) = &self.address_key else { return };
        if let Some(address_sessions) = counts.by_address.get_mut(address_key) {
            *address_sessions -= 1;
            if *address_sessions == 0 {
                counts.by_address.remove(address_key);
            }
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

    /// The socket address of a peer with this address. For a link-local one, the number of the interface follows a `%`.
    fn peer(address: &str) -> SocketAddr {
        match address.parse() {
            Ok(address) => SocketAddr::new(address, 50_000),
            Err(_) => format!("[{address}]:50000").parse().expect("the address is valid"),
        }
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
            // Machines on one link do not use up the limit of each other.
            ("fe80::1%2", None),
            ("fe80::1%2", None),
            ("fe80::1%2", Some(ErrorCode::TooManySessions)),
            ("fe80::2%2", None),
            ("127.0.0.1", None),
            ("127.0.0.1", None),
            ("127.0.0.1", None),
        ];
        let mut permits = Vec::new();
        for (given, expected) in cases {
            let admitted = admission.admit(peer(given));
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
        let permit = admission.admit(peer("127.0.0.1")).expect("there is room");
        assert_eq!(admission.admit(peer("127.0.0.1")).expect_err("the server is full"), ErrorCode::ServerFull);
        drop(permit);
        assert!(admission.admit(peer("127.0.0.1")).is_ok());
    }
}
