//! Our `syncd` as the client of a foreign server (`docs/adr/0016-foreign-mclagsyncd.md`).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mclag_proto::addr::{DomainId, IfName, Mac};
use mclag_proto::ctl::CounterName;
use mclag_proto::ctl::{PortStatus, SessionState};
use mclag_proto::sync::v1::{
    ClientMessage, DomainAttributes, DomainOp, DomainRecord, FdbKind, InterfaceRecord, RecordOp,
    ServerMessage, UniqueIpRecord, VlanMemberRecord,
};
use nix::sys::signal::Signal;

use super::addresses;
use crate::daemon::{ICCPD, SYNCD};
use crate::gateway::{self, SHARED};
use crate::kernel;
use crate::mclagsyncd::Mclagsyncd;
use crate::mlag::{Mlag, Settings, run_directory, syncd_socket};
use crate::scenario::{Ctx, Scenario};
use crate::topology::{BRIDGE, ORPHAN_PORT, Options, PEER_LINK, Pair, Side, TAGGED, UNTAGGED};
use crate::traffic::{NOBODY, Sender, Stream, learnable};
use crate::wait::{SOON, eventually, holds_for};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "a_foreign_mclagsyncd_is_composed_with_the_kernel",
    about: "A stand-in for SONiC's mclagsyncd describes the pair and is told of addresses; our syncd, which is its client, \
            does what it does not. Both links of the host have the active's address as their partner, from our syncd. A port \
            is acknowledged when both have isolated it. Neighbours and unique IP addresses of one chassis are known to the \
            other's kernel. Another keepalive interval leaves the session alone, another peer link does not.",
    limit: Duration::from_secs(240),
    run: a_foreign_mclagsyncd_is_composed_with_the_kernel,
}];

const DOMAIN: DomainId = DomainId::new(7).unwrap();

fn name(text: &str) -> Result<IfName> {
    IfName::new(text).with_context(|| format!("no name of an interface: {text}"))
}

/// The address of a chassis, which the standby exchanges for the active's.
fn node(side: Side) -> Mac {
    match side {
        Side::A => Mac([0x02, 0x00, 0x00, 0xaa, 0x01, 0x00]),
        Side::B => Mac([0x02, 0x00, 0x00, 0xbb, 0x01, 0x00]),
    }
}

/// The address of that chassis alone in VLAN 20.
fn own(side: Side) -> Ipv4Addr {
    match side {
        Side::A => Ipv4Addr::new(10, 0, 20, 251),
        Side::B => Ipv4Addr::new(10, 0, 20, 252),
    }
}

fn domain(side: Side, peer_link: &str, keepalive_s: i32) -> Result<ServerMessage> {
    Ok(ServerMessage::Domain(vec![DomainRecord {
        op: DomainOp::Add,
        domain: DOMAIN,
        keepalive_s,
        session_timeout_s: 15,
        local: Some(side.control_address()),
        peer: Some(side.peer().control_address()),
        peer_link: Some(name(peer_link)?),
        system_mac: node(side),
        attributes: DomainAttributes::LOCAL
            | DomainAttributes::PEER
            | DomainAttributes::PEER_LINK
            | DomainAttributes::KEEPALIVE
            | DomainAttributes::SESSION_TIMEOUT,
    }]))
}

/// The same as an update of one setting.
fn update(message: ServerMessage, attribute: DomainAttributes) -> ServerMessage {
    match message {
        ServerMessage::Domain(records) => {
            let changed = records.into_iter().map(|record| DomainRecord {
                op: DomainOp::Update,
                attributes: attribute,
                ..record
            });
            ServerMessage::Domain(changed.collect())
        }
        other => other,
    }
}

fn settings(side: Side, ports: &[String]) -> Result<Vec<ServerMessage>> {
    let op = RecordOp::Add;
    let mut interfaces = Vec::new();
    let mut members = Vec::new();
    for port in ports {
        interfaces.push(InterfaceRecord {
            op,
            domain: DOMAIN,
            port: name(port)?,
        });
    }
    let others = [PEER_LINK, ORPHAN_PORT].map(str::to_owned);
    for port in ports.iter().chain(&others) {
        for vid in [UNTAGGED, TAGGED] {
            let port = name(port)?;
            members.push(VlanMemberRecord { op, vid, port });
        }
    }
    let interface = name(&gateway::device(TAGGED))?;
    Ok(vec![
        domain(side, PEER_LINK, 1)?,
        ServerMessage::Interfaces(interfaces),
        ServerMessage::VlanMembers(members),
        ServerMessage::UniqueIps(vec![UniqueIpRecord { op, interface }]),
    ])
}

/// The pair is described by the servers alone.
fn files(ctx: &Ctx, side: Side) -> Settings {
    let run = run_directory(ctx, side);
    Settings {
        syncd: format!(
            "run-dir = {run:?}\n[access]\nusers = [{}]\n[mclagsyncd]\nprotocol = \"sonic\"\n",
            ICCPD.uid
        ),
        beside: None,
        iccpd: format!(
            "[domain]\nbridge = {BRIDGE:?}\n[syncd]\nnames-pair = true\nsocket = {:?}\nuser = \"{}\"\n\
             [control]\nsocket = {:?}\n",
            syncd_socket(ctx, side),
            SYNCD.uid,
            run.join("iccpd.sock"),
        ),
    }
}

fn a_foreign_mclagsyncd_is_composed_with_the_kernel(ctx: &mut Ctx) -> Result<()> {
    let net = Pair::up(ctx, Options::default())?;
    let ports = net.mlag_ports();
    for side in Side::BOTH {
        gateway::add(net.switch(side), UNTAGGED, SHARED, None)?;
        gateway::add(net.switch(side), TAGGED, own(side), None)?;
    }
    let server = |side| Mclagsyncd::start(&net.switch(side).ns, settings(side, &ports)?);
    let servers = [server(Side::A)?, server(Side::B)?];
    let mut mlag = Mlag::start_on(ctx, net, |side| files(ctx, side))?;
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    mlag.check()?;

    it_is_configured(&mlag, &servers)?;
    ctx.log("the pair is as the servers described it");
    addresses_are_exchanged(&mlag, &servers)?;
    ctx.log("addresses are exchanged");
    neighbours_are_exchanged(&mlag)?;
    ctx.log("neighbours are exchanged");
    an_acknowledgement_waits_for_both(&mlag, &servers)?;
    ctx.log("an acknowledgement waits for both");
    settings_change(&mlag, &servers)?;
    mlag.check()?;
    servers.into_iter().try_for_each(Mclagsyncd::stop)
}

fn it_is_configured(mlag: &Mlag, servers: &[Mclagsyncd; 2]) -> Result<()> {
    let partner = mlag.host().wait_bundled(2)?.partner;
    ensure!(
        Side::BOTH.map(node).contains(&partner),
        "the partner is {partner}"
    );
    let wanted: BTreeSet<String> = mlag.mlag_ports().into_iter().collect();
    for (side, server) in Side::BOTH.into_iter().zip(servers) {
        let ns = &mlag.switch(side).ns;
        eventually("the server and the kernel isolate the ports", SOON, || {
            let (told, filter) = (server.isolated(), mlag.isolated(side)?);
            // Members are named beside their LAG.
            ensure!(told.is_superset(&wanted), "the server isolates {told:?}");
            ensure!(
                filter.iter().cloned().collect::<BTreeSet<_>>() == wanted,
                "the kernel isolates {filter:?}"
            );
            Ok(())
        })?;
        let bond = kernel::bond(ns, &mlag.lag.port(1))?;
        ensure!(
            bond.actor_system == partner || (bond.actor_system.is_zero() && node(side) == partner),
            "bond of {side}: {bond:?}"
        );
        let heard = server.heard();
        ensure!(
            heard
                .iter()
                .any(|message| matches!(message, ClientMessage::IccpState { is_up: true, .. })),
            "the server of {side} was not told that the session is up"
        );
    }
    // A host may send what is to be routed to either: the standby has taken the active's address.
    let address = |side| -> Result<Mac> {
        let device = gateway::device(UNTAGGED);
        Ok(kernel::link(&mlag.switch(side).ns, &device)?.address)
    };
    eventually("both chassis route with one address", SOON, || {
        let (a, b) = (address(Side::A)?, address(Side::B)?);
        ensure!(a == b || [a, b].contains(&partner), "{a} and {b}");
        Ok(())
    })
}

fn addresses_are_exchanged(mlag: &Mlag, servers: &[Mclagsyncd; 2]) -> Result<()> {
    let mac = learnable(1);
    Sender::send(&mlag.host().leg(Side::A), Stream::new(mac, NOBODY), 1, 1000)?;
    addresses::wait_place(mlag, Side::A, mac, Some("bond1"))?;
    eventually("the server of B is told of the host", SOON, || {
        let entry = servers[1].entry(mac, UNTAGGED);
        ensure!(
            entry == Some(("bond1".to_owned(), FdbKind::Dynamic)),
            "it was told {entry:?}"
        );
        Ok(())
    })
}

fn neighbours_are_exchanged(mlag: &Mlag) -> Result<()> {
    let orphan = &mlag.orphan_a;
    let address = orphan.ip(UNTAGGED);
    gateway::wait_reaches(&mlag.a, address)?;
    for side in Side::BOTH {
        gateway::wait_neighbour(mlag.switch(side), UNTAGGED, address, Some(orphan.mac))?;
    }
    mlag.a.unplug(ORPHAN_PORT)?;
    mlag.a.ns.ip(&format!(
        "neigh del {address} dev {}",
        gateway::device(UNTAGGED)
    ))?;
    for side in Side::BOTH {
        gateway::wait_neighbour(mlag.switch(side), UNTAGGED, address, None)?;
    }
    mlag.a.plug(ORPHAN_PORT)?;

    // The addresses that each chassis has for itself are neighbours of the other.
    for side in Side::BOTH {
        let device = gateway::device(TAGGED);
        let mac = kernel::link(&mlag.switch(side).ns, &device)?.address;
        let there = mlag.switch(side.peer());
        gateway::wait_neighbour(there, TAGGED, own(side), Some(mac))?;
    }
    gateway::wait_reaches(&mlag.a, own(Side::B))
}

fn an_acknowledgement_waits_for_both(mlag: &Mlag, servers: &[Mclagsyncd; 2]) -> Result<()> {
    let port = mlag.lag.port(1);
    let acknowledged = || counter(mlag, Side::B, CounterName::AcksSent);
    let isolates = || -> Result<[bool; 2]> {
        Ok([
            servers[1].isolated().contains(&port),
            mlag.isolated(Side::B)?.contains(&port),
        ])
    };
    mlag.host().unplug(Side::A)?;
    eventually("B isolates the port nowhere", SOON, || {
        let isolates = isolates()?;
        ensure!(isolates == [false, false], "{isolates:?}");
        Ok(())
    })?;
    let before = acknowledged()?;
    mlag.at(Side::B).syncd.signal(Signal::SIGSTOP)?;
    mlag.host().plug(Side::A)?;
    eventually("B hears that the port is up at A", SOON, || {
        let remote = mlag.at(Side::B).interface(&port)?.remote;
        ensure!(remote == Some(PortStatus::Up), "{remote:?}");
        Ok(())
    })?;
    let waits = holds_for("B acknowledges nothing", Duration::from_secs(2), || {
        let isolates = isolates()?;
        ensure!(acknowledged()? == before, "it did, with {isolates:?}");
        ensure!(isolates == [false, false], "{isolates:?}");
        Ok(())
    });
    mlag.at(Side::B).syncd.signal(Signal::SIGCONT)?;
    waits?;
    eventually("B acknowledges the port", SOON, || {
        ensure!(acknowledged()? > before, "not yet");
        Ok(())
    })?;
    ensure!(
        isolates()?[1],
        "acknowledged, and the kernel does not isolate"
    );
    // A server of version 1 answers nothing: what was sent to it before may not have been read yet.
    eventually("the server isolates the port, too", SOON, || {
        ensure!(isolates()?[0], "not yet");
        Ok(())
    })?;
    mlag.wait_dual()
}

fn settings_change(mlag: &Mlag, servers: &[Mclagsyncd; 2]) -> Result<()> {
    let sessions = || counter(mlag, Side::A, CounterName::Sessions);
    let before = sessions()?;
    let [a, _] = servers;
    let keepalive = domain(Side::A, PEER_LINK, 2)?;
    a.say(update(keepalive, DomainAttributes::KEEPALIVE))?;
    eventually("A sends keepalives at the new interval", SOON, || {
        let interval = mlag.at(Side::A).peer()?.keepalive_ms;
        ensure!(interval == 2000, "every {interval} ms");
        Ok(())
    })?;
    let status = mlag.at(Side::A).status()?;
    ensure!(
        status.session == SessionState::Up && sessions()? == before,
        "the session began anew: {status:?}"
    );

    for (peer_link, after) in [("elsewhere", before + 1), (PEER_LINK, before + 2)] {
        let other = domain(Side::A, peer_link, 2)?;
        a.say(update(other, DomainAttributes::PEER_LINK))?;
        eventually("A takes on the peer link", SOON, || {
            let status = mlag.at(Side::A).status()?;
            let found = status.peer_link.map(|name| name.to_string());
            ensure!(found.as_deref() == Some(peer_link), "{found:?}");
            ensure!(sessions()? >= after, "{} sessions", sessions()?);
            Ok(())
        })?;
    }
    mlag.wait_synchronised()?;
    mlag.wait_dual()
}

fn counter(mlag: &Mlag, side: Side, name: CounterName) -> Result<u64> {
    let counters = mlag.at(side).peer()?.counters;
    let mut counters = counters.into_iter();
    let found = counters.find(|counter| counter.name == name);
    Ok(found.with_context(|| format!("no counter {name:?}"))?.value)
}
