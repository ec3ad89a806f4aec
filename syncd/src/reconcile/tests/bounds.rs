//! What is remembered for a client is bounded, and what does not fit is refused by name.

use super::*;

fn numbered(number: u32) -> Mac {
    let [_, high, middle, low] = number.to_be_bytes();
    Mac([2, 0, 0, high, middle, low])
}

fn numbered_port(number: u32) -> IfName {
    port(&format!("swp{number}"))
}

fn entry_of(number: u32) -> Op {
    let mac = numbered(number);
    let vid = Vid::DEFAULT;
    Op::Fdb {
        key: FdbKey { vid, mac },
        want: FdbWant {
            port: port("bond1"),
            kind: FdbKind::Tracked,
        },
    }
}

fn neighbour_of(number: u32) -> Op {
    Op::Neighbour {
        key: NeighbourKey {
            interface: port("vlan1"),
            address: std::net::Ipv4Addr::from_bits(0x0a00_0000 | number).into(),
        },
        want: NeighbourWant {
            mac: SYSTEM,
            permanent: false,
        },
    }
}

fn port_of(number: u32) -> Op {
    Op::Port {
        port: numbered_port(number),
        want: want(Isolation::On, Traffic::Pass),
    }
}

fn learning_of(number: u32) -> Op {
    Op::Learning {
        port: numbered_port(number),
        learning: false,
    }
}

fn interface_of(number: u32) -> Op {
    Op::Interface {
        name: numbered_port(number),
        want: InterfaceWant { mac: SYSTEM },
    }
}

/// As many fit as the constant says, one more is refused by name, one that is known is not, and
/// what is released makes room.
#[test]
fn every_table_takes_as_much_as_it_says_and_refuses_the_next_by_name() {
    type Row = (fn(u32) -> Op, usize, Op, &'static str);
    let (vid, mac) = (Vid::DEFAULT, numbered(0));
    let key = FdbKey { vid, mac };
    let swp0 = port("swp0");
    let Op::Neighbour { key: at, .. } = neighbour_of(0) else {
        unreachable!()
    };
    let rows: [Row; 4] = [
        (
            entry_of,
            MAX_WANTED_ENTRIES,
            Op::FdbRelease { key, forget: false },
            "02:00:00:10:00:00 vlan 1: more than 1048576",
        ),
        (
            neighbour_of,
            MAX_WANTED_NEIGHBOURS,
            Op::NeighbourRelease { key: at },
            "10.4.0.0 on vlan1: more than 262144",
        ),
        (
            port_of,
            MAX_WANTED_PORTS,
            Op::PortRelease { port: swp0 },
            "swp4096: more than 4096",
        ),
        (
            interface_of,
            MAX_WANTED_INTERFACES,
            Op::InterfaceRelease { name: swp0 },
            "swp4096: more than 4096",
        ),
    ];
    for (op, limit, release, text) in rows {
        let limit = u32::try_from(limit).unwrap();
        let mut wanted = Wanted::default();
        for number in 0..limit {
            assert!(wanted.apply(&op(number)).is_ok(), "{:?}", op(number));
        }
        let refused = wanted.apply(&op(limit)).unwrap_err();
        assert_eq!(refused.code, OpErrorCode::Refused);
        assert_eq!(refused.text, text);
        assert!(wanted.apply(&op(limit - 1)).is_ok(), "{text}");
        assert!(wanted.apply(&release).is_ok());
        assert!(wanted.apply(&op(limit)).is_ok(), "{text}");
    }
    let mut wanted = Wanted::default();
    for number in 0..4096 {
        assert!(wanted.apply(&learning_of(number)).is_ok());
    }
    let refused = wanted.apply(&learning_of(4096)).unwrap_err();
    assert_eq!(refused.text, "swp4096: more than 4096");
}

/// Before a snapshot said what all are, whoever releases one by name means that one.
#[test]
fn as_many_released_names_are_remembered_as_there_may_be_names_and_no_more() {
    let mut wanted = Wanted::default();
    for number in 0..=4096 {
        let name = numbered_port(number);
        assert!(wanted.apply(&Op::InterfaceRelease { name }).is_ok());
        assert!(wanted.apply(&Op::PortRelease { port: name }).is_ok());
    }
    for (number, is_remembered) in [(0, true), (4095, true), (4096, false)] {
        let name = numbered_port(number);
        assert_eq!(wanted.may_restore_identity(&name), is_remembered);
        assert_eq!(wanted.is_unwanted(&name), is_remembered, "{name}");
    }
}

#[test]
fn a_neighbour_that_is_not_one_host_is_refused() {
    let group = Mac([1, 0, 0x5e, 0, 0, 1]);
    for (address, mac, is_host) in [
        ("192.0.2.1", SYSTEM, true),
        ("192.0.2.1", group, false),
        ("224.0.0.1", SYSTEM, false),
        ("0.0.0.0", SYSTEM, false),
        ("2001:db8::1", SYSTEM, true),
        ("ff02::1", SYSTEM, false),
        ("::", SYSTEM, false),
    ] {
        let (interface, permanent) = (port("vlan1"), false);
        let key = NeighbourKey {
            interface,
            address: address.parse().unwrap(),
        };
        let want = NeighbourWant { mac, permanent };
        let result = Wanted::default().apply(&Op::Neighbour { key, want });
        assert_eq!(result.is_ok(), is_host, "{address} at {mac}: {result:?}");
    }
}
