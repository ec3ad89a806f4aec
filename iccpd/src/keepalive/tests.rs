use super::*;
use crate::peer::Signing;
use mclag_netlink::tcp::Key;
use mclag_proto::ctl::PathState;
use mclag_test_support::eventually;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// A pair of addresses of the loopback for each test.
fn ends(test: u8) -> [IpAddr; 2] {
    let process = std::process::id().to_le_bytes()[0] % 200 + 10;
    [1, 2].map(|host| IpAddr::from([127, process, 100 + test, host]))
}

fn signed(key: &str) -> Protection {
    Protection {
        full_ttl: true,
        signing: Signing::Md5(Key::new(key.as_bytes()).unwrap()),
    }
}

fn path(from: IpAddr, to: IpAddr) -> PathSettings {
    PathSettings {
        address: to,
        local: Some(from),
        device: None,
        port: 15_342,
        interval: Duration::from_millis(50),
        multiplier: 10,
    }
}

/// A chassis whose daemon completes its turns.
fn start(from: IpAddr, to: IpAddr, key: &str) -> Keepalives {
    let mut keepalives = Keepalives::new(Instant::now());
    keepalives.follow(DomainId::new(10), &signed(key), &[path(from, to)]);
    keepalives.turned(Some(Instant::now()));
    keepalives
}

fn only(keepalives: &Keepalives) -> PathStatus {
    let [path] = keepalives.status().try_into().unwrap();
    path
}

fn is(keepalives: &Keepalives, state: PathState) -> bool {
    only(keepalives).state == state
}

fn refused(keepalives: &Keepalives, name: &str) -> u64 {
    let refused = only(keepalives).refused;
    let counter = refused.iter().find(|counter| counter.name == name);
    counter.map_or(0, |counter| counter.value)
}

/// Input: two chassis, of which neither's runtime comes to do anything. Output: the path stays alive on both, and the age of
/// the core's last turn shows it; the path is dead when the other one stops.
#[tokio::test(flavor = "current_thread")]
async fn a_busy_runtime_delays_no_keepalive() {
    let [a, b] = ends(1);
    let (one, two) = (start(a, b, "key"), start(b, a, "key"));
    eventually("alive on both", || {
        is(&one, PathState::Alive) && is(&two, PathState::Alive)
    });
    let hung = only(&one).detection_ms * 4;
    // This waits on the thread of the runtime.
    eventually("alive for long", || {
        let is_so = |end| is(end, PathState::Alive) && only(end).state_for_ms >= hung;
        is_so(&one) && is_so(&two)
    });
    for end in [&one, &two] {
        let path = only(end);
        assert!(path.core_age_ms >= Some(hung), "{path:?}");
        assert!(path.syncd_age_ms >= Some(hung), "{path:?}");
        assert!(
            path.round_trip_us.is_some() && path.lost_of > 10,
            "{path:?}"
        );
    }
    one.turned(None);
    eventually("a turn, and no syncd any more", || {
        let path = only(&two);
        path.core_age_ms < Some(hung) && path.syncd_age_ms.is_none()
    });
    drop(one);
    eventually("dead", || is(&two, PathState::Dead));
}

/// Input: the two have different keys, then the same, by a change on one. Output: refused, then alive, in the same run.
#[test]
fn another_key_is_refused_until_it_is_the_same() {
    let [a, b] = ends(2);
    let (one, mut two) = (start(a, b, "key"), start(b, a, "other"));
    eventually("refused", || {
        refused(&one, "wrong key") > 3 && refused(&two, "wrong key") > 3
    });
    assert!(is(&one, PathState::Unknown) && is(&two, PathState::Unknown));
    two.follow(DomainId::new(10), &signed("key"), &[path(b, a)]);
    eventually("alive", || {
        is(&one, PathState::Alive) && is(&two, PathState::Alive)
    });
    assert!(refused(&two, "wrong key") > 3, "the path is the same");
    // Without a pair there is no path.
    two.follow(None, &signed("key"), &[path(b, a)]);
    assert_eq!(two.status(), []);
    eventually("dead", || is(&one, PathState::Dead));
}

/// Input: datagrams of the wrong source, hop limit, length and version, and one of another pair. Output: each is counted as
/// what it is.
#[test]
fn what_is_no_keepalive_is_counted_by_kind() {
    let [a, b] = ends(3);
    let one = start(a, b, "key");
    let to = SocketAddr::new(a, 15_342);
    let peer = UdpSocket::bind((b, 15_342)).unwrap();
    eventually("it listens", || {
        UdpSocket::bind((a, 15_342)).is_err() && only(&one).error.is_none()
    });
    let send = |socket: &UdpSocket, datagram: &[u8]| {
        socket.send_to(datagram, to).unwrap();
    };
    let mut version = [0; seal::LEN];
    version[0] = 2;
    let known = [1; seal::LEN];
    send(&peer, &known);
    eventually("a router", || refused(&one, "forwarded by a router") == 1);
    peer.set_ttl(255).unwrap();
    send(&peer, &version);
    send(&peer, &known[1..]);
    send(&peer, &[]);
    send(&peer, &[1; seal::LEN + 1]);
    send(&peer, &[1; 1400]);
    send(&peer, &known);
    let stranger = UdpSocket::bind((b, 0)).unwrap();
    stranger.set_ttl(255).unwrap();
    send(&stranger, &known);
    let expected = [
        ("unknown source", 1),
        ("forwarded by a router", 1),
        ("unknown version", 1),
        ("too short", 2),
        ("too long", 2),
        ("wrong key", 1),
    ];
    eventually("all are counted", || {
        let all = only(&one).refused;
        let all: Vec<_> = all.iter().map(|c| (c.name.as_str(), c.value)).collect();
        all == expected
    });
    assert!(is(&one, PathState::Unknown));
}

/// Input: the other end sends back what it is sent. Output: what comes back is known as our own.
#[test]
fn what_is_thrown_back_is_no_peer() {
    let [a, b] = ends(4);
    let one = start(a, b, "key");
    let mirror = UdpSocket::bind((b, 15_342)).unwrap();
    mirror.set_ttl(255).unwrap();
    let mut datagram = [0; 2000];
    eventually("thrown back", || {
        let (len, from) = mirror.recv_from(&mut datagram).unwrap();
        assert_eq!(len, seal::LEN);
        mirror.send_to(&datagram[..len], from).unwrap();
        refused(&one, "our own") > 3
    });
    assert!(is(&one, PathState::Unknown));
}

/// Input: a path whose own address is not there. Output: that is shown, and nothing is alive.
#[test]
fn an_address_that_is_missing_is_named() {
    let one = start(
        "192.0.2.77".parse().unwrap(),
        "192.0.2.78".parse().unwrap(),
        "key",
    );
    eventually("it says why", || {
        only(&one).error.as_deref() == Some("its local address is missing here")
    });
    assert!(is(&one, PathState::Unknown));
}
