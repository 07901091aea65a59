//! The state that all clients of a run share.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ledger::Ledger;

/// The stages of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// The devices write, and the server is killed.
    Load,
    /// The devices wait for their answers, and read what they have missed.
    Settling,
    Over,
}

pub(crate) struct World {
    /// The present address of the server.
    address: Mutex<SocketAddr>,
    stage: Mutex<Stage>,
    ledger: Mutex<Ledger>,
}

impl World {
    pub(crate) fn new(address: SocketAddr, ledger: Ledger) -> Self {
        Self { address: Mutex::new(address), stage: Mutex::new(Stage::Load), ledger: Mutex::new(ledger) }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        *lock(&self.address)
    }

    pub(crate) fn set_address(&self, address: SocketAddr) {
        *lock(&self.address) = address;
    }

    pub(crate) fn stage(&self) -> Stage {
        *lock(&self.stage)
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        *lock(&self.stage) = stage;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage() == Stage::Over
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
