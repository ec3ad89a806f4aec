//! A foreign server that keeps the table, and the recording dataplane beside it.

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
}

impl Beside {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place {
            address: listener.local_addr().unwrap(),
            dialect: Some(Dialect::Sonic),
        };
        let client = mclagsyncd::Client::new(vec![place]);
        let rig = Rig::start_beside(Options::default(), Some(client)).await;
        Self { rig, listener }
    }

    async fn accept(&self) -> Keeper {
        let (stream, _) = timeout(SOON, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        let decoder = Decoder::v1();
        Keeper { stream, decoder }
    }

    /// The server, and a client that was greeted with it.
    async fn both(&self) -> (Keeper, Client, ServerHello) {
        let mut client = self.rig.connect().await;
        client.send(&hello(2..=2, u64::MAX)).await;
        let keeper = self.accept().await;
        let hello = greeted(&mut client).await;
        (keeper, client, hello)
    }
}

/// The server's end.
struct Keeper {
    stream: TcpStream,
    decoder: Decoder,
}

impl Keeper {
    async fn say(&mut self, message: v1::ServerMessage) {
        let bytes = message.encode(Dialect::Sonic).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn hear(&mut self) -> v1::ClientMessage {
        let hear = async {
            loop {
                if let Some(frame) = self.decoder.next_frame().unwrap() {
                    let decoded = v1::ClientMessage::decode(&frame, Dialect::Sonic);
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

/// Everything has to be said again to a server that comes back: so the client begins anew.
#[tokio::test]
async fn the_client_s_connection_ends_with_that_of_the_server() {
    let beside = Beside::start().await;
    let (keeper, client, _) = beside.both().await;
    drop(keeper);
    let (code, _) = client.shutdown_notice().await;
    assert_eq!(code, ErrorCode::Failed);
    let (mut keeper, mut client, _) = beside.both().await;
    let _ = client.ask(&[fdb_op(1, "bond1")]).await;
    let added = record(1, "bond1", RecordOp::Add);
    assert_eq!(keeper.hear().await, v1::ClientMessage::SetFdb(vec![added]));
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
    keeper.say(domain_record(DomainOp::Add)).await;
    Told::until_settings(&mut client).await;
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
    keeper.say(domain_record(DomainOp::Add)).await;
    keeper.say(vlan_members()).await;
    let learns = vec![
        record(1, "swp1", RecordOp::Add),
        record(2, "swp1", RecordOp::Add),
    ];
    keeper.say(v1::ServerMessage::Fdb(learns)).await;
    let gone = record(2, "swp1", RecordOp::Delete);
    keeper.say(v1::ServerMessage::Fdb(vec![gone])).await;
    let told = Told::until_listed(&mut client).await;
    told.check();

    // The next one hears the same from the beginning.
    let mut client = beside.rig.connect().await;
    client.send(&super::hello(2..=2, u64::MAX)).await;
    greeted(&mut client).await;
    let told = Told::until_listed(&mut client).await;
    told.check();
    keeper.say(domain_record(DomainOp::Delete)).await;
    let told = Told::until_settings(&mut client).await;
    assert_eq!(told.settings, Some(None));
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
    keeper.say(domain_record(DomainOp::Add)).await;
    keeper.say(vlan_members()).await;
    let learns = vec![record(1, "swp1", RecordOp::Add)];
    keeper.say(v1::ServerMessage::Fdb(learns)).await;
    let told = Told::until_listed(&mut client).await;
    assert_eq!((told.settings, told.members.len()), (None, 0));
    assert_eq!(told.observations.len(), 1);
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

/// What a client was told.
#[derive(Debug, Default)]
struct Told {
    assembly: Assembly,
    settings: Option<Option<PairSettings>>,
    members: HashMap<(IfName, Vid), bool>,
    observations: HashMap<FdbKey, Observation>,
    is_listed: bool,
}

impl Told {
    async fn until_listed(client: &mut Client) -> Self {
        let mut told = Self::default();
        while !told.is_listed {
            told.take(client.events().await);
        }
        told
    }

    async fn until_settings(client: &mut Client) -> Self {
        let mut told = Self::default();
        while told.settings.is_none() {
            told.take(client.events().await);
        }
        told
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
