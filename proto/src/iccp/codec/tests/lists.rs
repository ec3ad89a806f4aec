//! Lists of addresses, neighbours and VLANs.

use super::*;
use crate::Mac;
use crate::iccp::{
    EntryOp, LEGACY_MACS_PER_MESSAGE, LEGACY_NEIGHBOURS_PER_MESSAGE, MacType, NeighbourEntry,
    NeighbourFlags,
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The bytes of one MAC Info entry.
fn entry(mac: u8, vid: u16, port: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 2, 0x02, 0, 0, 0, 0, mac];
    bytes.extend(vid.to_be_bytes());
    bytes.extend(port);
    bytes.resize(30, 0);
    bytes
}

fn mac_info(count: u16, entries: &[Vec<u8>]) -> Vec<u8> {
    let entries = entries.concat();
    let mut tlv = hex("1038");
    tlv.extend(u16::try_from(2 + entries.len()).unwrap().to_be_bytes());
    tlv.extend(count.to_be_bytes());
    tlv.extend(entries);
    framed(&tlv)
}

fn macs(message: &Message) -> &[MacEntry] {
    match &message.body {
        Body::Application {
            tlv: Tlv::MacInfo(entries),
            ..
        } => entries,
        other => panic!("{other:?}"),
    }
}

/// The bytes of one ARP or NDISC entry: what precedes the name, the name, and counting bytes for
/// the addresses.
fn neighbour(len: usize, start: &[u8], interface: &[u8]) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.extend(interface);
    bytes.resize(24, 0);
    let addresses = (len - 24).try_into().unwrap();
    bytes.extend(0..addresses);
    bytes
}

fn neighbours(kind: u16, count: u16, entries: &[Vec<u8>]) -> Vec<u8> {
    let entries = entries.concat();
    let mut tlv = kind.to_be_bytes().to_vec();
    tlv.extend(number(Dialect::Sonic, 2 + entries.len()));
    tlv.extend(count.to_be_bytes());
    tlv.extend(entries);
    framed(&tlv)
}

fn arps(bytes: &[u8]) -> Vec<NeighbourEntry<Ipv4Addr>> {
    match only_tlv(Dialect::Sonic, bytes) {
        Tlv::ArpInfo(entries) => entries,
        other => panic!("{other:?}"),
    }
}

fn ndiscs(bytes: &[u8]) -> Vec<NeighbourEntry<Ipv6Addr>> {
    match only_tlv(Dialect::Sonic, bytes) {
        Tlv::NdiscInfo(entries) => entries,
        other => panic!("{other:?}"),
    }
}

const FIRST_OCTETS: Ipv4Addr = Ipv4Addr::new(0, 1, 2, 3);
const FIRST_BYTES: Ipv6Addr = Ipv6Addr::new(
    0x0001, 0x0203, 0x0405, 0x0607, 0x0809, 0x0a0b, 0x0c0d, 0x0e0f,
);

#[test]
fn a_bad_entry_is_skipped_and_reported_and_the_good_ones_beside_it_are_delivered() {
    let next = application(Tlv::Heartbeat);
    let mut stream = mac_info(
        4,
        &[
            entry(1, 10, b"swp1"),
            entry(2, 4095, b"swp1"),
            entry(3, 10, b""),
            entry(4, 10, b"swp1"),
        ],
    );
    stream.extend(encoded(&next));
    let got = decode_all(&stream);
    assert_eq!(got.len(), 3);
    let kept = macs(got[0].as_ref().unwrap());
    assert_eq!(kept.iter().map(|e| e.mac.0[5]).collect::<Vec<_>>(), [1, 4]);
    let error = got[1].as_ref().unwrap_err();
    assert!(!error.is_fatal());
    assert_eq!(
        error.to_string(),
        "2 of 4 entries skipped, the first of them is entry 1: \
         MAC Info TLV 0x1038: VLAN at byte 60 is 4095 (0xfff), expected 1..=4094"
    );
    assert_eq!(got[2], Ok(next));
}

/// `spec/iccp.md` 4.11: op 4 is an acknowledgement that nobody sends; it is neither of the others.
#[test]
fn an_entry_with_an_unknown_op_or_type_is_delivered() {
    let mut raw = entry(1, 10, b"swp1");
    raw[..2].copy_from_slice(&[4, 0]);
    let got = decode_all(&mac_info(1, &[raw]));
    let [Ok(message)] = &got[..] else {
        panic!("{got:?}");
    };
    let [entry] = macs(message) else {
        panic!("{message:?}");
    };
    assert_eq!(entry.op, EntryOp::Reserved(4));
    assert_eq!(entry.kind, MacType::Dynamic);
}

/// `spec/behaviour.md` 17, P-24; `spec/iccp.md` 4.7, 4.9 to 4.11.
#[test]
fn a_count_beyond_the_message_drops_it_before_anything_is_allocated() {
    let bytes = mac_info(u16::MAX, &[entry(1, 10, b"swp1")]);
    let error = bad(Part::Tlv(0x1038), "number of entries", 20, 0xffff);
    assert_eq!(bad_value(&bytes), error);

    let tlv = hex("1034 0022 0001 626f6e6431 00{15} 05 00 00000000 0001 0002 000a");
    let error = bad(Part::Tlv(0x1034), "number of VLANs", 50, 2);
    assert_eq!(bad_value(&framed(&tlv)), error);

    for (kind, len) in [(0x1036, 36), (0x103a, 48)] {
        let entry = neighbour(len, &[1, 0, 0], b"Vlan10");
        let error = bad(Part::Tlv(kind), "number of entries", 20, 2);
        assert_eq!(bad_value(&neighbours(kind, 2, &[entry])), error);
    }
}

/// One byte too few for the entries that are announced is too few.
#[test]
fn a_list_without_its_last_byte_is_dropped() {
    let mac = entry(1, 10, b"swp1")[..29].to_vec();
    let error = |kind| bad(Part::Tlv(kind), "number of entries", 20, 1);
    assert_eq!(bad_value(&mac_info(1, &[mac])), error(0x1038));
    for (kind, len) in [(0x1036, 36), (0x103a, 48)] {
        let short = neighbour(len - 1, &[1, 0, 0], b"Vlan10");
        assert_eq!(bad_value(&neighbours(kind, 1, &[short])), error(kind));
    }
}

#[test]
fn a_vlan_that_is_none_is_skipped_and_reported() {
    let tlv = hex("1034 0024 0001 626f6e6431 00{15} 05 00 00000000 0001 0002 0000 000a");
    let got = decode_all(&framed(&tlv));
    let [Ok(message), Err(error)] = &got[..] else {
        panic!("{got:?}");
    };
    let Body::Application {
        tlv: Tlv::PortChannelInfo(info),
        ..
    } = &message.body
    else {
        panic!("{message:?}");
    };
    assert_eq!(info.vids, [vid(10)].into());
    let first = BadValue {
        part: Part::Tlv(0x1034),
        field: "VLAN",
        offset: 52,
        found: Found::Number(0),
        expected: "1..=4094",
    };
    let (skipped, total, index) = (1, 2, 0);
    assert_eq!(
        *error,
        DecodeError::Entries {
            skipped,
            total,
            index,
            first
        }
    );
}

/// `spec/iccp.md` 4.9, 4.10: the learn flag and the pads are ignored, whatever they hold; the
/// addresses are in network order.
#[test]
fn pads_and_the_learn_flag_of_a_neighbour_are_ignored() {
    let mut raw = neighbour(36, &[1, 5, 0xaa], b"Vlan10\0garbage");
    (raw[23], raw[34], raw[35]) = (0xbb, 0xcc, 0xdd);
    let entry = NeighbourEntry {
        op: EntryOp::Add,
        flags: NeighbourFlags::ACK | NeighbourFlags::OWN_ADDRESS,
        interface: name("Vlan10"),
        address: FIRST_OCTETS,
        mac: Mac([4, 5, 6, 7, 8, 9]),
    };
    assert_eq!(arps(&neighbours(0x1036, 1, &[raw])), [entry]);

    let mut raw = neighbour(48, &[2, 2, 0xaa], b"abcdefghijklmnopqrst");
    (raw[23], raw[46], raw[47]) = (0xbb, 0xcc, 0xdd);
    let entry = NeighbourEntry {
        op: EntryOp::Delete,
        flags: NeighbourFlags::OWN_LINK_LOCAL,
        interface: name("abcdefghijklmnopqrst"),
        address: FIRST_BYTES,
        mac: Mac([16, 17, 18, 19, 20, 21]),
    };
    assert_eq!(ndiscs(&neighbours(0x103a, 1, &[raw])), [entry]);
}

/// `spec/iccp.md` 11.2: op 1 is an *add*, anything else a *delete*.
#[test]
fn every_op_of_a_neighbour_but_one_is_a_delete() {
    for op in [0, 2, 3, 4, 255] {
        let raw = neighbour(36, &[op, 0, 0], b"Vlan10");
        assert_eq!(arps(&neighbours(0x1036, 1, &[raw]))[0].op, EntryOp::Delete);
    }
}

/// `spec/iccp.md` 4.9: three flags are defined; the others mean nothing.
#[test]
fn flags_of_a_neighbour_that_nobody_has_defined_are_ignored() {
    for (raw, flags) in [
        (0x00, NeighbourFlags::empty()),
        (0x07, NeighbourFlags::all()),
        (0x18, NeighbourFlags::empty()),
        (0x81, NeighbourFlags::ACK),
        (0xff, NeighbourFlags::all()),
    ] {
        let entry = neighbour(36, &[1, raw, 0], b"Vlan10");
        assert_eq!(arps(&neighbours(0x1036, 1, &[entry]))[0].flags, flags);
    }
}

#[test]
fn a_bad_neighbour_is_skipped_and_reported_and_the_good_one_behind_it_is_delivered() {
    for (kind, len, second) in [(0x1036, 36, 61), (0x103a, 48, 73)] {
        let good = neighbour(len, &[1, 0, 0], b"Vlan10");
        let bad = neighbour(len, &[1, 0, 0], b"Vlan 10");
        let entries = [good.clone(), bad, good];
        let got = decode_all(&neighbours(kind, 3, &entries));
        let [Ok(message), Err(error)] = &got[..] else {
            panic!("{got:?}");
        };
        assert_eq!(message.body.ids(), 2);
        assert!(!error.is_fatal());
        let (skipped, total, index) = (1, 3, 1);
        let first = BadValue {
            part: Part::Tlv(kind),
            field: "interface name",
            offset: second,
            found: Found::Bytes(Excerpt::new(b"Vlan 10")),
            expected: "an interface name",
        };
        let expected = DecodeError::Entries {
            skipped,
            total,
            index,
            first,
        };
        assert_eq!(*error, expected);
    }
}

/// `spec/iccp.md` 14.1: entries of 41 bytes with the MAC as text, VLAN big-endian.
#[test]
fn addresses_of_the_intermediate_generation_are_understood() {
    let old = |op, mac: &[u8], vid: u16| {
        let mut bytes = vec![op];
        bytes.extend(mac);
        bytes.resize(19, 0);
        bytes.extend(vid.to_be_bytes());
        bytes.extend(b"PortChannel7\0rubbish");
        bytes.resize(41, 0);
        bytes
    };
    let expected = |op, last, number| MacEntry {
        op,
        kind: MacType::Dynamic,
        mac: Mac([0, 0xaa, 0xbb, 0xcc, 0xdd, last]),
        vid: vid(number),
        port: name("PortChannel7"),
    };
    let add = (EntryOp::Add, old(1, b"00:aa:bb:cc:dd:ee", 0x0102));
    let delete = (EntryOp::Delete, old(2, b"00:AA:BB:CC:DD:0F", 4094));
    let got = decode_all(&mac_info(1, std::slice::from_ref(&add.1)));
    let [Ok(message)] = &got[..] else {
        panic!("{got:?}");
    };
    assert_eq!(macs(message), [expected(add.0, 0xee, 0x0102)]);
    let got = decode_all(&mac_info(
        3,
        &[add.1.clone(), old(1, b"nonsense", 1), delete.1],
    ));
    let [Ok(message), Err(error)] = &got[..] else {
        panic!("{got:?}");
    };
    let both = [
        expected(add.0, 0xee, 0x0102),
        expected(delete.0, 0x0f, 4094),
    ];
    assert_eq!(macs(message), both);
    assert_eq!(
        error.to_string(),
        "1 of 3 entries skipped, the first of them is entry 1: MAC Info TLV 0x1038: MAC address \
         at byte 64 is \"nonsense\", expected six pairs of hexadecimal digits"
    );
}

/// `spec/iccp.md` 14.1: only the exact size tells the generations apart.
#[test]
fn addresses_with_bytes_behind_them_are_not_taken_for_those_of_the_intermediate_generation() {
    for spare in [1, 10, 12, 40] {
        let entries = [entry(7, 10, b"swp1"), vec![0; spare]];
        let got = decode_all(&mac_info(1, &entries));
        let [Ok(message)] = &got[..] else {
            panic!("{got:?}");
        };
        assert_eq!(macs(message)[0].mac, Mac([2, 0, 0, 0, 0, 7]));
    }
}

/// `spec/iccp.md` 14.1: the name begins where sonic has the flags.
#[test]
fn neighbours_of_the_intermediate_generation_are_understood() {
    let old = neighbour(36, &[1], b"Vlan10\0rubbish");
    let new = neighbour(36, &[2, 0, 0], b"Vlan20");
    let expected = |op, interface| NeighbourEntry {
        op,
        flags: NeighbourFlags::empty(),
        interface: name(interface),
        address: FIRST_OCTETS,
        mac: Mac([4, 5, 6, 7, 8, 9]),
    };
    let both = [
        expected(EntryOp::Add, "Vlan10"),
        expected(EntryOp::Delete, "Vlan20"),
    ];
    assert_eq!(arps(&neighbours(0x1036, 2, &[old, new])), both);

    let old = neighbour(48, &[1], b"abcdefghijklmnopqrst");
    let entry = NeighbourEntry {
        op: EntryOp::Add,
        flags: NeighbourFlags::empty(),
        interface: name("abcdefghijklmnopqrst"),
        address: FIRST_BYTES,
        mac: Mac([16, 17, 18, 19, 20, 21]),
    };
    assert_eq!(ndiscs(&neighbours(0x103a, 1, &[old])), [entry]);
}

/// One list of each kind: entries by number.
type ListOf = fn(usize) -> Tlv;

const LISTS: [(ListOf, usize, usize); 3] = [
    (some_macs, 30, 2183),
    (some_arps, 36, 1819),
    (some_ndiscs, 48, 1364),
];

fn some_macs(count: usize) -> Tlv {
    let entry = |number: usize| MacEntry {
        op: EntryOp::Add,
        kind: MacType::Dynamic,
        mac: numbered_mac(number),
        vid: vid(10),
        port: name("swp1"),
    };
    Tlv::MacInfo((0..count).map(entry).collect())
}

fn some_arps(count: usize) -> Tlv {
    Tlv::ArpInfo(some_neighbours(count, [10, 0, 0, 1].into()))
}

fn some_ndiscs(count: usize) -> Tlv {
    Tlv::NdiscInfo(some_neighbours(count, Ipv6Addr::LOCALHOST))
}

fn some_neighbours<A: Copy>(count: usize, address: A) -> Vec<NeighbourEntry<A>> {
    let entry = |number: usize| NeighbourEntry {
        op: EntryOp::Add,
        flags: NeighbourFlags::empty(),
        interface: name("Vlan10"),
        address,
        mac: numbered_mac(number),
    };
    (0..count).map(entry).collect()
}

fn numbered_mac(number: usize) -> Mac {
    let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
    Mac([2, 0, 0, 0, high, low])
}

/// The MAC of every entry of a list.
fn members(tlv: &Tlv) -> Vec<Mac> {
    match tlv {
        Tlv::MacInfo(entries) => entries.iter().map(|entry| entry.mac).collect(),
        Tlv::ArpInfo(entries) => entries.iter().map(|entry| entry.mac).collect(),
        Tlv::NdiscInfo(entries) => entries.iter().map(|entry| entry.mac).collect(),
        other => panic!("{other:?}"),
    }
}

/// `spec/iccp.md` 2.2: a batch of n entries takes n ids; the message bears the last of them.
#[test]
fn a_list_takes_an_id_for_each_entry_and_everything_else_takes_one() {
    for (list, ..) in LISTS {
        for (count, ids) in [(0, 1), (1, 1), (2, 2), (30, 30), (3000, 3000)] {
            assert_eq!(application(list(count)).body.ids(), ids);
        }
    }
    assert_eq!(application(Tlv::Heartbeat).body.ids(), 1);
    assert_eq!(Body::Capability.ids(), 1);
}

/// `spec/iccp.md` 2.2, 2.4: nothing exceeds a message, nothing is lost, no id is used twice.
#[test]
fn a_list_too_long_for_a_message_becomes_several_with_ids_of_their_own() {
    for (list, _, max) in LISTS {
        for (count, sizes) in [
            (0, vec![0]),
            (1, vec![1]),
            (max, vec![max]),
            (max + 1, vec![max, 1]),
            (2 * max + 7, vec![max, max, 7]),
        ] {
            let rg = RgId(1);
            let tlv = list(count);
            let (id, all) = (100, members(&tlv));
            let body = Body::Application { rg, tlv };
            let bytes = encoded(&Message { id, body });
            let mut got = Vec::new();
            let mut next = 101_u32.wrapping_sub(u32::try_from(count.max(1)).unwrap());
            for (size, message) in sizes.into_iter().zip(decode_all(&bytes)) {
                let message = message.unwrap();
                next = next.wrapping_add(message.body.ids());
                assert_eq!(message.id, next.wrapping_sub(1));
                assert!(encoded(&message).len() <= MAX_MESSAGE);
                let Body::Application { tlv, .. } = &message.body else {
                    panic!("{message:?}");
                };
                assert_eq!(members(tlv).len(), size);
                got.extend(members(tlv));
            }
            assert_eq!((got, next), (all, 101));
        }
    }
}

/// `spec/iccp.md` 2.4: 30 MACs make 922 bytes, 40 ARP entries 1462, 40 NDISC entries 1942.
#[test]
fn the_batches_that_legacy_receivers_take_have_the_sizes_of_the_specification() {
    for (tlv, size) in [
        (some_macs(LEGACY_MACS_PER_MESSAGE), 922),
        (some_arps(LEGACY_NEIGHBOURS_PER_MESSAGE), 1462),
        (some_ndiscs(LEGACY_NEIGHBOURS_PER_MESSAGE), 1942),
    ] {
        assert_eq!(encoded(&application(tlv)).len(), size);
    }
}

#[test]
fn the_longest_list_leaves_no_room_for_another_entry() {
    assert_eq!(MAX_MESSAGE, 65536);
    assert_eq!(MAX_MACS_PER_MESSAGE, 2183);
    for (list, len, max) in LISTS {
        let size = encoded(&application(list(max))).len();
        assert_eq!(size, 22 + len * max);
        assert!(size <= MAX_MESSAGE && size + len > MAX_MESSAGE);
    }
}

/// `spec/iccp.md` 2.4: a receiver accepts any count that fits the message.
#[test]
fn all_vlans_fit_a_port_channel_info_of_either_dialect() {
    let info = Tlv::PortChannelInfo(crate::iccp::PortChannelInfo {
        id: crate::AggregatorId(1),
        name: name("bond1"),
        l3: false,
        address: Ipv4Addr::UNSPECIFIED,
        vids: (1..=4094).map(vid).collect(),
    });
    let message = application(info);
    for (dialect, size) in [(Dialect::Sonic, 8240), (Dialect::LinuxMclag, MAX_MESSAGE)] {
        let bytes = encoded_in(dialect, &message);
        assert_eq!(bytes.len(), size);
        assert_eq!(decode_in(dialect, &bytes), [Ok(message.clone())]);
    }
}

#[test]
fn less_than_a_message_is_buffered_once_drained() {
    let got = decode_all(&mac_info(1, &[entry(1, 10, b"swp1")]));
    let one = macs(got[0].as_ref().unwrap())[0];
    let bytes = encoded(&application(Tlv::MacInfo(vec![one; MAX_MACS_PER_MESSAGE])));
    let mut decoder = Decoder::new(Dialect::Sonic);
    let mut messages = 0;
    for chunk in bytes.repeat(50).chunks(10_000) {
        decoder.push(chunk);
        messages += decoder.by_ref().map(Result::unwrap).count();
        assert!(decoder.buffered() < MAX_MESSAGE);
        assert!(decoder.buffer.capacity() < 4 * MAX_MESSAGE);
    }
    assert_eq!(messages, 50);
}

#[test]
fn an_order_of_more_addresses_than_fit_a_message_is_several() {
    use crate::iccp::ext::{Extension, MAX_ORDERS_PER_MESSAGE, MacOrder};
    let order = MacOrder {
        mac: Mac([2, 0, 0, 0, 0, 1]),
        vid: vid(1),
        sequence: 1,
        age: None,
    };
    assert_eq!(MAX_ORDERS_PER_MESSAGE, 4679);
    for (count, messages) in [(4679, 1), (4680, 2)] {
        let tlv = Tlv::Extension(Extension::MacOrder(vec![order; count]));
        let got = decode_all(&encoded(&application(tlv)));
        let counts = got.iter().map(|item| match &item.as_ref().unwrap().body {
            Body::Application {
                tlv: Tlv::Extension(Extension::MacOrder(orders)),
                ..
            } => orders.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!((got.len(), counts.sum::<usize>()), (messages, count));
    }
}
