//! What counts of events that were read at once.

use mclag_netlink::{Event, LinkInfo};
use std::collections::{BTreeMap, BTreeSet};

/// Of the events about one thing, the last; with one about a member of a bond the earlier ones, oldest first.
#[must_use]
pub fn latest(events: Vec<Event>) -> Vec<(Event, Vec<LinkInfo>)> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    let mut earlier: BTreeMap<u32, Vec<LinkInfo>> = BTreeMap::new();
    for event in events.into_iter().rev() {
        let key = match &event {
            Event::Link(info) => ("link", info.index),
            Event::LinkGone { index, .. } => ("link", *index),
            Event::BridgeVlans { index, .. } | Event::LeftBridge { index } => ("vlans", *index),
            Event::BridgePort { index, .. } => ("port", *index),
            Event::Overrun => ("overrun", 0),
            // Addresses are lists of changes; forwarding entries are not followed here.
            _ => continue,
        };
        if seen.insert(key) {
            kept.push(event);
        } else if let Event::Link(info) = event
            && info.member.is_some()
        {
            earlier.entry(info.index).or_default().push(*info);
        }
    }
    let with_earlier = |event| {
        let earlier = match &event {
            Event::Link(info) => earlier.remove(&info.index),
            _ => None,
        };
        let earlier = earlier.into_iter().flatten().rev().collect();
        (event, earlier)
    };
    kept.into_iter().rev().map(with_earlier).collect()
}
