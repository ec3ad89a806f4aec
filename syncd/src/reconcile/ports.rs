//! Filter, holds and port settings: from what is wanted and what is to what has to be done.

use std::collections::BTreeSet;

use mclag_proto::IfName;
use mclag_proto::sync::model::OpErrorCode;

use super::limits::has_default_route;
use super::originals::Originals;
use super::plan::Plan;
use super::wanted::Wanted;
use crate::dataplane::{Action, Actual, Subject};

/// Compare ports. Remembers in `originals` what will be changed.
pub(super) fn plan(plan: &mut Plan, wanted: &Wanted, actual: &Actual, originals: &mut Originals) {
    plan.filter(wanted, actual);
    plan.isolation(wanted, actual);
    plan.holds(wanted, actual);
    plan.settings(wanted, actual, originals);
    plan.waiting(wanted, actual);
}

impl Plan {
    fn filter(&mut self, wanted: &Wanted, actual: &Actual) {
        let peer_link = wanted.peer_link_in_use(actual);
        match (wanted.domain(), &actual.filter) {
            (Some(_), Some(filter)) if filter.peer_link == peer_link => {}
            (Some(_), _) => self.actions.push(Action::EnsureFilter { peer_link }),
            (None, Some(_)) if wanted.is_nothing() => self.actions.push(Action::RemoveFilter),
            (None, _) => {}
        }
    }

    fn isolation(&mut self, wanted: &Wanted, actual: &Actual) {
        for port in members(wanted) {
            let is = actual.is_isolated(port);
            match wanted.ports()[port].isolated {
                Some(true) if !is => self.actions.push(Action::Isolate { port: *port }),
                // Nothing is in force where there is no filter, whatever was decided before.
                None if actual.filter.is_none() => {
                    self.actions.push(Action::Isolate { port: *port });
                }
                Some(false) if is => self.actions.push(Action::Release { port: *port }),
                Some(_) | None => {}
            }
        }
        let isolated = actual.filter.iter().flat_map(|filter| &filter.isolated);
        for port in isolated.filter(|port| wanted.is_unwanted(port)) {
            self.actions.push(Action::Release { port: *port });
        }
    }

    fn holds(&mut self, wanted: &Wanted, actual: &Actual) {
        let is_bridge_port = |port: &IfName| actual.bridge_port(port).is_some();
        for port in members(wanted) {
            let is = actual.held.contains(port);
            let is_as_wanted = is && !actual.needs_carrier(port);
            match wanted.ports()[port].held {
                Some(true) if !is_as_wanted && actual.can_be_mlag_port(port) => {
                    let with_carrier = actual.spanning_tree.is_some() && is_bridge_port(port);
                    self.actions.push(Action::Hold {
                        port: *port,
                        keeps_carrier: wanted.holds_with_carrier() || with_carrier,
                    });
                }
                Some(false) if is => self.actions.push(Action::Unhold { port: *port }),
                Some(_) | None => {}
            }
        }
        for port in actual.held.iter().filter(|port| wanted.is_unwanted(port)) {
            self.actions.push(Action::Unhold { port: *port });
        }
    }

    fn settings(&mut self, wanted: &Wanted, actual: &Actual, originals: &mut Originals) {
        let peer_link = wanted.peer_link_in_use(actual);
        let named = originals.ports().chain(wanted.ports().keys());
        let named = named.chain(wanted.ports_with_learning());
        let ports: BTreeSet<IfName> = named.copied().chain(peer_link).collect();
        for port in ports {
            let Some(interface) = actual.ports.get(&port) else {
                continue;
            };
            let want = wanted.settings_of(&port, actual);
            let wanted_port = wanted.ports().get(&port);
            // The client does not know yet whether the peer has the port: what is in force stays.
            let keeps_backup = wanted_port.is_some_and(|want| want.isolated.is_none());
            let mut original = originals.of(&port);
            let may_restore = wanted.may_restore(&port);
            if let Some(is) = &interface.bridge_port {
                let may_learn = wanted.may_restore_learning(&port);
                let learning = original
                    .learning
                    .toward(want.learning, is.learning, may_learn);
                if let Some(learning) = learning {
                    self.actions.push(Action::SetLearning { port, learning });
                }
                // The peer link may not be there yet; until then nothing can go to it.
                let backup = want.backup.filter(|backup| match backup {
                    Some(peer_link) => actual.bridge_port(peer_link).is_some(),
                    None => true,
                });
                if !keeps_backup && (want.backup.is_none() || backup.is_some()) {
                    match original.backup.toward(backup, is.backup, may_restore) {
                        Some(Some(backup)) => {
                            self.actions.push(Action::SetBackup { port, backup });
                        }
                        Some(None) => self.actions.push(Action::ClearBackup { port }),
                        None => {}
                    }
                }
            }
            if let Some(is) = interface.bridge_port.and_then(|is| is.mcast_router)
                && let Some(router) =
                    original
                        .mcast_router
                        .toward(want.mcast_router, is, may_restore)
            {
                self.actions.push(Action::SetMcastRouter { port, router });
            }
            // A client that names none does not know it yet: the one in use stays.
            let keeps_system_mac = wanted_port.is_some_and(|want| want.system_mac.is_none());
            if let Some(is) = interface.lacp
                && !keeps_system_mac
                && let Some(mac) =
                    original
                        .system_mac
                        .toward(want.system_mac, is.system_mac, may_restore)
            {
                self.actions.push(Action::SetSystemMac { port, mac });
            }
            originals.set(port, original);
        }
    }

    fn waiting(&mut self, wanted: &Wanted, actual: &Actual) {
        let Some(domain) = wanted.domain() else {
            for port in wanted.ports().keys() {
                self.wait(Subject::Port(*port), "waiting for the name of the bridge");
            }
            return;
        };
        if actual.bridge != Some(domain.bridge) {
            self.wait_for(Subject::Domain, &domain.bridge);
        }
        if let Some(peer_link) = &domain.peer_link
            && let Some(vlan) = actual.vlan_port(peer_link)
        {
            let subject = Subject::Settings(*peer_link);
            let text = vlan_port("peer link", peer_link, &vlan);
            self.fail(subject, OpErrorCode::Refused, text);
        }
        if let Some(peer_link) = &domain.peer_link
            && actual.bridge_port(peer_link).is_none()
        {
            self.wait_for(Subject::Settings(*peer_link), peer_link);
        }
        for port in wanted.ports_with_learning() {
            if actual.bridge_port(port).is_none() {
                self.wait_for(Subject::Settings(*port), port);
            }
        }
        for (port, want) in wanted.ports() {
            let subject = Subject::Port(*port);
            if domain.peer_link == Some(*port) {
                let text = format!("{port} is the peer link");
                self.fail(subject, OpErrorCode::Refused, text);
                continue;
            }
            if actual.is_of_another_bridge(port) {
                let text = format!("{port} is a port of another bridge");
                self.fail(subject, OpErrorCode::Refused, text);
                continue;
            }
            if let Some(way_out) = actual.way_out(port)
                && !wanted.stays_held(port, actual)
            {
                let text = has_default_route(port, &way_out);
                self.fail(subject, OpErrorCode::Refused, text);
                continue;
            }
            if let Some(vlan) = actual.vlan_port(port) {
                let text = vlan_port("MLAG port", port, &vlan);
                self.fail(subject, OpErrorCode::Refused, text);
                continue;
            }
            let peer_link = domain.peer_link.filter(|_| want.redirect);
            let interfaces = [Some(*port), peer_link].into_iter().flatten();
            for interface in interfaces {
                if actual.bridge_port(&interface).is_none() {
                    self.wait_for(subject, &interface);
                }
            }
        }
    }
}

fn vlan_port(what: &str, port: &IfName, vlan: &IfName) -> String {
    if vlan == port {
        format!(
            "{port} cannot be {what}: it is a VLAN interface of a LAG; make the LAG the port of the bridge"
        )
    } else {
        format!(
            "{port} cannot be {what} while its VLAN interface {vlan} is a port of a bridge; make {port} that port"
        )
    }
}

/// MLAG ports; none before the bridge is named. A client that calls the peer link one is told so, and not followed: isolating the
/// peer link from itself would cut the pair.
fn members(wanted: &Wanted) -> impl Iterator<Item = &IfName> {
    let domain = wanted.domain().into_iter();
    let pairs =
        domain.flat_map(|domain| wanted.ports().keys().map(|port| (domain.peer_link, port)));
    let members = pairs.filter(|(peer_link, port)| *peer_link != Some(**port));
    members.map(|(_, port)| port)
}
