//! Counts checksums by the result of their verification.

use std::ops::AddAssign;

use serde::Serialize;

use crate::wire::Checksum;
use crate::wire::frame::VerifiedChecksums;

/// Number of checksums by the result of their verification.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Checksums {
    /// Correct.
    pub valid: u64,
    /// Only the sum of the pseudo-header: the kernel left the rest to the network card (checksum offload).
    pub partial: u64,
    /// Zero: unused, or left to the network card.
    pub zeroed: u64,
    /// Neither correct, partial nor zero.
    pub wrong: u64,
    /// Not verifiable: the capture lacks some of the bytes that the checksum covers.
    pub uncheckable: u64,
}

impl AddAssign for Checksums {
    fn add_assign(&mut self, more: Self) {
        self.valid += more.valid;
        self.partial += more.partial;
        self.zeroed += more.zeroed;
        self.wrong += more.wrong;
        self.uncheckable += more.uncheckable;
    }
}

impl Checksums {
    pub(super) fn from_verified(verified: VerifiedChecksums) -> Self {
        let mut checksums = Self::default();
        checksums.add(verified);
        checksums
    }

    pub(super) fn add(&mut self, verified: VerifiedChecksums) {
        for checksum in [verified.network, verified.transport].into_iter().flatten() {
            *match checksum {
                Checksum::Valid => &mut self.valid,
                Checksum::Partial => &mut self.partial,
                Checksum::Zeroed(_) => &mut self.zeroed,
                Checksum::Wrong { .. } => &mut self.wrong,
                Checksum::Uncheckable(_) => &mut self.uncheckable,
            } += 1;
        }
    }
}
