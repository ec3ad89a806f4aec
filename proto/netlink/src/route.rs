//! Default routes: by which interfaces everything goes that no other route is for.

use std::collections::BTreeSet;

use crate::attr::{Msg, Received};
use crate::neigh::{AF_INET, AF_INET6};
use crate::nexthop::NextHops;

/// The request for all routes of a family by which packets are sent on, of all tables.
pub(crate) fn dump_request(family: u8) -> Msg {
    let mut header = [0; HEADER_LEN];
    header[0] = family;
    header[7] = RTN_UNICAST;
    Msg::new(RTM_GETROUTE, 0, &header)
}

/// Where default routes lead to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DefaultRoutes {
    /// Indices of interfaces.
    pub interfaces: BTreeSet<u32>,
    /// Numbers of the next hop objects by which they go, and of the members of those that are groups.
    pub next_hops: BTreeSet<u32>,
}

impl DefaultRoutes {
    /// These, too.
    pub fn add(&mut self, others: Self) {
        self.interfaces.extend(others.interfaces);
        self.next_hops.extend(others.next_hops);
    }

    /// The interfaces of the next hops, too.
    pub(crate) fn resolve(&mut self, next_hops: &NextHops) {
        self.next_hops = next_hops.with_members(&self.next_hops);
        let interfaces = next_hops.interfaces(&self.next_hops);
        self.interfaces.extend(interfaces);
    }
}

/// What a default route says of where it leads to: interfaces, a next hop object, or both. `None` for any other route.
pub(crate) fn read(message: &Received<'_>) -> Option<DefaultRoutes> {
    // | family (1) | destination (1), source (1): prefix lengths | TOS (1) | table (1) | protocol (1) | scope (1) |
    // | type (1) | flags (4) |
    let (&[family, destination, _, _, _, _, _, kind, ..], attrs) = message.split::<HEADER_LEN>()?;
    let is_ip = matches!(family, AF_INET | AF_INET6);
    if !is_ip || destination != 0 {
        return None;
    }
    let mut routes = DefaultRoutes::default();
    for attr in attrs {
        match attr.kind {
            RTA_OIF => routes.interfaces.extend(attr.u32()),
            RTA_MULTIPATH => routes.interfaces.extend(Hops(attr.value)),
            RTA_NH_ID => routes.next_hops.extend(attr.u32()),
            _ => {}
        }
    }
    // One whose next hop is a black hole is called that, but leads elsewhere as soon as its next hop does.
    (kind == RTN_UNICAST || !routes.next_hops.is_empty()).then_some(routes)
}

/// Walks over `struct rtnexthop`, each with attributes behind it; ends where a length makes no sense.
struct Hops<'a>(&'a [u8]);

impl Iterator for Hops<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        // | length (2) | flags (1) | hops (1) | index (4) |
        let (&[l0, l1, _, _, i0, i1, i2, i3], _) = self.0.split_first_chunk()?;
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        if len < NEXT_HOP_LEN {
            return None;
        }
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(u32::from_ne_bytes([i0, i1, i2, i3]))
    }
}

/// Length of the fixed header (`struct rtmsg`).
const HEADER_LEN: usize = 12;
const NEXT_HOP_LEN: usize = 8;

pub(crate) const RTM_NEWROUTE: u16 = 24;
pub(crate) const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;

const RTN_UNICAST: u8 = 1;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const RTA_NH_ID: u16 = 30;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_message(header: [u8; 8], attrs: &[(u16, &[u8])]) -> Option<(Vec<u32>, Vec<u32>)> {
        let mut msg = Msg::new(RTM_NEWROUTE, 0, &[&header[..], &[0; 4]].concat());
        for (kind, value) in attrs {
            msg.attr(*kind, value);
        }
        let message = Received {
            kind: RTM_NEWROUTE,
            flags: 0,
            sequence: 0,
            port: 0,
            body: msg.body(),
        };
        let routes = read(&message)?;
        let DefaultRoutes {
            interfaces,
            next_hops,
        } = routes;
        Some((
            interfaces.into_iter().collect(),
            next_hops.into_iter().collect(),
        ))
    }

    const DEFAULT: [u8; 8] = [AF_INET, 0, 0, 0, 254, 3, 0, RTN_UNICAST];

    #[test]
    fn a_default_route_leads_to_one_interface_or_several() {
        let five = 5_u32.to_ne_bytes();
        assert_eq!(
            read_message(DEFAULT, &[(RTA_OIF, &five)]),
            Some((vec![5], vec![]))
        );
        // Two next hops, the first with a gateway behind it.
        let hops: Vec<u8> = [
            &16_u16.to_ne_bytes()[..],
            &[0, 0],
            &7_u32.to_ne_bytes(),
            &[8, 0, 5, 0, 192, 0, 2, 1],
            &8_u16.to_ne_bytes(),
            &[0, 0],
            &9_u32.to_ne_bytes(),
        ]
        .concat();
        let several = read_message(DEFAULT, &[(RTA_MULTIPATH, &hops)]);
        assert_eq!(several, Some((vec![7, 9], vec![])));
        let cut = read_message(DEFAULT, &[(RTA_MULTIPATH, &hops[..20])]);
        assert_eq!(cut, Some((vec![7], vec![])));
    }

    #[test]
    fn a_default_route_goes_by_a_next_hop_and_may_say_where_that_leads_to() {
        let (five, nine) = (5_u32.to_ne_bytes(), 9_u32.to_ne_bytes());
        let alone = [(RTA_NH_ID, &nine[..])];
        assert_eq!(read_message(DEFAULT, &alone), Some((vec![], vec![9])));
        let both = [(RTA_NH_ID, &nine[..]), (RTA_OIF, &five)];
        assert_eq!(read_message(DEFAULT, &both), Some((vec![5], vec![9])));
        let mut dropping = DEFAULT;
        dropping[7] = 6;
        assert_eq!(read_message(dropping, &alone), Some((vec![], vec![9])));
    }

    #[test]
    fn any_other_route_is_none() {
        let five = 5_u32.to_ne_bytes();
        let with = |at: usize, value| {
            let mut header = DEFAULT;
            header[at] = value;
            read_message(header, &[(RTA_OIF, &five)])
        };
        assert_eq!(with(0, AF_INET6), Some((vec![5], vec![])));
        assert_eq!(with(0, 7), None, "another family");
        assert_eq!(with(1, 24), None, "a network");
        assert_eq!(with(7, 6), None, "a black hole");
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_dump_names_family_and_type() {
        let wanted = [2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(dump_request(AF_INET).body(), wanted);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&Received { kind: RTM_NEWROUTE, flags: 0, sequence: 0, port: 0, body: &body });
        }
    }
}
