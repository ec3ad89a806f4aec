use super::*;
use iccp_core::LinkKind;
use mclag_netlink::{ActorSystem, BondInfo, BondMember, LacpInfo, LacpState, McastSnooping, Oper};
use mclag_proto::{LacpPartner, Mac, Vid};

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

pub(in super::super) fn info(index: u32, text: &str, kind: Kind) -> LinkInfo {
    LinkInfo {
        index,
        name: name(text),
        mac: None,
        admin_up: true,
        lower_up: true,
        oper: Oper::Up,
        master: None,
        mtu: 1500,
        kind,
        member: None,
        bridge_port: None,
    }
}

fn bond(index: u32, text: &str, mode: BondMode) -> LinkInfo {
    let lacp = LacpInfo {
        num_ports: 1,
        actor_key: 9,
        partner_key: 9,
        partner_mac: Mac([2, 0, 0, 0, 0, 9]),
    };
    let bond = BondInfo {
        mode,
        miimon_ms: 100,
        min_links: 0,
        ad_actor_system: ActorSystem::Unreported,
        lacp: (mode == BondMode::Lacp).then_some(lacp),
    };
    info(index, text, Kind::Bond(bond))
}

fn member(index: u32, text: &str, master: u32, actor_state: LacpState) -> LinkInfo {
    LinkInfo {
        master: Some(master),
        member: Some(BondMember {
            active: true,
            mii_up: true,
            link_failures: 0,
            queue_id: 0,
            aggregator: Some(1),
            actor_state,
            partner_state: LacpState::empty(),
        }),
        ..info(index, text, Kind::Veth)
    }
}

/// So many milliseconds after the tests began.
fn at(ms: u64) -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now) + Duration::from_millis(ms)
}

fn vids(raw: &[u16]) -> VlanSet {
    let mut set = VlanSet::new();
    for raw in raw {
        set.insert(Vid::new(*raw).unwrap());
    }
    set
}

/// A port of these VLANs; frames without a tag are in VLAN 1.
fn vlans(raw: &[u16]) -> BridgeVlans {
    BridgeVlans {
        vids: vids(raw),
        pvid: Some(Vid::DEFAULT),
        ..BridgeVlans::default()
    }
}

fn by_index(infos: &[LinkInfo]) -> BTreeMap<u32, LinkInfo> {
    infos.iter().map(|i| (i.index, i.clone())).collect()
}

fn drain(view: &mut View) -> Vec<Input> {
    std::iter::from_fn(|| view.next_input()).collect()
}

/// The `member` part of what is told next of this interface.
fn distributing(inputs: &[Input], wanted: u32) -> Option<bool> {
    inputs.iter().rev().find_map(|input| match input {
        Input::Link(link) if link.index == wanted => link.member.map(|m| m.distributing),
        _ => None,
    })
}

const READY: LacpState = LacpState::SYNCHRONIZATION
    .union(LacpState::COLLECTING)
    .union(LacpState::DISTRIBUTING);

#[test]
fn a_dump_is_told_between_begin_and_end() {
    let mut view = View::default();
    let infos = [
        bond(5, "bond1", BondMode::Lacp),
        member(6, "eth1", 5, READY),
    ];
    let vlans = BTreeMap::from([(5, vlans(&[1, 10]))]);
    view.replace(by_index(&infos), vlans);
    let inputs = drain(&mut view);
    let [begin, Input::Link(lag), Input::Link(eth), vlans, end] = &inputs[..] else {
        panic!("{inputs:?}");
    };
    assert_eq!((begin, end), (&Input::LinksBegin, &Input::LinksEnd));
    let partner = Some(LacpPartner {
        system: Mac([2, 0, 0, 0, 0, 9]),
        key: 9,
    });
    assert_eq!(
        lag.kind,
        LinkKind::Lag {
            lacp: Some(true),
            partner,
            min_links: 0,
        }
    );
    assert_eq!(
        eth.member,
        Some(LagMember {
            distributing: true,
            alone: false
        })
    );
    let want = Input::Vlans {
        index: 5,
        vids: vids(&[1, 10]).iter().collect(),
    };
    assert_eq!(vlans, &want);
}

#[test]
fn a_later_dump_says_which_vlans_are_gone() {
    let mut view = View::default();
    let infos = by_index(&[info(5, "swp1", Kind::Veth), info(6, "swp2", Kind::Veth)]);
    let before = BTreeMap::from([(5, vlans(&[1])), (6, vlans(&[1]))]);
    view.replace(infos.clone(), before);
    drain(&mut view);
    view.replace(infos, BTreeMap::from([(6, vlans(&[1]))]));
    let inputs = drain(&mut view);
    let gone = Input::Vlans {
        index: 5,
        vids: BTreeSet::new(),
    };
    assert!(inputs.contains(&gone), "{inputs:?}");
}

fn bridge(vlan_filtering: bool) -> LinkInfo {
    let kind = Kind::Bridge {
        vlan_filtering,
        ageing_time: Duration::from_secs(300),
        mcast_snooping: McastSnooping::Off,
        spanning_tree: false,
    };
    info(5, "br0", kind)
}

/// Input: a bridge is set to filter VLANs and not to, and everything is read again. Output: what it does is told
/// when that changes, and with each listing.
#[test]
fn whether_a_bridge_filters_vlans_is_told() {
    let mut view = View::default();
    let told = |view: &mut View| -> Vec<bool> {
        let inputs = drain(view).into_iter();
        let told = inputs.filter_map(|input| match input {
            Input::VlanFiltering { index: 5, on } => Some(on),
            _ => None,
        });
        told.collect()
    };
    for (on, expected) in [(true, vec![true]), (true, vec![]), (false, vec![false])] {
        view.link(bridge(on), at(0));
        assert_eq!(told(&mut view), expected);
    }
    view.replace(by_index(&[bridge(false)]), BTreeMap::new());
    assert_eq!(told(&mut view), [false]);
    view.gone(5);
    view.link(bridge(true), at(0));
    assert_eq!(told(&mut view), [true]);
}

/// Input: a port in VLANs 10 and 20, then 1 and 10, of a bridge that filters none, then filters them, then none again; it
/// leaves; and everything is read anew, with a second port. Output: without filtering all is VLAN 1, as `mclagsyncd` says
/// of it.
#[test]
fn ports_of_a_bridge_that_filters_no_vlans_are_in_vlan_1() {
    let port = |index, text, master| LinkInfo {
        master,
        ..info(index, text, Kind::Veth)
    };
    let told = |view: &mut View| -> Vec<(u32, Vec<u16>)> {
        let inputs = drain(view).into_iter();
        let told = inputs.filter_map(|input| match input {
            Input::Vlans { index, vids } => Some((index, vids.into_iter().map(Vid::get).collect())),
            _ => None,
        });
        told.collect()
    };
    let mut view = View::default();
    view.link(bridge(false), at(0));
    view.link(port(6, "swp1", Some(5)), at(0));
    assert_eq!(told(&mut view), []);
    view.vlans(6, vlans(&[10, 20]));
    assert_eq!(told(&mut view), [(6, vec![1])]);
    view.vlans(6, vlans(&[1, 10]));
    assert_eq!(told(&mut view), []);
    view.link(bridge(true), at(0));
    assert_eq!(told(&mut view), [(6, vec![1, 10])]);
    view.link(bridge(false), at(0));
    assert_eq!(told(&mut view), [(6, vec![1])]);
    view.left_bridge(6);
    view.link(port(6, "swp1", None), at(0));
    assert_eq!(told(&mut view), [(6, vec![])]);
    let infos = [
        bridge(false),
        port(6, "swp1", Some(5)),
        port(7, "swp2", Some(5)),
    ];
    let listed = BTreeMap::from([(6, vlans(&[10])), (7, vlans(&[1]))]);
    view.replace(by_index(&infos), listed);
    assert_eq!(told(&mut view), [(6, vec![1]), (7, vec![1])]);
    view.replace(by_index(&infos[..2]), BTreeMap::from([(6, vlans(&[10]))]));
    assert_eq!(told(&mut view), [(6, vec![1]), (7, vec![])]);
    // A port that loses its last VLAN is in none where the bridge filters them, and only there.
    view.vlans(6, BridgeVlans::default());
    assert_eq!(told(&mut view), []);
    view.link(bridge(true), at(0));
    assert_eq!(told(&mut view), [(6, vec![])]);
}

#[test]
fn what_means_nothing_new_to_the_core_is_not_told() {
    let mut view = View::default();
    let eth = info(5, "swp1", Kind::Veth);
    view.link(eth.clone(), at(0));
    assert_eq!(drain(&mut view).len(), 1);
    view.link(LinkInfo { mtu: 9000, ..eth }, at(0));
    view.vlans(5, BridgeVlans::default());
    view.left_bridge(5);
    assert_eq!(drain(&mut view), []);
    view.vlans(5, vlans(&[1]));
    view.vlans(5, vlans(&[1]));
    assert_eq!(drain(&mut view).len(), 1);
    view.gone(5);
    view.gone(5);
    assert_eq!(drain(&mut view), [Input::LinkGone { index: 5 }]);
}

#[test]
fn running_needs_admin_up_and_an_operational_state_or_carrier_where_there_is_none() {
    use Oper::*;
    let cases = [
        // (admin up, state, carrier) => running
        (true, Up, true, true),
        (true, Up, false, true),
        (false, Up, true, false),
        (true, Unknown, true, true),
        (true, Unknown, false, false),
        (true, Down, true, false),
        (true, Dormant, true, false),
        (true, LowerLayerDown, true, false),
    ];
    for (admin_up, oper, lower_up, want) in cases {
        let link = LinkInfo {
            admin_up,
            oper,
            lower_up,
            ..info(5, "swp1", Kind::Veth)
        };
        assert_eq!(is_running(&link), want, "{admin_up} {oper:?} {lower_up}");
    }
}

#[test]
fn an_lacp_member_carries_data_with_carrier_and_lacps_consent_only() {
    let mut view = View::default();
    view.link(bond(5, "bond1", BondMode::Lacp), at(0));
    view.link(member(6, "eth1", 5, LacpState::SYNCHRONIZATION), at(0));
    assert_eq!(distributing(&drain(&mut view), 6), Some(false));
    view.link(member(6, "eth1", 5, READY), at(0));
    assert_eq!(distributing(&drain(&mut view), 6), Some(true));
    // The carrier is gone, the bond has not noticed yet.
    let dead = LinkInfo {
        oper: Oper::Down,
        lower_up: false,
        ..member(6, "eth1", 5, READY)
    };
    view.link(dead, at(0));
    assert_eq!(distributing(&drain(&mut view), 6), Some(false));
    let names = BTreeSet::from([name("bond1")]);
    assert!(view.needs_fast_poll(&names), "LACP has to catch up");
    assert_eq!(view.lacp_bonds(&names), [5, 6]);
}

/// `eth1` of `bond1`, whose carrier the bond takes for there or not after so many losses.
fn mii(mii_up: bool, failures: u32, state: LacpState) -> LinkInfo {
    let mut info = member(6, "eth1", 5, state);
    if let Some(member) = &mut info.member {
        (member.mii_up, member.link_failures) = (mii_up, failures);
    }
    info
}

/// Input: a member loses its carrier and gets it back; LACP starts anew only after the bond has
/// noticed. Output: what was agreed before is not believed, what is agreed then is.
#[test]
fn after_a_loss_of_carrier_lacp_has_to_agree_again() {
    let mut view = View::default();
    let mii = |mii_up, state| mii(mii_up, 0, state);
    view.link(bond(5, "bond1", BondMode::Lacp), at(0));
    view.link(mii(true, READY), at(0));
    assert_eq!(distributing(&drain(&mut view), 6), Some(true));
    // The bond has noticed the loss; then the carrier is back, and the bond notices that.
    view.link(mii(false, READY), at(0));
    assert_eq!(distributing(&drain(&mut view), 6), Some(false));
    view.link(mii(true, READY), at(100));
    view.settle(at(200));
    assert_eq!(drain(&mut view), []);
    assert!(view.needs_fast_poll(&BTreeSet::from([name("bond1")])));
    view.link(mii(true, LacpState::empty()), at(300));
    assert_eq!(drain(&mut view), []);
    view.link(mii(true, READY), at(900));
    assert_eq!(distributing(&drain(&mut view), 6), Some(true));
}

/// Input: loss and return between two looks at the kernel. Output: the bond's count of failures
/// gives it away.
#[test]
fn a_loss_that_was_over_before_it_was_seen_counts_as_well() {
    let mut view = View::default();
    view.link(bond(5, "bond1", BondMode::Lacp), at(0));
    view.link(member(6, "eth1", 5, READY), at(0));
    drain(&mut view);
    view.link(mii(true, 1, READY), at(100));
    assert_eq!(distributing(&drain(&mut view), 6), Some(false));
}

/// Input: loss and return, and all of what LACP did in between, read at once, as after `SIGCONT`; once LACP has started anew
/// in it, once not. Output: what is agreed then is believed at once, and only then.
#[test]
fn a_loss_that_is_read_late_counts_unless_lacp_has_agreed_again_since() {
    let lost = mii(false, 1, READY);
    let anew = mii(true, 1, LacpState::empty());
    let back = mii(true, 1, READY);
    for (between, is_believed) in [
        (vec![lost.clone(), anew.clone()], true),
        (vec![lost.clone(), anew, lost.clone()], false),
        (vec![lost], false),
        (vec![], false),
    ] {
        let mut view = View::default();
        view.link(bond(5, "bond1", BondMode::Lacp), at(0));
        view.link(mii(true, 0, READY), at(0));
        assert_eq!(distributing(&drain(&mut view), 6), Some(true));
        view.event(between.clone(), back.clone(), at(8_000));
        let reported = distributing(&drain(&mut view), 6);
        let expected = (!is_believed).then_some(false);
        assert_eq!(reported, expected, "{between:?}");
    }
}

/// Input: the last event of a member that was lost and is back says that LACP has not agreed. Output: nothing, until the kernel was
/// asked; then what it answers. A member without carrier, or of a bond without LACP, is not asked for.
#[test]
fn that_lacp_ends_on_a_member_with_carrier_is_believed_when_the_kernel_was_asked() {
    let of = |mode| {
        let mut view = View::default();
        view.link(bond(5, "bond1", mode), at(0));
        view.link(mii(true, 0, READY), at(0));
        assert_eq!(distributing(&drain(&mut view), 6), Some(true));
        view
    };
    let lost = mii(false, 1, READY);
    let begins = mii(true, 1, LacpState::empty());
    for (answer, reported) in [
        (mii(true, 1, READY), None),
        (begins.clone(), Some(false)),
        (lost.clone(), Some(false)),
    ] {
        let mut view = of(BondMode::Lacp);
        view.event(vec![lost.clone()], begins.clone(), at(100));
        assert_eq!((drain(&mut view), view.unsure()), (vec![], vec![5, 6]));
        view.answered(vec![answer], at(101));
        assert_eq!(distributing(&drain(&mut view), 6), reported);
        assert!(view.unsure().is_empty());
    }
    // Asked before what has happened meanwhile was read: it has lost its carrier again, or at all.
    let mut view = of(BondMode::Lacp);
    view.answered(vec![mii(true, 1, READY)], at(100));
    assert_eq!(drain(&mut view), []);
    view.event(vec![lost.clone()], begins.clone(), at(101));
    view.answered(vec![mii(true, 2, READY)], at(102));
    assert_eq!((drain(&mut view), view.unsure()), (vec![], vec![5, 6]));
    view.event(vec![mii(false, 2, READY)], mii(true, 2, READY), at(103));
    assert_eq!(distributing(&drain(&mut view), 6), Some(false));
    let mut view = of(BondMode::Lacp);
    view.event(vec![], begins.clone(), at(100));
    view.event(vec![], lost.clone(), at(101));
    assert_eq!(distributing(&drain(&mut view), 6), Some(false));
    assert!(view.unsure().is_empty());
    let mut view = of(BondMode::ActiveBackup);
    view.event(vec![], begins, at(100));
    assert!(view.unsure().is_empty());
}

/// Input: as above, but LACP does not start anew. Output: after a second it is believed.
#[test]
fn lacp_that_does_not_start_anew_is_believed_in_the_end() {
    let mut view = View::default();
    view.link(bond(5, "bond1", BondMode::Lacp), at(0));
    let mut lost = member(6, "eth1", 5, READY);
    if let Some(member) = &mut lost.member {
        member.mii_up = false;
    }
    view.link(lost, at(0));
    view.link(member(6, "eth1", 5, READY), at(100));
    assert_eq!(distributing(&drain(&mut view), 6), Some(false));
    view.settle(at(1099));
    assert_eq!(drain(&mut view), []);
    view.settle(at(1100));
    assert_eq!(distributing(&drain(&mut view), 6), Some(true));
    view.settle(at(9999));
    assert_eq!(drain(&mut view), []);
}

#[test]
fn a_members_state_follows_the_mode_of_its_bond() {
    let mut view = View::default();
    view.link(bond(5, "bond1", BondMode::Lacp), at(0));
    view.link(member(6, "eth1", 5, LacpState::empty()), at(0));
    assert_eq!(distributing(&drain(&mut view), 6), Some(false));
    view.link(bond(5, "bond1", BondMode::Xor), at(0));
    assert_eq!(distributing(&drain(&mut view), 6), Some(true));
    assert!(!view.needs_fast_poll(&BTreeSet::from([name("bond1")])));
}

#[test]
fn a_port_of_a_bridge_is_not_a_member_of_a_lag() {
    let mut view = View::default();
    let bridge = Kind::Bridge {
        vlan_filtering: true,
        ageing_time: Duration::from_secs(300),
        mcast_snooping: McastSnooping::Off,
        spanning_tree: false,
    };
    view.link(info(3, "br0", bridge), at(0));
    view.link(
        LinkInfo {
            master: Some(3),
            ..info(6, "swp1", Kind::Veth)
        },
        at(0),
    );
    let inputs = drain(&mut view);
    let [Input::Link(br0), filtering, Input::Link(port)] = &inputs[..] else {
        panic!("{inputs:?}");
    };
    assert_eq!((br0.kind, port.member), (LinkKind::Bridge, None));
    let filters = Input::VlanFiltering { index: 3, on: true };
    assert_eq!(*filtering, filters);
}

#[test]
fn teamd_decides_about_members_as_long_as_it_answers() {
    let mut view = View::default();
    view.link(info(5, "team1", Kind::Team), at(0));
    view.link(
        LinkInfo {
            master: Some(5),
            ..info(6, "eth1", Kind::Veth)
        },
        at(0),
    );
    assert_eq!(distributing(&drain(&mut view), 6), Some(true), "carrier");
    assert!(view.belongs_to_team(5) && view.belongs_to_team(6));
    let names = BTreeSet::from([name("team1")]);
    assert_eq!(view.teams(&names), [(5, name("team1"))]);

    let state = TeamState {
        lacp: true,
        partner: Some(LacpPartner {
            system: Mac([2, 0, 0, 0, 0, 9]),
            key: 9,
        }),
        members: BTreeMap::from([(name("eth1"), false)]),
    };
    view.team(5, Some(state.clone()));
    let inputs = drain(&mut view);
    assert_eq!(distributing(&inputs, 6), Some(false));
    let Input::Link(team) = &inputs[0] else {
        panic!("{inputs:?}");
    };
    let kind = LinkKind::Lag {
        lacp: Some(state.lacp),
        partner: state.partner,
        min_links: 0,
    };
    assert_eq!(team.kind, kind);
    view.team(5, Some(state));
    assert_eq!(drain(&mut view), []);
    view.team(5, None);
    assert_eq!(distributing(&drain(&mut view), 6), Some(true));

    // teamd takes the carrier of a team whose members carry no data.
    let idle = LinkInfo {
        oper: Oper::LowerLayerDown,
        lower_up: false,
        ..info(5, "team1", Kind::Team)
    };
    view.link(idle, at(0));
    assert_eq!(distributing(&drain(&mut view), 6), Some(false));
}

#[test]
fn a_vlan_interface_and_a_macvlan_name_what_they_are_on_and_a_vrf_is_one() {
    let mut view = View::default();
    let vlan = |id, link| Kind::Vlan { id, link };
    let infos = [
        info(5, "br0", Kind::Veth),
        info(6, "Vlan10", vlan(Vid::new(10), Some(5))),
        info(7, "Vrf-blue", Kind::Vrf),
        // Its lower interface is in another namespace, or the kernel does not say.
        info(8, "far.10", vlan(Vid::new(10), None)),
        info(9, "vrrp4-6-1", Kind::Macvlan { link: Some(6) }),
        info(10, "far", Kind::Macvlan { link: None }),
    ];
    view.replace(by_index(&infos), BTreeMap::new());
    let kinds: Vec<_> = drain(&mut view)
        .into_iter()
        .filter_map(|input| match input {
            Input::Link(link) => Some(link.kind),
            _ => None,
        })
        .collect();
    let svi = LinkKind::Vlan {
        vid: Vid::new(10).unwrap(),
        parent: 5,
    };
    assert_eq!(
        kinds,
        [
            LinkKind::Other,
            svi,
            LinkKind::Vrf,
            LinkKind::Other,
            LinkKind::Macvlan { parent: 6 },
            LinkKind::Other
        ]
    );
}

/// Input: the states of a bridge port, of one that has no carrier, and what the bridge says of it later. Output: it is
/// blocked where spanning tree keeps it from forwarding, and each change is news.
#[test]
fn a_running_bridge_port_that_does_not_forward_is_blocked() {
    let port = |state| BridgePort {
        state,
        learning: true,
        flood: true,
        isolated: false,
        backup_port: None,
        mcast_router: None,
    };
    let as_port = |state, oper| LinkInfo {
        oper,
        bridge_port: Some(port(state)),
        ..info(6, "peerlink", Kind::Veth)
    };
    let blocked = |inputs: Vec<Input>| -> Vec<bool> {
        let links = inputs.iter().map(|input| match input {
            Input::Link(link) => link.blocked,
            other => panic!("{other:?}"),
        });
        links.collect()
    };
    for (state, is_blocked) in [
        (PortState::Disabled, true),
        (PortState::Listening, true),
        (PortState::Learning, true),
        (PortState::Blocking, true),
        (PortState::Forwarding, false),
    ] {
        let mut view = View::default();
        view.link(as_port(state, Oper::Up), at(0));
        assert_eq!(blocked(drain(&mut view)), [is_blocked], "{state:?}");
        let mut view = View::default();
        view.link(as_port(state, Oper::Down), at(0));
        assert_eq!(blocked(drain(&mut view)), [false], "{state:?}");
    }
    let mut view = View::default();
    view.link(as_port(PortState::Listening, Oper::Up), at(0));
    for state in [PortState::Learning, PortState::Forwarding] {
        view.bridge_port(6, port(state));
    }
    view.bridge_port(6, port(PortState::Blocking));
    view.bridge_port(7, port(PortState::Blocking));
    assert_eq!(blocked(drain(&mut view)), [true, false, true]);
}

/// Input: a bridge with spanning tree and a port with another MTU than Ethernet's; both change back; a listing. Output:
/// what differs from what the core believes unless it is told.
#[test]
fn spanning_tree_and_mtu_are_told_where_they_are_not_the_usual() {
    let bridge = |spanning_tree| {
        let kind = Kind::Bridge {
            vlan_filtering: false,
            ageing_time: Duration::from_secs(300),
            mcast_snooping: McastSnooping::Off,
            spanning_tree,
        };
        info(5, "br0", kind)
    };
    let port = |mtu| LinkInfo {
        mtu,
        master: Some(5),
        ..info(6, "bond1", Kind::Team)
    };
    let mut view = View::default();
    let told = |view: &mut View| -> Vec<Input> {
        let mut inputs = drain(view);
        inputs.retain(|input| matches!(input, Input::SpanningTree { .. } | Input::Mtu { .. }));
        inputs
    };
    view.link(bridge(false), at(0));
    view.link(port(1500), at(0));
    assert_eq!(told(&mut view), []);
    view.link(bridge(true), at(0));
    view.link(port(9000), at(0));
    view.link(bridge(true), at(0));
    view.link(port(9000), at(0));
    let (on, high) = (
        Input::SpanningTree { index: 5, on: true },
        Input::Mtu {
            index: 6,
            mtu: 9000,
        },
    );
    assert_eq!(told(&mut view), [on.clone(), high.clone()]);
    view.link(bridge(false), at(0));
    view.link(port(1500), at(0));
    let (off, usual) = (
        Input::SpanningTree {
            index: 5,
            on: false,
        },
        Input::Mtu {
            index: 6,
            mtu: 1500,
        },
    );
    assert_eq!(told(&mut view), [off, usual]);
    view.link(bridge(true), at(0));
    view.link(port(9000), at(0));
    told(&mut view);
    let infos = [bridge(true), port(9000)].map(|info| (info.index, info));
    view.replace(infos.into(), BTreeMap::new());
    assert_eq!(told(&mut view), [on, high]);
}

/// Input: a port whose frames without a tag are in VLAN 1, in VLAN 10, twice, dropped, and in VLAN 1 again; a listing.
/// Output: what differs from what the core believes unless it is told.
#[test]
fn the_vlan_of_frames_without_a_tag_is_told_where_it_is_not_the_usual() {
    let with = |pvid: Option<u16>| BridgeVlans {
        pvid: pvid.and_then(Vid::new),
        ..vlans(&[1, 10])
    };
    let mut view = View::default();
    view.link(info(5, "bond1", Kind::Team), at(0));
    let told = |view: &mut View| -> Vec<Option<u16>> {
        let inputs = drain(view).into_iter();
        let told = inputs.filter_map(|input| match input {
            Input::Pvid { index: 5, vid } => Some(vid.map(Vid::get)),
            _ => None,
        });
        told.collect()
    };
    for (pvid, expected) in [
        (Some(1), vec![]),
        (Some(10), vec![Some(10)]),
        (Some(10), vec![]),
        (None, vec![None]),
        (Some(1), vec![Some(1)]),
    ] {
        view.vlans(5, with(pvid));
        assert_eq!(told(&mut view), expected, "{pvid:?}");
    }
    for (pvid, expected) in [(Some(1), vec![]), (Some(10), vec![Some(10)])] {
        let infos = by_index(&[info(5, "bond1", Kind::Team)]);
        view.replace(infos, BTreeMap::from([(5, with(pvid))]));
        assert_eq!(told(&mut view), expected, "{pvid:?}");
    }
}

/// The kernel keeps showing a partner that is not there any more until it has waited for it in vain.
#[test]
fn a_member_is_alone_when_the_bond_has_given_up_waiting_for_a_partner() {
    let gave_up = LacpState::ACTIVITY | LacpState::DEFAULTED;
    let [none, some] = [Mac::ZERO, Mac([2, 0, 0, 0, 0, 9])];
    for (mode, state, partner, carrier, alone) in [
        (BondMode::Lacp, gave_up, none, true, true),
        (BondMode::Lacp, gave_up, none, false, false),
        (BondMode::Lacp, LacpState::EXPIRED, none, true, false),
        (BondMode::Lacp, gave_up, some, true, false),
        (BondMode::ActiveBackup, gave_up, none, true, false),
    ] {
        let mut lag = bond(5, "bond1", mode);
        if let Kind::Bond(info) = &mut lag.kind
            && let Some(lacp) = &mut info.lacp
        {
            lacp.partner_mac = partner;
        }
        let mut eth = member(6, "eth1", 5, state);
        if !carrier {
            (eth.lower_up, eth.oper) = (false, Oper::Down);
        }
        let mut view = View::default();
        view.replace(by_index(&[lag, eth]), BTreeMap::new());
        let told = drain(&mut view).into_iter().find_map(|input| match input {
            Input::Link(link) if link.index == 6 => link.member,
            _ => None,
        });
        assert_eq!(told.unwrap().alone, alone, "{mode:?} {state:?} {partner}");
    }
}

/// Input: MLAG port `bond1` gets another name and, read from scratch, a third one; another interface takes the old name; and
/// settings that do not name it. Output: it is `bond1`, with what the kernel calls it, as long as no other one is, and it is named.
#[test]
fn an_interface_that_settings_name_keeps_the_name() {
    let mut view = View::default();
    let told = |view: &mut View| -> Vec<(u32, String, Option<IfName>)> {
        let inputs = drain(view).into_iter();
        let links = inputs.filter_map(|input| match input {
            Input::Link(link) => Some((link.index, link.name.to_string(), link.kernel_name)),
            _ => None,
        });
        links.collect()
    };
    let is = |index, text: &str, kernel: Option<&str>| (index, text.to_owned(), kernel.map(name));
    let names = BTreeSet::from([name("bond1")]);
    view.follow(&names);
    view.link(bond(5, "bond1", BondMode::Lacp), at(0));
    assert_eq!(told(&mut view), [is(5, "bond1", None)]);
    view.link(bond(5, "host1", BondMode::Lacp), at(0));
    assert_eq!(told(&mut view), [is(5, "bond1", Some("host1"))]);
    assert_eq!(view.lacp_bonds(&names), [5]);
    view.replace(
        by_index(&[bond(5, "host2", BondMode::Lacp)]),
        BTreeMap::new(),
    );
    assert_eq!(told(&mut view), [is(5, "bond1", Some("host2"))]);
    view.link(info(6, "bond1", Kind::Veth), at(0));
    assert_eq!(
        told(&mut view),
        [is(5, "host2", None), is(6, "bond1", None)]
    );
    view.gone(6);
    view.link(bond(5, "bond1", BondMode::Lacp), at(0));
    view.link(bond(5, "host1", BondMode::Lacp), at(0));
    told(&mut view);
    view.follow(&BTreeSet::new());
    assert_eq!(told(&mut view), [is(5, "host1", None)]);
    // Whoever followed it all the time says so.
    view.follow(&names);
    assert_eq!(told(&mut view), []);
    view.keep_name(5, name("bond1"));
    assert_eq!(told(&mut view), [is(5, "bond1", Some("host1"))]);
    view.keep_name(5, name("bond1"));
    assert_eq!(told(&mut view), []);
}
