//! What linux-mclag writes differently, beside the vectors.

use super::*;
use crate::Mac;
use crate::iccp::ext::{DataplanePresence, DataplaneState, PortPartner, PortVlan};
use crate::iccp::{
    EntryOp, InterfaceUpAck, MacType, NeighbourEntry, NeighbourFlags, PortChannelInfo,
};
use std::net::{Ipv4Addr, Ipv6Addr};

const LINUX_MCLAG: Dialect = Dialect::LinuxMclag;

fn entry(last: u8) -> MacEntry {
    MacEntry {
        op: EntryOp::Add,
        kind: MacType::Dynamic,
        mac: Mac([0, 0xaa, 0xbb, 0xcc, 0xdd, last]),
        vid: vid(100),
        port: name("server1"),
    }
}

fn neighbour<A>(address: A) -> NeighbourEntry<A> {
    NeighbourEntry {
        op: EntryOp::Add,
        flags: NeighbourFlags::empty(),
        interface: name("bridge"),
        address,
        mac: Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]),
    }
}

/// A MAC Info around the text of an address.
fn mac_info(op: u8, mac: &[u8], vid: u16, port: &[u8]) -> Vec<u8> {
    let mut tlv = hex("e040 3700");
    tlv.push(op);
    tlv.extend(mac);
    tlv.resize(37, 0);
    tlv.extend(vid.to_le_bytes());
    tlv.extend(port);
    tlv.resize(59, 0);
    framed_in(LINUX_MCLAG, &tlv)
}

fn only_mac(bytes: &[u8]) -> MacEntry {
    match only_tlv(LINUX_MCLAG, bytes) {
        Tlv::MacInfo(entries) if entries.len() == 1 => entries[0],
        other => panic!("{other:?}"),
    }
}

/// `spec/iccp.md` 2.1: every number of the table, as both dialects write it.
#[test]
fn type_words_are_shifted() {
    let words = |dialect, body| {
        let bytes = encoded_in(dialect, &Message { id: 1, body });
        let tlv = bytes.get(16..18).map(<[u8]>::to_vec);
        (bytes[..2].to_vec(), tlv.unwrap_or_default())
    };
    let rg = RgId(1);
    let app = |kind| Body::Application {
        rg,
        tlv: Tlv::Unknown { kind },
    };
    let status = crate::iccp::Status::NONE;
    let sender = String::new();
    let connect = Body::Connect { rg, sender };
    let disconnect = Body::Disconnect { rg, status };
    let nak = Body::Notification {
        rg,
        status,
        rejected: 0,
    };
    let table = [
        (Body::Capability, "0202", "", "0404", ""),
        (connect, "0700", "0001", "000e", "0400"),
        (disconnect, "0701", "0004", "020e", "1000"),
        (nak, "0702", "0002", "040e", "0800"),
        (app(0x0032), "0703", "0032", "060e", "c800"),
        (app(0x0036), "0703", "0036", "060e", "d800"),
        (app(0x0037), "0703", "0037", "060e", "dc00"),
        (app(0x0038), "0703", "0038", "060e", "e000"),
        (app(0x0039), "0703", "0039", "060e", "e400"),
        (app(0x003a), "0703", "003a", "060e", "e800"),
        (app(0x1034), "0703", "1034", "060e", "d040"),
        (app(0x1035), "0703", "1035", "060e", "d440"),
        (app(0x1036), "0703", "1036", "060e", "d840"),
        (app(0x1038), "0703", "1038", "060e", "e040"),
    ];
    for (body, sonic, sonic_tlv, linux_mclag, linux_mclag_tlv) in table {
        let expected = (hex(sonic), hex(sonic_tlv));
        assert_eq!(words(Dialect::Sonic, body.clone()), expected);
        let expected = (hex(linux_mclag), hex(linux_mclag_tlv));
        assert_eq!(words(LINUX_MCLAG, body), expected);
    }
}

/// `spec/iccp.md` 2.1: the RG ID TLV is plain little-endian; its shifted form is another TLV.
#[test]
fn the_type_of_the_rg_id_is_not_shifted() {
    let bytes = hex("060e 1100 09000000 14000400 01000000 e8000100 ff");
    let error = bad(Part::Message(0x0703), "RG ID TLV type", 8, 0x0014);
    assert_eq!(bad_value_in(LINUX_MCLAG, &bytes), error);
}

/// `spec/iccp.md` 3.1: the S bit is the lowest one, little-endian, and U of the TLV must be set.
#[test]
fn only_the_capability_of_the_specification_is_accepted() {
    let good = hex("0404 0c00 01000000 011c 0400 0100 01 00");
    let part = Part::Message(0x0202);
    let value = Part::Tlv(0x0700);
    let cases = [
        (8, 0x00, bad(part, "TLV type", 8, 0x0700)),
        (8, 0x03, bad(part, "TLV type", 8, 0xc700)),
        (8, 0x05, bad(part, "TLV type", 8, 0x0701)),
        (10, 0x03, bad(value, "TLV length", 10, 3)),
        (12, 0x00, bad(value, "S bit", 12, 0)),
        (12, 0x80, bad(value, "S bit", 12, 0x80)),
        (14, 0x02, bad(value, "version", 14, 0x0200)),
        (15, 0x01, bad(value, "version", 14, 0x0101)),
    ];
    for (at, byte, error) in cases {
        let mut bytes = good.clone();
        bytes[at] = byte;
        assert_eq!(bad_value_in(LINUX_MCLAG, &bytes), error);
    }
}

/// `spec/iccp.md` 3.2, 3.3: as in the other dialect, the bits being elsewhere.
#[test]
fn connect_and_disconnect_are_accepted_only_without_u_and_f() {
    let connect = hex("000e 1000 02000000 05000400 01000000 0500 0000");
    let error = bad(Part::Message(0x0700), "TLV type", 16, 0x8001);
    assert_eq!(bad_value_in(LINUX_MCLAG, &connect), error);
    let disconnect = hex("020e 1400 02000000 05000400 01000000 1200 0400 10000100");
    let error = bad(Part::Message(0x0701), "TLV type", 16, 0x4004);
    assert_eq!(bad_value_in(LINUX_MCLAG, &disconnect), error);
}

/// `spec/iccp.md` 2.3: octets reversed in sonic, in reading order in linux-mclag.
#[test]
fn the_address_of_a_port_channel_is_reversed_in_one_dialect_only() {
    let info = |vids: &[u16]| {
        application(Tlv::PortChannelInfo(PortChannelInfo {
            id: crate::AggregatorId(7),
            name: name("bond7"),
            l3: true,
            address: [10, 1, 2, 3].into(),
            vids: vids.iter().copied().map(vid).collect(),
        }))
    };
    let at = 16 + 28;
    assert_eq!(encoded(&info(&[]))[at..at + 4], [3, 2, 1, 10]);
    let bytes = encoded_in(LINUX_MCLAG, &info(&[]));
    assert_eq!(bytes[at..at + 4], [10, 1, 2, 3]);
    for dialect in BOTH {
        let bytes = encoded_in(dialect, &info(&[]));
        assert_eq!(decode_in(dialect, &bytes), [Ok(info(&[]))]);
    }
}

/// `spec/iccp.md` 4.7: 38 + 32n bytes, of which a receiver reads n and the VLANs.
#[test]
fn the_filler_and_the_orphan_flag_of_a_port_channel_are_ignored() {
    let clean =
        hex("d040 6200 0700 626f6e6437 00{15} 05 00 00000000 0000 0700 0200 c800 6400 00{60}");
    let Tlv::PortChannelInfo(info) = only_tlv(LINUX_MCLAG, &framed_in(LINUX_MCLAG, &clean)) else {
        panic!("not a Port Channel Info");
    };
    assert_eq!(info.vids, [vid(100), vid(200)].into());
    // Latest VLAN first.
    let message = application(Tlv::PortChannelInfo(info.clone()));
    assert_eq!(
        encoded_in(LINUX_MCLAG, &message),
        framed_in(LINUX_MCLAG, &clean)
    );

    let mut dirty = clean;
    dirty[32..34].copy_from_slice(&[0xff, 0xff]);
    dirty[42..].fill(0xa5);
    let got = only_tlv(LINUX_MCLAG, &framed_in(LINUX_MCLAG, &dirty));
    assert_eq!(got, Tlv::PortChannelInfo(info.clone()));

    // A sender need not append the filler.
    dirty.truncate(42);
    dirty[2] = 38;
    let got = only_tlv(LINUX_MCLAG, &framed_in(LINUX_MCLAG, &dirty));
    assert_eq!(got, Tlv::PortChannelInfo(info));
}

#[test]
fn a_count_of_vlans_beyond_the_message_drops_it() {
    let tlv = hex("d040 2400 0700 626f6e6437 00{15} 05 00 00000000 0000 0700 0200 6400");
    let error = bad(Part::Tlv(0x1034), "number of VLANs", 52, 2);
    assert_eq!(
        bad_value_in(LINUX_MCLAG, &framed_in(LINUX_MCLAG, &tlv)),
        error
    );
}

/// `spec/iccp.md` 4.11: MACs are compared as strings, so lower case is sent; either is read.
#[test]
fn the_text_of_a_mac_is_read_in_either_case_and_written_in_lower_case() {
    for text in ["00:aa:bb:cc:dd:0e", "00:AA:bB:Cc:DD:0E"] {
        let bytes = mac_info(1, text.as_bytes(), 100, b"server1");
        assert_eq!(only_mac(&bytes), entry(0x0e));
    }
    let bytes = encoded_in(LINUX_MCLAG, &application(Tlv::MacInfo(vec![entry(0x0e)])));
    assert_eq!(&bytes[21..38], b"00:aa:bb:cc:dd:0e");
    assert_eq!(bytes[38..53], [0; 15]);
}

/// `spec/iccp.md` 4.11: the text ends at the NUL; what lies behind it may be stale memory.
#[test]
fn garbage_behind_the_nul_of_a_text_is_ignored() {
    let bytes = mac_info(
        2,
        b"00:aa:bb:cc:dd:0e\0:99:junk\xff",
        100,
        b"server1\0/\xfe#",
    );
    let op = EntryOp::Delete;
    assert_eq!(only_mac(&bytes), MacEntry { op, ..entry(0x0e) });
}

/// `spec/behaviour.md` 17, P-24: a text without NUL ends with its field.
#[test]
fn a_text_that_is_no_mac_drops_the_message_and_is_shown() {
    for (text, shown) in [
        (&b""[..], "\"\""),
        (b"00:aa:bb:cc:dd", "\"00:aa:bb:cc:dd\""),
        (b"00:aa:bb:cc:dd:ee:ff", "\"00:aa:bb:cc:dd:ee:ff\""),
        (b"0:a:b:c:d:e", "\"0:a:b:c:d:e\""),
        (b"00:aa:bb:cc:dd:gg", "\"00:aa:bb:cc:dd:gg\""),
        (&[0x3a; 32], "\"::::::::::::::::::::\"..."),
        (&[0xff; 32], "ff ff"),
    ] {
        let (part, field, offset, found) =
            bad_value_in(LINUX_MCLAG, &mac_info(1, text, 100, b"server1"));
        assert_eq!(
            (part, field, offset),
            (Part::Tlv(0x1038), "MAC address", 21)
        );
        assert!(found.to_string().starts_with(shown), "{found}");
    }
}

#[test]
fn other_fields_of_an_address_are_named_when_they_are_impossible() {
    let mac = b"00:aa:bb:cc:dd:0e";
    let error = bad(Part::Tlv(0x1038), "VLAN", 53, 4095);
    let bytes = mac_info(1, mac, 4095, b"server1");
    assert_eq!(bad_value_in(LINUX_MCLAG, &bytes), error);
    let (_, field, offset, _) = bad_value_in(LINUX_MCLAG, &mac_info(1, mac, 1, b"a/b"));
    assert_eq!((field, offset), ("interface name", 55));
}

/// `spec/iccp.md` 4.11: op 4 is understood and never sent; it adds and deletes nothing.
#[test]
fn an_acknowledgement_of_an_address_is_neither_add_nor_delete() {
    let bytes = mac_info(4, b"00:aa:bb:cc:dd:0e", 100, b"server1");
    let op = EntryOp::Reserved(4);
    assert_eq!(only_mac(&bytes), MacEntry { op, ..entry(0x0e) });
}

/// `spec/iccp.md` 4.11: there is no MAC type; received entries become dynamic.
#[test]
fn the_type_of_an_address_is_lost() {
    let kind = MacType::Static;
    let message = application(Tlv::MacInfo(vec![MacEntry {
        kind,
        ..entry(0x0e)
    }]));
    assert_eq!(only_mac(&encoded_in(LINUX_MCLAG, &message)), entry(0x0e));
}

/// `spec/iccp.md` 2.2, 2.4: one entry in a message, and an id for each.
#[test]
fn a_list_becomes_a_message_for_each_entry() {
    let macs = |count| Tlv::MacInfo((0..count).map(entry).collect());
    let one = |id, last| Message {
        id,
        ..application(Tlv::MacInfo(vec![entry(last)]))
    };
    let bytes = encoded_in(LINUX_MCLAG, &application(macs(3)));
    assert_eq!(bytes.len(), 3 * 75);
    let got = decode_in(LINUX_MCLAG, &bytes);
    assert_eq!(got, [Ok(one(7, 0)), Ok(one(8, 1)), Ok(one(9, 2))]);
    assert_eq!(
        encoded_in(LINUX_MCLAG, &application(macs(0))),
        Vec::<u8>::new()
    );

    let list = vec![neighbour(Ipv4Addr::LOCALHOST); 2];
    let bytes = encoded_in(LINUX_MCLAG, &application(Tlv::ArpInfo(list)));
    assert_eq!(bytes.len(), 2 * 51);
    let ids = decode_in(LINUX_MCLAG, &bytes)
        .into_iter()
        .map(|m| m.unwrap().id);
    assert_eq!(ids.collect::<Vec<_>>(), [8, 9]);
}

/// `spec/iccp.md` 4.9: one packed entry without flags; a delete may have no MAC.
#[test]
fn a_neighbour_is_packed_and_has_no_flags() {
    let tlv = hex("d840 1f00 02 626f6e64372e3130 00{12} c0a80a64 00{6}");
    let deleted = NeighbourEntry {
        op: EntryOp::Delete,
        interface: name("bond7.10"),
        mac: Mac::ZERO,
        ..neighbour(Ipv4Addr::new(192, 168, 10, 100))
    };
    let bytes = framed_in(LINUX_MCLAG, &tlv);
    let expected = Tlv::ArpInfo(vec![deleted]);
    assert_eq!(only_tlv(LINUX_MCLAG, &bytes), expected);
    let flags = NeighbourFlags::all();
    let with_flags = Tlv::ArpInfo(vec![NeighbourEntry { flags, ..deleted }]);
    assert_eq!(encoded_in(LINUX_MCLAG, &application(with_flags)), bytes);
}

/// `spec/iccp.md` 13: NDISC Info, Warm Boot Flag and Interface Up Ack do not exist; nor do our
/// extensions, which a peer of this dialect would not look at.
#[test]
fn what_the_dialect_does_not_have_is_not_written() {
    let ack = InterfaceUpAck {
        id: crate::AggregatorId(1),
        isolated: true,
    };
    for (tlv, what) in [
        (
            Tlv::NdiscInfo(vec![neighbour(Ipv6Addr::LOCALHOST)]),
            "NDISC Info TLV 0x103a",
        ),
        (Tlv::WarmBoot, "Warm Boot Flag TLV 0x1039"),
        (Tlv::InterfaceUpAck(ack), "Interface Up Ack TLV 0x103b"),
        (
            Tlv::Extension(Extension::MacSyncEnd),
            "MAC Sync End TLV 0x1102",
        ),
        (
            Tlv::Extension(Extension::LacpPartner(PortPartner {
                id: crate::AggregatorId(1),
                partner: None,
                alone: None,
            })),
            "LACP Partner TLV 0x1103",
        ),
        (
            Tlv::Extension(Extension::MacOrder(Vec::new())),
            "MAC Order TLV 0x1104",
        ),
        (
            Tlv::Extension(Extension::PortId(crate::AggregatorId(1))),
            "Port Id TLV 0x1105",
        ),
        (
            Tlv::Extension(Extension::DataplaneState(DataplaneState {
                presence: DataplanePresence::AtWork,
                ports: Vec::new(),
            })),
            "Dataplane State TLV 0x1106",
        ),
        (
            Tlv::Extension(Extension::PortVlan(PortVlan {
                id: crate::AggregatorId(1),
                pvid: None,
            })),
            "Port VLAN TLV 0x1107",
        ),
    ] {
        let mut out = Vec::new();
        let error = encode(&application(tlv), LINUX_MCLAG, &mut out).unwrap_err();
        let text = format!("{what} was not sent: the linux-mclag dialect does not have it");
        assert_eq!((error.to_string(), out.len()), (text, 0));
    }
}

/// `spec/iccp.md` 4.12: 0x1039 ends a list of types in linux-mclag, and announces a warm boot in
/// sonic. The other newer types are dropped as well.
#[test]
fn types_of_the_other_dialect_are_unknown() {
    assert_eq!(
        only_tlv(Dialect::Sonic, &framed(&hex("1039 0001 01"))),
        Tlv::WarmBoot
    );
    for (word, kind) in [
        ("e440", 0x1039),
        ("e840", 0x103a),
        ("ec40", 0x103b),
        ("0144", 0x1100),
        ("0944", 0x1102),
        ("0d44", 0x1103),
        ("1144", 0x1104),
        ("1544", 0x1105),
        ("1944", 0x1106),
        ("1d44", 0x1107),
    ] {
        let mut tlv = hex(word);
        tlv.extend(hex("0100 01"));
        let got = only_tlv(LINUX_MCLAG, &framed_in(LINUX_MCLAG, &tlv));
        assert_eq!(got, Tlv::Unknown { kind });
    }
}

#[test]
fn a_peer_of_the_other_dialect_is_named() {
    let mut decoder = Decoder::new(LINUX_MCLAG);
    decoder.push(&[0x02, 0x02]);
    let error = decoder.next().unwrap().unwrap_err();
    assert!(error.is_fatal());
    assert_eq!(
        error.to_string(),
        "the peer speaks the sonic dialect of ICCP (its first bytes are 02 02), \
         this side speaks linux-mclag"
    );
}

/// `spec/iccp.md` 1.3, 2.4: the same limits as in sonic; a legacy receiver checks neither.
#[test]
fn a_length_that_no_message_has_ends_the_stream() {
    let heartbeat = encoded_in(LINUX_MCLAG, &application(Tlv::Heartbeat));
    for (length, fatal) in [
        (0, true),
        (3, true),
        (4, false),
        (65532, false),
        (65533, true),
    ] {
        let mut decoder = Decoder::new(LINUX_MCLAG);
        decoder.push(&heartbeat);
        assert!(matches!(decoder.next(), Some(Ok(_))));
        let [low, high] = u16::to_le_bytes(length);
        decoder.push(&[0x06, 0x0e, low, high]);
        let part = Part::Message(0x0703);
        let error = DecodeError::Length { part, length };
        assert_eq!(decoder.next(), fatal.then_some(Err(error)), "{length}");
    }
}
