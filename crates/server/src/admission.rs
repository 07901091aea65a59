//! Who may come in: how many sessions in all, and how many from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard_protocol::Code;

use crate::settings::Settings;

/// Counts the sessions that are here.
#[derive(Debug)]
pub(crate) struct Admission {
    sessions_max: usize,
    per_address_max: usize,
    limit_loopback: bool,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    sessions: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to be here. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Pass {
    admission: Arc<Admission>,
    /// The address that it counts for, where addresses have a limit.
    address: Option<IpAddr>,
}

impl Pass {
    /// Whether the limits for strangers apply: loopback is the operator's own.
    pub(crate) fn is_limited(&self) -> bool {
        self.address.is_some()
    }
}

impl Admission {
    pub(crate) fn new(settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            sessions_max: settings.max_sessions,
            per_address_max: settings.max_sessions_per_address,
            limit_loopback: settings.limit_loopback,
            counts: Mutex::default(),
        })
    }

    /// Lets a session from `peer` in, or says why not.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Pass, Code> {
        let peer = peer.to_canonical();
        let address = (self.limit_loopback || !peer.is_loopback()).then(|| household(peer));
        let mut counts = self.lock();
        if counts.sessions >= self.sessions_max {
            return Err(Code::ServerFull);
        }
        if let Some(address) = address {
            let of_address = counts.by_address.entry(address).or_default();
            if *of_address >= self.per_address_max {
                return Err(Code::TooManySessions);
            }
            *of_address += 1;
        }
        counts.sessions += 1;
        Ok(Pass { admission: Arc::clone(self), address })
    }

    /// How many sessions are here.
    pub(crate) fn sessions(&self) -> usize {
        self.lock().sessions
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        counts.sessions -= 1;
        let Some(address) = self.address else { return };
        if let Some(of_address) = counts.by_address.get_mut(&address) {
            *of_address -= 1;
            if *of_address == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// What counts as one address: an IPv6 subscriber has a /64 of them at least (RFC 6177 §2).
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
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
        address.parse().expect("an address")
    }

    #[test]
    fn an_address_has_its_share_and_loopback_is_exempt() {
        let admission = admission(100, 2);
        let cases = [
            ("192.0.2.1", None),
            ("192.0.2.1", None),
            ("192.0.2.1", Some(Code::TooManySessions)),
            ("::ffff:192.0.2.1", Some(Code::TooManySessions)),
            ("192.0.2.2", None),
            ("2001:db8::1", None),
            ("2001:db8::ffff:1", None),
            ("2001:db8::2", Some(Code::TooManySessions)),
            ("2001:db8:0:1::1", None),
            ("127.0.0.1", None),
            ("127.0.0.1", None),
            ("127.0.0.1", None),
        ];
        let mut passes = Vec::new();
        for (given, expected) in cases {
            let admitted = admission.admit(address(given));
            assert_eq!(admitted.as_ref().err().copied(), expected, "given {given}");
            passes.extend(admitted);
        }
        drop(passes);
        assert_eq!(admission.sessions(), 0);
        assert!(admission.lock().by_address.is_empty());
    }

    #[test]
    fn a_full_server_has_room_again_when_somebody_leaves() {
        let admission = admission(1, 10);
        let pass = admission.admit(address("127.0.0.1")).expect("there is room");
        assert_eq!(admission.admit(address("127.0.0.1")).expect_err("it is full"), Code::ServerFull);
        drop(pass);
        assert!(admission.admit(address("127.0.0.1")).is_ok());
    }
}
