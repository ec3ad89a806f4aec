//! Forwarding databases.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mclag_netlink::{
    Activity, Event, FdbAction, FdbEntry, FdbListing, FdbOp, FdbState, Groups, LinkSetting,
    Monitor, Op,
};
use mclag_proto::{Mac, Vid};

use crate::lab::{Lab, PATIENCE, Skip, Wire, event, in_namespace, mac, vid};

const FDB: Groups = Groups {
    links: false,
    fdb: true,
    neighbours: false,
    addresses: false,
    default_routes: false,
};

const AGEING: Duration = Duration::from_secs(300);

/// A bridge with two ports, and the far ends of their cables.
struct Bridge {
    index: u32,
    /// Where its entries are; `None` where the kernel lacks VLAN filtering.
    vid: Option<Vid>,
    ports: [u32; 2],
    wires: [Wire; 2],
}

impl Bridge {
    async fn build(lab: &mut Lab, ageing: Duration) -> Result<Self, Skip> {
        let (index, vid) = match lab.bridge("br0", true, ageing).await {
            Ok(index) => (index, Some(vid(1))),
            Err(_) => (lab.bridge("br0", false, ageing).await?, None),
        };
        let (a, a_far) = lab.veth("a", "a.far").await?;
        let (b, b_far) = lab.veth("b", "b.far").await?;
        for port in [a, b] {
            lab.enslave(port, index).await;
        }
        for port in [a, b] {
            // A port that learned something forwards, and is done with events of joining.
            lab.until(port, "forwarding", |link| {
                let state = link.bridge_port.map(|port| port.state);
                link.is_running() && state == Some(mclag_netlink::PortState::Forwarding)
            })
            .await;
        }
        Ok(Self {
            index,
            vid,
            ports: [a, b],
            wires: [Wire::open(a_far), Wire::open(b_far)],
        })
    }

    async fn apply(&self, lab: &mut Lab, mac: Mac, port: u32, action: FdbAction) {
        let op = FdbOp {
            mac,
            vid: self.vid,
            port,
            action,
        };
        let mut results = lab.kernel.apply(&[Op::Fdb(op)]).await;
        results.remove(0).expect("the entry is accepted");
    }

    async fn find(&self, lab: &mut Lab, mac: Mac) -> Option<FdbEntry> {
        let entries = lab.kernel.fdb(self.index).await.expect("a dump");
        entries
            .into_iter()
            .find(|e| e.mac == mac && e.vid == self.vid)
    }
}

/// Wait for an event about an address that `wanted` accepts.
async fn entry_event(
    monitor: &mut Monitor,
    what: &str,
    mac: Mac,
    wanted: impl Fn(&FdbEntry) -> bool,
) -> FdbEntry {
    event(monitor, what, |e| match e {
        Event::Fdb(entry) if entry.mac == mac && wanted(entry) => Some(*entry),
        _ => None,
    })
    .await
}

/// It leads to another place then, or nothing would keep that true. What was installed is whoever's who did.
#[test]
fn a_port_that_gets_or_loses_a_backup_or_learns_no_more_forgets_what_it_learned() {
    in_namespace("what was learned", async |mut lab| {
        let mut bridge = Bridge::build(&mut lab, AGEING).await?;
        let [port, peer] = bridge.ports;
        let mut monitor = Monitor::open(FDB, 1 << 20).unwrap();
        let (host, installed, other) = (mac(1), mac(2), mac(3));
        let action = FdbAction::SetTracked(Activity::Active);
        bridge.apply(&mut lab, installed, port, action).await;
        bridge.wires[1].send(Mac([0xff; 6]), other, None, "hello");
        entry_event(&mut monitor, "learned", other, |_| true).await;
        let backup = LinkSetting::BackupPort;
        let settings = [
            backup(Some(peer)),
            backup(None),
            LinkSetting::Learning(false),
        ];
        for setting in settings {
            bridge.wires[0].send(Mac([0xff; 6]), host, None, "hello");
            entry_event(&mut monitor, "learned", host, |_| true).await;
            assert!(bridge.find(&mut lab, host).await.is_some());
            lab.set(port, setting).await;
            event(&mut monitor, "gone", |e| match e {
                Event::FdbGone(entry) if entry.mac == host => Some(()),
                _ => None,
            })
            .await;
            assert_eq!(bridge.find(&mut lab, host).await, None);
            assert!(bridge.find(&mut lab, installed).await.is_some());
            assert!(bridge.find(&mut lab, other).await.is_some());
        }
        Ok(())
    });
}

#[test]
fn a_learned_address_is_an_event_and_so_is_its_move() {
    in_namespace("learn and move", async |mut lab| {
        let mut bridge = Bridge::build(&mut lab, AGEING).await?;
        let mut monitor = Monitor::open(FDB, 1 << 20).unwrap();
        let host = mac(1);
        bridge.wires[0].send(Mac([0xff; 6]), host, None, "hello");
        let learned = entry_event(&mut monitor, "learned", host, |_| true).await;
        assert_eq!((learned.port, learned.vid), (bridge.ports[0], bridge.vid));
        assert_eq!(
            (learned.state, learned.bridge),
            (FdbState::Dynamic, bridge.index)
        );
        assert_eq!((learned.activity, learned.ext_learn), (None, false));

        bridge.wires[1].send(Mac([0xff; 6]), host, None, "moved");
        let moved = entry_event(&mut monitor, "moved", host, |e| e.port == bridge.ports[1]).await;
        assert_eq!(moved.state, FdbState::Dynamic);

        bridge
            .apply(&mut lab, host, bridge.ports[1], FdbAction::Delete)
            .await;
        event(&mut monitor, "gone", |e| match e {
            Event::FdbGone(entry) if entry.mac == host => Some(()),
            _ => None,
        })
        .await;
        assert_eq!(bridge.find(&mut lab, host).await, None);
        Ok(())
    });
}

#[test]
fn an_entry_changes_its_kind_in_place() {
    in_namespace("change of kind", async |mut lab| {
        let mut bridge = Bridge::build(&mut lab, AGEING).await?;
        let [a, b] = bridge.ports;
        let host = mac(1);
        bridge.wires[0].send(Mac([0xff; 6]), host, None, "hello");
        let deadline = Instant::now() + PATIENCE;
        while bridge.find(&mut lab, host).await.is_none() {
            assert!(Instant::now() < deadline, "not learned");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }

        for (port, action, state, activity) in [
            (
                a,
                FdbAction::SetTracked(Activity::Active),
                FdbState::Static,
                Some(Activity::Active),
            ),
            (a, FdbAction::SetDynamic, FdbState::Dynamic, None),
            (
                a,
                FdbAction::SetTracked(Activity::Inactive),
                FdbState::Static,
                Some(Activity::Inactive),
            ),
            (
                b,
                FdbAction::SetTracked(Activity::Inactive),
                FdbState::Static,
                Some(Activity::Inactive),
            ),
            // Once inactive, only a frame makes it active: writing does not.
            (
                b,
                FdbAction::SetTracked(Activity::Active),
                FdbState::Static,
                Some(Activity::Inactive),
            ),
            (b, FdbAction::SetStatic, FdbState::Static, None),
            (
                b,
                FdbAction::SetTracked(Activity::Active),
                FdbState::Static,
                Some(Activity::Active),
            ),
            (b, FdbAction::SetDynamic, FdbState::Dynamic, None),
        ] {
            bridge.apply(&mut lab, host, port, action).await;
            let got = bridge.find(&mut lab, host).await.expect("an entry");
            assert_eq!(
                (got.port, got.state, got.activity),
                (port, state, activity),
                "{action:?}"
            );
        }
        Ok(())
    });
}

/// Input: a table is listed, and what was listed of it is removed meanwhile. Output: the listing passes over
/// entries that are there, for the kernel goes on by position; asked for singly, each of them is found, and none
/// that was removed.
#[test]
fn what_a_listing_under_churn_did_not_name_is_found_singly() {
    in_namespace("listing under churn", async |mut lab| {
        let bridge = Bridge::build(&mut lab, AGEING).await?;
        let host = |number: u16| {
            let [high, low] = number.to_be_bytes();
            Mac([2, 0, 0, 1, high, low])
        };
        let op = |mac, action| {
            Op::Fdb(FdbOp {
                mac,
                vid: bridge.vid,
                port: bridge.ports[0],
                action,
            })
        };
        let all: BTreeSet<Mac> = (0..4000).map(host).collect();
        let install = FdbAction::SetTracked(Activity::Active);
        let installs: Vec<Op> = all.iter().map(|mac| op(*mac, install)).collect();
        assert!(lab.kernel.apply(&installs).await.iter().all(Result::is_ok));

        let mut listing = FdbListing::begin(bridge.index).unwrap();
        let first = listing.next().await.unwrap().expect("entries");
        let first: Vec<Mac> = first.iter().map(|entry| entry.mac).collect();
        let removed: BTreeSet<Mac> = all
            .iter()
            .filter(|mac| first.contains(mac))
            .copied()
            .collect();
        let deletes: Vec<Op> = removed
            .iter()
            .map(|mac| op(*mac, FdbAction::Delete))
            .collect();
        assert!(lab.kernel.apply(&deletes).await.iter().all(Result::is_ok));
        let mut named: BTreeSet<Mac> = first.into_iter().collect();
        while let Some(entries) = listing.next().await.unwrap() {
            named.extend(entries.iter().map(|entry| entry.mac));
        }
        assert!(listing.next().await.unwrap().is_none(), "it has ended");

        let missed: Vec<Mac> = all.difference(&named).copied().collect();
        assert!(!missed.is_empty());
        for mac in missed {
            let entry = lab.kernel.fdb_entry(bridge.index, mac, bridge.vid).await;
            let entry = entry.unwrap().expect("it is there");
            assert_eq!((entry.mac, entry.vid), (mac, bridge.vid));
            assert_eq!((entry.port, entry.bridge), (bridge.ports[0], bridge.index));
            assert_eq!(entry.activity, Some(Activity::Active));
        }
        let gone = removed.first().copied().expect("some were removed");
        let entry = lab.kernel.fdb_entry(bridge.index, gone, bridge.vid).await;
        assert_eq!(entry, Ok(None));
        Ok(())
    });
}

/// Input: an entry installed as inactive; a frame; silence for the ageing time; a frame from
/// the other port. Output: an event for each change of activity and for the move.
#[test]
fn a_tracked_entry_reports_its_activity() {
    in_namespace("activity", async |mut lab| {
        let mut bridge = Bridge::build(&mut lab, Duration::from_secs(1)).await?;
        let [a, b] = bridge.ports;
        let host = mac(1);
        let mut monitor = Monitor::open(FDB, 1 << 20).unwrap();
        bridge
            .apply(&mut lab, host, a, FdbAction::SetTracked(Activity::Inactive))
            .await;
        let is = |activity| move |e: &FdbEntry| e.activity == Some(activity);
        let got = entry_event(&mut monitor, "installed", host, |_| true).await;
        assert_eq!(got.activity, Some(Activity::Inactive));

        // The kernel takes no notice of a frame in the very tick of the installation.
        let start = Instant::now();
        let got = loop {
            bridge.wires[0].send(Mac([0xff; 6]), host, None, "one");
            assert!(start.elapsed() < PATIENCE, "not active");
            let active = entry_event(&mut monitor, "active", host, is(Activity::Active));
            if let Ok(got) = tokio::time::timeout(Duration::from_millis(100), active).await {
                break got;
            }
        };
        assert_eq!((got.port, got.state), (a, FdbState::Static));
        entry_event(&mut monitor, "inactive", host, is(Activity::Inactive)).await;

        bridge.wires[1].send(Mac([0xff; 6]), host, None, "two");
        let got = entry_event(&mut monitor, "moved", host, |e| e.port == b).await;
        assert_eq!(got.state, FdbState::Static);
        // Whether the move itself says "active" is the kernel's business; the end state is not.
        let got = bridge.find(&mut lab, host).await.expect("an entry");
        assert_eq!(got.port, b);
        eprintln!("after a move by a frame: {got:?}");
        entry_event(&mut monitor, "inactive again", host, is(Activity::Inactive)).await;
        assert!(bridge.find(&mut lab, host).await.is_some());
        Ok(())
    });
}

/// `spec/behaviour.md` 9.2: what somebody configured may not be overridden by where the data plane
/// sees the host; a dynamic entry may.
#[test]
fn a_sticky_entry_stays_on_its_port_until_it_is_written_again() {
    in_namespace("sticky", async |mut lab| {
        let mut bridge = Bridge::build(&mut lab, AGEING).await?;
        let [a, b] = bridge.ports;
        let (host, other) = (mac(1), mac(2));
        let inactive = Activity::Inactive;
        for (mac, action) in [
            (host, FdbAction::SetSticky(inactive)),
            (other, FdbAction::SetTracked(inactive)),
        ] {
            bridge.apply(&mut lab, mac, a, action).await;
            let entry = bridge.find(&mut lab, mac).await.expect("an entry");
            assert_eq!((entry.sticky, entry.port), (mac == host, a));
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            for mac in [host, other] {
                bridge.wires[1].send(Mac([0xff; 6]), mac, None, "from elsewhere");
            }
            let entry = bridge.find(&mut lab, other).await.expect("an entry");
            if entry.port == b {
                break;
            }
            assert!(Instant::now() < deadline, "not moved");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let entry = bridge.find(&mut lab, host).await.expect("an entry");
        assert_eq!((entry.port, entry.state), (a, FdbState::Static));

        let moved = FdbAction::SetSticky(inactive);
        bridge.apply(&mut lab, host, b, moved).await;
        let entry = bridge.find(&mut lab, host).await.expect("an entry");
        assert_eq!((entry.port, entry.sticky), (b, true));
        for action in [FdbAction::SetTracked(inactive), FdbAction::SetDynamic] {
            bridge.apply(&mut lab, host, b, action).await;
            let entry = bridge.find(&mut lab, host).await.expect("an entry");
            assert!(!entry.sticky, "{action:?}");
            let sticky = FdbAction::SetSticky(inactive);
            bridge.apply(&mut lab, host, b, sticky).await;
        }
        Ok(())
    });
}

#[test]
fn a_tracked_entry_outlives_the_carrier_of_its_port() {
    in_namespace("carrier loss", async |mut lab| {
        let bridge = Bridge::build(&mut lab, AGEING).await?;
        let [a, b] = bridge.ports;
        bridge
            .apply(
                &mut lab,
                mac(1),
                a,
                FdbAction::SetTracked(Activity::Inactive),
            )
            .await;
        bridge
            .apply(&mut lab, mac(2), a, FdbAction::SetDynamic)
            .await;
        lab.set(a, LinkSetting::BackupPort(Some(b))).await;
        let far = lab.index("a.far").await;
        lab.set(far, LinkSetting::AdminUp(false)).await;
        lab.until(a, "without carrier", |link| !link.lower_up).await;
        assert!(bridge.find(&mut lab, mac(1)).await.is_some());
        let dynamic = bridge.find(&mut lab, mac(2)).await;
        eprintln!("dynamic entry after loss of carrier, with backup port: {dynamic:?}");
        Ok(())
    });
}

#[test]
fn ten_thousand_entries_go_in_and_out_and_each_failure_is_told() {
    in_namespace("many", async |mut lab| {
        let bridge = Bridge::build(&mut lab, AGEING).await?;
        let op = |number, action| {
            // Every hundredth is for a port that does not exist.
            let port = if number % 100 == 99 {
                9999
            } else {
                bridge.ports[0]
            };
            Op::Fdb(FdbOp {
                mac: mac(number),
                vid: bridge.vid,
                port,
                action,
            })
        };
        let tracked = FdbAction::SetTracked(Activity::Inactive);
        for action in [tracked, FdbAction::Delete] {
            let ops: Vec<_> = (0..10_000).map(|number| op(number, action)).collect();
            let start = Instant::now();
            let results = lab.kernel.apply(&ops).await;
            let took = start.elapsed();
            eprintln!("{action:?}: 10000 in {took:?}");
            assert_eq!(results.len(), ops.len());
            for (number, result) in results.iter().enumerate() {
                assert_eq!(result.is_err(), number % 100 == 99, "{number}: {result:?}");
            }
            let start = Instant::now();
            let entries = lab.kernel.fdb(bridge.index).await.unwrap();
            let ours = entries
                .iter()
                .filter(|e| e.state == FdbState::Static)
                .count();
            eprintln!("{} entries read in {:?}", entries.len(), start.elapsed());
            assert_eq!(ours, if action == tracked { 9_900 } else { 0 });
        }
        Ok(())
    });
}

#[test]
fn a_batch_in_which_everything_fails_tells_so() {
    in_namespace("all fail", async |mut lab| {
        let ops: Vec<_> = (0..2000)
            .map(|number| {
                Op::Fdb(FdbOp {
                    mac: mac(number),
                    vid: None,
                    port: 9999,
                    action: FdbAction::Delete,
                })
            })
            .collect();
        let results = lab.kernel.apply(&ops).await;
        assert_eq!(results.len(), 2000);
        for result in results {
            let error = result.unwrap_err();
            assert!(error.is_gone(), "{error}");
        }
        Ok(())
    });
}

#[test]
fn an_overrun_is_an_event_and_the_next_events_are_complete() {
    in_namespace("overrun", async |mut lab| {
        let bridge = Bridge::build(&mut lab, AGEING).await?;
        let mut monitor = Monitor::open(FDB, 16 * 1024).unwrap();
        let op = |number| {
            Op::Fdb(FdbOp {
                mac: mac(number),
                vid: bridge.vid,
                port: bridge.ports[0],
                action: FdbAction::SetStatic,
            })
        };
        let ops: Vec<_> = (0..2000).map(op).collect();
        assert!(lab.kernel.apply(&ops).await.iter().all(Result::is_ok));
        let events = tokio::time::timeout(PATIENCE, monitor.next()).await;
        assert_eq!(events.expect("in time").unwrap(), [Event::Overrun]);

        assert!(lab.kernel.apply(&[op(5000)]).await[0].is_ok());
        let events = tokio::time::timeout(PATIENCE, monitor.next()).await;
        let events = events.expect("in time").unwrap();
        assert!(
            matches!(&events[..], [Event::Fdb(entry)] if entry.mac == mac(5000)),
            "{events:?}"
        );
        Ok(())
    });
}

#[test]
fn the_receive_buffer_is_as_large_as_asked_for() {
    in_namespace("receive buffer", async |_| {
        let monitor = Monitor::open(FDB, 8 << 20).unwrap();
        // The kernel accounts twice what was asked for; without privilege less is granted.
        assert_eq!(monitor.receive_buffer(), 16 << 20);
        Ok(())
    });
}

/// Input: an address of the bridge itself. Output: frames to it are received and forwarded
/// nowhere.
#[test]
fn frames_to_a_local_address_are_received_and_not_forwarded() {
    in_namespace("local entry", async |mut lab| {
        let mut bridge = Bridge::build(&mut lab, AGEING).await?;
        let local = mac(5);
        let index = bridge.index;
        bridge
            .apply(&mut lab, local, index, FdbAction::SetLocal)
            .await;
        let got = bridge.find(&mut lab, local).await.expect("an entry");
        assert_eq!((got.port, got.state), (index, FdbState::Permanent));

        let mut inside = Wire::open(index);
        let mut wires = bridge.wires;
        wires[0].send(local, mac(1), None, "for the bridge");
        wires[0].send(Mac([0xff; 6]), mac(1), None, "for all");
        let seen = inside.wait_for("for all").await;
        assert!(seen.iter().any(|p| p == "for the bridge"), "{seen:?}");
        let seen = wires[1].wait_for("for all").await;
        assert!(!seen.iter().any(|p| p == "for the bridge"), "{seen:?}");
        bridge.wires = wires;

        bridge
            .apply(&mut lab, local, index, FdbAction::DeleteLocal)
            .await;
        assert_eq!(bridge.find(&mut lab, local).await, None);
        let again = FdbOp {
            mac: local,
            vid: bridge.vid,
            port: index,
            action: FdbAction::DeleteLocal,
        };
        let error = lab.kernel.apply(&[again.into()]).await.remove(0);
        assert!(error.unwrap_err().is_gone());
        Ok(())
    });
}
