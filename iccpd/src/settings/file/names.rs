//! The interfaces of a pair: each name stands for one thing only, and so does each id of a port.

use super::Check;
use super::tables::DomainTable;
use mclag_daemon::settings::interface;
use mclag_proto::{AggregatorId, IfName, LagKind};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;

/// The interfaces of a pair.
pub(super) struct Names {
    pub(super) bridge: Option<IfName>,
    pub(super) peer_link: Option<IfName>,
    pub(super) ports: BTreeSet<IfName>,
    pub(super) port_ids: BTreeMap<IfName, AggregatorId>,
    pub(super) port_kinds: BTreeMap<IfName, LagKind>,
    pub(super) unique_ip: BTreeSet<IfName>,
}

/// What names are taken for, and where they stand.
#[derive(Default)]
struct Seen(BTreeMap<IfName, (&'static str, Range<usize>)>);

const PORT: &str = "an MLAG port";

impl Check<'_> {
    pub(super) fn names(&mut self, table: &DomainTable) -> Names {
        let mut seen = Seen::default();
        let bridge = table.bridge.as_ref();
        let bridge = bridge.and_then(|n| self.unique(n, "the bridge", &mut seen));
        // Others write it so when there is none (`spec/config-formats.md` 10).
        let is_named = |n: &&Spanned<String>| !matches!(n.get_ref().as_str(), "" | "None" | "none");
        let peer_link = table.peer_link.as_ref().filter(is_named);
        let peer_link = peer_link.and_then(|n| self.unique(n, "the peer link", &mut seen));
        let ports = table.ports.iter().flat_map(Spanned::get_ref);
        let mut ports: BTreeSet<IfName> = ports
            .filter_map(|name| self.unique(name, PORT, &mut seen))
            .collect();
        let (port_ids, port_kinds) = self.port_tables(table, &mut ports, &mut seen);
        let unique_ip = table.unique_ip.iter().flat_map(Spanned::get_ref);
        let unique_ip = unique_ip
            .filter_map(|n| self.unique(n, "an interface with an IP of its own", &mut seen))
            .collect();
        Names {
            bridge,
            peer_link,
            ports,
            port_ids,
            port_kinds,
            unique_ip,
        }
    }

    /// The ports that have a table of their own. Adds them to `ports`; returns the ids that are given there, and the kinds
    /// that are declared.
    fn port_tables(
        &mut self,
        table: &DomainTable,
        ports: &mut BTreeSet<IfName>,
        seen: &mut Seen,
    ) -> (BTreeMap<IfName, AggregatorId>, BTreeMap<IfName, LagKind>) {
        let mut kinds = BTreeMap::new();
        let mut given: BTreeMap<u16, (IfName, Range<usize>)> = BTreeMap::new();
        for port in &table.port {
            let port = port.get_ref();
            let name = self.unique(&port.name, PORT, seen);
            ports.extend(name);
            kinds.extend(name.zip(port.kind));
            let (Some(name), Some(value)) = (name, &port.id) else {
                continue;
            };
            let id = self.number(Some(value), 1..=u16::MAX, 0);
            if let Some((other, first)) = given.get(&id).filter(|_| id != 0) {
                let line = self.line(first);
                let message =
                    format!("`{name}` and `{other}` in line {line} have the same id {id}");
                self.wrong(value.span(), message);
            } else {
                given.insert(id, (name, value.span()));
            }
        }
        let given = given.into_iter();
        let given = given.map(|(id, (name, _))| (name, AggregatorId(id)));
        (given.collect(), kinds)
    }

    fn unique(
        &mut self,
        value: &Spanned<String>,
        role: &'static str,
        seen: &mut Seen,
    ) -> Option<IfName> {
        let name = self.value(value, interface)?;
        if let Some((before, first)) = seen.0.get(&name) {
            let line = self.line(first);
            let message = if *before == role {
                format!("`{name}` is named twice, first in line {line}")
            } else {
                format!("`{name}` cannot be {role}: it is {before} in line {line}")
            };
            self.wrong(value.span(), message);
            return None;
        }
        seen.0.insert(name, (role, value.span()));
        Some(name)
    }
}
