use super::*;
use mclag_netlink::Scope;
use mclag_netlink::packet::Claim;
use mclag_proto::Mac;

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn address(index: u32, text: &str, prefix_len: u8) -> InterfaceAddress {
    InterfaceAddress {
        index,
        address: ip(text),
        prefix_len,
        scope: Scope::Global,
    }
}

/// What is told when an interface has these addresses.
fn told(index: u32, addresses: &[&str]) -> Input {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Input::Addresses { index, addresses }
}

/// The neighbour 192.0.2.7 on interface 5.
fn neighbour(last: u8, state: NeighbourState) -> Neighbour {
    Neighbour {
        index: 5,
        address: ip("192.0.2.7"),
        mac: Some(mac(last)),
        state,
        ext_learned: false,
        protocol: 0,
    }
}

fn installed(last: u8, state: NeighbourState) -> Neighbour {
    Neighbour {
        ext_learned: true,
        ..neighbour(last, state)
    }
}

fn seen(last: u8, from: NeighbourFrom) -> Input {
    let mac = mac(last);
    let observation = Some(NeighbourObservation { mac, from });
    Input::Neighbour {
        index: 5,
        address: ip("192.0.2.7"),
        observation,
    }
}

fn unseen() -> Input {
    Input::Neighbour {
        index: 5,
        address: ip("192.0.2.7"),
        observation: None,
    }
}

fn said(text: &str, mac: Option<Mac>) -> Sighting {
    let address = ip(text);
    Sighting {
        index: 5,
        claim: Claim { address, mac },
    }
}

fn drain(layer3: &mut Layer3) -> Vec<Input> {
    std::iter::from_fn(|| layer3.next_input()).collect()
}

use NeighbourFrom::{Installed, Kernel, Wire};
use NeighbourState::{
    Delay, Failed, Incomplete, NoArp, None as Unknown, Permanent, Probe, Reachable, Stale,
};

/// `spec/behaviour.md` 10.5: all addresses are tracked.
#[test]
fn every_change_says_all_addresses_of_the_interface() {
    let mut layer3 = Layer3::default();
    let first = address(5, "192.0.2.1", 24);
    let second = address(5, "2001:db8::1", 64);
    layer3.addresses(&[
        (first, true),
        (second, true),
        (address(6, "192.0.2.9", 24), true),
    ]);
    assert_eq!(
        drain(&mut layer3),
        [
            told(5, &["192.0.2.1/24", "2001:db8::1/64"]),
            told(6, &["192.0.2.9/24"])
        ]
    );
    layer3.addresses(&[(first, false)]);
    assert_eq!(drain(&mut layer3), [told(5, &["2001:db8::1/64"])]);
    layer3.addresses(&[(first, false), (second, true)]);
    assert_eq!(drain(&mut layer3), []);
    layer3.addresses(&[(second, false)]);
    assert_eq!(drain(&mut layer3), [told(5, &[])]);
}

#[test]
fn the_same_address_with_two_prefixes_is_two_addresses() {
    let mut layer3 = Layer3::default();
    let wide = address(5, "192.0.2.1", 24);
    let narrow = address(5, "192.0.2.1", 32);
    layer3.addresses(&[(wide, true), (narrow, true)]);
    layer3.addresses(&[(wide, false)]);
    assert_eq!(
        drain(&mut layer3),
        [
            told(5, &["192.0.2.1/24", "192.0.2.1/32"]),
            told(5, &["192.0.2.1/32"])
        ]
    );
}

#[test]
fn a_dump_says_which_interfaces_have_no_address_any_more() {
    let mut layer3 = Layer3::default();
    layer3.addresses(&[(address(5, "192.0.2.1", 24), true)]);
    drain(&mut layer3);
    layer3.replace_addresses(&[address(6, "192.0.2.2", 24)]);
    assert_eq!(
        drain(&mut layer3),
        [told(5, &[]), told(6, &["192.0.2.2/24"])]
    );
    layer3.replace_addresses(&[address(6, "192.0.2.2", 24)]);
    assert_eq!(drain(&mut layer3), [told(6, &["192.0.2.2/24"])]);
}

/// `spec/behaviour.md` 11.2.
#[test]
fn what_the_kernel_thinks_of_a_neighbour_decides_whether_it_is_seen() {
    for (state, by_kernel, by_us) in [
        (Unknown, false, false),
        (Incomplete, false, false),
        (Reachable, true, true),
        (Stale, true, true),
        (Delay, true, true),
        (Probe, true, true),
        (Failed, false, false),
        (NoArp, false, false),
        (Permanent, false, true),
    ] {
        let from = |n: Neighbour| observation(&n).map(|observation| observation.from);
        let want = by_kernel.then_some(Kernel);
        assert_eq!(from(neighbour(7, state)), want, "{state:?}");
        let want = by_us.then_some(Installed);
        assert_eq!(from(installed(7, state)), want, "{state:?}");
    }
}

#[test]
fn a_neighbour_with_a_group_address_or_none_is_not_seen() {
    for mac in [None, Some(Mac([0xff; 6])), Some(Mac([1, 0, 0x5e, 0, 0, 1]))] {
        let neighbour = Neighbour {
            mac,
            ..neighbour(7, Reachable)
        };
        assert_eq!(observation(&neighbour), None);
    }
}

#[test]
fn a_neighbour_that_merely_ages_is_no_news() {
    let mut layer3 = Layer3::default();
    let change = |state| [(neighbour(7, state), true)];
    layer3.neighbours(&change(Incomplete));
    assert_eq!(drain(&mut layer3), []);
    layer3.neighbours(&change(Reachable));
    assert_eq!(drain(&mut layer3), [seen(7, Kernel)]);
    for state in [Stale, Delay, Probe, Reachable] {
        layer3.neighbours(&change(state));
        assert_eq!(drain(&mut layer3), [], "{state:?}");
    }
    layer3.neighbours(&[(neighbour(8, Reachable), true)]);
    assert_eq!(drain(&mut layer3), [seen(8, Kernel)]);
    layer3.neighbours(&[(installed(8, Reachable), true)]);
    assert_eq!(drain(&mut layer3), [seen(8, Installed)]);
    layer3.neighbours(&[(installed(8, Failed), true)]);
    assert_eq!(drain(&mut layer3), [unseen()]);
    layer3.neighbours(&[(installed(8, Failed), false)]);
    assert_eq!(drain(&mut layer3), []);
}

#[test]
fn of_several_changes_at_a_time_the_last_one_counts() {
    let mut layer3 = Layer3::default();
    layer3.neighbours(&[
        (neighbour(7, Reachable), true),
        (neighbour(8, Stale), true),
        (neighbour(8, Failed), true),
        (neighbour(9, Reachable), true),
    ]);
    assert_eq!(drain(&mut layer3), [seen(9, Kernel)]);
    layer3.neighbours(&[
        (neighbour(9, Reachable), false),
        (neighbour(9, Reachable), true),
    ]);
    assert_eq!(drain(&mut layer3), []);
}

#[test]
fn a_dump_of_neighbours_is_told_whole_between_begin_and_end() {
    let mut layer3 = Layer3::default();
    for _ in 0..2 {
        layer3.replace_neighbours(&[neighbour(7, Stale)]);
        let want = [
            Input::NeighboursBegin,
            seen(7, Kernel),
            Input::NeighboursEnd,
        ];
        assert_eq!(drain(&mut layer3), want);
    }
    layer3.replace_neighbours(&[neighbour(7, Failed)]);
    let want = [Input::NeighboursBegin, Input::NeighboursEnd];
    assert_eq!(drain(&mut layer3), want);
    // What the dump left out need not be taken back.
    layer3.neighbours(&[(neighbour(7, Failed), false)]);
    assert_eq!(drain(&mut layer3), []);
}

/// `spec/behaviour.md` 11.2: replies refresh what is known.
#[test]
fn what_is_said_on_the_wire_is_told_again_after_a_while() {
    let mut layer3 = Layer3::default();
    let now = Instant::now();
    let reply = [said("192.0.2.7", Some(mac(7)))];
    layer3.sightings(&reply, now);
    assert_eq!(drain(&mut layer3), [seen(7, Wire)]);
    layer3.sightings(&reply, now + WIRE_PERIOD / 2);
    assert_eq!(drain(&mut layer3), []);
    let moved = [said("192.0.2.7", Some(mac(8)))];
    layer3.sightings(&moved, now + WIRE_PERIOD / 2);
    assert_eq!(drain(&mut layer3), [seen(8, Wire)]);
    layer3.sightings(&moved, now + WIRE_PERIOD);
    assert_eq!(drain(&mut layer3), [seen(8, Wire)]);
}

/// `spec/behaviour.md` 11.2: an advertisement without the option re-uses the stored MAC.
#[test]
fn an_advertisement_without_hardware_address_confirms_the_one_that_is_known() {
    let mut layer3 = Layer3::default();
    let now = Instant::now();
    let advertisement = [said("192.0.2.7", None)];
    layer3.sightings(&advertisement, now);
    assert_eq!(drain(&mut layer3), []);
    layer3.neighbours(&[(neighbour(7, Stale), true)]);
    layer3.sightings(&advertisement, now);
    assert_eq!(drain(&mut layer3), [seen(7, Kernel), seen(7, Wire)]);
}

#[test]
fn a_neighbour_that_failed_and_speaks_again_is_news_at_once() {
    let mut layer3 = Layer3::default();
    let now = Instant::now();
    let reply = [said("192.0.2.7", Some(mac(7)))];
    layer3.neighbours(&[(neighbour(7, Reachable), true)]);
    layer3.sightings(&reply, now);
    layer3.neighbours(&[(neighbour(7, Failed), true)]);
    layer3.sightings(&reply, now);
    let want = [seen(7, Kernel), seen(7, Wire), unseen(), seen(7, Wire)];
    assert_eq!(drain(&mut layer3), want);
}

#[test]
fn made_up_neighbours_do_not_take_memory_without_bound() {
    let mut layer3 = Layer3::default();
    let now = Instant::now();
    let claims = |count: u32| -> Vec<Sighting> {
        (0..count)
            .map(|number| Sighting {
                index: 5,
                claim: Claim {
                    address: IpAddr::from((0x0a00_0000 + number).to_be_bytes()),
                    mac: Some(mac(7)),
                },
            })
            .collect()
    };
    let flood = claims(u32::try_from(WIRE_MAX).unwrap() + 1000);
    layer3.sightings(&flood, now);
    assert_eq!(drain(&mut layer3).len(), WIRE_MAX);
    assert_eq!(layer3.wire.len(), WIRE_MAX);

    let entries: Vec<_> = claims(u32::try_from(NEIGHBOURS_MAX).unwrap() + 10)
        .iter()
        .map(|sighting| Neighbour {
            address: sighting.claim.address,
            ..neighbour(7, Reachable)
        })
        .collect();
    layer3.replace_neighbours(&entries);
    assert_eq!(layer3.neighbours.len(), NEIGHBOURS_MAX);
    assert_eq!(drain(&mut layer3).len(), NEIGHBOURS_MAX + 2);
}
