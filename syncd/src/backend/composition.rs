//! Two backends as one dataplane: who does what.
//!
//! A foreign `mclagsyncd` keeps the forwarding table and the traffic of ports of its dataplane, and
//! publishes how the pair stands. What it cannot do (neighbours, LACP system ids, the kernel's filter
//! and the addresses of interfaces) the backend beside it does in the same process. An operation goes
//! to each backend that has a share in it, and counts as done when all of them have done theirs.
//!
//! The rules are those of abilities, not of names: the next backend that cannot be read back is
//! composed in the same way.

use mclag_proto::sync::model::{Abilities, Op, PortWant, Section, Traffic};

/// What a backend has to do beside one that keeps the forwarding table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share(Abilities);

impl Share {
    /// The share of a backend that can do this.
    #[must_use]
    pub const fn of(own: Abilities) -> Self {
        Self(own)
    }

    /// What it has to do of an operation, if anything: not what belongs to the one that keeps the
    /// table. That one alone decides whether a port carries data, or nobody does.
    #[must_use]
    pub fn of_op(&self, op: &Op) -> Option<Op> {
        let is_shared = match op {
            Op::SnapshotBegin(section) | Op::SnapshotEnd(section) => self.has(*section),
            Op::Domain(_) | Op::Port { .. } | Op::PortRelease { .. } => true,
            Op::Fdb { .. } | Op::FdbRelease { .. } | Op::Learning { .. } | Op::Flush { .. } => {
                false
            }
            Op::Pair(_)
            | Op::RemotePort { .. }
            | Op::RemotePortRelease { .. }
            | Op::Members { .. } => self.has(Section::Pair),
            Op::Interface { .. } | Op::InterfaceRelease { .. } => self.has(Section::Interfaces),
            Op::Neighbour { .. } | Op::NeighbourRelease { .. } => self.has(Section::Neighbours),
            Op::NodeMac(_) => self.0.node_mac,
        };
        is_shared.then(|| match op {
            Op::Port { port, want } => Op::Port {
                port: *port,
                want: PortWant {
                    traffic: Traffic::Keep,
                    redirect: false,
                    ..*want
                },
            },
            other => other.clone(),
        })
    }

    const fn has(&self, section: Section) -> bool {
        match section {
            Section::Ports => true,
            Section::Fdb => false,
            Section::Pair => self.0.pair,
            Section::Interfaces => self.0.interfaces,
            Section::Neighbours => self.0.neighbours,
        }
    }
}

/// What both can do together: of table and traffic what the one can that keeps them, of the rest what
/// either can.
#[must_use]
pub const fn together(keeper: Abilities, beside: Abilities) -> Abilities {
    Abilities {
        redirect: keeper.redirect,
        tracking: keeper.tracking,
        hold: keeper.hold,
        pair: keeper.pair || beside.pair,
        interfaces: keeper.interfaces || beside.interfaces,
        neighbours: keeper.neighbours || beside.neighbours,
        node_mac: keeper.node_mac || beside.node_mac,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::sync::model::{
        DomainWant, FdbKey, FdbKind, FdbWant, InterfaceWant, Isolation, NeighbourKey,
    };
    use mclag_proto::{IfName, Mac, Vid};

    const KERNEL: Abilities = Abilities {
        redirect: true,
        tracking: true,
        hold: true,
        pair: true,
        interfaces: true,
        neighbours: true,
        node_mac: false,
    };
    const SONIC: Abilities = Abilities {
        redirect: false,
        tracking: false,
        hold: true,
        pair: true,
        interfaces: true,
        neighbours: false,
        node_mac: true,
    };
    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn port(traffic: Traffic, redirect: bool) -> Op {
        Op::Port {
            port: name("bond1"),
            want: PortWant {
                isolation: Isolation::On,
                traffic,
                redirect,
                system_mac: Some(MAC),
            },
        }
    }

    /// Neither entries nor holding nor redirecting; isolation and the LACP id, and the rest as it is.
    #[test]
    fn the_kernel_does_what_the_other_does_not() {
        let share = Share::of(KERNEL);
        let key = FdbKey {
            vid: Vid::DEFAULT,
            mac: MAC,
        };
        let want = FdbWant {
            port: name("bond1"),
            kind: FdbKind::Tracked,
        };
        for op in [
            Op::Fdb { key, want },
            Op::FdbRelease { key, forget: true },
            Op::Flush { port: None },
            Op::SnapshotBegin(Section::Fdb),
            Op::SnapshotEnd(Section::Fdb),
            Op::NodeMac(MAC),
        ] {
            assert_eq!(share.of_op(&op), None, "{op:?}");
        }
        for traffic in [Traffic::Held, Traffic::Pass, Traffic::Keep] {
            let kept = port(Traffic::Keep, false);
            assert_eq!(share.of_op(&port(traffic, true)), Some(kept));
        }
        let neighbour = NeighbourKey {
            interface: name("vlan10"),
            address: [192, 0, 2, 1].into(),
        };
        for op in [
            Op::Domain(DomainWant {
                bridge: name("br0"),
                peer_link: None,
                peer_link_learning: true,
            }),
            Op::PortRelease {
                port: name("bond1"),
            },
            Op::Interface {
                name: name("vlan10"),
                want: InterfaceWant { mac: MAC },
            },
            Op::NeighbourRelease { key: neighbour },
            Op::SnapshotBegin(Section::Ports),
            Op::SnapshotEnd(Section::Neighbours),
            Op::RemotePort {
                port: name("bond1"),
                up: true,
            },
        ] {
            assert_eq!(share.of_op(&op), Some(op));
        }
    }

    #[test]
    fn a_section_that_a_backend_does_not_have_is_not_said_to_it() {
        let share = Share::of(Abilities::default());
        for section in [Section::Pair, Section::Interfaces, Section::Neighbours] {
            assert_eq!(share.of_op(&Op::SnapshotBegin(section)), None);
        }
        let ports = Op::SnapshotBegin(Section::Ports);
        assert_eq!(share.of_op(&ports), Some(ports));
    }

    #[test]
    fn together_they_can_what_each_has_a_share_in() {
        let both = Abilities {
            neighbours: true,
            ..SONIC
        };
        assert_eq!(together(SONIC, KERNEL), both);
        let linux_mclag = Abilities {
            hold: false,
            ..SONIC
        };
        assert!(!together(linux_mclag, KERNEL).hold, "no port is held then");
    }
}
