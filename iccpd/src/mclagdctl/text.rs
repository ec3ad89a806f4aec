//! What `mclagdctl` prints (`spec/mclagdctl-protocol.md` 7), to the byte, trailing blanks
//! included.

use iccp_core::election;
use mclag_proto::mclagdctl::{
    AgeFlags, Counters, Data, Dialect, FromSyncd, Global, IccpRow, LearnedFrom, LocalPort,
    MacRecord, MacType, Neighbour, PeerPort, PortKind, Role, State, ToSyncd, UniqueIp,
};
use std::fmt::{self, Write as _};
use std::net::IpAddr;

/// A line of dashes.
const RULE: &str = "------------------------------------------------------------";

/// The records as text.
#[must_use]
pub fn render(data: &Data, dialect: Dialect) -> String {
    let mut text = String::new();
    let out = &mut text;
    match data {
        Data::State(states) => states.iter().try_for_each(|s| state(s, dialect, out)),
        Data::Arp(entries) => neighbours(entries, "IP", 20, dialect, out),
        Data::Nd(entries) => neighbours(entries, "IPv6", 52, dialect, out),
        Data::Mac(entries) => macs(entries, out),
        Data::UniqueIp(interfaces) => unique_ip(interfaces, out),
        Data::LocalPorts(ports) => ports.iter().try_for_each(|p| local_port(p, dialect, out)),
        Data::PeerPorts(ports) => ports.iter().try_for_each(|p| peer_port(p, dialect, out)),
        Data::Counters(counters) => self::counters(counters, out),
        Data::LogLevel => writeln!(out, "Config loglevel success!"),
    }
    .expect("a String takes anything");
    text
}

/// 7.1
fn state(state: &State, dialect: Dialect, out: &mut String) -> fmt::Result {
    let keepalive = if state.operational { "OK" } else { "ERROR" };
    writeln!(out, "The MCLAG's keepalive is: {keepalive}")?;
    let id = state.id.map(|id| id.to_string());
    match dialect {
        Dialect::Sonic => {
            let sync = if state.synchronised {
                "completed"
            } else {
                "incomplete"
            };
            writeln!(out, "MCLAG info sync is: {sync}")?;
            writeln!(out, "Domain id: {}", id.as_deref().unwrap_or("Unknown"))?;
        }
        Dialect::LinuxMclag => {
            writeln!(out, "Mclag id: {}", id.as_deref().unwrap_or("UNKNOWN"))?;
        }
    }
    writeln!(out, "Local Ip: {}", state.local)?;
    writeln!(out, "Peer Ip: {}", state.peer)?;
    let link = state.peer_link;
    match dialect {
        Dialect::Sonic => {
            let link = link.unwrap_or("Unknown".into());
            writeln!(out, "Peer Link Interface: {link}")?;
            writeln!(out, "Keepalive time: {}", state.keepalive)?;
            writeln!(out, "sesssion Timeout : {}", state.session_timeout)?;
            writeln!(out, "Peer Link Mac: {} ", state.peer_link_mac)?;
            writeln!(out, "Role: {}", computed_role(state))?;
            writeln!(out, "MCLAG Interface: {}", state.ports)?;
            writeln!(out, "Loglevel: {}", state.log_level)
        }
        Dialect::LinuxMclag => {
            let link = link.unwrap_or("UNKNOWN".into());
            writeln!(out, "Peer Link Interface: {link}")?;
            writeln!(out, "Peer Link Mac: {} ", state.peer_link_mac)?;
            let role = match state.role {
                Role::None => "NONE",
                Role::Active => "ACTIVE",
                Role::Standby => "STANDBY",
            };
            writeln!(out, "Role: {role}")?;
            writeln!(out, "Enabled PortChannel: {}", state.ports)
        }
    }
}

/// The sonic client ignores the role in the reply and goes by the addresses; without them it shows
/// Standby.
fn computed_role(state: &State) -> &'static str {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    match (address(state.local.as_str()), address(state.peer.as_str())) {
        (Some(local), Some(peer)) if election::dials(local, peer) => "Active",
        _ => "Standby",
    }
}

/// 7.2, 7.3
fn neighbours(
    entries: &[Neighbour],
    address: &str,
    width: usize,
    dialect: Dialect,
    out: &mut String,
) -> fmt::Result {
    let flagged = dialect == Dialect::Sonic;
    let flag = if flagged { "Flag" } else { "" };
    let (number, mac, device) = ("No.", "MAC", "DEV");
    writeln!(
        out,
        "{number:<6}{address:<width$}{mac:<20}{device:<20}{flag}"
    )?;
    for (number, entry) in (1..).zip(entries) {
        let flag = match entry.learned {
            _ if !flagged => "",
            LearnedFrom::Remote => "R",
            LearnedFrom::Local => "L",
            LearnedFrom::Unknown(_) => "-",
        };
        let Neighbour {
            address,
            mac,
            interface,
            ..
        } = entry;
        writeln!(
            out,
            "{number:<6}{address:<width$}{mac}   {interface:<20}{flag}"
        )?;
    }
    Ok(())
}

/// 7.4
fn macs(entries: &[MacRecord], out: &mut String) -> fmt::Result {
    let legend = "TYPE: S-STATIC, D-DYNAMIC; AGE: L-Local age, P-Peer age";
    writeln!(out, "{legend:<60}")?;
    let mut line = |[number, kind, mac, vid, device, origin, age]: [&dyn fmt::Display; 7]| {
        // `width` reaches the value itself only if it pads, so go by its text.
        for (column, width) in [
            (number, 6),
            (kind, 5),
            (mac, 20),
            (vid, 5),
            (device, 20),
            (origin, 20),
            (age, 5),
        ] {
            let before = out.len();
            write!(out, "{column}")?;
            let blanks = width - (out.len() - before).min(width);
            write!(out, "{:blanks$}", "")?;
        }
        writeln!(out)
    };
    line([
        &"No.",
        &"TYPE",
        &"MAC",
        &"VID",
        &"DEV",
        &"ORIGIN-DEV",
        &"AGE",
    ])?;
    for (number, entry) in (1..).zip(entries) {
        let kind = match entry.kind {
            MacType::Static => "S",
            MacType::Dynamic => "D",
        };
        let age = match entry.age {
            AgeFlags {
                local: true,
                peer: true,
            } => "LP",
            AgeFlags { local: true, .. } => "L",
            AgeFlags { peer: true, .. } => "P",
            AgeFlags { .. } => " ",
        };
        let mac = entry.mac.text();
        let number: u64 = number;
        line([
            &number,
            &kind,
            &mac,
            &entry.vid,
            &entry.interface,
            &entry.origin,
            &age,
        ])?;
    }
    Ok(())
}

/// 7.5
fn local_port(port: &LocalPort, dialect: Dialect, out: &mut String) -> fmt::Result {
    writeln!(out, "{RULE}")?;
    writeln!(out, "Ifindex: {}", port.index)?;
    writeln!(out, "Type: {}", port.kind.word(dialect))?;
    writeln!(out, "PortName: {}", port.name)?;
    let state = port.state.word(dialect);
    let lag = port.kind == PortKind::PortChannel;
    if lag {
        writeln!(out, "MAC: {} ", port.mac)?;
        writeln!(out, "IPv4Address: {}", port.ipv4)?;
        writeln!(out, "Prefixlen: {}", port.prefix_len)?;
    }
    writeln!(out, "State: {state}")?;
    match (dialect, lag) {
        (Dialect::Sonic, true) => {
            writeln!(out, "IsL3Interface: {}", yes(port.l3))?;
            writeln!(out, "MemberPorts: {}", port.members)?;
            writeln!(out, "PortchannelIsUp: {}", u8::from(port.active))?;
            writeln!(out, "IsIsolateWithPeerlink: {}", yes(port.isolated))?;
            writeln!(out, "IsTrafficDisable: {}", yes(port.traffic_disabled))?;
            writeln!(out, "VlanList: {}", port.vlans)?;
        }
        (Dialect::Sonic, false) => writeln!(out, "VlanList: {}", port.vlans)?,
        (Dialect::LinuxMclag, true) => {
            writeln!(out, "L3Mode: {}", u8::from(port.l3))?;
            writeln!(out, "IsPeerlink: {}", u8::from(port.peer_link))?;
            writeln!(out, "PortchannelMem: {}", port.members)?;
            writeln!(out, "PortchannelId: {}", port.channel)?;
            writeln!(out, "PortchannelIsActive: {}", u8::from(port.active))?;
            writeln!(out, "MlacpState: {}", port.sync.word(dialect))?;
            writeln!(out, "IsIsolateWithPeerlink: {}", u8::from(port.isolated))?;
            writeln!(out, "VlanList: {}", port.vlans)?;
        }
        (Dialect::LinuxMclag, false) => writeln!(out, "PortchannelId: {}", port.channel)?,
    }
    writeln!(out, "{RULE}\n")
}

const fn yes(flag: bool) -> &'static str {
    if flag { "Yes" } else { "No" }
}

/// 7.6
fn peer_port(port: &PeerPort, dialect: Dialect, out: &mut String) -> fmt::Result {
    writeln!(out, "{RULE}")?;
    writeln!(out, "Ifindex: {}", port.aggregator)?;
    writeln!(out, "Type: {}", port.kind.word(dialect))?;
    writeln!(out, "PortName: {}", port.name)?;
    writeln!(out, "MAC: {} ", port.mac)?;
    writeln!(out, "State: {}", port.state.word(dialect))?;
    if dialect == Dialect::LinuxMclag {
        writeln!(out, "PortchannelId: {}", port.channel)?;
        writeln!(out, "PortchannelIsActive: {}", u8::from(port.active))?;
    }
    writeln!(out, "{RULE}\n")
}

/// 7.7
fn unique_ip(interfaces: &[UniqueIp], out: &mut String) -> fmt::Result {
    writeln!(out, "{RULE}\n{:<20}Active\n{RULE}", "Ifname")?;
    for UniqueIp { active, interface } in interfaces {
        writeln!(out, "{interface:<20}  {:<5}", yes(*active))?;
    }
    if interfaces.is_empty() {
        writeln!(out, "Unique IP configuration not enabled on any interface")?;
    }
    writeln!(out, "{RULE}\n")
}

/// 7.8
fn counters(counters: &Counters, out: &mut String) -> fmt::Result {
    let global = |counter| counters.global(counter);
    for counter in [
        Global::SessionDown,
        Global::PeerLinkDown,
        Global::InvalidMessage,
        Global::HeaderReadError,
        Global::HeaderZeroLength,
        Global::BodyReadError,
        Global::BodyZeroLength,
        Global::RetryMax,
        Global::RetryTotal,
        Global::RetryFail,
        Global::SocketCloseError,
        Global::SocketCleanup,
    ] {
        writeln!(out, "{:<20}{}", counter.label(), global(counter))?;
    }
    let warm = Global::WarmBoot;
    writeln!(out, "\n{:<20}{}\n", warm.label(), global(warm))?;

    row(out, "ICCP to MclagSyncd", ["TX_OK", "TX_ERROR"])?;
    row(out, "------------------", ["-----", "--------"])?;
    for (name, count) in ToSyncd::ALL.iter().zip(&counters.to_syncd) {
        row(out, name.label(), [count.ok, count.error])?;
    }
    writeln!(out)?;

    row(out, "MclagSyncd to ICCP", ["RX_OK", "RX_ERROR"])?;
    row(out, "------------------", ["-----", "--------"])?;
    for (name, count) in FromSyncd::ALL.iter().zip(&counters.from_syncd) {
        row(out, name.label(), [count.ok, count.error])?;
    }
    writeln!(out)?;

    let columns = ["TX_OK", "RX_OK", "TX_ERROR", "RX_ERROR"];
    row(out, "ICCP to Peer", columns)?;
    row(
        out,
        "------------",
        ["-----", "-----", "--------", "--------"],
    )?;
    for block in &counters.iccp {
        for (index, count) in block.iter().enumerate() {
            let name = IccpRow::ALL.get(index).map_or("Unknown", |r| r.label());
            let (tx, rx) = (count.tx, count.rx);
            row(out, name, [tx.ok, rx.ok, tx.error, rx.error])?;
        }
        writeln!(out)?;
    }
    writeln!(out)?;

    let pair = |add, del| format!("{}/{}", global(add), global(del));
    writeln!(out, "Netlink Counters\n-----------------")?;
    writeln!(
        out,
        "Link add/del: {}\n  Unknown if_name: {}",
        pair(Global::NewLink, Global::DelLink),
        global(Global::UnknownInterface)
    )?;
    writeln!(
        out,
        "Neighbor(ARP) add/del: {}\n  MAC entry add/del: {}",
        pair(Global::NewNeighbour, Global::DelNeighbour),
        pair(Global::NewMac, Global::DelMac)
    )?;
    writeln!(
        out,
        "Address add/del: {}",
        pair(Global::NewAddress, Global::DelAddress)
    )?;
    writeln!(
        out,
        "Unexpected message type: {}\nReceive error: {}\n",
        global(Global::UnknownNetlink),
        global(Global::NetlinkError)
    )
}

fn row<T: fmt::Display, const N: usize>(
    out: &mut String,
    label: &str,
    columns: [T; N],
) -> fmt::Result {
    write!(out, "{label:<20}")?;
    for column in columns {
        write!(out, "{column:<20}")?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests;
