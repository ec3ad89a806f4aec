//! This chassis' own MAC, for a dataplane that cannot find out what an interface had before.

use crate::chassis::{BOTH, Chassis, OWN};
use iccp_core::Input;
use mclag_proto::Mac;
use mclag_proto::sync::model::{Abilities, Op, Section};

fn told(chassis: &mut Chassis) -> Vec<Op> {
    let mut ops = chassis.ops();
    let is_meant = |op: &Op| {
        matches!(
            op,
            Op::NodeMac(_) | Op::Pair(_) | Op::SnapshotBegin(Section::Pair)
        )
    };
    ops.retain(is_meant);
    ops
}

fn connect(chassis: &mut Chassis, node_mac: bool) {
    chassis.feed(Input::SyncdUp {
        abilities: Abilities { node_mac, ..BOTH },
        backend: "model".into(),
        window: 8,
    });
}

#[test]
fn the_own_mac_is_said_before_the_pair_and_when_it_changes() {
    let mut chassis = Chassis::active();
    connect(&mut chassis, true);
    let ops = told(&mut chassis);
    let begin = Op::SnapshotBegin(Section::Pair);
    assert_eq!(ops.first_chunk(), Some(&[begin, Op::NodeMac(OWN)]));
    assert!(matches!(ops.get(2), Some(Op::Pair(_))));
    let other = Mac([2, 0, 0, 0, 0, 9]);
    chassis.configure(1, |config| config.node_mac = other);
    assert_eq!(told(&mut chassis).first(), Some(&Op::NodeMac(other)));
    chassis.configure(1, |config| config.node_mac = other);
    assert!(!told(&mut chassis).contains(&Op::NodeMac(other)), "once");
}

#[test]
fn a_dataplane_that_does_not_ask_is_not_told() {
    let mut chassis = Chassis::active();
    connect(&mut chassis, false);
    let ops = told(&mut chassis);
    assert!(!ops.is_empty());
    assert!(!ops.iter().any(|op| matches!(op, Op::NodeMac(_))));
}
