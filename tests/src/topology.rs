//! Two chassis, the hosts behind them, and the cables between.
//!
//! ```text
//!              ctl 10.255.0.1/30 ---- ctl 10.255.0.2/30
//!                +-----------+         +-----------+
//!    oA -- swp10 | swA   br0 | peerlink| swB   br0 | swp10 -- oB
//!  10.0.10.11    |           |=========|           |          10.0.10.12
//!                |   bond1   |         |   bond1   |
//!                +---swp1----+         +---swp1----+
//!                       \                   /
//!                      ethA \           / ethB
//!                             h1 bond0      10.0.10.1, and so on for h2, h3 ...
//! ```
//!
//! Every port carries VLAN 10 untagged and VLAN 20 tagged, except the peer link, which carries both tagged. Every host
//! has `10.0.10.N` untagged and `10.0.20.N` on a VLAN device. Addresses of the link layer are the same in every run.
//!
//! No daemon runs here: the bonds have their own system addresses, nothing is filtered, and a frame that a chassis
//! floods over the peer link reaches a dual-homed host twice. That is what the product is for.

use std::fmt;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mclag_proto::addr::{Mac, Vid};

use crate::daemon::{Daemon, GROUP, Program, TEAMD};
use crate::kernel;
use crate::netns::{self, NetNs};
use crate::scenario::Ctx;
use crate::speech::Speech;
use crate::traffic::Port;
use crate::wait::{SOON, eventually};

/// The VLAN that is untagged everywhere but on the peer link.
pub const UNTAGGED: Vid = Vid::new(10).unwrap();
/// The VLAN that is tagged everywhere.
pub const TAGGED: Vid = Vid::new(20).unwrap();
/// The VLAN of the control session when it has no link of its own.
pub const CONTROL_VLAN: Vid = Vid::new(4093).unwrap();

/// The bridge of each chassis.
pub const BRIDGE: &str = "br0";
/// The peer link, at both ends.
pub const PEER_LINK: &str = "peerlink";
/// Where teamd has its sockets. Both chassis have teams of the same names, so each has a directory of its own there.
pub const TEAMD_DIRECTORY: &str = "/run/teamd";
/// The port of the orphan host, on each chassis.
pub const ORPHAN_PORT: &str = "swp10";
/// The interface of the control session, on each chassis.
pub const CONTROL: &str = "ctl";

/// More would collide with the names and addresses of the orphan hosts.
const MOST_HOSTS: u8 = 9;

/// What differs between topologies.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Dual-homed hosts, each with a bond to both chassis: `h1`, `h2`, ... At most nine.
    pub hosts: u8,
    /// What the MLAG ports of both chassis are.
    pub lag: Lag,
    /// How the control session runs.
    pub control: Control,
    /// How long a bridge remembers a host that is silent.
    pub ageing: Duration,
    /// How hosts choose a member of their bond for a frame.
    pub hash: &'static str,
    /// What the daemons speak, for those who start them, if it is not what is usual in this run.
    pub speech: Option<Speech>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: 1,
            lag: Lag::Bond,
            control: Control::OwnLink,
            ageing: Duration::from_secs(300),
            hash: "layer3+4",
            speech: None,
        }
    }
}

impl Options {
    /// So many dual-homed hosts, everything else as usual.
    #[must_use]
    pub fn with_hosts(hosts: u8) -> Self {
        Self {
            hosts,
            ..Self::default()
        }
    }
}

/// What bundles the links of an MLAG port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lag {
    /// The kernel's bonding driver, which speaks LACP itself.
    Bond,
    /// The kernel's team driver, with a `teamd` for each port that speaks LACP.
    Team,
}

impl Lag {
    /// The MLAG port of each chassis towards dual-homed host `number`.
    #[must_use]
    pub fn port(self, number: usize) -> String {
        match self {
            Self::Bond => bond_name(number),
            Self::Team => format!("team{number}"),
        }
    }
}

/// The way of the control session between the chassis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Control {
    /// A link of its own, named `ctl`: the session outlives the peer link.
    OwnLink,
    /// A VLAN of the peer link, named `ctl` as well: it fails together with the peer link.
    OverPeerLink,
}

/// One of the two chassis.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// `swA`
    A,
    /// `swB`
    B,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub fn peer(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its address in the control session.
    #[must_use]
    pub fn control_address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 255, 0, self.number())
    }

    fn number(self) -> u8 {
        match self {
            Self::A => 1,
            Self::B => 2,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// The two chassis and everything around them. Dropping it removes all of it.
#[derive(Debug)]
pub struct Pair {
    /// First chassis.
    pub a: Switch,
    /// Second chassis.
    pub b: Switch,
    /// The dual-homed hosts, `h1` first.
    pub hosts: Vec<Host>,
    /// What the MLAG ports are.
    pub lag: Lag,
    /// The orphan host on the first chassis.
    pub orphan_a: Host,
    /// The orphan host on the second chassis.
    pub orphan_b: Host,
}

impl Pair {
    /// Make the namespaces, the cables and the bridges, and wait until every cable is in use.
    pub fn up(ctx: &Ctx, options: Options) -> Result<Self> {
        ensure!(
            options.hosts <= MOST_HOSTS,
            "{} dual-homed hosts are more than {MOST_HOSTS}",
            options.hosts
        );
        let mut a = Switch::new(ctx, Side::A, &options)?;
        let mut b = Switch::new(ctx, Side::B, &options)?;
        connect_chassis(&a, &b, options.control)?;
        let orphan_a = Host::orphan(ctx, &a)?;
        let orphan_b = Host::orphan(ctx, &b)?;
        let hosts = (1..=options.hosts)
            .map(|number| Host::dual_homed(ctx, number, [&mut a, &mut b], &options));
        let pair = Self {
            hosts: hosts.collect::<Result<_>>()?,
            lag: options.lag,
            a,
            b,
            orphan_a,
            orphan_b,
        };
        pair.wait_cabled()?;
        Ok(pair)
    }

    /// The chassis on that side.
    #[must_use]
    pub fn switch(&self, side: Side) -> &Switch {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// The orphan host on that side.
    #[must_use]
    pub fn orphan(&self, side: Side) -> &Host {
        match side {
            Side::A => &self.orphan_a,
            Side::B => &self.orphan_b,
        }
    }

    /// The first dual-homed host.
    ///
    /// # Panics
    ///
    /// If the topology was made without one.
    #[must_use]
    pub fn host(&self) -> &Host {
        self.hosts
            .first()
            .expect("the topology has a dual-homed host")
    }

    /// The MLAG ports of each chassis, that of the first host first.
    #[must_use]
    pub fn mlag_ports(&self) -> Vec<String> {
        let numbers = 1..=self.hosts.len();
        numbers.map(|number| self.lag.port(number)).collect()
    }

    /// Every host, orphan or not.
    pub fn all_hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().chain([&self.orphan_a, &self.orphan_b])
    }

    /// Give all MLAG bonds of both chassis one LACP system address, as the product does.
    pub fn set_system_mac(&self, mac: Mac) -> Result<()> {
        for side in Side::BOTH {
            self.set_system_mac_of(side, mac)?;
        }
        Ok(())
    }

    /// The same on one chassis.
    pub fn set_system_mac_of(&self, side: Side, mac: Mac) -> Result<()> {
        for port in self.mlag_ports() {
            self.switch(side).ns.ip(&match self.lag {
                Lag::Bond => format!("link set {port} type bond ad_actor_system {mac}"),
                Lag::Team => format!("link set {port} address {mac}"),
            })?;
        }
        Ok(())
    }

    /// Wait until every dual-homed host uses both its links, and both chassis forward for it.
    pub fn wait_lacp(&self) -> Result<()> {
        for host in &self.hosts {
            host.wait_bundled(2)?;
        }
        let ports = self.mlag_ports();
        Side::BOTH
            .into_iter()
            .try_for_each(|side| self.switch(side).wait_forwarding(&ports))
    }

    /// Every bridge port forwards, except bonds, which wait for LACP.
    fn wait_cabled(&self) -> Result<()> {
        let ports = [PEER_LINK, ORPHAN_PORT].map(str::to_owned);
        Side::BOTH
            .into_iter()
            .try_for_each(|side| self.switch(side).wait_forwarding(&ports))
    }
}

/// One chassis.
#[derive(Debug)]
pub struct Switch {
    /// Which one.
    pub side: Side,
    /// Where it lives.
    pub ns: NetNs,
    /// The `teamd` of each of its teams.
    teams: Vec<Daemon>,
    /// What its programs find at [`TEAMD_DIRECTORY`].
    teamd_directory: PathBuf,
    ageing: Duration,
}

impl Switch {
    fn new(ctx: &Ctx, side: Side, options: &Options) -> Result<Self> {
        let switch = Self {
            teamd_directory: ctx.scratch().join(format!("teamd-{side}")),
            teams: Vec::new(),
            side,
            ns: NetNs::create(&format!("{}sw{side}", ctx.prefix()))?,
            ageing: options.ageing,
        };
        switch.add_bridge()?;
        Ok(switch)
    }

    fn add_bridge(&self) -> Result<()> {
        let address = device_mac(self.side, 0);
        let ageing = self.ageing.as_secs() * 100; // the kernel's unit is 10 ms
        self.ns.ip(&format!(
            "link add {BRIDGE} address {address} type bridge \
                 vlan_filtering 1 vlan_default_pvid 0 stp_state 0 forward_delay 0 mcast_snooping 0 ageing_time {ageing}
             link set {BRIDGE} up"
        ))
    }

    /// Take the peer link into the bridge, all VLANs tagged.
    fn add_peer_link(&self) -> Result<()> {
        self.ns
            .ip(&format!("link set {PEER_LINK} master {BRIDGE} up"))?;
        self.ns.bridge(&format!(
            "vlan add dev {PEER_LINK} vid {UNTAGGED}
             vlan add dev {PEER_LINK} vid {TAGGED}"
        ))
    }

    /// Take `port` into the bridge: VLAN 10 untagged, VLAN 20 tagged.
    pub fn add_edge_port(&self, port: &str) -> Result<()> {
        self.ns.ip(&format!("link set {port} master {BRIDGE} up"))?;
        self.ns.bridge(&format!(
            "vlan add dev {port} vid {UNTAGGED} pvid untagged
             vlan add dev {port} vid {TAGGED}"
        ))
    }

    /// Make the bond or team towards host `number`, with its only member, and take it into the bridge.
    fn add_mlag_port(&mut self, ctx: &Ctx, lag: Lag, number: u8) -> Result<()> {
        match lag {
            Lag::Bond => self.add_bond(number)?,
            Lag::Team => {
                let address = device_mac(self.side, number);
                let member = member_name(number.into());
                self.start_teamd(ctx, &lag.port(number.into()), &member, address)?;
            }
        }
        self.add_edge_port(&lag.port(number.into()))
    }

    fn add_bond(&self, number: u8) -> Result<()> {
        let (bond, member) = (bond_name(number.into()), member_name(number.into()));
        let address = device_mac(self.side, number);
        self.ns.ip(&format!(
            "link add {bond} address {address} type bond mode 802.3ad lacp_rate fast miimon 50
             link set {member} master {bond}"
        ))
    }

    /// Make the bond towards host `number` one of that mode.
    pub fn set_bond_mode(&self, number: usize, mode: &str) -> Result<()> {
        let (bond, member) = (bond_name(number), member_name(number));
        set_bond_mode(&self.ns, &bond, &[member], mode)
    }

    /// Have teamd make a team with one member.
    fn start_teamd(&mut self, ctx: &Ctx, team: &str, member: &str, address: Mac) -> Result<()> {
        fs::create_dir_all(&self.teamd_directory)
            .with_context(|| format!("cannot create {}", self.teamd_directory.display()))?;
        let config = serde_json::json!({
            "hwaddr": address.to_string(),
            "runner": {"name": "lacp", "active": true, "fast_rate": true},
            "link_watch": {"name": "ethtool"},
            "ports": {member: {}},
        });
        let teamd = Program::system(ctx, "teamd", &self.ns, TEAMD)
            .sees(&self.teamd_directory, Path::new(TEAMD_DIRECTORY))
            .arg("-o")
            .arg("-t")
            .arg(team)
            .arg("-c")
            .arg(config.to_string());
        let mut teamd = teamd.start()?;
        eventually(&format!("teamd runs {team}"), SOON, || {
            teamd.require_running()?;
            ensure!(self.teamd_socket(team).exists(), "it has no socket");
            kernel::link(&self.ns, team).map(drop)
        })?;
        self.teams.push(teamd);
        Ok(())
    }

    /// What programs of this chassis are to see as [`TEAMD_DIRECTORY`]; none where no teamd runs.
    #[must_use]
    pub fn teamd_directory(&self) -> Option<&Path> {
        (!self.teams.is_empty()).then_some(&self.teamd_directory)
    }

    /// The control socket of a team, as seen from outside of the chassis.
    #[must_use]
    pub fn teamd_socket(&self, team: &str) -> PathBuf {
        self.teamd_directory.join(format!("{team}.sock"))
    }

    /// Let the daemons' group ask this team's teamd, as `packaging/systemd/teamd@.service` does.
    pub fn open_teamd(&self, team: &str) -> Result<()> {
        let socket = self.teamd_socket(team);
        chown(&socket, None, Some(GROUP))
            .and_then(|()| fs::set_permissions(&socket, fs::Permissions::from_mode(0o660)))
            .with_context(|| format!("cannot open {} to the daemons", socket.display()))
    }

    /// Addresses that the bridge has learned or was given, on `port`.
    pub fn fdb_on(&self, port: &str) -> Result<Vec<kernel::FdbEntry>> {
        let mut entries = kernel::fdb(&self.ns, BRIDGE)?;
        entries.retain(|entry| entry.ifname == port);
        Ok(entries)
    }

    /// Wait until the bridge forwards on all of these ports.
    pub fn wait_forwarding(&self, ports: &[String]) -> Result<()> {
        eventually(
            &format!("ports of chassis {} forward", self.side),
            SOON,
            || {
                let all = kernel::bridge_ports(&self.ns)?;
                for port in ports {
                    let is = all.iter().find(|is| is.ifname == *port);
                    let state = is.map(|is| is.state.as_str());
                    ensure!(state == Some("forwarding"), "{port} is {state:?}");
                }
                Ok(())
            },
        )
    }

    /// Pull the cable of `dev` out, or the nearest thing to it that software has: carrier goes at both ends.
    pub fn unplug(&self, dev: &str) -> Result<()> {
        self.ns.set_link(dev, false)
    }

    /// Put the cable of `dev` in again.
    pub fn plug(&self, dev: &str) -> Result<()> {
        self.ns.set_link(dev, true)
    }

    /// Take the power from it, or the nearest thing to it that software has: all its cables lose carrier within a moment.
    /// Its daemons are the caller's.
    pub fn power_off(&self, hosts: usize) -> Result<()> {
        let members = (1..=hosts).map(member_name);
        let others = [PEER_LINK, ORPHAN_PORT, CONTROL].map(str::to_owned);
        let down = others.into_iter().chain(members);
        let down = down.map(|cable| format!("link set {cable} down\n"));
        self.ns.ip(&down.collect::<String>())
    }

    /// Boot it after [`Switch::power_off`]: bridge and bonds are new, nothing is filtered and nothing known, and all
    /// cables are in use. For chassis with bonds.
    pub fn boot(&self, hosts: u8) -> Result<()> {
        self.ns.run("nft", &["flush", "ruleset"])?;
        self.ns.ip(&format!("link delete {BRIDGE}"))?;
        self.add_bridge()?;
        for number in 1..=hosts {
            let bond = bond_name(number.into());
            self.ns.ip(&format!("link delete {bond}"))?;
            self.add_bond(number)?;
            self.add_edge_port(&bond)?;
        }
        self.add_peer_link()?;
        self.add_edge_port(ORPHAN_PORT)?;
        self.plug(CONTROL)
    }

    /// Drop everything that leaves through `dev`, with carrier and without anybody noticing.
    pub fn silence(&self, dev: &str) -> Result<()> {
        self.ns
            .tc(&format!("qdisc replace dev {dev} root netem loss 100%"))
    }

    /// Undo [`Switch::silence`].
    pub fn unsilence(&self, dev: &str) -> Result<()> {
        self.ns.tc(&format!("qdisc delete dev {dev} root"))
    }
}

/// The bond of each chassis towards dual-homed host `number`.
#[must_use]
pub fn bond_name(number: usize) -> String {
    format!("bond{number}")
}

/// The only member of [`bond_name`].
#[must_use]
pub fn member_name(number: usize) -> String {
    format!("swp{number}")
}

/// A host: with a bond to both chassis, or an orphan with one link to one of them.
#[derive(Debug)]
pub struct Host {
    /// `h1`, or `oA`.
    pub name: String,
    /// Where it lives.
    pub ns: NetNs,
    /// Its address on the link layer.
    pub mac: Mac,
    /// The last number of its IP addresses.
    pub number: u8,
    dev: &'static str,
}

impl Host {
    fn dual_homed(
        ctx: &Ctx,
        number: u8,
        chassis: [&mut Switch; 2],
        options: &Options,
    ) -> Result<Self> {
        let host = Self {
            name: format!("h{number}"),
            ns: NetNs::create(&format!("{}h{number}", ctx.prefix()))?,
            mac: host_mac(number, 0),
            number,
            dev: "bond0",
        };
        host.ns.ip(&format!(
            "link add bond0 address {} type bond mode 802.3ad lacp_rate fast miimon 50 xmit_hash_policy {}",
            host.mac, options.hash
        ))?;
        for switch in chassis {
            let leg = leg_name(switch.side);
            cable(
                (&host.ns, &leg, host_mac(number, switch.side.number())),
                (
                    &switch.ns,
                    &member_name(number.into()),
                    device_mac(switch.side, 0x10 + number),
                ),
            )?;
            host.ns.ip(&format!("link set {leg} master bond0"))?;
            switch.add_mlag_port(ctx, options.lag, number)?;
        }
        host.address()?;
        Ok(host)
    }

    fn orphan(ctx: &Ctx, switch: &Switch) -> Result<Self> {
        let number = 10 + switch.side.number();
        let host = Self {
            name: format!("o{}", switch.side),
            ns: NetNs::create(&format!("{}o{}", ctx.prefix(), switch.side))?,
            mac: host_mac(number, 0),
            number,
            dev: "eth0",
        };
        cable(
            (&host.ns, host.dev, host.mac),
            (&switch.ns, ORPHAN_PORT, device_mac(switch.side, 0x20)),
        )?;
        switch.add_edge_port(ORPHAN_PORT)?;
        host.address()?;
        Ok(host)
    }

    fn address(&self) -> Result<()> {
        let Self { dev, .. } = self;
        let [untagged, tagged] = [UNTAGGED, TAGGED].map(|vid| self.ip(vid));
        self.ns.ip(&format!(
            "link set {dev} up
             link add link {dev} name {dev}.{TAGGED} type vlan id {TAGGED}
             link set {dev}.{TAGGED} up
             address add {untagged}/24 dev {dev}
             address add {tagged}/24 dev {dev}.{TAGGED}"
        ))
    }

    /// Its address in a VLAN.
    #[must_use]
    pub fn ip(&self, vid: Vid) -> Ipv4Addr {
        let net = u8::try_from(vid.get()).expect("the VLANs of the topology have small numbers");
        Ipv4Addr::new(10, 0, net, self.number)
    }

    /// Its interface in VLAN 10.
    #[must_use]
    pub fn untagged(&self) -> Port {
        self.port(self.dev.into(), self.mac)
    }

    /// Its interface in VLAN 20. Frames are written and read there without the tag.
    #[must_use]
    pub fn tagged(&self) -> Port {
        self.port(format!("{}.{TAGGED}", self.dev), self.mac)
    }

    /// One member of its bond, to send what might leave through the other one otherwise. What arrives there is seen on
    /// the bond, not here.
    #[must_use]
    pub fn leg(&self, side: Side) -> Port {
        self.port(leg_name(side), self.mac)
    }

    fn port(&self, dev: String, mac: Mac) -> Port {
        Port {
            ns: self.ns.clone(),
            dev,
            mac,
        }
    }

    /// Pull out the cable to that side: carrier goes at both ends.
    pub fn unplug(&self, side: Side) -> Result<()> {
        self.ns.set_link(&leg_name(side), false)
    }

    /// Put the cable to that side in again.
    pub fn plug(&self, side: Side) -> Result<()> {
        self.ns.set_link(&leg_name(side), true)
    }

    /// Make its bond one of that mode, with the leg to A first.
    pub fn set_bond_mode(&self, mode: &str) -> Result<()> {
        set_bond_mode(&self.ns, self.dev, &Side::BOTH.map(leg_name), mode)
    }

    /// What the bond says about LACP.
    pub fn bond(&self) -> Result<kernel::Bond> {
        kernel::bond(&self.ns, self.dev)
    }

    /// Wait until the bond uses `legs` members at once.
    pub fn wait_bundled(&self, legs: u64) -> Result<kernel::Bond> {
        eventually(
            &format!("the bond of {} uses {legs} members at once", self.name),
            SOON,
            || {
                let (ports, partner) = kernel::active_aggregator(&self.ns, self.dev)?;
                ensure!(ports == legs, "it uses {ports}, partner {partner}");
                ensure!(!partner.is_zero(), "it has no partner");
                Ok(())
            },
        )?;
        self.bond()
    }

    /// Wait until `ping` reaches `other` in that VLAN.
    pub fn wait_reaches(&self, other: &Self, vid: Vid) -> Result<()> {
        let target = other.ip(vid).to_string();
        eventually(
            &format!("{} reaches {} in VLAN {vid}", self.name, other.name),
            SOON,
            || {
                self.ns
                    .run("ping", &["-c", "1", "-W", "2", &target])
                    .map(drop)
            },
        )
    }
}

/// Make a bond one of that mode. It is down for that, and has its members again afterwards.
fn set_bond_mode(ns: &NetNs, bond: &str, members: &[String], mode: &str) -> Result<()> {
    let each = |command: &str| {
        let lines = members.iter();
        lines
            .map(|member| command.replace('?', member) + "\n")
            .collect::<String>()
    };
    ns.ip(&format!(
        "{}link set {bond} down\nlink set {bond} type bond mode {mode}\n{}link set {bond} up",
        each("link set ? nomaster"),
        each(&format!("link set ? down\nlink set ? master {bond}")),
    ))
}

fn leg_name(side: Side) -> String {
    format!("eth{side}")
}

/// Lay a cable between two interfaces, which appear with it. Neither is up afterwards.
fn cable(one: (&NetNs, &str, Mac), other: (&NetNs, &str, Mac)) -> Result<()> {
    netns::ip(&format!(
        "link add {} address {} netns {} type veth peer name {} address {} netns {}",
        one.1,
        one.2,
        one.0.name(),
        other.1,
        other.2,
        other.0.name()
    ))
}

fn connect_chassis(a: &Switch, b: &Switch, control: Control) -> Result<()> {
    let end = |switch| (switch, device_mac_of(switch, 0x30));
    let (a_end, b_end) = (end(a), end(b));
    cable((&a.ns, PEER_LINK, a_end.1), (&b.ns, PEER_LINK, b_end.1))?;
    if control == Control::OwnLink {
        cable(
            (&a.ns, CONTROL, device_mac_of(a, 0x31)),
            (&b.ns, CONTROL, device_mac_of(b, 0x31)),
        )?;
    }
    for switch in [a, b] {
        switch.add_peer_link()?;
        if control == Control::OverPeerLink {
            switch.ns.ip(&format!(
                "link add link {PEER_LINK} name {CONTROL} type vlan id {CONTROL_VLAN}"
            ))?;
        }
        let address = switch.side.control_address();
        switch
            .ns
            .ip(&format!(
                "link set {CONTROL} up\naddress add {address}/30 dev {CONTROL}"
            ))
            .context("cannot prepare the control session")?;
    }
    Ok(())
}

fn device_mac_of(switch: &Switch, device: u8) -> Mac {
    device_mac(switch.side, device)
}

/// Addresses of a chassis: 02:00:00:aa:00:NN and 02:00:00:bb:00:NN.
fn device_mac(side: Side, device: u8) -> Mac {
    let letter = match side {
        Side::A => 0xaa,
        Side::B => 0xbb,
    };
    Mac([0x02, 0, 0, letter, 0, device])
}

/// Addresses of hosts: 02:00:00:00:NN:HH, where NN tells the members of a bond apart. The last number is what bonds
/// choose a member by when a frame is not IP; those of the two orphan hosts lead to different members.
fn host_mac(number: u8, device: u8) -> Mac {
    Mac([0x02, 0, 0, 0, device, number])
}
