//! Packets of hosts, ARP replies and neighbour advertisements, and keepalives of the peer.

use std::net::IpAddr;

use mclag_netlink::packet::{Claim, advertisement, arp_reply};
use mclag_proto::keepalive::{INTERVALS, Keepalive};

/// An ARP packet, from its header on.
pub fn arp(bytes: &[u8]) {
    let Some(claim) = arp_reply(bytes) else {
        return;
    };
    let (IpAddr::V4(address), Some(mac)) = (claim.address, claim.mac) else {
        panic!("ARP says {claim:?}");
    };
    assert!(mac.is_unicast() && !address.is_multicast() && !address.is_broadcast());
    // The same said anew, with another one who asked, and padded to the shortest frame.
    let header = [0, 1, 8, 0, 6, 4, 0, 2];
    let mut packet = [&header[..], &mac.0, &address.octets(), &[0xff; 10]].concat();
    packet.resize(46, 0);
    assert_eq!(arp_reply(&packet), Some(claim));
    assert_eq!(arp_reply(&bytes[..27]), None, "of a packet cut short");
}

/// A keepalive without its signature.
pub fn keepalive(bytes: &[u8]) {
    let Ok(keepalive) = Keepalive::decode(bytes) else {
        return;
    };
    assert!(INTERVALS.contains(&keepalive.interval) && keepalive.sequence > 0);
    assert_eq!(keepalive.encode(), bytes, "all of it means something");
}

/// An IPv6 packet.
pub fn neighbour_advertisement(bytes: &[u8]) {
    let Some(claim) = advertisement(bytes) else {
        return;
    };
    let IpAddr::V6(address) = claim.address else {
        panic!("an advertisement says {claim:?}");
    };
    assert!(!address.is_multicast() && !address.is_unspecified());
    assert!(claim.mac.is_none_or(|mac| mac.is_unicast()));
    assert_eq!(advertisement(&said(claim, &address.octets())), Some(claim));
    // What follows the payload is padding.
    assert_eq!(advertisement(&[bytes, &[0xa5; 9]].concat()), Some(claim));
    // A router in between makes it worthless.
    let mut forwarded = bytes.to_vec();
    forwarded[7] = 254;
    assert_eq!(advertisement(&forwarded), None);
}

/// The shortest packet that says so.
fn said(claim: Claim, address: &[u8; 16]) -> Vec<u8> {
    let option = claim.mac.map(|mac| [&[2, 1][..], &mac.0].concat());
    let option = option.unwrap_or_default();
    let len = u8::try_from(24 + option.len()).expect("an option is short");
    let header = [0x60, 0, 0, 0, 0, len, 58, 255];
    let icmp = [136, 0, 0, 0, 0x60, 0, 0, 0];
    [&header[..], &[0; 32], &icmp, address, &option].concat()
}
