//! A model of the kernel of one chassis: a bridge with its ports and its table, bonds with LACP, and the filter.
//!
//! What it does was measured on real ones, down to what is awkward: a bond notices a lost carrier only when it looks,
//! an LACP agreement stays on display until negotiation begins anew, and a held bond has no carrier although LACP
//! runs. It outlives every process. What happened is kept as events that carry the state of that moment, for they are
//! read later, when the state may be another one.

mod actions;
mod news;
mod operators;

pub use news::Reader;
pub use operators::Interface;

use std::collections::{BTreeMap, BTreeSet};

use iccp_core::Time;
use mclag_netlink::{Event, MIN_LINKS_HOLD, Names};
use mclag_proto::sync::model::FdbKey;
use mclag_proto::{IfName, LacpPartner, Mac, Vid};
use syncd::backend::BackendEvent;
use syncd::dataplane::{EntryKind, FdbEntry};

use crate::world::Options;

/// The bridge.
pub const BRIDGE: u32 = 1;
/// The port to the other chassis.
pub const PEER_LINK: u32 = 2;
/// The port of a host that is attached to this chassis alone.
pub const ORPHAN: u32 = 3;
/// How many MLAG ports there are.
pub const BONDS: usize = 2;

/// The VLAN that ports carry with a tag, beside the one without.
pub const TAGGED: Vid = Vid::new(20).unwrap();

/// Both VLANs.
pub const VIDS: [Vid; 2] = [Vid::DEFAULT, TAGGED];

pub(crate) const AGEING: std::time::Duration = std::time::Duration::from_secs(60);

/// The bond of this MLAG port, counted from 0.
#[must_use]
pub const fn bond(port: usize) -> u32 {
    [10, 11][port]
}

/// Its own name.
#[must_use]
pub fn bond_name(port: usize) -> IfName {
    name(&format!("bond{}", port + 1))
}

/// The only member of that bond.
#[must_use]
pub const fn member(port: usize) -> u32 {
    [20, 21][port]
}

/// An interface.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name.
    pub name: IfName,
    /// An operator wants it up.
    pub admin_up: bool,
    /// What it is.
    pub kind: DeviceKind,
    /// Its settings as a port of the bridge; none while it is not one.
    pub port: Option<Port>,
    /// Whether it had carrier when anything changed last, and was enabled as a port of the bridge.
    ran: [bool; 2],
    /// What spanning tree makes of it as a port of the bridge, on a bridge that runs it.
    tree: Tree,
}

/// What spanning tree makes of a port. No other bridge speaks in the model: a port that has carrier waits, and forwards.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Tree {
    /// No port, or without carrier.
    #[default]
    Disabled,
    /// It waits for twice the forward delay; how many did before it.
    Waiting(u64),
    /// It carries data.
    Forwarding,
}

/// What an interface is.
#[derive(Clone, Copy, Debug)]
pub enum DeviceKind {
    /// The bridge.
    Bridge,
    /// Something with a cable.
    Wire {
        /// The other end is up.
        carrier: bool,
    },
    /// A bond that speaks LACP, unless none on this chassis does.
    Bond {
        /// Its `min_links`, with what holding adds.
        min_links: u32,
        /// The system id that was given to it.
        actor: Option<Mac>,
    },
    /// A member of a bond.
    Member {
        /// Its bond.
        bond: u32,
        /// The other end is up.
        carrier: bool,
        /// What the bond makes of it.
        state: Member,
    },
}

/// What a bond makes of a member.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Member {
    /// It had carrier when the bond looked last.
    pub mii_up: bool,
    /// How often it had none.
    pub failures: u32,
    /// Who is at the other end, as LACP found; stays until negotiation begins anew.
    pub partner: Option<LacpPartner>,
    /// That one uses this leg, so that both ends carry data.
    pub is_used: bool,
    /// LACP has given up waiting for an answer: the bond carries data without.
    pub is_alone: bool,
}

/// What LACP finds at the other end of a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// A partner, who uses this leg or not.
    Partner {
        /// Who it is.
        partner: LacpPartner,
        /// Both ends carry data.
        is_used: bool,
    },
    /// It begins anew.
    NobodyYet,
    /// It has given up.
    Nobody,
}

/// Settings of a bridge port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Port {
    /// It carries [`TAGGED`], beside [`Vid::DEFAULT`].
    pub is_tagged: bool,
    /// Addresses are learned on it.
    pub learning: bool,
    /// Port that frames go to while this one has no carrier.
    pub backup: Option<u32>,
}

impl Default for Port {
    fn default() -> Self {
        Self {
            is_tagged: true,
            learning: true,
            backup: None,
        }
    }
}

impl Port {
    /// Whether it carries a VLAN.
    #[must_use]
    pub fn carries(&self, vid: Vid) -> bool {
        self.is_tagged || vid == Vid::DEFAULT
    }
}

/// The bridge filter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// The peer link it names.
    pub peer_link: Option<IfName>,
    /// Ports that what came from the peer link does not leave through.
    pub isolated: BTreeSet<IfName>,
    /// Ports that nothing passes.
    pub held: BTreeSet<IfName>,
}

/// An entry of the forwarding table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Where to.
    pub port: u32,
    /// Whose entry it is.
    pub kind: EntryKind,
    /// When the host spoke last.
    used: Time,
}

/// What a kernel does for `mclagsyncd`, by what may fail alone.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Duty {
    /// The filter: isolation.
    Filter,
    /// Holds.
    Holds,
    /// LACP system ids.
    SystemMacs,
    /// Settings of bridge ports.
    Ports,
    /// Forwarding entries.
    Entries,
}

/// See the module's comment.
#[derive(Clone, Debug)]
pub struct Kernel {
    side: u8,
    /// What `mclagsyncd` calls the interfaces.
    names: Names,
    /// Interfaces, by index.
    pub devices: BTreeMap<u32, Device>,
    /// The bridge's table.
    pub fdb: BTreeMap<FdbKey, Entry>,
    /// The filter, if there is one.
    pub filter: Option<Filter>,
    /// Nothing runs: no frame comes in.
    pub is_stalled: bool,
    /// What it refuses for now.
    pub refuses: BTreeSet<Duty>,
    /// The bridge runs spanning tree.
    spanning_tree: bool,
    /// Its bonds do not speak LACP.
    static_lags: bool,
    /// How many times a port began to wait until it may forward.
    waits: u64,
    /// Ports that began to, which somebody has to [let forward](Self::let_forward) in time.
    pub to_forward: Vec<(u32, u64)>,
    /// Counts changes of anything that frames depend on.
    pub version: u64,
    /// What `iccpd` has not been sent yet.
    pub for_iccpd: Vec<Event>,
    /// What `mclagsyncd` has not been sent yet.
    pub for_syncd: Vec<BackendEvent>,
}

/// A name that is one.
///
/// # Panics
///
/// When it is none.
#[must_use]
pub fn name(text: &str) -> IfName {
    IfName::new(text).expect("names of the model are names of interfaces")
}

impl Kernel {
    /// As the network configuration of a chassis leaves it at boot, with no cable plugged in.
    #[must_use]
    pub fn boot(side: usize, options: Options) -> Self {
        let device = |name: IfName, kind, port| Device {
            name,
            admin_up: true,
            kind,
            port,
            ran: [false; 2],
            tree: Tree::default(),
        };
        let port = Some(Port::default());
        let wire = DeviceKind::Wire { carrier: false };
        let mut devices = BTreeMap::from([
            (BRIDGE, device(name("br0"), DeviceKind::Bridge, None)),
            (PEER_LINK, device(name("peerlink"), wire, port)),
            (ORPHAN, device(name("swp10"), wire, port)),
        ]);
        for number in 0..BONDS {
            let kind = DeviceKind::Bond {
                min_links: 0,
                actor: None,
            };
            devices.insert(bond(number), device(bond_name(number), kind, port));
            let kind = DeviceKind::Member {
                bond: bond(number),
                carrier: false,
                state: Member::default(),
            };
            let text = format!("swp{}", number + 1);
            devices.insert(member(number), device(name(&text), kind, None));
        }
        let mut names = Names::default();
        names.list(devices.iter().map(|(index, device)| (*index, device.name)));
        let [.., side] = side.to_be_bytes();
        Self {
            side,
            names,
            devices,
            fdb: BTreeMap::new(),
            filter: None,
            is_stalled: false,
            refuses: BTreeSet::new(),
            spanning_tree: options.spanning_tree,
            static_lags: options.static_lags,
            waits: 0,
            to_forward: Vec::new(),
            version: 0,
            for_iccpd: Vec::new(),
            for_syncd: Vec::new(),
        }
    }

    fn named(&self, name: &IfName) -> Option<u32> {
        let mut indices = self.devices.keys().copied();
        indices.find(|index| self.called(*index) == Some(*name))
    }

    /// What `mclagsyncd` calls the interface.
    fn called(&self, index: u32) -> Option<IfName> {
        self.names.name(index)
    }

    /// The interfaces that `mclagsyncd` calls otherwise than the kernel.
    #[must_use]
    pub fn kept_names(&self) -> Vec<(u32, IfName)> {
        self.names.kept().collect()
    }

    /// `mclagsyncd` starts, and remembers these names.
    pub fn remember(&mut self, names: &BTreeMap<IfName, Option<u32>>) {
        self.names = Names::default();
        self.names.follow(names);
        let devices = self.devices.iter();
        self.names
            .list(devices.map(|(index, device)| (*index, device.name)));
    }

    /// `mclagsyncd` follows these names.
    pub fn follow(&mut self, names: &BTreeMap<IfName, Option<u32>>) {
        let before = self.names.clone();
        for index in self.names.follow(names) {
            self.called_otherwise(index, before.name(index));
        }
    }

    /// The kernel's own name for it.
    #[must_use]
    pub fn name_of(&self, index: u32) -> Option<IfName> {
        self.devices.get(&index).map(|device| device.name)
    }

    /// Whether the interface is up and has carrier.
    #[must_use]
    pub fn has_carrier(&self, index: u32) -> bool {
        let is_up = self.devices.get(&index).map(|device| device.admin_up);
        is_up == Some(true) && self.keeps_carrier(index)
    }

    /// Whether an interface has carrier once it is up. A bond that is taken down keeps what it had: nothing clears it.
    fn keeps_carrier(&self, index: u32) -> bool {
        let Some(device) = self.devices.get(&index) else {
            return false;
        };
        match device.kind {
            DeviceKind::Bridge => true,
            DeviceKind::Wire { carrier } | DeviceKind::Member { carrier, .. } => carrier,
            DeviceKind::Bond { min_links, .. } => {
                let usable = self.members(index).filter(|(_, state)| state.mii_up);
                usable.count() >= min_links.max(1) as usize
            }
        }
    }

    fn members(&self, of: u32) -> impl Iterator<Item = (u32, &Member)> {
        self.devices
            .iter()
            .filter_map(move |(index, device)| match &device.kind {
                DeviceKind::Member { bond, state, .. } if *bond == of => Some((*index, state)),
                _ => None,
            })
    }

    /// The system id that this bond shows to its partner: the one that was given to it, or its own.
    #[must_use]
    pub fn actor(&self, bond: u32) -> Option<Mac> {
        match self.devices.get(&bond)?.kind {
            DeviceKind::Bond { actor, .. } if !self.static_lags => {
                Some(actor.unwrap_or_else(|| self.mac_of(bond)))
            }
            _ => None,
        }
    }

    fn mac_of(&self, index: u32) -> Mac {
        let [.., low] = index.to_be_bytes();
        Mac([2, 0xff, 0, 0, self.side, low])
    }

    /// Whether this bond carries data when LACP agrees, as its operator set it up.
    #[must_use]
    pub fn can_carry(&self, bond: u32) -> bool {
        let Some(device) = self.devices.get(&bond) else {
            return false;
        };
        let enough = match device.kind {
            DeviceKind::Bond { min_links, .. } => {
                (min_links % MIN_LINKS_HOLD) as usize <= self.members(bond).count()
            }
            _ => true,
        };
        device.admin_up && device.port.is_some() && self.bridge_is_up() && enough
    }

    /// Whether LACP runs on this bond: what comes is heard, and members are looked at.
    #[must_use]
    pub fn runs_lacp(&self, bond: u32) -> bool {
        let device = self.devices.get(&bond);
        !self.is_stalled && device.is_some_and(|device| device.admin_up)
    }

    /// Whether the bridge forwards anything.
    #[must_use]
    pub fn bridge_is_up(&self) -> bool {
        self.devices[&BRIDGE].admin_up
    }

    /// Whether this is a port of the bridge that is not disabled, as all are while the bridge is down.
    fn is_enabled(&self, index: u32) -> bool {
        let device = self.devices.get(&index);
        let is_port = device.is_some_and(|device| device.port.is_some());
        is_port && self.bridge_is_up() && self.has_carrier(index)
    }

    /// Whether frames enter and leave through this port.
    fn is_forwarding(&self, index: u32) -> bool {
        let device = &self.devices[&index];
        let held = self.filter.as_ref().is_some_and(|filter| {
            // A rule that names a port by its name.
            filter.held.contains(&device.name)
        });
        self.is_enabled(index) && !held && !self.waits_to_forward(index)
    }

    /// Whether spanning tree keeps the port from carrying data, as it does for a while with any that gets its carrier.
    #[must_use]
    pub fn waits_to_forward(&self, index: u32) -> bool {
        let device = self.devices.get(&index);
        device.is_some_and(|device| matches!(device.tree, Tree::Waiting(_)))
    }

    /// A port has waited for long enough, unless it lost its carrier meanwhile. Returns whether it forwards from now on.
    pub fn let_forward(&mut self, index: u32, wait: u64) -> bool {
        let device = self.devices.get_mut(&index);
        let Some(device) = device.filter(|device| device.tree == Tree::Waiting(wait)) else {
            return false;
        };
        device.tree = Tree::Forwarding;
        self.device_changed(index);
        true
    }

    /// Ports that lost their carrier begin anew when they have it again.
    fn follow_carriers(&mut self) {
        if !self.spanning_tree {
            return;
        }
        for index in self.devices.keys().copied().collect::<Vec<_>>() {
            let is_enabled = self.is_enabled(index);
            let Some(device) = self.devices.get_mut(&index) else {
                continue;
            };
            match (is_enabled, device.tree) {
                (false, _) => device.tree = Tree::Disabled,
                (true, Tree::Disabled) => {
                    self.waits += 1;
                    device.tree = Tree::Waiting(self.waits);
                    self.to_forward.push((index, self.waits));
                }
                (true, Tree::Waiting(_) | Tree::Forwarding) => {}
            }
        }
    }

    /// Whether a frame that arrives on this port is taken in.
    #[must_use]
    pub fn accepts(&self, ingress: u32, vid: Vid) -> bool {
        !self.is_stalled && self.carries(ingress, vid) && self.is_forwarding(ingress)
    }

    /// Whether this is a port of the bridge that carries the VLAN.
    #[must_use]
    pub fn carries(&self, index: u32, vid: Vid) -> bool {
        let device = self.devices.get(&index);
        let port = device.and_then(|device| device.port);
        port.is_some_and(|port| port.carries(vid))
    }

    /// The ports through which a frame leaves that arrived on `ingress`, to this address or to all.
    #[must_use]
    pub fn egress(&self, ingress: u32, vid: Vid, to: Option<Mac>) -> Vec<u32> {
        let entry = to.and_then(|mac| self.fdb.get(&FdbKey { vid, mac }));
        if let Some(entry) = entry {
            let settings = self
                .devices
                .get(&entry.port)
                .and_then(|device| device.port.as_ref());
            let backup = settings.and_then(|port| port.backup);
            let out = match backup {
                // Up to kernel 6.17: a port that is down and keeps its carrier is not gone round.
                Some(backup) if !self.keeps_carrier(entry.port) => backup,
                _ => entry.port,
            };
            return [out]
                .into_iter()
                .filter(|out| self.may_leave(ingress, *out, vid))
                .collect();
        }
        let all = self.devices.keys().copied();
        all.filter(|out| self.may_leave(ingress, *out, vid))
            .collect()
    }

    fn may_leave(&self, ingress: u32, out: u32, vid: Vid) -> bool {
        if out == ingress || !self.carries(out, vid) || !self.is_forwarding(out) {
            return false;
        }
        let is_split = self.filter.as_ref().is_some_and(|filter| {
            let from = self.devices[&ingress].name;
            filter.peer_link == Some(from) && filter.isolated.contains(&self.devices[&out].name)
        });
        !is_split
    }

    /// Learn from a frame that was taken in. False if the host was known to be there, of which nobody hears.
    pub fn learn(&mut self, key: FdbKey, ingress: u32, now: Time) -> bool {
        let learns = self.devices[&ingress]
            .port
            .is_some_and(|port| port.learning);
        if !learns {
            return true;
        }
        let before = self.fdb.get(&key).copied();
        let (kind, moves) = match before.map(|entry| entry.kind) {
            None => (EntryKind::Dynamic, true),
            Some(EntryKind::Local) => return true,
            Some(EntryKind::Ours { sticky, .. }) => {
                let active = true;
                (EntryKind::Ours { active, sticky }, !sticky)
            }
            Some(kind) => (kind, true),
        };
        let stays = before.filter(|_| !moves).map(|entry| entry.port);
        let entry = Entry {
            port: stays.unwrap_or(ingress),
            kind,
            used: now,
        };
        self.set_entry(key, Some(entry));
        before.is_none_or(|before| (before.port, before.kind) != (entry.port, entry.kind))
    }

    /// Time has passed for the table.
    pub fn age(&mut self, now: Time) {
        // The bridge looks at its table only while it is up.
        if !self.bridge_is_up() {
            return;
        }
        let old: Vec<(FdbKey, Entry)> = self
            .fdb
            .iter()
            .filter(|(_, entry)| now - entry.used >= AGEING)
            .map(|(key, entry)| (*key, *entry))
            .collect();
        for (key, entry) in old {
            match entry.kind {
                EntryKind::Dynamic => self.set_entry(key, None),
                EntryKind::Ours {
                    active: true,
                    sticky,
                } => {
                    let kind = EntryKind::Ours {
                        active: false,
                        sticky,
                    };
                    self.set_entry(key, Some(Entry { kind, ..entry }));
                }
                _ => {}
            }
        }
    }

    fn set_entry(&mut self, key: FdbKey, entry: Option<Entry>) {
        let before = match entry {
            Some(entry) => self.fdb.insert(key, entry),
            None => self.fdb.remove(&key),
        };
        let seen = |entry: Entry| (entry.port, entry.kind);
        if before.map(seen) == entry.map(seen) {
            return;
        }
        if before.map(|entry| entry.port) != entry.map(|entry| entry.port) {
            self.version += 1;
        }
        let entry = entry.and_then(|entry| self.as_seen_by_syncd(&entry));
        self.for_syncd.push(BackendEvent::Fdb { key, entry });
    }

    fn as_seen_by_syncd(&self, entry: &Entry) -> Option<FdbEntry> {
        let (port, kind) = (self.called(entry.port)?, entry.kind);
        Some(FdbEntry { port, kind })
    }

    /// Entries on this port go: all of them, or those that were learned.
    fn flush(&mut self, port: u32, all: bool) {
        self.flush_vlans(port, &VIDS, all);
    }

    fn flush_vlans(&mut self, port: u32, vids: &[Vid], all: bool) {
        let is_meant =
            |entry: &Entry| entry.port == port && (all || entry.kind == EntryKind::Dynamic);
        let gone: Vec<FdbKey> = self
            .fdb
            .iter()
            .filter(|(key, entry)| vids.contains(&key.vid) && is_meant(entry))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.set_entry(key, None);
        }
    }

    /// A cable was plugged in or pulled, or the other end went up or down.
    pub fn set_cable(&mut self, index: u32, up: bool) {
        if let Some(device) = self.devices.get_mut(&index)
            && let DeviceKind::Wire { carrier } | DeviceKind::Member { carrier, .. } =
                &mut device.kind
            && *carrier != up
        {
            *carrier = up;
            self.device_changed(index);
        }
    }

    /// Whether the bond has noticed what is so of its member's carrier.
    pub fn notice_carrier(&mut self, index: u32) {
        let has_carrier = self.has_carrier(index);
        if let Some(state) = self.member_mut(index)
            && state.mii_up != has_carrier
        {
            state.mii_up = has_carrier;
            state.failures += u32::from(!has_carrier);
            self.device_changed(index);
        }
    }

    /// LACP agreed with a partner, who uses this leg or not, begins anew, or has given up. No event says so: the kernel
    /// sends none.
    pub fn negotiate(&mut self, index: u32, found: Found) {
        let (partner, is_used, is_alone) = match found {
            Found::Partner { partner, is_used } => (Some(partner), is_used, false),
            Found::NobodyYet => (None, false, false),
            Found::Nobody => (None, false, true),
        };
        if let Some(state) = self.member_mut(index) {
            let now = Member {
                partner,
                is_used,
                is_alone,
                ..*state
            };
            if std::mem::replace(state, now) != now {
                self.version += 1;
            }
        }
    }

    /// What the bond makes of this member.
    #[must_use]
    pub fn member_state(&self, index: u32) -> Option<&Member> {
        match &self.devices.get(&index)?.kind {
            DeviceKind::Member { state, .. } => Some(state),
            _ => None,
        }
    }

    fn member_mut(&mut self, index: u32) -> Option<&mut Member> {
        match &mut self.devices.get_mut(&index)?.kind {
            DeviceKind::Member { state, .. } => Some(state),
            _ => None,
        }
    }

    /// The filter names interfaces as the kernel does.
    fn called_otherwise(&mut self, index: u32, before: Option<IfName>) {
        let now = self.called(index);
        if let Some((from, to)) = before.zip(now).filter(|(from, to)| from != to) {
            self.for_syncd.push(BackendEvent::Renamed { from, to });
            self.gone_for_syncd(from);
            self.report_to_syncd(index);
            self.holds_changed();
            if self.is_held_by_links(index) {
                self.look_again("a bond is held under another name");
            }
        }
    }

    /// Whether the port is held, by `min_links` or by the filter.
    #[must_use]
    pub fn is_held(&self, index: u32) -> bool {
        let Some(device) = self.devices.get(&index) else {
            return false;
        };
        let filter = self.filter.as_ref();
        let by_filter = filter.is_some_and(|filter| filter.held.contains(&device.name));
        by_filter || self.is_held_by_links(index)
    }

    fn is_held_by_links(&self, index: u32) -> bool {
        let kind = self.devices.get(&index).map(|device| device.kind);
        matches!(kind, Some(DeviceKind::Bond { min_links, .. }) if min_links >= MIN_LINKS_HOLD)
    }

    /// Whether what came from the peer link leaves through this port.
    #[must_use]
    pub fn is_isolated(&self, index: u32) -> bool {
        let name = self.name_of(index);
        let filter = self.filter.as_ref();
        filter
            .zip(name)
            .is_some_and(|(filter, name)| filter.isolated.contains(&name))
    }
}
