//! The legs of hosts: carriers, LACP at both ends, and who is behind which port.

use super::{Place, SIDES, STATIONS, Timer, World};
use crate::kernel::{BONDS, Found, bond, bond_name, member};
use crate::lacp::{Phase, partner};

impl World {
    /// The number of the host behind an MLAG port of a chassis, or of the port that leads to a host.
    #[must_use]
    pub const fn opposite(&self, side: usize, number: usize) -> usize {
        if self.crossed[side] {
            BONDS - 1 - number
        } else {
            number
        }
    }

    /// The ends of a leg look at its carrier.
    pub(super) fn notice(&mut self, side: usize, port: usize) {
        let kernel = &mut self.chassis[side].kernel;
        if kernel.runs_lacp(bond(port)) {
            kernel.notice_carrier(member(port));
        }
        let host = self.opposite(side, port);
        let leg = &mut self.hosts[host].legs[side];
        if leg.mii_up != leg.cable {
            leg.mii_up = leg.cable;
            leg.generation += 1;
            let generation = leg.generation;
            if self.options.static_lags {
                self.select(host);
            } else if leg.mii_up {
                let delay = self.jitter(1_000, 100_000);
                self.after(
                    delay,
                    Timer::Restart {
                        side,
                        host,
                        generation,
                    },
                );
            } else {
                leg.phase = Phase::Down;
                self.select(host);
            }
        }
        self.kernel_moved(side);
    }

    pub(super) fn negotiate(&mut self, side: usize, host: usize) {
        let leg = &mut self.hosts[host].legs[side];
        leg.phase = Phase::Negotiating;
        leg.generation += 1;
        let generation = leg.generation;
        self.select(host);
        if self.hosts[host].lone.is_some() {
            self.expire(side, host);
            return;
        }
        let delay = self.jitter(100_000, 1_000_000);
        self.after(
            delay,
            Timer::Agree {
                side,
                host,
                generation,
            },
        );
    }

    /// Nothing comes from a chassis on a leg, and nothing is heard there: LACP does not run.
    pub(super) fn is_silent(&self, side: usize, host: usize) -> bool {
        let port = bond(self.opposite(side, host));
        !self.chassis[side].kernel.runs_lacp(port)
    }

    /// LACP of a chassis is about to fall silent on a leg, which the host misses after a while.
    pub(super) fn fall_silent(&mut self, side: usize, host: usize) {
        if self.is_silent(side, host) {
            return;
        }
        let leg = &mut self.hosts[host].legs[side];
        leg.silences += 1;
        let silence = leg.silences;
        let delay = self.jitter(2_000_000, 3_200_000);
        self.after(
            delay,
            Timer::Miss {
                side,
                host,
                silence,
            },
        );
    }

    /// A host has heard nothing of a chassis for long.
    pub(super) fn miss(&mut self, side: usize, host: usize, silence: u64) {
        let leg = &self.hosts[host].legs[side];
        let is_meant = self.is_silent(side, host) && leg.silences == silence;
        if is_meant && matches!(leg.phase, Phase::Agreed(_)) {
            self.negotiate(side, host);
        }
    }

    /// LACP of a chassis speaks again on a leg, and remembers what it had agreed on.
    pub(super) fn speak_again(&mut self, side: usize, host: usize) {
        let is_lone = self.hosts[host].lone.is_some();
        match self.hosts[host].legs[side].phase {
            _ if self.is_silent(side, host) => {}
            Phase::Negotiating => self.negotiate(side, host),
            Phase::Agreed(_) if is_lone => self.expire(side, host),
            Phase::Down | Phase::Agreed(_) | Phase::Alone => self.select(host),
        }
    }

    /// LACP of the chassis waits in vain, as from now.
    pub(super) fn expire(&mut self, side: usize, host: usize) {
        let generation = self.hosts[host].legs[side].generation;
        let delay = self.jitter(2_000_000, 3_200_000);
        self.after(
            delay,
            Timer::Expire {
                side,
                host,
                generation,
            },
        );
    }

    /// The host chooses anew, and the chassis see what comes of it.
    pub(super) fn select(&mut self, host: usize) {
        self.hosts[host].select();
        let legs = SIDES.map(|side| self.hosts[host].uses(side));
        if std::mem::replace(&mut self.legs[host], legs) != legs && !self.is_paired(host) {
            // Its legs lead to different places.
            self.displace_stations(host);
        }
        if self.options.static_lags {
            return;
        }
        for side in SIDES {
            let port = self.opposite(side, host);
            let bond = &self.hosts[host];
            // What was agreed on before a loss stays on display until negotiation begins anew.
            let found = match bond.legs[side].phase {
                Phase::Down => continue,
                // It finds out when it goes on.
                _ if self.is_silent(side, host) => continue,
                Phase::Negotiating => Found::NobodyYet,
                Phase::Agreed(_) => Found::Partner {
                    partner: partner(host),
                    is_used: bond.is_selected(side),
                },
                Phase::Alone => Found::Nobody,
            };
            self.chassis[side].kernel.negotiate(member(port), found);
        }
    }

    /// Whether both legs of a host lead to two halves of one port.
    pub(crate) fn is_paired(&self, host: usize) -> bool {
        SIDES.iter().all(|side| {
            let port = self.opposite(*side, host);
            let name = bond_name(port);
            let is_member = self.chassis[*side].config.ports.contains(&name);
            is_member && self.is_known(*side, bond(port), &name)
        }) && self.crossed[0] == self.crossed[1]
            && self.is_one(self.opposite(0, host))
    }

    /// Whether the ids that were given to both halves of an MLAG port let them be one.
    fn is_one(&self, port: usize) -> bool {
        let given = |side: usize| self.chassis[side].config.port_ids.get(&bond_name(port));
        given(0)
            .zip(given(1))
            .is_none_or(|(one, other)| one == other)
    }

    /// The stations behind a host are somewhere else, and have nothing to say.
    pub(crate) fn displace_stations(&mut self, host: usize) {
        for station in 0..STATIONS {
            if self.stations[station] == Place::Bond(host) {
                self.checks.displace_station(station, self.now);
            }
        }
    }
}
