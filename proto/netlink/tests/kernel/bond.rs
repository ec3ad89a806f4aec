//! LACP bonds: two of them, connected back to back by two cables.

use std::time::{Duration, Instant};

use mclag_netlink::{
    ActorSystem, BondInfo, Event, FdbAction, FdbOp, Groups, LinkInfo, LinkKind, LinkSetting,
    Monitor,
};
use mclag_proto::Mac;

use crate::lab::{Lab, PATIENCE, Skip, Wire, event, in_namespace, mac, vid};

const LINKS: Groups = Groups {
    links: true,
    fdb: false,
    neighbours: false,
    addresses: false,
    default_routes: false,
};

/// `ours` has the members, `theirs` is the partner.
struct Bonds {
    ours: u32,
    theirs: u32,
    members: [u32; 2],
    far: [u32; 2],
}

impl Bonds {
    async fn build(lab: &mut Lab) -> Result<Self, Skip> {
        let ours = lab.bond("ours").await?;
        let theirs = lab.bond("theirs").await?;
        let (m1, f1) = lab.veth("m1", "f1").await?;
        let (m2, f2) = lab.veth("m2", "f2").await?;
        for member in [m1, m2] {
            lab.enslave(member, ours).await;
        }
        for member in [f1, f2] {
            lab.enslave(member, theirs).await;
        }
        lab.set(ours, LinkSetting::AdminUp(true)).await;
        lab.set(theirs, LinkSetting::AdminUp(true)).await;
        let bonds = Self {
            ours,
            theirs,
            members: [m1, m2],
            far: [f1, f2],
        };
        for bond in [ours, theirs] {
            lab.until(bond, "aggregated", |link| {
                link.lower_up && info(link).lacp.is_some_and(|lacp| lacp.num_ports == 2)
            })
            .await;
        }
        for member in bonds.members {
            lab.until(member, "distributing", is_distributing).await;
        }
        Ok(bonds)
    }
}

fn info(link: &LinkInfo) -> &BondInfo {
    match &link.kind {
        LinkKind::Bond(info) => info,
        other => panic!("not a bond: {other:?}"),
    }
}

fn is_distributing(link: &LinkInfo) -> bool {
    link.member.is_some_and(|member| member.is_distributing())
}

fn partner(link: &LinkInfo) -> Option<Mac> {
    info(link).lacp.map(|lacp| lacp.partner_mac)
}

#[test]
fn the_system_id_of_a_running_bond_can_be_changed_and_given_back() {
    in_namespace("system id", async |mut lab| {
        let bonds = Bonds::build(&mut lab).await?;
        let own = lab.link(bonds.ours).await.mac.expect("an address");
        assert_eq!(partner(&lab.link(bonds.theirs).await), Some(own));
        let mut monitor = Monitor::open(LINKS, 1 << 20).unwrap();

        for (setting, seen) in [(Some(mac(0x77)), mac(0x77)), (None, own)] {
            let start = Instant::now();
            lab.set(bonds.ours, LinkSetting::BondActorSystem(setting))
                .await;
            let ours = lab.link(bonds.ours).await;
            let known = setting.map_or(ActorSystem::Own, ActorSystem::Given);
            assert_eq!(info(&ours).ad_actor_system, known);
            lab.until(bonds.theirs, "seeing the new partner", |link| {
                partner(link) == Some(seen)
            })
            .await;
            eprintln!("partner sees {seen} after {:?}", start.elapsed());
            lab.until(bonds.theirs, "aggregated again", |link| {
                link.lower_up && info(link).lacp.is_some_and(|lacp| lacp.num_ports == 2)
            })
            .await;
        }

        // A group address is no system id; the kernel says so.
        let group = Mac([1, 0, 0, 0, 0, 1]);
        let error = lab
            .try_set(bonds.ours, LinkSetting::BondActorSystem(Some(group)))
            .await
            .unwrap_err();
        assert!(error.message.is_some(), "{error}");
        eprintln!("{error}");

        let mut lost = 0;
        while let Ok(events) = tokio::time::timeout(Duration::ZERO, monitor.next()).await {
            for event in events.expect("events") {
                if let Event::Link(link) = event
                    && link.index == bonds.ours
                    && !link.lower_up
                {
                    lost += 1;
                }
            }
        }
        eprintln!("the bond itself reported loss of carrier {lost} times");
        Ok(())
    });
}

/// Input: `min_links` above the number of members, then back. Output: the bond loses its
/// carrier and regains it; the members keep their LACP partner all the time.
#[test]
fn min_links_takes_a_bond_out_of_service_while_lacp_goes_on() {
    in_namespace("min_links", async |mut lab| {
        let bonds = Bonds::build(&mut lab).await?;
        let mut monitor = Monitor::open(LINKS, 1 << 20).unwrap();
        for (min_links, up) in [(3, false), (0, true), (99, false), (1, true)] {
            let start = Instant::now();
            lab.set(bonds.ours, LinkSetting::BondMinLinks(min_links))
                .await;
            let at_once = lab.link(bonds.ours).await.lower_up == up;
            event(&mut monitor, "carrier", |e| match e {
                Event::Link(link) if link.index == bonds.ours && link.lower_up == up => Some(()),
                _ => None,
            })
            .await;
            eprintln!(
                "min_links {min_links}: carrier {up} after {:?}, at once: {at_once}",
                start.elapsed()
            );
            assert_eq!(info(&lab.link(bonds.ours).await).min_links, min_links);
            for member in bonds.members {
                let link = lab.link(member).await;
                assert!(is_distributing(&link), "{link:?}");
            }
            assert!(lab.link(bonds.theirs).await.lower_up);
        }
        Ok(())
    });
}

/// Input: the partner falls silent on all cables, is forgotten, then speaks again. Output: an
/// event of each member when it stops to distribute, although carrier never changes. The way
/// back is not always an event: a member that the bond used without partner meanwhile stays
/// active to the kernel, which reports nothing else. One has to look.
#[test]
fn a_member_that_stops_distributing_is_an_event_and_starting_is_seen_by_looking() {
    in_namespace("member events", async |mut lab| {
        let bonds = Bonds::build(&mut lab).await?;
        let mut monitor = Monitor::open(LINKS, 1 << 20).unwrap();
        lab.set(bonds.theirs, LinkSetting::AdminUp(false)).await;
        let start = Instant::now();
        let mut left = bonds.members.to_vec();
        event(&mut monitor, "both stopped", |e| {
            if let Event::Link(link) = e
                && left.contains(&link.index)
            {
                assert!(link.lower_up);
                if !is_distributing(link) {
                    eprintln!("{} stopped after {:?}", link.name, start.elapsed());
                    left.retain(|member| *member != link.index);
                }
            }
            left.is_empty().then_some(())
        })
        .await;

        let silent = lab
            .until(bonds.ours, "without partner", |link| {
                partner(link).is_none_or(Mac::is_zero)
            })
            .await;
        eprintln!("partner forgotten after {:?}", start.elapsed());
        // The bond stays usable: one member carries traffic without LACP.
        assert!(silent.lower_up);
        let mut active = 0;
        for member in bonds.members {
            let link = lab.link(member).await;
            assert!(!is_distributing(&link), "{link:?}");
            active += usize::from(link.member.is_some_and(|member| member.active));
        }
        assert_eq!(active, 1);

        let mut monitor = Monitor::open(LINKS, 1 << 20).unwrap();
        lab.set(bonds.theirs, LinkSetting::AdminUp(true)).await;
        for member in bonds.members {
            lab.until(member, "distributing", is_distributing).await;
        }
        let mut reported = 0;
        while let Ok(events) = tokio::time::timeout(Duration::ZERO, monitor.next()).await {
            for event in events.expect("events") {
                if let Event::Link(link) = event
                    && bonds.members.contains(&link.index)
                    && is_distributing(&link)
                {
                    reported += 1;
                }
            }
        }
        eprintln!("of two members that started, events told {reported}");
        Ok(())
    });
}

/// Input: one cable of the partner leaves its bond and comes back. Output: so does our member;
/// whether by an event depends on how the kernel's own looks at it fall.
#[test]
fn a_member_whose_partner_leaves_and_returns_is_followed() {
    in_namespace("partner leaves", async |mut lab| {
        let bonds = Bonds::build(&mut lab).await?;
        let member = bonds.members[0];
        lab.release(bonds.far[0]).await;
        lab.set(bonds.far[0], LinkSetting::AdminUp(true)).await;
        lab.until(member, "stopped", |link| !is_distributing(link))
            .await;
        lab.enslave(bonds.far[0], bonds.theirs).await;
        lab.until(member, "started", is_distributing).await;
        lab.until(bonds.ours, "aggregated again", |link| {
            info(link).lacp.is_some_and(|lacp| lacp.num_ports == 2)
        })
        .await;

        let members = lab.kernel.members(bonds.ours).await.unwrap();
        assert_eq!(members.keys().copied().collect::<Vec<_>>(), bonds.members);
        assert!(members.values().all(is_distributing));
        Ok(())
    });
}

#[test]
fn a_member_without_carrier_is_an_event_of_the_member_first() {
    in_namespace("member carrier", async |mut lab| {
        let bonds = Bonds::build(&mut lab).await?;
        let mut monitor = Monitor::open(LINKS, 1 << 20).unwrap();
        let start = Instant::now();
        lab.set(bonds.far[0], LinkSetting::AdminUp(false)).await;
        let member = bonds.members[0];
        event(&mut monitor, "member lost carrier", |e| match e {
            Event::Link(link) if link.index == member && !link.lower_up => Some(()),
            _ => None,
        })
        .await;
        eprintln!("member carrier event after {:?}", start.elapsed());
        event(&mut monitor, "member unusable", |e| match e {
            Event::Link(link) if link.index == member => {
                link.member.filter(|member| !member.mii_up)
            }
            _ => None,
        })
        .await;
        eprintln!("bond noticed after {:?}", start.elapsed());
        lab.until(bonds.ours, "one port left", |link| {
            info(link).lacp.is_some_and(|lacp| lacp.num_ports == 1)
        })
        .await;
        Ok(())
    });
}

/// Input: a host behind a bond, a bridge with `backup_port`, and `min_links` too high.
/// Output: frames to it leave through the backup port while the bond is out of service, without
/// any change of the forwarding database, and through the bond again afterwards. Frames from it
/// are lost meanwhile: a port without carrier is disabled.
#[test]
fn frames_for_a_bond_out_of_service_take_the_backup_port() {
    in_namespace("backup port", async |mut lab| {
        let bonds = Bonds::build(&mut lab).await?;
        let bridge = lab.bridge("br0", true, Duration::from_secs(300)).await?;
        let (peer, peer_far) = lab.veth("peer", "peer.far").await?;
        let (other, other_far) = lab.veth("other", "other.far").await?;
        for port in [bonds.ours, peer, other] {
            lab.enslave(port, bridge).await;
        }
        lab.until(bonds.ours, "aggregated again", |link| {
            link.lower_up && info(link).lacp.is_some_and(|lacp| lacp.num_ports == 2)
        })
        .await;
        lab.set(bonds.ours, LinkSetting::BackupPort(Some(peer)))
            .await;
        let host = mac(1);
        let set = |action| FdbOp {
            mac: host,
            vid: Some(vid(1)),
            port: bonds.ours,
            action,
        };
        let tracked = FdbAction::SetTracked(mclag_netlink::Activity::Active);
        assert!(lab.kernel.apply(&[set(tracked).into()]).await[0].is_ok());
        for port in [bonds.ours, peer, other] {
            lab.until(port, "forwarding", |link| {
                link.lower_up
                    && link.bridge_port.map(|p| p.state)
                        == Some(mclag_netlink::PortState::Forwarding)
            })
            .await;
        }

        let mut sender = Wire::open(other_far);
        let mut at_peer = Wire::open(peer_far);
        let mut at_host = Wire::open(bonds.theirs);
        // Either bond says that it is aggregated a moment before it sends, or listens.
        let mut in_service = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while in_service.is_empty() {
            assert!(Instant::now() < deadline, "no frame passes the bond");
            sender.send(host, mac(9), None, "in service");
            tokio::time::sleep(Duration::from_millis(5)).await;
            in_service = at_host.received();
        }

        lab.set(bonds.ours, LinkSetting::BondMinLinks(9)).await;
        // The kernel clears the carrier at once and tells the bridge of it later, in a work queue.
        lab.until(bonds.ours, "out of service", |link| {
            !link.lower_up
                && link.bridge_port.map(|p| p.state) == Some(mclag_netlink::PortState::Disabled)
        })
        .await;
        sender.send(host, mac(9), None, "held");
        at_peer.wait_for("held").await;
        // LACP goes on, so the host still sends here, and the bridge does not listen.
        assert!(lab.link(bonds.theirs).await.lower_up);
        sender.received();
        at_host.send(Mac([0xff; 6]), host, None, "into the void");
        at_peer.send(Mac([0xff; 6]), mac(8), None, "from elsewhere");
        let frames = sender.wait_for("from elsewhere").await;
        assert!(!frames.contains(&"into the void".to_owned()), "{frames:?}");
        let entries = lab.kernel.fdb(bridge).await.unwrap();
        let entry = entries
            .iter()
            .find(|e| e.mac == host && e.vid == Some(vid(1)));
        assert_eq!(entry.map(|e| e.port), Some(bonds.ours));

        lab.set(bonds.ours, LinkSetting::BondMinLinks(0)).await;
        lab.until(bonds.ours, "in service", |link| {
            link.lower_up
                && link.bridge_port.map(|p| p.state) == Some(mclag_netlink::PortState::Forwarding)
        })
        .await;
        sender.send(host, mac(9), None, "back");
        let at_host = at_host.wait_for("back").await;
        assert!(!at_host.contains(&"held".to_owned()), "{at_host:?}");
        let at_peer = at_peer.received();
        assert_eq!(at_peer, Vec::<String>::new());
        Ok(())
    });
}

/// `spec/behaviour.md` 5.3: identity changes without link flap.
#[test]
fn a_bond_changes_its_address_without_losing_carrier() {
    in_namespace("address of a bond", async |mut lab| {
        let bond = lab.bond("bond1").await?;
        let (member, _) = lab.veth("member", "far").await?;
        lab.enslave(member, bond).await;
        lab.until(member, "a member with carrier", |link| {
            link.is_running() && link.member.is_some_and(|m| m.mii_up)
        })
        .await;
        crate::links::change_address_live(&mut lab, bond).await;
        let bond = lab.link(bond).await.mac;
        let got = lab.link(member).await;
        assert_eq!((got.mac, got.is_running()), (bond, true));
        Ok(())
    });
}
