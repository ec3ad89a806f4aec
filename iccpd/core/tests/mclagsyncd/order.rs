//! `spec/behaviour.md` 6.5, 6.6, 14.6 and `spec/mclagsyncd-protocol.md` 6, 7.

use crate::chassis::{BOND, BOTH, Chassis, OWN, PEER, name, vid};
use iccp_core::{Input, OnLoss};
use mclag_proto::Mac;
use mclag_proto::iccp::ext::{Extension, ShutdownNotice};
use mclag_proto::iccp::{EntryOp, MacEntry, MacType, Tlv};
use mclag_proto::sync::model::{Abilities, Isolation, Op, PairState, PortWant, Section, Traffic};
use std::time::Duration;

/// One word for each operation, in order.
fn words(ops: &[Op]) -> Vec<String> {
    let word = |op: &Op| match op {
        Op::SnapshotBegin(section) => format!("begin {section:?}"),
        Op::SnapshotEnd(section) => format!("end {section:?}"),
        Op::Domain(want) if want.peer_link_learning => "learning on".into(),
        Op::Domain(_) => "domain".into(),
        Op::Port { want, .. } => match want.isolation {
            Isolation::On => "isolated".into(),
            Isolation::Off => "not isolated".into(),
            Isolation::Keep => "as it was".into(),
        },
        Op::Pair(PairState { up: true, .. }) => "up".into(),
        Op::Pair(PairState { up: false, .. }) => "down".into(),
        Op::RemotePort { up, .. } => format!("peer's port {up}"),
        Op::RemotePortRelease { .. } => "peer's port gone".into(),
        Op::Members { members, .. } => format!("{} members", members.len()),
        Op::Interface { name, .. } => format!("{name} adopts"),
        Op::InterfaceRelease { name } => format!("{name} is itself"),
        other => format!("{other:?}"),
    };
    ops.iter().map(word).collect()
}

/// 14.6: role and state, the peer's ports, isolation, interfaces, addresses.
#[test]
fn a_server_that_connects_is_told_everything_in_order() {
    let mut chassis = Chassis::standby();
    chassis.addresses(crate::chassis::VLAN_INDEX, &["198.51.100.1/24"]);
    chassis.session_up();
    chassis.connect_server(BOTH);
    let begin_fdb = "begin Fdb".to_owned();
    let mut said = words(&chassis.ops());
    said.retain(|word| *word != begin_fdb && word != "end Fdb");
    let want = [
        "begin Pair",
        "up",
        "peer's port true",
        "1 members",
        "end Pair",
        "begin Ports",
        "domain",
        "isolated",
        "end Ports",
        "begin Interfaces",
        "Vlan10 adopts",
        "end Interfaces",
        "begin Neighbours",
        "end Neighbours",
    ];
    assert_eq!(said, want);
    chassis.feed(Input::SyncdDown);
    chassis.connect_server(BOTH);
    let mut again = words(&chassis.ops());
    again.retain(|word| *word != begin_fdb && word != "end Fdb");
    assert_eq!(again, want, "and again when it is back");
}

/// 6.5: learning is off and ports are decided before *up* is said.
#[test]
fn up_is_said_after_the_ports_and_before_those_of_the_peer() {
    let mut chassis = Chassis::standby();
    chassis.addresses(crate::chassis::VLAN_INDEX, &["198.51.100.1/24"]);
    chassis.connect_server(BOTH);
    chassis.ops();
    chassis.session_up();
    let mut said = words(&chassis.ops());
    said.retain(|word| !word.contains("Fdb") && !word.contains("Neighbours"));
    let up = said.iter().position(|word| word == "up").unwrap();
    assert!(said[..up].contains(&"isolated".into()), "{said:?}");
    assert_eq!(said[up + 1..], ["peer's port true", "Vlan10 adopts"]);
}

/// 6.3, 7.1, 8.3: until both are synchronised nothing is isolated and no port is disabled, although the
/// standby knows the active's ports before.
#[test]
fn nothing_is_decided_of_ports_on_the_way_into_step() {
    let mut chassis = Chassis::standby();
    chassis.member(false);
    chassis.connect_server(BOTH);
    chassis.ops();
    chassis.stage_two();
    let ports = |ops: &[Op]| -> Vec<PortWant> {
        let wants = ops.iter().filter_map(|op| match op {
            Op::Port { want, .. } => Some(*want),
            _ => None,
        });
        wants.collect()
    };
    for want in ports(&chassis.ops()) {
        assert_eq!(want.isolation, Isolation::Keep);
        assert_ne!(want.traffic, Traffic::Held);
    }
    chassis.tell(Tlv::SyncRequest { number: 0 });
    let last = ports(&chassis.ops()).pop().unwrap();
    assert_eq!(last.isolation, Isolation::On);
    assert_eq!(last.traffic, Traffic::Held);
}

/// The peer tells 5000 addresses behind an orphan port.
fn tell_addresses(chassis: &mut Chassis) {
    for number in 0..5000_u16 {
        let [high, low] = number.to_be_bytes();
        chassis.tell(Tlv::MacInfo(vec![MacEntry {
            op: EntryOp::Add,
            kind: MacType::Dynamic,
            mac: Mac([2, 0, 0, 1, high, low]),
            vid: vid(10),
            port: name("Ethernet40"),
        }]));
    }
}

/// 6.6: the addresses of a session that is gone are taken back before *down* is said, in as many
/// batches as that takes.
#[test]
fn addresses_go_before_down_is_said() {
    let mut chassis = Chassis::active();
    chassis.connect_server(BOTH);
    chassis.session_up();
    // A first session that ends before everything of it is known replaces the whole table instead.
    chassis.pass(Duration::from_secs(11));
    tell_addresses(&mut chassis);
    chassis.ops();
    chassis.session_down();
    let ops = chassis.ops();
    let down = |op: &Op| matches!(op, Op::Pair(PairState { up: false, .. }));
    let down = ops.iter().position(down).unwrap();
    let gone = |op: &&Op| matches!(op, Op::FdbRelease { .. });
    assert_eq!(ops[..down].iter().filter(gone).count(), 5000);
    assert_eq!(ops[down..].iter().filter(gone).count(), 0);
}

/// 13.1: where nothing is taken back at the loss of the session, a failover does not wait behind what
/// is left to be said of the table.
#[test]
fn ports_go_before_addresses_where_the_session_may_come_back() {
    let mut chassis = Chassis::active();
    chassis.configure(1, |config| config.on_loss = OnLoss::Hold);
    chassis.connect_server(BOTH);
    chassis.session_up();
    chassis.pass(Duration::from_secs(11));
    chassis.ops();
    tell_addresses(&mut chassis);
    chassis.session_down();
    let ops = chassis.ops();
    let down = |op: &Op| matches!(op, Op::Pair(PairState { up: false, .. }));
    let down = ops.iter().position(down).unwrap();
    let address = |op: &&Op| matches!(op, Op::Fdb { .. });
    assert_eq!(ops[..down].iter().filter(address).count(), 0);
    assert_eq!(ops[down..].iter().filter(address).count(), 5000);
}

/// 6.6: *down* first, then isolation is lifted; invariant 3 of section 21.
#[test]
fn down_is_said_before_isolation_is_lifted() {
    for mut chassis in [Chassis::standby(), Chassis::active()] {
        chassis.addresses(crate::chassis::VLAN_INDEX, &["198.51.100.1/24"]);
        chassis.connect_server(BOTH);
        chassis.session_up();
        chassis.ops();
        chassis.session_down();
        let said = words(&chassis.ops());
        let place = |what: &str| said.iter().position(|word| word == what);
        let (down, lifted, gone) = (
            place("down").unwrap(),
            place("not isolated").unwrap(),
            place("peer's port gone").unwrap(),
        );
        assert!(down < lifted && lifted < gone, "{said:?}");
        assert_eq!(said.iter().filter(|word| *word == "down").count(), 1);
        if let Some(itself) = place("Vlan10 is itself") {
            assert!(lifted < itself && itself < gone, "{said:?}");
        }
    }
}

/// 14.2: a peer that reboots warm is not reported as gone.
#[test]
fn a_peer_that_reboots_warm_changes_nothing() {
    let mut chassis = Chassis::standby();
    chassis.connect_server(BOTH);
    chassis.session_up();
    chassis.ops();
    chassis.tell(Tlv::WarmBoot);
    chassis.session_down();
    assert_eq!(words(&chassis.ops()), Vec::<String>::new());
    chassis.pass(Duration::from_secs(91));
    assert!(
        words(&chassis.ops()).contains(&"down".into()),
        "90 s is enough"
    );
}

/// 14.2 is about a pair that stands: where both were not synchronised there is none, whatever the peer says.
#[test]
fn a_peer_that_restarts_before_both_are_synchronised_is_not_up() {
    for was_synchronised in [false, true] {
        let mut chassis = Chassis::standby();
        chassis.configure(3, |config| config.on_loss = OnLoss::Hold);
        chassis.connect_server(BOTH);
        if was_synchronised {
            chassis.session_up();
            chassis.ops();
            chassis.session_down();
        }
        chassis.ops();
        chassis.stage_two();
        chassis.tell(Tlv::Extension(Extension::ShutdownNotice(
            ShutdownNotice::Restart,
        )));
        chassis.session_down();
        let said = words(&chassis.ops());
        assert!(!said.contains(&"up".into()), "{was_synchronised}: {said:?}");
    }
}

/// 6.6: what was given up is not taken for synchronised because the peer, on its way back, restarts once
/// more: there is nothing that could be kept until it is back.
#[test]
fn a_peer_that_was_given_up_and_restarts_on_its_way_back_stays_given_up() {
    let mut chassis = Chassis::standby();
    chassis.connect_server(BOTH);
    chassis.session_up();
    chassis.session_down();
    chassis.ops();
    chassis.stage_two();
    chassis.tell(Tlv::Extension(Extension::ShutdownNotice(
        ShutdownNotice::Restart,
    )));
    chassis.session_down();
    let said = words(&chassis.ops());
    assert!(!said.contains(&"up".into()), "{said:?}");
}

/// 3.1, 14.2: a reboot takes its time, however short the operator wants to wait for a daemon that is
/// restarted.
#[test]
fn a_short_restart_hold_does_not_shorten_the_time_of_a_warm_reboot() {
    let mut chassis = Chassis::standby();
    chassis.configure(3, |config| {
        config.on_loss = OnLoss::Hold;
        config.restart_hold = Duration::from_secs(10);
    });
    chassis.connect_server(BOTH);
    chassis.session_up();
    chassis.pass(Duration::from_secs(11));
    chassis.tell(Tlv::Heartbeat);
    chassis.ops();
    chassis.tell(Tlv::WarmBoot);
    chassis.session_down();
    for _ in 0..8 {
        chassis.pass(Duration::from_secs(11));
        assert_eq!(words(&chassis.ops()), Vec::<String>::new());
    }
    chassis.pass(Duration::from_secs(3));
    let said = words(&chassis.ops());
    assert!(said.contains(&"down".into()), "{said:?}");
    // Its port may be isolated still.
    assert!(!said.contains(&"learning on".into()), "{said:?}");
}

/// 5: a legacy active never takes over the identity that is configured here, so it is its own that the
/// hosts see on both chassis, and that routed traffic is sent to.
#[test]
fn beside_a_legacy_active_its_system_mac_counts_and_not_the_configured_one() {
    let mut chassis = Chassis::standby();
    chassis.addresses(crate::chassis::VLAN_INDEX, &["198.51.100.1/24"]);
    let configured = Mac([2, 0, 0, 0, 0, 0xff]);
    chassis.configure(3, |config| config.system_mac = Some(configured));
    chassis.connect_server(BOTH);
    chassis.session_up();
    let ops = chassis.ops();
    let ids = ops.iter().filter_map(|op| match op {
        Op::Pair(pair) => Some(pair.system_mac),
        Op::Port { want, .. } => Some(want.system_mac),
        _ => None,
    });
    let ids: Vec<_> = ids.collect();
    assert_eq!(ids.last(), Some(&Some(PEER)), "{ops:?}");
    let adopted = ops.iter().rev().find_map(|op| match op {
        Op::Interface { name, want } => Some((*name, want.mac)),
        _ => None,
    });
    assert_eq!(adopted, Some((name("Vlan10"), PEER)));
}

#[test]
fn the_pair_is_described_as_this_chassis_sees_it() {
    let pair = |chassis: &mut Chassis| {
        let ops = chassis.ops();
        let last = ops.iter().rev().find_map(|op| match op {
            Op::Pair(pair) => Some(*pair),
            _ => None,
        });
        last.map(|pair| (pair.active, pair.up, pair.system_mac))
    };
    let mut active = Chassis::active();
    active.connect_server(BOTH);
    assert_eq!(pair(&mut active), Some((Some(true), false, None)));
    active.session_up();
    assert_eq!(pair(&mut active), Some((Some(true), true, Some(OWN))));
    let mut standby = Chassis::standby();
    standby.connect_server(BOTH);
    standby.session_up();
    assert_eq!(pair(&mut standby), Some((Some(false), true, Some(PEER))));
    standby.session_down();
    let own_again = Some((Some(false), false, Some(OWN)));
    assert_eq!(pair(&mut standby), own_again);
}

/// `spec/mclagsyncd-protocol.md` 4.1, third reason to send the list.
#[test]
fn members_that_change_are_told() {
    let mut chassis = Chassis::active();
    chassis.connect_server(BOTH);
    chassis.session_up();
    chassis.ops();
    chassis.feed(Input::LinkGone { index: 4 });
    let said = words(&chassis.ops());
    assert_eq!(
        said[0], "0 members",
        "before what follows from it: {said:?}"
    );
}

#[test]
fn what_a_dataplane_does_not_take_it_is_not_told() {
    let mut chassis = Chassis::standby();
    chassis.addresses(crate::chassis::VLAN_INDEX, &["198.51.100.1/24"]);
    chassis.connect_server(Abilities::default());
    chassis.session_up();
    let ops = chassis.ops();
    let fits = |op: &Op| {
        matches!(
            op,
            Op::Domain(_)
                | Op::Port { .. }
                | Op::SnapshotBegin(Section::Ports | Section::Fdb)
                | Op::SnapshotEnd(Section::Ports | Section::Fdb)
        )
    };
    assert!(ops.iter().all(fits), "{ops:?}");
}

#[test]
fn a_chassis_that_leaves_wants_nothing_of_any_section() {
    let mut chassis = Chassis::standby();
    chassis.connect_server(BOTH);
    chassis.session_up();
    chassis.ops();
    chassis.feed(Input::Stop { leave: true });
    let said = words(&chassis.ops());
    let mut want = vec!["down".to_owned()];
    for section in ["Ports", "Interfaces", "Fdb", "Neighbours", "Pair"] {
        want.extend([format!("begin {section}"), format!("end {section}")]);
    }
    assert_eq!(said, want);
}

/// It counts as up until it is back; whoever leaves does not wait for that.
#[test]
fn a_chassis_that_leaves_while_its_peer_reboots_warm_says_down() {
    let mut chassis = Chassis::standby();
    chassis.connect_server(BOTH);
    chassis.session_up();
    chassis.tell(Tlv::WarmBoot);
    chassis.session_down();
    chassis.ops();
    chassis.feed(Input::Stop { leave: true });
    assert_eq!(words(&chassis.ops()).first(), Some(&"down".to_owned()));
}

/// A port that is down when both are synchronised is held back (8.3).
#[test]
fn a_port_is_disabled_before_up_is_said() {
    let mut chassis = Chassis::active();
    chassis.member(false);
    chassis.connect_server(BOTH);
    chassis.ops();
    chassis.session_up();
    let ops = chassis.ops();
    let up = |op: &Op| matches!(op, Op::Pair(PairState { up: true, .. }));
    let up = ops.iter().position(up).unwrap();
    let held = |op: &Op| {
        let traffic = Traffic::Held;
        matches!(op, Op::Port { port, want: PortWant { traffic: t, .. } }
            if *port == name(BOND) && *t == traffic)
    };
    assert!(ops[..up].iter().any(held), "{ops:?}");
}

/// 8.3: a server remembers by name what is disabled. Nobody would enable a port that is deleted, nor the next one of
/// its name. One of our own keeps the hold for that.
#[test]
fn a_port_that_was_disabled_is_enabled_when_it_is_deleted() {
    for (node_mac, gone) in [(true, Traffic::Pass), (false, Traffic::Held)] {
        let mut chassis = Chassis::active();
        chassis.member(false);
        chassis.connect_server(Abilities { node_mac, ..BOTH });
        chassis.session_up();
        let mut traffic = None;
        let mut follow = |chassis: &mut Chassis| {
            for op in chassis.ops() {
                if let Op::Port { port, want } = op
                    && port == name(BOND)
                {
                    traffic = Some(want.traffic);
                }
            }
            traffic
        };
        assert_eq!(follow(&mut chassis), Some(Traffic::Held));
        chassis.delete_bond();
        assert_eq!(follow(&mut chassis), Some(gone));
        chassis.bond();
        chassis.member(false);
        assert_eq!(follow(&mut chassis), Some(Traffic::Held));
    }
}
