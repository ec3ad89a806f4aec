//! One neighbour: from what is wanted and what is to what has to be done.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use mclag_proto::sync::model::{NeighbourKey, NeighbourWant, OpError};

use super::limits::Limits;
use super::reasons::NeighbourReason;
use super::wanted::Wanted;
use crate::dataplane::{Action, Actual, NeighbourActual, NeighbourKind};

/// What has to be done for one neighbour, if anything.
pub(super) fn plan(
    wanted: &Wanted,
    limits: &Limits,
    actual: &Actual,
    key: &NeighbourKey,
    reason: NeighbourReason,
) -> Result<Option<Action>, OpError> {
    let entry = actual.neighbours.get(key);
    let want = wanted.neighbour(key);
    if want.is_some() {
        limits.interface(&key.interface, actual)?;
    }
    match (reason, want) {
        (NeighbourReason::Undo, None) => Ok(remove(key, entry)),
        (NeighbourReason::Check, None) if wanted.knows_all_neighbours() => Ok(remove(key, entry)),
        (NeighbourReason::Want, Some(want)) => install(actual, key, entry, want, true),
        (NeighbourReason::Check | NeighbourReason::Undo, Some(want)) => {
            install(actual, key, entry, want, false)
        }
        (NeighbourReason::Want | NeighbourReason::Check, None) => Ok(None),
    }
}

/// What goes although it is wanted: what is ours on an interface that may have none any more.
pub(super) fn forbidden(limits: &Limits, actual: &Actual, key: &NeighbourKey) -> Option<Action> {
    let is_allowed = limits.interface(&key.interface, actual).is_ok();
    let entry = actual.neighbours.get(key).filter(|_| !is_allowed);
    remove(key, entry)
}

fn install(
    actual: &Actual,
    key: &NeighbourKey,
    entry: Option<&NeighbourActual>,
    want: &NeighbourWant,
    is_asked: bool,
) -> Result<Option<Action>, OpError> {
    let NeighbourKey { interface, address } = key;
    let NeighbourWant { mac, permanent } = *want;
    if !actual.interfaces.contains_key(interface) {
        return Err(OpError::waiting_for(interface));
    }
    check_address(key, actual)?;
    let is = entry.and_then(|entry| entry.mac);
    match entry.map(|entry| entry.kind) {
        Some(NeighbourKind::Configured) if is == Some(mac) => return Ok(None),
        Some(NeighbourKind::Configured) => {
            return Err(OpError::refused(format!(
                "{address} on {interface} is configured"
            )));
        }
        Some(NeighbourKind::Ours { permanent: is_so }) if is == Some(mac) && is_so == permanent => {
            return Ok(None);
        }
        // The kernel asked the host itself, and the host knows best.
        Some(_) if is.is_some() && !permanent && !is_asked => return Ok(None),
        _ => {}
    }
    Ok(Some(Action::NeighbourInstall {
        key: *key,
        mac,
        permanent,
    }))
}

/// A neighbour is a host of a network that the interface is in. What else its address meant here, a route would
/// decide, and it is none of the pair's.
fn check_address(key: &NeighbourKey, actual: &Actual) -> Result<(), OpError> {
    let NeighbourKey { interface, address } = key;
    let networks = actual.interfaces.get(interface);
    let networks = networks.map_or(&[][..], |is| is.networks.as_slice());
    let own: Vec<&IpNetwork> = networks
        .iter()
        .filter(|network| network.contains(*address))
        .collect();
    if own.is_empty() {
        return Err(OpError::waiting(format!(
            "waiting for {interface} to have an address in the network of {address}"
        )));
    }
    match own.iter().any(|network| is_host(network, *address)) {
        true => Ok(()),
        false => Err(OpError::refused(format!(
            "{address} is no address of one host on {interface}"
        ))),
    }
}

/// Whether the address is one of a host in this network: not that of the network, of which IPv6 makes any of its
/// routers, and not that of all hosts.
fn is_host(network: &IpNetwork, address: IpAddr) -> bool {
    let hosts = match network {
        IpNetwork::V4(_) => 32 - network.prefix(),
        IpNetwork::V6(_) => 128 - network.prefix(),
    };
    let is_broadcast = network.is_ipv4() && address == network.broadcast();
    hosts < 2 || (address != network.network() && !is_broadcast)
}

fn remove(key: &NeighbourKey, entry: Option<&NeighbourActual>) -> Option<Action> {
    let is_ours = matches!(entry?.kind, NeighbourKind::Ours { .. });
    is_ours.then_some(Action::NeighbourDelete { key: *key })
}
