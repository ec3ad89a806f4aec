//! One forwarding entry: from what is wanted and what is to what has to be done.

use std::collections::HashSet;

use mclag_proto::IfName;
use mclag_proto::sync::model::{FdbKey, FdbKind, FdbWant, OpError};

use super::reasons::EntryReason;
use super::wanted::Wanted;
use crate::dataplane::{Action, Actual, EntryKind, FdbEntry};

/// Addresses of layer-3 interfaces: they are the bridge's own, and no host's.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// Those that are to be, whatever else is wanted of them.
    pub(super) own: HashSet<FdbKey>,
    /// Those that cease to be with the plan that is made.
    pub(super) leaving: HashSet<FdbKey>,
}

/// What has to be done for one entry, if anything.
pub(super) fn plan(
    wanted: &Wanted,
    actual: &Actual,
    local: &Local,
    key: &FdbKey,
    reason: &EntryReason,
) -> Result<Option<Action>, OpError> {
    // As a rule there are none, and to find that out takes no look at the key.
    if !local.own.is_empty() && local.own.contains(key) {
        return match reason {
            EntryReason::Want | EntryReason::Once { .. } => Err(OpError::refused(format!(
                "{} vlan {} is the bridge's own",
                key.mac, key.vid
            ))),
            _ => Ok(None),
        };
    }
    let entry = actual.fdb.get(key);
    let entry = entry.filter(|_| local.leaving.is_empty() || !local.leaving.contains(key));
    match (reason, wanted.entry(key)) {
        (EntryReason::Release { forget: true }, _) => Ok(forget(key, entry)),
        (EntryReason::Release { forget: false }, _) => Ok(hand_over(actual, key, entry)),
        (EntryReason::Once { port }, _) => install_once(actual, key, entry, *port),
        (EntryReason::Flush, None) => Ok(flush(key, entry)),
        (EntryReason::Undo, None) => Ok(hand_over(actual, key, entry)),
        (EntryReason::Check, None) if wanted.knows_all_entries() => {
            Ok(hand_over(actual, key, entry))
        }
        (EntryReason::Want | EntryReason::Flush, Some(want)) => {
            install(actual, key, entry, want, true)
        }
        (EntryReason::Check | EntryReason::Undo, Some(want)) => {
            install(actual, key, entry, want, false)
        }
        (EntryReason::Check | EntryReason::Want, None) => Ok(None),
    }
}

fn install(
    actual: &Actual,
    key: &FdbKey,
    entry: Option<&FdbEntry>,
    want: &FdbWant,
    is_asked: bool,
) -> Result<Option<Action>, OpError> {
    let FdbWant { port, kind } = *want;
    check_port(actual, &port)?;
    let wants_sticky = kind == FdbKind::Static;
    let active = match entry {
        None => false,
        Some(FdbEntry { port: on, kind }) => match kind {
            EntryKind::Configured | EntryKind::Local => {
                return configured(key, *on, *kind, port);
            }
            EntryKind::Ours { sticky, .. } if *on == port && *sticky == wants_sticky => {
                return Ok(None);
            }
            EntryKind::Ours { active, .. } if *on == port => *active,
            EntryKind::Ours { active: true, .. } | EntryKind::Dynamic
                if *on != port && !is_asked =>
            {
                return Ok(None);
            }
            EntryKind::Dynamic => *on == port,
            EntryKind::Ours { .. } => false,
        },
    };
    Ok(Some(Action::FdbInstall {
        key: *key,
        port,
        active,
        sticky: wants_sticky,
    }))
}

/// An entry that ages and moves like one that was learned.
fn install_once(
    actual: &Actual,
    key: &FdbKey,
    entry: Option<&FdbEntry>,
    port: IfName,
) -> Result<Option<Action>, OpError> {
    check_port(actual, &port)?;
    match entry {
        Some(FdbEntry {
            port: on,
            kind: kind @ (EntryKind::Configured | EntryKind::Local),
        }) => configured(key, *on, *kind, port),
        Some(FdbEntry {
            port: on,
            kind: EntryKind::Dynamic,
        }) if *on == port => Ok(None),
        Some(_) | None => Ok(Some(Action::FdbMakeDynamic { key: *key, port })),
    }
}

fn check_port(actual: &Actual, port: &IfName) -> Result<(), OpError> {
    match actual.bridge_port(port) {
        Some(_) => Ok(()),
        None => Err(OpError::waiting_for(port)),
    }
}

/// The result for an entry that must not be touched: as wanted, or in the way.
fn configured(
    key: &FdbKey,
    on: IfName,
    kind: EntryKind,
    port: IfName,
) -> Result<Option<Action>, OpError> {
    let FdbKey { vid, mac } = key;
    match kind {
        EntryKind::Configured if on == port => Ok(None),
        _ => Err(OpError::refused(format!(
            "{mac} vlan {vid} is configured on {on}"
        ))),
    }
}

/// Remove what the dataplane learned, and only that.
fn flush(key: &FdbKey, entry: Option<&FdbEntry>) -> Option<Action> {
    let FdbEntry { port, kind } = *entry?;
    (kind == EntryKind::Dynamic).then_some(Action::FdbDelete { key: *key, port })
}

/// Remove what the dataplane sees of the host; only what somebody configured stays.
fn forget(key: &FdbKey, entry: Option<&FdbEntry>) -> Option<Action> {
    let FdbEntry { port, kind } = *entry?;
    match kind {
        EntryKind::Ours { .. } | EntryKind::Dynamic => Some(Action::FdbDelete { key: *key, port }),
        EntryKind::Configured | EntryKind::Local => None,
    }
}

/// Let the dataplane age and move the host where it sees it; where it does not, or cannot reach it
/// any more, remove the entry: on a port without carrier it would be a black hole until it aged, and so it may be on the
/// peer link, where nothing is learned as long as the peer's own ports carry the frames.
pub(super) fn hand_over(actual: &Actual, key: &FdbKey, entry: Option<&FdbEntry>) -> Option<Action> {
    let entry = entry.filter(|entry| entry.is_ours())?;
    let seen_on = entry.seen_on();
    let is_dark = |port: &IfName| actual.interfaces.get(port).is_some_and(|is| !is.running);
    let learns = |port: &IfName| actual.bridge_port(port).is_some_and(|is| is.learning);
    // One that was taken out of the VLAN hears no host of it.
    let carries = |port: &IfName| {
        let vids = actual.interfaces.get(port).map(|is| &is.vids);
        vids.is_none_or(|vids| vids.is_empty() || vids.contains(&key.vid))
    };
    let serves = |port: &IfName| learns(port) && !is_dark(port) && carries(port);
    let action = match seen_on.filter(serves) {
        Some(port) => Action::FdbMakeDynamic { key: *key, port },
        None => Action::FdbDelete {
            key: *key,
            port: entry.port,
        },
    };
    Some(action)
}
