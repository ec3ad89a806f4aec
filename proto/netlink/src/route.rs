//! Default routes: by which interfaces everything goes that no other route is for.

use std::collections::BTreeSet;

use crate::attr::{Msg, Received};
use crate::neigh::{AF_INET, AF_INET6};

/// The request for all routes of a family by which packets are sent on, of all tables.
pub(crate) fn dump_request(family: u8) -> Msg {
    let mut header = [0; HEADER_LEN];
    header[0] = family;
    header[7] = RTN_UNICAST;
    Msg::new(RTM_GETROUTE, 0, &header)
}

/// The interfaces that a default route leads to. `None` for any other route.
pub(crate) fn read(message: &Received<'_>) -> Option<BTreeSet<u32>> {
    // | family (1) | destination (1), source (1): prefix lengths | TOS (1) | table (1) | protocol (1) | scope (1) |
    // | type (1) | flags (4) |
    let (&[family, destination, _, _, _, _, _, kind, ..], attrs) = message.split::<HEADER_LEN>()?;
    let is_ip = matches!(family, AF_INET | AF_INET6);
    if !is_ip || destination != 0 || kind != RTN_UNICAST {
        return None;
    }
    let mut interfaces = BTreeSet::new();
    for attr in attrs {
        match attr.kind {
            RTA_OIF => interfaces.extend(attr.u32()),
            RTA_MULTIPATH => interfaces.extend(NextHops(attr.value)),
            _ => {}
        }
    }
    Some(interfaces)
}

/// Walks over `struct rtnexthop`, each with attributes behind it; ends where a length makes no sense.
struct NextHops<'a>(&'a [u8]);

impl Iterator for NextHops<'_> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_message(header: [u8; 8], attrs: &[(u16, &[u8])]) -> Option<Vec<u32>> {
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
        Some(read(&message)?.into_iter().collect())
    }

    const DEFAULT: [u8; 8] = [AF_INET, 0, 0, 0, 254, 3, 0, RTN_UNICAST];

    #[test]
    fn a_default_route_leads_to_one_interface_or_several() {
        let five = 5_u32.to_ne_bytes();
        assert_eq!(read_message(DEFAULT, &[(RTA_OIF, &five)]), Some(vec![5]));
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
        assert_eq!(several, Some(vec![7, 9]));
        let cut = read_message(DEFAULT, &[(RTA_MULTIPATH, &hops[..20])]);
        assert_eq!(cut, Some(vec![7]));
    }

    #[test]
    fn any_other_route_is_none() {
        let five = 5_u32.to_ne_bytes();
        let with = |at: usize, value| {
            let mut header = DEFAULT;
            header[at] = value;
            read_message(header, &[(RTA_OIF, &five)])
        };
        assert_eq!(with(0, AF_INET6), Some(vec![5]));
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
