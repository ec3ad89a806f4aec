//! Interfaces, bridge ports and VLANs.

use std::time::Duration;

use mclag_netlink::{
    Event, FdbAction, FdbOp, Groups, LinkKind, LinkOp, LinkSetting, Monitor, Op, PortState,
};
use rtnetlink::packet_route::link::BridgeVlanInfoFlags;
use rtnetlink::{LinkBridgeVlan, LinkVrf};

use crate::lab::{Lab, Wire, event, in_namespace, mac, name, vid};

const LINKS: Groups = Groups {
    links: true,
    fdb: false,
    neighbours: false,
    addresses: false,
    default_routes: false,
};

const AGEING: Duration = Duration::from_secs(300);

#[test]
fn an_interface_is_followed_from_its_birth_to_its_end() {
    in_namespace("birth to end", async |mut lab| {
        let mut monitor = Monitor::open(LINKS, 1 << 20).unwrap();
        let (a, b) = lab.veth("a", "b").await?;
        let up = event(&mut monitor, "a runs", |e| match e {
            Event::Link(link) if link.index == a && link.is_running() => Some(link.clone()),
            _ => None,
        })
        .await;
        assert_eq!(
            (up.name, &up.kind, up.master),
            (name("a"), &LinkKind::Veth, None)
        );

        // The other end of the cable goes down: carrier is lost, the wish to be up is not.
        lab.set(b, LinkSetting::AdminUp(false)).await;
        let down = event(&mut monitor, "a lost carrier", |e| match e {
            Event::Link(link) if link.index == a && !link.lower_up => Some(link.clone()),
            _ => None,
        })
        .await;
        assert!(down.admin_up && !down.is_running());
        assert_eq!(*down, lab.link(a).await);
        assert_eq!(lab.kernel.links().await.unwrap()[&a], *down);

        lab.delete(a).await;
        let gone = event(&mut monitor, "a is gone", |e| match e {
            Event::LinkGone { index, name } if *index == a => Some(*name),
            _ => None,
        });
        assert_eq!(gone.await, name("a"));
        assert_eq!(lab.kernel.link(&name("a")).await.unwrap(), None);
        assert_eq!(lab.kernel.link_at(a).await.unwrap(), None);
        Ok(())
    });
}

#[test]
fn an_address_can_be_changed() {
    in_namespace("address", async |mut lab| {
        let (port, _) = lab.veth("port", "far").await?;
        lab.set(port, LinkSetting::Mac(mac(7))).await;
        assert_eq!(lab.link(port).await.mac, Some(mac(7)));
        Ok(())
    });
}

/// Give an interface an address, and assert that it had carrier all the time.
pub(crate) async fn change_address_live(lab: &mut Lab, index: u32) {
    lab.until(index, "running", |link| link.is_running()).await;
    let mut monitor = Monitor::open(LINKS, 1 << 20).unwrap();
    let wanted = mac(0x0700_0000 + index);
    lab.set(index, LinkSetting::Mac(wanted)).await;
    event(&mut monitor, "the new address", |e| match e {
        Event::Link(link) if link.index == index => {
            assert!(link.is_running(), "{link:?}");
            (link.mac == Some(wanted)).then_some(())
        }
        _ => None,
    })
    .await;
    let got = lab.link(index).await;
    assert_eq!((got.mac, got.is_running()), (Some(wanted), true));
}

/// `spec/behaviour.md` 5.3: identity changes without link flap.
#[test]
fn a_bridge_changes_its_address_without_losing_carrier_or_what_it_learned() {
    in_namespace("address of a bridge", async |mut lab| {
        let bridge = lab.bridge("br0", false, AGEING).await?;
        let mut wires = Vec::new();
        for port in ["a", "b"] {
            let (near, far) = lab.veth(port, &format!("{port}.far")).await?;
            lab.enslave(near, bridge).await;
            lab.until(near, "forwarding", |link| {
                let state = link.bridge_port.map(|port| port.state);
                link.is_running() && state == Some(PortState::Forwarding)
            })
            .await;
            wires.push(Wire::open(far));
        }
        wires[0].send(mac(2), mac(1), None, "hello");
        wires[1].wait_for("hello").await;
        change_address_live(&mut lab, bridge).await;
        wires[1].send(mac(1), mac(2), None, "welcome");
        wires[0].wait_for("welcome").await;
        let entries = lab.kernel.fdb(bridge).await.unwrap();
        assert!(
            entries.iter().any(|entry| entry.mac == mac(1)),
            "{entries:?}"
        );
        Ok(())
    });
}

/// `spec/behaviour.md` 5.3: identity changes without link flap.
#[test]
fn a_vlan_interface_changes_its_address_without_losing_carrier() {
    in_namespace("address of a VLAN interface", async |mut lab| {
        let bridge = lab.bridge("br0", false, AGEING).await?;
        let (port, far) = lab.veth("port", "far").await?;
        lab.enslave(port, bridge).await;
        let svi = lab.vlan("br0.10", bridge, 10).await?;
        let kind = LinkKind::Vlan {
            id: Some(vid(10)),
            link: Some(bridge),
        };
        assert_eq!(lab.link(svi).await.kind, kind);
        change_address_live(&mut lab, svi).await;
        let us = lab.link(svi).await.mac.expect("an address");
        lab.until(port, "forwarding", |link| {
            let state = link.bridge_port.map(|port| port.state);
            link.is_running() && state == Some(PortState::Forwarding)
        })
        .await;
        // What is for the new address arrives, although the bridge has another.
        let mut inside = Wire::open(svi);
        Wire::open(far).send(us, mac(1), Some(10), "hello");
        inside.wait_for("hello").await;
        Ok(())
    });
}

#[test]
fn a_vrf_is_known_as_such_and_as_master() {
    in_namespace("VRF", async |mut lab| {
        let (port, _) = lab.veth("port", "far").await?;
        lab.add("VRFs", LinkVrf::new("blue", 10).up().build())
            .await?;
        let vrf = lab.index("blue").await;
        assert_eq!(lab.link(vrf).await.kind, LinkKind::Vrf);
        lab.enslave(port, vrf).await;
        assert_eq!(lab.link(port).await.master, Some(vrf));
        Ok(())
    });
}

#[test]
fn settings_of_a_bridge_port_read_back_and_are_events() {
    in_namespace("bridge port", async |mut lab| {
        let bridge = lab.bridge("br0", false, AGEING).await?;
        let (port, _) = lab.veth("port", "port.far").await?;
        let (peer, _) = lab.veth("peer", "peer.far").await?;
        let mut monitor = Monitor::open(LINKS, 1 << 20).unwrap();
        lab.enslave(port, bridge).await;
        lab.enslave(peer, bridge).await;
        let joined = event(&mut monitor, "port joined", |e| match e {
            Event::Link(link) if link.index == port && link.master == Some(bridge) => {
                Some(link.bridge_port)
            }
            _ => None,
        })
        .await;
        assert!(joined.is_none_or(|port| port.learning));

        lab.set(port, LinkSetting::Learning(false)).await;
        lab.set(port, LinkSetting::BackupPort(Some(peer))).await;
        let got = lab.link(port).await.bridge_port.expect("a port");
        assert!(!got.learning);
        assert_eq!(got.backup_port, Some(peer));
        let seen = event(&mut monitor, "backup port", |e| match e {
            Event::Link(link) if link.index == port => {
                link.bridge_port.filter(|port| port.backup_port.is_some())
            }
            Event::BridgePort { index, port: got } if *index == port => {
                Some(*got).filter(|port| port.backup_port.is_some())
            }
            _ => None,
        })
        .await;
        assert_eq!(seen.backup_port, Some(peer));

        // A port whose carrier is news to the bridge is about to change its state by itself.
        lab.until(port, "forwarding", |link| {
            let state = link.bridge_port.map(|port| port.state);
            link.is_running() && state == Some(PortState::Forwarding)
        })
        .await;
        lab.set(port, LinkSetting::BackupPort(None)).await;
        let state = async |lab: &mut Lab| {
            let port = lab.link(port).await.bridge_port.expect("a port");
            assert_eq!(port.backup_port, None);
            port.state
        };
        for (written, kept) in [
            (PortState::Disabled, PortState::Disabled),
            (PortState::Listening, PortState::Listening),
            // Without spanning tree the bridge itself sees no reason to block.
            (PortState::Blocking, PortState::Forwarding),
        ] {
            lab.set(port, LinkSetting::PortState(written)).await;
            assert_eq!(state(&mut lab).await, kept, "{written:?}");
        }

        lab.release(port).await;
        event(&mut monitor, "port left", |e| {
            matches!(e, Event::LeftBridge { index } if *index == port).then_some(())
        })
        .await;
        assert_eq!(lab.link(port).await.bridge_port, None);
        Ok(())
    });
}

#[test]
fn a_refusal_names_the_setting_and_the_interface_and_what_the_kernel_said() {
    in_namespace("refusal", async |mut lab| {
        let bridge = lab.bridge("br0", false, AGEING).await?;
        let (port, stranger) = lab.veth("port", "stranger").await?;
        lab.enslave(port, bridge).await;

        let error = lab
            .try_set(port, LinkSetting::BackupPort(Some(stranger)))
            .await
            .unwrap_err();
        assert_eq!(
            (&error.op[..], &error.object[..]),
            ("set backup_port", "port")
        );
        let text = error.to_string();
        assert!(text.starts_with("set backup_port on port: "), "{text}");

        let error = lab
            .try_set(port, LinkSetting::BondMinLinks(2))
            .await
            .unwrap_err();
        assert_eq!(
            (&error.op[..], &error.object[..]),
            ("set min_links", "port")
        );

        // An address that no interface may have: the kernel explains itself.
        let error = lab
            .try_set(9999, LinkSetting::AdminUp(true))
            .await
            .unwrap_err();
        assert!(error.is_gone(), "{error}");
        assert_eq!(error.object, "interface 9999");

        let entry = FdbOp {
            mac: mac(1),
            vid: Some(vid(77)),
            port: stranger,
            action: FdbAction::SetStatic,
        };
        let error = lab
            .kernel
            .apply(&[entry.into()])
            .await
            .remove(0)
            .unwrap_err();
        assert_eq!(error.object, "02:00:00:00:00:01 vlan 77 on stranger");
        Ok(())
    });
}

#[test]
fn one_failure_does_not_stop_the_rest_of_a_batch() {
    in_namespace("batch", async |mut lab| {
        let (port, _) = lab.veth("port", "far").await?;
        let up = |link| {
            Op::Link(LinkOp {
                link,
                set: LinkSetting::AdminUp(false),
            })
        };
        let results = lab.kernel.apply(&[up(9998), up(port), up(9999)]).await;
        let failed: Vec<_> = results.iter().map(Result::is_err).collect();
        assert_eq!(failed, [true, false, true]);
        assert!(!lab.link(port).await.admin_up);
        assert_eq!(lab.kernel.apply(&[]).await, []);
        Ok(())
    });
}

#[test]
fn vlans_of_a_port_are_dumped_and_are_events() {
    in_namespace("vlans", async |mut lab| {
        let bridge = lab.bridge("br0", true, AGEING).await?;
        let (port, _) = lab.veth("port", "far").await?;
        lab.enslave(port, bridge).await;
        let mut monitor = Monitor::open(LINKS, 1 << 20).unwrap();
        let none = BridgeVlanInfoFlags::empty();
        let message = LinkBridgeVlan::new(port)
            .vlan_range_start(100, none)
            .vlan_range_end(199, none)
            .vlan(4094, BridgeVlanInfoFlags::Untagged)
            .build();
        lab.set_message(message).await;

        let got = &lab.kernel.bridge_vlans().await.unwrap()[&port];
        assert_eq!(got.vids.to_string(), "1,100-199,4094");
        assert_eq!(got.untagged.to_string(), "1,4094");
        assert_eq!(got.pvid, Some(vid(1)));
        event(&mut monitor, "VLANs", |e| match e {
            Event::BridgeVlans { index, vlans } if *index == port && vlans == got => Some(()),
            _ => None,
        })
        .await;
        Ok(())
    });
}

#[test]
fn a_request_that_was_given_up_does_not_disturb_the_next() {
    in_namespace("given up", async |mut lab| {
        let bridge = lab.bridge("br0", false, AGEING).await?;
        let (port, _) = lab.veth("port", "far").await?;
        lab.enslave(port, bridge).await;
        let ops: Vec<_> = (0..3000)
            .map(|number| {
                Op::Fdb(FdbOp {
                    mac: mac(number),
                    vid: None,
                    port,
                    action: FdbAction::SetStatic,
                })
            })
            .collect();
        assert!(lab.kernel.apply(&ops).await.iter().all(Result::is_ok));

        // A dump of several parts, dropped after its first steps.
        for steps in 0..6 {
            let mut dump = Box::pin(lab.kernel.fdb(bridge));
            for _ in 0..steps {
                if tokio::time::timeout(Duration::ZERO, &mut dump)
                    .await
                    .is_ok()
                {
                    break;
                }
            }
            drop(dump);
            assert!(lab.kernel.fdb(bridge).await.unwrap().len() >= 3000);
        }
        Ok(())
    });
}
