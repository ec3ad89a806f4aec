//! The backend against the running kernel.
//!
//! As in `proto/netlink/tests/kernel`: a namespace for each test, and one that cannot run here says so
//! and passes. The lab runs the same binary on a kernel that has everything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use mclag_netlink::nft::{Filter, TableName};
use mclag_netlink::{
    Activity, FdbAction, FdbOp, Kernel, LinkKind, MIN_LINKS_HOLD, McastRouter, Op,
};
use mclag_proto::sync::model::{
    DomainWant, Event, FdbKey, FdbKind, FdbWant, Isolation, Observation, Op as WantOp, OpError,
    OpErrorCode, PortWant, Section, Traffic,
};
use mclag_proto::{IfName, Mac, Vid};
use nix::sched::{CloneFlags, unshare};
use syncd::backend::linux::LinuxBackend;
use syncd::backend::{Backend, BackendEvent};
use syncd::dataplane::{Action, InterfaceActual};
use syncd::reconcile::{Originals, Reconciler};
use tokio::task::yield_now;
use tokio::time::timeout;

/// What has to happen, happens within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Run a test in a thread and network namespace of its own, after these commands of `ip`.
fn in_namespace(name: &'static str, commands: &'static [&str], test: impl AsyncFnOnce() + Send) {
    let body = || {
        if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
            eprintln!("{name}: skipped: no network namespace of its own: {errno}");
            return;
        }
        for command in commands {
            if let Err(text) = ip(command) {
                assert!(
                    text.contains("not supported") || text.contains("Unknown device type"),
                    "{command}: {text}"
                );
                eprintln!("{name}: skipped: {command}: {text}");
                return;
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(test());
    };
    thread::scope(|scope| {
        if let Err(panic) = scope.spawn(body).join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Input: entries of ours on a port that was taken out of their VLAN, and on one that left the bridge. Output: they can be
/// removed without an error, and none is left; where no port has the VLAN that is refused, and tried again.
#[test]
fn an_entry_on_a_port_without_its_vlan_is_removed() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge vlan_filtering 1",
        "link add swp1 type dummy",
        "link add swp2 type dummy",
        "link set swp1 master br0 up",
        "link set swp2 master br0 up",
        "link set br0 up",
    ];
    in_namespace("entries without a VLAN", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let (port, vid) = (name("swp1"), Vid::new(20).expect("a VLAN"));
        let keys = [1, 2].map(|last| FdbKey {
            vid,
            mac: Mac([2, 0, 0, 0, 0, last]),
        });
        let mut backend = LinuxBackend::open().expect("a backend");
        for port in ["swp1", "swp2"] {
            bridge(&format!("vlan add dev {port} vid 20")).expect("a VLAN");
        }
        backend.snapshot(Some(name("br0"))).await.expect("a look");
        let install = |key| Action::FdbInstall {
            key,
            port,
            active: false,
            sticky: false,
        };
        let remove = keys.map(|key| Action::FdbDelete { key, port });
        let vlan = |verb: &str, port: &str| bridge(&format!("vlan {verb} dev {port} vid 20"));
        let results = backend.apply(&keys.map(install)).await;
        assert_eq!(results, [Ok(()), Ok(())]);
        for port in ["swp1", "swp2"] {
            vlan("del", port).expect("no VLAN");
            vlans_until(&mut backend, port, 1).await;
        }
        // Of a port that loses its last one the kernel tells no list.
        bridge("vlan del dev swp1 vid 1").expect("no VLAN");
        vlans_until(&mut backend, "swp1", 0).await;
        let results = backend.apply(&remove).await;
        let is_refused = |result: &Result<(), OpError>| {
            let error = result.as_ref().err();
            error.is_some_and(|error| error.code == OpErrorCode::Refused)
        };
        assert!(results.iter().all(is_refused), "{results:?}");
        vlan("add", "swp2").expect("a VLAN");
        vlans_until(&mut backend, "swp2", 2).await;
        assert_eq!(entries(&keys).await, 2);
        assert_eq!(backend.apply(&remove).await, [Ok(()), Ok(())]);
        assert_eq!(entries(&keys).await, 0);

        vlan("add", "swp1").expect("a VLAN");
        vlans_until(&mut backend, "swp1", 1).await;
        assert_eq!(backend.apply(&keys.map(install)).await, [Ok(()), Ok(())]);
        // Its entries go with it, which nobody has read yet.
        ip("link set swp1 nomaster").expect("no port");
        assert_eq!(backend.apply(&remove[..1]).await, [Ok(())]);
        assert_eq!(entries(&keys).await, 0);
    });
}

/// How many of these are in the table of `br0`.
async fn entries(keys: &[FdbKey]) -> usize {
    let mut kernel = Kernel::open().expect("a handle");
    let bridge = kernel.link(&IfName::new("br0").expect("a name")).await;
    let bridge = bridge.expect("an answer").expect("a bridge").index;
    let table = kernel.fdb(bridge).await.expect("a table");
    let is_meant = |mac: &Mac| keys.iter().any(|key| key.mac == *mac);
    table.iter().filter(|entry| is_meant(&entry.mac)).count()
}

/// Follow the kernel until it has reported that the port carries so many VLANs.
async fn vlans_until(backend: &mut LinuxBackend, port: &str, count: usize) {
    let port = IfName::new(port).expect("a name");
    loop {
        let event = timeout(PATIENCE, backend.next_event()).await;
        let event = event.expect("an event in time").expect("events");
        if let BackendEvent::Interface { interface, actual } = event
            && interface == port
            && actual.is_some_and(|is| is.vids.len() == count)
        {
            return;
        }
    }
}

fn bridge(command: &str) -> Result<(), String> {
    run("bridge", command)
}

fn ip(command: &str) -> Result<(), String> {
    run("ip", command)
}

fn run(program: &str, command: &str) -> Result<(), String> {
    let output = Command::new(program).args(command.split(' ')).output();
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

async fn min_links(bond: IfName) -> u32 {
    let mut kernel = Kernel::open().expect("a handle");
    let link = kernel.link(&bond).await.expect("an answer");
    match link.expect("a bond").kind {
        LinkKind::Bond(bond) => bond.min_links,
        other => panic!("not a bond: {other:?}"),
    }
}

/// Input: the operator changes `min_links`; before its event is read, the bond is held, or released.
/// Output: what he set stays, with what holding adds or without it.
#[test]
fn a_hold_keeps_a_min_links_that_changed_a_moment_ago() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge",
        "link add bond1 type bond mode 802.3ad",
        "link set bond1 master br0",
    ];
    in_namespace("min_links and hold", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let bond = name("bond1");
        let mut backend = LinuxBackend::open().expect("a backend");
        backend.snapshot(Some(name("br0"))).await.expect("a look");

        ip("link set bond1 type bond min_links 2").expect("min_links");
        assert_eq!(
            backend
                .apply(&[Action::Hold {
                    port: bond,
                    keeps_carrier: false
                }])
                .await,
            [Ok(())]
        );
        assert_eq!(min_links(bond).await, MIN_LINKS_HOLD + 2);

        let held = MIN_LINKS_HOLD + 1;
        ip(&format!("link set bond1 type bond min_links {held}")).expect("min_links");
        assert_eq!(
            backend.apply(&[Action::Unhold { port: bond }]).await,
            [Ok(())]
        );
        assert_eq!(min_links(bond).await, 1);
    });
}

/// Input: as above, of two bonds that are held in one go.
#[test]
fn holds_of_several_bonds_keep_what_changed_a_moment_ago() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge",
        "link add bond1 type bond mode 802.3ad",
        "link add bond2 type bond mode 802.3ad",
        "link set bond1 master br0",
        "link set bond2 master br0",
    ];
    in_namespace("min_links and holds", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let bonds = [name("bond1"), name("bond2")];
        let mut backend = LinuxBackend::open().expect("a backend");
        backend.snapshot(Some(name("br0"))).await.expect("a look");
        ip("link set bond1 type bond min_links 2").expect("min_links");
        ip("link set bond2 type bond min_links 3").expect("min_links");
        let hold = |port| Action::Hold {
            port,
            keeps_carrier: false,
        };
        let results = backend.apply(&bonds.map(hold)).await;
        assert_eq!(results, [Ok(()), Ok(())]);
        assert_eq!(min_links(bonds[0]).await, MIN_LINKS_HOLD + 2);
        assert_eq!(min_links(bonds[1]).await, MIN_LINKS_HOLD + 3);
    });
}

/// Input: a VLAN interface of a bond joins a bridge, is renamed, leaves the bridge, and one is deleted in it. Output: the
/// bond is known as one that cannot be a port of the pair, for that interface, as long as it is in the bridge.
#[test]
fn a_vlan_interface_in_a_bridge_is_known_at_the_bond_under_it() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge",
        "link add br10 type bridge",
        "link add bond1 type bond mode 802.3ad",
        "link set bond1 master br0",
        "link add link bond1 name bond1.10 type vlan id 10",
        "link add link br0 name br0.10 type vlan id 10",
        "link set br0.10 master br10",
    ];
    in_namespace("VLAN interfaces", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let mut backend = LinuxBackend::open().expect("a backend");
        let mut reconciler = Reconciler::new(Originals::default());
        let snapshot = backend.snapshot(Some(name("br0"))).await.expect("a look");
        reconciler.adopt_without_table(snapshot.actual);
        let vlan_port = |reconciler: &Reconciler, port| reconciler.actual().vlan_port(&name(port));
        assert_eq!(vlan_port(&reconciler, "bond1"), None);
        assert_eq!(vlan_port(&reconciler, "bond1.10"), Some(name("bond1.10")));
        for (command, expected) in [
            ("link set bond1.10 master br10", Some("bond1.10")),
            ("link set bond1.10 name servers", Some("servers")),
            ("link set servers nomaster", None),
            ("link set servers master br10", Some("servers")),
            ("link del servers", None),
        ] {
            ip(command).expect(command);
            while vlan_port(&reconciler, "bond1") != expected.map(name) {
                let event = timeout(PATIENCE, backend.next_event()).await;
                let event = event.expect("an event in time").expect("events");
                let _ = reconciler.observe(&event);
            }
        }
        assert_eq!(vlan_port(&reconciler, "br0"), None);
    });
}

/// A pair on `br0` with the peer link `peer` and the MLAG port `swp1`, of which this is wanted, carried out.
async fn pair(
    isolation: Isolation,
    traffic: Traffic,
    peer_link_learning: bool,
) -> (LinuxBackend, Reconciler) {
    let name = |text| IfName::new(text).expect("a name");
    let mut backend = LinuxBackend::open().expect("a backend");
    let mut reconciler = Reconciler::new(Originals::default());
    let want = PortWant {
        isolation,
        traffic,
        redirect: false,
        system_mac: None,
    };
    reconciler.accept(&[
        WantOp::SnapshotBegin(Section::Ports),
        WantOp::Domain(DomainWant {
            bridge: name("br0"),
            peer_link: Some(name("peer")),
            peer_link_learning,
        }),
        WantOp::Port {
            port: name("swp1"),
            want,
        },
        WantOp::SnapshotEnd(Section::Ports),
    ]);
    settle(&mut backend, &mut reconciler).await;
    (backend, reconciler)
}

/// Carry out what is wanted, and what follows from it, as the server does.
async fn settle(backend: &mut LinuxBackend, reconciler: &mut Reconciler) {
    if let Some(bridge) = reconciler.needs_snapshot() {
        let snapshot = backend.snapshot(bridge).await.expect("a look");
        reconciler.adopt(snapshot.actual);
    }
    let actions = reconciler.plan();
    let results = backend.apply(&actions).await;
    let _ = reconciler.conclude(&actions, &results);
    backend.follow(&reconciler.followed());
}

/// What the kernel says of a port of a bridge.
async fn mcast_router(port: &str) -> Option<McastRouter> {
    let mut kernel = Kernel::open().expect("a handle");
    let port = IfName::new(port).expect("a name");
    let link = kernel.link(&port).await.expect("an answer");
    link.expect("a port").bridge_port?.mcast_router
}

/// Input: the peer link or an MLAG port gets another name, and then its own again. Output: the filter drops what comes from
/// the one to the other all the same, and names nobody else; the peer link learns nothing.
#[test]
fn isolation_follows_a_peer_link_and_a_port_that_are_renamed() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge",
        "link add peer type veth peer name far1",
        "link add swp1 type veth peer name far2",
        "link set peer master br0",
        "link set swp1 master br0",
    ];
    in_namespace("ports renamed", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let (mut backend, mut reconciler) = pair(Isolation::On, Traffic::Pass, false).await;
        let table = TableName::for_bridge(&name("br0"));
        let mut filter = Filter::open().expect("another handle");
        let mut kernel = Kernel::open().expect("a handle");
        match filter.read(&table).await {
            Ok(Some(_)) => {}
            other => {
                eprintln!("ports renamed: skipped: no filter: {other:?}");
                return;
            }
        }
        for (command, peer_link, port) in [
            ("link set peer name lan9", "lan9", "swp1"),
            ("link set swp1 name host1", "lan9", "host1"),
            ("link set host1 name host2", "lan9", "host2"),
            ("link set lan9 name peer", "peer", "host2"),
            ("link set host2 name swp1", "peer", "swp1"),
        ] {
            ip(command).expect("another name");
            loop {
                let is = filter.read(&table).await.expect("a look");
                let is = is.expect("a filter");
                let is_so = is.peer_link == Some(name(peer_link));
                if is_so && is.isolated == [name(port)].into() {
                    break;
                }
                let event = timeout(PATIENCE, backend.next_event()).await;
                let event = event.expect("an event in time").expect("events");
                let _ = reconciler.observe(&event);
                settle(&mut backend, &mut reconciler).await;
                assert!(reconciler.actual().bridge_port(&name("swp1")).is_some());
            }
            let link = kernel.link(&name(peer_link)).await.expect("an answer");
            let port = link.expect("the peer link").bridge_port;
            assert!(!port.expect("a port").learning);
        }
    });
}

/// Input: a port that is followed gets another name while it is watched, while it is not, and one that another port takes; it
/// is followed no longer. Output: it is the same port to whoever watches it, until another one has the name.
#[test]
fn a_port_that_is_followed_keeps_its_name() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge",
        "link add swp1 type veth peer name far1",
        "link set swp1 master br0",
    ];
    in_namespace("a followed port", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let ports = |reconciler: &Reconciler| -> Vec<String> {
            let ports = reconciler.actual().ports.keys();
            ports.map(|name| name.to_string()).collect()
        };
        let index = |reconciler: &Reconciler, port| {
            let is = reconciler.actual().interfaces.get(&name(port));
            is.and_then(|is| is.index)
        };
        let mut reconciler = Reconciler::new(Originals::default());
        let mut earlier = LinuxBackend::open().expect("a backend");
        let snapshot = earlier.snapshot(Some(name("br0"))).await.expect("a look");
        reconciler.adopt(snapshot.actual);
        let swp1 = index(&reconciler, "swp1");
        ip("link set swp1 name other").expect("another name");

        let mut backend = LinuxBackend::open().expect("a backend");
        backend.follow(&[(name("swp1"), swp1)].into());
        let snapshot = backend.snapshot(Some(name("br0"))).await.expect("a look");
        reconciler.adopt(snapshot.actual);
        assert_eq!(ports(&reconciler), ["swp1"]);
        // What happens; whether the name is followed; what ports are called, and which of them the kernel calls otherwise.
        for (command, follows, expected, kept) in [
            (
                "link set other name host1",
                true,
                &["swp1"][..],
                Some("swp1"),
            ),
            (
                "link add swp2 type veth peer name far2",
                true,
                &["swp1"],
                Some("swp1"),
            ),
            (
                "link set swp2 master br0",
                true,
                &["swp1", "swp2"],
                Some("swp1"),
            ),
            ("link set swp2 name swp1", true, &["host1", "swp1"], None),
            (
                "link set swp1 name swp3",
                true,
                &["host1", "swp1"],
                Some("swp1"),
            ),
            ("link set swp3 name swp4", false, &["host1", "swp4"], None),
        ] {
            ip(command).expect(command);
            if !follows {
                backend.follow(&[].into());
            }
            // What happens to another one comes after it.
            ip("link add last type veth peer name far9").expect("another one");
            while index(&reconciler, "last").is_none() {
                let event = timeout(PATIENCE, backend.next_event()).await;
                let event = event.expect("an event in time").expect("events");
                let _ = reconciler.observe(&event);
            }
            assert_eq!(ports(&reconciler), expected, "{command}");
            let kept = kept.map(|port| (index(&reconciler, port).expect("a number"), name(port)));
            assert_eq!(backend.kept_names(), Vec::from_iter(kept), "{command}");
            ip("link del last").expect("it is gone");
            while index(&reconciler, "last").is_some() {
                let event = timeout(PATIENCE, backend.next_event()).await;
                let event = event.expect("an event in time").expect("events");
                let _ = reconciler.observe(&event);
            }
        }
        assert_eq!(index(&reconciler, "host1"), swp1);
    });
}

/// Input: the bridge of a pair snoops; then it does not, then it does again, and then there is no pair. Output: peer
/// link and MLAG port get all multicast while it snoops and there is a pair, and otherwise what they got before.
#[test]
fn ports_of_the_pair_get_all_multicast_while_the_bridge_snoops() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge mcast_snooping 1",
        "link add peer type veth peer name far1",
        "link add swp1 type veth peer name far2",
        "link add orphan type veth peer name far3",
        "link set peer master br0",
        "link set swp1 master br0",
        "link set orphan master br0",
        "link set swp1 type bridge_slave mcast_router 0",
        "link set br0 up",
    ];
    in_namespace("router ports", DEVICES, async || {
        if mcast_router("peer").await.is_none() {
            eprintln!("router ports: skipped: kernel lacks IGMP snooping");
            return;
        }
        let (mut backend, mut reconciler) = pair(Isolation::Keep, Traffic::Keep, true).await;
        let all = async || {
            [
                mcast_router("peer").await,
                mcast_router("swp1").await,
                mcast_router("orphan").await,
            ]
        };
        let learned = Some(McastRouter::Learned);
        let permanent = Some(McastRouter::Permanent);
        let before = [learned, Some(McastRouter::Disabled), learned];
        let with_pair = [permanent, permanent, learned];
        assert_eq!(all().await, with_pair);
        for (command, expected) in [
            ("link set br0 type bridge mcast_snooping 0", before),
            ("link set br0 type bridge mcast_snooping 1", with_pair),
        ] {
            ip(command).expect("snooping");
            while all().await != expected {
                let event = timeout(PATIENCE, backend.next_event()).await;
                let event = event.expect("an event in time").expect("events");
                let _ = reconciler.observe(&event);
                settle(&mut backend, &mut reconciler).await;
            }
        }
        reconciler.want_nothing();
        settle(&mut backend, &mut reconciler).await;
        assert_eq!(all().await, before);
    });
}

/// Input: somebody deletes all tables, as `nft flush ruleset` does. Output: that is an event of its own, so that
/// the filter is back before anything else is looked at.
#[test]
fn a_filter_that_is_flushed_is_reported_as_that() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge",
        "link add swp1 type veth peer name far1",
        "link set swp1 master br0",
    ];
    in_namespace("filter", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let mut backend = LinuxBackend::open().expect("a backend");
        backend.snapshot(Some(name("br0"))).await.expect("a look");
        let isolate = Action::Isolate { port: name("swp1") };
        let ensure = Action::EnsureFilter { peer_link: None };
        for result in backend.apply(&[ensure, isolate]).await {
            if let Err(error) = result {
                eprintln!("filter: skipped: {error}");
                return;
            }
        }
        let mut other = Filter::open().expect("another handle");
        let table = TableName::for_bridge(&name("br0"));
        other.delete(&table).await.expect("the table is deleted");
        loop {
            match backend.next_event().await.expect("an event") {
                BackendEvent::Filter { filter, held } => {
                    assert_eq!((filter, held.len()), (None, 0));
                    return;
                }
                BackendEvent::Resync { why } => panic!("{why}"),
                _ => {}
            }
        }
    });
}

/// Input: a table of thousands is listed, and with each piece some of it goes and something comes. Output: it is
/// known as it is, though the kernel's listing passes over entries then.
#[test]
fn a_table_that_churns_while_it_is_listed_is_known_as_it_is() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge",
        "link add swp1 type veth peer name far1",
        "link set swp1 master br0",
    ];
    in_namespace("churn", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let mut kernel = Kernel::open().expect("a handle");
        let port = kernel.link(&name("swp1")).await.expect("an answer");
        let port = port.expect("a port").index;
        let host = |number: u16| {
            let [high, low] = number.to_be_bytes();
            Mac([2, 0, 0, 1, high, low])
        };
        let op = |number: u16, action| {
            Op::Fdb(FdbOp {
                mac: host(number),
                vid: None,
                port,
                action,
            })
        };
        let install = FdbAction::SetTracked(Activity::Active);
        let installs: Vec<Op> = (0..4000).map(|number| op(number, install)).collect();
        assert!(kernel.apply(&installs).await.iter().all(Result::is_ok));

        let mut backend = LinuxBackend::open().expect("a backend");
        let mut reconciler = Reconciler::new(Originals::default());
        let snapshot = backend.snapshot(Some(name("br0"))).await.expect("a look");
        assert!(snapshot.table_follows);
        reconciler.adopt_without_table(snapshot.actual);
        let mut pieces = 0_u16;
        while reconciler.is_listing() {
            // As the server does: the kernel has the next piece at once.
            yield_now().await;
            match backend.next_event().await.expect("an event") {
                BackendEvent::Table { entries, is_last } => {
                    let _ = reconciler.take_piece(&entries, is_last);
                    let listed = entries.iter().map(|(key, _)| {
                        let [.., high, low] = key.mac.0;
                        u16::from_be_bytes([high, low])
                    });
                    // The last pass is one without churn.
                    let listed = listed.filter(|number| *number < 4000 && pieces < 12);
                    let mut churn: Vec<Op> =
                        listed.map(|number| op(number, FdbAction::Delete)).collect();
                    churn.truncate(200);
                    churn.push(op(5000 + pieces, install));
                    let _ = kernel.apply(&churn).await;
                    pieces += 1;
                }
                event => drop(reconciler.observe(&event)),
            }
            let keys = reconciler.keys_to_look_up();
            let found = backend.look_up(&keys).await;
            let _ = reconciler.looked_up(&keys, &found);
        }
        assert!(pieces > 4, "{pieces} pieces");
        // What the last changes were is told after the listing.
        let bridge = kernel.link(&name("br0")).await.expect("an answer");
        let now = kernel.fdb(bridge.expect("a bridge").index).await;
        let now = now.expect("a table").into_iter();
        let now: BTreeSet<Mac> = now.filter(|e| e.vid.is_none()).map(|e| e.mac).collect();
        let known = |reconciler: &Reconciler| -> BTreeSet<Mac> {
            let keys = reconciler.actual().fdb.keys();
            keys.map(|key| key.mac).collect()
        };
        while known(&reconciler) != now {
            let Ok(event) = timeout(PATIENCE, backend.next_event()).await else {
                let known = known(&reconciler);
                let differ: Vec<&Mac> = known.symmetric_difference(&now).collect();
                panic!(
                    "known: {}, there: {}, differ: {differ:?}",
                    known.len(),
                    now.len()
                );
            };
            let event = event.expect("events");
            let _ = reconciler.observe(&event);
        }
    });
}

/// Input: the client changes its mind before the kernel's reports are read; then a host moves a moment before an entry for it
/// is installed elsewhere. Output: the reports of what was overtaken are no news, and the host is where it moved.
#[test]
fn what_is_done_to_an_entry_is_reported_in_that_order_and_as_it_was_done() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge",
        "link add peer type veth peer name far0",
        "link add swp1 type veth peer name far1",
        "link add swp2 type veth peer name far2",
        "link set peer master br0 up",
        "link set swp1 master br0 up",
        "link set swp2 master br0 up",
        "link set far0 up",
        "link set far1 up",
        "link set far2 up",
        "link set br0 up",
    ];
    in_namespace("crossing", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let mut kernel = Kernel::open().expect("a handle");
        let [moving, last] = [1, 2].map(|last| FdbKey {
            vid: Vid::DEFAULT,
            mac: Mac([2, 0, 0, 1, 0, last]),
        });
        let (mut backend, mut reconciler) = pair(Isolation::Off, Traffic::Pass, false).await;
        let want = |port| WantOp::Fdb {
            key: moving,
            want: FdbWant {
                port: name(port),
                kind: FdbKind::Tracked,
            },
        };
        let port = kernel.link(&name("swp2")).await.expect("an answer");
        let swp2 = port.expect("a port").index;
        let learned = |key: FdbKey, action| {
            Op::Fdb(FdbOp {
                mac: key.mac,
                vid: None,
                port: swp2,
                action,
            })
        };
        let place = async |kernel: &mut Kernel| {
            let bridge = kernel.link(&name("br0")).await.expect("an answer");
            let table = kernel.fdb(bridge.expect("a bridge").index).await;
            let table = table.expect("a table");
            let mut of_host = table.iter().filter(|entry| entry.vid.is_none());
            let entry = of_host.find(|entry| entry.mac == moving.mac);
            let links = kernel.links().await.expect("links");
            let link = entry.and_then(|entry| links.get(&entry.port));
            link.map(|link| link.name)
        };
        for port in ["peer", "swp1"] {
            reconciler.accept(&[want(port)]);
            settle(&mut backend, &mut reconciler).await;
        }
        let is_first =
            |event: &BackendEvent| matches!(event, BackendEvent::Fdb { key, .. } if *key == moving);
        assert_eq!(
            news_until(&mut backend, &mut reconciler, moving, is_first).await,
            []
        );
        reconciler.accept(&[want("peer")]);
        settle(&mut backend, &mut reconciler).await;
        assert_eq!(place(&mut kernel).await, Some(name("peer")));

        reconciler.accept(&[want("swp1")]);
        settle(&mut backend, &mut reconciler).await;
        let end = |action| [learned(last, action)];
        let is_end = |event: &BackendEvent| matches!(event, BackendEvent::Fdb { key, entry: None } if *key == last);
        let moved = [learned(moving, FdbAction::SetDynamic)];
        assert!(kernel.apply(&moved).await.iter().all(Result::is_ok));
        reconciler.accept(&[want("peer")]);
        settle(&mut backend, &mut reconciler).await;
        assert_eq!(place(&mut kernel).await, Some(name("peer")));
        // What comes after its reports is behind them.
        for action in [FdbAction::SetDynamic, FdbAction::Delete] {
            assert!(kernel.apply(&end(action)).await.iter().all(Result::is_ok));
        }
        let news = news_until(&mut backend, &mut reconciler, moving, is_end).await;
        let seen = Observation::Learned {
            port: name("swp2"),
            configured: false,
        };
        assert_eq!(news, [seen]);
        settle(&mut backend, &mut reconciler).await;
        assert_eq!(place(&mut kernel).await, Some(name("swp2")));
    });
}

/// What is news of that host until this is reported. There are others, for interfaces speak.
async fn news_until(
    backend: &mut LinuxBackend,
    reconciler: &mut Reconciler,
    host: FdbKey,
    is_it: impl Fn(&BackendEvent) -> bool,
) -> Vec<Observation> {
    let mut news = Vec::new();
    loop {
        let event = timeout(PATIENCE, backend.next_event()).await;
        let event = event.expect("an event in time").expect("events");
        match reconciler.observe(&event) {
            Some(Event::Fdb { key, observation }) if key == host => news.push(observation),
            _ => {}
        }
        if is_it(&event) {
            return news;
        }
    }
}

/// Input: an interface of the bridge has one address; another comes and the first goes. Output: that is what is
/// known of it, and of which bridge each port is one.
#[test]
fn addresses_of_interfaces_and_ports_of_other_bridges_are_known() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge",
        "link add br1 type bridge",
        "link add swp1 type veth peer name far1",
        "link set swp1 master br0",
        "link set far1 master br1",
        "addr add 192.0.2.1/24 dev br0",
    ];
    in_namespace("addresses", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let bridge = name("br0");
        let mut backend = LinuxBackend::open().expect("a backend");
        let mut reconciler = Reconciler::new(Originals::default());
        let snapshot = backend.snapshot(Some(bridge)).await.expect("a look");
        reconciler.adopt_without_table(snapshot.actual);
        let networks = |reconciler: &Reconciler| -> Vec<String> {
            let networks = reconciler.actual().interfaces[&bridge].networks.iter();
            networks.map(ToString::to_string).collect()
        };
        assert_eq!(networks(&reconciler), ["192.0.2.1/24"]);
        let is_foreign = |port| reconciler.actual().is_of_another_bridge(&name(port));
        assert_eq!([is_foreign("swp1"), is_foreign("far1")], [false, true]);

        ip("addr add 2001:db8::1/64 dev br0 nodad").expect("an address");
        ip("addr del 192.0.2.1/24 dev br0").expect("the address goes");
        while networks(&reconciler) != ["2001:db8::1/64"] {
            let event = timeout(PATIENCE, backend.next_event()).await;
            let event = event.expect("an event in time").expect("events");
            let _ = reconciler.observe(&event);
        }
    });
}

/// Input: a default route comes, goes, comes again by several interfaces, and goes with one that is taken down, which
/// the kernel says nothing of. Output: each time it is known to which interfaces one leads.
#[test]
fn interfaces_that_a_default_route_leads_to_are_known() {
    const DEVICES: &[&str] = &[
        "link add up0 type veth peer name far0",
        "link add up1 type veth peer name far1",
        "link set far0 up",
        "link set far1 up",
        "link set up0 up",
        "link set up1 up",
        "address add 192.0.2.1/25 dev up0",
        "address add 192.0.2.129/25 dev up1",
        "route add 198.51.100.0/24 via 192.0.2.2",
    ];
    in_namespace("default routes", DEVICES, async || {
        let mut backend = LinuxBackend::open().expect("a backend");
        let snapshot = backend.snapshot(None).await.expect("a look");
        let mut known: BTreeSet<String> = BTreeSet::new();
        let interfaces = snapshot.actual.interfaces;
        assert!(interfaces.values().all(|is| is.default_route.is_none()));
        let steps: [(&[&str], &[&str]); 5] = [
            (&["route add default via 192.0.2.2"], &["up0"]),
            (&["route del default"], &[]),
            (
                &["route add default nexthop via 192.0.2.2 nexthop via 192.0.2.130"],
                &["up0", "up1"],
            ),
            (&["route replace default via 192.0.2.130"], &["up1"]),
            (&["link set up1 down"], &[]),
        ];
        for (commands, wanted) in steps {
            for command in commands {
                ip(command).expect(command);
            }
            while known.iter().ne(wanted) {
                let event = timeout(PATIENCE, backend.next_event()).await;
                let event = event.unwrap_or_else(|_| panic!("{commands:?}: {known:?}"));
                if let BackendEvent::Interface { interface, actual } = event.expect("events") {
                    match actual.is_some_and(|is| is.default_route.is_some()) {
                        true => known.insert(interface.to_string()),
                        false => known.remove(interface.as_str()),
                    };
                }
            }
        }
    });
}

#[test]
fn interfaces_of_next_hops_are_known_if_default_routes_name_both() {
    follow_next_hops("1");
}

#[test]
fn interfaces_of_next_hops_are_known_if_default_routes_name_only_next_hops() {
    follow_next_hops("0");
}

/// Input: default routes go by next hops that are objects of their own; these are changed, grouped, and taken away. Output:
/// each time it is known to which interfaces they lead, by who followed, and by who looks now.
fn follow_next_hops(compat: &str) {
    const DEVICES: &[&str] = &[
        "link set lo up",
        "link add up0 type veth peer name far0",
        "link add up1 type veth peer name far1",
        "link set far0 up",
        "link set far1 up",
        "link set up0 up",
        "link set up1 up",
        "address add 192.0.2.1/25 dev up0",
        "address add 192.0.2.129/25 dev up1",
    ];
    const STEPS: [(&[&str], &[&str]); 9] = [
        (
            &[
                "nexthop add id 1 via 192.0.2.2 dev up0",
                "route add default nhid 1",
            ],
            &["up0"],
        ),
        (&["nexthop replace id 1 via 192.0.2.130 dev up1"], &["up1"]),
        (
            &[
                "nexthop add id 2 via 192.0.2.2 dev up0",
                "nexthop add id 3 group 1/2",
                "route replace default nhid 3",
            ],
            &["up0", "up1"],
        ),
        (&["nexthop replace id 3 group 2"], &["up0"]),
        (&["nexthop replace id 2 via 192.0.2.130 dev up1"], &["up1"]),
        (&["nexthop del id 3"], &[]),
        (
            &[
                "nexthop add id 4 blackhole",
                "route add default nhid 4",
                "nexthop replace id 4 via 192.0.2.2 dev up0",
            ],
            &["up0"],
        ),
        (
            &[
                "nexthop add id 5 via fe80::1 dev up1",
                "-6 route add default nhid 5",
            ],
            &["up0", "up1"],
        ),
        (&["link set up0 down"], &["up1"]),
    ];
    in_namespace("next hops", DEVICES, async || {
        std::fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", compat).expect("a setting");
        let mut backend = LinuxBackend::open().expect("a backend");
        let snapshot = backend.snapshot(None).await.expect("a look");
        let mut known = snapshot.actual.interfaces;
        let ways_out = |interfaces: &BTreeMap<IfName, InterfaceActual>| -> Vec<String> {
            let led_to = interfaces.iter();
            let led_to = led_to.filter(|(_, is)| is.default_route.is_some());
            led_to.map(|(name, _)| name.to_string()).collect()
        };
        assert!(ways_out(&known).is_empty());
        for (commands, wanted) in STEPS {
            for command in commands {
                ip(command).expect(command);
            }
            let mut fresh = LinuxBackend::open().expect("a backend");
            let snapshot = fresh.snapshot(None).await.expect("a look");
            let looked = ways_out(&snapshot.actual.interfaces);
            assert_eq!(looked, wanted, "{compat}: {commands:?}");
            while ways_out(&known) != wanted {
                let event = timeout(PATIENCE, backend.next_event()).await;
                let event = event
                    .unwrap_or_else(|_| panic!("{compat}: {commands:?}: {:?}", ways_out(&known)));
                if let BackendEvent::Interface { interface, actual } = event.expect("events") {
                    match actual {
                        Some(actual) => known.insert(interface, actual),
                        None => known.remove(&interface),
                    };
                }
            }
        }
    });
}

/// Input: beside 100,000 routes a default route goes, and while that is looked at an interface loses its carrier; then the
/// default route comes again. Output: the interface is known to be without carrier before all routes were looked at, and
/// both changes of the default route are known in the end.
#[test]
fn a_default_route_is_looked_for_among_many_routes_while_other_things_happen() {
    const DEVICES: &[&str] = &[
        "link add up0 type veth peer name far0",
        "link add up1 type veth peer name far1",
        "link set far0 up",
        "link set far1 up",
        "link set up0 up",
        "link set up1 up",
        "address add 192.0.2.1/25 dev up0",
        "route add default via 192.0.2.2",
    ];
    in_namespace("many routes", DEVICES, async || {
        let hosts = (0..100_000).map(|n| Ipv4Addr::from(0x6400_0000 + n));
        let many: String = hosts
            .map(|host| format!("route add {host} dev up0\n"))
            .collect();
        ip_batch(&many);
        let mut backend = LinuxBackend::open().expect("a backend");
        let snapshot = backend.snapshot(None).await.expect("a look");
        let up0 = IfName::new("up0").expect("a name");
        assert_eq!(snapshot.actual.interfaces[&up0].default_route, Some(up0));
        ip("route del default").expect("the default route goes");
        let lacks_route =
            |name: &str, is: &InterfaceActual| name == "up0" && is.default_route.is_none();
        let mut turns = 0;
        let others = || {
            turns += 1;
            if turns == 20 {
                ip("link set far1 down").expect("the carrier goes");
            }
        };
        let lacks_carrier = |name: &str, is: &InterfaceActual| {
            assert!(!lacks_route(name, is), "all routes were looked at first");
            name == "up1" && !is.running
        };
        turns_until(&mut backend, others, lacks_carrier).await;
        turns_until(&mut backend, || {}, lacks_route).await;
        ip("route add default via 192.0.2.2").expect("a default route");
        let has_route =
            |name: &str, is: &InterfaceActual| name == "up0" && is.default_route.is_some();
        turns_until(&mut backend, || {}, has_route).await;
    });
}

/// Input: a default route leads to a VLAN interface of one of a port, goes, and comes by the port's own and the bridge's.
/// Output: it is known which interface the way out is over.
#[test]
fn a_default_route_over_a_vlan_interface_is_one_of_what_is_below_it() {
    const DEVICES: &[&str] = &[
        "link add br0 type bridge",
        "link add swp1 type veth peer name far1",
        "link set swp1 master br0",
        "link add link swp1 name swp1.10 type vlan id 10",
        "link add link swp1.10 name inner type vlan id 20",
        "link add link br0 name vlan7 type vlan id 7",
        "link set br0 up",
        "link set swp1 up",
        "link set far1 up",
        "link set swp1.10 up",
        "link set inner up",
        "link set vlan7 up",
    ];
    in_namespace("default route over a VLAN", DEVICES, async || {
        let name = |text| IfName::new(text).expect("a name");
        let mut backend = LinuxBackend::open().expect("a backend");
        let snapshot = backend.snapshot(Some(name("br0"))).await.expect("a look");
        let mut reconciler = Reconciler::new(Originals::default());
        reconciler.adopt_without_table(snapshot.actual);
        let steps = [
            (
                "route add default dev inner",
                [Some("inner"), Some("inner"), Some("inner"), None, None],
            ),
            ("route del default", [None; 5]),
            (
                "route add default dev swp1.10",
                [Some("swp1.10"), Some("swp1.10"), None, None, None],
            ),
            (
                "route replace default dev vlan7",
                [None, None, None, None, Some("vlan7")],
            ),
        ];
        for (command, wanted) in steps {
            ip(command).expect(command);
            let wanted = wanted.map(|text| text.map(name));
            let interfaces = ["swp1", "swp1.10", "inner", "br0", "vlan7"].map(name);
            let is = |reconciler: &Reconciler| {
                interfaces.map(|of| reconciler.actual().interfaces[&of].default_route)
            };
            while is(&reconciler) != wanted {
                let event = timeout(PATIENCE, backend.next_event()).await;
                let event = event.unwrap_or_else(|_| panic!("{command}: {:?}", is(&reconciler)));
                let _ = reconciler.observe(&event.expect("events"));
            }
        }
    });
}

fn ip_batch(commands: &str) {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("ip");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(commands.as_bytes()).expect("commands");
    drop(stdin);
    assert!(child.wait().expect("an end").success());
}

/// Wait for this to be said of an interface. What is not there at once is given up, and others have their turn.
async fn turns_until(
    backend: &mut LinuxBackend,
    mut others: impl FnMut(),
    is_it: impl Fn(&str, &InterfaceActual) -> bool,
) {
    let turns = async {
        loop {
            let event = tokio::select! {
                biased;
                event = backend.next_event() => event.expect("events"),
                () = std::future::ready(()) => {
                    others();
                    yield_now().await;
                    continue;
                }
            };
            if let BackendEvent::Interface {
                interface,
                actual: Some(actual),
            } = event
                && is_it(interface.as_str(), &actual)
            {
                return;
            }
        }
    };
    timeout(PATIENCE, turns).await.expect("an event in time");
}
