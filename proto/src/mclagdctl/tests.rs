//! The vectors of the specification both ways, and what must be refused.

mod vectors;

use super::*;
use crate::Mac;
use crate::iccp::EntryOp;
use proptest::prelude::*;
use vectors::bytes;

use Dialect::{LinuxMclag, Sonic};

fn local_mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

const HOST: Mac = Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]);

fn sonic_state() -> Data {
    Data::State(vec![State {
        id: Some(1),
        operational: true,
        synchronised: true,
        local: "10.0.0.1".into(),
        peer: "10.0.0.2".into(),
        peer_link: Some("PortChannel10".into()),
        peer_link_mac: local_mac(1),
        role: Role::Active,
        ports: text::port_list(["PortChannel2", "PortChannel1"], false),
        session_timeout: 15,
        keepalive: 1,
        log_level: LogLevel::Notice.name().into(),
    }])
}

fn linux_state() -> Data {
    Data::State(vec![State {
        id: Some(1),
        operational: true,
        synchronised: false,
        local: "169.254.1.1".into(),
        peer: "169.254.1.2".into(),
        peer_link: Some("peerlink".into()),
        peer_link_mac: Mac([0x44, 0x38, 0x39, 0, 0, 0x10]),
        role: Role::Active,
        ports: text::port_list(["server2", "server1"], true),
        session_timeout: 0,
        keepalive: 0,
        log_level: Text::default(),
    }])
}

fn arp(interface: &str, learned: LearnedFrom) -> Data {
    Data::Arp(vec![Neighbour {
        op: NeighbourOp::Added,
        interface: interface.into(),
        address: "10.1.2.50".into(),
        mac: HOST,
        learned,
    }])
}

fn nd() -> Data {
    Data::Nd(vec![Neighbour {
        op: NeighbourOp::Added,
        interface: "Vlan100".into(),
        address: "2001:db8::32".into(),
        mac: HOST,
        learned: LearnedFrom::Local,
    }])
}

fn mac(interface: &str, age: AgeFlags) -> Data {
    Data::Mac(vec![MacRecord {
        op: EntryOp::Add,
        kind: MacType::Dynamic,
        mac: MacField::Address(HOST),
        vid: 100,
        interface: interface.into(),
        origin: interface.into(),
        age,
    }])
}

fn unique_ip() -> Data {
    Data::UniqueIp(vec![UniqueIp {
        active: true,
        interface: "Vlan100".into(),
    }])
}

fn local_port(name: &str, mac: Mac, members: &[&str], vlans: &str) -> Data {
    Data::LocalPorts(vec![LocalPort {
        index: 7,
        kind: PortKind::PortChannel,
        name: name.into(),
        mac,
        state: PortState::Up,
        ipv4: "0.0.0.0".into(),
        prefix_len: 32,
        l3: false,
        peer_link: false,
        members: text::port_list(members.iter().copied(), false),
        channel: 1,
        active: true,
        sync: SyncState::Exchange,
        isolated: true,
        traffic_disabled: false,
        vlans: vlans.into(),
    }])
}

fn peer_port(name: &str, mac: Mac) -> Data {
    Data::PeerPorts(vec![PeerPort {
        aggregator: 1,
        kind: PortKind::PortChannel,
        name: name.into(),
        mac,
        state: PortState::Up,
        channel: 1,
        active: true,
    }])
}

fn counters() -> Data {
    let mut counters = Counters::default();
    counters.global[Global::NewLink as usize] = 5;
    counters.global[Global::SessionDown as usize] = 1;
    counters.to_syncd[ToSyncd::PortIsolation as usize].ok = 3;
    counters.to_syncd[ToSyncd::MacLearnMode as usize].ok = 1;
    counters.from_syncd[FromSyncd::FdbChange as usize].ok = 12;
    counters.from_syncd[FromSyncd::CfgMclag as usize].ok = 1;
    counters.from_syncd[FromSyncd::CfgMclagIface as usize].ok = 2;
    counters.from_syncd[FromSyncd::VlanMembership as usize].ok = 4;
    let mut block = [TxRx::default(); counters::ICCP_ROWS];
    block[IccpRow::Heartbeat as usize].tx.ok = 100;
    block[IccpRow::Heartbeat as usize].rx.ok = 99;
    counters.iccp.push(block);
    Data::Counters(Box::new(counters))
}

/// Every successful reply of section 10: bytes and value.
fn replies() -> Vec<(Dialect, &'static str, Data)> {
    let peer_age = AgeFlags {
        local: false,
        peer: true,
    };
    let cumulus = |last| Mac([0x44, 0x38, 0x39, 0xff, 0, last]);
    vec![
        (Sonic, vectors::SONIC_REPLY_STATE, sonic_state()),
        (
            Sonic,
            vectors::SONIC_REPLY_ARP_ONE_RECORD,
            arp("Vlan100", LearnedFrom::Remote),
        ),
        (Sonic, vectors::SONIC_REPLY_ND_ONE_RECORD, nd()),
        (
            Sonic,
            vectors::SONIC_REPLY_MAC_ONE_RECORD,
            mac("PortChannel1", peer_age),
        ),
        (
            Sonic,
            vectors::SONIC_REPLY_UNIQUE_IP_ONE_RECORD,
            unique_ip(),
        ),
        (
            Sonic,
            vectors::SONIC_REPLY_PORTLIST_LOCAL_ONE_RECORD,
            local_port(
                "PortChannel1",
                local_mac(1),
                &["Ethernet0", "Ethernet4"],
                "100 - 102 200 ",
            ),
        ),
        (
            Sonic,
            vectors::SONIC_REPLY_PORTLIST_PEER_ONE_RECORD,
            peer_port("PortChannel1", local_mac(2)),
        ),
        (
            Sonic,
            vectors::SONIC_REPLY_DEBUG_COUNTERS_ONE_DOMAIN,
            counters(),
        ),
        (Sonic, vectors::SONIC_REPLY_CONFIG_LOGLEVEL, Data::LogLevel),
        (LinuxMclag, vectors::LINUX_MCLAG_REPLY_STATE, linux_state()),
        (
            LinuxMclag,
            vectors::LINUX_MCLAG_REPLY_ARP_ONE_RECORD,
            arp("bridge", LearnedFrom::Unknown(0)),
        ),
        (
            LinuxMclag,
            vectors::LINUX_MCLAG_REPLY_MAC_ONE_RECORD,
            mac("server1", AgeFlags::default()),
        ),
        (
            LinuxMclag,
            vectors::LINUX_MCLAG_REPLY_PORTLIST_LOCAL_ONE_RECORD,
            local_port("server1", cumulus(1), &["swp1"], "200 100 "),
        ),
        (
            LinuxMclag,
            vectors::LINUX_MCLAG_REPLY_PORTLIST_PEER_ONE_RECORD,
            peer_port("server1", cumulus(2)),
        ),
    ]
}

fn encoded(data: &Data, dialect: Dialect) -> Vec<u8> {
    let mut out = Writer::new();
    data.encode(dialect, &mut out);
    out.into_bytes()
}

/// As a client reads it: the length, then so many bytes.
fn read(reply: &[u8], command: Command, dialect: Dialect) -> Result<Data, DecodeError> {
    let body = &reply[4..];
    let header = ReplyHeader::decode(body)?;
    let records = &body[12..][..usize::try_from(header.data_len).unwrap()];
    Data::decode(command, dialect, records)
}

/// `spec/mclagdctl-protocol.md` 10
#[test]
fn every_reply_of_the_specification_is_written_as_it_stands_there() {
    for (dialect, vector, data) in replies() {
        let command = data.command();
        let mut reply = ReplyWriter::new(command, dialect).unwrap();
        reply.push(&data);
        let reply = reply.finish(Outcome::Success);
        assert_eq!(reply, bytes(vector), "{dialect} {command:?}");
    }
}

/// `spec/mclagdctl-protocol.md` 10
#[test]
fn every_reply_of_the_specification_is_understood() {
    for (dialect, vector, data) in replies() {
        let command = data.command();
        let reply = bytes(vector);
        let length = u32::from_le_bytes(reply[..4].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap() + 4, reply.len());
        let header = ReplyHeader::decode(&reply[4..]).unwrap();
        assert_eq!(Some(header.info_type), command.code(dialect));
        assert_eq!(header.outcome, Outcome::Success);
        assert_eq!(read(&reply, command, dialect), Ok(data));
    }
}

/// `spec/mclagdctl-protocol.md` 10
#[test]
fn every_request_of_the_specification_goes_both_ways() {
    let cases = [
        (
            Sonic,
            vectors::SONIC_REQUEST_DUMP_STATE_NO_ID,
            Command::State,
            0,
        ),
        (
            Sonic,
            vectors::SONIC_REQUEST_CONFIG_LOGLEVEL_DEBUG,
            Command::LogLevel,
            LogLevel::Debug.to_wire(),
        ),
        (
            LinuxMclag,
            vectors::LINUX_MCLAG_REQUEST_DUMP_MAC,
            Command::Mac,
            1,
        ),
    ];
    for (dialect, vector, command, id) in cases {
        let request = Request { command, id };
        let wire: [u8; Request::LEN] = bytes(vector).try_into().unwrap();
        assert_eq!(request.encode(dialect), Some(wire));
        assert_eq!(Request::decode(&wire, dialect), Ok(request));
    }
}

/// `spec/mclagdctl-protocol.md` 3
#[test]
fn an_error_is_a_whole_header_and_a_shorter_one_is_not_understood() {
    let mut error = ReplyWriter::new(Command::Mac, Sonic).unwrap();
    error.push(&mac("PortChannel1", AgeFlags::default()));
    let error = error.finish(Outcome::NoDomain);
    assert_eq!(error, bytes(vectors::SONIC_REPLY_ERROR_UNKNOWN_DOMAIN));
    let header = ReplyHeader::decode(&error[4..]).unwrap();
    assert_eq!(header.outcome, Outcome::NoDomain);

    let cut = bytes(vectors::LINUX_MCLAG_REPLY_TRUNCATED_ERROR_DUMP_MAC_UNKNOWN_DOMAIN);
    assert_eq!(
        ReplyHeader::decode(&cut[4..]),
        Err(DecodeError::Short {
            field: "result",
            offset: 12
        })
    );
}

/// `spec/mclagdctl-protocol.md` 4
#[test]
fn the_numbers_of_the_dialects_clash() {
    let table = [
        (Command::State, Some(1), Some(1)),
        (Command::Arp, Some(2), Some(2)),
        (Command::Nd, Some(3), None),
        (Command::Mac, Some(4), Some(3)),
        (Command::UniqueIp, Some(5), None),
        (Command::LocalPorts, Some(6), Some(4)),
        (Command::PeerPorts, Some(7), Some(5)),
        (Command::Counters, Some(8), None),
        (Command::LogLevel, Some(9), None),
    ];
    assert_eq!(table.map(|(command, ..)| command), Command::ALL);
    for (command, sonic, linux) in table {
        for (dialect, code) in [(Sonic, sonic), (LinuxMclag, linux)] {
            assert_eq!(command.code(dialect), code);
            let request = Request { command, id: 0 };
            assert_eq!(request.encode(dialect).is_some(), code.is_some());
            if let Some(code) = code {
                assert_eq!(Command::from_code(code, dialect), Some(command));
            }
        }
    }
    for (dialect, none) in [(Sonic, [0, 10, 11, u32::MAX]), (LinuxMclag, [0, 6, 9, 10])] {
        for code in none {
            assert_eq!(Command::from_code(code, dialect), None);
        }
    }
}

#[test]
fn an_unknown_info_type_is_named() {
    let mut wire = [0; Request::LEN];
    wire[0] = 10;
    let error = Request::decode(&wire, Sonic).unwrap_err();
    assert_eq!(
        error.to_string(),
        "info type 10 (0xa) at byte 0 is none of the sonic dialect"
    );
}

#[test]
fn unused_parameters_of_a_request_mean_nothing() {
    let mut wire = [0xff; Request::LEN];
    wire[..4].copy_from_slice(&[2, 0, 0, 0]);
    let request = Request::decode(&wire, Sonic).unwrap();
    assert_eq!(
        request,
        Request {
            command: Command::Arp,
            id: -1
        }
    );
}

#[test]
fn every_record_has_the_size_it_should_have() {
    for (dialect, _, data) in replies() {
        if let Some(size) = data.command().record_size(dialect) {
            assert_eq!(encoded(&data, dialect).len(), size, "{dialect} {data:?}");
        }
    }
}

#[test]
fn every_truncation_of_a_reply_is_an_error() {
    for (dialect, vector, data) in replies() {
        let reply = bytes(vector);
        for len in 4..reply.len() {
            let error = ReplyHeader::decode(&reply[4..len]).unwrap_err();
            assert!(
                matches!(error, DecodeError::Short { .. }),
                "{dialect} {len}"
            );
        }
        if data.command() == Command::Counters {
            for len in 16..reply.len() - 7 {
                let error = Data::decode(Command::Counters, dialect, &reply[16..len]);
                assert!(error.is_err(), "{len}");
            }
        }
    }
}

/// `spec/mclagdctl-protocol.md` 3, quirks
#[test]
fn what_is_left_behind_the_last_whole_record_is_ignored() {
    for (dialect, vector, data) in replies() {
        let command = data.command();
        let Some(size) = command.record_size(dialect) else {
            continue;
        };
        let record = &bytes(vector)[16..];
        let mut more = record.to_vec();
        more.extend(std::iter::repeat_n(0xff, size - 1));
        assert_eq!(Data::decode(command, dialect, &more), Ok(data));
        let fewer = Data::decode(command, dialect, &record[..size - 1]).unwrap();
        assert!(encoded(&fewer, dialect).is_empty());
    }
}

#[test]
fn a_text_without_nul_is_named_with_its_place() {
    let mut reply = bytes(vectors::SONIC_REPLY_MAC_ONE_RECORD);
    let second = reply[16..].to_vec();
    reply.extend(second);
    reply[16 + 76 + 42..][..32].fill(b'x');
    let error = Data::decode(Command::Mac, Sonic, &reply[16..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "origin interface at byte 134 does not end with a NUL"
    );
    reply[16 + 10] = 0x1b;
    let error = Data::decode(Command::Mac, Sonic, &reply[16..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "interface at byte 26 is not text: byte 0x1b in it"
    );
}

#[test]
fn impossible_numbers_are_named_with_their_place() {
    let mut reply = bytes(vectors::SONIC_REPLY_STATE);
    reply[16 + 116] = 3;
    let error = Data::decode(Command::State, Sonic, &reply[16..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "role at byte 132 is \"3\", expected 0 none, 1 active or 2 standby"
    );
    let mut reply = bytes(vectors::SONIC_REPLY_DEBUG_COUNTERS_ONE_DOMAIN);
    reply[16 + 440] = 255;
    let error = Data::decode(Command::Counters, Sonic, &reply[16..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "number of ICCP blocks at byte 456 is \"255\", expected as many blocks as there are \
         behind it"
    );
}

/// A reply of one dialect read as the other is garbage, and seen to be (section 9).
#[test]
fn a_record_of_the_other_dialect_does_not_pass() {
    for (dialect, vector, data) in replies() {
        let other = dialect.other();
        let command = data.command();
        let same = matches!(
            command,
            Command::PeerPorts | Command::Counters | Command::LogLevel | Command::LocalPorts
        );
        if command.code(other).is_none() || same {
            continue;
        }
        // As many records as give a length that fits both.
        let (mine, theirs) = (command.record_size(dialect), command.record_size(other));
        let (mine, theirs) = (mine.unwrap(), theirs.unwrap());
        let record = bytes(vector)[16..].to_vec();
        let array = record.repeat(theirs);
        assert_eq!(array.len(), mine * theirs);
        assert!(Data::decode(command, other, &array).is_err(), "{command:?}");
    }
}

#[test]
fn words_that_a_dialect_does_not_have_are_kept() {
    let mut reply = bytes(vectors::SONIC_REPLY_PORTLIST_PEER_ONE_RECORD);
    reply[20..36].fill(0);
    reply[20..24].copy_from_slice(b"Vlan");
    let data = read(&reply, Command::PeerPorts, Sonic).unwrap();
    let Data::PeerPorts(ports) = &data else {
        panic!("{data:?}");
    };
    assert_eq!(ports[0].kind, PortKind::Other("Vlan".into()));
    assert_eq!(encoded(&data, Sonic), reply[16..]);
}

/// `spec/mclagdctl-protocol.md` 7.4: linux-mclag's text is shown as received.
#[test]
fn an_odd_mac_text_is_kept() {
    let mut reply = bytes(vectors::LINUX_MCLAG_REPLY_MAC_ONE_RECORD);
    reply[18..35].copy_from_slice(b"00:AA:22:33:44:55");
    let data = read(&reply, Command::Mac, LinuxMclag).unwrap();
    let Data::Mac(records) = &data else {
        panic!("{data:?}");
    };
    assert_eq!(records[0].mac.text().as_str(), "00:AA:22:33:44:55");
    assert_eq!(
        records[0].mac.bytes(),
        Mac([0, 0xaa, 0x22, 0x33, 0x44, 0x55])
    );
    assert_eq!(encoded(&data, LinuxMclag), reply[16..]);
}

/// `spec/mclagdctl-protocol.md` 5.1
#[test]
fn a_peer_link_that_does_not_exist_has_a_word_of_its_own() {
    for (dialect, word, at) in [(Sonic, "Unknown", 76), (LinuxMclag, "UNKNOWN", 72)] {
        let Data::State(mut states) = sonic_state() else {
            unreachable!()
        };
        states[0].peer_link = None;
        states[0].id = None;
        let wire = encoded(&Data::State(states), dialect);
        assert_eq!(&wire[..4], [0xff; 4]);
        assert_eq!(&wire[at..at + 8], format!("{word}\0").as_bytes());
        let Data::State(states) = Data::decode(Command::State, dialect, &wire).unwrap() else {
            unreachable!()
        };
        assert_eq!((states[0].peer_link, states[0].id), (None, None));
    }
}

/// `spec/mclagdctl-protocol.md` 5.9: any value is accepted.
#[test]
fn a_log_level_beyond_the_ends_is_the_end() {
    for (raw, level) in (0..).zip(LogLevel::ALL) {
        assert_eq!(LogLevel::from_wire(raw), level);
        assert_eq!(level.to_wire(), raw);
    }
    assert_eq!(LogLevel::from_wire(-1), LogLevel::Critical);
    assert_eq!(LogLevel::from_wire(i32::MAX), LogLevel::Debug);
}

#[test]
fn more_blocks_than_the_count_can_say_are_left_out() {
    let mut counters = Counters::default();
    counters.iccp = vec![[TxRx::default(); counters::ICCP_ROWS]; 300];
    let wire = encoded(&Data::Counters(counters.into()), Sonic);
    assert_eq!(wire.len(), 448 + 255 * 928);
    assert_eq!(wire[440], 255);
    assert!(Data::decode(Command::Counters, Sonic, &wire).is_ok());
}

#[test]
fn a_header_that_promises_more_than_there_is_is_refused() {
    let reply = bytes("10 00 00 00 02 00 00 00 05 00 00 00 ff ff ff ff 00 00 00 00");
    let want = DecodeError::Short {
        field: "data",
        offset: 16,
    };
    assert_eq!(ReplyHeader::decode(&reply[4..]), Err(want));
}

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Sonic), Just(LinuxMclag)]
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        dialect in dialects(),
        command in proptest::sample::select(&Command::ALL),
        data in proptest::collection::vec(any::<u8>(), 0..3000),
    ) {
        let _ = ReplyHeader::decode(&data);
        let _ = Data::decode(command, dialect, &data);
    }

    /// What can be read at all is written the same way, padding and what follows a NUL aside.
    #[test]
    fn a_vector_with_some_bytes_changed_is_read_the_same_after_it_was_written(
        which in 0..14_usize,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (dialect, vector, data) = replies().swap_remove(which);
        let command = data.command();
        let mut records = bytes(vector)[16..].to_vec();
        if !records.is_empty() {
            for (at, byte) in changes {
                let at = at.index(records.len());
                records[at] = byte;
            }
        }
        if let Ok(data) = Data::decode(command, dialect, &records) {
            let again = encoded(&data, dialect);
            prop_assert_eq!(Data::decode(command, dialect, &again), Ok(data));
        }
    }

    #[test]
    fn a_text_of_any_length_fits_its_field(text in ".*") {
        let field = Text::<16>::new(&text);
        prop_assert!(field.as_str().len() < 16);
        prop_assert_eq!(text::read(field.field()), Ok(field));
    }
}
