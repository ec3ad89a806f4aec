//! Addresses of interfaces on layer 3.

use std::net::IpAddr;

use crate::attr::{Msg, Received};
use crate::neigh::{AF_INET, AF_INET6, read_address};

/// An address of an interface.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct InterfaceAddress {
    /// Index of the interface.
    pub index: u32,
    /// The interface's own address. On a point-to-point interface the kernel knows the other
    /// end's as well, which is not it.
    pub address: IpAddr,
    /// Length of the network's prefix in bits.
    pub prefix_len: u8,
    /// How far the address means something.
    pub scope: Scope,
}

/// How far an address means something (`enum rt_scope_t`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// Within a site.
    Site,
    /// On the link: `fe80::/10`, or an IPv4 address that was given this scope.
    Link,
    /// Within this machine.
    Host,
    /// A scope this program does not know.
    Other(u8),
}

impl Scope {
    const fn read(raw: u8) -> Self {
        match raw {
            0 => Self::Global,
            200 => Self::Site,
            253 => Self::Link,
            254 => Self::Host,
            other => Self::Other(other),
        }
    }
}

/// The families whose addresses are read.
pub(crate) const FAMILIES: [u8; 2] = [AF_INET, AF_INET6];

/// The request for all addresses of a family.
pub(crate) fn dump_request(family: u8) -> Msg {
    let mut header = [0; HEADER_LEN];
    header[0] = family;
    Msg::new(RTM_GETADDR, 0, &header)
}

/// An address, and whether it is there or gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AddressNews {
    Entry(InterfaceAddress),
    Gone(InterfaceAddress),
}

/// Read an address message. `None` for those that are not about IPv4 or IPv6.
pub(crate) fn read(message: &Received<'_>) -> Option<AddressNews> {
    // | family (1) | prefix length (1) | flags (1) | scope (1) | index (4) |
    let (&[family, prefix_len, _, scope, i0, i1, i2, i3], attrs) = message.split::<HEADER_LEN>()?;
    let most = match family {
        AF_INET => 32,
        AF_INET6 => 128,
        _ => return None,
    };
    if prefix_len > most {
        return None;
    }
    let mut local = None;
    let mut address = None;
    for attr in attrs {
        match attr.kind {
            IFA_LOCAL => local = read_address(family, attr),
            IFA_ADDRESS => address = read_address(family, attr),
            _ => {}
        }
    }
    let entry = InterfaceAddress {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        // With both, the second is the other end of a point-to-point interface.
        address: local.or(address)?,
        prefix_len,
        scope: Scope::read(scope),
    };
    match message.kind {
        RTM_NEWADDR => Some(AddressNews::Entry(entry)),
        RTM_DELADDR => Some(AddressNews::Gone(entry)),
        _ => None,
    }
}

/// Length of the fixed header (`struct ifaddrmsg`).
const HEADER_LEN: usize = 8;

pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(header: [u8; 4], attrs: &[(u16, &[u8])]) -> Option<AddressNews> {
        let [family, prefix_len, flags, scope] = header;
        let [i0, i1, i2, i3] = 5_u32.to_ne_bytes();
        let header = [family, prefix_len, flags, scope, i0, i1, i2, i3];
        let mut msg = Msg::new(RTM_NEWADDR, 0, &header);
        for (kind, value) in attrs {
            msg.attr(*kind, value);
        }
        read(&Received {
            kind: RTM_NEWADDR,
            flags: 0,
            sequence: 0,
            port: 0,
            body: msg.body(),
        })
    }

    fn entry(address: &str, prefix_len: u8, scope: Scope) -> Option<AddressNews> {
        Some(AddressNews::Entry(InterfaceAddress {
            index: 5,
            address: address.parse().unwrap(),
            prefix_len,
            scope,
        }))
    }

    #[test]
    fn the_own_address_is_told_not_that_of_the_other_end() {
        let got = message(
            [AF_INET, 32, 0x80, 0],
            &[(IFA_ADDRESS, &[192, 0, 2, 2]), (IFA_LOCAL, &[192, 0, 2, 1])],
        );
        assert_eq!(got, entry("192.0.2.1", 32, Scope::Global));
    }

    #[test]
    fn an_ipv6_address_comes_without_a_local_one() {
        let address = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        let got = message([AF_INET6, 64, 0x80, 253], &[(IFA_ADDRESS, &address)]);
        assert_eq!(got, entry("fe80::7", 64, Scope::Link));
    }

    #[test]
    fn impossible_values_are_left_out() {
        let address: &[u8] = &[192, 0, 2, 1];
        assert_eq!(message([AF_INET, 33, 0, 0], &[(IFA_LOCAL, address)]), None);
        assert_eq!(message([AF_INET6, 64, 0, 0], &[(IFA_LOCAL, address)]), None);
        assert_eq!(message([7, 24, 0, 0], &[(IFA_LOCAL, address)]), None);
        assert_eq!(message([AF_INET, 24, 0, 0], &[]), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_dump_names_the_family() {
        assert_eq!(dump_request(AF_INET).body(), [2, 0, 0, 0, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&Received { kind: RTM_NEWADDR, flags: 0, sequence: 0, port: 0, body: &body });
        }
    }
}
