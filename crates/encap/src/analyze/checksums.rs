//! What checksums turned out to be, counted.

use std::ops::AddAssign;

use serde::Serialize;

use crate::wire::Checksum;
use crate::wire::frame::VerifiedChecksums;

/// How many checksums were in which state.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Checksums {
    /// Right.
    pub valid: u64,
    /// Left to the network card, which was to finish the sum (checksum offload).
    pub partial: u64,
    /// Zero: not used, or left to the network card.
    pub zeroed: u64,
    /// Not right, for no common reason.
    pub wrong: u64,
    /// Not to be verified: the capture does not hold all that was summed.
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
    pub(super) fn of(verified: VerifiedChecksums) -> Self {
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
