//! Next hops that are objects of their own (`ip nexthop`): routes name them by number, and where `nexthop_compat_mode`
//! is 0, say nothing else of where they lead to.

use std::collections::{BTreeMap, BTreeSet};

use crate::attr::{Msg, Received};

/// The request for all of them.
pub(crate) fn dump_request() -> Msg {
    Msg::new(RTM_GETNEXTHOP, 0, &[0; HEADER_LEN])
}

/// The number of the one that a message is about.
pub(crate) fn read_id(message: &Received<'_>) -> Option<u32> {
    let (_, attrs) = message.split::<HEADER_LEN>()?;
    attrs.find(NHA_ID)?.u32()
}

/// Next hops by their numbers.
#[derive(Debug, Default)]
pub(crate) struct NextHops(BTreeMap<u32, NextHop>);

/// One has an interface, a group has others as members; one that drops what is sent to it has neither.
#[derive(Debug, Default)]
struct NextHop {
    interface: Option<u32>,
    members: Vec<u32>,
}

impl NextHops {
    /// Take in an answer to [`dump_request`].
    pub(crate) fn take_in(&mut self, message: &Received<'_>) {
        let (Some(id), Some((_, attrs))) = (read_id(message), message.split::<HEADER_LEN>()) else {
            return;
        };
        let mut next_hop = NextHop::default();
        for attr in attrs {
            match attr.kind {
                NHA_OIF => next_hop.interface = attr.u32(),
                NHA_GROUP => next_hop.members = members(attr.value),
                _ => {}
            }
        }
        self.0.insert(id, next_hop);
    }

    /// These, with the members of those that are groups.
    pub(crate) fn with_members(&self, ids: &BTreeSet<u32>) -> BTreeSet<u32> {
        let groups = ids.iter().filter_map(|id| self.0.get(id));
        let members = groups.flat_map(|group| group.members.iter().copied());
        ids.iter().copied().chain(members).collect()
    }

    /// The interfaces of these.
    pub(crate) fn interfaces(&self, ids: &BTreeSet<u32>) -> impl Iterator<Item = u32> {
        ids.iter().filter_map(|id| self.0.get(id)?.interface)
    }
}

fn members(group: &[u8]) -> Vec<u32> {
    // | number (4) | weight (2) | reserved (2) |, once for each member
    let (members, _) = group.as_chunks::<8>();
    let ids = members.iter();
    ids.map(|&[a, b, c, d, ..]| u32::from_ne_bytes([a, b, c, d]))
        .collect()
}

/// Length of the fixed header (`struct nhmsg`).
const HEADER_LEN: usize = 8;

pub(crate) const RTM_NEWNEXTHOP: u16 = 104;
pub(crate) const RTM_DELNEXTHOP: u16 = 105;
const RTM_GETNEXTHOP: u16 = 106;

const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn received(body: &[u8]) -> Received<'_> {
        Received {
            kind: RTM_NEWNEXTHOP,
            flags: 0,
            sequence: 0,
            port: 0,
            body,
        }
    }

    fn take_in(next_hops: &mut NextHops, attrs: &[(u16, &[u8])]) {
        let mut msg = Msg::new(RTM_NEWNEXTHOP, 0, &[0; HEADER_LEN]);
        for (kind, value) in attrs {
            msg.attr(*kind, value);
        }
        next_hops.take_in(&received(msg.body()));
    }

    /// Input: 1 over the interface 5, 2 over 6, 3 that drops, the group 9 of 1 and 3 (and a member that is cut off), and
    /// a message without a number.
    #[test]
    fn one_leads_to_its_interface_and_a_group_to_those_of_its_members() {
        let bytes = |number: u32| number.to_ne_bytes();
        let mut next_hops = NextHops::default();
        take_in(&mut next_hops, &[(NHA_ID, &bytes(1)), (NHA_OIF, &bytes(5))]);
        take_in(&mut next_hops, &[(NHA_ID, &bytes(2)), (NHA_OIF, &bytes(6))]);
        take_in(&mut next_hops, &[(NHA_ID, &bytes(3)), (4, &[])]);
        let group = [
            &bytes(1)[..],
            &[0, 0, 0, 0],
            &bytes(3),
            &[7, 0, 0, 0],
            &bytes(2),
        ]
        .concat();
        take_in(&mut next_hops, &[(NHA_ID, &bytes(9)), (NHA_GROUP, &group)]);
        take_in(&mut next_hops, &[(NHA_OIF, &bytes(7))]);
        // What a route names; what it goes by; where it leads to.
        for (named, all, interfaces) in [
            (vec![1], vec![1], vec![5]),
            (vec![3], vec![3], vec![]),
            (vec![9], vec![1, 3, 9], vec![5]),
            (vec![2, 9], vec![1, 2, 3, 9], vec![5, 6]),
            (vec![77], vec![77], vec![]),
        ] {
            let ids = next_hops.with_members(&BTreeSet::from_iter(named));
            assert_eq!(ids, BTreeSet::from_iter(all));
            let got: Vec<u32> = next_hops.interfaces(&ids).collect();
            assert_eq!(got, interfaces, "{ids:?}");
        }
    }

    #[test]
    fn a_dump_names_nothing() {
        assert_eq!(dump_request().body(), [0; 8]);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            NextHops::default().take_in(&received(&body));
        }
    }
}
