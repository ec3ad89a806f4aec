//! Frames of stations, on their way through both chassis.

use mclag_proto::{Mac, Vid};
use proptest::prelude::Rng as _;

use super::{Place, SIDES, World, key};
use crate::kernel::{BONDS, ORPHAN, PEER_LINK, bond};

/// Where a frame went.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// The places that it was delivered to, once each time.
    pub arrivals: Vec<Place>,
    /// The ports that it entered.
    pub path: Vec<(usize, u32)>,
    /// It went round.
    pub is_loop: bool,
}

impl World {
    /// The ways by which a station at this place can send now: chassis and port.
    #[must_use]
    pub fn ways(&self, from: Place) -> Vec<(usize, u32)> {
        match from {
            Place::Bond(host) => {
                let usable = SIDES
                    .into_iter()
                    .filter(|side| self.hosts[host].is_usable(*side));
                usable
                    .map(|side| (side, bond(self.opposite(side, host))))
                    .collect()
            }
            Place::Orphan(side) => vec![(side, ORPHAN)],
        }
    }

    /// Where a frame arrives that enters here, and the ports that it enters on the way.
    #[must_use]
    pub fn walk(&self, way: (usize, u32), vid: Vid, to: Option<Mac>) -> Walk {
        let mut walk = Walk::default();
        let mut todo = vec![way];
        while let Some((side, ingress)) = todo.pop() {
            let kernel = &self.chassis[side].kernel;
            if !kernel.accepts(ingress, vid) {
                continue;
            }
            walk.path.push((side, ingress));
            if walk.path.len() > 16 {
                walk.is_loop = true;
                return walk;
            }
            for out in kernel.egress(ingress, vid, to) {
                if out == PEER_LINK {
                    if self.peer_cable {
                        todo.push((1 - side, PEER_LINK));
                    }
                } else if out == ORPHAN {
                    walk.arrivals.push(Place::Orphan(side));
                } else if let Some(port) = (0..BONDS).find(|port| bond(*port) == out)
                    && let host = self.opposite(side, port)
                    && self.hosts[host].is_usable(side)
                {
                    walk.arrivals.push(Place::Bond(host));
                }
            }
        }
        walk
    }

    /// A station sends a frame to everybody; tables learn from it. Returns whether any chassis took it in.
    pub fn speak(&mut self, station: usize) -> bool {
        let ways = self.ways(self.stations[station]);
        if ways.is_empty() {
            return false;
        }
        let [.., draw] = self.rng.next_u32().to_be_bytes();
        let way = ways[usize::from(draw) % ways.len()];
        let walk = self.walk(way, key(station).vid, None);
        let is_taken_in = !walk.path.is_empty();
        if is_taken_in {
            let is_heard = !self.is_undecided(station) && self.is_healthy();
            self.checks.heard(station, is_heard, self.now);
            self.spoke_at[station] = Some(self.now);
            self.is_no_news[station] = [false; 2];
        }
        for (side, ingress) in walk.path {
            let now = self.now;
            let is_news = self.chassis[side].kernel.learn(key(station), ingress, now);
            self.is_no_news[station][side] |= !is_news;
            self.kernel_moved(side);
        }
        is_taken_in
    }
}
