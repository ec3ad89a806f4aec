//! What processes see of the kernel: events, and pictures of all of it.

use std::collections::{BTreeMap, BTreeSet};

use mclag_netlink::{
    ActorSystem, BondInfo, BondMember, BondMode, BridgePort, BridgeVlans, Event, LacpInfo,
    LacpState, LinkInfo, LinkKind, McastSnooping, Oper, PortState, VlanSet,
};
use mclag_proto::sync::model::OpError;
use mclag_proto::{IfName, Vid};
use syncd::backend::BackendEvent;
use syncd::dataplane::{self, Actual, InterfaceActual, Lacp, PortActual};

use super::{BRIDGE, DeviceKind, Kernel, Port, VIDS};

/// Who looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reader {
    /// One without privilege.
    Iccpd,
    /// One with `CAP_NET_ADMIN`.
    Syncd,
}

impl Kernel {
    /// Something about an interface changed, and with it perhaps the carrier of others.
    pub(super) fn device_changed(&mut self, index: u32) {
        self.version += 1;
        self.follow_carriers();
        let mut changed = vec![index];
        for other in self.devices.keys().copied().collect::<Vec<_>>() {
            let runs = [self.has_carrier(other), self.is_enabled(other)];
            let ran = self
                .devices
                .get_mut(&other)
                .map(|device| std::mem::replace(&mut device.ran, runs));
            if ran != Some(runs) && other != index {
                changed.push(other);
            }
            let port = self.devices[&other].port;
            let is_disabled = matches!((ran, runs), (Some([_, true]), [_, false]));
            if is_disabled && port.is_some_and(|port| port.backup.is_none()) {
                self.flush(other, false);
            }
        }
        for index in changed {
            if let Some(info) = self.info(index, Reader::Iccpd) {
                self.for_iccpd.push(Event::Link(Box::new(info)));
            }
            self.report_to_syncd(index);
        }
    }

    /// A port joined or left the bridge.
    pub(super) fn membership_changed(&mut self, index: u32, is_port: bool) {
        match is_port {
            true => self.vlans_changed(index),
            false => {
                self.for_iccpd.push(Event::LeftBridge { index });
                self.report_to_syncd(index);
            }
        }
    }

    /// A port carries other VLANs.
    pub(super) fn vlans_changed(&mut self, index: u32) {
        let device = self.devices.get(&index);
        if let Some(port) = device.and_then(|device| device.port) {
            let vlans = vlans(&port);
            self.for_iccpd.push(Event::BridgeVlans { index, vlans });
            self.report_to_syncd(index);
        }
    }

    pub(super) fn report_to_syncd(&mut self, index: u32) {
        let Some(name) = self.called(index) else {
            return;
        };
        self.for_syncd.push(BackendEvent::Port {
            port: name,
            actual: self.port_actual(index),
        });
        self.for_syncd.push(BackendEvent::Interface {
            interface: name,
            actual: self.interface_actual(index),
        });
    }

    /// There is no interface of this name any more.
    pub(super) fn gone_for_syncd(&mut self, name: IfName) {
        self.for_syncd.push(BackendEvent::Port {
            port: name,
            actual: None,
        });
        self.for_syncd.push(BackendEvent::Interface {
            interface: name,
            actual: None,
        });
    }

    /// Something changed that the backend tells by having everything looked at.
    pub(super) fn look_again(&mut self, why: &'static str) {
        self.for_syncd.push(BackendEvent::Resync { why });
    }

    /// Somebody else changed what keeps frames from passing.
    pub(super) fn holds_changed(&mut self) {
        self.for_syncd.push(self.filter_event());
    }

    /// What keeps frames from passing.
    #[must_use]
    pub fn filter_event(&self) -> BackendEvent {
        let (filter, held) = (self.filter_actual(), self.held());
        BackendEvent::Filter { filter, held }
    }

    /// An interface as netlink describes it.
    #[must_use]
    pub fn info(&self, index: u32, reader: Reader) -> Option<LinkInfo> {
        let device = self.devices.get(&index)?;
        let runs = self.has_carrier(index);
        Some(LinkInfo {
            index,
            name: device.name,
            mac: Some(self.mac_of(index)),
            admin_up: device.admin_up,
            lower_up: runs,
            oper: if runs { Oper::Up } else { Oper::Down },
            master: match device.kind {
                DeviceKind::Member { bond, .. } => Some(bond),
                _ => device.port.map(|_| BRIDGE),
            },
            mtu: 1500,
            kind: self.kind(index, reader)?,
            member: self.member_info(index),
            bridge_port: device.port.map(|port| BridgePort {
                state: match (self.is_enabled(index), self.waits_to_forward(index)) {
                    (false, _) => PortState::Disabled,
                    (true, true) => PortState::Listening,
                    (true, false) => PortState::Forwarding,
                },
                learning: port.learning,
                flood: true,
                isolated: false,
                backup_port: port.backup,
                mcast_router: None,
            }),
        })
    }

    fn kind(&self, index: u32, reader: Reader) -> Option<LinkKind> {
        Some(match self.devices.get(&index)?.kind {
            DeviceKind::Bridge => LinkKind::Bridge {
                vlan_filtering: true,
                mcast_snooping: McastSnooping::Off,
                spanning_tree: self.spanning_tree,
                ageing_time: super::AGEING,
            },
            DeviceKind::Wire { .. } | DeviceKind::Member { .. } => LinkKind::Veth,
            DeviceKind::Bond { min_links, actor } => {
                let partner = self.members(index).find_map(|(_, state)| state.partner);
                LinkKind::Bond(BondInfo {
                    mode: match self.static_lags {
                        true => BondMode::Xor,
                        false => BondMode::Lacp,
                    },
                    miimon_ms: 100,
                    min_links,
                    ad_actor_system: match (reader, actor) {
                        (Reader::Iccpd, _) => ActorSystem::Unreported,
                        (Reader::Syncd, None) => ActorSystem::Own,
                        (Reader::Syncd, Some(mac)) => ActorSystem::Given(mac),
                    },
                    lacp: partner.map(|partner| LacpInfo {
                        num_ports: 1,
                        actor_key: 9,
                        partner_key: partner.key,
                        partner_mac: partner.system,
                    }),
                })
            }
        })
    }

    fn member_info(&self, index: u32) -> Option<BondMember> {
        let state = self.member_state(index)?;
        if self.static_lags {
            return Some(BondMember {
                active: state.mii_up,
                mii_up: state.mii_up,
                link_failures: state.failures,
                queue_id: 0,
                aggregator: None,
                actor_state: LacpState::empty(),
                partner_state: LacpState::empty(),
            });
        }
        let agreed = LacpState::SYNCHRONIZATION | LacpState::COLLECTING | LacpState::DISTRIBUTING;
        // A partner that uses its other legs is in sync on none but those.
        let (actor, partner) = match (state.partner, state.is_used) {
            (Some(_), true) => (agreed, agreed),
            (Some(_), false) => (LacpState::SYNCHRONIZATION, LacpState::empty()),
            (None, _) if state.is_alone => (LacpState::DEFAULTED, LacpState::empty()),
            (None, _) => (LacpState::EXPIRED, LacpState::EXPIRED),
        };
        Some(BondMember {
            active: state.mii_up,
            mii_up: state.mii_up,
            link_failures: state.failures,
            queue_id: 0,
            aggregator: Some(1),
            actor_state: LacpState::ACTIVITY | actor,
            partner_state: LacpState::ACTIVITY | partner,
        })
    }

    /// Every interface, as netlink lists them.
    #[must_use]
    pub fn infos(&self, reader: Reader) -> BTreeMap<u32, LinkInfo> {
        let all = self.devices.keys();
        all.filter_map(|index| Some((*index, self.info(*index, reader)?)))
            .collect()
    }

    /// VLANs of every port.
    #[must_use]
    pub fn bridge_vlans(&self) -> BTreeMap<u32, BridgeVlans> {
        let devices = self.devices.iter();
        let ports = devices.filter_map(|(index, device)| Some((*index, device.port?)));
        ports.map(|(index, port)| (index, vlans(&port))).collect()
    }

    /// A picture of the dataplane.
    ///
    /// # Errors
    ///
    /// When there is no such bridge.
    pub fn picture(&self, bridge: Option<IfName>) -> Result<Actual, OpError> {
        if let Some(bridge) = bridge
            && self.named(&bridge) != Some(BRIDGE)
        {
            return Err(OpError::waiting_for(&bridge));
        }
        let indices = || self.devices.keys().copied();
        let fdb = self.fdb.iter().filter(|_| bridge.is_some());
        Ok(Actual {
            routed: BTreeSet::new(),
            bridge,
            snooping: dataplane::McastSnooping::Off,
            spanning_tree: self.tree_actual(),
            filter: self.filter_actual(),
            held: self.held(),
            ports: indices()
                .filter_map(|index| {
                    let mut actual = self.port_actual(index)?;
                    actual.bridge_port = actual.bridge_port.filter(|_| bridge.is_some());
                    (actual != PortActual::default()).then_some((self.called(index)?, actual))
                })
                .collect(),
            fdb: fdb
                .filter_map(|(key, entry)| Some((*key, self.as_seen_by_syncd(entry)?)))
                .collect(),
            interfaces: indices()
                .filter_map(|index| Some((self.called(index)?, self.interface_actual(index)?)))
                .collect(),
            neighbours: Default::default(),
        })
    }

    fn filter_actual(&self) -> Option<dataplane::Filter> {
        let name = |name: IfName| self.names.of_kernel(name);
        self.filter.as_ref().map(|filter| dataplane::Filter {
            peer_link: filter.peer_link.and_then(name),
            isolated: filter.isolated.iter().copied().filter_map(name).collect(),
        })
    }

    fn tree_actual(&self) -> Option<dataplane::SpanningTree> {
        let devices = self.devices.iter();
        let held = devices.filter(|(index, _)| self.is_held_by_links(**index));
        self.spanning_tree.then(|| dataplane::SpanningTree {
            held_without_carrier: held.filter_map(|(index, _)| self.called(*index)).collect(),
        })
    }

    fn held(&self) -> BTreeSet<IfName> {
        let held = self
            .devices
            .iter()
            .filter(|(index, _)| self.is_held(**index));
        held.filter_map(|(index, _)| self.called(*index)).collect()
    }

    fn port_actual(&self, index: u32) -> Option<PortActual> {
        let device = self.devices.get(&index)?;
        let bridge_port = device.port.map(|port| dataplane::BridgePort {
            learning: port.learning,
            backup: port.backup.and_then(|backup| self.called(backup)),
            mcast_router: None,
        });
        let lacp = match device.kind {
            DeviceKind::Bond { actor, .. } if !self.static_lags => Some(Lacp { system_mac: actor }),
            _ => None,
        };
        let actual = PortActual { bridge_port, lacp };
        (actual != PortActual::default()).then_some(actual)
    }

    fn interface_actual(&self, index: u32) -> Option<InterfaceActual> {
        let device = self.devices.get(&index)?;
        let info = self.info(index, Reader::Syncd)?;
        let lag = match device.kind {
            DeviceKind::Member { bond, .. } => self.called(bond),
            _ => None,
        };
        Some(InterfaceActual {
            index: Some(index),
            mac: info.mac,
            running: info.is_running(),
            lag,
            vids: device.port.map_or_else(Vec::new, |port| carried(&port)),
            ..InterfaceActual::default()
        })
    }
}

fn carried(port: &Port) -> Vec<Vid> {
    VIDS.into_iter().filter(|vid| port.carries(*vid)).collect()
}

fn vlans(port: &Port) -> BridgeVlans {
    let (mut vids, mut untagged) = (VlanSet::new(), VlanSet::new());
    for vid in carried(port) {
        vids.insert(vid);
    }
    untagged.insert(Vid::DEFAULT);
    BridgeVlans {
        untagged,
        vids,
        pvid: Some(Vid::DEFAULT),
    }
}
