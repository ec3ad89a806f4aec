//! What of this chassis goes wrong with a pair, or of both because it is the same on both: shown, written down once per
//! change, and otherwise without effect.

use super::{Domain, SessionState};
use crate::input::LinkKind;
use mclag_proto::Vid;
use mclag_proto::ctl::Warning;
use mclag_proto::sync::model::FdbKey;
use std::collections::BTreeSet;

impl Domain {
    /// What there is of it now; nothing while the interfaces are not known.
    pub(super) fn hazards(&self) -> Vec<Warning> {
        if !self.links.is_ready() {
            return Vec::new();
        }
        let same = [self.same_node_mac(), self.same_bridge_mac()];
        let here = [
            self.spanning_tree(),
            self.peer_link_mtu(),
            self.peer_link_vlans(),
        ];
        let found = same.into_iter().chain(here).flatten();
        let found = found.chain(self.tunnels());
        found.chain(self.hindered_ports()).collect()
    }

    fn hindered_ports(&self) -> impl Iterator<Item = Warning> {
        self.ports.keys().filter_map(|port| {
            let reason = self.links.hindrance(port, &self.config.bridge)?;
            Some(Warning::PortCarriesNothing {
                port: *port,
                reason,
            })
        })
    }

    fn same_node_mac(&self) -> Option<Warning> {
        let mac = self.peer.announce()?.node_mac;
        (mac == self.config.node_mac).then_some(Warning::SameNodeMac { mac })
    }

    /// As one of our own advertises it, among the addresses of its chassis itself.
    fn same_bridge_mac(&self) -> Option<Warning> {
        let mac = self.links.by_name(&self.config.bridge)?.mac?;
        let vid = Vid::DEFAULT;
        let there = self.tables.fdb.is_configured_at_peer(FdbKey { vid, mac });
        let synchronised = self.session.state() == SessionState::Exchange;
        (there && synchronised).then_some(Warning::SameBridgeMac { mac })
    }

    fn spanning_tree(&self) -> Option<Warning> {
        let bridge = self.config.bridge;
        let runs = self.links.runs_spanning_tree(&bridge);
        runs.then_some(Warning::SpanningTree { bridge })
    }

    fn peer_link_mtu(&self) -> Option<Warning> {
        let peer_link = self.links.mtu(&self.config.peer_link?)?;
        let ports = self.ports.keys();
        let ports = ports.filter_map(|name| Some((self.links.mtu(name)?, *name)));
        // Of several the first in the order of the names.
        let (mtu, port) = ports.reduce(|most, port| if port.0 > most.0 { port } else { most })?;
        (peer_link < mtu).then_some(Warning::PeerLinkMtu {
            peer_link,
            port,
            mtu,
        })
    }

    fn peer_link_vlans(&self) -> Option<Warning> {
        if !self.links.filters(&self.config.bridge) {
            return None;
        }
        let carried = self.links.vids(&self.config.peer_link?)?;
        let of_ports = self.ports.keys().filter_map(|name| self.links.vids(name));
        let vids: BTreeSet<Vid> = of_ports
            .flat_map(|vids| vids.difference(carried))
            .copied()
            .collect();
        let vids: Vec<Vid> = vids.into_iter().collect();
        (!vids.is_empty()).then_some(Warning::PeerLinkVlans { vids })
    }

    fn tunnels(&self) -> impl Iterator<Item = Warning> {
        let bridge = self.links.by_name(&self.config.bridge);
        let bridge = bridge.map(|bridge| bridge.index);
        let peer_link = self.config.peer_link;
        let tunnels = self.links.iter().filter(move |link| {
            let is_port = link.master.is_some() && link.master == bridge;
            is_port && link.kind == LinkKind::Vxlan && Some(link.name) != peer_link
        });
        tunnels.map(|link| Warning::Tunnel { port: link.name })
    }
}
