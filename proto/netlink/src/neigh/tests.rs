use proptest::prelude::*;

use super::*;
use crate::attr::Messages;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 7]);

/// Kind, flags and body of the message for an operation.
fn wire(address: &str, action: NeighbourAction) -> (u16, u16, Vec<u8>) {
    let op = NeighbourOp {
        index: 5,
        address: address.parse().unwrap(),
        action,
    };
    let mut msg = op.request();
    let bytes = msg.seal(1).to_vec();
    let got = Messages(&bytes).next().unwrap();
    (got.kind, got.flags, got.body.to_vec())
}

fn read_back(kind: u16, body: &[u8]) -> Option<NeighbourNews> {
    read(&Received {
        kind,
        flags: 0,
        sequence: 0,
        port: 0,
        body,
    })
}

/// `spec/behaviour.md` 11.4: dynamic ones are reachable; 11.8: and externally learned.
#[test]
#[cfg(target_endian = "little")]
fn a_host_is_installed_as_reachable_and_externally_learned() {
    let (kind, flags, body) = wire("192.0.2.7", NeighbourAction::SetReachable { mac: MAC });
    assert_eq!((kind, flags), (28, 0x500));
    assert_eq!(
        body,
        [
            2, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0x10, 0, // header
            8, 0, 1, 0, 192, 0, 2, 7, // address
            10, 0, 2, 0, 2, 0, 0, 0, 0, 7, 0, 0, // hardware address
            5, 0, 12, 0, 77, 0, 0, 0, // protocol
        ]
    );
}

/// `spec/behaviour.md` 11.4: the peer's own addresses are permanent, without ARP and externally
/// learned.
#[test]
#[cfg(target_endian = "little")]
fn an_address_of_the_peer_is_installed_as_permanent_without_arp() {
    let (kind, flags, body) = wire("2001:db8::7", NeighbourAction::SetPermanent { mac: MAC });
    assert_eq!((kind, flags), (28, 0x500));
    assert_eq!(
        body,
        [
            10, 0, 0, 0, 5, 0, 0, 0, 0xc0, 0, 0x10, 0, // header
            20, 0, 1, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, // address
            10, 0, 2, 0, 2, 0, 0, 0, 0, 7, 0, 0, // hardware address
            5, 0, 12, 0, 77, 0, 0, 0, // protocol
        ]
    );
}

#[test]
#[cfg(target_endian = "little")]
fn deleting_names_the_address_alone() {
    let (kind, flags, body) = wire("192.0.2.7", NeighbourAction::Delete);
    assert_eq!((kind, flags), (29, 0));
    assert_eq!(
        body,
        [
            2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, // header
            8, 0, 1, 0, 192, 0, 2, 7, // address
        ]
    );
}

#[test]
#[cfg(target_endian = "little")]
fn a_dump_names_the_family() {
    assert_eq!(
        dump_request(AF_INET6).body(),
        [10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn what_is_installed_reads_back() {
    let address = "fe80::7";
    let (_, _, body) = wire(address, NeighbourAction::SetPermanent { mac: MAC });
    let want = Neighbour {
        index: 5,
        address: address.parse().unwrap(),
        mac: Some(MAC),
        state: NeighbourState::Permanent,
        ext_learned: true,
        protocol: PROTOCOL,
    };
    assert!(want.is_ours());
    let got = read_back(RTM_NEWNEIGH, &body);
    assert_eq!(got, Some(NeighbourNews::Entry(want)));
    let got = read_back(RTM_DELNEIGH, &body);
    assert_eq!(got, Some(NeighbourNews::Gone(want)));
    assert_eq!(read_back(RTM_GETNEIGH, &body), None);
}

#[test]
fn every_state_of_the_kernel_is_told_apart() {
    for (raw, want) in [
        (0, NeighbourState::None),
        (0x01, NeighbourState::Incomplete),
        (0x02, NeighbourState::Reachable),
        (0x04, NeighbourState::Stale),
        (0x08, NeighbourState::Delay),
        (0x10, NeighbourState::Probe),
        (0x20, NeighbourState::Failed),
        (0x40, NeighbourState::NoArp),
        (0x80, NeighbourState::Permanent),
        (0xc0, NeighbourState::Permanent),
    ] {
        assert_eq!(NeighbourState::read(raw), want, "{raw:#x}");
    }
}

#[test]
fn bridge_entries_proxies_and_damaged_addresses_are_no_neighbours() {
    let message = |family, flags, address: &[u8]| {
        let mut msg = Msg::new(RTM_NEWNEIGH, 0, &header(family, 5, NUD_REACHABLE, flags));
        msg.attr(NDA_DST, address);
        read_back(RTM_NEWNEIGH, msg.body())
    };
    assert!(message(AF_INET, 0, &[192, 0, 2, 7]).is_some());
    assert_eq!(message(AF_INET, NTF_PROXY, &[192, 0, 2, 7]), None);
    assert_eq!(message(AF_INET, 0, &[192, 0, 2]), None);
    assert_eq!(message(AF_INET6, 0, &[192, 0, 2, 7]), None);
    assert_eq!(message(7, 0, &[192, 0, 2, 7]), None);
    assert_eq!(read_back(RTM_NEWNEIGH, &[2, 0, 0]), None);
}

#[test]
fn a_hardware_address_that_is_not_ethernet_is_left_out() {
    let mut msg = Msg::new(RTM_NEWNEIGH, 0, &header(AF_INET, 5, NUD_REACHABLE, 0));
    msg.attr(NDA_DST, &[192, 0, 2, 7]);
    msg.attr(NDA_LLADDR, &[1, 2, 3, 4]);
    let Some(NeighbourNews::Entry(got)) = read_back(RTM_NEWNEIGH, msg.body()) else {
        panic!("an entry")
    };
    assert_eq!(got.mac, None);
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(kind in 28_u16..=29, body in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = read_back(kind, &body);
    }
}
