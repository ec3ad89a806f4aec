//! Where the dataplane sees a host, and what a change of its entry means for that.

use mclag_proto::sync::model::Observation;

use crate::dataplane::{EntryKind, FdbEntry};

pub(super) fn observation_of(entry: &FdbEntry) -> Option<Observation> {
    let port = entry.seen_on()?;
    Some(match entry.kind {
        EntryKind::Ours { .. } => Observation::Active { port },
        EntryKind::Dynamic | EntryKind::Local => Observation::Learned {
            port,
            configured: false,
        },
        EntryKind::Configured => Observation::Learned {
            port,
            configured: true,
        },
    })
}

/// What a change of an entry means for where the host is seen; none if it means nothing.
pub(super) fn change_of_observation(
    before: Option<&FdbEntry>,
    after: Option<&FdbEntry>,
) -> Option<Observation> {
    let was = before.and_then(FdbEntry::seen_on);
    let is = after.and_then(FdbEntry::seen_on);
    let is_configured =
        |entry: Option<&FdbEntry>| entry.is_some_and(|entry| entry.kind == EntryKind::Configured);
    // An entry that an operator writes over another one, or lets the dataplane learn from then on, is
    // no move: where the host is seen may be the same.
    if is_configured(before) != is_configured(after) && is.is_some() {
        return after.and_then(observation_of);
    }
    match (was, is) {
        (None, None) => None,
        (Some(was), Some(is)) if was == is => None,
        (Some(_), Some(_)) if is_configured(after) => after.and_then(observation_of),
        (Some(_), Some(port)) => Some(Observation::Moved { port }),
        (None, Some(_)) => after.and_then(observation_of),
        (Some(_), None) if after.is_some() => Some(Observation::Inactive),
        (Some(_), None) => Some(Observation::Aged),
    }
}
