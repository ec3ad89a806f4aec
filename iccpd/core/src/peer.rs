//! What is known of the other chassis.
//!
//! Its word is kept when the session is gone, since its dataplane probably goes on; how much that word
//! is worth then is one value, [`Known`], which follows the session by [`Known::after`].
//!
//! Not responsible for what follows from it: that is `domain/loss.rs` and `domain/derive.rs`.

use crate::Time;
use crate::input::PeerTraits;
use crate::policy::peer::PeerPolicy;
use crate::port_id::{Pairs, PortId, PortIds};
use mclag_proto::iccp::ext::{
    Alone, Announce, DataplanePresence, DataplaneState, DoubtfulPort, PortPartner, PortVlan,
    ShutdownNotice,
};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, ConfigFlag, PeerLinkInfo, PortChannelInfo, SystemConfig,
};
use mclag_proto::sync::snapshot::Snapshot;
use mclag_proto::{AggregatorId, IfName, LacpPartner, Mac, Vid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Most ports of the peer that are kept beside those that are here, too: a peer can name any
/// number. One that becomes an MLAG port here while the session lasts must be known then, since a
/// legacy peer may not be asked again (`spec/iccp.md` 7.3).
const MAX_FOREIGN_PORTS: usize = 1024;

/// What the peer's word on its ports is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Known {
    /// No session, or one in which it has not advertised all of its ports: what was known before stands.
    Before(Past),
    /// It has advertised all of its ports in this session, and both are not synchronised yet; what was known
    /// before stands again if that fails.
    PortsSynchronised(Past),
    /// Synchronised: its word counts.
    Current,
}

/// What is left of earlier sessions.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Past {
    /// Nothing: it never advertised all of its ports.
    #[default]
    Unknown,
    /// Everything, as it was when the session was lost.
    Stale,
    /// Everything, and it announced while both were synchronised that it restarts and goes on forwarding
    /// meanwhile: nothing changes (`spec/behaviour.md` 14.2).
    Restarting,
    /// Nothing: it left the pair. That it has no ports it never said.
    Forgotten,
    /// Nothing: everything was given up when the session was lost (`spec/behaviour.md` 6.6).
    Released,
}

/// What changes that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It has advertised all of its ports.
    PortsSynchronised,
    /// Both are synchronised.
    Synchronised,
    /// The session is gone, and what was advertised in it stands.
    Lost,
    /// The session is gone, and the peer announced that it restarts.
    LostToRestart,
    /// The session is gone, and with it goes what was advertised, unless the peer is expected back.
    LostAtOnce,
    /// It did not come back in time from its restart.
    Overdue,
    /// It left the pair.
    Forgotten,
    /// Another one is the peer.
    Replaced,
    /// Everything is given up.
    Released,
}

impl Default for Known {
    fn default() -> Self {
        Self::Before(Past::Unknown)
    }
}

impl Known {
    /// What is known after `change`. Total: every change is defined in every state.
    #[must_use]
    pub const fn after(self, change: Change) -> Self {
        match (self, change) {
            (Self::Before(past) | Self::PortsSynchronised(past), Change::PortsSynchronised) => {
                Self::PortsSynchronised(past)
            }
            (Self::Current, Change::PortsSynchronised) | (_, Change::Synchronised) => Self::Current,
            // Where both were not synchronised there is nothing that a restart could leave as it is.
            (
                Self::Before(past) | Self::PortsSynchronised(past),
                Change::Lost | Change::LostToRestart,
            ) => Self::Before(past.again()),
            (Self::Before(past) | Self::PortsSynchronised(past), Change::LostAtOnce) => {
                match past {
                    Past::Restarting => Self::Before(past),
                    _ => Self::Before(Past::Released),
                }
            }
            (Self::Current, Change::Lost) => Self::Before(Past::Stale),
            (Self::Current, Change::LostToRestart) => Self::Before(Past::Restarting),
            (Self::Current, Change::LostAtOnce) => Self::Before(Past::Released),
            (Self::Before(Past::Restarting), Change::Overdue) => Self::Before(Past::Stale),
            (Self::PortsSynchronised(Past::Restarting), Change::Overdue) => {
                Self::PortsSynchronised(Past::Stale)
            }
            (_, Change::Overdue) => self,
            (_, Change::Forgotten) => Self::Before(Past::Forgotten),
            // As SONiC, where everything was given up.
            (
                Self::Before(Past::Released) | Self::PortsSynchronised(Past::Released),
                Change::Replaced,
            ) => Self::Before(Past::Released),
            (_, Change::Replaced) => Self::Before(Past::Unknown),
            (_, Change::Released) => Self::Before(Past::Released),
        }
    }
}

impl Known {
    /// It has advertised all of its ports, or is known to have none that count.
    #[must_use]
    pub const fn are_ports_known(self) -> bool {
        matches!(
            self,
            Self::Current
                | Self::PortsSynchronised(_)
                | Self::Before(Past::Forgotten | Past::Released)
        )
    }

    /// It has advertised all of its ports in this session: one that it did not name it does not have.
    #[must_use]
    pub const fn are_ports_synchronised(self) -> bool {
        matches!(self, Self::Current | Self::PortsSynchronised(_))
    }

    /// Everything was given up, and both have not been synchronised since.
    #[must_use]
    pub const fn is_released(self) -> bool {
        matches!(
            self,
            Self::Before(Past::Released) | Self::PortsSynchronised(Past::Released)
        )
    }

    /// It is expected back from a restart that it announced.
    #[must_use]
    pub const fn is_restarting(self) -> bool {
        matches!(
            self,
            Self::Before(Past::Restarting) | Self::PortsSynchronised(Past::Restarting)
        )
    }
}

impl Past {
    /// One more session was lost before both were synchronised; it may have advertised some of its ports.
    const fn again(self) -> Self {
        match self {
            Self::Forgotten | Self::Stale => Self::Stale,
            Self::Unknown | Self::Restarting | Self::Released => self,
        }
    }
}

/// A port of the peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemotePort {
    id: PortId,
    up: bool,
    mac: Mac,
    /// Its place in the order in which the peer named its ports; none if it was not named again since the peer
    /// began to advertise everything.
    place: Option<u64>,
    info: Option<PortChannelInfo>,
    pvid: Option<Option<Vid>>,
    partner: Option<LacpPartner>,
    alone: Option<Alone>,
    /// It was not advertised again since the peer began to advertise everything.
    is_partner_old: bool,
}

impl RemotePort {
    /// Its id at the peer.
    #[must_use]
    pub const fn id(&self) -> PortId {
        self.id
    }

    /// It can carry data there.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// MAC of the peer's network device.
    #[must_use]
    pub const fn mac(&self) -> Mac {
        self.mac
    }

    /// Who is at its other end, if advertised.
    #[must_use]
    pub const fn partner(&self) -> Option<LacpPartner> {
        self.partner
    }

    /// How it stands without LACP, if advertised.
    #[must_use]
    pub const fn alone(&self) -> Option<Alone> {
        self.alone
    }

    /// Its place in the order in which the peer named its ports.
    #[must_use]
    pub const fn place(&self) -> Option<u64> {
        self.place
    }

    /// VLAN of frames without a tag, if advertised; none where they are dropped.
    #[must_use]
    pub const fn pvid(&self) -> Option<Option<Vid>> {
        self.pvid
    }

    /// VLANs and layer-3 mode, if advertised.
    #[must_use]
    pub const fn info(&self) -> Option<&PortChannelInfo> {
        self.info.as_ref()
    }
}

/// What the peer advertised of itself.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    traits: PeerTraits,
    known: Known,
    policy: PeerPolicy,
    /// The policy that was in force when both were last synchronised.
    agreed: Option<PeerPolicy>,
    /// Of the present session.
    announce: Option<Announce>,
    /// Its shutdown notice in the present session.
    shutdown_notice: Option<ShutdownNotice>,
    /// Of the present session.
    dataplane: DataplanePresence,
    /// Its ports that are not known for certain to be isolated while that is not at work, or refuses.
    doubtful: BTreeMap<AggregatorId, DoubtfulPort>,
    system: Option<SystemConfig>,
    link: Option<PeerLinkInfo>,
    /// By the names that it gave them.
    ports: BTreeMap<IfName, RemotePort>,
    /// Those whose VLAN of frames without a tag is said next, if they have one.
    pvids_due: BTreeSet<IfName>,
    /// The port whose configuration comes next has this id because it was given it.
    given: Option<AggregatorId>,
    /// The ports of this chassis.
    own: PortIds,
    /// Ports are paired by their ids; else by their names alone, as another implementation does it.
    has_ids: bool,
    /// Which ports are one, found when it is asked; none where those of one name are.
    pairs: OnceLock<Option<Pairs>>,
    /// Place of the port that was named last.
    last_place: u64,
    /// Ports that it has named since it began to advertise everything.
    sync: Snapshot<IfName>,
    /// When what is known of its ports was true for the last time, unless it is now.
    as_of: Option<Time>,
}

impl Peer {
    /// What depends on who it is, as far as it has said in this session.
    #[must_use]
    pub const fn policy(&self) -> PeerPolicy {
        self.policy
    }

    /// It is connected, and speaks like this.
    pub const fn connected(&mut self, traits: PeerTraits) {
        self.traits = traits;
        self.policy = PeerPolicy::of(traits, false);
    }

    /// What its word on its ports is worth.
    #[must_use]
    pub const fn known(&self) -> Known {
        self.known
    }

    /// Whether its dataplane is at work, as it says in this session.
    #[must_use]
    pub const fn dataplane(&self) -> DataplanePresence {
        self.dataplane
    }

    /// It says how its dataplane is. Returns true if whether that is at work is news.
    pub fn set_dataplane(&mut self, state: DataplaneState) -> bool {
        let ports = state.ports.into_iter();
        self.doubtful = ports.map(|port| (port.id, port)).collect();
        std::mem::replace(&mut self.dataplane, state.presence) != state.presence
    }

    /// It cannot acknowledge its port of this number for now, for its dataplane is not at work or refuses; what is
    /// known of the port there.
    #[must_use]
    pub fn doubts_isolation(&self, id: AggregatorId) -> Option<DoubtfulPort> {
        self.doubtful.get(&id).copied()
    }

    /// As it announced itself in this session, if it is one of our own.
    #[must_use]
    pub const fn announce(&self) -> Option<&Announce> {
        self.announce.as_ref()
    }

    /// Its own system MAC counts, not the one configured here ([`PeerPolicy::keeps_its_mac`]).
    #[must_use]
    pub fn keeps_its_mac(&self) -> bool {
        self.agreed.is_some_and(|policy| policy.keeps_its_mac)
    }

    /// Its own LACP system id counts, not the one configured here ([`PeerPolicy::keeps_its_lacp_system`]).
    #[must_use]
    pub fn keeps_its_lacp_system(&self) -> bool {
        self.agreed
            .is_some_and(|policy| policy.keeps_its_lacp_system)
    }

    /// It announces itself; `synchronised` when both are.
    pub fn announced(&mut self, announce: Announce, synchronised: bool) {
        self.policy = PeerPolicy::of(self.traits, true).of_version(announce.version);
        self.announce = Some(announce);
        self.set_has_ids();
        if synchronised {
            self.agreed = Some(self.policy);
        }
    }

    /// As the policy has it. Between sessions it stays as it was.
    fn set_has_ids(&mut self) {
        self.has_ids = self.policy.hears_port_ids;
        self.pairs = OnceLock::new();
    }

    /// Its shutdown notice in this session.
    #[must_use]
    pub const fn shutdown_notice(&self) -> Option<ShutdownNotice> {
        self.shutdown_notice
    }

    /// It gives notice that it is about to stop.
    pub const fn set_shutdown_notice(&mut self, shutdown_notice: ShutdownNotice) {
        self.shutdown_notice = Some(shutdown_notice);
    }

    /// What its dataplane is called.
    #[must_use]
    pub const fn system_config(&self) -> Option<SystemConfig> {
        self.system
    }

    /// Its LACP system id, as it advertises it.
    #[must_use]
    pub fn system_mac(&self) -> Option<Mac> {
        self.system.map(|system| system.system)
    }

    /// It advertises its identity.
    pub const fn set_system(&mut self, system: SystemConfig) {
        self.system = Some(system);
    }

    /// Its peer link.
    #[must_use]
    pub const fn link(&self) -> Option<PeerLinkInfo> {
        self.link
    }

    /// It advertises its peer link.
    pub const fn set_link(&mut self, link: PeerLinkInfo) {
        self.link = Some(link);
    }

    /// Its ports, by name.
    pub fn ports(&self) -> impl DoubleEndedIterator<Item = (&IfName, &RemotePort)> {
        self.ports.iter()
    }

    /// These are the ports of this chassis.
    pub fn set_own(&mut self, own: PortIds) {
        self.own = own;
        self.pairs = OnceLock::new();
    }

    /// The ports that are one where that is not decided by their names; none where nobody gave an id.
    fn pairs(&self) -> Option<&Pairs> {
        let find = || {
            let own = || self.own.iter().any(|(_, id)| id.given);
            let peers = || self.ports.values().any(|port| port.id.given);
            let is_needed = self.has_ids && (own() || peers());
            is_needed.then(|| {
                let peers = self.ports.iter().map(|(name, port)| (*name, port.id));
                Pairs::new(&self.own, &peers.collect())
            })
        };
        self.pairs.get_or_init(find).as_ref()
    }

    /// Its port that is one with this one of this chassis.
    #[must_use]
    pub fn port(&self, own: &IfName) -> Option<&RemotePort> {
        self.ports.get(&self.name_of(own)?)
    }

    /// What it calls its port that is one with this one of this chassis, if it has it.
    #[must_use]
    pub fn name_of(&self, own: &IfName) -> Option<IfName> {
        let name = match self.pairs() {
            Some(pairs) => pairs.peers(own)?,
            None => *own,
        };
        self.ports.contains_key(&name).then_some(name)
    }

    /// Its port of this name, whether or not it is one with that of this chassis.
    #[must_use]
    pub fn port_called(&self, name: &IfName) -> Option<&RemotePort> {
        self.ports.get(name)
    }

    /// The port of this chassis that is one with its port of this name.
    #[must_use]
    pub fn port_here(&self, name: &IfName) -> Option<IfName> {
        match self.pairs() {
            Some(pairs) => pairs.own(name),
            None => self.own.of(name).map(|_| *name),
        }
    }

    /// What an interface of that name there is called here; none for one that is not the port of that name
    /// here.
    #[must_use]
    pub fn translate(&self, name: &IfName) -> Option<IfName> {
        let Some(pairs) = self.pairs() else {
            return Some(*name);
        };
        match pairs.own(name) {
            Some(own) => Some(own),
            // A port of its own, or a name that is taken for the other half of the port here.
            None if self.own.of(name).is_some() => {
                let is_other = self.ports.contains_key(name) || pairs.peers(name).is_some();
                (!is_other).then_some(*name)
            }
            None => Some(*name),
        }
    }

    /// Names of both chassis that do not mean the same there as here, with what they mean here.
    #[must_use]
    pub fn translations(&self) -> BTreeMap<IfName, Option<IfName>> {
        if self.pairs().is_none() {
            return BTreeMap::new();
        }
        let own = self.own.iter().map(|(name, _)| name);
        let names = own.chain(self.ports.keys().copied());
        let names = names.map(|name| (name, self.translate(&name)));
        names.filter(|(name, here)| *here != Some(*name)).collect()
    }

    /// When its word on its ports was true for the last time; none while it is, or if it never was.
    #[must_use]
    pub const fn as_of(&self) -> Option<Time> {
        self.as_of
    }

    /// State of its port that is one with this one of this chassis; none while it has none.
    #[must_use]
    pub fn port_is_up(&self, own: &IfName) -> Option<bool> {
        self.port(own).map(RemotePort::is_up)
    }

    /// It begins (false), or has finished (true), advertising everything.
    pub fn sync(&mut self, end: bool) {
        if end {
            if let Some(named) = self.sync.end() {
                self.ports.retain(|name, _| named.contains(name));
                self.pairs = OnceLock::new();
                for port in self.ports.values_mut().filter(|port| port.is_partner_old) {
                    port.partner = None;
                    port.alone = None;
                }
            }
            self.known = self.known.after(Change::PortsSynchronised);
        } else {
            self.sync.begin();
            if self.announce.is_none() {
                // One of our own would have said so by now.
                self.set_has_ids();
            }
            for port in self.ports.values_mut() {
                port.is_partner_old = true;
                port.place = None;
            }
        }
    }

    /// Port Id: the port whose configuration comes next was given that id.
    pub const fn port_is_given(&mut self, id: AggregatorId) {
        self.given = Some(id);
    }

    /// This is not what is known of its port already, so that other ports may be one from then on.
    #[must_use]
    pub fn may_change_names(&self, config: &AggregatorConfig) -> bool {
        let known = self.ports.get(&config.name).map(|port| port.id);
        match config.flag {
            ConfigFlag::Present => known != Some(self.id_of(config)),
            ConfigFlag::Purge => known.is_some(),
        }
    }

    fn id_of(&self, config: &AggregatorConfig) -> PortId {
        PortId {
            number: config.id,
            given: self.given == Some(config.id),
        }
    }

    /// A port of it exists (`spec/iccp.md` 4.2). Returns false if there is no room for it beside those of this
    /// chassis.
    pub fn port_exists(&mut self, config: &AggregatorConfig) -> bool {
        let id = self.id_of(config);
        self.given = None;
        let own = self.own.of(&config.name).is_some();
        let known = own || self.ports.contains_key(&config.name);
        if !known && self.ports.len() >= MAX_FOREIGN_PORTS + self.own.iter().count() {
            return false;
        }
        let before = self.ports.get(&config.name).map(|port| port.id);
        if before != Some(id) {
            self.pairs = OnceLock::new();
        }
        let port = self.ports.entry(config.name).or_insert(RemotePort {
            id,
            // Up until it says otherwise: too much isolation is safe, too little is not.
            up: true,
            mac: config.mac,
            place: None,
            info: None,
            pvid: None,
            partner: None,
            alone: None,
            is_partner_old: false,
        });
        port.id = id;
        port.mac = config.mac;
        if port.place.is_none() {
            self.last_place += 1;
            port.place = Some(self.last_place);
        }
        self.sync.name(config.name);
        true
    }

    /// A port of it is gone. Returns whether it was up, if it was known.
    pub fn port_is_gone(&mut self, name: &IfName) -> Option<bool> {
        // Or one name after the other could be kept for as long as a snapshot is under way.
        self.sync.withdraw(name);
        self.given = None;
        self.pairs = OnceLock::new();
        self.ports.remove(name).map(|port| port.up)
    }

    /// Port Channel Info (`spec/iccp.md` 4.7): matched by number, and kept of ports to compare with.
    /// Returns true if there is one.
    pub fn port_info(&mut self, info: PortChannelInfo) -> bool {
        let name = self.numbered(info.id);
        let name = name.filter(|name| self.port_here(name).is_some());
        let Some(port) = name.and_then(|name| self.ports.get_mut(&name)) else {
            return false;
        };
        port.info = Some(info);
        self.pvids_due.extend(name);
        true
    }

    /// The peer says something else than how ports are configured. Ports whose VLAN of frames without a tag it has not said
    /// with their information have none; until now what it said before counted, for the two may be read apart.
    /// Returns true if that is news.
    pub fn says_something_else(&mut self) -> bool {
        let due = std::mem::take(&mut self.pvids_due);
        let said_before = |name: &IfName| Some(self.ports.get_mut(name)?.pvid.take().is_some());
        let news = due.iter().filter_map(said_before);
        news.fold(false, |any, is| any | is)
    }

    /// Port VLAN: matched by number, and kept of ports to compare with. Returns true if there is one.
    pub fn port_vlan(&mut self, vlan: PortVlan) -> bool {
        let name = self.numbered(vlan.id);
        let name = name.filter(|name| self.port_here(name).is_some());
        let Some(port) = name.and_then(|name| self.ports.get_mut(&name)) else {
            return false;
        };
        port.pvid = Some(vlan.pvid);
        self.pvids_due.retain(|due| Some(*due) != name);
        true
    }

    /// LACP Partner: matched by number, with the ports that are here first. Returns true if that is news.
    pub fn port_partner(&mut self, news: PortPartner) -> bool {
        let name = self.numbered(news.id);
        let Some(port) = name.and_then(|name| self.ports.get_mut(&name)) else {
            return false;
        };
        port.is_partner_old = false;
        port.alone = news.alone;
        std::mem::replace(&mut port.partner, news.partner) != news.partner
    }

    /// The port of this number: one that is here first, for numbers need not be unique among the rest.
    fn numbered(&self, id: AggregatorId) -> Option<IfName> {
        let known = self.ports.iter().filter(|(_, port)| port.id.number == id);
        let mut names = known.map(|(name, _)| *name);
        let first = names.next()?;
        let mut names = [first].into_iter().chain(names);
        let is_here = |name: &IfName| self.port_here(name).is_some();
        Some(names.find(is_here).unwrap_or(first))
    }

    /// Ports that are no longer here to compare with: only their state is kept.
    pub fn drop_infos(&mut self) {
        let is_here = |name: &&IfName| self.port_here(name).is_some();
        let here: BTreeSet<IfName> = self.ports.keys().filter(is_here).copied().collect();
        for (_, port) in self
            .ports
            .iter_mut()
            .filter(|(name, _)| !here.contains(*name))
        {
            port.info = None;
            port.pvid = None;
        }
    }

    /// Aggregator State (`spec/iccp.md` 4.3): matched by number, with the ports that are here first:
    /// numbers need not be unique among the rest. Returns the port here that is one with it, if there is one,
    /// and whether that is news; none if the peer has no such port.
    pub fn port_state(&mut self, state: AggregatorState) -> Option<(Option<IfName>, bool)> {
        let name = self.numbered(state.id)?;
        let port = self.ports.get_mut(&name)?;
        let up = state.state.is_up();
        let changed = std::mem::replace(&mut port.up, up) != up;
        Some((self.port_here(&name), changed))
    }

    /// Both are synchronised.
    pub fn synchronised(&mut self) {
        self.known = self.known.after(Change::Synchronised);
        self.agreed = Some(self.policy);
        self.as_of = None;
    }

    /// The session is gone.
    pub fn lost(&mut self, change: Change, now: Time) {
        if self.known == Known::Current {
            self.as_of = Some(now);
        }
        self.known = self.known.after(change);
        self.announce = None;
        self.policy = PeerPolicy::of(self.traits, false);
        self.shutdown_notice = None;
        self.dataplane = DataplanePresence::default();
        self.doubtful.clear();
        self.sync.abandon();
        self.given = None;
    }

    /// It did not come back in time.
    pub fn overdue(&mut self) {
        self.known = self.known.after(Change::Overdue);
    }

    /// It left the pair: it has no ports any more.
    pub fn forget(&mut self) {
        self.known = self.known.after(Change::Forgotten);
        self.ports.clear();
        self.pairs = OnceLock::new();
        self.as_of = None;
    }

    /// Everything it advertised is given up.
    pub fn release(&mut self) {
        *self = Self {
            traits: self.traits,
            policy: PeerPolicy::of(self.traits, false),
            known: self.known.after(Change::Released),
            own: std::mem::take(&mut self.own),
            has_ids: self.has_ids,
            ..Self::default()
        };
    }

    /// Another one is the peer from now on.
    pub fn replace(&mut self) {
        *self = Self {
            known: self.known.after(Change::Replaced),
            own: std::mem::take(&mut self.own),
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests;
