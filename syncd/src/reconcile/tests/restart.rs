//! A restart in the middle of trouble: whatever links do between any two inputs, nothing that the
//! run before did is undone, for the client that comes back wants the same.

use super::*;

/// What the client wants, in the order in which ours says it.
fn everything() -> Vec<Op> {
    vec![
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond1", Isolation::On, Traffic::Pass),
        port_op("bond2", Isolation::Off, Traffic::Held),
        Op::Learning {
            port: port("swp1"),
            learning: false,
        },
        Op::SnapshotEnd(Section::Ports),
        Op::SnapshotBegin(Section::Interfaces),
        interface_op("vlan1", SYSTEM),
        Op::SnapshotEnd(Section::Interfaces),
        Op::SnapshotBegin(Section::Fdb),
        fdb_op(1, "bond1"),
        fdb_op(2, "peer"),
        Op::SnapshotEnd(Section::Fdb),
        Op::SnapshotBegin(Section::Neighbours),
        neighbour_op(1, false),
        Op::SnapshotEnd(Section::Neighbours),
    ]
}

/// After a restart *keep* is all that a client knows of isolation and holds.
fn everything_again() -> Vec<Op> {
    let keep = |mut op| {
        if let Op::Port { want, .. } = &mut op {
            want.isolation = Isolation::Keep;
            want.traffic = Traffic::Keep;
        }
        op
    };
    everything().into_iter().map(keep).collect()
}

/// What happens to a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Blink {
    /// It lost its carrier.
    Off,
    /// It has its carrier again.
    On,
    /// It bears another name, or is in another namespace.
    Away,
    /// It is back, with the settings it had.
    Back,
    /// Something that does not concern us happened to it.
    Touched,
}

const BLINKS: [Blink; 5] = [
    Blink::Off,
    Blink::On,
    Blink::Away,
    Blink::Back,
    Blink::Touched,
];

const LINKS: [&str; 5] = ["bond1", "bond2", "peer", "swp1", "vlan1"];

/// A dataplane on which a run before left what it did, and a reconciler that knows nothing but
/// what that run stored.
struct Restarted {
    bench: Bench,
    /// What the run before left.
    before: Actual,
}

impl Restarted {
    fn new() -> Self {
        let mut bench = Bench::new(Actual {
            snooping: McastSnooping::On,
            ..fresh()
        });
        let _ = bench.ask(&everything());
        let before = bench.dataplane.clone();
        bench.reconciler = Reconciler::new(bench.reconciler.originals().clone());
        bench.reconciler.adopt(without_bridge(before.clone()));
        Self { bench, before }
    }

    fn blink(&mut self, name: &str, blink: Blink) {
        let name = port(name);
        let Actual {
            ports, interfaces, ..
        } = &mut self.bench.dataplane;
        let was = &self.before;
        match blink {
            Blink::Off | Blink::On => {
                if let Some(interface) = interfaces.get_mut(&name) {
                    interface.running = blink == Blink::On;
                }
            }
            Blink::Away => {
                ports.remove(&name);
                interfaces.remove(&name);
            }
            Blink::Back => {
                let interface = was.interfaces.get(&name).cloned();
                interfaces.extend(interface.map(|is| (name, is)));
                ports.extend(was.ports.get(&name).map(|is| (name, *is)));
            }
            Blink::Touched => {}
        }
        let seen = match self.bench.reconciler.actual().bridge {
            Some(_) => self.bench.dataplane.clone(),
            None => without_bridge(self.bench.dataplane.clone()),
        };
        let actual = seen.ports.get(&name).copied();
        let event = BackendEvent::Port { port: name, actual };
        let _ = self.bench.reconciler.observe(&event);
        let actual = seen.interfaces.get(&name).cloned();
        let interface = name;
        let event = BackendEvent::Interface { interface, actual };
        let _ = self.bench.reconciler.observe(&event);
        self.settle(&[]);
    }

    /// Carry operations out, and see that nothing is undone.
    fn settle(&mut self, ops: &[Op]) {
        self.bench.reconciler.accept(ops);
        let (actions, _) = self.bench.settle();
        for action in actions {
            assert!(!self.undoes(&action), "{action:?} at {ops:?}");
        }
    }

    fn undoes(&self, action: &Action) -> bool {
        match action {
            Action::EnsureFilter { .. }
            | Action::Isolate { .. }
            | Action::Hold { .. }
            | Action::SetBackup { .. }
            | Action::LocalInstall { .. }
            | Action::FdbInstall { .. }
            | Action::NeighbourInstall { .. } => false,
            Action::SetLearning { learning, .. } => *learning,
            Action::SetMcastRouter { router, .. } => *router != McastRouter::Permanent,
            Action::SetSystemMac { mac, .. } => *mac != Some(SYSTEM),
            Action::SetInterfaceMac { mac, .. } => *mac != SYSTEM,
            // An address of an interface that is away is nobody's.
            Action::LocalDelete { interface, .. } => {
                self.bench.dataplane.interfaces.contains_key(interface)
            }
            Action::ClearBackup { .. }
            | Action::FdbMakeDynamic { .. }
            | Action::FdbDelete { .. }
            | Action::NeighbourDelete { .. }
            | Action::Unhold { .. }
            | Action::Release { .. }
            | Action::RemoveFilter => true,
        }
    }

    /// All links are as they were: so is the dataplane.
    fn recovers(mut self) {
        for name in LINKS {
            self.blink(name, Blink::Back);
        }
        self.bench.reconciler.retry();
        self.settle(&[]);
        assert_eq!(self.bench.dataplane, self.before);
    }
}

/// What a backend sees before it was told of the bridge.
fn without_bridge(mut actual: Actual) -> Actual {
    actual.bridge = None;
    actual.snooping = McastSnooping::Off;
    actual.fdb.clear();
    for port in actual.ports.values_mut() {
        port.bridge_port = None;
    }
    actual.ports.retain(|_, port| port.lacp.is_some());
    for interface in actual.interfaces.values_mut() {
        interface.svi = None;
    }
    actual
}

/// `(moment, link, what happens to it)`: each once, the link away or dark until the end.
#[test]
fn a_link_that_blinks_at_any_moment_of_a_restart_undoes_nothing() {
    let ops = everything_again();
    for moment in 0..=ops.len() {
        for name in LINKS {
            for blink in BLINKS {
                let mut restarted = Restarted::new();
                for (at, op) in ops.iter().enumerate() {
                    if at == moment {
                        restarted.blink(name, blink);
                    }
                    restarted.settle(std::slice::from_ref(op));
                }
                if moment == ops.len() {
                    restarted.blink(name, blink);
                }
                restarted.recovers();
            }
        }
    }
}

/// The client does not come back, or comes and is gone before it has said everything.
#[test]
fn nothing_is_undone_while_no_client_has_said_everything() {
    let ops = everything_again();
    let complete = |op: &Op| matches!(op, Op::SnapshotEnd(Section::Ports));
    let end = ops.iter().position(complete).unwrap();
    for taken in 0..end {
        let mut restarted = Restarted::new();
        restarted.settle(&ops[..taken]);
        restarted.bench.reconciler.client_gone();
        for name in LINKS {
            for blink in [Blink::Off, Blink::Away, Blink::Back, Blink::On] {
                restarted.blink(name, blink);
            }
        }
        assert_eq!(restarted.bench.dataplane, restarted.before, "{taken}");
    }
}

/// Input: a port that is not redirected, for the peer does not have it, and a client that starts and does not know that yet.
/// Output: nothing, for what was learned would be forgotten; it is redirected when the client knows more.
#[test]
fn a_port_is_redirected_no_sooner_than_the_client_knows_that_the_peer_has_it() {
    let named = |isolation, redirect| {
        let Op::Port { port, mut want } = port_op("bond1", isolation, Traffic::Keep) else {
            panic!("an operation on a port");
        };
        want.redirect = redirect;
        [
            Op::SnapshotBegin(Section::Ports),
            domain(),
            Op::Port { port, want },
            Op::SnapshotEnd(Section::Ports),
        ]
    };
    let backup = |bench: &Bench| bench.dataplane.bridge_port(&port("bond1")).unwrap().backup;
    let mut bench = Bench::new(fresh());
    let _ = bench.ask(&named(Isolation::Off, false));
    assert_eq!(backup(&bench), None);
    bench.reconciler = Reconciler::new(bench.reconciler.originals().clone());
    bench.reconciler.adopt(bench.dataplane.clone());
    let _ = bench.ask(&named(Isolation::Keep, true));
    assert_eq!(backup(&bench), None);
    let _ = bench.ask(&named(Isolation::On, true));
    assert_eq!(backup(&bench), Some(port("peer")));
}

/// It was not wanted any more, and that was said.
#[test]
fn what_was_not_wanted_any_more_is_undone_at_the_end_of_the_snapshot() {
    let mut restarted = Restarted::new();
    let _ = restarted.bench.ask(&[
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond2", Isolation::Keep, Traffic::Keep),
        Op::SnapshotEnd(Section::Ports),
        Op::SnapshotBegin(Section::Interfaces),
        Op::SnapshotEnd(Section::Interfaces),
    ]);
    let is = &restarted.bench.dataplane;
    let bond1 = port("bond1");
    assert!(!is.is_isolated(&bond1));
    assert_eq!(is.ports[&bond1], bridge_port());
    assert!(is.bridge_port(&port("swp1")).unwrap().learning);
    assert_eq!(is.interfaces, fresh().interfaces);
    assert_ne!(is.ports[&port("bond2")], bridge_port());
}

/// A legacy client names single ports and never all of them.
#[test]
fn what_a_client_names_it_may_take_back_without_naming_everything() {
    let mut restarted = Restarted::new();
    let [swp1, bond1] = ["swp1", "bond1"].map(port);
    let to_swp1 = Op::Domain(DomainWant {
        bridge: port("br0"),
        peer_link: Some(swp1),
        peer_link_learning: false,
    });
    let _ = restarted.bench.ask(&[
        domain(),
        port_op("bond1", Isolation::Keep, Traffic::Keep),
        to_swp1,
    ]);
    let _ = restarted.bench.ask(&[Op::PortRelease { port: bond1 }]);
    let name = port("vlan1");
    let _ = restarted.bench.ask(&[Op::InterfaceRelease { name }]);
    let is = &restarted.bench.dataplane;
    assert!(is.bridge_port(&port("peer")).unwrap().learning);
    assert!(!is.bridge_port(&swp1).unwrap().learning);
    assert_eq!(is.ports[&bond1], bridge_port());
    assert_eq!(is.interfaces[&name], interface("vlan1"));
    assert_ne!(is.ports[&port("bond2")], bridge_port(), "not named");
}

proptest! {
    #[test]
    fn links_that_blink_all_through_a_restart_undo_nothing(
        steps in proptest::collection::vec(
            (
                0..4_usize,
                proptest::collection::vec(
                    (proptest::sample::select(&LINKS[..]), proptest::sample::select(&BLINKS[..])),
                    0..4,
                ),
            ),
            1..16,
        ),
    ) {
        let mut restarted = Restarted::new();
        let mut ops = everything_again();
        for (taken, blinks) in steps {
            for (name, blink) in blinks {
                restarted.blink(name, blink);
            }
            let batch: Vec<Op> = ops.drain(..taken.min(ops.len())).collect();
            restarted.settle(&batch);
        }
        restarted.settle(&ops);
        restarted.recovers();
    }
}
