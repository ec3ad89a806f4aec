//! Multicast on two bridges that snoop: what a pair relies on.

use std::time::Duration;

use mclag_netlink::nft::{FilterState, TableName};
use mclag_netlink::{LinkKind, LinkSetting, McastRouter, McastSnooping};
use mclag_proto::Mac;
use rtnetlink::LinkBridge;
use tokio::time::{Instant, sleep};

use crate::filter::filter;
use crate::lab::{Lab, PATIENCE, Skip, Wire, in_namespace, mac, name, payload};

const IPV4: u16 = 0x0800;
const IGMP: u8 = 2;
const UDP: u8 = 17;

const GROUP: [u8; 4] = [239, 1, 1, 1];
const GROUP_MAC: Mac = Mac([0x01, 0x00, 0x5e, 1, 1, 1]);
const ALL_HOSTS: [u8; 4] = [224, 0, 0, 1];
const ALL_HOSTS_MAC: Mac = Mac([0x01, 0x00, 0x5e, 0, 0, 1]);
const BROADCAST: Mac = Mac([0xff; 6]);

const SENDER: u32 = 1;
const QUERIER: u32 = 2;
const HOST: u32 = 3;
const ORPHAN: u32 = 4;

/// RFC 1071.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|word| match *word {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        _ => unreachable!("an even number of bytes"),
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    [high, low]
}

/// An IPv4 packet with a router alert (RFC 2113), as IGMP demands it.
fn ipv4(protocol: u8, to: [u8; 4], content: &[u8]) -> Vec<u8> {
    let len = u8::try_from(24 + content.len()).expect("short");
    let mut packet = vec![0x46, 0, 0, len, 0, 0, 0, 0, 1, protocol, 0, 0, 192, 0, 2, 1];
    packet.extend(to);
    packet.extend([0x94, 4, 0, 0]);
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum);
    packet.extend(content);
    packet
}

/// An IGMPv2 message (RFC 2236, section 2): type, time to answer in tenths of a second, group.
fn igmp(kind: u8, max_response: u8, group: [u8; 4]) -> Vec<u8> {
    let [a, b, c, d] = group;
    let mut message = [kind, max_response, 0, 0, a, b, c, d];
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum);
    message.to_vec()
}

/// A datagram without a checksum that carries this number.
fn datagram(number: u8) -> Vec<u8> {
    ipv4(
        UDP,
        GROUP,
        &[0x13, 0x88, 0x13, 0x88, 0, 10, 0, 0, number, 0],
    )
}

/// The numbers of our datagrams among these frames.
fn numbers(frames: &[Vec<u8>]) -> Vec<u8> {
    let to_group = |frame: &&Vec<u8>| frame.starts_with(&GROUP_MAC.0) && frame[23] == UDP;
    frames
        .iter()
        .filter(to_group)
        .map(|frame| frame[46])
        .collect()
}

/// Everything up to the frame with this payload.
async fn until(wire: &mut Wire, mark: &str) -> Vec<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let mut frames = Vec::new();
    while !frames
        .iter()
        .any(|frame: &Vec<u8>| payload(frame).as_deref() == Some(mark))
    {
        assert!(Instant::now() < deadline, "no {mark}");
        sleep(Duration::from_millis(5)).await;
        frames.extend(wire.frames());
    }
    frames
}

async fn snooping_bridge(lab: &mut Lab, bridge: &str) -> Result<u32, Skip> {
    let message = LinkBridge::new(bridge).mcast_snooping(true).up().build();
    lab.add("a bridge that snoops", message).await?;
    let index = lab.index(bridge).await;
    match lab.link(index).await.kind {
        LinkKind::Bridge {
            mcast_snooping: McastSnooping::Global,
            ..
        } => Ok(index),
        other => Err(Skip(format!("kernel lacks IGMP snooping: {other:?}"))),
    }
}

/// The far end of a new port.
async fn port(lab: &mut Lab, near: &str, bridge: u32) -> Result<Wire, Skip> {
    let (near, far) = lab.veth(near, &format!("{near}.far")).await?;
    attach(lab, near, bridge).await;
    Ok(Wire::open(far))
}

async fn attach(lab: &mut Lab, port: u32, bridge: u32) {
    lab.enslave(port, bridge).await;
    lab.until(port, "forwarding", |link| {
        let is_forwarding =
            |port: mclag_netlink::BridgePort| port.state == mclag_netlink::PortState::Forwarding;
        link.is_running() && link.bridge_port.is_some_and(is_forwarding)
    })
    .await;
}

/// Input: two chassis that snoop, a querier and a sender at one, a host on both whose report went to the other, and
/// an orphan of the other that listens, too. Output: as the kernel has it by itself, the host gets nothing; with peer
/// link and legs as ports of multicast routers both get each datagram, once.
#[test]
fn with_router_ports_a_host_gets_each_datagram_once_whichever_leg_its_report_took() {
    in_namespace("router ports", async |mut lab| {
        let a = snooping_bridge(&mut lab, "brA").await?;
        let b = snooping_bridge(&mut lab, "brB").await?;
        let (peer_a, peer_b) = lab.veth("peerA", "peerB").await?;
        attach(&mut lab, peer_a, a).await;
        attach(&mut lab, peer_b, b).await;
        let mut sender = port(&mut lab, "sender", a).await?;
        let mut querier = port(&mut lab, "querier", a).await?;
        let mut leg_a = port(&mut lab, "legA", a).await?;
        let mut leg_b = port(&mut lab, "legB", b).await?;
        let mut orphan = port(&mut lab, "orphan", b).await?;
        let mut filters = Vec::new();
        for (bridge, peer_link, leg) in [("brA", "peerA", "legA"), ("brB", "peerB", "legB")] {
            let table = TableName::for_bridge(&name(bridge));
            let mut filter = filter(&table).await?;
            let wanted = FilterState {
                peer_link: Some(name(peer_link)),
                isolated: [name(leg)].into(),
                ..FilterState::default()
            };
            filter.replace(&table, &wanted).await.expect("a filter");
            filters.push(filter);
        }
        let query = ipv4(IGMP, ALL_HOSTS, &igmp(0x11, 1, [0; 4]));
        querier.send_packet(ALL_HOSTS_MAC, mac(QUERIER), None, IPV4, &query);
        let report = ipv4(IGMP, GROUP, &igmp(0x16, 0, GROUP));
        // The chassis hear of the querier, and snoop as soon as its time to answer is over.
        let deadline = Instant::now() + PATIENCE;
        for number in 0.. {
            assert!(Instant::now() < deadline, "never snoops");
            leg_b.send_packet(GROUP_MAC, mac(HOST), None, IPV4, &report);
            orphan.send_packet(GROUP_MAC, mac(ORPHAN), None, IPV4, &report);
            sender.send_packet(GROUP_MAC, mac(SENDER), None, IPV4, &datagram(0));
            let mark = format!("before {number}");
            sender.send(BROADCAST, mac(SENDER), None, &mark);
            let at_orphan = numbers(&until(&mut orphan, &mark).await);
            let at_leg = numbers(&until(&mut leg_a, &mark).await);
            if at_leg.is_empty() && at_orphan == [0] {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(numbers(&leg_b.frames()), Vec::<u8>::new());

        for port in ["peerA", "legA", "peerB", "legB"] {
            let index = lab.index(port).await;
            let set = LinkSetting::McastRouter(McastRouter::Permanent);
            lab.set(index, set).await;
            let is = lab.link(index).await.bridge_port.expect("a port");
            assert_eq!(is.mcast_router, Some(McastRouter::Permanent));
        }
        let all: Vec<u8> = (1..=50).collect();
        for number in &all {
            sender.send_packet(GROUP_MAC, mac(SENDER), None, IPV4, &datagram(*number));
        }
        sender.send(BROADCAST, mac(SENDER), None, "after");
        assert_eq!(numbers(&until(&mut orphan, "after").await), all);
        assert_eq!(numbers(&until(&mut leg_a, "after").await), all);
        assert_eq!(numbers(&leg_b.frames()), Vec::<u8>::new());
        Ok(())
    });
}
