use super::*;
use Known::{Before, Current, PortsSynchronised};
use Past::{Forgotten, Released, Restarting, Stale, Unknown};

/// State, change, state.
const TRANSITIONS: [(Known, Change, Known); 99] = [
    (
        Before(Unknown),
        Change::PortsSynchronised,
        PortsSynchronised(Unknown),
    ),
    (Before(Unknown), Change::Synchronised, Current),
    (Before(Unknown), Change::Lost, Before(Unknown)),
    (Before(Unknown), Change::LostToRestart, Before(Unknown)),
    (Before(Unknown), Change::LostAtOnce, Before(Released)),
    (Before(Unknown), Change::Overdue, Before(Unknown)),
    (Before(Unknown), Change::Forgotten, Before(Forgotten)),
    (Before(Unknown), Change::Released, Before(Released)),
    (
        Before(Stale),
        Change::PortsSynchronised,
        PortsSynchronised(Stale),
    ),
    (Before(Stale), Change::Synchronised, Current),
    (Before(Stale), Change::Lost, Before(Stale)),
    (Before(Stale), Change::LostToRestart, Before(Stale)),
    (Before(Stale), Change::LostAtOnce, Before(Released)),
    (Before(Stale), Change::Overdue, Before(Stale)),
    (Before(Stale), Change::Forgotten, Before(Forgotten)),
    (Before(Stale), Change::Released, Before(Released)),
    (
        Before(Restarting),
        Change::PortsSynchronised,
        PortsSynchronised(Restarting),
    ),
    (Before(Restarting), Change::Synchronised, Current),
    (Before(Restarting), Change::Lost, Before(Restarting)),
    (
        Before(Restarting),
        Change::LostToRestart,
        Before(Restarting),
    ),
    (Before(Restarting), Change::LostAtOnce, Before(Restarting)),
    (Before(Restarting), Change::Overdue, Before(Stale)),
    (Before(Restarting), Change::Forgotten, Before(Forgotten)),
    (Before(Restarting), Change::Released, Before(Released)),
    (
        Before(Forgotten),
        Change::PortsSynchronised,
        PortsSynchronised(Forgotten),
    ),
    (Before(Forgotten), Change::Synchronised, Current),
    (Before(Forgotten), Change::Lost, Before(Stale)),
    (Before(Forgotten), Change::LostToRestart, Before(Stale)),
    (Before(Forgotten), Change::LostAtOnce, Before(Released)),
    (Before(Forgotten), Change::Overdue, Before(Forgotten)),
    (Before(Forgotten), Change::Forgotten, Before(Forgotten)),
    (Before(Forgotten), Change::Released, Before(Released)),
    (
        Before(Released),
        Change::PortsSynchronised,
        PortsSynchronised(Released),
    ),
    (Before(Released), Change::Synchronised, Current),
    (Before(Released), Change::Lost, Before(Released)),
    (Before(Released), Change::LostToRestart, Before(Released)),
    (Before(Released), Change::LostAtOnce, Before(Released)),
    (Before(Released), Change::Overdue, Before(Released)),
    (Before(Released), Change::Forgotten, Before(Forgotten)),
    (Before(Released), Change::Released, Before(Released)),
    (
        PortsSynchronised(Unknown),
        Change::PortsSynchronised,
        PortsSynchronised(Unknown),
    ),
    (PortsSynchronised(Unknown), Change::Synchronised, Current),
    (PortsSynchronised(Unknown), Change::Lost, Before(Unknown)),
    (
        PortsSynchronised(Unknown),
        Change::LostToRestart,
        Before(Unknown),
    ),
    (
        PortsSynchronised(Unknown),
        Change::LostAtOnce,
        Before(Released),
    ),
    (
        PortsSynchronised(Unknown),
        Change::Overdue,
        PortsSynchronised(Unknown),
    ),
    (
        PortsSynchronised(Unknown),
        Change::Forgotten,
        Before(Forgotten),
    ),
    (
        PortsSynchronised(Unknown),
        Change::Released,
        Before(Released),
    ),
    (
        PortsSynchronised(Stale),
        Change::PortsSynchronised,
        PortsSynchronised(Stale),
    ),
    (PortsSynchronised(Stale), Change::Synchronised, Current),
    (PortsSynchronised(Stale), Change::Lost, Before(Stale)),
    (
        PortsSynchronised(Stale),
        Change::LostToRestart,
        Before(Stale),
    ),
    (
        PortsSynchronised(Stale),
        Change::LostAtOnce,
        Before(Released),
    ),
    (
        PortsSynchronised(Stale),
        Change::Overdue,
        PortsSynchronised(Stale),
    ),
    (
        PortsSynchronised(Stale),
        Change::Forgotten,
        Before(Forgotten),
    ),
    (PortsSynchronised(Stale), Change::Released, Before(Released)),
    (
        PortsSynchronised(Restarting),
        Change::PortsSynchronised,
        PortsSynchronised(Restarting),
    ),
    (PortsSynchronised(Restarting), Change::Synchronised, Current),
    (
        PortsSynchronised(Restarting),
        Change::Lost,
        Before(Restarting),
    ),
    (
        PortsSynchronised(Restarting),
        Change::LostToRestart,
        Before(Restarting),
    ),
    (
        PortsSynchronised(Restarting),
        Change::LostAtOnce,
        Before(Restarting),
    ),
    (
        PortsSynchronised(Restarting),
        Change::Overdue,
        PortsSynchronised(Stale),
    ),
    (
        PortsSynchronised(Restarting),
        Change::Forgotten,
        Before(Forgotten),
    ),
    (
        PortsSynchronised(Restarting),
        Change::Released,
        Before(Released),
    ),
    (
        PortsSynchronised(Forgotten),
        Change::PortsSynchronised,
        PortsSynchronised(Forgotten),
    ),
    (PortsSynchronised(Forgotten), Change::Synchronised, Current),
    (PortsSynchronised(Forgotten), Change::Lost, Before(Stale)),
    (
        PortsSynchronised(Forgotten),
        Change::LostToRestart,
        Before(Stale),
    ),
    (
        PortsSynchronised(Forgotten),
        Change::LostAtOnce,
        Before(Released),
    ),
    (
        PortsSynchronised(Forgotten),
        Change::Overdue,
        PortsSynchronised(Forgotten),
    ),
    (
        PortsSynchronised(Forgotten),
        Change::Forgotten,
        Before(Forgotten),
    ),
    (
        PortsSynchronised(Forgotten),
        Change::Released,
        Before(Released),
    ),
    (
        PortsSynchronised(Released),
        Change::PortsSynchronised,
        PortsSynchronised(Released),
    ),
    (PortsSynchronised(Released), Change::Synchronised, Current),
    (PortsSynchronised(Released), Change::Lost, Before(Released)),
    (
        PortsSynchronised(Released),
        Change::LostToRestart,
        Before(Released),
    ),
    (
        PortsSynchronised(Released),
        Change::LostAtOnce,
        Before(Released),
    ),
    (
        PortsSynchronised(Released),
        Change::Overdue,
        PortsSynchronised(Released),
    ),
    (
        PortsSynchronised(Released),
        Change::Forgotten,
        Before(Forgotten),
    ),
    (
        PortsSynchronised(Released),
        Change::Released,
        Before(Released),
    ),
    (Current, Change::PortsSynchronised, Current),
    (Current, Change::Synchronised, Current),
    (Current, Change::Lost, Before(Stale)),
    (Current, Change::LostToRestart, Before(Restarting)),
    (Current, Change::LostAtOnce, Before(Released)),
    (Current, Change::Overdue, Current),
    (Current, Change::Forgotten, Before(Forgotten)),
    (Current, Change::Released, Before(Released)),
    (Before(Unknown), Change::Replaced, Before(Unknown)),
    (Before(Stale), Change::Replaced, Before(Unknown)),
    (Before(Restarting), Change::Replaced, Before(Unknown)),
    (Before(Forgotten), Change::Replaced, Before(Unknown)),
    (Before(Released), Change::Replaced, Before(Released)),
    (
        PortsSynchronised(Unknown),
        Change::Replaced,
        Before(Unknown),
    ),
    (PortsSynchronised(Stale), Change::Replaced, Before(Unknown)),
    (
        PortsSynchronised(Restarting),
        Change::Replaced,
        Before(Unknown),
    ),
    (
        PortsSynchronised(Forgotten),
        Change::Replaced,
        Before(Unknown),
    ),
    (
        PortsSynchronised(Released),
        Change::Replaced,
        Before(Released),
    ),
    (Current, Change::Replaced, Before(Unknown)),
];

/// Every state with every change, each once.
#[test]
fn transition_table() {
    for (number, (from, change, to)) in TRANSITIONS.into_iter().enumerate() {
        assert_eq!(from.after(change), to, "{from:?} + {change:?}");
        let same = |(other, again, _): &(Known, Change, Known)| (*other, *again) == (from, change);
        assert_eq!(TRANSITIONS.iter().position(same), Some(number));
    }
}

/// That it left is not that it told all of its ports, which were none; for isolation it comes to the
/// same, since none of them delivers a frame.
#[test]
fn what_each_state_means() {
    // (state, its ports are known, named in this session, given up, expected back)
    let rows = [
        (Before(Unknown), false, false, false, false),
        (Before(Stale), false, false, false, false),
        (Before(Restarting), false, false, false, true),
        (Before(Forgotten), true, false, false, false),
        (Before(Released), true, false, true, false),
        (PortsSynchronised(Unknown), true, true, false, false),
        (PortsSynchronised(Stale), true, true, false, false),
        (PortsSynchronised(Restarting), true, true, false, true),
        (PortsSynchronised(Forgotten), true, true, false, false),
        (PortsSynchronised(Released), true, true, true, false),
        (Current, true, true, false, false),
    ];
    for (known, told, heard, released, restarting) in rows {
        assert_eq!(known.are_ports_synchronised(), heard, "{known:?}");
        let is = (
            known.are_ports_known(),
            known.is_released(),
            known.is_restarting(),
        );
        assert_eq!(is, (told, released, restarting), "{known:?}");
    }
}

/// It stays connected, and does not speak otherwise for it.
#[test]
fn what_is_given_up_is_what_it_advertised_and_not_how_it_speaks() {
    let traits = PeerTraits {
        acknowledges: false,
        orphans: false,
        names_lacp_system: false,
    };
    let mut peer = Peer::default();
    peer.connected(traits);
    peer.set_shutdown_notice(ShutdownNotice::Leave);
    peer.release();
    assert_eq!(peer.policy(), PeerPolicy::of(traits, false));
    assert_eq!(peer.shutdown_notice(), None);
    assert!(peer.known().is_released());
    // In the next session, too, unless it says otherwise.
    peer.lost(Change::Lost, Time::ZERO);
    assert_eq!(peer.policy(), PeerPolicy::of(traits, false));
}

#[test]
fn what_is_known_of_the_ports_outlives_a_peer_that_is_replaced_but_nothing_else_of_it() {
    let mut peer = Peer::default();
    peer.connected(PeerTraits {
        acknowledges: false,
        orphans: false,
        names_lacp_system: false,
    });
    peer.release();
    let known = peer.known();
    peer.replace();
    assert_eq!(peer.known(), known);
    assert_eq!(peer.policy(), Peer::default().policy());
}

/// A peer can name any number: beside the ports of this chassis there is room for so many.
#[test]
fn own_ports_of_the_peer_take_no_room_of_others() {
    let config = |name: String| AggregatorConfig {
        id: AggregatorId(1),
        name: IfName::new(&name).unwrap(),
        mac: Mac::ZERO,
        flag: ConfigFlag::Present,
    };
    let own: Vec<AggregatorConfig> = (0..3).map(|n| config(format!("bond{n}"))).collect();
    let ours: BTreeSet<IfName> = own.iter().map(|own| own.name).collect();
    let mut peer = Peer::default();
    peer.set_own(PortIds::new(&ours, &BTreeMap::new()));
    for own in &own {
        assert!(peer.port_exists(own));
    }
    for number in 0..MAX_FOREIGN_PORTS {
        assert!(
            peer.port_exists(&config(format!("other{number}"))),
            "{number}"
        );
    }
    assert!(!peer.port_exists(&config("onemore".into())));
    assert!(own.iter().all(|own| peer.port_exists(own)));
}

/// A version that knows no ids pairs by names, so this one does, too; and so does another implementation.
#[test]
fn ids_pair_ports_with_a_peer_that_hears_them_and_names_with_any_other() {
    let name = |text| IfName::new(text).unwrap();
    let announce = |version| Announce {
        version,
        priority: 0,
        node_mac: Mac([2, 0, 0, 0, 0, 2]),
        software: String::new(),
    };
    let config = |text, id| AggregatorConfig {
        id: AggregatorId(id),
        name: name(text),
        mac: Mac::ZERO,
        flag: ConfigFlag::Present,
    };
    for (version, left, bond) in [
        (Some(3), Some("right"), None),
        (Some(2), None, Some("bond1")),
        (Some(1), None, Some("bond1")),
        (None, None, Some("bond1")),
    ] {
        let ours = ["bond1", "left"].map(name).into();
        let given = [
            (name("left"), AggregatorId(7)),
            (name("bond1"), AggregatorId(8)),
        ];
        let mut peer = Peer::default();
        peer.set_own(PortIds::new(&ours, &given.into()));
        // It was one that hears them before.
        peer.connected(PeerTraits::default());
        peer.announced(announce(3), false);
        peer.lost(Change::Lost, Time::ZERO);
        peer.connected(PeerTraits::default());
        if let Some(version) = version {
            peer.announced(announce(version), false);
        }
        peer.sync(false);
        for (text, id, is_given) in [("right", 7, true), ("bond1", 9, true)] {
            if is_given && version == Some(3) {
                peer.port_is_given(AggregatorId(id));
            }
            assert!(peer.port_exists(&config(text, id)));
        }
        peer.sync(true);
        peer.synchronised();
        let theirs = |text| peer.name_of(&name(text)).map(|name| name.to_string());
        assert_eq!(theirs("left").as_deref(), left, "{version:?}");
        assert_eq!(theirs("bond1").as_deref(), bond, "{version:?}");
    }
}
