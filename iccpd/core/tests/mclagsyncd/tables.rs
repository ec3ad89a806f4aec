//! What the address table hears of ports by way of the domain (`spec/behaviour.md` 9).

use crate::chassis::{BOND, BOTH, Chassis, name, vid};
use iccp_core::{Batch, Input};
use mclag_proto::Mac;
use mclag_proto::ctl::Warning;
use mclag_proto::iccp::{EntryOp, MacEntry, MacType, Tlv};
use mclag_proto::sync::model::{Event, FdbKey, FdbKind, Op};
use std::collections::VecDeque;
use std::time::Duration;

fn key() -> FdbKey {
    FdbKey {
        vid: vid(10),
        mac: Mac([2, 0, 0, 0, 1, 7]),
    }
}

fn entry(port: &str) -> Tlv {
    Tlv::MacInfo(vec![MacEntry {
        op: EntryOp::Add,
        kind: MacType::Dynamic,
        mac: key().mac,
        vid: key().vid,
        port: name(port),
    }])
}

fn withdrawn(port: &str) -> Tlv {
    let Tlv::MacInfo(mut entries) = entry(port) else {
        unreachable!("made above")
    };
    entries[0].op = EntryOp::Delete;
    Tlv::MacInfo(entries)
}

/// Where addresses are forwarded to, as last said.
fn installed(ops: &[Op]) -> Vec<Option<(String, FdbKind)>> {
    let entries = ops.iter().filter_map(|op| match op {
        Op::Fdb { want, .. } => Some(Some((want.port.to_string(), want.kind))),
        Op::FdbRelease { .. } => Some(None),
        _ => None,
    });
    entries.collect()
}

fn on(port: &str, kind: FdbKind) -> Vec<Option<(String, FdbKind)>> {
    vec![Some((port.into(), kind))]
}

fn synchronised() -> Chassis {
    let mut chassis = Chassis::active();
    chassis.connect_server(BOTH);
    chassis.session_up();
    // A legacy peer marks no end of its addresses.
    chassis.pass(Duration::from_secs(11));
    chassis.tell(Tlv::Heartbeat);
    chassis.ops();
    chassis.sent();
    chassis
}

/// `spec/behaviour.md` 9.6, 9.7, with its 600 s.
#[test]
fn an_address_learned_on_a_port_that_is_lost_is_kept_for_ten_minutes() {
    let mut chassis = synchronised();
    chassis.learn(key(), BOND);
    assert_eq!(installed(&chassis.ops()), []);
    chassis.member(false);
    assert_eq!(installed(&chassis.ops()), on("Ethernet0", FdbKind::Tracked));
    for _ in 0..59 {
        chassis.pass(Duration::from_secs(10));
        chassis.tell(Tlv::Heartbeat);
        assert_eq!(installed(&chassis.ops()), []);
    }
    chassis.sent();
    assert!(chassis.domain.deadline().unwrap() <= chassis.now + Duration::from_secs(10));
    chassis.pass(Duration::from_secs(10));
    assert_eq!(installed(&chassis.ops()), [None]);
}

#[test]
fn an_address_that_waited_returns_to_its_port() {
    let mut chassis = synchronised();
    chassis.learn(key(), BOND);
    chassis.member(false);
    chassis.ops();
    chassis.member(true);
    assert_eq!(installed(&chassis.ops()), on(BOND, FdbKind::Ageing));
}

/// 9.8.
#[test]
fn an_address_of_the_peer_ages_here_when_the_peer_lost_its_port() {
    let mut chassis = synchronised();
    chassis.tell(entry(BOND));
    assert_eq!(installed(&chassis.ops()), on(BOND, FdbKind::Tracked));
    chassis.peer_port(false);
    assert_eq!(installed(&chassis.ops()), on(BOND, FdbKind::Ageing));
    let told = chassis.sent();
    assert!(told.contains(&entry(BOND)), "{told:?}");
}

/// 9.8: the peer says that it lost the port, and then that it does not see the address any more. Both may
/// be taken in before anything follows, as may the return of the port.
#[test]
fn an_address_that_is_withdrawn_behind_the_loss_of_its_port_ages_here_all_the_same() {
    for (lost, back) in [(true, false), (true, true), (false, false)] {
        let mut chassis = synchronised();
        chassis.tell(entry(BOND));
        chassis.ops();
        chassis.sent();
        if lost {
            chassis.peer_port(false);
        }
        chassis.tell(withdrawn(BOND));
        if back {
            chassis.peer_port(true);
        }
        let (ops, sent) = (chassis.ops(), chassis.sent());
        let kept = match lost {
            true => on(BOND, FdbKind::Ageing),
            false => vec![None],
        };
        assert_eq!(installed(&ops), kept, "lost: {lost}, back: {back}");
        assert_eq!(sent.contains(&entry(BOND)), lost, "{sent:?}");
    }
    // Of that turn only.
    let mut chassis = synchronised();
    chassis.peer_port(false);
    chassis.peer_port(true);
    chassis.ops();
    chassis.tell(entry(BOND));
    chassis.ops();
    chassis.tell(withdrawn(BOND));
    assert_eq!(installed(&chassis.ops()), [None]);
}

/// 9.9 and `OnLoss::Release`.
#[test]
fn a_lost_session_leaves_ageing_entries_on_mlag_ports_only() {
    let mut chassis = synchronised();
    chassis.tell(entry(BOND));
    chassis.ops();
    chassis.session_down();
    assert_eq!(installed(&chassis.ops()), on(BOND, FdbKind::Ageing));
    let mut chassis = synchronised();
    chassis.tell(entry("Ethernet20"));
    assert_eq!(installed(&chassis.ops()), on("Ethernet0", FdbKind::Tracked));
    chassis.session_down();
    assert_eq!(installed(&chassis.ops()), [None]);
}

/// 9.11.
#[test]
fn a_peer_link_that_is_down_carries_no_entry() {
    let mut chassis = synchronised();
    chassis.tell(entry("Ethernet20"));
    chassis.ops();
    let mut link = Chassis::link(2, "Ethernet0");
    link.running = false;
    chassis.feed(Input::Link(link));
    assert_eq!(installed(&chassis.ops()), [None]);
    chassis.feed(Input::Link(Chassis::link(2, "Ethernet0")));
    assert_eq!(installed(&chassis.ops()), on("Ethernet0", FdbKind::Tracked));
}

/// It takes 50 ms for each, and so minutes for all.
#[test]
fn a_server_that_is_slow_does_not_count_as_one_that_hangs() {
    const MANY: u16 = 2000;
    let mut chassis = synchronised();
    for n in 0..MANY {
        let Tlv::MacInfo(mut entries) = entry("Ethernet20") else {
            unreachable!("made above")
        };
        let [high, low] = n.to_be_bytes();
        entries[0].mac = Mac([2, 0, 0, 1, high, low]);
        chassis.tell(Tlv::MacInfo(entries));
    }
    let is_silent = |chassis: &Chassis| {
        let warnings = chassis.domain.status(chassis.now).warnings;
        warnings.contains(&Warning::SyncdSilent)
    };
    let mut waiting = VecDeque::new();
    let mut answered = 0;
    loop {
        waiting.extend(std::iter::from_fn(|| chassis.domain.poll_batch()));
        let Some(Batch { number, ops }) = waiting.pop_front() else {
            break;
        };
        for _ in &ops {
            chassis.pass(Duration::from_millis(50));
            assert!(!is_silent(&chassis), "after {answered}");
        }
        answered += installed(&ops).len();
        let (batch, failures) = (number, Vec::new());
        chassis.feed(Input::SyncdResult { batch, failures });
        chassis.tell(Tlv::Heartbeat);
    }
    assert_eq!(answered, usize::from(MANY));

    // One that hangs does, whatever it has to do.
    chassis.tell(entry("Ethernet20"));
    assert!(chassis.domain.poll_batch().is_some());
    chassis.pass(Duration::from_millis(1999));
    assert!(!is_silent(&chassis));
    chassis.pass(Duration::from_millis(1));
    assert!(is_silent(&chassis));
}

/// P-14, and `spec/mclagsyncd-protocol.md` 5.4: the server's word on VLANs counts until it has come
/// back and said something else (`spec/behaviour.md` 14.6).
#[test]
fn a_vlan_that_the_server_takes_from_a_port_takes_its_entries() {
    let mut chassis = synchronised();
    chassis.tell(entry("Ethernet20"));
    chassis.ops();
    let member = |member| {
        Input::SyncdEvent(Event::VlanMember {
            port: name("Ethernet0"),
            vid: vid(10),
            member,
        })
    };
    chassis.feed(member(true));
    assert_eq!(installed(&chassis.ops()), []);
    chassis.feed(member(false));
    assert_eq!(installed(&chassis.ops()), [None]);
    chassis.feed(Input::SyncdDown);
    chassis.feed(Input::SyncdUp {
        abilities: BOTH,
        backend: "model".into(),
        window: 8,
    });
    assert_eq!(installed(&chassis.ops()), [], "it has said nothing yet");
    chassis.connect_server(BOTH);
    let ops = installed(&chassis.ops());
    assert_eq!(ops, on("Ethernet0", FdbKind::Tracked), "the kernel's again");
}

/// 9.12 and W-16.
#[test]
fn a_port_that_leaves_the_domain_and_joins_again_is_followed() {
    let mut chassis = synchronised();
    chassis.tell(entry(BOND));
    chassis.ops();
    chassis.configure(1, |config| config.ports.clear());
    assert_eq!(installed(&chassis.ops()), on("Ethernet0", FdbKind::Tracked));
    chassis.configure(1, |_| {});
    assert_eq!(installed(&chassis.ops()), on(BOND, FdbKind::Tracked));
}

/// 9.12: what waited behind the peer link for its MLAG port waits for nothing when that becomes an
/// orphan port: nobody sees the host any more, and the peer hears it.
#[test]
fn what_waited_for_a_port_that_leaves_is_dropped_and_withdrawn() {
    let mut chassis = synchronised();
    chassis.learn(key(), BOND);
    assert_eq!(chassis.sent(), [entry(BOND)]);
    chassis.member(false);
    assert_eq!(installed(&chassis.ops()), on("Ethernet0", FdbKind::Tracked));
    chassis.sent();
    chassis.configure(1, |config| config.ports.clear());
    assert_eq!(installed(&chassis.ops()), [None]);
    let sent = chassis.sent();
    assert!(sent.contains(&withdrawn(BOND)), "{sent:?}");
    let macs = chassis.domain.status(chassis.now).macs;
    assert_eq!(macs.local + macs.peer + macs.both, 0, "{macs:?}");
}

/// 9.12, W-15: of a host that both saw on the port, the dataplane's own entry leads to the orphan port
/// until it is told otherwise, and it is told to forget that.
#[test]
fn a_host_that_both_saw_on_a_port_that_leaves_is_reached_through_the_peer() {
    let mut chassis = synchronised();
    chassis.learn(key(), BOND);
    chassis.tell(entry(BOND));
    chassis.ops();
    chassis.sent();
    chassis.configure(1, |config| config.ports.clear());
    let ops = chassis.ops();
    assert_eq!(installed(&ops), on("Ethernet0", FdbKind::Tracked));
    let sent = chassis.sent();
    assert!(sent.contains(&withdrawn(BOND)), "{sent:?}");
    // Without a peer link it leads nowhere, and the entry on the port has to go all the same.
    let mut chassis = synchronised();
    chassis.learn(key(), BOND);
    chassis.tell(entry(BOND));
    chassis.ops();
    let mut link = Chassis::link(2, "Ethernet0");
    link.running = false;
    chassis.feed(Input::Link(link));
    chassis.configure(1, |config| config.ports.clear());
    assert_eq!(installed(&chassis.ops()), [None]);
}

/// An orphan port that is down (9.3, fourth row).
#[test]
fn an_address_on_an_orphan_port_is_told_when_the_port_is_up() {
    let mut chassis = synchronised();
    let mut link = Chassis::link(20, "Ethernet20");
    link.running = false;
    chassis.feed(Input::Link(link));
    chassis.sent();
    chassis.learn(key(), "Ethernet20");
    assert_eq!(chassis.sent(), []);
    chassis.feed(Input::Link(Chassis::link(20, "Ethernet20")));
    assert_eq!(chassis.sent(), [entry("Ethernet20")]);
}
