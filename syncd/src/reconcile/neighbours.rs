//! One neighbour: from what is wanted and what is to what has to be done.

use mclag_proto::sync::model::{NeighbourKey, NeighbourWant, OpError, OpErrorCode};

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
        return Err(OpError {
            code: OpErrorCode::Waiting,
            text: format!("waiting for interface {interface}"),
        });
    }
    let is = entry.and_then(|entry| entry.mac);
    match entry.map(|entry| entry.kind) {
        Some(NeighbourKind::Configured) if is == Some(mac) => return Ok(None),
        Some(NeighbourKind::Configured) => {
            return Err(OpError {
                code: OpErrorCode::Refused,
                text: format!("{address} on {interface} is configured"),
            });
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

fn remove(key: &NeighbourKey, entry: Option<&NeighbourActual>) -> Option<Action> {
    let is_ours = matches!(entry?.kind, NeighbourKind::Ours { .. });
    is_ours.then_some(Action::NeighbourDelete { key: *key })
}
