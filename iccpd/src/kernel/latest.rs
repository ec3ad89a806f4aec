//! What counts of events that were read at once.

use mclag_netlink::{Event, LinkInfo};
use std::collections::{BTreeMap, BTreeSet};

/// Of the events about one thing, the last; and the earlier ones about members of bonds, oldest first.
#[must_use]
pub fn latest(events: Vec<Event>) -> (Vec<Event>, BTreeMap<u32, Vec<LinkInfo>>) {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    let mut between: BTreeMap<u32, Vec<LinkInfo>> = BTreeMap::new();
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
            between.entry(info.index).or_default().push(*info);
        }
    }
    kept.reverse();
    between.values_mut().for_each(|infos| infos.reverse());
    (kept, between)
}
