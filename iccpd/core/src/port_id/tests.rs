use super::*;
use proptest::prelude::*;

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

/// Ports by name, with `=ID` behind those that were given one.
fn ids(text: &str) -> PortIds {
    let mut ports = BTreeSet::new();
    let mut given = BTreeMap::new();
    for word in text.split_whitespace() {
        let (port, id) = word
            .split_once('=')
            .map_or((word, None), |(p, i)| (p, Some(i)));
        ports.insert(name(port));
        if let Some(id) = id {
            given.insert(name(port), AggregatorId(id.parse().unwrap()));
        }
    }
    PortIds::new(&ports, &given)
}

fn number(ids: &PortIds, port: &str) -> u16 {
    ids.of(&name(port)).unwrap().number.0
}

fn numbers(text: &str) -> Vec<u16> {
    let ids = ids(text);
    let ports = text.split_whitespace();
    ports
        .map(|word| number(&ids, word.split('=').next().unwrap()))
        .collect()
}

#[test]
fn ports_whose_digits_differ_keep_the_number_of_their_digits() {
    assert_eq!(numbers("PortChannel0001 bond2 bond0"), [1, 2, 0]);
    assert_eq!(numbers("rack3-srv12 enp65s0f0np0"), [3, 65]);
    assert_eq!(numbers("uplink rack"), [0x5e76, 0xb9db]);
}

#[test]
fn ports_whose_first_digits_are_the_same_have_ids_of_their_own() {
    for (ports, expected) in [
        ("host1 host2 spine1-2", vec![1, 2, 45288]),
        ("rack3-srv12 rack3-srv13", vec![48705, 5119]),
        ("enp65s0f0np0 enp65s0f1np1", vec![7667, 26117]),
        ("bond1 bond65537", vec![1, 13571]),
        ("eth1 bond1", vec![33789, 25940]),
    ] {
        assert_eq!(numbers(ports), expected, "{ports}");
    }
}

/// Ports of which no two have the first digits in common, as earlier versions demanded.
fn accepted_before() -> impl Strategy<Value = BTreeSet<IfName>> {
    prop::collection::btree_set("[a-z]{1,4}[0-9]{0,5}[a-z]{0,2}[0-9]{0,2}", 0..8).prop_map(
        |names| {
            let mut numbers = BTreeSet::new();
            let names = names.iter().map(|text| name(text));
            names
                .filter(|name| numbers.insert(AggregatorId::of(name)))
                .collect()
        },
    )
}

/// Ports of few names and ids, of which some are given one.
fn some_ports() -> impl Strategy<Value = PortIds> {
    let given = prop::option::of(1..9_u16);
    prop::collection::btree_map("[ab][1-5](-[12])?", given, 0..8).prop_map(|ports| {
        let names = ports.keys().map(|text| name(text)).collect();
        let given = ports.iter();
        let given = given.filter_map(|(text, id)| Some((name(text), AggregatorId((*id)?))));
        PortIds::new(&names, &given.collect())
    })
}

proptest! {
    #[test]
    fn what_was_accepted_before_keeps_its_numbers(ports in accepted_before()) {
        let ids = PortIds::new(&ports, &BTreeMap::new());
        for port in &ports {
            prop_assert_eq!(ids.of(port).unwrap().number, AggregatorId::of(port));
        }
    }

    #[test]
    fn each_port_has_an_id_of_its_own(ids in some_ports()) {
        let numbers: BTreeSet<AggregatorId> = ids.iter().map(|(_, id)| id.number).collect();
        prop_assert_eq!(numbers.len(), ids.iter().count());
    }

    #[test]
    fn both_chassis_pair_the_same_ports_and_none_twice(a in some_ports(), b in some_ports()) {
        let at_a = Pairs::new(&a, &b.iter().collect());
        let at_b = Pairs::new(&b, &a.iter().collect());
        for (name, _) in a.iter().chain(b.iter()) {
            prop_assert_eq!(at_a.peers(&name), at_b.own(&name));
            prop_assert_eq!(at_a.own(&name), at_b.peers(&name));
            for pairs in [&at_a, &at_b] {
                prop_assert!(pairs.peers(&name).is_none_or(|peers| pairs.own(&peers) == Some(name)));
            }
        }
    }
}

/// Names that nobody gave an id, and whose hashes are the same: found by search.
fn of_one_hash() -> [String; 2] {
    let mut found = BTreeMap::new();
    for rack in 1..u16::MAX {
        let text = format!("rack7-srv{rack}");
        let hash = AggregatorId::of_whole(&name(&text));
        if let Some(first) = found.insert(hash, text.clone()) {
            return [first, text];
        }
    }
    unreachable!("there are more names than hashes");
}

#[test]
fn ids_that_collide_are_resolved_by_the_names_whatever_the_order() {
    let [a, b] = of_one_hash();
    let hash = AggregatorId::of_whole(&name(&a)).0;
    assert_eq!(hash, AggregatorId::of_whole(&name(&b)).0);
    let [first, second] = if name(&a) < name(&b) {
        [&a, &b]
    } else {
        [&b, &a]
    };
    for text in [format!("{a} {b}"), format!("{b} {a}")] {
        let ids = ids(&text);
        assert_eq!(
            [number(&ids, first), number(&ids, second)],
            [hash, hash + 1]
        );
    }
    // The one that is free may be given.
    let text = format!("{a} {b} bond9={}", hash + 1);
    let ids = ids(&text);
    assert_eq!(
        [number(&ids, first), number(&ids, second)],
        [hash, hash + 2]
    );
}

#[test]
fn a_derived_id_gives_way_to_one_that_was_given() {
    assert_eq!(
        numbers("bond1 left=1"),
        [AggregatorId::of_whole(&name("bond1")).0, 1]
    );
    assert_eq!(numbers("bond2=1 bond1=2"), [1, 2]);
}

#[test]
fn the_hash_of_the_last_number_is_followed_by_the_first() {
    let last = (0..)
        .map(|n| format!("a1-b{n}"))
        .find(|text| AggregatorId::of_whole(&name(text)) == AggregatorId(u16::MAX));
    let last = last.unwrap();
    let ids = ids(&format!("{last} b1 c=65535 d=1"));
    assert_eq!(number(&ids, &last), 2);
}

/// Pairs as `own:peer's`, in the order of the names.
fn pairs(own: &str, peers: &str) -> String {
    let (own, peers) = (ids(own), ids(peers));
    let pairs = Pairs::new(&own, &peers.iter().collect());
    let words = own.iter().filter_map(|(name, _)| {
        let other = pairs.peers(&name)?;
        Some(format!("{name}:{other}"))
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn which_ports_are_one() {
    for (own, peers, expected) in [
        // By name where nobody gave an id, whatever else each has.
        ("bond1 bond2", "bond2 bond3", "bond2:bond2"),
        (
            "rack3-srv12 rack3-srv13",
            "rack3-srv12",
            "rack3-srv12:rack3-srv12",
        ),
        ("eth1", "bond1", ""),
        // By id where both gave it, whatever the names.
        ("left=7", "right=7", "left:right"),
        (
            "bond1=1 bond2=2",
            "bond1=2 bond2=1",
            "bond1:bond2 bond2:bond1",
        ),
        ("bond1=1", "bond1=2", ""),
        // By the id that one gave and the other one derives.
        ("left=1", "bond1", "left:bond1"),
        ("left=1", "bond1=2", ""),
        // Not if that one is another port's by its name: here the id that is given took its number.
        ("left=1 bond1", "bond1", "bond1:bond1"),
        // While one chassis has its ids and the other one has none yet.
        ("bond1=7 bond2=8", "bond1 bond2", "bond1:bond1 bond2:bond2"),
        ("bond1=2 bond2=1", "bond1 bond2", "bond1:bond2 bond2:bond1"),
        ("bond1=7 left=8", "bond1 bond8", "bond1:bond1 left:bond8"),
    ] {
        assert_eq!(pairs(own, peers), expected, "{own} and {peers}");
        let mirrored = pairs(peers, own);
        assert_eq!(
            mirrored.split_whitespace().count(),
            expected.split_whitespace().count()
        );
    }
}

#[test]
fn a_number_that_a_peer_uses_twice_stands_for_none() {
    let id = PortId {
        number: AggregatorId(7),
        given: true,
    };
    let peers = [(name("a"), id), (name("b"), id)].into();
    let pairs = Pairs::new(&ids("left=7"), &peers);
    assert_eq!(pairs.peers(&name("left")), None);
}
