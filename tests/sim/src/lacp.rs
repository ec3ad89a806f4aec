//! The cables between hosts and chassis, and LACP at both ends of them.
//!
//! A host with a bond has one leg to each chassis. It uses the legs that agreed with one partner system; a leg to
//! another one waits. A host that does not speak LACP uses one leg, and tries the other one when that has no carrier or
//! nobody answers there: one in active-backup mode, or one that boots from the network. A static LAG uses every leg that
//! has carrier. Times are drawn at random within what was measured on real bonds.

use iccp_core::Time;
use mclag_proto::{LacpPartner, Mac};

use crate::kernel::BONDS;

/// How far LACP has come on a leg.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// There was no carrier when the ends looked last.
    Down,
    /// The ends are talking.
    Negotiating,
    /// They agreed; the chassis showed this system id.
    Agreed(Mac),
    /// The chassis has given up waiting for an answer.
    Alone,
}

/// One cable between a host and a chassis.
#[derive(Clone, Copy, Debug)]
pub struct Leg {
    /// It is plugged in.
    pub cable: bool,
    /// The host saw carrier when it looked last.
    pub mii_up: bool,
    /// When it was pulled last.
    pub lost_at: Time,
    /// How far LACP has come.
    pub phase: Phase,
    /// Counts what makes earlier timers void.
    pub generation: u64,
    /// How often the chassis fell silent.
    pub silences: u64,
}

/// The bond of a host.
#[derive(Clone, Copy, Debug)]
pub struct HostBond {
    /// Its leg to each chassis.
    pub legs: [Leg; 2],
    /// The partner system whose legs it uses.
    active: Option<Mac>,
    /// It never speaks LACP, and uses both legs.
    is_static: bool,
    /// It does not speak LACP, and uses this leg.
    pub lone: Option<usize>,
}

impl HostBond {
    /// One without cables.
    #[must_use]
    pub const fn new(is_static: bool) -> Self {
        let leg = Leg {
            cable: false,
            mii_up: false,
            lost_at: Time::ZERO,
            phase: Phase::Down,
            generation: 0,
            silences: 0,
        };
        Self {
            legs: [leg; 2],
            active: None,
            is_static,
            lone: None,
        }
    }

    /// Choose the partner whose legs are used: the one in use as long as it has one.
    pub fn select(&mut self) {
        let agreed = |wanted: Option<Mac>| {
            self.legs.iter().find_map(|leg| match leg.phase {
                Phase::Agreed(actor) if wanted.is_none_or(|wanted| wanted == actor) => Some(actor),
                _ => None,
            })
        };
        let kept = self.active.and_then(|active| agreed(Some(active)));
        self.active = kept.or_else(|| agreed(None));
    }

    /// Whether LACP has this leg carry data.
    #[must_use]
    pub fn is_selected(&self, side: usize) -> bool {
        match self.legs[side].phase {
            Phase::Agreed(actor) => self.active == Some(actor),
            Phase::Down | Phase::Negotiating | Phase::Alone => false,
        }
    }

    /// Whether both ends carry data on this leg.
    #[must_use]
    pub fn uses(&self, side: usize) -> bool {
        match self.lone {
            _ if self.is_static => self.legs[side].mii_up,
            Some(leg) => leg == side && self.legs[side].phase == Phase::Alone,
            None => self.is_selected(side),
        }
    }

    /// Whether frames pass on this leg.
    #[must_use]
    pub fn is_usable(&self, side: usize) -> bool {
        self.legs[side].cable && self.uses(side)
    }
}

/// What the bond of this host calls itself.
#[must_use]
pub fn partner(host: usize) -> LacpPartner {
    let [.., low] = host.to_be_bytes();
    LacpPartner {
        system: Mac([2, 0xaa, 0, 0, 0, low]),
        key: 17,
    }
}

/// Bonds of all hosts that have one.
pub type HostBonds = [HostBond; BONDS];
