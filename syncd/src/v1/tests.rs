//! What is said in version 1 is understood as it was meant: operations become messages, bytes,
//! messages and operations again, and both sides want the same.

use std::collections::{BTreeMap, BTreeSet};

use mclag_proto::sync::frame::Decoder;
use mclag_proto::sync::model::{
    DomainWant, FdbKey, FdbKind, FdbWant, InterfaceWant, Isolation, Op, PairState, PortWant,
    Section, Traffic,
};
use mclag_proto::sync::v1::{ClientMessage, Dialect};
use mclag_proto::{DomainId, IfName, Mac, Vid};
use proptest::prelude::*;

use super::{from, to};
use crate::dataplane::{Actual, InterfaceActual};
use crate::legacy::Options;
use crate::reconcile::{Originals, Reconciler, Wanted};

const PEER_LINK: &str = "PortChannel10";
const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// MLAG ports, with their members.
const PORTS: [(&str, [&str; 2]); 3] = [
    ("PortChannel1", ["Ethernet0", "Ethernet4"]),
    ("PortChannel2", ["Ethernet8", "Ethernet12"]),
    ("PortChannel3", ["Ethernet16", "Ethernet20"]),
];

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn port(index: usize) -> IfName {
    name(PORTS[index % PORTS.len()].0)
}

fn domain() -> DomainId {
    DomainId::new(1).unwrap()
}

fn key(last: u8) -> FdbKey {
    FdbKey {
        vid: Vid::new(10).unwrap(),
        mac: Mac([2, 0, 0, 0, 1, last]),
    }
}

/// The kernel that the receiving side sees.
fn actual() -> Actual {
    let lag = |port, lag| {
        let running = true;
        let interface = InterfaceActual {
            lag,
            running,
            ..InterfaceActual::default()
        };
        (name(port), interface)
    };
    let mut interfaces = BTreeMap::from([lag(PEER_LINK, None), lag("Ethernet40", None)]);
    for (port, members) in PORTS {
        interfaces.extend([lag(port, None)]);
        interfaces.extend(members.map(|member| lag(member, Some(name(port)))));
    }
    Actual {
        bridge: Some(name("br0")),
        interfaces,
        ..Actual::default()
    }
}

/// Both ends and what was meant.
struct Way {
    dialect: Dialect,
    to: to::Translator,
    from: from::Translator,
    receiver: Reconciler,
    actual: Actual,
    meant: Reconciler,
    /// Interfaces that had another address, and what they have now: version 1 gives one that is
    /// released the chassis' own.
    interfaces: BTreeMap<IfName, InterfaceWant>,
}

impl Way {
    fn new(dialect: Dialect) -> Self {
        let options = Options {
            bridge: Some(name("br0")),
            ..Options::default()
        };
        let mut way = Self {
            dialect,
            to: to::Translator::new(dialect),
            from: from::Translator::new(&options, Isolation::Off, true),
            receiver: Reconciler::new(Originals::default()),
            actual: actual(),
            meant: Reconciler::new(Originals::default()),
            interfaces: BTreeMap::new(),
        };
        assert!(way.to.apply(&[Op::NodeMac(OWN)]).is_empty());
        way.connect();
        let ops = way.from.begin(&way.actual, false);
        way.receiver.accept(&ops);
        way
    }

    fn connect(&mut self) {
        self.to.connected(self.dialect);
        let members = PORTS.map(|(port, members)| Op::Members {
            port: name(port),
            members: members.map(name).into(),
        });
        self.send(&members);
        self.send(&[
            Op::SnapshotBegin(Section::Ports),
            Op::Domain(DomainWant {
                bridge: name("br0"),
                peer_link: Some(name(PEER_LINK)),
                peer_link_learning: false,
            }),
            port_op(0, true, false),
            Op::SnapshotEnd(Section::Ports),
        ]);
    }

    fn send(&mut self, ops: &[Op]) {
        self.meant.accept(ops);
        for op in ops {
            match op {
                Op::Interface { name, want } => drop(self.interfaces.insert(*name, *want)),
                Op::InterfaceRelease { name } => {
                    if let Some(interface) = self.interfaces.get_mut(name) {
                        interface.mac = OWN;
                    }
                }
                _ => {}
            }
        }
        for message in self.to.apply(ops) {
            for part in message.split(self.dialect) {
                self.hear(&part);
            }
        }
    }

    fn hear(&mut self, message: &ClientMessage) {
        // What the dialect does not have is not said.
        let Ok(bytes) = message.encode(self.dialect) else {
            return;
        };
        let mut decoder = Decoder::v1();
        decoder.push(&bytes);
        let frame = decoder.next_frame().unwrap().unwrap();
        let decoded = ClientMessage::decode(&frame, self.dialect)
            .unwrap()
            .unwrap();
        assert_eq!(decoded.skipped, []);
        let mut ops = Vec::new();
        self.from
            .message(&decoded.message, self.dialect, &self.actual, &mut ops);
        self.receiver.accept(&ops);
    }

    fn check(&self) {
        let (meant, heard) = (self.meant.wanted(), self.receiver.wanted());
        let isolated = |wanted: &Wanted| -> BTreeSet<IfName> {
            let ports = wanted.ports().iter();
            let isolated = ports.filter(|(_, port)| port.isolated == Some(true));
            isolated.map(|(name, _)| *name).collect()
        };
        assert_eq!(isolated(heard), isolated(meant));
        let entries = |wanted: &Wanted| -> BTreeMap<FdbKey, FdbWant> {
            let keys = wanted.entries();
            keys.map(|key| (*key, *wanted.entry(key).unwrap()))
                .collect()
        };
        assert_eq!(entries(heard), entries(meant));
        assert_eq!(*heard.interfaces(), self.interfaces);
        if self.dialect != Dialect::Sonic {
            return;
        }
        let held = |wanted: &Wanted| -> BTreeSet<IfName> {
            let ports = wanted.ports().iter();
            let held = ports.filter(|(_, port)| port.held == Some(true));
            held.map(|(name, _)| *name).collect()
        };
        assert_eq!(held(heard), held(meant));
        assert_eq!(heard.pair().state(), meant.pair().state());
        assert_eq!(heard.pair().remote(), meant.pair().remote());
        if meant.pair().state().is_some_and(|pair| pair.up) {
            let heard = heard.domain().unwrap();
            assert_eq!(heard.peer_link, Some(name(PEER_LINK)));
            assert!(!heard.peer_link_learning);
        }
    }
}

fn port_op(index: usize, isolated: bool, held: bool) -> Op {
    Op::Port {
        port: port(index),
        want: PortWant {
            isolation: match isolated {
                true => Isolation::On,
                false => Isolation::Off,
            },
            traffic: match held {
                true => Traffic::Held,
                false => Traffic::Pass,
            },
            redirect: false,
            system_mac: None,
        },
    }
}

/// Changes that both sides can mean. An active chassis has its own system id.
fn any_op() -> impl Strategy<Value = Op> {
    let mac = |last: u8| Mac([2, 0, 0, 0, 2, last]);
    let interface = |number: u8| name(&format!("Vlan{number}"));
    prop_oneof![
        (0..3_usize, any::<bool>(), any::<bool>())
            .prop_map(|(index, isolated, held)| port_op(index, isolated, held)),
        (1..3_usize).prop_map(|index| Op::PortRelease { port: port(index) }),
        (0..9_u8, 0..4_usize, any::<bool>()).prop_map(|(last, index, is_static)| Op::Fdb {
            key: key(last),
            want: FdbWant {
                port: if index == 3 {
                    name("Ethernet40")
                } else {
                    port(index)
                },
                kind: match is_static {
                    true => FdbKind::Static,
                    false => FdbKind::Tracked,
                },
            },
        }),
        (0..9_u8, any::<bool>()).prop_map(|(last, forget)| Op::FdbRelease {
            key: key(last),
            forget,
        }),
        (0..3_u8, 0..3_u8).prop_map(move |(number, last)| Op::Interface {
            name: interface(number),
            want: InterfaceWant { mac: mac(last) },
        }),
        (0..3_u8).prop_map(move |number| Op::InterfaceRelease {
            name: interface(number)
        }),
        (any::<bool>(), any::<bool>(), 0..3_u8).prop_map(move |(active, up, last)| {
            Op::Pair(PairState {
                domain: domain(),
                active: Some(active),
                up,
                system_mac: Some(mac(last)),
            })
        }),
        (0..3_usize, any::<bool>()).prop_map(|(index, up)| Op::RemotePort {
            port: port(index),
            up,
        }),
        (0..3_usize).prop_map(|index| Op::RemotePortRelease { port: port(index) }),
    ]
}

proptest! {
    #[test]
    fn what_is_said_is_understood(
        dialect in prop_oneof![Just(Dialect::Sonic), Just(Dialect::LinuxMclag)],
        batches in proptest::collection::vec(proptest::collection::vec(any_op(), 1..12), 1..8),
    ) {
        let mut way = Way::new(dialect);
        // A port of the peer is said of a pair.
        way.send(&[Op::Pair(PairState {
            domain: domain(),
            active: Some(true),
            up: false,
            system_mac: Some(OWN),
        })]);
        for batch in batches {
            way.send(&batch);
            way.check();
        }
    }
}
