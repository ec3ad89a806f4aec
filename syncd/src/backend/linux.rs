//! The bridge, bonds and bridge filter of the running kernel.
//!
//! * Addresses: batched requests; ours are static entries with activity notification, and sticky
//!   where they have to stay on their port.
//! * Isolation: the set `isolated` of the bridge's filter table.
//! * Hold: a bond with LACP is given a `min_links` it cannot reach, so that it loses carrier while
//!   LACP runs on and its frames take the backup port. Any other port, and one that has to keep
//!   its carrier, enters the set `held` of the filter, which drops its frames.
//! * LACP system id: `ad_actor_system` of a bond, the address of a team.
//! * Identity of an interface: its address, set while it is up; for an SVI also a local entry of
//!   the bridge in that VLAN.
//! * Neighbours: externally learned ones.
//!
//! `plan` sorts actions into requests, `view` reads the kernel's words; here is the order of
//! things. Nothing here decides.

mod checks;
mod delete;
mod holds;
mod links;
mod listing;
mod networks;
mod plan;
mod routes;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use mclag_daemon::time::wait_until;
use mclag_netlink::nft::{Filter, FilterChange, FilterSet, FilterState, TableName, Watch};
use mclag_netlink::{
    ActorSystem, BridgeVlans, Event, Groups, InterfaceAddress, Kernel, LinkInfo, LinkKind, Monitor,
    Neighbour, NetlinkError,
};
use mclag_proto::IfName;
use mclag_proto::failing::Failing;
use mclag_proto::sync::model::{Abilities, FdbKey, OpError};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::{Backend, BackendEvent, Snapshot};
use crate::dataplane::{Action, FdbEntry};

use checks::Checks;
use links::Links;
use listing::Listing;
use networks::Networks;
use plan::{Request, Step};
use routes::Routes;
use view::BridgeSettings;

/// Receive buffer for events in bytes: about 40 000 forwarding entries that change at once.
const EVENT_BUFFER: u32 = 32 << 20;

/// Pause before a table is listed once more that could not be.
const LIST_AGAIN: Duration = Duration::from_secs(1);

/// What is looked at again and again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Look {
    Filter,
    Table,
    Routes,
}

/// The running kernel as a dataplane.
#[derive(Debug)]
pub struct LinuxBackend {
    kernel: Kernel,
    filter: Filter,
    monitor: Monitor,
    /// The bridge last asked for; it may not exist.
    bridge: Option<IfName>,
    /// The bridge whose filter is looked after: before one was asked for, that of an earlier run.
    filtered: Option<IfName>,
    links: Links,
    /// VLANs of bridge ports, by index.
    vlans: BTreeMap<u32, BridgeVlans>,
    networks: Networks,
    routes: Routes,
    /// Ports we hold, whichever way.
    held: BTreeSet<IfName>,
    /// What the filter was last known to be.
    filter_state: Option<FilterState>,
    /// What the kernel said and nobody looked at yet. Waiting for the next event may be given up at
    /// any point; what was heard stays here.
    heard: VecDeque<Event>,
    /// Bonds whose hold has to be looked at.
    doubts: BTreeSet<u32>,
    events: VecDeque<BackendEvent>,
    /// The table of the bridge, while it is being listed.
    listing: Option<Listing>,
    /// When it is listed once more after a failure.
    list_again_at: Option<Instant>,
    /// Tells when somebody else changed the rules; none if that cannot be heard any more.
    watch: Option<Watch>,
    filter_checks: Checks,
    failing: Failing<Look>,
    /// The filter is to be looked at, and was not yet: waiting may be given up in the middle of it.
    filter_due: bool,
}

impl LinuxBackend {
    /// Connect to the kernel. Must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    ///
    /// When a netlink socket cannot be made.
    pub fn open() -> io::Result<Self> {
        // Listening begins before anything is read, so that no change falls in between.
        let monitor = Monitor::open(
            Groups {
                links: true,
                fdb: true,
                addresses: true,
                default_routes: true,
                ..Groups::default()
            },
            EVENT_BUFFER,
        )?;
        tracing::debug!(bytes = monitor.receive_buffer(), "event buffer");
        let filter = Filter::open()?;
        let watch = Watch::open(&filter)?;
        Ok(Self {
            kernel: Kernel::open()?,
            filter,
            monitor,
            bridge: None,
            filtered: None,
            links: Links::default(),
            vlans: BTreeMap::new(),
            networks: Networks::default(),
            routes: Routes::new(),
            held: BTreeSet::new(),
            filter_state: None,
            heard: VecDeque::new(),
            doubts: BTreeSet::new(),
            events: VecDeque::new(),
            listing: None,
            list_again_at: None,
            watch: Some(watch),
            filter_checks: Checks::new(),
            failing: Failing::new(3),
            filter_due: false,
        })
    }

    /// The bridge whose filter an earlier run left behind, if there is one.
    async fn abandoned_bridge(&mut self) -> Result<Option<IfName>, NetlinkError> {
        let bridges: Vec<IfName> = self
            .links
            .by_index
            .values()
            .filter(|link| view::is_bridge(link))
            .map(|link| link.name)
            .collect();
        for bridge in bridges {
            if self
                .filter
                .read(&TableName::for_bridge(&bridge))
                .await?
                .is_some()
            {
                return Ok(Some(bridge));
            }
        }
        Ok(None)
    }

    async fn read_filter(&mut self) -> Result<(), NetlinkError> {
        self.filter_state = match self.filtered {
            Some(bridge) => self.filter.read(&TableName::for_bridge(&bridge)).await?,
            None => None,
        };
        Ok(())
    }

    /// Compare the filter with what was put there.
    async fn check_filter(&mut self) {
        let is_changed = match self.filtered.filter(|_| self.filter_state.is_some()) {
            Some(bridge) => match self.filter.read(&TableName::for_bridge(&bridge)).await {
                Ok(state) => {
                    if self.failing.done(&Look::Filter).is_some() {
                        tracing::info!("the filter can be checked again");
                    }
                    let is_changed = state != self.filter_state;
                    if is_changed {
                        self.report_filter(state);
                    }
                    is_changed
                }
                Err(error) => {
                    if self.failing.failed(Look::Filter, &error.to_string()) {
                        tracing::warn!(%error, "cannot check the filter");
                    }
                    false
                }
            },
            None => false,
        };
        self.filter_checks.looked(is_changed);
    }

    /// Somebody else changed the filter. The rest is as it was, so nothing else is looked at: until it is back
    /// frames pass that must not.
    fn report_filter(&mut self, state: Option<FilterState>) {
        tracing::warn!(
            is_there = state.is_some(),
            "somebody else changed the filter"
        );
        self.filter_state = state;
        // A later one would be right, too, but what waits may be a whole table.
        let event = self.filter_event();
        self.events.push_front(event);
    }

    fn filter_event(&mut self) -> BackendEvent {
        self.held = view::held(&self.links, self.filter_state.as_ref());
        let (filter, held) = (view::filter(self), self.held.clone());
        BackendEvent::Filter { filter, held }
    }

    /// Somebody changed rules, perhaps not ours: look at the filter, but not all the time.
    fn rules_changed(&mut self, heard: io::Result<()>) {
        match heard {
            Ok(()) => self.filter_checks.rules_changed(),
            Err(error) => {
                tracing::warn!(%error, "cannot hear of changed rules: the filter is checked every 5 s");
                self.watch = None;
            }
        }
    }

    fn resync(&mut self, why: &'static str) {
        // What was not taken yet is part of what will be seen.
        self.events.clear();
        self.events.push_back(BackendEvent::Resync { why });
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Fdb(entry) => {
                if let Some((key, entry)) = view::entry(&entry, self) {
                    let entry = Some(entry);
                    self.events.push_back(BackendEvent::Fdb { key, entry });
                }
            }
            Event::FdbGone(entry) => {
                if let Some(listing) = &mut self.listing {
                    listing.entry_is_gone();
                }
                if let Some((key, _)) = view::entry(&entry, self) {
                    self.events
                        .push_back(BackendEvent::Fdb { key, entry: None });
                }
            }
            Event::Link(link) => self.take_in_link(*link),
            Event::LinkGone { index, .. } => {
                let was_bridge = self.is_our_bridge(index);
                self.vlans.remove(&index);
                self.networks.forget(index);
                self.routes.forget(index);
                // What went over it, went over all that is below it.
                for name in self.links.remove(index) {
                    self.report_port(name);
                }
                if was_bridge {
                    self.resync("the bridge is gone");
                }
            }
            Event::BridgePort { index, port } => {
                if let Some(link) = self.links.by_index.get_mut(&index) {
                    link.bridge_port = Some(port);
                    let name = link.name;
                    self.report_port(name);
                }
            }
            Event::LeftBridge { index } => {
                if let Some(link) = self.links.by_index.get_mut(&index) {
                    link.bridge_port = None;
                    let name = link.name;
                    self.report_port(name);
                }
            }
            Event::BridgeVlans { index, vlans } => {
                self.vlans.insert(index, vlans);
                if let Some(name) = self.links.name(index) {
                    self.report_interface(name);
                }
            }
            Event::Neighbour(neighbour) => self.take_in_neighbour(&neighbour, true),
            Event::NeighbourGone(neighbour) => self.take_in_neighbour(&neighbour, false),
            Event::Address(address) => self.take_in_address(&address, true),
            Event::AddressGone(address) => self.take_in_address(&address, false),
            Event::DefaultRoute(routes) => self.default_route_came(routes),
            Event::DefaultRouteGone => self.routes.look_again(),
            Event::NextHop { id } => self.routes.next_hop_changed(id),
            Event::Overrun => self.resync("events were lost"),
            _ => {}
        }
    }

    fn take_in_address(&mut self, address: &InterfaceAddress, is_there: bool) {
        if self.networks.note(address, is_there)
            && let Some(name) = self.links.name(address.index)
        {
            self.report_interface(name);
        }
    }

    fn take_in_link(&mut self, link: LinkInfo) {
        let (index, name) = (link.index, link.name);
        let before = self.links.names.in_kernel(index);
        let other = self.links.names.call(index, name);
        self.called_otherwise(other);
        self.take_in_named(self.links.called(link));
        if before.is_some_and(|before| before != name) {
            self.names_changed();
        }
    }

    fn called_otherwise(&mut self, indices: impl IntoIterator<Item = u32>) {
        for index in indices {
            if let Some(link) = self.links.by_index.get(&index).cloned() {
                self.take_in_named(self.links.called(link));
            }
        }
    }

    /// Rules name interfaces as the kernel did when they were made.
    fn names_changed(&mut self) {
        let event = self.filter_event();
        self.events.push_back(event);
    }

    fn take_in_named(&mut self, mut link: LinkInfo) {
        let (index, name) = (link.index, link.name);
        if self.routes.lead_to(index) {
            self.routes.look_again();
        }
        // The kernel tells the system id in answers to questions only.
        view::keep_unreported(&mut link, self.links.by_index.get(&index));
        let bridge_appeared = Some(name) == self.bridge && !self.is_our_bridge(index);
        if self.is_in_doubt(&link) {
            self.doubts.insert(index);
        }
        let was = self.bridge_settings();
        let lower = links::lower(&link);
        if let Some(old_name) = self.links.insert(link) {
            self.events.push_back(BackendEvent::Renamed {
                from: old_name,
                to: name,
            });
            self.report_gone(old_name);
        }
        if bridge_appeared {
            self.resync("the bridge appeared");
            return;
        }
        let changed = self.bridge_settings().since(was);
        if let Some(why) = changed.filter(|_| self.is_our_bridge(index)) {
            self.resync(why);
            return;
        }
        self.report_port(name);
        self.report_lower(lower);
    }

    fn report_port(&mut self, port: IfName) {
        let actual = self
            .links
            .named(&port)
            .and_then(|link| view::port(link, self));
        self.events.push_back(BackendEvent::Port { port, actual });
        self.report_interface(port);
    }

    fn report_interface(&mut self, interface: IfName) {
        let link = self.links.named(&interface);
        let actual = link.map(|link| view::interface(link, self));
        self.events
            .push_back(BackendEvent::Interface { interface, actual });
    }

    /// Something became of a VLAN interface on top of this one.
    fn report_lower(&mut self, lower: Option<u32>) {
        if let Some(lower) = lower.and_then(|lower| self.links.name(lower)) {
            self.report_interface(lower);
        }
    }

    fn report_gone(&mut self, name: IfName) {
        self.events.push_back(BackendEvent::Port {
            port: name,
            actual: None,
        });
        self.events.push_back(BackendEvent::Interface {
            interface: name,
            actual: None,
        });
    }

    fn take_in_neighbour(&mut self, neighbour: &Neighbour, is_there: bool) {
        if let Some((key, entry)) = view::neighbour(neighbour, &self.links) {
            let entry = is_there.then_some(entry);
            self.events
                .push_back(BackendEvent::Neighbour { key, entry });
        }
    }

    /// Settings of our bridge.
    fn bridge_settings(&self) -> BridgeSettings {
        let settings = self.bridge_link().map(BridgeSettings::of);
        settings.unwrap_or_default()
    }

    fn is_our_bridge(&self, index: u32) -> bool {
        self.bridge_link().is_some_and(|link| link.index == index)
    }

    fn bridge_link(&self) -> Option<&LinkInfo> {
        self.links
            .named(&self.bridge?)
            .filter(|link| view::is_bridge(link))
    }

    async fn carry_out(&mut self, request: &Request) -> Vec<Result<(), OpError>> {
        match request {
            Request::Kernel(ops) => {
                let results = self.kernel.apply(ops).await;
                ops.iter()
                    .zip(results)
                    .map(|(op, result)| plan::result(op, result))
                    .collect()
            }
            Request::Filter(changes) => {
                let result = self.change_filter(changes).await;
                vec![result; changes.len()]
            }
            Request::HoldWithCarrier { filter, bond } => {
                if let Err(error) = self.change_filter(&[*filter]).await {
                    return vec![Err(error)];
                }
                let results = self.kernel.apply(std::slice::from_ref(bond)).await;
                let results = results.into_iter();
                results.map(|result| plan::result(bond, result)).collect()
            }
            Request::DeleteAnyway { entry, other } => vec![self.delete_anyway(entry, *other).await],
            Request::EnsureFilter { peer_link } => vec![self.ensure_filter(*peer_link).await],
            Request::RemoveFilter => vec![self.remove_filter().await],
            Request::Impossible(error) => vec![Err(error.clone())],
        }
    }

    fn table(&self) -> Result<TableName, OpError> {
        let bridge = self
            .filtered
            .ok_or_else(|| OpError::refused("no bridge was named"))?;
        Ok(TableName::for_bridge(&bridge))
    }

    async fn change_filter(&mut self, changes: &[FilterChange]) -> Result<(), OpError> {
        let table = self.table()?;
        let changes: Vec<FilterChange> = changes.iter().flat_map(|it| self.in_kernel(it)).collect();
        self.filter
            .change(&table, &changes)
            .await
            .map_err(plan::refused)?;
        let state = self.filter_state.get_or_insert_default();
        for change in &changes {
            let members = match change.set {
                FilterSet::Isolated => &mut state.isolated,
                FilterSet::Held => &mut state.held,
            };
            if change.present {
                members.insert(change.port);
            } else {
                members.remove(&change.port);
            }
        }
        Ok(())
    }

    /// The change under the name that the kernel compares. What it was called before leaves the set.
    fn in_kernel(&self, change: &FilterChange) -> impl Iterator<Item = FilterChange> + use<> {
        let port = self.links.names.to_kernel(change.port);
        let state = self.filter_state.as_ref().filter(|_| port != change.port);
        let is_left = state.is_some_and(|it| it.members(change.set).contains(&change.port));
        let left = FilterChange {
            present: false,
            ..*change
        };
        let now = FilterChange { port, ..*change };
        std::iter::once(now).chain(is_left.then_some(left))
    }

    async fn ensure_filter(&mut self, peer_link: Option<IfName>) -> Result<(), OpError> {
        let table = self.table()?;
        let mut wanted = self
            .filter
            .read(&table)
            .await
            .map_err(plan::refused)?
            .unwrap_or_default();
        wanted.peer_link = peer_link.map(|name| self.links.names.to_kernel(name));
        self.filter
            .replace(&table, &wanted)
            .await
            .map_err(plan::refused)?;
        self.filter_state = Some(wanted);
        Ok(())
    }

    async fn remove_filter(&mut self) -> Result<(), OpError> {
        let table = self.table()?;
        self.filter.delete(&table).await.map_err(plan::refused)?;
        self.filter_state = None;
        Ok(())
    }
}

async fn changed(watch: Option<&mut Watch>) -> io::Result<()> {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

impl Backend for LinuxBackend {
    fn name(&self) -> &'static str {
        "linux"
    }

    fn is_of_kernel(&self) -> bool {
        true
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            redirect: true,
            tracking: true,
            hold: true,
            pair: true,
            interfaces: true,
            neighbours: true,
            node_mac: false,
        }
    }

    fn follow(&mut self, names: &BTreeMap<IfName, Option<u32>>) {
        let others = self.links.names.follow(names);
        if !others.is_empty() {
            self.called_otherwise(others);
            self.names_changed();
        }
    }

    fn kept_names(&self) -> Vec<(u32, IfName)> {
        self.links.names.kept().collect()
    }

    async fn snapshot(&mut self, bridge: Option<IfName>) -> Result<Snapshot, OpError> {
        self.listing = None;
        self.list_again_at = None;
        let links = self.kernel.links().await.map_err(plan::refused)?;
        let renamed = self.links.renew(links);
        self.vlans = self.kernel.bridge_vlans().await.map_err(plan::refused)?;
        let addresses = self.kernel.addresses().await.map_err(plan::refused)?;
        self.networks = Networks::new(&addresses);
        self.routes.renew().await.map_err(plan::refused)?;
        self.bridge = bridge;
        self.filtered = match bridge {
            Some(bridge) => Some(bridge),
            None => self.abandoned_bridge().await.map_err(plan::refused)?,
        };
        self.read_filter().await.map_err(plan::refused)?;
        self.held = view::held(&self.links, self.filter_state.as_ref());
        let index = match (bridge, self.bridge_link().map(|link| link.index)) {
            (Some(_), Some(index)) => Some(index),
            (Some(bridge), None) => return Err(OpError::waiting_for(&bridge)),
            (None, _) => None,
        };
        let neighbours = self.kernel.neighbours().await.map_err(plan::refused)?;
        self.events.clear();
        // Of what was lost, this is not seen in the picture.
        self.events.extend(renamed);
        if let Some(index) = index {
            self.listing = Some(Listing::begin(index).map_err(plan::refused)?);
        }
        Ok(Snapshot {
            actual: view::actual(self, &neighbours),
            table_follows: index.is_some(),
        })
    }

    async fn look_up(&mut self, keys: &[FdbKey]) -> Vec<Result<Option<FdbEntry>, OpError>> {
        let bridge = self.bridge_link().map(|link| link.index);
        let is_filtering = self.bridge_settings().vlan_filtering;
        let mut found = Vec::with_capacity(keys.len());
        for FdbKey { vid, mac } in keys {
            let Some(bridge) = bridge else {
                found.push(Err(OpError::refused("the bridge is gone")));
                continue;
            };
            let vid = is_filtering.then_some(*vid);
            let entry = self.kernel.fdb_entry(bridge, *mac, vid).await;
            let entry = entry.map_err(plan::refused);
            found.push(entry.map(|entry| Some(view::entry(&entry?, self)?.1)));
        }
        found
    }

    async fn apply(&mut self, actions: &[Action]) -> Vec<Result<(), OpError>> {
        self.look_at_holds(actions).await;
        let mut results = Vec::with_capacity(actions.len());
        for Step { request, actions } in plan::steps(self, actions) {
            let outcome = self.carry_out(&request).await;
            for (action, result) in actions.iter().zip(&outcome) {
                if result.is_ok() {
                    self.remember(action);
                }
            }
            results.extend(outcome);
        }
        results
    }

    async fn next_event(&mut self) -> Result<BackendEvent, OpError> {
        loop {
            if self.filter_due {
                self.check_filter().await;
                self.filter_due = false;
                continue;
            }
            if self.listing.as_ref().is_some_and(Listing::has_ended) {
                self.finish_listing().await;
            }
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Some(event) = self.heard.pop_front() {
                self.take_in(event);
                continue;
            }
            if let Some(index) = self.doubts.first().copied() {
                self.resolve(index).await;
                continue;
            }
            if self.routes.has_unresolved() {
                self.resolve_next_hops().await;
                continue;
            }
            tokio::select! {
                heard = self.monitor.next() => {
                    let heard = heard.map_err(|error| {
                        OpError::refused(format!("cannot listen to the kernel: {error}"))
                    })?;
                    self.heard.extend(heard);
                }
                heard = changed(self.watch.as_mut()) => self.rules_changed(heard),
                () = wait_until(self.list_again_at) => {
                    self.list_again_at = None;
                    self.resync("the table could not be listed");
                }
                piece = listing::next_piece(self.listing.as_mut()) => self.take_piece(piece),
                piece = self.routes.next_piece() => {
                    self.take_routes(piece);
                    yield_now().await;
                }
                () = self.filter_checks.due() => self.filter_due = true,
            }
        }
    }
}

impl LinuxBackend {
    /// What the kernel will not tell of what was just done.
    fn remember(&mut self, action: &Action) {
        match action {
            Action::Hold { port, .. } => {
                self.held.insert(*port);
            }
            Action::Unhold { port } => {
                self.held.remove(port);
            }
            Action::SetSystemMac { port, mac } => {
                let index = self.links.by_name.get(port);
                let link = index.and_then(|index| self.links.by_index.get_mut(index));
                if let Some(LinkKind::Bond(bond)) = link.map(|link| &mut link.kind) {
                    bond.ad_actor_system = mac.map_or(ActorSystem::Own, ActorSystem::Given);
                }
            }
            _ => {}
        }
    }
}
