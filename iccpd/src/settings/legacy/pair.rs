//! From what the lines say about pairs to the one that is used.

use super::lines::Key;
use super::read::{Reading, origin};
use crate::settings::{
    Chassis, Domain, DurationText, KEEPALIVE, KEEPALIVES_PER_TIMEOUT, MAX_SESSION_TIMEOUT, Syncd,
};
use iccp_core::Config;
use mclag_proto::iccp::Dialect;
use mclag_proto::{AggregatorId, DomainId, IfName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// A pair as far as it is described; each value with its line.
pub(super) struct Draft {
    /// 0 for one that never comes about.
    id: u16,
    at: usize,
    pub(super) local: Option<(IpAddr, usize)>,
    pub(super) peer: Option<(IpAddr, usize)>,
    pub(super) peer_link: Option<(IfName, usize)>,
    /// In the order of the file, some perhaps twice.
    pub(super) ports: Vec<(IfName, usize)>,
    pub(super) unique_ip: Vec<(IfName, usize)>,
    pub(super) keepalive: Option<(Duration, usize)>,
    pub(super) session_timeout: Option<(Duration, usize)>,
}

/// Largest number that SONiC's tables have room for (`spec/config-formats.md` 2.1).
pub(in crate::settings) const MAX_SONIC_ID: u16 = 4095;

impl Draft {
    pub(super) const fn new(id: u16, at: usize) -> Self {
        Self {
            id,
            at,
            local: None,
            peer: None,
            peer_link: None,
            ports: Vec::new(),
            unique_ip: Vec::new(),
            keepalive: None,
            session_timeout: None,
        }
    }

    /// Why no session can come about.
    fn obstacle(&self, is_bound: bool) -> Option<String> {
        let (Some((local, _)), Some((peer, _))) = (self.local, self.peer) else {
            let missing = match (self.local, self.peer) {
                (None, None) => "`local_ip` and `peer_ip`",
                (None, _) => "`local_ip`",
                _ => "`peer_ip`",
            };
            return Some(format!("there is no usable {missing}"));
        };
        let is_link_local = |ip: IpAddr| matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if local == peer {
            Some(format!("`local_ip` and `peer_ip` are both {local}"))
        } else if local.is_ipv4() != peer.is_ipv4() {
            Some(format!(
                "{local} and {peer} are of different address families"
            ))
        } else if !is_bound && (is_link_local(local) || is_link_local(peer)) {
            Some("link-local addresses need `bind`, which says on which link".into())
        } else {
            None
        }
    }
}

impl Reading<'_> {
    /// The pair: the first that is described completely. There is only one
    /// (`spec/behaviour.md` 16, W-35).
    pub(super) fn pair(&mut self, syncd: &Syncd, chassis: &mut Chassis) -> Option<Domain> {
        let drafts = std::mem::take(&mut self.drafts);
        let is_bound = chassis.bind_device.is_some();
        let is_complete = |draft: &Draft| draft.id != 0 && draft.obstacle(is_bound).is_none();
        let chosen = drafts.iter().position(is_complete);
        for (index, draft) in drafts.iter().enumerate() {
            let (id, at) = (draft.id, draft.at);
            let used = chosen.and_then(|chosen| drafts.get(chosen));
            let obstacle = draft.obstacle(is_bound);
            match (obstacle, used) {
                // The line that made it was warned of.
                _ if id == 0 => {}
                _ if Some(index) == chosen => {}
                (Some(obstacle), _) => {
                    self.warn(at, format!("pair {id} does not come about: {obstacle}"));
                }
                (None, used) => {
                    let used = used.map_or(0, |used| used.id);
                    self.warn(
                        at,
                        format!("pair {id} is ignored: only one is supported, and that is {used}"),
                    );
                }
            }
        }
        let Some(index) = chosen else {
            if syncd.names_pair {
                let message = "no pair is described completely; it has to arrive from the server";
                // A file without a word of a pair means just that.
                self.note(0, message.into());
            }
            return None;
        };
        let mac = self.system_macs.iter().rev();
        if let Some((_, mac, at)) = mac.copied().find(|(count, ..)| index < *count) {
            chassis.node_mac = Some(mac);
            self.origins.insert("node-mac", origin(Key::SystemMac, at));
        }
        drafts.get(index).and_then(|draft| self.domain(draft))
    }

    fn domain(&mut self, draft: &Draft) -> Option<Domain> {
        let (local, local_at) = draft.local?;
        let (peer, peer_at) = draft.peer?;
        let id = DomainId::new(draft.id)?;
        let is_sonics = self.rules() == Dialect::Sonic;
        if is_sonics && draft.id > MAX_SONIC_ID {
            let message = format!("`mclag_id`: SONiC has no numbers above {MAX_SONIC_ID}");
            self.note(draft.at, message);
        }
        if !is_sonics && draft.peer_link.is_none() {
            let message = "linux-mclag's iccpd does nothing without `peer_link`; this one does";
            self.warn(draft.at, message.into());
        }
        self.origins.insert("id", origin(Key::MclagId, draft.at));
        self.origins.insert("local", origin(Key::LocalIp, local_at));
        self.origins.insert("peer", origin(Key::PeerIp, peer_at));
        if let Some((_, at)) = draft.peer_link {
            self.origins.insert("peer-link", origin(Key::PeerLink, at));
        }
        let ports = self.ports(draft);
        let unique_ip = self.unique_ip(draft, &ports);
        let (keepalive, session_timeout) = self.timers(draft);
        Some(Domain {
            id,
            local,
            peer,
            peer_link: draft.peer_link.map(|(name, _)| name),
            ports,
            port_ids: BTreeMap::new(),
            port_kinds: BTreeMap::new(),
            unique_ip,
            system_mac: None,
            keepalive,
            session_timeout,
        })
    }

    /// The MLAG ports.
    fn ports(&mut self, draft: &Draft) -> BTreeSet<IfName> {
        let peer_link = draft.peer_link.map(|(name, _)| name);
        let mut ports = BTreeSet::new();
        let mut numbers: BTreeMap<AggregatorId, IfName> = BTreeMap::new();
        let key = match self.rules() {
            Dialect::Sonic => Key::MclagInterface,
            Dialect::LinuxMclag => Key::BindLacp,
        };
        for (name, at) in draft.ports.iter().copied() {
            if Some(name) == peer_link {
                let message = format!("`{name}` is no MLAG port: it is the peer link");
                self.warn(at, message);
                continue;
            }
            ports.insert(name);
            // `spec/iccp.md` 4.14.
            let id = AggregatorId::of(&name);
            let first = *numbers.entry(id).or_insert(name);
            if first != name {
                let message = format!(
                    "`{name}` has the number {id} as `{first}` has: the daemon that the file is for \
                     takes one for the other; here each has an id of its own"
                );
                self.warn(at, message);
            }
        }
        if let Some((_, at)) = draft.ports.first() {
            self.origins.insert("ports", origin(key, *at));
        }
        ports
    }

    fn unique_ip(&mut self, draft: &Draft, ports: &BTreeSet<IfName>) -> BTreeSet<IfName> {
        let peer_link = draft.peer_link.map(|(name, _)| name);
        let mut names = BTreeSet::new();
        for (name, at) in draft.unique_ip.iter().copied() {
            if Some(name) == peer_link || ports.contains(&name) {
                let message = format!("`unique_ip`: `{name}` is the peer link or an MLAG port");
                self.warn(at, message);
            } else {
                names.insert(name);
                self.origins.insert("unique-ip", origin(Key::UniqueIp, at));
            }
        }
        names
    }

    fn timers(&mut self, draft: &Draft) -> (Duration, Duration) {
        let mut keepalive = Config::KEEPALIVE;
        if let Some((value, at)) = draft.keepalive {
            let (shown, start, end) = (
                DurationText(value),
                DurationText(*KEEPALIVE.start()),
                DurationText(*KEEPALIVE.end()),
            );
            if KEEPALIVE.contains(&value) {
                keepalive = value;
                self.origins.insert("keepalive", origin(Key::Keepalive, at));
            } else {
                let message = format!("`keepalive`: {shown} is not between {start} and {end}");
                self.warn(at, message);
            }
        }
        let shortest = keepalive.saturating_mul(KEEPALIVES_PER_TIMEOUT);
        let mut timeout = Config::SESSION_TIMEOUT.max(shortest);
        if let Some((value, at)) = draft.session_timeout {
            if (shortest..=MAX_SESSION_TIMEOUT).contains(&value) {
                timeout = value;
                let origin = origin(Key::SessionTimeout, at);
                self.origins.insert("session-timeout", origin);
            } else {
                let (shown, start, end) = (
                    DurationText(value),
                    DurationText(shortest),
                    DurationText(MAX_SESSION_TIMEOUT),
                );
                let message =
                    format!("`session_timeout`: {shown} is not between {start} and {end}");
                self.warn(at, message);
            }
        }
        (keepalive, timeout)
    }
}
