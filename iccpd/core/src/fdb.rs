//! The address table: who sees a host, where frames for it go, what is advertised to the peer.
//!
//! The rules of the table, for the engine in `table.rs`. Follows the table of `spec/behaviour.md`
//! 9.13. *Local* is on which port this chassis sees the host (the specification's L bit is its
//! absence), *remote* on which port the peer advertises it (absence is the P bit). Where both exist
//! they name the same MLAG port: any other combination is a move, and the newer observation wins. Not so
//! what operators configured on both chassis: each stays until whoever wrote it removes it, and this
//! chassis' own counts here (`docs/adr/0019-order-of-moves.md`).
//!
//! Ageing needs no clock here: the dataplane says when a host falls silent on this chassis, and
//! an entry goes when neither side sees the host.
//!
//! Here: what holds for every dataplane. What does not are the `Rules` of one that reports activity
//! on what was installed (`activity.rs`), and of one that does not (`unreported.rs`). `order.rs`: which of
//! two observations is newer. `ports.rs`: ports that come and go. `packed.rs`: how it is kept in little memory. `view.rs`: what an operator sees.

mod activity;
mod order;
mod packed;
mod ports;
mod unreported;
mod view;

pub use ports::{Outage, Own, Ports};

use crate::Time;
use crate::table::{self, Concerns, Entry, Operation, Table};
use activity::ByActivity;
use mclag_proto::IfName;
use mclag_proto::iccp::ext::MacOrder;
use mclag_proto::iccp::{EntryOp, MacEntry, MacType};
use mclag_proto::sync::model::{FdbKey, FdbKind, FdbWant, Observation, Op, Section};
use order::{Moves, Newer};
use packed::Names;
use ports::Change;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use unreported::WithoutReports;

/// Most addresses that are kept; `syncd` keeps no more either. What a peer or a flood of frames
/// makes up beyond that is counted and ignored.
pub const MAX_ENTRIES: usize = 1 << 20;

/// Most addresses whose move to an interface that the kernel does not have yet is remembered.
const MAX_EARLY: usize = 1 << 16;

/// Where a host is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    port: IfName,
    /// An operator put it there; else it was learned.
    configured: bool,
}

/// What this chassis observes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Local {
    place: Place,
    /// How far the dataplane bears it out.
    standing: Standing,
    /// Not advertised: the port is down, or the kernel does not have it yet.
    suppressed: bool,
}

/// How far the dataplane bears a local observation out. One that reports activity always does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Standing {
    /// The dataplane learned it itself, or an operator configured it.
    #[default]
    Own,
    /// The port is down since, and up at the peer: the host is reached by way of the peer link for a
    /// while, until somebody hears of it.
    ViaPeerLink,
    /// The peer's before: installed to age here ([`FdbKind::Ageing`]) until the dataplane learns it
    /// itself.
    AgeingHere,
}

impl From<Place> for Local {
    fn from(place: Place) -> Self {
        Self {
            place,
            standing: Standing::Own,
            suppressed: false,
        }
    }
}

/// What depends on whether the dataplane reports activity on what was installed.
trait Rules {
    /// What has to be installed for a host that this chassis sees.
    fn program(
        &self,
        key: FdbKey,
        local: Local,
        remote: Option<Place>,
        ports: &Ports,
    ) -> Option<FdbWant>;

    /// The dataplane reports a host on a port other than the peer link.
    fn observed(&self, entry: &mut Entry<Policy>, place: Place, ports: &Ports);

    /// The dataplane's entry is gone, if that is news.
    fn is_gone(&self, local: Local) -> bool;

    /// The state of the port changed where this chassis sees the host.
    fn follow_local(
        &self,
        key: FdbKey,
        entry: &mut Entry<Policy>,
        local: Local,
        change: &Change<'_>,
    );

    /// The port where the peer alone sees the host, an MLAG port of both, went down there.
    fn lost_at_peer(&self, key: FdbKey, entry: &mut Entry<Policy>, remote: Place, ports: &Ports);

    /// Nothing of what the peer advertised counts any more (`spec/behaviour.md` 9.9).
    fn peer_lost(&self, key: FdbKey, entry: &mut Entry<Policy>, ports: &Ports);
}

/// The rules, with the ports they depend on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Policy {
    ports: Ports,
}

impl Ports {
    fn rules(&self) -> &'static dyn Rules {
        if self.unreported {
            &WithoutReports
        } else {
            &ByActivity
        }
    }

    /// What has to be installed.
    fn program(&self, key: FdbKey, entry: &Entry<Policy>) -> Option<FdbWant> {
        match (entry.local, entry.remote) {
            (Some(local), remote) => self.rules().program(key, local, remote, self),
            (None, remote) => self.toward(key, remote?),
        }
    }

    /// The MLAG port if it is up or the dataplane knows what to do, else the peer link, else nothing.
    fn toward(&self, key: FdbKey, remote: Place) -> Option<FdbWant> {
        if self.own.contains(&key) {
            return None; // a virtual router that both have, or an address that was given twice
        }
        let own = self.is_mlag(&remote.port) && self.carries(&remote.port, key.vid);
        let is_down = self.outage(&remote.port).is_some() || self.detours.contains(&remote.port);
        if own && !is_down {
            return Some(over_port(remote));
        }
        self.over_peer_link(key, remote)
    }

    fn over_peer_link(&self, key: FdbKey, place: Place) -> Option<FdbWant> {
        let port = self.usable_peer_link()?;
        let want = FdbWant {
            port,
            ..over_port(place)
        };
        self.carries(&port, key.vid).then_some(want)
    }
}

const fn over_port(place: Place) -> FdbWant {
    let kind = if place.configured {
        FdbKind::Static
    } else {
        FdbKind::Tracked
    };
    FdbWant {
        port: place.port,
        kind,
    }
}

impl table::Policy for Policy {
    type Key = FdbKey;
    type Local = Local;
    type Remote = Place;
    type Advertised = Place;
    type Programmed = FdbWant;
    type Op = Op;
    type Layout = Names;

    const MAX_ENTRIES: usize = MAX_ENTRIES;
    const FORGETS_SUPERSEDED: bool = true;

    fn advertise(&self, _key: FdbKey, entry: &Entry<Self>) -> Option<Place> {
        let ports = &self.ports;
        let local = entry.local.filter(|local| !local.suppressed)?;
        let place = local.place;
        let is_advertised = entry
            .advertised
            .is_some_and(|advertised| advertised.port == place.port);
        (ports.is_mlag(&place.port) || ports.reach_orphan(is_advertised)).then_some(place)
    }

    fn program(&self, key: FdbKey, entry: &Entry<Self>) -> Option<FdbWant> {
        self.ports.program(key, entry)
    }

    /// Most addresses are seen on one side only. Without any observation an entry has to be looked at
    /// to be dropped.
    fn concerns_dataplane(&self, entry: &Entry<Self>) -> bool {
        entry
            .local
            .is_none_or(|local| local.standing != Standing::Own)
            || entry.remote.is_some()
            || entry.programmed.is_some()
            || entry.superseded.is_some()
            || entry.reprogram
    }

    fn op(operation: Operation<Self>) -> Op {
        match operation {
            Operation::SnapshotBegin => Op::SnapshotBegin(Section::Fdb),
            Operation::Program { key, want } => Op::Fdb { key, want },
            Operation::Release { key, forget } => Op::FdbRelease { key, forget },
            Operation::SnapshotEnd => Op::SnapshotEnd(Section::Fdb),
        }
    }
}

impl Entry<Policy> {
    /// Where this chassis sees the host.
    fn place(&self) -> Option<Place> {
        Some(self.local?.place)
    }

    fn is_observed(&self) -> bool {
        self.local.is_some() || self.remote.is_some()
    }

    /// Said again even if the peer was sent the same place before: it is newer than what the peer may
    /// have observed meanwhile.
    const fn advertise_again(&mut self, is_ordered: bool) {
        self.readvertise |= is_ordered && self.advertised.is_some();
    }

    /// Whether the peer's observation replaces that of this chassis, or has nothing to replace; else
    /// the peer hears that this one is newer.
    fn gives_way(
        &mut self,
        key: FdbKey,
        place: Place,
        moves: &mut Moves,
        is_primary: bool,
        policy: &Policy,
    ) -> bool {
        let own = moves.own(&key, self.is_observed());
        let peers = moves.take(&key);
        // What operators configured has no order, and what is not advertised is no answer, as a rule.
        let is_other = |local: Local| {
            let is_same = local.place.port == place.port && policy.ports.is_mlag(&place.port);
            !is_same && !local.place.configured && !place.configured
        };
        let advertise = table::Policy::advertise(policy, key, self);
        // What waits for a peer link that is missing is as true as what is advertised, and nobody else can compare.
        let waits = policy.ports.peer_link_missing;
        let counts = |local: Local| advertise.is_some() || (waits && !local.suppressed);
        let newer = match self
            .local
            .filter(|local| is_other(*local) && counts(*local))
        {
            Some(_) => order::newer(own, peers, is_primary || advertise.is_none()),
            None => Newer::Peers,
        };
        let sequence = own.sequence.newer(peers.sequence);
        match newer {
            Newer::Peers => {
                moves.note(key, sequence, own.at);
                return true;
            }
            Newer::OwnDecided => moves.note(key, sequence.next(), own.at),
            Newer::Own => {}
        }
        // If it never hears of this one, its own stands.
        let is_heard = advertise.is_some() && self.advertised == advertise && !self.readvertise;
        self.set_remote(None);
        self.displaced = (!is_heard).then_some(place);
        self.advertise_again(own.sequence != peers.sequence || newer == Newer::OwnDecided);
        false
    }

    /// `spec/behaviour.md` 9.3, with the port up. False if the host stays where the peer's operator
    /// put it.
    fn learned(&mut self, place: Place, ports: &Ports) -> bool {
        self.unconfirmed = false;
        let port = place.port;
        let stays = |remote: Place| {
            (remote.port == port && ports.is_mlag(&port)) || (remote.configured && place.configured)
        };
        if let Some(remote) = self.remote.filter(|remote| !stays(*remote)) {
            if remote.configured && !self.stale && !place.configured {
                // Put back what the frame displaced. What was configured here is so no longer.
                self.local = self.local.filter(|local| !local.place.configured);
                self.reprogram = true;
                return false;
            }
            self.displace_remote();
        }
        self.local = Some(place.into());
        self.superseded = None;
        true
    }

    /// What is configured here displaces what the peer learned elsewhere, unless it never hears of it.
    fn displace_learned(&mut self, own: Place, peers: Place) {
        let is_heard = self.advertised == Some(own);
        self.set_remote(None);
        self.displaced = (!is_heard).then_some(peers);
    }

    /// The peer sees the host there (`spec/behaviour.md` 9.5).
    fn learned_by_peer(&mut self, place: Place, ports: &Ports) {
        let mine = ports.is_mlag(&place.port);
        let here = |own: Local| mine && own.place.port == place.port;
        if let Some(local) = self.local.filter(|local| local.place.configured) {
            // Configured here beats anything the peer has. What it learned elsewhere it gives up when
            // it hears of this one; what was configured there stays, whichever came first.
            if here(local) || place.configured {
                self.set_remote(Some(place));
            } else {
                self.displace_learned(local.place, place);
            }
            return;
        }
        // As long as the dataplane was not told, its own observation stands.
        let own = self.local.or(self.superseded);
        if own.is_some_and(here) && ports.outage(&place.port).is_none() {
            self.local = own;
            self.superseded = None;
        } else {
            self.local = None;
            // What it does not own it need not forget.
            let owned = own.filter(|own| own.standing == Standing::Own);
            self.superseded = owned.map(|own| own.place.into());
        }
        self.set_remote(Some(place));
    }
}

/// The address table.
#[derive(Clone, Debug, Default)]
pub struct Fdb {
    table: Table<Policy>,
    /// Where known addresses moved to, of ports that the kernel does not have yet.
    early: BTreeMap<FdbKey, Place>,
    /// MLAG ports that went down at the peer since their states were looked at last.
    lost_at_peer: BTreeSet<IfName>,
    moves: Moves,
    sight: Sight,
}

/// Until when this chassis knew what its dataplane sees, as far as it noticed: what a listing has otherwise counts as observed
/// then.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    /// It has listed everything, and reports what changes.
    is_complete: bool,
    /// When that ended last.
    until: Option<Time>,
}

impl Sight {
    fn ends(&mut self, now: Time) {
        if std::mem::take(&mut self.is_complete) {
            self.until = Some(now);
        }
    }
}

impl Fdb {
    /// The dataplane of this chassis reports an address.
    pub fn local_observation(&mut self, key: FdbKey, observation: Observation, now: Time) {
        // What is listed may have been there for long, but not so long as this chassis knew everything.
        let at = match self.table.is_listing() {
            true => self.sight.until,
            false => Some(now),
        };
        self.observed(key, observation, at);
    }

    fn observed(&mut self, key: FdbKey, observation: Observation, at: Option<Time>) {
        if !key.mac.is_unicast() {
            return;
        }
        self.early.remove(&key);
        let on_peer_link =
            observation.port().is_some() && observation.port() == self.ports().peer_link;
        if on_peer_link && self.ports().unreported {
            return; // what the dataplane would learn there is installed
        }
        let configured = matches!(
            observation,
            Observation::Learned {
                configured: true,
                ..
            }
        );
        // A host behind the peer link is the peer's to see.
        let Some(port) = observation.port().filter(|_| !on_peer_link) else {
            self.local_gone(key, observation);
            return;
        };
        // Nothing makes room for what has no place all the same.
        let full = !self.table.layout().takes(&port, packed::MAX_NAMES)
            || self.table.is_full_for_local(&key);
        if full {
            self.table.ignore();
            return;
        }
        let place = Place { port, configured };
        if self.ports().is_unknown(&port) {
            self.observed_early(key, place);
        } else {
            let moves = &mut self.moves;
            self.table.change_or_add(key, |entry, policy| {
                let (before, known) = (entry.place(), entry.is_observed());
                policy.ports.rules().observed(entry, place, &policy.ports);
                if entry.local.is_some() && entry.place() != before {
                    let sequence = moves.sequence(&key, known).next();
                    moves.note(key, sequence, at);
                    entry.advertise_again(moves.is_ordered);
                }
                Concerns::Both
            });
        }
    }

    fn local_gone(&mut self, key: FdbKey, observation: Observation) {
        self.table.change(key, |entry, policy| {
            entry.unconfirmed = false;
            let rules = policy.ports.rules();
            if entry.local.is_some_and(|local| !rules.is_gone(local)) {
                return Concerns::Nobody;
            }
            entry.observe_nothing();
            // Whatever we had there is gone as well: name it again if it is wanted.
            entry.reprogram |= observation == Observation::Aged;
            Concerns::Both
        });
    }

    /// `spec/iccp.md` 10.2, unknown interface: the kernel may be slower than the dataplane. A new
    /// address is not told until the port is there and up; of one that somebody sees, what is known
    /// from before stands until then.
    fn observed_early(&mut self, key: FdbKey, place: Place) {
        let mut is_known = false;
        self.table.change_or_add(key, |entry, policy| {
            entry.unconfirmed = false;
            is_known = entry.local.is_some() || entry.remote.is_some();
            if !is_known && entry.learned(place, &policy.ports) {
                entry.suppress(true);
            }
            Concerns::Both
        });
        if is_known && self.early.len() < MAX_EARLY {
            self.early.insert(key, place);
        } else if is_known {
            self.table.ignore();
        }
    }

    /// What was reported on a port before the kernel had it counts now.
    fn replay_early(&mut self) {
        let early = self.early.iter();
        let due: Vec<(FdbKey, Place)> = early
            .filter(|(_, place)| !self.ports().is_unknown(&place.port))
            .map(|(key, place)| (*key, *place))
            .collect();
        for (key, Place { port, configured }) in due {
            self.observed(key, Observation::Learned { port, configured }, None);
        }
    }

    /// The dataplane lists its table: what it does not name is not seen here.
    pub fn local_listing_begins(&mut self, now: Time) {
        self.sight.ends(now);
        self.early.clear();
        // It does not list what was installed.
        let listed = |local: &Local| local.standing == Standing::Own;
        self.table
            .listing_begins(|entry| entry.local.as_ref().is_none_or(listed));
    }

    /// The dataplane's listing is complete. Returns false, and nothing follows, if none had begun.
    pub fn local_listing_ends(&mut self) -> bool {
        let ends = self
            .table
            .listing_ends(|_, entry, _| entry.observe_nothing());
        self.sight.is_complete |= ends;
        ends
    }

    /// The dataplane is gone, in the middle of its listing perhaps.
    pub fn syncd_down(&mut self, now: Time) {
        self.sight.ends(now);
        self.table.abandon_listing();
    }

    /// The peer says where addresses stand in the order of moves that it is about to report.
    pub fn remote_orders(&mut self, orders: &[MacOrder], now: Time) {
        self.moves.announced(orders, now);
    }

    /// The peer reports an address (`spec/behaviour.md` 9.5). Where both have an order of moves and
    /// neither knew of the other's, the primary decides.
    pub fn remote_entry(&mut self, update: &MacEntry, is_primary: bool) {
        let mine = self.ports().is_mlag(&update.port);
        if !update.mac.is_unicast() || (self.ports().no_orphans && !mine) {
            return;
        }
        let key = FdbKey {
            vid: update.vid,
            mac: update.mac,
        };
        match update.op {
            EntryOp::Add => {
                let place = Place {
                    port: update.port,
                    configured: update.kind == MacType::Static,
                };
                self.learned_by_peer(key, place, mine, is_primary);
            }
            EntryOp::Delete => self.withdrawn_by_peer(key),
            EntryOp::Reserved(_) => {}
        }
    }

    /// The peer has this address itself, or an operator put it there, at no MLAG port.
    #[must_use]
    pub fn is_configured_at_peer(&self, key: FdbKey) -> bool {
        let remote = self.table.get(&key).and_then(|entry| entry.remote);
        remote.is_some_and(|place| place.configured && !self.ports().is_mlag(&place.port))
    }

    /// An MLAG port went down at the peer. Entries follow when the states of the ports are looked at
    /// ([`Self::set_ports`]), which may be later: until then the peer may withdraw what it saw there.
    pub fn peer_port_lost(&mut self, port: IfName) {
        if self.ports().is_mlag(&port) {
            self.lost_at_peer.insert(port);
        }
    }

    /// The ports that went down at the peer, maybe to come up again, since this was asked last.
    pub fn take_lost_at_peer(&mut self) -> BTreeSet<IfName> {
        std::mem::take(&mut self.lost_at_peer)
    }

    fn withdrawn_by_peer(&mut self, key: FdbKey) {
        let lost = &self.lost_at_peer;
        let may_be_overtaken = self.moves.may_be_overtaken(&key);
        self.table.change(key, |entry, Policy { ports }| {
            // First the loss of the port, which the peer said first.
            if let (None, Some(remote)) = (entry.local, entry.remote)
                && lost.contains(&remote.port)
                && ports.is_mlag(&remote.port)
            {
                ports.rules().lost_at_peer(key, entry, remote, ports);
            }
            let is_both = entry.local.is_some() && entry.remote.is_some();
            entry.set_remote(None);
            entry.advertise_again(may_be_overtaken && is_both);
            Concerns::Both
        });
    }

    fn learned_by_peer(&mut self, key: FdbKey, place: Place, mine: bool, is_primary: bool) {
        // Where it is there is no way to.
        let lost = !mine && self.ports().peer_link.is_none();
        if lost && !self.table.contains(&key) {
            return;
        }
        let names = self.table.layout();
        if self.table.is_full_for_remote(&key)
            || !names.takes(&place.port, packed::MAX_NAMES_OF_PEER)
        {
            self.table.ignore();
            return;
        }
        let early = self
            .early
            .get(&key)
            .filter(|early| early.port != place.port);
        let (is_early, mut is_newer) = (early.is_some(), false);
        let moves = &mut self.moves;
        self.table.change_or_add(key, |entry, policy| {
            if moves.is_ordered && !entry.gives_way(key, place, moves, is_primary, policy) {
                return Concerns::Both;
            }
            // The newer observation wins; the dataplane has one of its own to be replaced.
            is_newer = is_early && entry.remote != Some(place);
            entry.reprogram |= is_newer;
            entry.learned_by_peer(place, &policy.ports);
            if lost {
                entry.set_remote(None);
            }
            Concerns::Both
        });
        if is_newer {
            self.early.remove(&key);
        }
    }

    /// The session reached EXCHANGE: advertise everything (`spec/behaviour.md` 9.10).
    ///
    /// With `is_ordered` the peer knows of an order of moves. It begins anew: nobody knows what the
    /// other has missed.
    pub fn session_up(&mut self, is_ordered: bool) {
        self.moves.session_begins(is_ordered);
        self.table.start_advertising(|entry, policy| {
            // Everything that is seen here; what is only configured on a port that is down is not.
            let unseen =
                |place: Place| place.configured && policy.ports.outage(&place.port).is_some();
            let suppressed = |local: &Local| local.suppressed && unseen(local.place);
            let suppressed = entry.local.as_ref().is_some_and(suppressed);
            entry.suppress(suppressed);
        });
    }

    /// The session is gone: keep what the peer advertised, but remember that it may be old. With
    /// `release`, give it up at once (`spec/behaviour.md` 9.9); may be called again for that.
    pub fn session_down(&mut self, release: bool) {
        self.table.session_down(|key, entry, Policy { ports }| {
            if release {
                ports.rules().peer_lost(key, entry, ports);
            }
            release
        });
    }

    /// Forget what the peer advertised in a session that is gone and did not repeat.
    pub fn purge_stale(&mut self) {
        self.table.purge_stale();
    }

    /// Ports, VLANs or their states changed: look again at the entries that this may concern.
    /// Bounded by the number of entries; nothing is looked at when nothing changed.
    ///
    /// `synchronised` says that the state of the peer's ports is the peer's word, and not what is left
    /// of a session that is gone.
    pub fn set_ports(&mut self, now: Ports, synchronised: bool) {
        if *self.ports() == now {
            return;
        }
        let before = self.table.replace_policy(Policy { ports: now }).ports;
        let follow = |key: FdbKey, entry: &mut Entry<Policy>, Policy { ports: now }: &Policy| {
            Change::new(&before, now, synchronised).follow(key, entry);
        };
        match Change::new(&before, self.ports(), synchronised).ports() {
            Some(ports) => {
                let named = self.table.layout().numbers(ports.iter());
                if !named.is_empty() {
                    self.table.review(.., |packed| packed.names(&named), follow);
                }
            }
            None => self.table.review(.., |_| true, follow),
        }
        if !Arc::ptr_eq(&before.own, &self.ports().own) {
            let now = Own::clone(&self.ports().own);
            for key in before.own.symmetric_difference(&now) {
                self.table.change(*key, |_, _| Concerns::Both);
            }
        }
        self.replay_early();
    }

    /// What the table knows of the ports.
    #[must_use]
    pub const fn ports(&self) -> &Ports {
        &self.table.policy().ports
    }

    /// `syncd` knows nothing any more; program every change from now on.
    pub fn syncd_up(&mut self) {
        self.table.dataplane_up();
    }

    /// What is known of the peer is all there is: `syncd` may drop the rest, now and whenever it
    /// connects.
    pub const fn complete(&mut self) {
        self.table.complete();
    }

    /// Append up to about `max` operations for `syncd`.
    pub fn next_ops(&mut self, max: usize, out: &mut Vec<Op>) {
        self.table.next_ops(max, out);
    }

    /// Up to `max` advertisements for the peer, each with what is true now.
    pub fn next_advertisements(&mut self, max: usize) -> Vec<MacEntry> {
        self.table.next_advertisements(0, max, |op, key, place| {
            let kind = if place.configured {
                MacType::Static
            } else {
                MacType::Dynamic
            };
            let FdbKey { vid, mac } = key;
            let port = place.port;
            Some(MacEntry {
                op,
                kind,
                mac,
                vid,
                port,
            })
        })
    }

    /// Where these advertisements stand in the order of moves, to be sent in front of them; empty if
    /// that goes without saying.
    #[must_use]
    pub fn orders_of(&self, advertisements: &[MacEntry], now: Time) -> Vec<MacOrder> {
        let there = advertisements.iter().filter(|it| it.op == EntryOp::Add);
        let orders = there.filter_map(|&MacEntry { mac, vid, .. }| {
            let key = FdbKey { vid, mac };
            self.moves.order(key, now)
        });
        orders.collect()
    }
}

#[cfg(test)]
mod tests;
