//! Messages recorded from running daemons of both dialects, and what their recorder read in
//! them: SONiC's `iccpd` and `mclagsyncd` (the latter with stale memory in its records), and
//! `iccpd` and `mclagsyncd.py` of linux-mclag (with stale memory behind texts and in the pad bytes
//! of sub-options).

use super::*;

/// Sections of a dialect and a sender; in each, what was read and the bytes of it.
const RECORDED: &str = r#"

[linux-mclag client]
# mac_src="Vlan10:192.168.10.3/24" mac_dst="02:00:00:00:00:01"
0104330005001600566c616e31303a3139322e3136382e31302e332f32340600110030323a30303a30303a3030
3a30303a3031
# learn_off="PortChannel1000"
0102170004630f00506f72744368616e6e656c31303030
# header only
01030400
# header only
01140400
# learn_off="PortChannel1000"
0102170004ff0f00506f72744368616e6e656c31303030
# isolate_src="PortChannel1000" isolate_dst="Ethernet4"
0101240001000f00506f72744368616e6e656c313030300200090045746865726e657434
# n=1: add dynamic 02:00:00:00:01:01 vlan 10 PortChannel0001
01054c0030323a30303a30303a30303a30313a3031000000000010f63d08fd55000084b50a000000506f727443
68616e6e656c30303031000000000000000000000000000000000002000100
# n=1: add dynamic 00:aa:00:00:00:01 vlan 10 PortChannel0001
01054c0030303a61613a30303a30303a30303a303100fd55000000523e08fd55000084b50a000000506f727443
68616e6e656c30303031000000000000000000000000000000000002000100
# n=1: add dynamic 00:aa:00:00:00:02 vlan 10 PortChannel0001
01054c0030303a61613a30303a30303a30303a30320000000000f04f3e08fd55000084b50a000000506f727443
68616e6e656c30303031000000000000000000000000000000000002000100
# isolate_src="PortChannel1000" isolate_dst="!Ethernet4"
0101250001000f00506f72744368616e6e656c3130303002000a002145746865726e657434
# learn_off="PortChannel1000"
01021700047f0f00506f72744368616e6e656c31303030
# learn_off="PortChannel1000"
0102170004300f00506f72744368616e6e656c31303030

[linux-mclag server]
# n=1: add dynamic 02:00:00:00:01:01 vlan 10 PortChannel0001
01014c0030323a30303a30303a30303a30313a30310000000000000000000000000000000a000000506f727443
68616e6e656c30303031000000000000000000000000000000000002000100
# n=2: del dynamic 02:00:00:00:01:01 vlan 10 PortChannel0001; add dynamic 02:00:00:00:01:01 vlan 10 PortChannel0001
0101940030323a30303a30303a30303a30313a30310000000000000000000000000000000a000000506f727443
68616e6e656c3030303100000000000000000000000000000000000200020030323a30303a30303a30303a3031
3a30310000000000000000000000000000000a000000506f72744368616e6e656c303030310000000000000000
00000000000000000002000100
# n=1: del dynamic 02:00:00:00:01:01 vlan 10 PortChannel0001
01014c0030323a30303a30303a30303a30313a30310000000000000000000000000000000a000000506f727443
68616e6e656c30303031000000000000000000000000000000000002000200
# n=1: add dynamic 00:aa:00:00:00:01 vlan 10 PortChannel0001
01014c0030303a61613a30303a30303a30303a30310000000000000000000000000000000a000000506f727443
68616e6e656c30303031000000000000000000000000000000000002000100
# n=3: del dynamic 00:aa:00:00:00:01 vlan 10 PortChannel0001; del dynamic 02:00:00:00:01:01 vlan 10 PortChannel0001; add dynamic 00:aa:00:00:00:01 vlan 10 PortChannel0001
0101dc0030303a61613a30303a30303a30303a30310000000000000000000000000000000a000000506f727443
68616e6e656c3030303100000000000000000000000000000000000200020030323a30303a30303a30303a3031
3a30310000000000000000000000000000000a000000506f72744368616e6e656c303030310000000000000000
0000000000000000000200020030303a61613a30303a30303a30303a3031000000000000000000000000000000
0a000000506f72744368616e6e656c30303031000000000000000000000000000000000002000100
# n=2: del dynamic 00:aa:00:00:00:01 vlan 10 PortChannel0001; del dynamic 02:00:00:00:01:01 vlan 10 PortChannel0001
0101940030303a61613a30303a30303a30303a30310000000000000000000000000000000a000000506f727443
68616e6e656c3030303100000000000000000000000000000000000200020030323a30303a30303a30303a3031
3a30310000000000000000000000000000000a000000506f72744368616e6e656c303030310000000000000000
00000000000000000002000200
# n=3: del dynamic 00:aa:00:00:00:01 vlan 10 PortChannel0001; del dynamic 02:00:00:00:01:01 vlan 10 PortChannel0001; del dynamic 00:aa:00:00:00:02 vlan 10 PortChannel0001
0101dc0030303a61613a30303a30303a30303a30310000000000000000000000000000000a000000506f727443
68616e6e656c3030303100000000000000000000000000000000000200020030323a30303a30303a30303a3031
3a30310000000000000000000000000000000a000000506f72744368616e6e656c303030310000000000000000
0000000000000000000200020030303a61613a30303a30303a30303a3032000000000000000000000000000000
0a000000506f72744368616e6e656c30303031000000000000000000000000000000000002000200
# n=2: del dynamic 02:00:00:00:01:01 vlan 10 PortChannel0001; del dynamic 00:aa:00:00:00:02 vlan 10 PortChannel0001
0101940030323a30303a30303a30303a30313a30310000000000000000000000000000000a000000506f727443
68616e6e656c3030303100000000000000000000000000000000000200020030303a61613a30303a30303a3030
3a30320000000000000000000000000000000a000000506f72744368616e6e656c303030310000000000000000
00000000000000000002000200

[sonic server]
# add id=1 keepalive=0 timeout=0 local=10.255.0.1 peer=10.255.0.2 peer_link=PortChannel1000 mac=02:00:00:00:00:01 attrs=0x7
010254000100000001000000000000000000000031302e3235352e302e3100000000000031302e3235352e302e
32000000000000506f72744368616e6e656c313030300000000000020000000001000007000000
# add domain=1 PortChannel0001
010320000100000001000000506f72744368616e6e656c303030310000000000
# add vlan=10 PortChannel0001; add vlan=10 PortChannel1000; add vlan=10 Ethernet8
01045800010000000a000000506f72744368616e6e656c303030310000000000010000000a000000506f727443
68616e6e656c313030300000000000010000000a00000045746865726e6574380000000000000000000000
# add id=1 keepalive=0 timeout=0 local=10.255.0.2 peer=10.255.0.1 peer_link=PortChannel1000 mac=02:00:00:00:00:02 attrs=0x7
010254000100000001000000000000000000000031302e3235352e302e3200000000000031302e3235352e302e
31000000000000506f72744368616e6e656c313030300000000000020000000002000007000000
# update id=1 keepalive=2 timeout=20 local= peer= peer_link= mac=02:00:00:00:00:01 attrs=0x18
010254000300000001000000020000001400000000000000000000000000000000000000000000000000000000
000000000000000000000000000000000000000000000000000000020000000001000018000000
# update id=1 keepalive=2 timeout=20 local= peer= peer_link= mac=02:00:00:00:00:02 attrs=0x18
010254000300000001000000020000001400000000000000000000000000000000000000000000000000000000
000000000000000000000000000000000000000000000000000000020000000002000018000000
# n=1: add dynamic 00:aa:00:00:00:01 vlan 10 PortChannel0001
0101280000aa0000000100000a000000506f72744368616e6e656c30303031000000000002000100
# n=1: add static 00:aa:00:00:00:02 vlan 10 PortChannel0001
0101280000aa0000000200000a000000506f72744368616e6e656c30303031000000000001000100
# n=1: add dynamic 00:aa:00:00:00:03 vlan 10 Ethernet8
0101280000aa0000000300000a00000045746865726e657438000000000000000000000002000100
# add Vlan10
01051c0001000000566c616e31300000000000000000000000000000
# del Vlan10
01051c0002000000566c616e31300000000000000000000000000000
# del domain=1 PortChannel0001
010320000200000001000000506f72744368616e6e656c303030310000000000
# add domain=2 PortChannel0001
010320000100000002000000506f72744368616e6e656c303030310000000000

[sonic client]
# id=1 oper=0
0108110008000400010000000b00010000
# id=1 role=1 system_id=02:00:00:00:00:01
01091b00080004000100000009000100010a000600020000000001
# id=1 role=0
0109110008000400010000000900010000
# mac_src="Vlan10" mac_dst="02:00:00:00:00:01"
0104230005000600566c616e31300600110030323a30303a30303a30303a30303a3031
# id=1 system_id=02:00:00:00:00:01
010a160008000400010000000a000600020000000001
# id=1 if="PortChannel0001" oper=1
010c2400080004000100000007000f00506f72744368616e6e656c303030310b00010001
# learn_off="PortChannel1000"
0102170004000f00506f72744368616e6e656c31303030
# isolate_src="PortChannel1000" isolate_dst="PortChannel0001,Ethernet4"
0101340001000f00506f72744368616e6e656c3130303002001900506f72744368616e6e656c303030312c4574
6865726e657434
# id=1 if="PortChannel0001" isolation=1
010e2400080004000100000007000f00506f72744368616e6e656c303030310c00010001
# id=1 oper=1
0108110008000400010000000b00010001
# if="PortChannel0001"
0107170007000f00506f72744368616e6e656c30303031
# isolate_src="PortChannel1000" isolate_dst=""
01011b0001000f00506f72744368616e6e656c3130303002000000
# id=1 if="PortChannel0001" isolation=0
010e2400080004000100000007000f00506f72744368616e6e656c303030310c00010000
# id=1 if="PortChannel0001" oper=0
010c2400080004000100000007000f00506f72744368616e6e656c303030310b00010000
# if="PortChannel0001"
0106170007000f00506f72744368616e6e656c30303031
# n=1: add dynamic 00:aa:00:00:00:01 vlan 10 PortChannel0001
0105280000aa0000000100000a000000506f72744368616e6e656c30303031000000000002000100
# n=1: del dynamic 00:aa:00:00:00:01 vlan 10 PortChannel0001
0105280000aa0000000100000a000000506f72744368616e6e656c30303031000000000002000200
# n=1: add static 00:aa:00:00:00:02 vlan 10 PortChannel0001
0105280000aa0000000200000a000000506f72744368616e6e656c30303031000000000001000100
# mac_src="Vlan10" mac_dst="02:00:00:00:00:02"
0104230005000600566c616e31300600110030323a30303a30303a30303a30303a3032
# isolate_src="PortChannel1000" isolate_dst="PortChannel0001"
01012a0001000f00506f72744368616e6e656c3130303002000f00506f72744368616e6e656c30303031
# id=1 if="PortChannel0001"
010d1f00080004000100000007000f00506f72744368616e6e656c30303031
# id=1 system_id=02:00:00:00:00:02
010a160008000400010000000a000600020000000002
# id=1
010b0c000800040001000000
# learn_on="PortChannel1000"
0102170003000f00506f72744368616e6e656c31303030
# id=2 oper=0
0108110008000400020000000b00010000
# id=2 role=0
0109110008000400020000000900010000

[sonic server]
# add id=1 keepalive=0 timeout=0 local=10.255.0.1 peer=10.255.0.2 peer_link=PortChannel1000 mac=02:00:00:00:00:01 attrs=0x7
010254000100000001000000000000000000000031302e3235352e302e3100000000000031302e3235352e302e
32000000000000506f72744368616e6e656c3130303000ffffffff020000000001000007000000
# add vlan=10 Ethernet8; add vlan=10 PortChannel1000; add vlan=10 PortChannel0001
01045800010000000a00000045746865726e65743800b47161550000d05d4f68010000000a000000506f727443
68616e6e656c3130303000d05d4f68010000000a000000506f72744368616e6e656c3030303100d05d4f68
# attr-del id=1 keepalive=0 timeout=0 local= peer= peer_link= mac=02:00:00:00:00:01 attrs=0x4
010254000400000001000000000000000000000000000000000000000000000000000000000000000000000000
00000000000000005f4f68fd7f0000040000000000000002000000020000000001000004000000
# update id=1 keepalive=0 timeout=0 local= peer= peer_link=PortChannel1000 mac=02:00:00:00:00:01 attrs=0x4
010254000300000001000000000000000000000000000000000000000000000000000000000000000000000000
00000000000000506f72744368616e6e656c313030300002000000020000000001000004000000
# add domain=1 PortChannel0002
010320000100000001000000506f72744368616e6e656c303030320000000000
# del domain=1 PortChannel0002
010320000200000001000000506f72744368616e6e656c303030320000000000
# add vlan=20 PortChannel0001
010420000100000014000000506f72744368616e6e656c3030303100d05d4f68
# del vlan=20 PortChannel0001
010420000200000014000000506f72744368616e6e656c3030303100d05d4f68
"#;

/// The recorded messages: dialect, sender, what the recorder read, bytes.
pub(super) fn recorded() -> Vec<(Dialect, Side, &'static str, Vec<u8>)> {
    let mut messages = Vec::new();
    let mut section = (Dialect::Sonic, Side::Client);
    let mut read = "";
    let mut hex = String::new();
    for line in RECORDED.lines().chain(["#"]) {
        match line.as_bytes() {
            [] => {}
            [b'[' | b'#', ..] => {
                if !hex.is_empty() {
                    messages.push((section.0, section.1, read, bytes_of(&hex)));
                    hex.clear();
                }
                read = line.trim_start_matches("# ");
                section = match line {
                    "[sonic client]" => (Dialect::Sonic, Side::Client),
                    "[sonic server]" => (Dialect::Sonic, Side::Server),
                    "[linux-mclag client]" => (Dialect::LinuxMclag, Side::Client),
                    "[linux-mclag server]" => (Dialect::LinuxMclag, Side::Server),
                    _ => section,
                };
            }
            _ => hex.push_str(line),
        }
    }
    messages
}

/// What the recorder would say of the message.
pub(super) fn client_text(message: &ClientMessage, dialect: Dialect) -> String {
    match message {
        ClientMessage::PortIsolate(list) => {
            let destination = list.text(dialect).unwrap();
            format!(
                "isolate_src=\"{}\" isolate_dst=\"{destination}\"",
                list.peer_link
            )
        }
        ClientMessage::MacLearnMode { ports, learning } => {
            let state = if *learning { "on" } else { "off" };
            format!("learn_{state}=\"{}\"", ports[0])
        }
        ClientMessage::FlushFdb | ClientMessage::GetFdbChanges => "header only".to_owned(),
        ClientMessage::SetInterfaceMac {
            interface,
            address,
            mac,
        } => {
            let address = address.map(|a| format!(":{}/{}", a.address, a.prefix_len));
            let address = address.unwrap_or_default();
            format!("mac_src=\"{interface}{address}\" mac_dst=\"{mac}\"")
        }
        ClientMessage::SetFdb(records) => fdb_text(records),
        ClientMessage::TrafficDistribution { port, .. } => format!("if=\"{port}\""),
        ClientMessage::FlushFdbByPort { port } => format!("port=\"{port}\""),
        ClientMessage::IccpState { domain, is_up } => {
            format!("id={domain} oper={}", u8::from(*is_up))
        }
        ClientMessage::IccpRole {
            domain,
            is_active,
            system_id,
        } => {
            let id = system_id.map(|id| format!(" system_id={id}"));
            let role = u8::from(*is_active);
            format!("id={domain} role={role}{}", id.unwrap_or_default())
        }
        ClientMessage::IccpSystemId { domain, system_id }
        | ClientMessage::PeerSystemId { domain, system_id } => {
            format!("id={domain} system_id={system_id}")
        }
        ClientMessage::DeleteIccpInfo { domain } => format!("id={domain}"),
        ClientMessage::RemoteInterfaceState {
            domain,
            port,
            is_up,
        } => format!("id={domain} if=\"{port}\" oper={}", u8::from(*is_up)),
        ClientMessage::DeleteRemoteInterface { domain, port } => {
            format!("id={domain} if=\"{port}\"")
        }
        ClientMessage::PeerLinkIsolation {
            domain,
            port,
            is_isolated,
        } => format!(
            "id={domain} if=\"{port}\" isolation={}",
            u8::from(*is_isolated)
        ),
    }
}

/// What the recorder would say of the message.
pub(super) fn server_text(message: &ServerMessage) -> String {
    match message {
        ServerMessage::Fdb(records) => fdb_text(records),
        ServerMessage::Domain(records) => {
            let texts = records.iter().map(|record| {
                let op = match record.op {
                    DomainOp::Add => "add",
                    DomainOp::Delete => "del",
                    DomainOp::Update => "update",
                    DomainOp::DeleteAttributes => "attr-del",
                };
                format!(
                    "{op} id={} keepalive={} timeout={} local={} peer={} peer_link={} mac={} attrs=0x{:x}",
                    record.domain,
                    record.keepalive_s,
                    record.session_timeout_s,
                    record.local.map(|a| a.to_string()).unwrap_or_default(),
                    record.peer.map(|a| a.to_string()).unwrap_or_default(),
                    record.peer_link.map(|n| n.to_string()).unwrap_or_default(),
                    record.system_mac,
                    record.attributes.bits(),
                )
            });
            texts.collect::<Vec<_>>().join("; ")
        }
        ServerMessage::Interfaces(records) => {
            let text =
                |r: &InterfaceRecord| format!("{} domain={} {}", op_text(r.op), r.domain, r.port);
            records.iter().map(text).collect::<Vec<_>>().join("; ")
        }
        ServerMessage::VlanMembers(records) => {
            let text =
                |r: &VlanMemberRecord| format!("{} vlan={} {}", op_text(r.op), r.vid, r.port);
            records.iter().map(text).collect::<Vec<_>>().join("; ")
        }
        ServerMessage::UniqueIps(records) => {
            let text = |r: &UniqueIpRecord| format!("{} {}", op_text(r.op), r.interface);
            records.iter().map(text).collect::<Vec<_>>().join("; ")
        }
    }
}

/// The recorder wrote no more than three entries of a list.
fn fdb_text(records: &[FdbRecord]) -> String {
    let texts = records.iter().take(3).map(|record| {
        let kind = match record.kind {
            FdbKind::None => "0",
            FdbKind::Static => "static",
            FdbKind::Dynamic => "dynamic",
            FdbKind::DynamicLocal => "dynamic_local",
        };
        let port = record.port.map(|n| n.to_string()).unwrap_or_default();
        let op = op_text(record.op);
        format!("{op} {kind} {} vlan {} {port}", record.mac, record.vid)
    });
    let mut text = format!(
        "n={}: {}",
        records.len(),
        texts.collect::<Vec<_>>().join("; ")
    );
    if records.len() > 3 {
        text.push_str("; ...");
    }
    text.trim_end().to_owned()
}

fn op_text(op: RecordOp) -> &'static str {
    match op {
        RecordOp::Add => "add",
        RecordOp::Delete => "del",
    }
}

#[test]
fn recorded_messages_are_read_as_their_recorder_read_them() {
    let messages = recorded();
    assert_eq!(messages.len(), 67);
    for (dialect, side, read, bytes) in messages {
        let text = match side {
            Side::Client => client_text(&from_client(&frame_of(&bytes), dialect), dialect),
            Side::Server => server_text(&from_server(&frame_of(&bytes), dialect)),
        };
        assert_eq!(text, read, "{dialect} {side:?}");
    }
}

/// `spec/mclagsyncd-protocol.md` 10 items 1 and 2: what differs is stale memory of theirs, where
/// we send zeros.
#[test]
fn recorded_messages_travel_as_their_senders_sent_them_but_for_stale_memory() {
    for (dialect, side, read, bytes) in recorded() {
        let ours = match side {
            Side::Client => from_client(&frame_of(&bytes), dialect).encode(dialect),
            Side::Server => from_server(&frame_of(&bytes), dialect).encode(dialect),
        };
        let ours = ours.unwrap();
        assert_eq!(ours.len(), bytes.len(), "{read}");
        for (at, (our, their)) in ours.iter().zip(&bytes).enumerate() {
            assert!(our == their || *our == 0, "{read}: byte {at}");
        }
    }
}

/// All streams of the recording, cut anywhere, from one reader.
#[test]
fn a_recorded_stream_gives_the_same_messages_wherever_it_is_cut() {
    let messages = recorded();
    let stream: Vec<u8> = messages
        .iter()
        .flat_map(|(.., bytes)| bytes.clone())
        .collect();
    for step in [1, 3, 7, 64, 1000, stream.len()] {
        let mut decoder = Decoder::v1();
        let mut frames = Vec::new();
        for part in stream.chunks(step) {
            decoder.push(part);
            while let Some(frame) = decoder.next_frame().unwrap() {
                frames.push(frame);
            }
        }
        let alone: Vec<Frame> = messages.iter().map(|(.., bytes)| frame_of(bytes)).collect();
        assert_eq!(frames, alone, "in parts of {step} bytes");
    }
}

#[test]
fn no_truncation_of_a_recorded_message_is_read_as_the_whole() {
    for (dialect, side, read, bytes) in recorded() {
        let whole = frame_of(&bytes);
        for len in 0..whole.body.len() {
            let cut = Frame {
                body: whole.body[..len].to_vec(),
                ..whole.clone()
            };
            let is_whole = match side {
                Side::Client => ClientMessage::decode(&cut, dialect)
                    .is_ok_and(|got| got.unwrap().message == from_client(&whole, dialect)),
                Side::Server => {
                    let got = ServerMessage::decode(&cut, dialect).unwrap().unwrap();
                    got.message == from_server(&whole, dialect)
                }
            };
            assert!(!is_whole, "{read}: {len} bytes");
        }
    }
}
