//! A foreign server that keeps the table, and the recording dataplane beside it.

use std::collections::HashSet;
use std::net::SocketAddr;

use mclag_proto::DomainId;
use mclag_proto::sync::frame::Decoder;
use mclag_proto::sync::settings::{Assembly, PairSettings};
use mclag_proto::sync::v1::{
    self, Dialect, DomainAttributes, DomainOp, DomainRecord, FdbRecord, RecordOp, VlanMemberRecord,
};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::backend::mclagsyncd::Place;

/// The dataplane, and where it looks for the server.
struct Beside {
    rig: Rig,
    listener: TcpListener,
    dialect: Dialect,
}

impl Beside {
    async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    async fn start_with(options: Options) -> Self {
        Self::start_in(Dialect::Sonic, options).await
    }

    async fn start_in(dialect: Dialect, options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place {
            address: listener.local_addr().unwrap(),
            dialect: Some(dialect),
        };
        let client = mclagsyncd::Client::new(vec![place]);
        let rig = Rig::start_beside(options, Some(client)).await;
        Self {
            rig,
            listener,
            dialect,
        }
    }

    async fn accept(&self) -> Keeper {
        let (stream, _) = timeout(SOON, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        Keeper {
            stream,
            decoder: Decoder::v1(),
            dialect: self.dialect,
        }
    }

    /// The server, and a client that was greeted with it.
    async fn both(&self) -> (Keeper, Client, ServerHello) {
        let mut client = self.rig.connect().await;
        client.send(&hello(2..=2, u64::MAX)).await;
        let keeper = self.accept().await;
        let hello = greeted(&mut client).await;
        (keeper, client, hello)
    }

    /// A client that comes when the server is there already.
    async fn later_client(&self) -> Client {
        let mut client = self.rig.connect().await;
        client.send(&hello(2..=2, u64::MAX)).await;
        greeted(&mut client).await;
        client
    }
}

/// A server that is polled on our own kernel, and a client that has named `bond1`.
async fn polled() -> (Beside, Keeper, Client) {
    let beside = Beside::start_in(Dialect::LinuxMclag, Options::default()).await;
    beside.rig.recorder.play_kernel();
    let (keeper, mut client, _) = beside.both().await;
    let whole = [
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond1", Isolation::On),
        Op::SnapshotEnd(Section::Ports),
    ];
    assert!(client.ask(&whole).await.iter().all(Result::is_ok));
    (beside, keeper, client)
}

/// The server's end.
struct Keeper {
    stream: TcpStream,
    decoder: Decoder,
    dialect: Dialect,
}

impl Keeper {
    async fn send(&mut self, message: v1::ServerMessage) {
        let bytes = message.encode(self.dialect).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn hear(&mut self) -> v1::ClientMessage {
        let hear = async {
            loop {
                if let Some(frame) = self.decoder.next_frame().unwrap() {
                    let decoded = v1::ClientMessage::decode(&frame, self.dialect);
                    return decoded.unwrap().unwrap().message;
                }
                let mut chunk = [0; 4096];
                let count = self.stream.read(&mut chunk).await.unwrap();
                assert!(count > 0, "closed");
                self.decoder.push(&chunk[..count]);
            }
        };
        timeout(SOON, hear).await.unwrap()
    }

    /// The next entries that it is sent, by number.
    async fn hear_entries(&mut self) -> Vec<u8> {
        loop {
            if let v1::ClientMessage::SetFdb(records) = self.hear().await {
                return records.iter().map(|record| record.mac.0[5]).collect();
            }
        }
    }
}

async fn greeted(client: &mut Client) -> ServerHello {
    match client.receive().await {
        Some(ServerMessage::Hello(hello)) => hello,
        other => panic!("{other:?}"),
    }
}

fn held_port(name: &str) -> Op {
    Op::Port {
        port: port(name),
        want: PortWant {
            isolation: Isolation::On,
            traffic: Traffic::Held,
            redirect: true,
            system_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        },
    }
}

fn record(number: u16, name: &str, op: RecordOp) -> FdbRecord {
    let FdbKey { vid, mac } = key(number);
    FdbRecord {
        mac,
        vid,
        port: Some(port(name)),
        kind: v1::FdbKind::Dynamic,
        op,
    }
}

fn domain_record(op: DomainOp) -> v1::ServerMessage {
    v1::ServerMessage::Domain(vec![DomainRecord {
        op,
        domain: DomainId::new(1).unwrap(),
        keepalive_s: 2,
        session_timeout_s: 15,
        local: Some([10, 0, 0, 1].into()),
        peer: Some([10, 0, 0, 2].into()),
        peer_link: Some(port("peer")),
        system_mac: Mac([2, 0, 0, 0, 0, 1]),
        attributes: DomainAttributes::from_bits_retain(0x1f),
    }])
}

fn vlan_members() -> v1::ServerMessage {
    v1::ServerMessage::VlanMembers(vec![VlanMemberRecord {
        op: RecordOp::Add,
        vid: Vid::DEFAULT,
        port: port("swp1"),
    }])
}

/// No entries, and no holding, are the kernel's; a failure is the one of the client's operation.
#[tokio::test]
async fn a_batch_is_answered_when_both_have_done_their_share() {
    let beside = Beside::start().await;
    let (mut keeper, mut client, hello) = beside.both().await;
    assert_eq!(hello.backend, "mclagsyncd-v1, sonic + record");
    assert_eq!(hello.window, mclagsyncd::WINDOW);
    let abilities = Abilities {
        hold: true,
        pair: true,
        interfaces: true,
        neighbours: true,
        node_mac: true,
        ..Abilities::default()
    };
    assert_eq!(hello.abilities, abilities);
    let recorder = &beside.rig.recorder;
    recorder.refuse(Action::Isolate {
        port: port("bond2"),
    });
    let results = client
        .ask(&[
            fdb_op(1, "bond1"),
            Op::SnapshotBegin(Section::Ports),
            domain(),
            held_port("bond1"),
            held_port("bond2"),
            Op::SnapshotEnd(Section::Ports),
        ])
        .await;
    let failed: Vec<usize> = (0..results.len())
        .filter(|i| results[*i].is_err())
        .collect();
    assert_eq!(failed, [4]);
    let actual = recorder.actual();
    assert!(actual.is_isolated(&port("bond1")));
    assert!(actual.held.is_empty() && actual.fdb.is_empty());
    let bond1 = actual.ports[&port("bond1")];
    let system_mac = bond1.lacp.unwrap().system_mac;
    assert_eq!(system_mac, Some(Mac([2, 0, 0, 0, 0, 1])));
    assert_eq!(bond1.bridge_port.unwrap().backup, None);
    // What was answered has left before.
    let held = v1::ClientMessage::TrafficDistribution {
        port: port("bond1"),
        is_enabled: false,
    };
    let mut heard = Vec::new();
    while !heard.contains(&held) {
        heard.push(keeper.hear().await);
    }
    let added = record(1, "bond1", RecordOp::Add);
    assert_eq!(heard[0], v1::ClientMessage::SetFdb(vec![added]));
    assert!(
        heard
            .iter()
            .any(|message| matches!(message, v1::ClientMessage::PortIsolate(_))),
        "{heard:?}"
    );
    beside.rig.stop().await;
}

#[tokio::test]
async fn a_client_waits_for_the_server_and_is_told_if_it_does_not_come() {
    let beside = Beside::start().await;
    let place = Place {
        // Nobody listens there.
        address: "127.0.0.1:1".parse().unwrap(),
        dialect: Some(Dialect::Sonic),
    };
    let absent = mclagsyncd::Client::new(vec![place]);
    let rig = Rig::start_beside(Options::default(), Some(absent)).await;
    let mut client = rig.connect().await;
    client.send(&hello(2..=2, 8)).await;
    let (code, text) = client.shutdown_notice().await;
    assert_eq!(code, ErrorCode::Failed);
    assert_eq!(
        text,
        "there is no connection to the mclagsyncd server that keeps the table"
    );
    rig.stop().await;

    let (_keeper, mut client, _) = beside.both().await;
    assert_eq!(client.ask(&[]).await, []);
    beside.rig.stop().await;
}

/// Nobody listens where the server was; what was the client's stays so.
async fn outage(beside: Beside, keeper: Keeper, client: &mut Client) -> (Rig, SocketAddr) {
    let Beside { rig, listener, .. } = beside;
    let address = listener.local_addr().unwrap();
    drop((keeper, listener));
    let is_away = async {
        while client.ask(&[port_op("bond1", Isolation::On)]).await == [Ok(())] {
            yield_now().await;
        }
    };
    timeout(SOON, is_away).await.unwrap();
    (rig, address)
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_server_neither_drops_the_client_nor_undoes_anything() {
    let options = Options {
        restore_after: Some(Duration::from_secs(10)),
        ..Options::default()
    };
    let beside = Beside::start_with(options).await;
    let (keeper, mut client, _) = beside.both().await;
    let both = [domain(), port_op("bond1", Isolation::On)];
    assert_eq!(client.ask(&both).await, [Ok(()), Ok(())]);
    let (rig, _) = outage(beside, keeper, &mut client).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(rig.recorder.actual().is_isolated(&port("bond1")));
    assert_eq!(client.ask(&[]).await, []);
    rig.stop().await;
}

/// A port is in force when both have it, so the client is told that it is not; it asks again.
/// Whatever else is asked meanwhile is said to the server when it is back, once.
#[tokio::test(start_paused = true)]
async fn what_is_asked_during_an_outage_is_owed_to_the_server() {
    let beside = Beside::start().await;
    let (keeper, mut client, _) = beside.both().await;
    let whole = [
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond1", Isolation::On),
        Op::SnapshotEnd(Section::Ports),
    ];
    assert!(client.ask(&whole).await.iter().all(Result::is_ok));
    let (rig, address) = outage(beside, keeper, &mut client).await;
    let results = client
        .ask(&[fdb_op(1, "bond1"), held_port("bond2"), fdb_op(2, "bond2")])
        .await;
    let codes: Vec<_> = results.into_iter().map(|r| r.unwrap_err().code).collect();
    use OpErrorCode::{Refused, Waiting};
    assert_eq!(codes, [Waiting, Refused, Waiting]);
    assert!(rig.recorder.actual().is_isolated(&port("bond2")));
    let _ = client
        .ask(&[Op::FdbRelease {
            key: key(2),
            forget: false,
        }])
        .await;

    let listener = TcpListener::bind(address).await.unwrap();
    let dialect = Dialect::Sonic;
    let beside = Beside {
        rig,
        listener,
        dialect,
    };
    let mut keeper = beside.accept().await;
    let added = v1::ClientMessage::SetFdb(vec![record(1, "bond1", RecordOp::Add)]);
    let mut heard = Vec::new();
    while heard.last() != Some(&added) {
        heard.push(keeper.hear().await);
    }
    let held = v1::ClientMessage::TrafficDistribution {
        port: port("bond2"),
        is_enabled: false,
    };
    assert!(heard.contains(&held), "{heard:?}");
    let mut lists = heard.iter().filter_map(|message| match message {
        v1::ClientMessage::PortIsolate(list) => Some(list.ports.len()),
        _ => None,
    });
    assert!(lists.next_back() >= Some(2), "{heard:?}");
    // It is asked again, and now it is so.
    assert_eq!(client.ask(&[held_port("bond2")]).await, [Ok(())]);
    beside.rig.stop().await;
}

/// In shares, the last of which takes out what was released meanwhile. The client, which leaves as soon
/// as the server is back, is not needed for that.
#[tokio::test(start_paused = true)]
async fn a_whole_table_is_said_again_and_what_was_released_meanwhile_is_taken_out() {
    const ENTRIES: u16 = 2000;
    let beside = Beside::start().await;
    let (keeper, mut client, _) = beside.both().await;
    let mut ops = vec![Op::SnapshotBegin(Section::Fdb)];
    ops.extend((0..ENTRIES).map(|number| fdb_op(number, "bond1")));
    ops.push(Op::SnapshotEnd(Section::Fdb));
    for ops in ops.chunks(MAX_OPS_PER_BATCH) {
        assert!(client.ask(ops).await.iter().all(Result::is_ok));
    }
    let (rig, address) = outage(beside, keeper, &mut client).await;
    let _ = client
        .ask(&[Op::FdbRelease {
            key: key(7),
            forget: false,
        }])
        .await;
    let listener = TcpListener::bind(address).await.unwrap();
    let dialect = Dialect::Sonic;
    let beside = Beside {
        rig,
        listener,
        dialect,
    };
    let mut keeper = beside.accept().await;
    drop(client);
    let mut heard: Vec<FdbRecord> = Vec::new();
    while heard.len() < usize::from(ENTRIES) {
        if let v1::ClientMessage::SetFdb(records) = keeper.hear().await {
            heard.extend(records);
        }
    }
    let deleted = record(7, "bond1", RecordOp::Delete);
    assert_eq!(heard.pop(), Some(deleted));
    let added: HashSet<Mac> = heard.iter().map(|record| record.mac).collect();
    assert_eq!(added.len(), usize::from(ENTRIES) - 1);
    assert!(heard.iter().all(|record| record.op == RecordOp::Add));
    beside.rig.stop().await;
}

/// The client says them on its own as well, but it need not.
#[tokio::test(start_paused = true)]
async fn a_client_that_cannot_be_let_in_yet_is_no_reason_to_restore() {
    let options = Options {
        restore_after: Some(Duration::from_secs(10)),
        ..Options::default()
    };
    let place = Place {
        // Nobody listens there.
        address: "127.0.0.1:1".parse().unwrap(),
        dialect: Some(Dialect::Sonic),
    };
    let absent = mclagsyncd::Client::new(vec![place]);
    let rig = Rig::start_beside(options, Some(absent)).await;
    rig.recorder.tamper(|actual| {
        let filter = actual.filter.get_or_insert_default();
        filter.isolated.insert(port("bond1"));
    });
    for _ in 0..20 {
        let mut client = rig.connect().await;
        client.send(&hello(2..=2, 8)).await;
        let (code, _) = client.shutdown_notice().await;
        assert_eq!(code, ErrorCode::Failed);
    }
    assert!(rig.recorder.actual().is_isolated(&port("bond1")));
    rig.stop().await;
}

/// The other chassis' frames would come out of the port before the kernel keeps them from it.
#[tokio::test]
async fn traffic_is_not_let_through_by_the_server_where_the_kernel_could_not_isolate() {
    let beside = Beside::start().await;
    let (mut keeper, mut client, _) = beside.both().await;
    let want = |isolation, traffic| Op::Port {
        port: port("bond1"),
        want: PortWant {
            isolation,
            traffic,
            redirect: false,
            system_mac: None,
        },
    };
    let whole = [
        Op::SnapshotBegin(Section::Ports),
        domain(),
        want(Isolation::Off, Traffic::Held),
        Op::SnapshotEnd(Section::Ports),
    ];
    assert!(client.ask(&whole).await.iter().all(Result::is_ok));
    let isolate = Action::Isolate {
        port: port("bond1"),
    };
    beside.rig.recorder.refuse(isolate);
    let results = client.ask(&[want(Isolation::On, Traffic::Pass)]).await;
    assert!(results[0].is_err());
    let _ = client.ask(&[fdb_op(1, "bond1")]).await;
    let added = v1::ClientMessage::SetFdb(vec![record(1, "bond1", RecordOp::Add)]);
    let mut heard = Vec::new();
    while heard.last() != Some(&added) {
        heard.push(keeper.hear().await);
    }
    let passes = v1::ClientMessage::TrafficDistribution {
        port: port("bond1"),
        is_enabled: true,
    };
    assert!(!heard.contains(&passes), "{heard:?}");
    beside.rig.stop().await;
}

const NODE: Mac = Mac([2, 0, 0, 0, 0, 0x77]);

/// What the server is told of the address of `bond1`, once.
async fn mac_of_bond1(keeper: &mut Keeper) -> Mac {
    loop {
        if let v1::ClientMessage::SetInterfaceMac { interface, mac, .. } = keeper.hear().await
            && interface == port("bond1")
        {
            return mac;
        }
    }
}

fn own_mac_and_back() -> [Op; 2] {
    let name = port("bond1");
    let mac = Mac([2, 0, 0, 0, 0, 0x55]);
    let want = InterfaceWant { mac };
    [Op::Interface { name, want }, Op::InterfaceRelease { name }]
}

#[tokio::test]
async fn the_node_mac_of_the_client_wins_over_the_one_that_the_server_names() {
    let beside = Beside::start().await;
    let (mut keeper, mut client, _) = beside.both().await;
    let _ = client.ask(&[Op::NodeMac(NODE)]).await;
    keeper.send(domain_record(DomainOp::Add)).await;
    Forwarded::until_settings(&mut client).await;
    let _ = client.ask(&own_mac_and_back()).await;
    assert_eq!(mac_of_bond1(&mut keeper).await, Mac([2, 0, 0, 0, 0, 0x55]));
    assert_eq!(mac_of_bond1(&mut keeper).await, NODE);
    beside.rig.stop().await;
}

#[tokio::test]
async fn an_interface_gets_no_address_back_before_there_is_one() {
    let beside = Beside::start().await;
    let (mut keeper, mut client, _) = beside.both().await;
    let _ = client.ask(&own_mac_and_back()).await;
    let _ = client.ask(&[Op::NodeMac(NODE)]).await;
    assert_eq!(mac_of_bond1(&mut keeper).await, Mac([2, 0, 0, 0, 0, 0x55]));
    assert_eq!(mac_of_bond1(&mut keeper).await, NODE);
    beside.rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 5: what it learned, its VLANs and its settings are the events; what the
/// kernel sees of the same bridge is not said twice.
#[tokio::test]
async fn what_the_server_says_is_told_to_every_client() {
    let beside = Beside::start().await;
    let (mut keeper, mut client, hello) = beside.both().await;
    assert_eq!(hello.capabilities, Capabilities::SETTINGS);
    let _ = client.ask(&[domain()]).await;
    beside.rig.recorder.hear(key(9), port("swp1"));
    keeper.send(domain_record(DomainOp::Add)).await;
    keeper.send(vlan_members()).await;
    let learns = vec![
        record(1, "swp1", RecordOp::Add),
        record(2, "swp1", RecordOp::Add),
    ];
    keeper.send(v1::ServerMessage::Fdb(learns)).await;
    let gone = record(2, "swp1", RecordOp::Delete);
    keeper.send(v1::ServerMessage::Fdb(vec![gone])).await;
    let received = Forwarded::until_listed(&mut client).await;
    received.check();

    // The next one hears the same from the beginning.
    let mut client = beside.later_client().await;
    let received = Forwarded::until_listed(&mut client).await;
    received.check();
    keeper.send(domain_record(DomainOp::Delete)).await;
    let received = Forwarded::until_settings(&mut client).await;
    assert_eq!(received.settings, Some(None));
    beside.rig.stop().await;
}

/// One release older, it would not understand.
#[tokio::test]
async fn a_client_that_knows_no_settings_is_told_none() {
    let beside = Beside::start().await;
    let mut client = beside.rig.connect().await;
    client
        .send(&ClientMessage::Hello(ClientHello {
            versions: 2..=2,
            capabilities: Capabilities::empty(),
            software: "iccpd 0.1.0".to_owned(),
            events_up_to: u64::MAX,
        }))
        .await;
    let mut keeper = beside.accept().await;
    let hello = greeted(&mut client).await;
    assert_eq!(hello.capabilities, Capabilities::empty());
    keeper.send(domain_record(DomainOp::Add)).await;
    keeper.send(vlan_members()).await;
    let learns = vec![record(1, "swp1", RecordOp::Add)];
    keeper.send(v1::ServerMessage::Fdb(learns)).await;
    let received = Forwarded::until_listed(&mut client).await;
    assert_eq!((received.settings, received.members.len()), (None, 0));
    assert_eq!(received.observations.len(), 1);
    beside.rig.stop().await;
}

/// A server without such a dataplane says so to a client that would know them.
#[tokio::test]
async fn a_dataplane_without_settings_announces_none() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.connect().await;
    client.send(&hello(2..=2, u64::MAX)).await;
    let hello = greeted(&mut client).await;
    assert_eq!(hello.capabilities, Capabilities::empty());
    assert!(!hello.abilities.node_mac);
    rig.stop().await;
}

#[tokio::test]
async fn more_batches_than_the_window_end_the_connection() {
    let beside = Beside::start().await;
    let (_keeper, mut client, _) = beside.both().await;
    let mut bytes = Vec::new();
    for number in 1..=64 {
        let ops = vec![
            Op::SnapshotBegin(Section::Ports),
            domain(),
            port_op(
                "bond1",
                if number % 2 == 0 {
                    Isolation::Off
                } else {
                    Isolation::On
                },
            ),
            Op::SnapshotEnd(Section::Ports),
        ];
        bytes.extend(ClientMessage::Batch { number, ops }.encode().unwrap());
    }
    client.stream.write_all(&bytes).await.unwrap();
    let (code, text) = client.shutdown_notice().await;
    assert_eq!(code, ErrorCode::Unexpected);
    assert!(text.contains("although 8 are not answered"), "{text}");
    beside.rig.stop().await;
}

/// `mclagsyncd.py` on our own kernel (`spec/mclagsyncd-protocol.md` 12, items 5 and 6): it says VLAN 1 of all, and of
/// what it was sent that it is there.
#[tokio::test]
async fn beside_a_polled_server_hosts_are_seen_where_our_own_kernel_sees_them() {
    let (beside, mut keeper, mut client) = polled().await;
    let recorder = &beside.rig.recorder;
    let in_vlan_10 = FdbKey {
        vid: Vid::new(10).unwrap(),
        ..key(1)
    };
    recorder.hear(in_vlan_10, port("swp1"));
    let report = v1::ServerMessage::Fdb(vec![record(1, "swp1", RecordOp::Add)]);
    keeper.send(report).await;
    assert_eq!(client.ask(&[fdb_op(2, "bond1")]).await, [Ok(())]);
    assert_eq!(keeper.hear_entries().await, [2]);
    // That is how it carries it out.
    recorder.hear(key(2), port("bond1"));
    recorder.hear(key(3), port("bond1"));
    let mut seen = HashMap::new();
    let mut take = |events: Vec<Event>| {
        for event in events {
            if let Event::Fdb { key, observation } = event {
                seen.insert(key, observation.port());
            }
        }
        seen.clone()
    };
    while !take(client.events().await).contains_key(&key(3)) {}
    let expected = HashMap::from([
        (in_vlan_10, Some(port("swp1"))),
        (key(3), Some(port("bond1"))),
    ]);
    assert_eq!(take(Vec::new()), expected);

    // What it has is not sent, until it is gone.
    let both = [fdb_op(3, "bond1"), fdb_op(4, "bond1")];
    assert_eq!(client.ask(&both).await, [Ok(()), Ok(())]);
    assert_eq!(keeper.hear_entries().await, [4]);
    recorder.age(key(3));
    while take(client.events().await).get(&key(3)) != Some(&None) {}
    assert_eq!(client.ask(&both).await, [Ok(()), Ok(())]);
    assert_eq!(keeper.hear_entries().await, [3]);

    // A client that comes later hears the same.
    recorder.hear(key(5), port("bond1"));
    drop(client);
    let mut client = beside.later_client().await;
    let mut listed = client.snapshot().await;
    listed.sort_by_key(|(key, _)| *key);
    let listed: Vec<_> = listed.into_iter().map(|(key, o)| (key, o.port())).collect();
    let bond1 = (key(5), Some(port("bond1")));
    assert_eq!(listed, [bond1, (in_vlan_10, Some(port("swp1")))]);
    beside.rig.stop().await;
}

/// Input: the server is sent an entry, and another port for it before it has carried out the first. Output: that our own
/// kernel has the address on the first port is no host that is seen; if it is there still when the server is done, it is.
#[tokio::test]
async fn an_entry_that_is_on_its_way_to_a_polled_server_is_no_host_until_the_server_is_done() {
    let (beside, mut keeper, mut client) = polled().await;
    let recorder = &beside.rig.recorder;
    assert_eq!(client.ask(&[fdb_op(2, "bond1")]).await, [Ok(())]);
    assert_eq!(keeper.hear_entries().await, [2]);
    assert_eq!(client.ask(&[fdb_op(2, "bond2")]).await, [Ok(())]);
    recorder.hear(key(2), port("bond1"));
    recorder.hear(key(3), port("bond1"));
    let mut seen = Vec::new();
    let is_of = |last: u8, events: &[Event]| {
        let is =
            |event: &Event| matches!(event, Event::Fdb { key: of, .. } if *of == key(last.into()));
        events.iter().any(is)
    };
    while !is_of(3, &seen) {
        seen.extend(client.events().await);
    }
    assert!(!is_of(2, &seen), "{seen:?}");
    // Nor is it for a client that is listed what is there.
    drop(client);
    let mut client = beside.later_client().await;
    let listed = client.snapshot().await;
    let listed: Vec<_> = listed.into_iter().map(|(key, _)| key).collect();
    assert_eq!(listed, [key(3)]);
    seen.clear();
    assert_eq!(keeper.hear_entries().await, [2]);
    tokio::time::pause();
    while !is_of(2, &seen) {
        seen.extend(client.events().await);
    }
    tokio::time::resume();
    beside.rig.stop().await;
}

/// Whoever may only ask how the dataplane is may not take its pair away.
#[tokio::test]
async fn a_pair_is_forgotten_for_those_alone_who_may_change_the_dataplane() {
    let process = |uid| connection::Process {
        uid,
        gid: 61_003,
        pid: None,
    };
    let options = Options {
        access: Access {
            users: vec![61_001],
            group: Some(61_000),
            status_group: Some(61_003),
        },
        ..Options::default()
    };
    let server = Server::start(RecordBackend::new(), options).await.unwrap();
    let mut server = server.with_mclagsyncd(mclagsyncd::Client::new(Vec::new()));
    for stranger in [Some(process(61_002)), None] {
        let refusal = server.forget_pair(stranger).unwrap_err();
        assert!(refusal.starts_with("only those may"), "{refusal}");
    }
    let refusal = server.forget_pair(Some(process(61_001))).unwrap_err();
    assert_eq!(refusal, "no pair is remembered");
}

/// What a client was told.
#[derive(Debug, Default)]
struct Forwarded {
    assembly: Assembly,
    settings: Option<Option<PairSettings>>,
    members: HashMap<(IfName, Vid), bool>,
    observations: HashMap<FdbKey, Observation>,
    is_listed: bool,
}

impl Forwarded {
    async fn until_listed(client: &mut Client) -> Self {
        let mut received = Self::default();
        while !received.is_listed {
            received.take(client.events().await);
        }
        received
    }

    async fn until_settings(client: &mut Client) -> Self {
        let mut received = Self::default();
        while received.settings.is_none() {
            received.take(client.events().await);
        }
        received
    }

    fn take(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::SnapshotBegin => {
                    self.members.clear();
                    self.observations.clear();
                }
                Event::SnapshotEnd => self.is_listed = true,
                Event::Fdb { key, observation } => drop(self.observations.insert(key, observation)),
                Event::VlanMember { port, vid, member } => {
                    self.members.insert((port, vid), member);
                }
                Event::Kept { .. } => {}
                Event::Settings(part) => {
                    if let Some(settings) = self.assembly.take(part).unwrap() {
                        self.settings = Some(settings);
                    }
                }
            }
        }
    }

    fn check(&self) {
        let settings = self.settings.clone().flatten().unwrap();
        assert_eq!(settings.domain.peer_link, Some(port("peer")));
        assert_eq!(settings.domain.keepalive_s, Some(2));
        assert_eq!(
            self.members,
            HashMap::from([((port("swp1"), Vid::DEFAULT), true)])
        );
        let seen: Vec<_> = self
            .observations
            .iter()
            .filter(|(_, observation)| observation.port().is_some())
            .map(|(key, observation)| (*key, *observation))
            .collect();
        assert_eq!(seen, [learned(1, "swp1")]);
    }
}
