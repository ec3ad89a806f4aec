//! A chassis with our `syncd`, and a stand-in's way to it.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use mclag_proto::addr::Mac;
use mclag_proto::ctl::dataplane::Dataplane;
use mclag_proto::sync::v1::Dialect;
use nix::sys::signal::Signal;

use super::client::Client;
use crate::daemon::{Daemon, ICCPD, Program, SYNCD, make_directory};
use crate::kernel;
use crate::netns::{self, NetNs};
use crate::scenario::Ctx;
use crate::topology::BRIDGE;
use crate::traffic::{BROADCAST, NOBODY, Port, Receiver, Sender, Stream};
use crate::wait::{SOON, eventually};

pub(super) const VLAN: u16 = 100;

/// Whose names a chassis has.
pub(super) struct Names {
    pub(super) dialect: Dialect,
    pub(super) peer_link: &'static str,
    pub(super) lag: &'static str,
    pub(super) members: &'static [&'static str],
    pub(super) orphan: &'static str,
}

pub(super) const SONIC: Names = Names {
    dialect: Dialect::Sonic,
    peer_link: "PortChannel10",
    lag: "PortChannel1",
    members: &["Ethernet0", "Ethernet4"],
    orphan: "Ethernet16",
};

pub(super) const LINUX_MCLAG: Names = Names {
    dialect: Dialect::LinuxMclag,
    peer_link: "peerlink",
    lag: "server1",
    members: &["swp1"],
    orphan: "swp2",
};

/// A chassis with our `syncd`, and what is around it.
pub(super) struct Chassis {
    // Ends before the namespaces do.
    pub(super) syncd: Daemon,
    names: &'static Names,
    ctl: Program,
    settings: PathBuf,
    /// What the settings say, but for what clients are told.
    basis: String,
    pub(super) sw: NetNs,
    pub(super) host: Port,
    pub(super) peer: Port,
    pub(super) orphan: Port,
}

impl Chassis {
    pub(super) fn up(ctx: &Ctx, names: &'static Names, told: &str) -> Result<Self> {
        let ns = |name: &str| NetNs::create(&format!("{}{name}", ctx.prefix()));
        let (sw, far) = (ns("sw")?, ns("far")?);
        let host = ns("host")?;
        let Names {
            peer_link,
            lag,
            members,
            orphan,
            ..
        } = names;
        sw.ip(&format!(
            "link add {BRIDGE} address 02:00:00:00:0b:00 type bridge vlan_filtering 1 vlan_default_pvid 0 stp_state 0 \
                 forward_delay 0 mcast_snooping 0
             link set {BRIDGE} up
             link add link {BRIDGE} name Vlan{VLAN} address 02:00:00:00:0b:01 type vlan id {VLAN}
             link set Vlan{VLAN} up
             link add {lag} address 02:00:00:00:0b:02 type bond mode 802.3ad lacp_rate fast miimon 50"
        ))?;
        host.ip("link add bond0 address 02:00:00:00:0c:01 type bond mode 802.3ad lacp_rate fast miimon 50")?;
        for (number, member) in members.iter().enumerate() {
            let leg = format!("leg{number}");
            cable((&sw, member), (&host, &leg))?;
            sw.ip(&format!("link set {member} master {lag}"))?;
            host.ip(&format!("link set {leg} master bond0"))?;
        }
        host.ip("link set bond0 up")?;
        for (port, end) in [(peer_link, "peer"), (orphan, "orphan")] {
            cable((&sw, port), (&far, end))?;
            far.ip(&format!("link set {end} up"))?;
        }
        for port in [peer_link, lag, orphan] {
            sw.ip(&format!("link set {port} master {BRIDGE} up"))?;
            sw.bridge(&format!("vlan add dev {port} vid {VLAN} pvid untagged"))?;
        }
        sw.bridge(&format!("vlan add dev {BRIDGE} vid {VLAN} self"))?;

        let run = ctx.scratch().join("run");
        make_directory(&run, SYNCD)?;
        let settings = run.join("mclagsyncd.toml");
        let basis = format!(
            "run-dir = {run:?}\n[access]\nusers = [{}]\n[legacy]\nlisten = [{:?}]\nbridge = {BRIDGE:?}\n",
            ICCPD.uid,
            names.dialect.to_string()
        );
        fs::write(&settings, format!("{basis}{told}")).context("cannot write settings")?;
        let syncd = Program::new(ctx, "mclagsyncd", &sw, SYNCD)?
            .arg("--config")
            .arg(&settings);
        let port = |ns: &NetNs, dev: &str, last| Port {
            ns: ns.clone(),
            dev: dev.to_owned(),
            mac: Mac([2, 0, 0, 0, 0x0c, last]),
        };
        let chassis = Self {
            syncd: syncd.start()?,
            names,
            ctl: Program::new(ctx, "mclagctl", &sw, ICCPD)?
                .arg("--json")
                .arg("dataplane")
                .arg("--syncd-socket")
                .arg(run.join("mclagsyncd-ctl.sock")),
            settings,
            basis,
            host: port(&host, "bond0", 1),
            peer: port(&far, "peer", 2),
            orphan: port(&far, "orphan", 3),
            sw,
        };
        eventually("the ports forward and LACP agrees", SOON, || {
            for port in [peer_link, lag, orphan] {
                let state = kernel::bridge_port(&chassis.sw, port)?.state;
                ensure!(state == "forwarding", "{port} is {state}");
            }
            chassis.host_is_bundled()
        })?;
        // A member that is in the bundle may not carry data yet.
        for from in [&chassis.peer, &chassis.orphan] {
            chassis.wait_reaches_host(from)?;
        }
        Ok(chassis)
    }

    /// Both sides of the LAG use all of its members.
    pub(super) fn host_is_bundled(&self) -> Result<()> {
        let all = u64::try_from(self.names.members.len())?;
        for (ns, bond) in [(&self.host.ns, "bond0"), (&self.sw, self.names.lag)] {
            let ports = kernel::bond(ns, bond)?.ports;
            ensure!(ports == all, "{bond} uses {ports} of {all} members");
        }
        Ok(())
    }

    pub(super) fn connect(&self) -> Result<Client> {
        let dialect = self.names.dialect;
        let stream = eventually("syncd listens", SOON, || {
            self.sw.enter(|| {
                let address = dialect.server_address();
                TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))
            })
        })?;
        Client::new(stream, dialect)
    }

    /// Members of a set of the filter; an error while there is no filter.
    pub(super) fn filtered(&self, set: &str) -> Result<Vec<String>> {
        let set = kernel::nft_set(&self.sw, &format!("mclag_{BRIDGE}"), set)?;
        Ok(set.context("no filter")?.into_iter().collect())
    }

    pub(super) fn wait_filtered(&self, set: &str, wanted: &[&str]) -> Result<()> {
        eventually(&format!("{set} is {wanted:?}"), SOON, || {
            let found = self.filtered(set)?;
            ensure!(found == wanted, "{set} is {found:?}");
            Ok(())
        })
    }

    pub(super) fn entry(&self, mac: Mac) -> Result<Option<kernel::FdbEntry>> {
        kernel::fdb_entry(&self.sw, BRIDGE, mac, VLAN)
    }

    pub(super) fn wait_entry(
        &self,
        what: &str,
        mac: Mac,
        is_so: impl Fn(Option<&kernel::FdbEntry>) -> bool,
    ) -> Result<()> {
        eventually(&format!("{mac}: {what}"), SOON, || {
            let found = self.entry(mac)?;
            ensure!(is_so(found.as_ref()), "it is {found:?}");
            Ok(())
        })
    }

    pub(super) fn wait_learning(&self, port: &str, wanted: bool) -> Result<()> {
        eventually(&format!("learning of {port}: {wanted}"), SOON, || {
            let learning = kernel::bridge_port(&self.sw, port)?.learning;
            ensure!(learning == wanted, "it is {learning}");
            Ok(())
        })
    }

    pub(super) fn wait_mac(&self, interface: &str, wanted: Mac) -> Result<()> {
        eventually(&format!("{interface} has {wanted}"), SOON, || {
            let found = kernel::link(&self.sw, interface)?.address;
            ensure!(found == wanted, "it has {found}");
            Ok(())
        })
    }

    /// Have the host of this address heard on `port` until the bridge has it where `is_so`.
    pub(super) fn heard(
        &self,
        what: &str,
        port: &Port,
        mac: Mac,
        is_so: impl Fn(&kernel::FdbEntry) -> bool,
    ) -> Result<()> {
        let sender = Sender::start(port, Stream::new(mac, NOBODY), 20)?;
        self.wait_entry(what, mac, |entry| entry.is_some_and(&is_so))?;
        sender.stop().map(drop)
    }

    /// Whether broadcasts from `from` reach the host.
    pub(super) fn reaches_host(&self, from: &Port) -> Result<bool> {
        let ear = Receiver::start(&self.host)?;
        let sent = Sender::send(from, Stream::new(from.mac, BROADCAST), 20, 200)?;
        let heard = ear.hear(&sent)?.received;
        ensure!(
            heard == 0 || heard == sent.frames,
            "{heard} of {} arrived",
            sent.frames
        );
        Ok(heard > 0)
    }

    pub(super) fn wait_reaches_host(&self, from: &Port) -> Result<()> {
        eventually(&format!("{} reaches the host", from.dev), SOON, || {
            ensure!(self.reaches_host(from)?, "no broadcast arrived");
            Ok(())
        })
    }

    /// What an operator is shown.
    pub(super) fn shown(&self) -> Result<Dataplane> {
        let output = self.ctl.output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "mclagctl: {}", errors.trim());
        serde_json::from_slice(&output.stdout).context("mclagctl writes JSON")
    }

    pub(super) fn reload(&self, told: &str) -> Result<()> {
        fs::write(&self.settings, format!("{}{told}", self.basis))
            .context("cannot write settings")?;
        self.syncd.signal(Signal::SIGHUP)
    }
}

fn cable(one: (&NetNs, &str), other: (&NetNs, &str)) -> Result<()> {
    netns::ip(&format!(
        "link add {} netns {} type veth peer name {} netns {}",
        one.1,
        one.0.name(),
        other.1,
        other.0.name()
    ))
}
