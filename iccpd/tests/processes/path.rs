//! Keepalives between two daemons.

use super::*;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

const NETWORK: u8 = 41;

fn settings(place: &TempDir, node: u8, path: &str) -> String {
    let (local, peer) = (address(NETWORK, node), address(NETWORK, 3 - node));
    let in_place = |name: &str| place.path(&format!("{name}{node}.sock"));
    format!(
        r#"
        [domain]
        id = 7
        local = "{local}"
        peer = "{peer}"
        tcp-port = {PORT}
        ttl-security = true
        key-file = "{}"
        bridge = "br-absent"
        peer-link = "peer-absent"
        ports = []
        keepalive = "1m"
        session-timeout = "5m"
        {path}
        [syncd]
        socket = "{}"
        [control]
        socket = "{}"
        "#,
        place.path("key").display(),
        in_place("syncd").display(),
        in_place("control").display(),
    )
}

/// A path of its own address and port, on which a daemon may be late.
fn path(node: u8) -> String {
    format!(
        "[[domain.path]]\naddress = \"{}\"\nlocal-address = \"{}\"\nport = 15343\nmultiplier = 10\n",
        address(NETWORK + 1, 3 - node),
        address(NETWORK + 1, node)
    )
}

fn has_state(state: &'static str) -> impl Fn(&Value) -> bool {
    move |peer| peer["paths"][0]["state"] == state
}

/// Input: two daemons with a path; one stands still, goes on, and is told to have no path any more. Output: the path is
/// alive, dead, alive and dead at the other one, which says so in its log; its session is no matter.
#[test]
fn a_path_is_alive_while_the_other_daemon_is() {
    let place = TempDir::new("iccpd-path");
    let key = place.write("key", "secret\n");
    set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    obliging_syncd(&place.path("syncd2.sock"), 0);
    let [one, two] = [1, 2].map(|node| {
        let name = format!("iccpd{node}.toml");
        let file = place.write(&name, &settings(&place, node, &path(node)));
        Daemon::run(
            &place,
            node,
            &file,
            place.path(&format!("control{node}.sock")),
        )
    });
    let peer = one.wait("peer", |peer| {
        has_state("alive")(peer) && peer["paths"][0]["syncd_age_ms"].is_u64()
    });
    let path = &peer["paths"][0];
    assert_eq!(path["detection_ms"], 1000, "{path}");
    assert!(path["round_trip_us"].is_u64(), "{path}");
    // It has nothing to do for a minute, and turns all the same.
    one.wait("peer", |peer| {
        let path = &peer["paths"][0];
        let [age, alive] = ["core_age_ms", "state_for_ms"].map(|name| path[name].as_u64());
        alive >= Some(3000) && age < Some(1000)
    });
    let peer = two.wait("peer", has_state("alive"));
    assert!(peer["paths"][0]["syncd_age_ms"].is_null(), "{peer}");
    let text_of = |daemon: &Daemon| text(&mclagctl(&daemon.control, &["peer"]).stdout).to_owned();
    assert!(text_of(&one).contains("\nPath "), "{}", text_of(&one));

    two.signal(Signal::SIGSTOP);
    one.wait("peer", has_state("dead"));
    two.signal(Signal::SIGCONT);
    one.wait("peer", has_state("alive"));

    place.write("iccpd2.toml", &settings(&place, 2, ""));
    two.signal(Signal::SIGHUP);
    two.wait("peer", |peer| {
        peer["paths"].as_array().is_some_and(Vec::is_empty)
    });
    one.wait("peer", has_state("dead"));
    let log = one.log();
    for (state, times) in [("to=alive", 2), ("to=dead", 2)] {
        let lines = log
            .lines()
            .filter(|line| line.contains("path state changed"));
        let lines = lines.filter(|line| line.contains(state)).count();
        assert!(lines >= times, "{state}: {log}");
    }
}
