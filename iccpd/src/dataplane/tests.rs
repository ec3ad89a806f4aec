//! A `syncd` that says what each test wants it to say.

use super::*;
use crate::syncd::tests::Server;
use iccp_core::OnLoss;
use mclag_proto::DomainId;
use mclag_proto::sync::model::Abilities;
use mclag_proto::sync::settings::{DomainSettings, Setting};
use mclag_proto::sync::v2::ServerMessage;
use mclag_test_support::TempDir;
use tokio::net::UnixListener;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn told() -> PairSettings {
    PairSettings {
        domain: DomainSettings {
            domain: DomainId::new(7).unwrap(),
            local: [10, 0, 0, 1].into(),
            peer: [10, 0, 0, 2].into(),
            peer_link: None,
            system_mac: None,
            keepalive_s: None,
            session_timeout_s: None,
        },
        ports: ["PortChannel1"].map(name).into(),
        unique_ip: ["Vlan10"].map(name).into(),
    }
}

const NODE: Mac = Mac([2, 0, 0, 0, 0, 9]);

fn defaults() -> LocalDefaults {
    LocalDefaults {
        chassis: Chassis {
            on_loss: OnLoss::Release,
            ..Chassis::default()
        },
        bridge: name("Bridge"),
        node_mac: NODE,
    }
}

#[test]
fn what_is_not_told_has_its_default() {
    let config = defaults().config(told());
    assert_eq!(config.keepalive, Config::KEEPALIVE);
    assert_eq!(config.session_timeout, Config::SESSION_TIMEOUT);
    assert_eq!(config.node_mac, NODE);
    assert_eq!(config.on_loss, OnLoss::Release);
    assert_eq!(config.bridge, name("Bridge"));
}

#[test]
fn what_is_told_is_used() {
    let mut settings = told();
    settings.domain.peer_link = Some(name("PortChannel10"));
    settings.domain.system_mac = Some(Mac([2, 0, 0, 0, 0, 1]));
    settings.domain.keepalive_s = Some(2);
    settings.domain.session_timeout_s = Some(30);
    let config = defaults().config(settings);
    assert_eq!(config.domain, DomainId::new(7).unwrap());
    assert_eq!(config.keepalive, Duration::from_secs(2));
    assert_eq!(config.session_timeout, Duration::from_secs(30));
    assert_eq!(config.node_mac, Mac([2, 0, 0, 0, 0, 1]));
    assert_eq!(config.system_mac, None);
    assert_eq!(config.peer_link, Some(name("PortChannel10")));
    assert_eq!(config.ports, ["PortChannel1"].map(name).into());
    assert_eq!(config.unique_ip, ["Vlan10"].map(name).into());
    let ends = [config.local, config.peer].map(|end| end.to_string());
    assert_eq!(ends, ["10.0.0.1", "10.0.0.2"]);
}

/// A dataplane at a socket of its own, connected, and the other end.
async fn connected(test: &str) -> (Dataplane, Server, UnixListener, TempDir) {
    let socket = TempDir::new(test);
    let listener = UnixListener::bind(socket.path("sock")).unwrap();
    let syncd = settings::Syncd {
        socket: socket.path("sock"),
        names_pair: true,
        user: None,
    };
    let mut dataplane = Dataplane::new(&syncd, Chassis::default(), name("Bridge"), NODE);
    let server = greeted(&mut dataplane, &listener).await;
    (dataplane, server, listener, socket)
}

/// The other end of the next connection.
async fn greeted(dataplane: &mut Dataplane, listener: &UnixListener) -> Server {
    let serving = async {
        let mut server = Server::accept(listener).await;
        server.greet_as(4, Abilities::default()).await;
        server
    };
    let (server, up) = tokio::join!(serving, next(dataplane));
    assert!(
        matches!(up, DataplaneEvent::Input(Input::SyncdUp { .. })),
        "{up:?}"
    );
    server
}

async fn next(dataplane: &mut Dataplane) -> DataplaneEvent {
    let next = timeout(PATIENCE, dataplane.next()).await;
    next.expect("something happens")
}

/// The age of its last word goes to the peer with each keepalive, and none while it is not there.
#[tokio::test]
async fn it_was_heard_only_while_it_is_connected() {
    let (mut dataplane, server, listener, _socket) = connected("dataplane-heard").await;
    let first = dataplane.last_heard();
    assert!(first.is_some());
    drop(server);
    let down = next(&mut dataplane).await;
    assert!(
        matches!(down, DataplaneEvent::Input(Input::SyncdDown)),
        "{down:?}"
    );
    assert_eq!(dataplane.last_heard(), None);
    let _server = greeted(&mut dataplane, &listener).await;
    assert!(dataplane.last_heard() > first);
}

async fn say(server: &mut Server, events: Vec<Event>) {
    let message = ServerMessage::Events { number: 1, events };
    server.send(&message).await;
}

/// `docs/mclagsyncd-v2.md` 7.1: what makes no sense ends the connection.
#[tokio::test]
async fn settings_of_the_pair_arrive_from_syncd() {
    let (mut dataplane, mut server, _listener, _socket) = connected("dataplane-settings").await;
    let mut events: Vec<Event> = PairSettings::events(Some(&told())).collect();
    events.extend(PairSettings::events(None));
    // An end without a beginning.
    events.push(Event::Settings(Setting::End));
    say(&mut server, events).await;
    let DataplaneEvent::Settings(Some(config)) = next(&mut dataplane).await else {
        panic!("no settings");
    };
    assert_eq!(config.domain, told().domain.domain);
    assert_eq!((config.bridge, config.node_mac), (name("Bridge"), NODE));
    assert_eq!(config.ports, told().ports);
    assert!(matches!(
        next(&mut dataplane).await,
        DataplaneEvent::Settings(None)
    ));
    let down = next(&mut dataplane).await;
    assert!(
        matches!(down, DataplaneEvent::Input(Input::SyncdDown)),
        "{down:?}"
    );
}

/// A pair that comes about later than the connection hears nothing of what was said before, and
/// everything again.
#[tokio::test]
async fn everything_is_said_again_to_who_starts_again() {
    let (mut dataplane, mut server, listener, _socket) = connected("dataplane-again").await;
    let mut events: Vec<Event> = PairSettings::events(Some(&told())).collect();
    events.extend([Event::SnapshotBegin, Event::SnapshotEnd]);
    say(&mut server, events).await;
    let told_settings = next(&mut dataplane).await;
    assert!(matches!(told_settings, DataplaneEvent::Settings(Some(_))));
    dataplane.start_again();
    let down = next(&mut dataplane).await;
    assert!(
        matches!(down, DataplaneEvent::Input(Input::SyncdDown)),
        "{down:?}"
    );
    assert!(dataplane.ready().is_none(), "what was for nobody is gone");
    greeted(&mut dataplane, &listener).await;
}
