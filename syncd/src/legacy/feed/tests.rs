use mclag_proto::{DomainId, Mac};
use proptest::prelude::*;

use mclag_proto::sync::v1::{DomainOp, DomainRecord, InterfaceRecord, UniqueIpRecord};

use super::*;
use crate::dataplane::{FdbEntry, InterfaceActual};
use crate::legacy::Domain;

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

const STICKY: EntryKind = EntryKind::Ours {
    active: true,
    sticky: true,
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
    let mut feed = Feed::new(Dialect::Sonic, &options());
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

/// The operation of each domain record, its number, and its attributes as bits.
fn domains(messages: &[ServerMessage]) -> Vec<(DomainOp, u16, u32)> {
    let records = messages.iter().filter_map(|message| match message {
        ServerMessage::Domain(records) => Some(records),
        _ => None,
    });
    let shown = |r: &DomainRecord| (r.op, r.domain.get(), r.attributes.bits());
    records.flatten().map(shown).collect()
}

/// A client that was told everything, and what it is told when the settings change.
fn published_after(change: impl FnOnce(&mut Options)) -> Vec<ServerMessage> {
    let mut feed = Feed::new(Dialect::Sonic, &options());
    let mut actual = actual();
    actual
        .fdb
        .insert(key(1), entry("PortChannel0001", EntryKind::Dynamic));
    let _ = all(&mut feed, &actual);
    let mut options = options();
    change(&mut options);
    feed.configure(&options);
    let published = all(&mut feed, &actual);
    assert_eq!(all(&mut feed, &actual), []);
    feed.configure(&options);
    assert_eq!(
        all(&mut feed, &actual),
        [],
        "no difference, nothing is sent"
    );
    published
}

/// `spec/mclagsyncd-protocol.md` 5.2: only the differing bits; op 4, one bit each, for those that
/// became empty; the system MAC is applied by an addition only.
#[test]
fn a_changed_domain_is_told_by_what_differs() {
    use DomainOp::{Add, DeleteAttributes, Update};
    type Change = fn(&mut Domain);
    let cases: &[(Change, &[(DomainOp, u32)])] = &[
        (|_| {}, &[]),
        (
            |d| d.peer = Some(Ipv4Addr::new(10, 255, 0, 9)),
            &[(Update, 2)],
        ),
        (|d| d.keepalive_s = Some(2), &[(Update, 8)]),
        (|d| d.session_timeout_s = Some(30), &[(Update, 16)]),
        (|d| d.peer = None, &[(DeleteAttributes, 2)]),
        (
            |d| (d.local, d.peer) = (None, None),
            &[(DeleteAttributes, 1), (DeleteAttributes, 2)],
        ),
        (
            |d| (d.local, d.keepalive_s) = (None, Some(2)),
            &[(Update, 8), (DeleteAttributes, 1)],
        ),
        (
            |d| d.system_mac = Some(Mac([2, 0, 0, 0, 0, 9])),
            &[(Add, 0)],
        ),
        (
            |d| (d.system_mac, d.keepalive_s) = (Some(Mac([2, 0, 0, 0, 0, 9])), Some(2)),
            &[(Add, 8)],
        ),
    ];
    for (number, (change, wanted)) in cases.iter().enumerate() {
        let published = published_after(|options| change(options.domain.as_mut().unwrap()));
        let wanted: Vec<_> = wanted.iter().map(|(op, bits)| (*op, 1, *bits)).collect();
        assert_eq!(domains(&published), wanted, "case {number}");
        assert!(
            published
                .iter()
                .all(|m| matches!(m, ServerMessage::Domain(_)))
        );
    }
    let published = published_after(|options| options.peer_link = Some(port("PortChannel0009")));
    assert_eq!(domains(&published), [(Update, 1, 4)]);
    let published = published_after(|options| options.peer_link = None);
    assert_eq!(domains(&published), [(DeleteAttributes, 1, 4)]);
}

/// `spec/mclagsyncd-protocol.md` 11.2: the bytes of a reset keepalive interval, but for the session
/// timeout, whose bit is not set.
#[test]
fn a_reset_attribute_is_told_as_a_sonic_server_does() {
    let mut with_keepalive = options();
    with_keepalive.domain.as_mut().unwrap().keepalive_s = Some(2);
    let mut feed = Feed::new(Dialect::Sonic, &with_keepalive);
    let _ = all(&mut feed, &actual());
    feed.configure(&options());
    let published = all(&mut feed, &actual());
    let bytes = published[0].encode(Dialect::Sonic).unwrap();
    assert_eq!(bytes[..8], [1, 2, 84, 0, 4, 0, 0, 0]);
    assert_eq!(bytes[12..16], [0xff; 4]);
    assert_eq!(bytes[72..], [2, 0, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0]);
}

/// `spec/mclagsyncd-protocol.md` 5.3, 5.5: what is no longer there is deleted, what is new added.
#[test]
fn changed_ports_and_unique_addresses_are_told() {
    let published = published_after(|options| {
        options.ports = vec![port("PortChannel0002"), port("PortChannel0003")];
        options.unique_ip = vec![port("Vlan20")];
    });
    let interface = |op, name| InterfaceRecord {
        op,
        domain: DomainId::new(1).unwrap(),
        port: port(name),
    };
    let unique = |op, name| UniqueIpRecord {
        op,
        interface: port(name),
    };
    assert_eq!(
        published,
        [
            ServerMessage::Interfaces(vec![
                interface(RecordOp::Delete, "PortChannel0001"),
                interface(RecordOp::Add, "PortChannel0003"),
            ]),
            ServerMessage::UniqueIps(vec![
                unique(RecordOp::Delete, "Vlan10"),
                unique(RecordOp::Add, "Vlan20"),
            ]),
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 5.2, 5.6: a domain with another number is another domain, and a
/// client that forgot one needs everything again.
#[test]
fn a_renumbered_domain_is_deleted_and_told_with_everything() {
    let published = published_after(|options| {
        options.domain.as_mut().unwrap().id = DomainId::new(2).unwrap();
    });
    assert_eq!(
        domains(&published),
        [(DomainOp::Delete, 1, 0), (DomainOp::Add, 2, 7)]
    );
    let types: Vec<u8> = published
        .iter()
        .map(|m| m.encode(Dialect::Sonic).unwrap()[1])
        .collect();
    assert_eq!(types, [2, 2, 3, 4, 1, 5]);
    // 11.2: nothing but the number and the system MAC.
    let bytes = published[0].encode(Dialect::Sonic).unwrap();
    assert_eq!(bytes[4..12], [2, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(bytes[12..72], [0; 60]);
    assert_eq!(bytes[72..], [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
}

/// `spec/mclagsyncd-protocol.md` 5.6: tables are only followed while a domain is configured.
#[test]
fn without_its_domain_a_client_is_told_no_tables() {
    let mut feed = Feed::new(Dialect::Sonic, &options());
    let mut actual = actual();
    let _ = all(&mut feed, &actual);
    let without = Options {
        domain: None,
        ..options()
    };
    feed.configure(&without);
    assert_eq!(
        domains(&all(&mut feed, &actual)),
        [(DomainOp::Delete, 1, 0)]
    );
    actual
        .fdb
        .insert(key(1), entry("PortChannel0001", EntryKind::Dynamic));
    feed.mark(key(1), 1);
    feed.mark_vlans();
    assert_eq!(all(&mut feed, &actual), []);
    feed.configure(&options());
    let published = all(&mut feed, &actual);
    assert_eq!(domains(&published), [(DomainOp::Add, 1, 7)]);
    assert_eq!(fdb(&published).len(), 1);
    assert_eq!(published.len(), 5);
}

/// `spec/mclagsyncd-protocol.md` 5.2: the system MAC is always filled in; that of the bridge may be
/// known later than the client comes, and changes with the bridge's ports.
#[test]
fn the_address_of_the_bridge_is_told_when_it_is_known_and_once() {
    let mut options = options();
    options.domain.as_mut().unwrap().system_mac = None;
    let mut feed = Feed::new(Dialect::Sonic, &options);
    let mut actual = actual();
    let mac_of = |messages: &[ServerMessage]| match messages.first() {
        Some(ServerMessage::Domain(records)) => Some(records[0].system_mac),
        _ => None,
    };
    assert_eq!(mac_of(&all(&mut feed, &actual)), Some(Mac::ZERO));
    let with_mac = |last| InterfaceActual {
        mac: Some(Mac([2, 0, 0, 0, 0, last])),
        ..InterfaceActual::default()
    };
    actual.interfaces.insert(port("br0"), with_mac(7));
    let published = all(&mut feed, &actual);
    assert_eq!(domains(&published), [(DomainOp::Add, 1, 0)]);
    assert_eq!(mac_of(&published), Some(Mac([2, 0, 0, 0, 0, 7])));
    actual.interfaces.insert(port("br0"), with_mac(8));
    feed.configure(&options);
    assert_eq!(all(&mut feed, &actual), []);
}

/// `spec/mclagsyncd-protocol.md` 2.2: 146 interfaces and 170 unique addresses are what a message
/// holds.
#[test]
fn settings_that_fit_no_message_are_told_in_several() {
    let names =
        |prefix: &'static str, count: u16| (0..count).map(move |n| port(&format!("{prefix}{n}")));
    let options = Options {
        ports: names("PortChannel", 147).collect(),
        unique_ip: names("Vlan", 341).collect(),
        ..options()
    };
    let mut feed = Feed::new(Dialect::Sonic, &options);
    let published = all(&mut feed, &actual());
    let lengths = published
        .iter()
        .map(|m| m.encode(Dialect::Sonic).unwrap().len());
    let record = |count: usize, size: usize| 4 + count * size;
    assert_eq!(
        lengths.collect::<Vec<_>>(),
        [
            record(1, 80),
            record(146, 28),
            record(1, 28),
            record(2, 28),
            record(170, 24),
            record(170, 24),
            record(1, 24)
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 4.16: static entries are reported with type 2, as learned ones are;
/// 5.1: sonic tells them apart.
#[test]
fn a_configured_entry_is_dynamic_to_pollers_and_static_to_sonic() {
    let mut actual = actual();
    actual
        .fdb
        .insert(key(1), entry("PortChannel0001", EntryKind::Configured));
    for (dialect, wanted) in [
        (Dialect::LinuxMclag, FdbKind::Dynamic),
        (Dialect::Intermediate, FdbKind::Dynamic),
        (Dialect::Sonic, FdbKind::Static),
    ] {
        let mut feed = Feed::new(dialect, &Options::default());
        feed.ask();
        let published = all(&mut feed, &actual);
        let kind = published.iter().find_map(|message| match message {
            ServerMessage::Fdb(records) => Some(records[0].kind),
            _ => None,
        });
        assert_eq!(kind, Some(wanted), "{dialect}");
    }
}

/// `spec/mclagsyncd-protocol.md` 5.4: members are followed, and repeats suppressed.
#[test]
fn vlan_members_are_followed() {
    let mut actual = actual();
    let mut feed = Feed::new(Dialect::Sonic, &Options::default());
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
    let mut feed = Feed::new(Dialect::Sonic, &Options::default());
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
        let mut feed = Feed::new(dialect, &Options::default());
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

/// `spec/behaviour.md` 9.2, 9.14, `spec/iccp.md` 10.2: a client that heard of a static entry as
/// learned would take it over as dynamic and withdraw what it installed.
#[test]
fn a_static_entry_of_the_client_is_not_reported_though_the_host_speaks() {
    let (lag, orphan) = ("PortChannel0001", "Ethernet8");
    let add = |name| vec![(key(1), RecordOp::Add, Some(port(name)))];
    let delete = vec![(key(1), RecordOp::Delete, None)];
    for (before, now, published) in [
        (None, entry(lag, STICKY), vec![]),
        (Some(entry(lag, INACTIVE)), entry(lag, STICKY), vec![]),
        // It was told that the host is here, and what is installed now is its own word.
        (
            Some(entry(orphan, EntryKind::Dynamic)),
            entry(lag, STICKY),
            delete,
        ),
        (Some(entry(lag, STICKY)), entry(lag, ACTIVE), add(lag)),
        (
            Some(entry(lag, STICKY)),
            entry(orphan, EntryKind::Dynamic),
            add(orphan),
        ),
        (
            Some(entry(lag, STICKY)),
            entry(lag, EntryKind::Configured),
            add(lag),
        ),
    ] {
        for dialect in [Dialect::Sonic, Dialect::LinuxMclag] {
            let mut actual = actual();
            actual.fdb.extend(before.map(|before| (key(1), before)));
            let mut feed = Feed::new(dialect, &Options::default());
            feed.ask();
            let _ = all(&mut feed, &actual);
            actual.fdb.insert(key(1), now);
            feed.mark(key(1), 1);
            feed.ask();
            let heard: Vec<_> = fdb(&all(&mut feed, &actual))
                .into_iter()
                .map(|(key, op, port)| (key, op, port.filter(|_| op == RecordOp::Add)))
                .collect();
            // Those who poll know what they did themselves.
            let is_own = dialect.is_polled() && now.kind == STICKY;
            let published = if is_own { &[][..] } else { &published[..] };
            assert_eq!(heard, published, "{dialect}: {before:?}, {now:?}");
        }
    }
}

/// `spec/mclagsyncd-protocol.md` 5.1: an add whose port is the peer link is ignored.
#[test]
fn what_is_behind_the_peer_link_is_not_reported() {
    let mut actual = actual();
    actual
        .fdb
        .insert(key(1), entry("PortChannel1000", EntryKind::Dynamic));
    let mut feed = Feed::new(Dialect::Sonic, &Options::default());
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
    let mut feed = Feed::new(Dialect::Sonic, &Options::default());
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
    let mut feed = Feed::new(Dialect::LinuxMclag, &options());
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
    let mut feed = Feed::new(Dialect::LinuxMclag, &options());
    feed.ask();
    let first = feed.next(&actual, None).unwrap();
    assert_eq!(fdb(std::slice::from_ref(&first)).len(), 56);
    assert!(first.encode(Dialect::LinuxMclag).unwrap().len() <= 4096);
    assert!(feed.is_asked(), "the rest follows");
    assert_eq!(fdb(&all(&mut feed, &actual)).len(), 44);
    assert!(!feed.is_asked());
}

/// `spec/mclagsyncd-protocol.md` 4.16: what the client itself set is not reported back, nor that
/// it took the place of what was learned.
#[test]
fn a_poller_is_not_told_what_it_did_itself() {
    let mut actual = actual();
    let learned = entry("PortChannel0001", EntryKind::Dynamic);
    actual.fdb.insert(key(1), learned);
    let mut feed = Feed::new(Dialect::LinuxMclag, &options());
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
    let mut feed = Feed::new(Dialect::LinuxMclag, &options());
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
    let mut feed = Feed::guess(&options());
    let messages = all(&mut feed, &actual);
    assert_eq!((messages.len(), fdb(&messages).len()), (4, 0));
    assert!(feed.is_in(Dialect::Sonic));
    assert_eq!(fdb(&all(&mut feed, &actual)).len(), 1);
}

#[test]
fn addresses_that_come_and_go_unread_do_not_pile_up() {
    let mut feed = Feed::new(Dialect::Sonic, &Options::default());
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
        steps in proptest::collection::vec((0..12_u16, 0..7_u8, any::<bool>()), 1..200),
        is_polled in any::<bool>(),
    ) {
        let dialect = if is_polled { Dialect::LinuxMclag } else { Dialect::Sonic };
        let peer_link = Some(port("PortChannel1000"));
        let mut actual = actual();
        let mut feed = Feed::new(dialect, &Options::default());
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
                // Those who poll are not told what they did themselves.
                4 if !is_polled => Some(entry("PortChannel0001", STICKY)),
                _ => None,
            };
            match now {
                Some(now) => actual.fdb.insert(key(last), now).map(drop),
                None => actual.fdb.remove(&key(last)).map(drop),
            };
            match what {
                6 => feed.mark_all(),
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
            .filter(|(_, entry)| entry.kind != STICKY)
            .filter_map(|(key, entry)| Some((*key, entry.seen_on()?)))
            .filter(|(_, port)| Some(*port) != peer_link)
            .collect();
        prop_assert_eq!(known, truth);
    }
}
