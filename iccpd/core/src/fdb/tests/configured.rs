//! What operators configured on both chassis, whose entries overlap in time as a rule: a virtual machine
//! moves, and gets its entry there before the one here goes. Each stays until it is removed.

use super::*;

/// The operator of this chassis, and the peer's.
const HERE: &str = "swp10";
const THERE: &str = "swp11";

fn configure(f: &mut Fixture, on: &str) {
    let (port, configured) = (port(on), true);
    f.observation(Observation::Learned { port, configured });
}

/// One word of a story: `+` and `-` are the entry here, `*` and `/` the one at the peer, `~` one that the peer learned,
/// `.` that both are sent what waits, `!` a session that is lost and found, and `?` a dataplane that
/// is listed anew.
fn happen(f: &mut Fixture, word: char, is_here: &mut bool) {
    match word {
        '+' => {
            configure(f, HERE);
            *is_here = true;
        }
        '-' => {
            f.observation(Observation::Aged);
            *is_here = false;
        }
        '*' => drop(f.peer_of_kind(EntryOp::Add, THERE, MacType::Static)),
        '/' => drop(f.peer_of_kind(EntryOp::Delete, THERE, MacType::Static)),
        '~' => drop(f.peer(EntryOp::Add, THERE)),
        '.' => drop((f.ops(), f.advertised())),
        '!' => {
            f.fdb.session_down(false);
            f.peer.clear();
            f.fdb.session_up(false);
        }
        '?' => {
            f.fdb.local_listing_begins(Time::ZERO);
            if *is_here {
                configure(f, HERE);
            }
            f.fdb.local_listing_ends();
        }
        other => panic!("{other}"),
    }
}

fn fixed(on: &str) -> FdbWant {
    let (port, kind) = (port(on), FdbKind::Static);
    FdbWant { port, kind }
}

/// What is programmed and advertised after a story.
fn after(unreported: bool, story: &str) -> (Option<FdbWant>, Option<Place>) {
    let kernel: BTreeMap<_, _> = [HERE, "bond1", "bond2", "peerlink"]
        .map(|name| (port(name), true))
        .into();
    let kernel = kernel.into();
    let mut f = Fixture::with(Ports {
        unreported,
        kernel,
        ..ports()
    });
    let mut is_here = false;
    for word in story.chars() {
        happen(&mut f, word, &mut is_here);
    }
    happen(&mut f, '.', &mut is_here);
    (f.dataplane.get(&KEY).copied(), f.peer.get(&KEY).copied())
}

#[test]
fn an_entry_of_the_peers_operator_counts_when_the_one_here_is_removed() {
    let (ours, peers) = (
        Place {
            port: port(HERE),
            configured: true,
        },
        fixed("peerlink"),
    );
    for unreported in [false, true] {
        for (story, programmed, advertised) in [
            // The one here first, removed last or first, however much was sent meanwhile.
            ("+.*.-.", Some(peers), None),
            ("+*-", Some(peers), None),
            ("+.*-", Some(peers), None),
            ("+.-*", Some(peers), None),
            ("+*/-", None, None),
            ("+.*./.", None, Some(ours)),
            // The peer's first.
            ("*.+.-.", Some(peers), None),
            ("*+-", Some(peers), None),
            ("*.+./.", None, Some(ours)),
            ("*+/-", None, None),
            // Neither has gone.
            ("+.*.", None, Some(ours)),
            ("*.+.", None, Some(ours)),
            // Again and again.
            ("+*-+-+", None, Some(ours)),
            ("+*-+/*-", Some(peers), None),
            // A session that is lost, or a dataplane that is listed, in between.
            ("+.*.!*-", Some(peers), None),
            ("+.*.?-", Some(peers), None),
            ("*.+.?.-?", Some(peers), None),
            // The peer's session brings it again, or not.
            ("+.*.!-.", Some(peers), None),
        ] {
            let wanted = (programmed, advertised);
            assert_eq!(after(unreported, story), wanted, "{story} {unreported}");
        }
    }
}

/// It was learned before the peer heard of the entry here, and stands if it never does.
#[test]
fn what_the_peer_learned_stands_when_it_never_heard_of_an_entry_that_came_and_went() {
    let tracked = FdbWant {
        port: port("peerlink"),
        kind: FdbKind::Tracked,
    };
    assert_eq!(after(false, "+~-"), (Some(tracked), None));
    assert_eq!(after(false, "~+-"), (Some(tracked), None));
    assert_eq!(after(false, "+.~-"), (None, None), "the peer gives it up");
}

#[test]
fn a_port_that_leaves_the_pair_keeps_what_is_configured_on_it_here_and_at_the_peer() {
    let mut f = Fixture::new();
    configure(&mut f, "bond1");
    f.peer_of_kind(EntryOp::Add, "bond1", MacType::Static);
    f.change(|ports| ports.mlag.remove(&port("bond1")));
    drop((f.ops(), f.advertised()));
    let own = Place {
        port: port("bond1"),
        configured: true,
    };
    assert_eq!(f.peer.get(&KEY), Some(&own));
    assert_eq!(f.dataplane.get(&KEY), None);
    f.observation(Observation::Aged).ops();
    assert_eq!(f.dataplane.get(&KEY), Some(&fixed("peerlink")));
}

/// The operator's entry gives way to one that the dataplane learned: then the peer's counts.
#[test]
fn an_entry_that_is_configured_no_longer_does_not_hide_the_peers() {
    let mut f = Fixture::new();
    configure(&mut f, HERE);
    f.peer_of_kind(EntryOp::Add, THERE, MacType::Static);
    drop((f.ops(), f.advertised()));
    f.learn(HERE);
    drop((f.ops(), f.advertised()));
    assert_eq!(f.dataplane.get(&KEY), Some(&fixed("peerlink")));
    assert_eq!(f.peer.get(&KEY), None);
}
