//! Neighbours that speak on the wire.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use mclag_netlink::packet::{Claim, Kind, Listener, Sighting, Tap};
use mclag_netlink::{LinkSetting, PortState};
use mclag_proto::Mac;
use rtnetlink::LinkBridgeVlan;
use rtnetlink::packet_route::link::{BridgeVlanInfoFlags, LinkMessage};

use crate::lab::{Lab, PATIENCE, Skip, Wire, in_namespace, mac};

const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;

fn listener(kind: Kind) -> Result<Listener, Skip> {
    match Tap::open(kind) {
        Ok(tap) => Ok(Listener::new(tap)
            .map_err(|(_, error)| error)
            .expect("a reactor")),
        Err(error) => Err(Skip(format!("no packet sockets: {error}"))),
    }
}

async fn next(listener: &mut Listener) -> Vec<Sighting> {
    let next = tokio::time::timeout(PATIENCE, listener.next());
    next.await.expect("in time").expect("sightings")
}

/// An ARP packet without its Ethernet header.
fn arp(operation: u8, address: [u8; 4], from: Mac, to: Mac) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
    packet.extend(from.0);
    packet.extend(address);
    packet.extend(to.0);
    packet.extend([192, 0, 2, 1]);
    packet
}

/// A neighbour message of this type, without its Ethernet header.
fn nd(kind: u8, target: Ipv6Addr, mac: Option<Mac>) -> Vec<u8> {
    let options = mac.map_or(Vec::new(), |mac| [&[2, 1], &mac.0[..]].concat());
    let len = u8::try_from(24 + options.len()).expect("short");
    let mut packet = vec![0x60, 0, 0, 0, 0, len, 58, 255];
    packet.extend(target.octets());
    packet.extend(Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).octets());
    packet.extend([kind, 0, 0, 0, 0x20, 0, 0, 0]);
    packet.extend(target.octets());
    packet.extend(options);
    packet
}

fn sighting(index: u32, address: impl Into<IpAddr>, mac: Option<Mac>) -> Sighting {
    let address = address.into();
    Sighting {
        index,
        claim: Claim { address, mac },
    }
}

/// Input: a request, a reply to somebody else, a reply to us. Output: the last alone.
#[test]
fn an_arp_reply_to_us_is_seen_and_nothing_else_is() {
    in_namespace("ARP replies", async |mut lab| {
        let (near, far) = lab.veth("near", "far").await?;
        lab.until(near, "running", |link| link.is_running()).await;
        let us = lab.link(near).await.mac.expect("an address");
        let mut listener = listener(Kind::Arp)?;
        let mut wire = Wire::open(far);
        let host = mac(7);
        let everybody = Mac([0xff; 6]);
        let at = [192, 0, 2, 7];
        wire.send_packet(everybody, host, None, ARP, &arp(1, at, host, us));
        wire.send_packet(mac(99), host, None, ARP, &arp(2, at, host, mac(99)));
        wire.send_packet(us, host, None, ARP, &arp(2, at, host, us));
        let got = next(&mut listener).await;
        assert_eq!(got, [sighting(near, at, Some(host))]);

        // To everybody is to us as well.
        wire.send_packet(everybody, mac(8), None, ARP, &arp(2, at, mac(8), everybody));
        let got = next(&mut listener).await;
        assert_eq!(got, [sighting(near, at, Some(mac(8)))]);
        Ok(())
    });
}

#[test]
fn an_advertisement_is_seen_with_and_without_hardware_address() {
    in_namespace("neighbour advertisements", async |mut lab| {
        let (near, far) = lab.veth("near", "far").await?;
        lab.until(near, "running", |link| link.is_running()).await;
        let mut listener = listener(Kind::Nd)?;
        let mut wire = Wire::open(far);
        let host = mac(7);
        let all_nodes = Mac([0x33, 0x33, 0, 0, 0, 1]);
        let target: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let other: Ipv6Addr = "2001:db8::8".parse().unwrap();
        wire.send_packet(all_nodes, host, None, IPV6, &nd(135, other, Some(host)));
        wire.send_packet(all_nodes, host, None, IPV6, &nd(136, target, Some(host)));
        wire.send_packet(all_nodes, host, None, IPV6, &nd(136, other, None));
        let mut got = Vec::new();
        // Interfaces that come up may advertise themselves.
        while got.len() < 2 {
            let new = next(&mut listener).await;
            let ours = |s: &Sighting| [target, other].map(IpAddr::from).contains(&s.claim.address);
            got.extend(new.into_iter().filter(ours));
        }
        assert_eq!(
            got,
            [
                sighting(near, target, Some(host)),
                sighting(near, other, None)
            ]
        );
        Ok(())
    });
}

/// Input: tagged replies that arrive at a port of a bridge, to the address of the VLAN interface
/// on top, which is not the bridge's. Output: a sighting on that interface, and none on the bridge
/// or its port.
#[test]
fn what_is_tagged_on_a_bridge_port_is_seen_on_the_vlan_interface() {
    in_namespace("replies on a VLAN interface", async |mut lab| {
        let bridge = lab.bridge("br0", true, Duration::from_secs(300)).await?;
        let (port, far) = lab.veth("port", "far").await?;
        lab.enslave(port, bridge).await;
        lab.set_message(vlan_10(port)).await;
        lab.set_message(vlan_10_of_bridge(bridge)).await;
        let svi = lab.vlan("br0.10", bridge, 10).await?;
        forwarding(&mut lab, port).await;
        // Of a pair, one has the other's address here, and its bridge another.
        let us = mac(0x77);
        lab.set(svi, LinkSetting::Mac(us)).await;
        lab.until(svi, "running", |link| link.is_running()).await;

        let mut listeners = (listener(Kind::Arp)?, listener(Kind::Nd)?);
        let mut wire = Wire::open(far);
        let host = mac(7);
        let at = [192, 0, 2, 7];
        let target: Ipv6Addr = "2001:db8::7".parse().unwrap();
        // In a VLAN that nobody here is in, then in ours.
        wire.send_packet(us, host, Some(11), ARP, &arp(2, at, host, us));
        wire.send_packet(us, host, Some(10), ARP, &arp(2, at, host, us));
        wire.send_packet(us, host, Some(11), IPV6, &nd(136, target, Some(host)));
        wire.send_packet(us, host, Some(10), IPV6, &nd(136, target, Some(host)));
        assert_eq!(
            next(&mut listeners.0).await,
            [sighting(svi, at, Some(host))]
        );
        let got = loop {
            let new = next(&mut listeners.1).await;
            let of_target = |s: &Sighting| s.claim.address == IpAddr::from(target);
            let got: Vec<_> = new.into_iter().filter(of_target).collect();
            if !got.is_empty() {
                break got;
            }
        };
        assert_eq!(got, [sighting(svi, target, Some(host))]);
        Ok(())
    });
}

async fn forwarding(lab: &mut Lab, port: u32) {
    lab.until(port, "forwarding", |link| {
        let state = link.bridge_port.map(|port| port.state);
        link.is_running() && state == Some(PortState::Forwarding)
    })
    .await;
}

fn vlan_10(port: u32) -> LinkMessage {
    LinkBridgeVlan::new(port)
        .vlan(10, BridgeVlanInfoFlags::empty())
        .build()
}

fn vlan_10_of_bridge(bridge: u32) -> LinkMessage {
    LinkBridgeVlan::new(bridge)
        .bridge_self()
        .vlan(10, BridgeVlanInfoFlags::empty())
        .build()
}
