//! The tickets by which clients resume sessions (RFC 8446 §2.2), until the certificate is another one.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::ProducesTickets;

/// Seals the state of sessions into tickets, by a key in memory. The clients keep the tickets, so they cost the server
/// no memory.
#[derive(Debug)]
pub(super) struct Tickets(RwLock<Option<Arc<dyn ProducesTickets>>>);

impl Tickets {
    pub(super) fn new() -> Self {
        Self(RwLock::new(new_key()))
    }

    /// Makes all tickets invalid. A resumed session shows no certificate, so an old ticket would hide a new one.
    pub(super) fn invalidate(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new_key();
    }

    fn key(&self) -> Option<Arc<dyn ProducesTickets>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A random key. Without one, there are no tickets, and each session begins with a full handshake.
fn new_key() -> Option<Arc<dyn ProducesTickets>> {
    ring::Ticketer::new().ok()
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.key().is_some_and(|key| key.enabled())
    }

    fn lifetime(&self) -> u32 {
        self.key().map_or(0, |key| key.lifetime())
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.key()?.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.key()?.decrypt(cipher)
    }
}
