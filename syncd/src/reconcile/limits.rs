//! What a client may name: it decides what is forwarded where, and not on what else of this host.

use std::collections::BTreeSet;

use mclag_proto::IfName;
use mclag_proto::sync::model::OpError;

use super::Reconciler;
use super::reasons::NeighbourReason;
use crate::dataplane::{Actual, InterfaceActual};

/// What the settings of the dataplane allow its clients.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// The bridges that a client may name; with none, the first that it named and that exists.
    pub bridges: Vec<IfName>,
    /// Interfaces outside of the bridge, and others that a default route leads to, that may get another address and
    /// neighbours; with none, LAGs that are in no other bridge and that no default route leads to.
    pub routed: BTreeSet<IfName>,
}

impl Limits {
    /// Whether the pair may have this bridge.
    ///
    /// # Errors
    ///
    /// When the settings name another, or they name none and another that still exists was named first.
    pub(super) fn bridge(&self, bridge: IfName, actual: &Actual) -> Result<(), OpError> {
        let is = actual.bridge.as_slice();
        let allowed = match self.bridges.as_slice() {
            [] if is.is_empty() => return Ok(()),
            [] => is,
            named => named,
        };
        if allowed.contains(&bridge) {
            return Ok(());
        }
        let names: Vec<&str> = allowed.iter().map(IfName::as_str).collect();
        Err(OpError::refused(format!(
            "bridge {bridge}: this dataplane is of {}; another one is named by `bridge` in the configuration of \
             mclagsyncd",
            names.join(", ")
        )))
    }

    /// Whether an interface that is there may get another address or neighbours: the bridge, its ports and VLAN
    /// interfaces unless a default route leads to them, and routed ports.
    ///
    /// # Errors
    ///
    /// When it is none of them.
    pub(super) fn interface(&self, name: &IfName, actual: &Actual) -> Result<(), OpError> {
        let Some(is) = actual.interfaces.get(name) else {
            return Ok(()); // it will be looked at when it is there
        };
        if let Some(way_out) = actual.way_out(name) {
            return Err(OpError::refused(has_default_route(name, &way_out)));
        }
        let is_routed = match self.routed.is_empty() {
            true => is_free_lag(name, is, actual),
            false => self.routed.contains(name),
        };
        let is_of_bridge =
            actual.bridge == Some(*name) || is.svi.is_some() || actual.bridge_port(name).is_some();
        if is_of_bridge || is_routed {
            return Ok(());
        }
        Err(OpError::refused(format!(
            "{name} is no interface of the bridge, and not among `routed` in the configuration of mclagsyncd"
        )))
    }
}

impl Reconciler {
    /// From now on this is what a client may name. The bridge that it named before stays; what it was given on
    /// interfaces that are not among them any more goes with the next plan.
    pub fn limit(&mut self, limits: Limits) {
        if self.limits == limits {
            return;
        }
        self.limits = limits;
        self.actual.routed = self.limits.routed.clone();
        self.ports_changed |= !self.wanted.interfaces().is_empty();
        for key in self.wanted.neighbours() {
            self.neighbours
                .pending
                .insert_if_new(*key, NeighbourReason::Check);
        }
    }
}

/// Why nothing is done to an interface by which everything goes that no other route is for.
pub(super) fn has_default_route(name: &IfName, way_out: &IfName) -> String {
    let what = if name == way_out {
        format!("{name} has a default route")
    } else {
        format!("{name} has a default route over its VLAN interface {way_out}")
    };
    format!("{what}, and is not among `routed` in the configuration of mclagsyncd")
}

fn is_free_lag(name: &IfName, is: &InterfaceActual, actual: &Actual) -> bool {
    let speaks_lacp = actual
        .ports
        .get(name)
        .is_some_and(|port| port.lacp.is_some());
    speaks_lacp && is.lag.is_none() && !is.in_other_bridge
}
