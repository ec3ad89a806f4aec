//! The kernel's interfaces as the core was told of them; pure.
//!
//! Keeps what the kernel said last and what the core heard last, and speaks only when the two
//! mean something different to the core. Interfaces that settings name keep that name under another one.

use crate::lag::team::TeamState;
use crate::lag::{self, bond, is_running};
use iccp_core::{Input, LagMember, Link};
use mclag_netlink::{
    BondMode, BridgePort, BridgeVlans, LinkInfo, LinkKind as Kind, Names, PortState, VlanSet,
};
use mclag_proto::{IfName, Vid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// How long LACP's state of a member is doubted at most after its carrier came back. A bond that
/// has not started anew by then will not.
const DOUBT: Duration = Duration::from_secs(1);

/// See the module's comment.
#[derive(Debug, Default)]
pub struct View {
    names: Names,
    infos: BTreeMap<u32, LinkInfo>,
    /// What teamd reported of each team, by index. Missing while it reports nothing.
    teams: BTreeMap<u32, TeamState>,
    /// Members whose LACP state is doubtful, and until when.
    doubtful: BTreeMap<u32, Instant>,
    /// Members of which the kernel has to be asked, and what events said of them, oldest first.
    unsure: BTreeMap<u32, Vec<LinkInfo>>,
    reported: BTreeMap<u32, Link>,
    /// VLANs of the ports that have some, as the kernel lists them.
    vlans: BTreeMap<u32, VlanSet>,
    /// VLANs of the ports that are in some, as told.
    listed_vlans: BTreeMap<u32, VlanSet>,
    /// Bridges that filter VLANs, and others of which that was said.
    filtering: BTreeMap<u32, bool>,
    /// Bridges that run spanning tree, as told.
    spanning_trees: BTreeSet<u32>,
    /// MTUs of bridge ports that are not Ethernet's, as told.
    mtus: BTreeMap<u32, u32>,
    /// VLANs of frames without a tag that are not VLAN 1, as told.
    pvids: BTreeMap<u32, Option<Vid>>,
    inputs: VecDeque<Input>,
}

impl View {
    /// The next thing the core is to know.
    pub fn next_input(&mut self) -> Option<Input> {
        self.inputs.pop_front()
    }

    /// Interfaces of these names keep them when somebody gives them others.
    pub fn follow(&mut self, names: &BTreeSet<IfName>) {
        let names = names.iter().map(|name| (*name, None)).collect();
        for index in self.names.follow(&names) {
            self.report(index);
        }
    }

    /// The interface of this number had that name, as somebody says who followed it.
    pub fn keep_name(&mut self, index: u32, name: IfName) {
        if self.names.keep(index, name) {
            self.report(index);
        }
    }

    /// The kernel was read from scratch: report all of it.
    pub fn replace(&mut self, infos: BTreeMap<u32, LinkInfo>, vlans: BTreeMap<u32, BridgeVlans>) {
        self.names
            .list(infos.values().map(|info| (info.index, info.name)));
        self.infos = infos;
        self.teams.retain(|index, _| self.infos.contains_key(index));
        self.doubtful.clear();
        self.unsure.clear();
        self.reported.clear();
        self.filtering.clear();
        self.spanning_trees.clear();
        self.mtus.clear();
        self.pvids.clear();
        self.inputs.push_back(Input::LinksBegin);
        let indices: Vec<u32> = self.infos.keys().copied().collect();
        for index in indices {
            self.report(index);
        }
        self.vlans.clear();
        let before = std::mem::take(&mut self.listed_vlans);
        for (index, vlans) in vlans {
            self.vlans(index, vlans);
        }
        self.report_vlans(self.infos.keys().copied().collect());
        let left = before.into_keys();
        for index in left.filter(|index| !self.listed_vlans.contains_key(index)) {
            let vids = BTreeSet::new();
            self.inputs.push_back(Input::Vlans { index, vids });
        }
        self.inputs.push_back(Input::LinksEnd);
    }

    /// An interface as the last event says, and as earlier ones said that were read with it, oldest first. That LACP carries
    /// nothing any more over a member that has carrier is not believed before the kernel was asked: it does not announce
    /// every change of LACP's state, so where LACP has agreed again before this was read (after `SIGCONT`) the event is old,
    /// and a port would be taken out of service that is well.
    pub fn event(&mut self, between: Vec<LinkInfo>, info: LinkInfo, now: Instant) {
        let mut before = self.unsure.remove(&info.index).unwrap_or_default();
        before.extend(between);
        if !self.loses_lacp(&info) {
            return self.link_after(&before, info, now);
        }
        let index = info.index;
        before.push(info);
        self.unsure.insert(index, before);
    }

    /// Interfaces that are to be read now.
    pub fn unsure(&self) -> Vec<u32> {
        let masters = self
            .unsure
            .keys()
            .filter_map(|index| self.infos.get(index)?.master);
        let all: BTreeSet<u32> = self.unsure.keys().copied().chain(masters).collect();
        all.into_iter().collect()
    }

    /// Interfaces as the kernel says when it is asked. Of a member that has lost its carrier since the last event there are
    /// events to be read first: an answer tells that loss, and not what LACP has agreed on since.
    pub fn answered(&mut self, infos: Vec<LinkInfo>, now: Instant) {
        let failures = |info: &LinkInfo| info.member.as_ref().map(|member| member.link_failures);
        for info in infos {
            let last = self.unsure.get(&info.index).and_then(|infos| infos.last());
            let known = last.or_else(|| self.infos.get(&info.index));
            if known.is_none_or(|known| failures(known) == failures(&info)) {
                self.link(info, now);
            }
        }
    }

    fn loses_lacp(&self, info: &LinkInfo) -> bool {
        let Some(member) = info.member.filter(|member| member.mii_up && info.lower_up) else {
            return false;
        };
        let is_lacp =
            |bond: &LinkInfo| matches!(&bond.kind, Kind::Bond(b) if b.mode == BondMode::Lacp);
        let bond = info.master.and_then(|master| self.infos.get(&master));
        let reported = self.reported.get(&info.index).and_then(|link| link.member);
        bond.is_some_and(is_lacp)
            && reported.is_some_and(|member| member.distributing)
            && !member.is_distributing()
    }

    /// An interface as it is now.
    pub fn link(&mut self, info: LinkInfo, now: Instant) {
        let between = self.unsure.remove(&info.index).unwrap_or_default();
        self.link_after(&between, info, now);
    }

    /// An interface as it is now, and as it was in between, oldest first. Of that nothing is reported, but LACP that has
    /// started anew meanwhile is not doubted for the carrier that was lost.
    fn link_after(&mut self, between: &[LinkInfo], info: LinkInfo, now: Instant) {
        let index = info.index;
        let before = self.infos.get(&index);
        if between.is_empty() && before == Some(&info) {
            return;
        }
        let states = before.into_iter().chain(between).chain([&info]);
        let steps = states.clone().zip(states.skip(1));
        for (before, after) in steps {
            if bond::is_doubtful(before, after) {
                self.doubtful.insert(index, now + DOUBT);
            } else if after.member.is_none_or(|m| !m.is_distributing()) {
                self.doubtful.remove(&index);
            }
        }
        let is_bridge = matches!(info.kind, Kind::Bridge { .. });
        let other = self.names.call(index, info.name);
        self.infos.insert(index, info);
        if let Some(other) = other {
            self.report(other);
        }
        self.report_with_members(index);
        self.report_vlans(vec![index]);
        if is_bridge {
            self.report_vlans(self.members(index).map(|port| port.index).collect());
        }
    }

    /// What a bridge says of one of its ports now.
    pub(super) fn bridge_port(&mut self, index: u32, port: BridgePort) {
        if let Some(info) = self.infos.get_mut(&index) {
            info.bridge_port = Some(port);
            self.report(index);
        }
    }

    /// Believe what was doubted for long enough.
    pub fn settle(&mut self, now: Instant) {
        let over = self.doubtful.iter().filter(|(_, until)| **until <= now);
        let over: Vec<u32> = over.map(|(index, _)| *index).collect();
        for index in over {
            self.doubtful.remove(&index);
            self.report(index);
        }
    }

    fn report_with_members(&mut self, index: u32) {
        self.report(index);
        // A LAG's mode decides what its members' state means.
        let members: Vec<u32> = self.members(index).map(|info| info.index).collect();
        for member in members {
            self.report(member);
        }
    }

    /// An interface is gone.
    pub fn gone(&mut self, index: u32) {
        self.infos.remove(&index);
        self.names.forget(index);
        self.teams.remove(&index);
        self.doubtful.remove(&index);
        self.unsure.remove(&index);
        self.vlans.remove(&index);
        self.listed_vlans.remove(&index);
        self.filtering.remove(&index);
        self.spanning_trees.remove(&index);
        self.mtus.remove(&index);
        self.pvids.remove(&index);
        if self.reported.remove(&index).is_some() {
            self.inputs.push_back(Input::LinkGone { index });
        }
    }

    /// VLANs of a bridge port as they are now.
    pub fn vlans(&mut self, index: u32, vlans: BridgeVlans) {
        let BridgeVlans { vids, pvid, .. } = vlans;
        // Of one that never had any nothing is known to have changed.
        if vids.is_empty() && !self.vlans.contains_key(&index) {
            return;
        }
        self.vlans.insert(index, vids);
        self.report_vlans(vec![index]);
        let known = self.pvids.get(&index).copied();
        if pvid != known.unwrap_or(Some(Vid::DEFAULT)) {
            self.pvids.insert(index, pvid);
            self.inputs.push_back(Input::Pvid { index, vid: pvid });
        }
    }

    /// An interface has no VLANs any more.
    pub fn left_bridge(&mut self, index: u32) {
        self.vlans.remove(&index);
        self.report_vlans(vec![index]);
    }

    /// Report VLANs of these interfaces to the core where that is news.
    fn report_vlans(&mut self, indices: Vec<u32>) {
        for index in indices {
            let now = self.vids(index);
            if self.listed_vlans.get(&index) != now.as_ref() {
                let vids = now.iter().flat_map(VlanSet::iter).collect();
                self.inputs.push_back(Input::Vlans { index, vids });
                match now {
                    Some(now) => self.listed_vlans.insert(index, now),
                    None => self.listed_vlans.remove(&index),
                };
            }
        }
    }

    /// The VLANs that an interface is in as a bridge port; none if it is in none, or none are listed. A bridge that does not
    /// filter them is one VLAN, whatever it lists: `mclagsyncd` says so, too.
    fn vids(&self, index: u32) -> Option<VlanSet> {
        let listed = self.vlans.get(&index)?;
        let master = self.infos.get(&index).and_then(|info| info.master);
        match master.and_then(|master| Some(&self.infos.get(&master)?.kind)) {
            Some(Kind::Bridge {
                vlan_filtering: false,
                ..
            }) => Some(VlanSet::from_iter([Vid::DEFAULT])),
            _ => Some(listed.clone()),
        }
    }

    /// What teamd says of a team now; `None` if it does not answer.
    pub fn team(&mut self, index: u32, state: Option<TeamState>) {
        let changed = match state {
            Some(state) => self.teams.insert(index, state.clone()) != Some(state),
            None => self.teams.remove(&index).is_some(),
        };
        if changed {
            self.report_with_members(index);
        }
    }

    /// Indices of the LACP bonds among `names` and of all their members.
    pub fn lacp_bonds(&self, names: &BTreeSet<IfName>) -> Vec<u32> {
        let bonds = self.infos.values().filter(|info| {
            let lacp = matches!(&info.kind, Kind::Bond(b) if b.mode == BondMode::Lacp);
            lacp && names.contains(&self.name(info))
        });
        bonds
            .flat_map(|bond| {
                let members = self.members(bond.index).map(|member| member.index);
                std::iter::once(bond.index).chain(members)
            })
            .collect()
    }

    /// Whether LACP is busy on any member of the bonds among `names`.
    pub fn needs_fast_poll(&self, names: &BTreeSet<IfName>) -> bool {
        self.infos.values().any(|info| match &info.kind {
            Kind::Bond(b) if names.contains(&self.name(info)) => {
                let mut members = self.members(info.index);
                members.any(|m| bond::needs_fast_poll(b, m) || self.doubtful.contains_key(&m.index))
            }
            _ => false,
        })
    }

    /// The teams among `names`.
    pub fn teams(&self, names: &BTreeSet<IfName>) -> Vec<(u32, IfName)> {
        let teams = self.infos.values().filter(|info| info.kind == Kind::Team);
        teams
            .map(|info| (info.index, self.name(info)))
            .filter(|(_, name)| names.contains(name))
            .collect()
    }

    /// Whether this interface is a team or a member of one.
    pub fn belongs_to_team(&self, index: u32) -> bool {
        let is_team = |index: &u32| self.infos.get(index).is_some_and(|i| i.kind == Kind::Team);
        let master = self.infos.get(&index).and_then(|info| info.master);
        is_team(&index) || master.as_ref().is_some_and(is_team)
    }

    fn members(&self, lag: u32) -> impl Iterator<Item = &LinkInfo> {
        self.infos
            .values()
            .filter(move |info| info.master == Some(lag))
    }

    /// Report this interface to the core if that is news.
    fn report(&mut self, index: u32) {
        let Some(info) = self.infos.get(&index) else {
            return;
        };
        let link = self.translate(info);
        let (filtering, spanning_tree) = match info.kind {
            Kind::Bridge {
                vlan_filtering,
                spanning_tree,
                ..
            } => (Some(vlan_filtering), spanning_tree),
            _ => (None, false),
        };
        let mtu = info.master.map(|_| info.mtu);
        if self.reported.get(&index) != Some(&link) {
            self.reported.insert(index, link.clone());
            self.inputs.push_back(Input::Link(link));
        }
        if let Some(on) = filtering
            && self.filtering.insert(index, on) != Some(on)
        {
            self.inputs.push_back(Input::VlanFiltering { index, on });
        }
        self.report_unusual(index, spanning_tree, mtu);
    }

    /// Whether it is a bridge that runs spanning tree, and its MTU as a bridge port, where that is not what the core
    /// believes unless it is told.
    fn report_unusual(&mut self, index: u32, spanning_tree: bool, mtu: Option<u32>) {
        let changed = match spanning_tree {
            true => self.spanning_trees.insert(index),
            false => self.spanning_trees.remove(&index),
        };
        if changed {
            let on = spanning_tree;
            self.inputs.push_back(Input::SpanningTree { index, on });
        }
        let Some(mtu) = mtu else { return };
        let known = self.mtus.get(&index).copied().unwrap_or(ETHERNET_MTU);
        if mtu != known {
            self.mtus.insert(index, mtu);
            self.inputs.push_back(Input::Mtu { index, mtu });
        }
    }

    fn name(&self, info: &LinkInfo) -> IfName {
        self.names.name(info.index).unwrap_or(info.name)
    }

    fn translate(&self, info: &LinkInfo) -> Link {
        let name = self.name(info);
        Link {
            index: info.index,
            name,
            kernel_name: Some(info.name).filter(|kernel| *kernel != name),
            mac: info.mac,
            admin_up: info.admin_up,
            running: is_running(info),
            master: info.master,
            blocked: is_blocked(info),
            kind: lag::kind(&info.kind, self.teams.get(&info.index)),
            member: self.member(info),
        }
    }

    fn member(&self, info: &LinkInfo) -> Option<LagMember> {
        let lag = self.infos.get(&info.master?)?;
        match &lag.kind {
            Kind::Bond(b) => {
                let doubtful = self.doubtful.contains_key(&info.index);
                Some(bond::member(b, info, doubtful))
            }
            Kind::Team => {
                // Where teamd does not report it, carrier has to do: teamd gives it to the team only while
                // some member carries data, and as a rule a team has one member on a chassis.
                let state = self.teams.get(&lag.index);
                let may = state.is_none_or(|s| s.members.get(&info.name).copied().unwrap_or(false));
                Some(LagMember {
                    distributing: is_running(lag) && is_running(info) && may,
                    // What carries data without LACP is for teamd to decide.
                    alone: false,
                })
            }
            _ => None,
        }
    }
}

/// Whether spanning tree keeps a bridge port from forwarding what it could.
fn is_blocked(info: &LinkInfo) -> bool {
    let state = info.bridge_port.map(|port| port.state);
    is_running(info) && state.is_some_and(|state| state != PortState::Forwarding)
}

/// What the core believes unless it is told ([`Input::Mtu`]), in bytes.
const ETHERNET_MTU: u32 = 1500;

#[cfg(test)]
pub(super) mod tests;
