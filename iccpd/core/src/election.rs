//! Who dials and who decides in a tie.
//!
//! Towards a legacy peer the addresses decide both (`spec/iccp.md` 1.1); between two of our own
//! the priority decides the role, then the lower MAC (`spec/behaviour.md` 4.3). Who dials, and in
//! which order the two synchronise, is always the addresses' matter.

use mclag_proto::Mac;
use mclag_proto::ctl::{Role, RoleBy};
use std::net::IpAddr;

/// What a side brings to the election between two of our own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Candidate {
    /// The lower one is primary.
    pub priority: u16,
    /// Breaks a tie: the lower one is primary.
    pub mac: Mac,
}

/// Which of two addresses dials and is mLACP-active.
///
/// SONiC compares the network-order bytes as a little-endian number, so the *last* byte decides
/// first. Addresses of different families never form a pair; they compare by family.
#[must_use]
pub fn dials(local: IpAddr, peer: IpAddr) -> bool {
    address_key(local) < address_key(peer)
}

fn address_key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from_le_bytes(v4.octets())),
        IpAddr::V6(v6) => u128::from_le_bytes(v6.octets()),
    }
}

/// The role of the local side.
#[must_use]
pub fn elect(dials: bool, local: Candidate, peer: Option<Candidate>) -> (Role, RoleBy) {
    let role = |primary| {
        if primary {
            Role::Primary
        } else {
            Role::Secondary
        }
    };
    match peer {
        None => (role(dials), RoleBy::Address),
        Some(peer) if peer.priority != local.priority => {
            (role(local.priority < peer.priority), RoleBy::Priority)
        }
        Some(peer) if peer.mac != local.mac => (role(local.mac < peer.mac), RoleBy::Mac),
        // Two nodes with one MAC: somebody cloned a machine. The addresses still differ.
        Some(_) => (role(dials), RoleBy::Address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The examples of `spec/iccp.md` 1.1 and `spec/behaviour.md` 4.1.
    #[test]
    fn the_last_octet_decides_first() {
        for (local, peer, local_dials) in [
            ("10.0.0.1", "10.0.0.2", true),
            ("10.0.1.9", "10.0.2.1", false),
            ("10.0.1.1", "10.0.0.2", true),
            ("192.168.1.5", "10.0.0.5", false),
        ] {
            let (local, peer) = (local.parse().unwrap(), peer.parse().unwrap());
            assert_eq!(dials(local, peer), local_dials, "{local} {peer}");
            assert_eq!(dials(peer, local), !local_dials, "{peer} {local}");
        }
    }

    #[test]
    fn priority_beats_mac_beats_address() {
        let low = Candidate {
            priority: 1,
            mac: Mac([2, 0, 0, 0, 0, 9]),
        };
        let high = Candidate {
            priority: 2,
            mac: Mac([2, 0, 0, 0, 0, 1]),
        };
        assert_eq!(
            elect(false, low, Some(high)),
            (Role::Primary, RoleBy::Priority)
        );
        let other = Candidate {
            priority: 1,
            mac: Mac([2, 0, 0, 0, 0, 1]),
        };
        assert_eq!(
            elect(true, low, Some(other)),
            (Role::Secondary, RoleBy::Mac)
        );
        assert_eq!(elect(true, low, None), (Role::Primary, RoleBy::Address));
        assert_eq!(
            elect(true, low, Some(low)),
            (Role::Primary, RoleBy::Address)
        );
    }

    proptest! {
        /// `spec/behaviour.md` 21, invariant 10.
        #[test]
        fn exactly_one_of_two_is_primary(
            a: [u8; 4], b: [u8; 4], pa: u16, pb: u16, ma: [u8; 6], mb: [u8; 6], ours: bool,
        ) {
            prop_assume!(a != b);
            let (a, b) = (IpAddr::from(a), IpAddr::from(b));
            let ca = Candidate { priority: pa, mac: Mac(ma) };
            let cb = Candidate { priority: pb, mac: Mac(mb) };
            prop_assert_ne!(dials(a, b), dials(b, a));
            let at_a = elect(dials(a, b), ca, ours.then_some(cb));
            let at_b = elect(dials(b, a), cb, ours.then_some(ca));
            prop_assert_ne!(at_a.0, at_b.0);
            prop_assert_eq!(at_a.1, at_b.1);
        }
    }
}
