use mclag_proto::DomainId;
use proptest::prelude::*;

use super::*;
use crate::dataplane::{FdbEntry, InterfaceActual};

fn port(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn key(last: u16) -> FdbKey {
    let [high, low] = last.to_be_bytes();
    FdbKey {
        vid: Vid::new(10).unwrap(),
        mac: Mac([2, 0, 0, 0, high, low]),
    }
}

fn options() -> Options {
    Options {
        bridge: Some(port("br0")),
        peer_link: Some(port("PortChannel1000")),
        ports: vec![port("PortChannel0001"), port("PortChannel0002")],
        unique_ip: vec![port("Vlan10")],
        domain: Some(Domain {
            id: DomainId::new(1).unwrap(),
            local: Some(Ipv4Addr::new(10, 255, 0, 1)),
            peer: Some(Ipv4Addr::new(10, 255, 0, 2)),
            keepalive_s: None,
            session_timeout_s: None,
            system_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        }),
        ..Options::default()
    }
}

use std::net::Ipv4Addr;

fn actual() -> Actual {
    let member = InterfaceActual {
        vids: vec![Vid::new(10).unwrap()],
        ..InterfaceActual::default()
    };
    let names = ["PortChannel0001", "PortChannel1000"];
    Actual {
        bridge: Some(port("br0")),
        interfaces: names.map(|name| (port(name), member.clone())).into(),
        ..Actual::default()
    }
}

fn entry(name: &str, kind: EntryKind) -> FdbEntry {
    FdbEntry {
        port: port(name),
        kind,
    }
}

const INACTIVE: EntryKind = EntryKind::Ours {
    active: false,
    sticky: false,
};

const ACTIVE: EntryKind = EntryKind::Ours {
    active: true,
    sticky: false,
};

fn all(feed: &mut Feed, actual: &Actual) -> Vec<ServerMessage> {
    let peer_link = Some(port("PortChannel1000"));
    std::iter::from_fn(|| feed.next(actual, peer_link)).collect()
}

fn fdb(messages: &[ServerMessage]) -> Vec<(FdbKey, RecordOp, Option<IfName>)> {
    let records = messages.iter().filter_map(|message| match message {
        ServerMessage::Fdb(records) => Some(records),
        _ => None,
    });
    let records = records.flatten();
    let records = records.map(|r| {
        (
            FdbKey {
                vid: r.vid,
                mac: r.mac,
            },
            r.op,
            r.port,
        )
    });
    records.collect()
}

/// `spec/mclagsyncd-protocol.md` 5.6, 7: domain, interfaces, VLAN members, table, unique IPs; and
/// 11.2: the bytes of the domain.
#[test]
fn a_sonic_client_is_told_everything_in_order() {
    let mut actual = actual();
    actual
        .fdb
        .insert(key(1), entry("PortChannel0001", EntryKind::Dynamic));
    let mut feed = Feed::new(Dialect::Sonic, &options(), None);
    let messages = all(&mut feed, &actual);
    let types: Vec<u8> = messages
        .iter()
        .map(|m| m.encode(Dialect::Sonic).unwrap()[1])
        .collect();
    assert_eq!(types, [2, 3, 4, 1, 5]);
    let domain = messages[0].encode(Dialect::Sonic).unwrap();
    // Op add, domain 1, defaults of both times, and the bits of addresses and peer link.
    assert_eq!(
        domain[..20],
        [
            1, 2, 84, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
        ]
    );
    assert_eq!(domain[80..], [7, 0, 0, 0]);
    assert_eq!(all(&mut feed, &actual), []);
}

/// `spec/mclagsyncd-protocol.md` 5.4: members are followed, and repeats suppressed.
#[test]
fn vlan_members_are_followed() {
    let mut actual = actual();
    let mut feed = Feed::new(Dialect::Sonic, &Options::default(), None);
    let _ = all(&mut feed, &actual);
    feed.mark_vlans();
    assert_eq!(all(&mut feed, &actual), []);
    let lag = port("PortChannel0001");
    let interface = actual.interfaces.get_mut(&lag).unwrap();
    interface.vids = vec![Vid::new(20).unwrap()];
    feed.mark_vlans();
    let record = |op, vid| VlanMemberRecord {
        op,
        vid: Vid::new(vid).unwrap(),
        port: lag,
    };
    let records = vec![record(RecordOp::Delete, 10), record(RecordOp::Add, 20)];
    assert_eq!(
        all(&mut feed, &actual),
        [ServerMessage::VlanMembers(records)]
    );
}

/// `spec/mclagsyncd-protocol.md` 2.2: 146 records of 28 bytes fit 4096 bytes.
#[test]
fn many_vlans_take_several_messages_and_each_fits() {
    let mut actual = actual();
    let interface = actual.interfaces.get_mut(&port("PortChannel0001")).unwrap();
    interface.vids = (1..=4094).filter_map(Vid::new).collect();
    let mut feed = Feed::new(Dialect::Sonic, &Options::default(), None);
    let messages = all(&mut feed, &actual);
    assert_eq!(messages.len(), 4095_usize.div_ceil(146));
    for message in messages {
        assert!(message.encode(Dialect::Sonic).unwrap().len() <= 4096);
    }
}

/// `spec/behaviour.md` 9.2: entries installed by the client are not echoed; the host that speaks
/// here is reported all the same.
#[test]
fn what_the_client_installed_is_reported_when_the_host_speaks_here() {
    for dialect in [Dialect::Sonic, Dialect::LinuxMclag] {
        let mut actual = actual();
        let mut feed = Feed::new(dialect, &Options::default(), None);
        actual
            .fdb
            .insert(key(1), entry("PortChannel0001", INACTIVE));
        feed.ask();
        assert_eq!(fdb(&all(&mut feed, &actual)), [], "{dialect}");
        actual.fdb.insert(key(1), entry("PortChannel0001", ACTIVE));
        feed.mark(key(1), 1);
        feed.ask();
        let lag = Some(port("PortChannel0001"));
        assert_eq!(
            fdb(&all(&mut feed, &actual)),
            [(key(1), RecordOp::Add, lag)],
            "{dialect}"
        );
    }
}

/// `spec/mclagsyncd-protocol.md` 5.1: an add whose port is the peer link is ignored.
#[test]
fn what_is_behind_the_peer_link_is_not_reported() {
    let mut actual = actual();
    actual
        .fdb
        .insert(key(1), entry("PortChannel1000", EntryKind::Dynamic));
    let mut feed = Feed::new(Dialect::Sonic, &Options::default(), None);
    assert_eq!(fdb(&all(&mut feed, &actual)), []);
}

/// `spec/mclagsyncd-protocol.md` 5.1: 113 records a message, and everything in the end.
#[test]
fn a_large_table_is_told_in_full_messages() {
    let mut actual = actual();
    for last in 0..1000 {
        let entry = entry("PortChannel0001", EntryKind::Dynamic);
        actual.fdb.insert(key(last), entry);
    }
    let mut feed = Feed::new(Dialect::Sonic, &Options::default(), None);
    let messages = all(&mut feed, &actual);
    assert_eq!(fdb(&messages).len(), 1000);
    let tables = messages
        .iter()
        .filter(|m| matches!(m, ServerMessage::Fdb(_)));
    assert_eq!(tables.count(), 1000_usize.div_ceil(113));
}

/// `spec/mclagsyncd-protocol.md` 4.16: nothing unasked, nothing at all if nothing changed, all
/// deletions first, a move as deletion and addition (10 item 8).
#[test]
fn a_poll_is_answered_with_deletions_first() {
    let mut actual = actual();
    for last in 1..4 {
        let entry = entry("PortChannel0001", EntryKind::Dynamic);
        actual.fdb.insert(key(last), entry);
    }
    let mut feed = Feed::new(Dialect::LinuxMclag, &options(), None);
    assert_eq!(all(&mut feed, &actual), []);
    feed.ask();
    assert_eq!(fdb(&all(&mut feed, &actual)).len(), 3);
    feed.ask();
    assert_eq!(all(&mut feed, &actual), []);
    actual.fdb.remove(&key(1));
    actual
        .fdb
        .insert(key(2), entry("Ethernet8", EntryKind::Dynamic));
    for last in [2, 1] {
        feed.mark(key(last), 2);
    }
    feed.ask();
    let [lag, orphan] = ["PortChannel0001", "Ethernet8"].map(|name| Some(port(name)));
    assert_eq!(
        fdb(&all(&mut feed, &actual)),
        [
            (key(2), RecordOp::Delete, lag),
            (key(1), RecordOp::Delete, lag),
            (key(2), RecordOp::Add, orphan),
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 2.4: 56 records are what one message holds.
#[test]
fn an_answer_to_a_poll_fits_a_message() {
    let mut actual = actual();
    for last in 0..100 {
        let entry = entry("PortChannel0001", EntryKind::Dynamic);
        actual.fdb.insert(key(last), entry);
    }
    let mut feed = Feed::new(Dialect::LinuxMclag, &options(), None);
    feed.ask();
    let first = feed.next(&actual, None).unwrap();
    assert_eq!(fdb(std::slice::from_ref(&first)).len(), 56);
    assert!(first.encode(Dialect::LinuxMclag).unwrap().len() <= 4096);
    assert!(feed.is_due(), "the rest follows");
    assert_eq!(fdb(&all(&mut feed, &actual)).len(), 44);
    assert!(!feed.is_due());
}

/// `spec/mclagsyncd-protocol.md` 4.16: what the client itself set is not reported back, nor that
/// it took the place of what was learned.
#[test]
fn a_poller_is_not_told_what_it_did_itself() {
    let mut actual = actual();
    let learned = entry("PortChannel0001", EntryKind::Dynamic);
    actual.fdb.insert(key(1), learned);
    let mut feed = Feed::new(Dialect::LinuxMclag, &options(), None);
    feed.ask();
    let _ = all(&mut feed, &actual);
    actual
        .fdb
        .insert(key(1), entry("PortChannel1000", INACTIVE));
    feed.mark(key(1), 1);
    feed.ask();
    assert_eq!(all(&mut feed, &actual), []);
}

/// `spec/mclagsyncd-protocol.md` 4.16: a deletion by the client takes the entry out of what the
/// next answer is compared with; a client may have taken what it heard before for its own entry.
#[test]
fn a_poller_that_takes_an_entry_back_hears_that_the_host_is_here() {
    let mut actual = actual();
    actual.fdb.insert(key(1), entry("PortChannel0001", ACTIVE));
    let mut feed = Feed::new(Dialect::LinuxMclag, &options(), None);
    let lag = Some(port("PortChannel0001"));
    let here = [(key(1), RecordOp::Add, lag)];
    feed.ask();
    assert_eq!(fdb(&all(&mut feed, &actual)), here);

    let learned = entry("PortChannel0001", EntryKind::Dynamic);
    actual.fdb.insert(key(1), learned);
    feed.taken_back(key(1), 1);
    feed.taken_back(key(2), 1);
    feed.ask();
    assert_eq!(fdb(&all(&mut feed, &actual)), here);
    feed.ask();
    assert_eq!(fdb(&all(&mut feed, &actual)), []);

    actual.fdb.remove(&key(1));
    feed.taken_back(key(1), 0);
    feed.ask();
    assert_eq!(
        fdb(&all(&mut feed, &actual)),
        [(key(1), RecordOp::Delete, lag)]
    );
}

/// `spec/mclagsyncd-protocol.md` 9.1: not safe to send type 1 while undecided.
#[test]
fn a_client_of_unknown_dialect_is_told_settings_only() {
    let mut actual = actual();
    actual
        .fdb
        .insert(key(1), entry("PortChannel0001", EntryKind::Dynamic));
    let mut feed = Feed::guess(&options(), None);
    let messages = all(&mut feed, &actual);
    assert_eq!((messages.len(), fdb(&messages).len()), (4, 0));
    assert!(feed.is_in(Dialect::Sonic));
    assert_eq!(fdb(&all(&mut feed, &actual)).len(), 1);
}

#[test]
fn addresses_that_come_and_go_unread_do_not_pile_up() {
    let mut feed = Feed::new(Dialect::Sonic, &Options::default(), None);
    let _ = all(&mut feed, &actual());
    for last in 0..u16::MAX {
        feed.mark(key(last), 0);
        assert!(feed.fdb.order.len() <= SLACK + 1);
    }
}

proptest! {
    /// Whatever happens and however slowly it is read: in the end the client knows the table.
    #[test]
    fn a_client_ends_up_with_the_truth(
        steps in proptest::collection::vec((0..12_u16, 0..6_u8, any::<bool>()), 1..200),
        is_polled in any::<bool>(),
    ) {
        let dialect = if is_polled { Dialect::LinuxMclag } else { Dialect::Sonic };
        let peer_link = Some(port("PortChannel1000"));
        let mut actual = actual();
        let mut feed = Feed::new(dialect, &Options::default(), None);
        let mut known: HashMap<FdbKey, IfName> = HashMap::new();
        let mut read = |feed: &mut Feed, actual: &Actual| {
            for (key, op, port) in fdb(&feed.next(actual, peer_link).into_iter().collect::<Vec<_>>()) {
                match op {
                    RecordOp::Add => known.insert(key, port.unwrap()),
                    RecordOp::Delete => known.remove(&key),
                };
            }
            known.clone()
        };
        for (last, what, reads) in steps {
            let now = match what {
                0 => Some(entry("PortChannel0001", EntryKind::Dynamic)),
                1 => Some(entry("Ethernet8", EntryKind::Configured)),
                2 => Some(entry("PortChannel1000", EntryKind::Dynamic)),
                3 => Some(entry("PortChannel0001", ACTIVE)),
                _ => None,
            };
            match now {
                Some(now) => actual.fdb.insert(key(last), now).map(drop),
                None => actual.fdb.remove(&key(last)).map(drop),
            };
            match what {
                5 => feed.mark_all(),
                _ => feed.mark(key(last), actual.fdb.len()),
            }
            if reads {
                feed.ask();
                read(&mut feed, &actual);
            }
        }
        feed.ask();
        let mut known = HashMap::new();
        for _ in 0..4 {
            known = read(&mut feed, &actual);
        }
        let truth: HashMap<FdbKey, IfName> = actual
            .fdb
            .iter()
            .filter_map(|(key, entry)| Some((*key, entry.seen_on()?)))
            .filter(|(_, port)| Some(*port) != peer_link)
            .collect();
        prop_assert_eq!(known, truth);
    }
}
