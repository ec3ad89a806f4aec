//! Neighbours.

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use mclag_netlink::{
    Event, FdbAction, FdbOp, Groups, LinkSetting, Monitor, Neighbour, NeighbourAction, NeighbourOp,
    NeighbourState, NetlinkError, Op,
};
use mclag_proto::Mac;

use crate::lab::{Lab, PATIENCE, Skip, Wire, event, in_namespace, mac};

const NEIGHBOURS: Groups = Groups {
    links: false,
    fdb: false,
    neighbours: true,
    addresses: false,
    default_routes: false,
};

/// How long something may take before the next attempt to cause it.
const AGAIN: Duration = Duration::from_millis(200);

/// A cable with addresses on the near end, and nobody at the far one.
struct Segment {
    near: u32,
    far: u32,
}

impl Segment {
    async fn build(lab: &mut Lab) -> Result<Self, Skip> {
        let (near, far) = lab.veth("near", "far").await?;
        lab.add_address(near, "192.0.2.1", 16).await?;
        lab.until(near, "running", |link| link.is_running()).await;
        Ok(Self { near, far })
    }

    async fn apply(
        &self,
        lab: &mut Lab,
        address: &str,
        action: NeighbourAction,
    ) -> Result<(), NetlinkError> {
        let op = NeighbourOp {
            index: self.near,
            address: address.parse().expect("an address"),
            action,
        };
        lab.kernel.apply(&[op.into()]).await.remove(0)
    }

    async fn find(&self, lab: &mut Lab, address: &str) -> Option<Neighbour> {
        let address: IpAddr = address.parse().expect("an address");
        let all = lab.kernel.neighbours().await.expect("a dump");
        all.into_iter()
            .find(|n| (n.index, n.address) == (self.near, address))
    }
}

/// Wait for an event about an address that `wanted` accepts.
async fn seen(
    monitor: &mut Monitor,
    what: &str,
    address: &str,
    wanted: impl Fn(&Neighbour) -> bool,
) -> Neighbour {
    let address: IpAddr = address.parse().expect("an address");
    event(monitor, what, |e| match e {
        Event::Neighbour(n) if n.address == address && wanted(n) => Some(*n),
        _ => None,
    })
    .await
}

async fn gone(monitor: &mut Monitor, address: &str) {
    let wanted: IpAddr = address.parse().expect("an address");
    event(monitor, &format!("{address} is gone"), |e| match e {
        Event::NeighbourGone(n) if n.address == wanted => Some(()),
        _ => None,
    })
    .await;
}

/// Set how the kernel asks on this interface, in this namespace.
fn tune(interface: &str, setting: &str, value: &str) {
    let path = format!("/proc/sys/net/ipv4/neigh/{interface}/{setting}");
    std::fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Input: neighbours of both families, installed both ways, then deleted. Output: an event for
/// each, and entries that are marked as learned by somebody else.
#[test]
fn what_is_installed_is_an_event_and_reads_back_and_goes() {
    in_namespace("install neighbours", async |mut lab| {
        let segment = Segment::build(&mut lab).await?;
        lab.add_address(segment.near, "2001:db8::1", 64).await?;
        let mut monitor = Monitor::open(NEIGHBOURS, 1 << 20).unwrap();
        let host = NeighbourAction::SetReachable { mac: mac(7) };
        let own = NeighbourAction::SetPermanent { mac: mac(8) };
        for address in ["192.0.2.7", "2001:db8::7", "fe80::7"] {
            for (action, state, mac) in [
                (host, NeighbourState::Reachable, mac(7)),
                (own, NeighbourState::Permanent, mac(8)),
                (host, NeighbourState::Reachable, mac(7)),
            ] {
                segment.apply(&mut lab, address, action).await.unwrap();
                let got = seen(&mut monitor, "installed", address, |n| n.state == state).await;
                assert_eq!(
                    (got.index, got.mac, got.ext_learned),
                    (segment.near, Some(mac), true),
                    "{got:?}"
                );
                assert_eq!(segment.find(&mut lab, address).await, Some(got));
            }
            let delete = NeighbourAction::Delete;
            segment.apply(&mut lab, address, delete).await.unwrap();
            gone(&mut monitor, address).await;
            assert_eq!(segment.find(&mut lab, address).await, None);
            let again = segment.apply(&mut lab, address, delete).await.unwrap_err();
            assert!(again.is_gone(), "{again}");
            assert_eq!(again.object, format!("{address} on near"));
        }
        Ok(())
    });
}

/// `spec/behaviour.md` 11.8: the kernel validates such an entry again, and it does not vanish.
/// Input: an installed host that is asked for and does not answer. Output: the entry has failed,
/// which is an event, and is still there with its mark; it can be installed again.
#[test]
fn an_installed_host_that_falls_silent_fails_and_stays() {
    in_namespace("silent host", async |mut lab| {
        let segment = Segment::build(&mut lab).await?;
        for (setting, value) in [
            ("base_reachable_time_ms", "20"),
            ("delay_first_probe_time", "1"),
            ("retrans_time_ms", "20"),
            ("ucast_solicit", "1"),
        ] {
            tune("near", setting, value);
        }
        let mut monitor = Monitor::open(NEIGHBOURS, 1 << 20).unwrap();
        let address = "192.0.2.7";
        let host = NeighbourAction::SetReachable { mac: mac(7) };
        segment.apply(&mut lab, address, host).await.unwrap();

        // Used once it has grown old, the kernel asks.
        let socket = UdpSocket::bind("192.0.2.1:0").unwrap();
        let failed = loop {
            socket.send_to(b"?", (address, 9)).unwrap();
            let failed = seen(&mut monitor, "failed", address, |n| {
                n.state == NeighbourState::Failed
            });
            if let Ok(failed) = tokio::time::timeout(AGAIN, failed).await {
                break failed;
            }
        };
        assert!(failed.ext_learned, "{failed:?}");
        let got = segment.find(&mut lab, address).await.expect("an entry");
        assert!(got.ext_learned && !got.state.is_learned(), "{got:?}");

        segment.apply(&mut lab, address, host).await.unwrap();
        let got = segment.find(&mut lab, address).await.expect("an entry");
        assert!(got.ext_learned && got.state.is_learned(), "{got:?}");
        Ok(())
    });
}

#[test]
fn an_installed_host_that_speaks_from_elsewhere_keeps_its_mark() {
    in_namespace("moving host", async |mut lab| {
        let segment = Segment::build(&mut lab).await?;
        tune("near", "locktime", "0");
        let near = lab.link(segment.near).await.mac.expect("an address");
        let mut monitor = Monitor::open(NEIGHBOURS, 1 << 20).unwrap();
        let host = NeighbourAction::SetReachable { mac: mac(7) };
        segment.apply(&mut lab, "192.0.2.7", host).await.unwrap();

        let mut wire = Wire::open(segment.far);
        let reply = arp_reply([192, 0, 2, 7], mac(9), near);
        // The kernel takes no notice of a change in the tick of the installation.
        let start = Instant::now();
        let moved = loop {
            wire.send_packet(near, mac(9), None, 0x0806, &reply);
            let moved = |n: &Neighbour| n.mac == Some(mac(9));
            let moved = seen(&mut monitor, "moved", "192.0.2.7", moved);
            if let Ok(moved) = tokio::time::timeout(AGAIN, moved).await {
                break moved;
            }
            assert!(start.elapsed() < PATIENCE, "not moved");
        };
        assert!(moved.ext_learned, "{moved:?}");

        // The peer's own addresses do not move.
        let own = NeighbourAction::SetPermanent { mac: mac(8) };
        segment.apply(&mut lab, "192.0.2.8", own).await.unwrap();
        // The kernel takes no notice of a second change in the same tick.
        loop {
            for (address, from) in [([192, 0, 2, 8], mac(9)), ([192, 0, 2, 7], mac(10))] {
                let reply = arp_reply(address, from, near);
                wire.send_packet(near, from, None, 0x0806, &reply);
            }
            let moved = |n: &Neighbour| n.mac == Some(mac(10));
            let moved = seen(&mut monitor, "moved again", "192.0.2.7", moved);
            if tokio::time::timeout(AGAIN, moved).await.is_ok() {
                break;
            }
        }
        let got = segment.find(&mut lab, "192.0.2.8").await.expect("an entry");
        assert_eq!(
            (got.mac, got.state),
            (Some(mac(8)), NeighbourState::Permanent)
        );
        Ok(())
    });
}

/// What the module's comment says of carrier and of the interface's own address.
#[test]
fn losing_carrier_spares_permanent_ones_and_a_new_hardware_address_nothing() {
    in_namespace("flushed neighbours", async |mut lab| {
        let segment = Segment::build(&mut lab).await?;
        let mut monitor = Monitor::open(NEIGHBOURS, 1 << 20).unwrap();
        let host = NeighbourAction::SetReachable { mac: mac(7) };
        let own = NeighbourAction::SetPermanent { mac: mac(8) };
        segment.apply(&mut lab, "192.0.2.7", host).await.unwrap();
        segment.apply(&mut lab, "192.0.2.8", own).await.unwrap();

        lab.set(segment.far, LinkSetting::AdminUp(false)).await;
        gone(&mut monitor, "192.0.2.7").await;
        assert!(segment.find(&mut lab, "192.0.2.8").await.is_some());

        lab.set(segment.far, LinkSetting::AdminUp(true)).await;
        lab.until(segment.near, "running", |link| link.is_running())
            .await;
        lab.set(segment.near, LinkSetting::Mac(mac(1))).await;
        gone(&mut monitor, "192.0.2.8").await;
        Ok(())
    });
}

/// Kernels collect neighbours beyond a thousand as garbage; these are exempt.
#[test]
fn ten_thousand_neighbours_go_in_and_out_and_each_failure_is_told() {
    in_namespace("many neighbours", async |mut lab| {
        let segment = Segment::build(&mut lab).await?;
        let op = |number: u32, action| {
            let [_, _, high, low] = number.to_be_bytes();
            Op::Neighbour(NeighbourOp {
                // Every hundredth is on an interface that does not exist.
                index: if number % 100 == 99 {
                    9999
                } else {
                    segment.near
                },
                address: IpAddr::from([192, 0, 128 + high, low]),
                action,
            })
        };
        let set = NeighbourAction::SetReachable { mac: mac(7) };
        for action in [set, NeighbourAction::Delete] {
            let ops: Vec<_> = (0..10_000).map(|number| op(number, action)).collect();
            let start = Instant::now();
            let results = lab.kernel.apply(&ops).await;
            eprintln!("{action:?}: 10000 in {:?}", start.elapsed());
            for (number, result) in results.iter().enumerate() {
                assert_eq!(result.is_err(), number % 100 == 99, "{number}: {result:?}");
            }
            let start = Instant::now();
            let all = lab.kernel.neighbours().await.unwrap();
            let ours = all.iter().filter(|n| n.ext_learned).count();
            eprintln!("{} neighbours read in {:?}", all.len(), start.elapsed());
            assert_eq!(ours, if action == set { 9_900 } else { 0 });
        }
        Ok(())
    });
}

/// Both come in one group of the kernel: whoever listens to one gets nothing of the other, not
/// even an overrun.
#[test]
fn neighbours_and_forwarding_entries_do_not_crowd_each_other_out() {
    in_namespace("one of two", async |mut lab| {
        let segment = Segment::build(&mut lab).await?;
        let bridge = lab.bridge("br0", false, Duration::from_secs(300));
        let bridge = bridge.await?;
        let (port, _) = lab.veth("port", "port.far").await?;
        lab.enslave(port, bridge).await;
        let small = 16 * 1024;
        let mut neighbours = Monitor::open(NEIGHBOURS, small).unwrap();
        let fdb = Groups {
            fdb: true,
            neighbours: false,
            ..NEIGHBOURS
        };
        let mut fdb = Monitor::open(fdb, 1 << 20).unwrap();
        let entry = |number| {
            Op::Fdb(FdbOp {
                mac: mac(number),
                vid: None,
                port,
                action: FdbAction::SetStatic,
            })
        };
        let ops: Vec<_> = (0..300).map(entry).collect();
        let start = lab.kernel.apply(&ops).await;
        assert!(start.iter().all(Result::is_ok));
        let host = NeighbourAction::SetReachable { mac: mac(7) };
        segment.apply(&mut lab, "192.0.2.7", host).await.unwrap();
        let more = lab.kernel.apply(&[entry(300)]).await;
        assert!(more.iter().all(Result::is_ok));

        let mut got = Vec::new();
        event(&mut neighbours, "the neighbour", |e| {
            got.push(e.clone());
            matches!(e, Event::Neighbour(n) if n.address.to_string() == "192.0.2.7").then_some(())
        })
        .await;
        let other = |e: &Event| !matches!(e, Event::Neighbour(_) | Event::NeighbourGone(_));
        assert!(!got.iter().any(other), "{got:?}");

        let mut got = Vec::new();
        event(&mut fdb, "the last entry", |e| {
            got.push(e.clone());
            matches!(e, Event::Fdb(entry) if entry.mac == mac(300)).then_some(())
        })
        .await;
        let other = |e: &Event| !matches!(e, Event::Fdb(_) | Event::FdbGone(_));
        assert!(!got.iter().any(other), "{got:?}");
        Ok(())
    });
}

/// An ARP reply without its Ethernet header: `address` is at `from`.
fn arp_reply(address: [u8; 4], from: Mac, to: Mac) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 2];
    packet.extend(from.0);
    packet.extend(address);
    packet.extend(to.0);
    packet.extend([192, 0, 2, 1]);
    packet
}
