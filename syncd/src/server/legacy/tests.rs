//! Legacy clients over real sockets, with the recording dataplane behind the server (`spec/mclagsyncd-protocol.md`).

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use mclag_proto::ctl::dataplane::{Dataplane, Reply};
use mclag_proto::sync::frame::Decoder;
use mclag_proto::sync::model::{DomainWant, FdbKey, Isolation, Op, PortWant, Traffic};
use mclag_proto::sync::v1::{
    ClientMessage, Dialect, DomainAttributes, DomainOp, FdbKind, FdbRecord, RecordOp, ServerMessage,
};
use mclag_proto::sync::v2;
use mclag_proto::{DomainId, IfName, Mac, Vid};
use mclag_test_support::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::backend::record::{RecordBackend, Recorder};
use crate::dataplane::{Action, Actual, EntryKind, InterfaceActual};
use crate::legacy::Domain;
use crate::server::{Options as ServerOptions, ServerError};

/// What has to happen, happens within this time, however slow the machine.
const SOON: Duration = Duration::from_secs(20);

fn port(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn key(last: u16) -> FdbKey {
    let [high, low] = last.to_be_bytes();
    FdbKey {
        vid: Vid::new(10).unwrap(),
        mac: Mac([0, 0xaa, 0, 0, high, low]),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// A server with the ports of the captured runs.
struct Rig {
    dir: TempDir,
    recorder: Recorder,
    addresses: Vec<SocketAddr>,
    server: JoinHandle<Result<(), ServerError>>,
    stop: oneshot::Sender<()>,
    options: ServerOptions,
    reloads: mpsc::Sender<ServerOptions>,
}

impl Rig {
    /// One socket for each dialect; none to tell it from what is said.
    async fn start(dialects: &[Option<Dialect>]) -> Self {
        let dir = TempDir::new("syncd-legacy");
        let backend = RecordBackend::new();
        let recorder = backend.recorder();
        for name in ["PortChannel0001", "PortChannel1000", "Ethernet8"] {
            recorder.add_port(port(name));
        }
        for (name, lag, svi) in [
            ("Ethernet4", Some("PortChannel0001"), None),
            ("Vlan10", None, Vid::new(10)),
        ] {
            let interface = InterfaceActual {
                mac: Some(Mac([2, 0, 0, 0, 0, 2])),
                running: true,
                svi,
                lag: lag.map(port),
                ..InterfaceActual::default()
            };
            recorder.set_interface(port(name), Some(interface));
        }
        let places = dialects.iter().map(|dialect| Place {
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
            dialect: *dialect,
        });
        let options = Options {
            listen: places.collect(),
            bridge: Some(port("br0")),
            peer_link: Some(port("PortChannel1000")),
            ports: vec![port("PortChannel0001")],
            unique_ip: vec![port("Vlan10")],
            domain: Some(Domain {
                id: DomainId::new(1).unwrap(),
                local: Some(Ipv4Addr::new(10, 255, 0, 1)),
                peer: Some(Ipv4Addr::new(10, 255, 0, 2)),
                keepalive_s: None,
                session_timeout_s: None,
                system_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            }),
        };
        let listeners = Listeners::listen(&options.listen).unwrap();
        let addresses = listeners.addresses().collect();
        let options = ServerOptions {
            legacy: options,
            originals: Some(dir.join("originals")),
            ..ServerOptions::default()
        };
        let unix = options.access.listen(&dir.join("sock")).unwrap();
        let control = options.access.listen(&dir.join("ctl")).unwrap();
        let server = Server::start(backend, options.clone()).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let (reloads, reload) = mpsc::channel(1);
        let server = server.with_legacy(listeners).with_control(control);
        let server = server.with_reloads(reload);
        let server = tokio::spawn(server.run(unix, async {
            let _ = stopped.await;
        }));
        Self {
            dir,
            recorder,
            addresses,
            server,
            stop,
            options,
            reloads,
        }
    }

    /// The settings are others from now on.
    async fn reload(&mut self, change: impl FnOnce(&mut ServerOptions)) {
        change(&mut self.options);
        self.reloads.send(self.options.clone()).await.unwrap();
    }

    async fn sonic() -> Self {
        Self::start(&[Some(Dialect::Sonic)]).await
    }

    async fn connect(&self) -> Client {
        self.connect_to(0, Dialect::Sonic).await
    }

    async fn connect_to(&self, place: usize, dialect: Dialect) -> Client {
        Client {
            stream: TcpStream::connect(self.addresses[place]).await.unwrap(),
            decoder: Decoder::v1(),
            dialect,
        }
    }

    /// Wait until the dataplane is as it has to be.
    async fn until(&self, what: &str, is_so: impl Fn(&Actual) -> bool) {
        let wait = async {
            while !is_so(&self.recorder.actual()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = timeout(SOON, wait).await;
        assert!(waited.is_ok(), "{what}: {:?}", self.recorder.actual());
    }

    async fn until_isolated(&self, is_isolated: bool) {
        let lag = port("PortChannel0001");
        let what = format!("isolated: {is_isolated}");
        self.until(&what, |a| a.is_isolated(&lag) == is_isolated)
            .await;
    }

    async fn until_held(&self, name: &str, keeps_carrier: bool) {
        let port = port(name);
        self.until("held", |actual| actual.held.contains(&port))
            .await;
        let hold = Action::Hold {
            port,
            keeps_carrier,
        };
        assert!(
            self.recorder.log().contains(&hold),
            "{:?}",
            self.recorder.log()
        );
    }

    /// What an operator is shown.
    async fn ask(&self) -> Dataplane {
        let mut stream = UnixStream::connect(self.dir.join("ctl")).await.unwrap();
        stream
            .write_all(b"{\"request\":\"dataplane\"}\n")
            .await
            .unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(&mut stream);
        timeout(SOON, reader.read_line(&mut line))
            .await
            .unwrap()
            .unwrap();
        match serde_json::from_str(&line).unwrap() {
            Reply::Dataplane(shown) => *shown,
            other => panic!("{other:?}"),
        }
    }

    /// Nobody is connected any more.
    async fn until_gone(&self) {
        let gone = async {
            while !self.ask().await.clients.is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(SOON, gone).await.unwrap();
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        timeout(SOON, self.server).await.unwrap().unwrap().unwrap();
    }
}

/// An `iccpd`.
struct Client {
    stream: TcpStream,
    decoder: Decoder,
    dialect: Dialect,
}

impl Client {
    async fn send(&mut self, hex: &str) {
        self.stream.write_all(&bytes(hex)).await.unwrap();
    }

    /// The next message; none when the server closed the connection.
    async fn hear(&mut self) -> Option<ServerMessage> {
        let hear = async {
            loop {
                if let Some(frame) = self.decoder.next_frame().unwrap() {
                    let decoded = ServerMessage::decode(&frame, self.dialect).unwrap();
                    match decoded {
                        Some(decoded) => return Some(decoded.message),
                        // As a legacy client does with types that it does not know.
                        None => continue,
                    }
                }
                let mut chunk = [0; 8192];
                match self.stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => self.decoder.push(&chunk[..count]),
                }
            }
        };
        timeout(SOON, hear).await.unwrap()
    }

    /// Nothing comes for a while.
    async fn hears_nothing(&mut self) {
        let heard = timeout(Duration::from_millis(200), self.stream.readable()).await;
        assert!(heard.is_err());
    }

    async fn fdb(&mut self) -> Vec<FdbRecord> {
        loop {
            match self.hear().await.unwrap() {
                ServerMessage::Fdb(records) => return records,
                _ => continue,
            }
        }
    }

    async fn is_closed(&mut self) -> bool {
        while let Some(message) = self.hear().await {
            drop(message);
        }
        true
    }
}

const ISOLATE: &str = "0101340001000f00506f72744368616e6e656c3130303002001900506f72744368616e6e656c303030312c45746865726e657434";
const ISOLATE_NONE: &str = "01011b0001000f00506f72744368616e6e656c3130303002000000";

/// Captured from a standby SONiC `iccpd` that comes up, loses its port, and gets it back.
const SONIC: &[&str] = &[
    "0108110008000400010000000b00010000",
    "0109110008000400010000000900010000",
    "0104230005000600566c616e31300600110030323a30303a30303a30303a30303a3031",
    "010a160008000400010000000a000600020000000001",
    "010c2400080004000100000007000f00506f72744368616e6e656c303030310b00010001",
    "0102170004000f00506f72744368616e6e656c31303030",
    ISOLATE,
    "010e2400080004000100000007000f00506f72744368616e6e656c303030310c00010001",
    "0108110008000400010000000b00010001",
    "010c2400080004000100000007000f00506f72744368616e6e656c303030310b00010001",
    ISOLATE,
    "0107170007000f00506f72744368616e6e656c30303031",
    ISOLATE,
    "010e2400080004000100000007000f00506f72744368616e6e656c303030310c00010001",
    "0106170007000f00506f72744368616e6e656c30303031",
    "0105280000aa0000000200000a000000506f72744368616e6e656c31303030000000000001000100",
    "0105280000bb0000000000000a000000506f72744368616e6e656c31303030000000000002000100",
    "0105280000bb0000000100000a000000506f72744368616e6e656c31303030000000000002000100",
    "0105280000bb0000000100000a000000506f72744368616e6e656c31303030000000000002000200",
    "0107170007000f00506f72744368616e6e656c30303031",
    "01012a0001000f00506f72744368616e6e656c3130303002000f00506f72744368616e6e656c30303031",
    "010c2400080004000100000007000f00506f72744368616e6e656c303030310b00010000",
];

/// Captured when the session of that `iccpd` ends.
const SONIC_DOWN: &[&str] = &[
    "0108110008000400010000000b00010000",
    ISOLATE_NONE,
    "010e2400080004000100000007000f00506f72744368616e6e656c303030310c00010000",
    "0106170007000f00506f72744368616e6e656c30303031",
    "0104230005000600566c616e31300600110030323a30303a30303a30303a30303a3032",
    "010a160008000400010000000a000600020000000002",
    "010d1f00080004000100000007000f00506f72744368616e6e656c30303031",
];

/// Captured from a linux-mclag `iccpd` that comes up, sees its port fall and return. The pad of
/// the second message and the bytes behind the MACs are stale memory.
const LINUX_MCLAG: &[&str] = &[
    "0104330005001600566c616e31303a3139322e3136382e31302e332f32340600110030323a30303a30303a30303a30303a3031",
    "0102170004630f00506f72744368616e6e656c31303030",
    "01030400",
    "0101240001000f00506f72744368616e6e656c313030300200090045746865726e657434",
    "01054c0030323a30303a30303a30303a30313a3031000000000010f63d08fd55000084b50a000000506f72744368616e6e656c30303031000000000000000000000000000000000002000100",
    "01054c0030303a61613a30303a30303a30303a303100fd55000000523e08fd55000084b50a000000506f72744368616e6e656c30303031000000000000000000000000000000000002000100",
    "01054c0030323a30303a30303a30303a30313a3031000000000010f63d08fd55000084b50a000000506f72744368616e6e656c30303031000000000000000000000000000000000002000200",
    "0101250001000f00506f72744368616e6e656c3130303002000a002145746865726e657434",
    "0101240001000f00506f72744368616e6e656c313030300200090045746865726e657434",
    "01054c0030323a30303a30303a30303a30313a3031000000000020f43d08fd55000084b50a000000506f72744368616e6e656c30303031000000000000000000000000000000000002000100",
];

fn is_as_sonic_said(actual: &Actual) -> bool {
    let [lag, peer_link] = ["PortChannel0001", "PortChannel1000"].map(port);
    let entry = |mac: [u8; 6]| {
        let mac = Mac(mac);
        let vid = Vid::new(10).unwrap();
        actual.fdb.get(&FdbKey { vid, mac }).copied()
    };
    let sticky = |mac| entry(mac).map(|e| matches!(e.kind, EntryKind::Ours { sticky: true, .. }));
    actual.is_isolated(&lag)
        && actual.held.contains(&lag)
        && actual.bridge_port(&peer_link).is_some_and(|p| !p.learning)
        && actual.interfaces[&port("Vlan10")].mac == Some(Mac([2, 0, 0, 0, 0, 1]))
        && sticky([0, 0xaa, 0, 0, 0, 2]) == Some(true)
        && sticky([0, 0xbb, 0, 0, 0, 0]) == Some(false)
        && entry([0, 0xbb, 0, 0, 0, 1]).is_none()
}

/// `spec/mclagsyncd-protocol.md` 5.6, 7: configuration without being asked.
#[tokio::test]
async fn a_sonic_client_is_configured_and_its_captured_stream_has_effect() {
    let rig = Rig::sonic().await;
    rig.recorder.hear(key(1), port("Ethernet8"));
    let mut client = rig.connect().await;
    let Some(ServerMessage::Domain(domain)) = client.hear().await else {
        panic!("no domain")
    };
    assert_eq!(domain[0].peer_link, Some(port("PortChannel1000")));
    let Some(ServerMessage::Interfaces(ports)) = client.hear().await else {
        panic!("no interfaces")
    };
    assert_eq!(ports[0].port, port("PortChannel0001"));
    let Some(ServerMessage::VlanMembers(members)) = client.hear().await else {
        panic!("no VLAN members")
    };
    assert_eq!(members.len(), 3);
    let Some(ServerMessage::Fdb(table)) = client.hear().await else {
        panic!("no table")
    };
    assert_eq!((table.len(), table[0].mac), (1, key(1).mac));
    let Some(ServerMessage::UniqueIps(unique)) = client.hear().await else {
        panic!("no unique IPs")
    };
    assert_eq!(unique[0].interface, port("Vlan10"));
    for message in SONIC {
        client.send(message).await;
    }
    rig.until("captured stream", is_as_sonic_said).await;
    for message in SONIC_DOWN {
        client.send(message).await;
    }
    rig.until_isolated(false).await;
    let own = Some(Mac([2, 0, 0, 0, 0, 2]));
    let lag = port("PortChannel0001");
    rig.until("session down", |actual| {
        actual.held.is_empty()
            && !actual.is_isolated(&lag)
            && actual.interfaces[&port("Vlan10")].mac == own
    })
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn several_messages_in_one_write_all_count() {
    let rig = Rig::sonic().await;
    let mut client = rig.connect().await;
    client.send(&SONIC.concat()).await;
    rig.until("captured stream", is_as_sonic_said).await;
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 2.4: any split of a message across reads.
#[tokio::test]
async fn a_stream_may_be_cut_at_any_byte() {
    let rig = Rig::sonic().await;
    let lag = port("PortChannel0001");
    let hold = "0107170007000f00506f72744368616e6e656c30303031";
    let pass = "0106170007000f00506f72744368616e6e656c30303031";
    let mut client = rig.connect().await;
    let streams = [
        bytes(&[ISOLATE, hold].concat()),
        bytes(&[ISOLATE_NONE, pass].concat()),
    ];
    for (stream, is_on) in streams.iter().zip([true, false]) {
        for at in 0..=stream.len() {
            // The other state before each cut, so that this one has to come from these bytes.
            let other = &streams[usize::from(is_on)];
            client.stream.write_all(other).await.unwrap();
            let (head, tail) = stream.split_at(at);
            rig.until("before the cut", |a| a.is_isolated(&lag) != is_on)
                .await;
            client.stream.write_all(head).await.unwrap();
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            client.stream.write_all(tail).await.unwrap();
            rig.until(&format!("cut at {at}"), |actual| {
                actual.is_isolated(&lag) == is_on && actual.held.contains(&lag) == is_on
            })
            .await;
        }
    }
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 5.1: pushed on every change; a deletion has neither type nor
/// port; what the client installed is not echoed (`spec/behaviour.md` 9.2).
#[tokio::test]
async fn a_sonic_client_is_pushed_what_changes() {
    let rig = Rig::sonic().await;
    let mut client = rig.connect().await;
    client.send(ISOLATE).await;
    client
        .send("0105280000bb0000000000000a000000506f72744368616e6e656c31303030000000000002000100")
        .await;
    rig.until("installed", |actual| actual.fdb.len() == 1).await;
    rig.recorder.hear(key(7), port("PortChannel0001"));
    let added = client.fdb().await;
    assert_eq!(added.len(), 1);
    assert_eq!((added[0].mac, added[0].op), (key(7).mac, RecordOp::Add));
    rig.recorder.age(key(7));
    let gone = client.fdb().await;
    assert_eq!((gone[0].op, gone[0].port), (RecordOp::Delete, None));
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 5.4.
#[tokio::test]
async fn vlan_members_are_followed_live() {
    let rig = Rig::sonic().await;
    let mut client = rig.connect().await;
    while !matches!(client.hear().await, Some(ServerMessage::UniqueIps(_))) {}
    let interface = InterfaceActual {
        running: true,
        vids: vec![Vid::DEFAULT, Vid::new(10).unwrap()],
        ..InterfaceActual::default()
    };
    rig.recorder
        .set_interface(port("Ethernet8"), Some(interface));
    let Some(ServerMessage::VlanMembers(members)) = client.hear().await else {
        panic!("no VLAN members")
    };
    assert_eq!((members.len(), members[0].vid.get()), (1, 10));
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 1: the next client is accepted when the one before is gone; 7: and
/// told everything again.
#[tokio::test]
async fn one_sonic_client_at_a_time_and_each_is_told_everything() {
    let rig = Rig::sonic().await;
    let mut first = rig.connect().await;
    assert!(matches!(first.hear().await, Some(ServerMessage::Domain(_))));
    let mut second = rig.connect().await;
    second.hears_nothing().await;
    first.send(ISOLATE).await;
    rig.until_isolated(true).await;
    drop(first);
    assert!(matches!(
        second.hear().await,
        Some(ServerMessage::Domain(_))
    ));
    // 4.11: the loss of a client is no request.
    let lag = port("PortChannel0001");
    assert!(rig.recorder.actual().is_isolated(&lag));
    second.send(ISOLATE_NONE).await;
    rig.until_isolated(false).await;
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 5.2, 5.3, 5.5: as a SONiC server does when its configuration changes.
#[tokio::test]
async fn a_connected_client_is_told_changed_settings() {
    let mut rig = Rig::sonic().await;
    let mut client = rig.connect().await;
    while !matches!(client.hear().await, Some(ServerMessage::UniqueIps(_))) {}
    client.send(ISOLATE).await;
    rig.until_isolated(true).await;
    rig.reload(|options| {
        let legacy = &mut options.legacy;
        legacy.domain.as_mut().unwrap().peer = None;
        legacy.ports = vec![port("PortChannel0002")];
        legacy.unique_ip.clear();
    })
    .await;
    let Some(ServerMessage::Domain(domain)) = client.hear().await else {
        panic!("no domain")
    };
    assert_eq!(
        (domain[0].op, domain[0].attributes),
        (DomainOp::DeleteAttributes, DomainAttributes::PEER)
    );
    let Some(ServerMessage::Interfaces(ports)) = client.hear().await else {
        panic!("no interfaces")
    };
    let ports: Vec<_> = ports.iter().map(|r| (r.op, r.port)).collect();
    let [old, new] = ["PortChannel0001", "PortChannel0002"].map(port);
    assert_eq!(ports, [(RecordOp::Delete, old), (RecordOp::Add, new)]);
    let Some(ServerMessage::UniqueIps(unique)) = client.hear().await else {
        panic!("no unique IPs")
    };
    assert_eq!(unique[0].op, RecordOp::Delete);
    // It stays isolated until the client says otherwise.
    assert!(rig.recorder.actual().is_isolated(&old));
    client.send(ISOLATE_NONE).await;
    rig.until_isolated(false).await;
    drop(client);
    let mut client = rig.connect().await;
    let Some(ServerMessage::Domain(domain)) = client.hear().await else {
        panic!("no domain")
    };
    assert_eq!((domain[0].op, domain[0].peer), (DomainOp::Add, None));
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 5.1: what is behind the peer link is not this chassis' to tell,
/// from when on a port is the peer link until it no longer is, whoever says so.
#[tokio::test]
async fn what_is_behind_another_peer_link_is_taken_back() {
    let mut rig = Rig::sonic().await;
    for (last, name) in [(1, "po9"), (2, "PortChannel1000")] {
        rig.recorder.hear(key(last), port(name));
    }
    let mut client = rig.connect().await;
    let received = |records: Vec<FdbRecord>| {
        let mut received: Vec<_> = records.iter().map(|r| (r.mac, r.op)).collect();
        received.sort_by_key(|(mac, _)| *mac);
        received
    };
    let (on_po9, on_1000) = (key(1).mac, key(2).mac);
    assert_eq!(received(client.fdb().await), [(on_po9, RecordOp::Add)]);
    rig.reload(|options| options.legacy.peer_link = Some(port("po9")))
        .await;
    assert_eq!(
        received(client.fdb().await),
        [(on_po9, RecordOp::Delete), (on_1000, RecordOp::Add)]
    );
    // The list of a client names PortChannel1000.
    client.send(ISOLATE).await;
    assert_eq!(
        received(client.fdb().await),
        [(on_po9, RecordOp::Add), (on_1000, RecordOp::Delete)]
    );
    rig.stop().await;
}

/// What was restored because no client came is not wanted again when the settings change.
#[tokio::test]
async fn a_restored_dataplane_stays_restored_when_settings_change() {
    let mut rig = Rig::sonic().await;
    let mut client = rig.connect().await;
    client.send(&SONIC.concat()).await;
    rig.until("captured stream", is_as_sonic_said).await;
    drop(client);
    rig.until_gone().await;
    rig.reload(|options| options.restore_after = Some(Duration::ZERO))
        .await;
    rig.until("restored", |actual| actual.filter.is_none())
        .await;
    rig.reload(|options| options.legacy.ports = vec![port("PortChannel0002")])
        .await;
    let joins = InterfaceActual {
        lag: Some(port("PortChannel0002")),
        ..InterfaceActual::default()
    };
    rig.recorder.set_interface(port("Ethernet4"), Some(joins));
    // There is room for one reload to wait: with a third the server has taken the second in.
    rig.reload(|_| {}).await;
    let until = Instant::now() + Duration::from_millis(200);
    while Instant::now() < until {
        assert_eq!(rig.ask().await.ports, []);
        assert!(rig.recorder.actual().filter.is_none());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 2.4: on a malformed header close and listen again; 2.3, 10: skip
/// what is merely unknown.
#[tokio::test]
async fn garbage_ends_a_connection_and_nothing_else() {
    let rig = Rig::sonic().await;
    for garbage in ["01010300", "0101ff7f", "ffffffffffffffff"] {
        let mut client = rig.connect().await;
        client.send(garbage).await;
        assert!(client.is_closed().await, "{garbage}");
    }
    let mut client = rig.connect().await;
    // Unknown type, other version, a name that is none, a sub-option beyond the message.
    client
        .send("016304000208110008000400010000000b00010000")
        .await;
    client.send("01020d000400050061202f6262").await;
    client.send("0107080007000f00").await;
    client.send(ISOLATE).await;
    rig.until_isolated(true).await;
    rig.stop().await;
}

/// Coalesced by address: memory is bounded by the table, and the last state is told.
#[tokio::test]
async fn a_client_that_does_not_read_is_told_the_final_state() {
    const HOSTS: u16 = 3000;
    let rig = Rig::sonic().await;
    let mut client = rig.connect().await;
    client.send(ISOLATE).await;
    rig.until_isolated(true).await;
    for round in 0..20_u16 {
        for host in 0..HOSTS {
            let name = if round % 2 == 0 {
                "Ethernet8"
            } else {
                "PortChannel0001"
            };
            rig.recorder.hear(key(host), port(name));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rig.recorder.age(key(0));
    // Writing to the server goes on all the while.
    client.send(ISOLATE_NONE).await;
    rig.until_isolated(false).await;
    let mut known = HashMap::new();
    let is_done = |known: &HashMap<Mac, IfName>| {
        let lag = port("PortChannel0001");
        known.len() == usize::from(HOSTS) - 1 && known.values().all(|port| *port == lag)
    };
    while !is_done(&known) {
        for FdbRecord { mac, port, op, .. } in client.fdb().await {
            match op {
                RecordOp::Add => known.insert(mac, port.unwrap()),
                RecordOp::Delete => known.remove(&mac),
            };
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn the_captured_stream_of_a_linux_mclag_client_has_effect() {
    let rig = Rig::start(&[Some(Dialect::LinuxMclag)]).await;
    rig.recorder.hear(key(9), port("PortChannel0001"));
    let mut client = rig.connect_to(0, Dialect::LinuxMclag).await;
    for message in LINUX_MCLAG {
        client.send(message).await;
    }
    let lag = port("PortChannel0001");
    let tracked = |actual: &Actual, mac| {
        let vid = Vid::new(10).unwrap();
        let entry = actual.fdb.get(&FdbKey { vid, mac: Mac(mac) });
        entry.is_some_and(|entry| entry.is_ours() && entry.port == lag)
    };
    rig.until("captured stream", |actual| {
        actual.is_isolated(&lag)
            && tracked(actual, [2, 0, 0, 0, 1, 1])
            && tracked(actual, [0, 0xaa, 0, 0, 0, 1])
            && !actual.fdb.contains_key(&key(9))
            && actual.interfaces[&port("Vlan10")].mac == Some(Mac([2, 0, 0, 0, 0, 1]))
    })
    .await;
    // Nothing is told unasked, and nothing if nothing changed.
    client.hears_nothing().await;
    client.send("01140400").await;
    client.hears_nothing().await;
    rig.recorder.hear(key(9), port("Ethernet8"));
    client.send("01140400").await;
    let received = client.fdb().await;
    assert_eq!((received.len(), received[0].mac), (1, key(9).mac));
    rig.recorder.age(key(9));
    client.send("01140400").await;
    let received = client.fdb().await;
    // 5.1: a deletion has its port in this dialect.
    let port = Some(port("Ethernet8"));
    assert_eq!((received[0].op, received[0].port), (RecordOp::Delete, port));
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 9.3: the generation between the two has the address of sonic, and its
/// first record of 48 bytes gives it away; from then on it is polled, and its records are as wide.
#[tokio::test]
async fn a_client_of_the_intermediate_generation_is_recognised_at_the_address_of_sonic() {
    let rig = Rig::sonic().await;
    let mut client = rig.connect_to(0, Dialect::Intermediate).await;
    let record = FdbRecord {
        mac: key(1).mac,
        vid: key(1).vid,
        port: Some(port("PortChannel0001")),
        kind: FdbKind::Dynamic,
        op: RecordOp::Add,
    };
    let message = ClientMessage::SetFdb(vec![record]);
    let message = message.encode(Dialect::Intermediate).unwrap();
    assert_eq!(message.len(), 4 + 48);
    client.stream.write_all(&message).await.unwrap();
    rig.until("record", |a| a.fdb.contains_key(&key(1))).await;
    assert_eq!(rig.ask().await.clients[0].speaks, "intermediate");
    rig.recorder.hear(key(7), port("Ethernet8"));
    rig.until("heard", |a| a.fdb.contains_key(&key(7))).await;
    client.send("01140400").await;
    let received = client.fdb().await;
    let received: Vec<_> = received.iter().map(|r| (r.mac, r.port, r.op)).collect();
    assert_eq!(
        received,
        [(key(7).mac, Some(port("Ethernet8")), RecordOp::Add)]
    );
    rig.recorder.age(key(7));
    client.hears_nothing().await;
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 4.3, 4.5, 4.7: what a client installed as dynamic is flushed with what
/// was learned; what it installed as static is not.
#[tokio::test]
async fn a_flush_takes_what_clients_installed_as_dynamic() {
    let rig = Rig::start(&[Some(Dialect::LinuxMclag)]).await;
    let mut client = rig.connect_to(0, Dialect::LinuxMclag).await;
    let [here, there] = ["PortChannel0001", "PortChannel1000"].map(port);
    let flush_port = ClientMessage::FlushFdbByPort { port: here };
    let left_by_port = [key(2), key(3), key(4)];
    for (flush, left) in [
        (flush_port, &left_by_port[..]),
        (ClientMessage::FlushFdb, &left_by_port[..1]),
    ] {
        let installed = [
            (key(1), here, FdbKind::Dynamic),
            (key(2), here, FdbKind::Static),
            (key(3), there, FdbKind::Dynamic),
        ];
        let records = installed.map(|(FdbKey { mac, vid }, port, kind)| FdbRecord {
            mac,
            vid,
            port: Some(port),
            kind,
            op: RecordOp::Add,
        });
        rig.recorder.hear(key(4), port("Ethernet8"));
        rig.recorder.hear(key(5), here);
        rig.until("heard", |a| a.fdb.len() >= 2).await;
        // One write: what is said before counts.
        let messages = [ClientMessage::SetFdb(records.to_vec()), flush];
        let messages = messages.map(|m| m.encode(Dialect::LinuxMclag).unwrap());
        client.stream.write_all(&messages.concat()).await.unwrap();
        rig.until("flushed", |a| {
            let keys: std::collections::BTreeSet<_> = a.fdb.keys().copied().collect();
            keys == left.iter().copied().collect()
        })
        .await;
    }
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 1: each connection has its own private FDB cache.
#[tokio::test]
async fn linux_mclag_clients_have_a_base_of_comparison_each() {
    let rig = Rig::start(&[Some(Dialect::LinuxMclag)]).await;
    rig.recorder.hear(key(1), port("Ethernet8"));
    for _ in 0..3 {
        let mut client = rig.connect_to(0, Dialect::LinuxMclag).await;
        client.send("01140400").await;
        assert_eq!(client.fdb().await.len(), 1);
    }
    let mut clients = Vec::new();
    for _ in 0..crate::legacy::MAX_CLIENTS {
        let mut client = rig.connect_to(0, Dialect::LinuxMclag).await;
        client.send("01140400").await;
        assert_eq!(client.fdb().await.len(), 1);
        clients.push(client);
    }
    let mut one_too_many = rig.connect_to(0, Dialect::LinuxMclag).await;
    assert!(one_too_many.is_closed().await);
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 2.4: at most 56 records in a message. The time between two is tested
/// on the connection, with a clock of its own.
#[tokio::test]
async fn a_large_answer_to_a_poll_is_sent_in_parts() {
    let rig = Rig::start(&[Some(Dialect::LinuxMclag)]).await;
    for host in 0..120 {
        rig.recorder.hear(key(host), port("Ethernet8"));
    }
    let mut client = rig.connect_to(0, Dialect::LinuxMclag).await;
    client.send("01140400").await;
    for expected in [56, 56, 8] {
        assert_eq!(client.fdb().await.len(), expected);
    }
    rig.stop().await;
}

/// `spec/mclagsyncd-protocol.md` 9.1: an address that says nothing.
#[tokio::test]
async fn the_dialect_is_told_from_what_is_said_where_the_address_does_not_tell() {
    let rig = Rig::start(&[None]).await;
    rig.recorder.hear(key(1), port("Ethernet8"));
    let mut client = rig.connect().await;
    client.hears_nothing().await;
    client.send("0108110008000400010000000b00010000").await;
    assert!(matches!(
        client.hear().await,
        Some(ServerMessage::Domain(_))
    ));
    assert_eq!(client.fdb().await.len(), 1);
    drop(client);
    let mut client = rig.connect_to(0, Dialect::LinuxMclag).await;
    client.send("01140400").await;
    assert_eq!(client.fdb().await.len(), 1);
    drop(client);
    // A silent one is told the settings after a while, and no forwarding entries.
    let mut client = rig.connect().await;
    assert!(matches!(
        client.hear().await,
        Some(ServerMessage::Domain(_))
    ));
    rig.stop().await;
}

#[tokio::test]
async fn only_one_kind_of_client_at_a_time_says_what_is_wanted() {
    let rig = Rig::sonic().await;
    let hello = v2::ClientMessage::Hello(v2::ClientHello {
        versions: v2::VERSION..=v2::VERSION,
        capabilities: v2::Capabilities::empty(),
        software: "test".to_owned(),
        events_up_to: 0,
    });
    let hello = hello.encode().unwrap();
    let mut legacy = rig.connect().await;
    assert!(legacy.hear().await.is_some());
    // A legacy client takes a bond without carrier for down and would never enable it.
    let disable = ClientMessage::TrafficDistribution {
        port: port("PortChannel0001"),
        is_enabled: false,
    };
    let disable = disable.encode(Dialect::Sonic).unwrap();
    legacy.stream.write_all(&disable).await.unwrap();
    rig.until_held("PortChannel0001", true).await;
    let mut ours = UnixStream::connect(rig.dir.join("sock")).await.unwrap();
    ours.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(SOON, ours.read_to_end(&mut answer)).await;
    assert!(read.is_ok());
    assert_eq!(answer[1], 0x84, "{answer:?}");
    drop(legacy);
    // The server hears of the end of the one before it answers the other.
    let mut ours = loop {
        let mut ours = UnixStream::connect(rig.dir.join("sock")).await.unwrap();
        ours.write_all(&hello).await.unwrap();
        let mut header = [0; 4];
        timeout(SOON, ours.read_exact(&mut header))
            .await
            .unwrap()
            .unwrap();
        if header[1] == 0x81 {
            break ours;
        }
    };
    let want = PortWant {
        isolation: Isolation::Keep,
        traffic: Traffic::Held,
        redirect: false,
        system_mac: None,
    };
    let domain = DomainWant {
        bridge: port("br0"),
        peer_link: Some(port("Ethernet0")),
        peer_link_learning: true,
    };
    let batch = v2::ClientMessage::Batch {
        number: 1,
        ops: vec![
            Op::Domain(domain),
            Op::Port {
                port: port("Ethernet8"),
                want,
            },
        ],
    };
    ours.write_all(&batch.encode().unwrap()).await.unwrap();
    rig.until_held("Ethernet8", false).await;
    let mut legacy = rig.connect().await;
    assert!(legacy.is_closed().await);
    let bye = v2::ClientMessage::Bye.encode().unwrap();
    ours.write_all(&bye).await.unwrap();
    let mut legacy = loop {
        let mut legacy = rig.connect().await;
        if legacy.hear().await.is_some() {
            break legacy;
        }
    };
    legacy.send(ISOLATE).await;
    rig.until_isolated(true).await;
    rig.stop().await;
}

#[tokio::test]
async fn what_the_next_client_does_not_say_again_goes_when_it_is_synchronised() {
    let rig = Rig::sonic().await;
    let mut client = rig.connect().await;
    client.send(&SONIC.concat()).await;
    rig.until("captured stream", is_as_sonic_said).await;
    drop(client);
    let mut client = rig.connect().await;
    let renewed =
        "0105280000bb0000000000000a000000506f72744368616e6e656c31303030000000000002000100";
    client.send(renewed).await;
    client.send("0108110008000400010000000b00010001").await;
    client.send(ISOLATE_NONE).await;
    rig.until_isolated(false).await;
    assert_eq!(
        rig.recorder.actual().fdb.len(),
        3,
        "two hosts and an address"
    );
    tokio::time::pause();
    tokio::time::advance(SWEEP_AFTER).await;
    tokio::time::resume();
    let own = Some(Mac([2, 0, 0, 0, 0, 2]));
    rig.until("sweep", |actual| {
        actual.fdb.len() == 1 && actual.interfaces[&port("Vlan10")].mac == own
    })
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn the_dataplane_is_shown_without_an_iccpd_of_ours() {
    let rig = Rig::sonic().await;
    let mut client = rig.connect().await;
    client.send(&SONIC.concat()).await;
    rig.until("captured stream", is_as_sonic_said).await;
    let shown = rig.ask().await;
    assert_eq!(shown.clients[0].speaks, "sonic");
    let pair = shown.pair.unwrap();
    assert_eq!((pair.active, pair.up), (Some(false), Some(true)));
    assert_eq!(pair.system_mac, Some(Mac([2, 0, 0, 0, 0, 1])));
    let lag = &shown.ports[0];
    assert_eq!(
        (lag.name, lag.isolated, lag.held),
        (port("PortChannel0001"), true, true)
    );
    assert!(!shown.remote_ports[0].up);
    assert_eq!(shown.entries.wanted, 2);
    assert_eq!(shown.interfaces[0].vid, Vid::new(10));
    drop(client);
    // `spec/mclagsyncd-protocol.md` 4.11: the state is unknown then.
    let gone = async {
        while rig.ask().await.pair.unwrap().up.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, gone).await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn an_operator_who_asks_nonsense_is_told_so() {
    let rig = Rig::sonic().await;
    let mut stream = UnixStream::connect(rig.dir.join("ctl")).await.unwrap();
    stream
        .write_all(b"{\"request\":\"status\"}\n")
        .await
        .unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(&mut stream);
    timeout(SOON, reader.read_line(&mut line))
        .await
        .unwrap()
        .unwrap();
    assert!(
        line.starts_with(r#"{"reply":"error","message":"cannot read"#),
        "{line}"
    );
    rig.stop().await;
}

/// Names of a list mean others when the members of a LAG change, without a message.
#[tokio::test]
async fn a_port_that_joins_a_lag_is_no_longer_isolated_by_itself() {
    let rig = Rig::start(&[Some(Dialect::LinuxMclag)]).await;
    let mut client = rig.connect_to(0, Dialect::LinuxMclag).await;
    let [member, lag] = ["Ethernet4", "PortChannel0001"].map(port);
    let set = |lag| {
        let interface = InterfaceActual {
            running: true,
            lag,
            ..InterfaceActual::default()
        };
        rig.recorder.set_interface(member, Some(interface));
    };
    set(None);
    client.send(LINUX_MCLAG[3]).await;
    rig.until("by its name", |actual| actual.is_isolated(&member))
        .await;
    set(Some(lag));
    rig.until("by its LAG", |actual| {
        actual.is_isolated(&lag) && !actual.is_isolated(&member)
    })
    .await;
    rig.stop().await;
}
