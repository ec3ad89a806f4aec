//! Whether everything is as it should be, and how far it is not.

use super::World;

impl World {
    /// All processes run, and both chassis are synchronised.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.wire_cut
            && self.now >= self.late_until
            && self.is_watched()
            && self.chassis.iter().all(|chassis| {
                let iccpd = chassis.iccpd.as_ref();
                iccpd.is_some_and(|process| process.is_synchronised(self.now))
            })
    }

    /// Neither chassis has a session.
    #[must_use]
    pub fn is_parted(&self) -> bool {
        self.chassis.iter().all(|chassis| {
            let iccpd = chassis.iccpd.as_ref();
            iccpd.is_none_or(|process| !process.is_synchronised(self.now))
        })
    }

    /// On both chassis somebody learns at once what the kernel sees.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.chassis.iter().all(|chassis| {
            chassis.is_frozen == [false; 2]
                && !chassis.kernel.is_stalled
                && chassis.local[1].is_some()
                && chassis.local[0] == chassis.local[1]
        })
    }
}
