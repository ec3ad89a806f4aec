//! A pair at work: the topology, and on each chassis `syncd` and `iccpd`.
//!
//! ```text
//! let mlag = Mlag::up(ctx, Options::default())?;
//! mlag.host().wait_bundled(2)?;
//! mlag.daemons(Side::A).iccpd.kill()?;
//! ```

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use iccpd::ctl::client::Client;
use mclag_proto::LagKind;
use mclag_proto::addr::Mac;
use mclag_proto::ctl::{Interface, MacLine, NeighbourLine, PeerStatus, SessionState, Status};
use nix::sys::signal::Signal;

use crate::daemon::{Daemon, ICCPD, Program, SYNCD, make_directory};
use crate::kernel;
use crate::netns::NetNs;
use crate::scenario::Ctx;
use crate::speech::{Protocol, Speech};
use crate::topology::{BRIDGE, Lag, Options, PEER_LINK, Pair, Side, TEAMD_DIRECTORY};
use crate::wait::{SOON, eventually};

/// The LACP system id of the pair.
pub const SYSTEM_MAC: Mac = Mac([0x44, 0x38, 0x39, 0xff, 0x00, 0x01]);

/// A topology with daemons on both chassis. Dropping it ends them and removes everything.
#[derive(Debug)]
pub struct Mlag {
    // Daemons end before the namespaces they live in.
    daemons: [Daemons; 2],
    /// What they speak.
    pub speech: Speech,
    net: Pair,
}

/// What runs on one chassis.
#[derive(Debug)]
pub struct Daemons {
    /// Carries out.
    pub syncd: Daemon,
    /// Tells that one in version 1 what the next one says; none where that says it itself.
    pub beside: Option<Daemon>,
    /// Decides.
    pub iccpd: Daemon,
    ctl: Program,
    socket: PathBuf,
}

impl Deref for Mlag {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.net
    }
}

impl Mlag {
    /// Lay the cables, start all four daemons, and wait until the pair is synchronised and every
    /// dual-homed host uses both of its links.
    pub fn up(ctx: &Ctx, options: Options) -> Result<Self> {
        let mut mlag = Self::start(ctx, options)?;
        mlag.wait_synchronised()?;
        mlag.wait_dual()?;
        mlag.check()?;
        Ok(mlag)
    }

    /// Lay the cables and start all four daemons.
    pub fn start(ctx: &Ctx, options: Options) -> Result<Self> {
        Self::start_with(ctx, options, |settings| settings)
    }

    /// The same with settings that differ from the usual ones.
    pub fn start_with(
        ctx: &Ctx,
        options: Options,
        alter: impl Fn(Settings) -> Settings,
    ) -> Result<Self> {
        let net = Pair::up(ctx, options)?;
        let (speech, ports) = (options.speech.unwrap_or(ctx.speech()), net.mlag_ports());
        for side in Side::BOTH {
            configure_bonds(&net, speech, side)?;
        }
        let mlag = Self::start_on(ctx, net, |side| {
            alter(Settings::of(ctx, side, &ports, speech))
        })?;
        Ok(Self { speech, ..mlag })
    }

    /// Kill all four daemons and start them anew, with other dialects.
    pub fn change_speech(&mut self, ctx: &Ctx, speech: Speech) -> Result<()> {
        for daemons in &mut self.daemons {
            daemons.iccpd.kill()?;
            daemons.syncd.kill()?;
            if let Some(beside) = &mut daemons.beside {
                beside.kill()?;
            }
        }
        let ports = self.mlag_ports();
        for side in Side::BOTH {
            configure_bonds(&self.net, speech, side)?;
            let switch = self.net.switch(side);
            let settings = Settings::of(ctx, side, &ports, speech);
            let teamd = switch.teamd_directory();
            let started = Daemons::start_with(ctx, &switch.ns, side, &settings, teamd)?;
            *self.daemons(side) = started;
        }
        self.speech = speech;
        Ok(())
    }

    /// Start all four daemons on a topology, with settings of the caller's.
    pub fn start_on(ctx: &Ctx, net: Pair, settings: impl Fn(Side) -> Settings) -> Result<Self> {
        let daemons = |side| {
            let switch = net.switch(side);
            let teamd = switch.teamd_directory();
            Daemons::start_with(ctx, &switch.ns, side, &settings(side), teamd)
        };
        Ok(Self {
            daemons: [daemons(Side::A)?, daemons(Side::B)?],
            speech: Speech::default(),
            net,
        })
    }

    /// What runs on that chassis.
    pub fn daemons(&mut self, side: Side) -> &mut Daemons {
        match side {
            Side::A => &mut self.daemons[0],
            Side::B => &mut self.daemons[1],
        }
    }

    /// The same, to look at.
    #[must_use]
    pub fn at(&self, side: Side) -> &Daemons {
        match side {
            Side::A => &self.daemons[0],
            Side::B => &self.daemons[1],
        }
    }

    /// Wait until both chassis say that they are synchronised and that their `syncd` is there.
    pub fn wait_synchronised(&self) -> Result<()> {
        for side in Side::BOTH {
            eventually(&format!("chassis {side} is synchronised"), SOON, || {
                let status = self.at(side).status()?;
                ensure!(
                    status.session == SessionState::Up,
                    "session {:?}",
                    status.session
                );
                ensure!(status.syncd.connected, "syncd is not connected");
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Wait until every dual-homed host uses both links, and both chassis call its port dual,
    /// isolated and not held.
    pub fn wait_dual(&self) -> Result<()> {
        for host in &self.hosts {
            host.wait_bundled(2)?;
        }
        self.wait_ports_dual()?;
        for side in Side::BOTH {
            self.switch(side).wait_forwarding(&self.mlag_ports())?;
        }
        Ok(())
    }

    /// The same, whatever the hosts do and whatever their kernels call the ports.
    pub fn wait_ports_dual(&self) -> Result<()> {
        for side in Side::BOTH {
            eventually(
                &format!("all ports of chassis {side} are dual"),
                SOON,
                || {
                    for port in self.at(side).interfaces()? {
                        ensure!(
                            port.peer_link
                                || (port.dual && port.isolated == Some(true) && !port.held),
                            "{port:?}"
                        );
                    }
                    Ok(())
                },
            )?;
        }
        Ok(())
    }

    /// All four run.
    pub fn check(&mut self) -> Result<()> {
        for daemons in &mut self.daemons {
            daemons.syncd.require_running()?;
            daemons.iccpd.require_running()?;
            if let Some(beside) = &mut daemons.beside {
                beside.require_running()?;
            }
        }
        Ok(())
    }

    /// Take the power from a chassis: its daemons and its links are gone within a moment.
    pub fn power_off(&mut self, side: Side) -> Result<()> {
        let daemons = self.daemons(side);
        for which in Which::BOTH {
            daemons.daemon(which).signal(Signal::SIGKILL)?;
        }
        if let Some(beside) = &mut daemons.beside {
            beside.kill()?;
        }
        self.net.switch(side).power_off(self.net.hosts.len())?;
        for which in Which::BOTH {
            self.daemons(side).daemon(which).end(SOON)?;
        }
        Ok(())
    }

    /// Boot a chassis that had no power: first its network, then its daemons.
    pub fn power_on(&mut self, side: Side) -> Result<()> {
        let hosts = u8::try_from(self.net.hosts.len())?;
        self.net.switch(side).boot(hosts)?;
        configure_bonds(&self.net, self.speech, side)?;
        if let Some(beside) = &mut self.daemons(side).beside {
            beside.start()?;
        }
        for which in Which::BOTH {
            self.daemons(side).daemon(which).start()?;
        }
        Ok(())
    }

    /// What is in the isolation set of a chassis' kernel.
    pub fn isolated(&self, side: Side) -> Result<Vec<String>> {
        self.filtered(side, "isolated")
    }

    /// What is in a set of the filter of a chassis' kernel: `isolated` or `held`.
    pub fn filtered(&self, side: Side, set: &str) -> Result<Vec<String>> {
        let set = kernel::nft_set(&self.switch(side).ns, &format!("mclag_{BRIDGE}"), set)?;
        Ok(set.unwrap_or_default().into_iter().collect())
    }

    /// Everything the product has put into the kernel of a chassis, in a form to compare.
    pub fn dataplane(&self, side: Side) -> Result<Dataplane> {
        let ns = &self.switch(side).ns;
        let mut ports = Vec::new();
        for name in self.mlag_ports() {
            ports.push(match self.lag {
                Lag::Bond => {
                    let bond = kernel::bond(ns, &name)?;
                    let (links, system) = (bond.min_links, bond.actor_system);
                    format!("{name} min_links {links} system {system}")
                }
                Lag::Team => format!("{name} system {}", kernel::link(ns, &name)?.address),
            });
        }
        let mut fdb: Vec<String> = kernel::fdb(ns, BRIDGE)?
            .into_iter()
            .filter(|entry| entry.vlan.is_some())
            .map(|entry| format!("{} {:?} {}", entry.mac, entry.vlan, entry.ifname))
            .collect();
        fdb.sort();
        Ok(Dataplane {
            isolated: self.isolated(side)?,
            ports,
            fdb,
        })
    }
}

/// Where nobody tells `syncd` the LACP system id of the pair, bonds have it from who made them.
fn configure_bonds(net: &Pair, speech: Speech, side: Side) -> Result<()> {
    if !speech.protocol(side).carries_system_id() {
        net.set_system_mac_of(side, SYSTEM_MAC)?;
    }
    Ok(())
}

/// What the product has put into a kernel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dataplane {
    /// Isolated ports.
    pub isolated: Vec<String>,
    /// Settings of the MLAG ports.
    pub ports: Vec<String>,
    /// Where each address is, whoever put it there.
    pub fdb: Vec<String>,
}

impl Daemons {
    /// Start both daemons of a chassis that lives in `ns`, with these MLAG ports.
    pub fn start(ctx: &Ctx, ns: &NetNs, side: Side, ports: &[String]) -> Result<Self> {
        let settings = Settings::of(ctx, side, ports, Speech::default());
        Self::start_with(ctx, ns, side, &settings, None)
    }

    /// The same with settings of the caller's, and, where teamd runs, with its sockets in `teamd`.
    pub fn start_with(
        ctx: &Ctx,
        ns: &NetNs,
        side: Side,
        settings: &Settings,
        teamd: Option<&Path>,
    ) -> Result<Self> {
        let run = run_directory(ctx, side);
        make_directory(&run, SYNCD)?;
        let syncd_settings = run.join("mclagsyncd.toml");
        write(&syncd_settings, &settings.syncd)?;
        let iccpd_settings = run.join("iccpd.toml");
        write(&iccpd_settings, &settings.iccpd)?;
        let syncd = Program::new(ctx, "mclagsyncd", ns, SYNCD)?
            .arg("--config")
            .arg(&syncd_settings);
        let beside = match &settings.beside {
            None => None,
            Some(text) => {
                let directory = run.join(BESIDE);
                make_directory(&directory, SYNCD)?;
                let file = directory.join("mclagsyncd.toml");
                write(&file, text)?;
                let program = Program::new(ctx, "mclagsyncd", ns, SYNCD)?;
                let log = program.log.with_extension("beside.log");
                let program = Program { log, ..program };
                Some(program.arg("--config").arg(&file).start()?)
            }
        };
        let mut iccpd = Program::new(ctx, "iccpd", ns, ICCPD)?
            .arg("--config")
            .arg(&iccpd_settings);
        if let Some(directory) = teamd {
            iccpd = iccpd.sees(directory, Path::new(TEAMD_DIRECTORY));
        }
        Ok(Self {
            syncd: syncd.start()?,
            beside,
            iccpd: iccpd.start()?,
            ctl: Program::new(ctx, "mclagctl", ns, ICCPD)?,
            socket: run.join("iccpd.sock"),
        })
    }

    /// Have `iccpd` read other settings.
    pub fn reload(&self, settings: &Settings) -> Result<()> {
        write(&self.socket.with_file_name("iccpd.toml"), &settings.iccpd)?;
        self.iccpd.signal(Signal::SIGHUP)
    }

    /// What `mclagctl` prints for these arguments.
    pub fn ctl(&self, args: &[&str]) -> Result<String> {
        let mut program = self.ctl.clone().arg("--socket").arg(&self.socket);
        for arg in args {
            program = program.arg(arg);
        }
        let output = program.output()?;
        ensure!(
            output.status.success(),
            "mclagctl {args:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        String::from_utf8(output.stdout).context("mclagctl writes UTF-8")
    }

    /// A shell script that does what [`Daemons::ctl`] does with its arguments.
    #[must_use]
    pub fn ctl_script(&self) -> String {
        let (program, socket) = (self.ctl.path.display(), self.socket.display());
        format!("#!/bin/sh\nexec '{program}' --socket '{socket}' \"$@\"\n")
    }

    /// What `mclagctl` asks with. A program that is started anew for each look keeps an emulated machine busy.
    fn ask(&self) -> Result<Client> {
        Ok(Client::connect(&self.socket)?)
    }

    /// What `mclagctl status` shows.
    pub fn status(&self) -> Result<Status> {
        Ok(self.ask()?.status()?)
    }

    /// What `mclagctl interfaces` shows.
    pub fn interfaces(&self) -> Result<Vec<Interface>> {
        Ok(self.ask()?.interfaces()?)
    }

    /// What `mclagctl macs` shows.
    pub fn macs(&self) -> Result<Vec<MacLine>> {
        Ok(self.ask()?.macs(|_| true)?)
    }

    /// What `mclagctl neighbours` shows.
    pub fn neighbours(&self) -> Result<Vec<NeighbourLine>> {
        Ok(self.ask()?.neighbours(|_| true)?)
    }

    /// What `mclagctl peer` shows.
    pub fn peer(&self) -> Result<PeerStatus> {
        Ok(self.ask()?.peer()?)
    }

    /// What `mclagctl` knows of one MLAG port.
    pub fn interface(&self, name: &str) -> Result<Interface> {
        let mut interfaces = self.interfaces()?.into_iter();
        let found = interfaces.find(|port| port.name.as_str() == name);
        found.with_context(|| format!("no interface {name}"))
    }

    /// The daemon of that name.
    pub fn daemon(&mut self, which: Which) -> &mut Daemon {
        match which {
            Which::Iccpd => &mut self.iccpd,
            Which::Syncd => &mut self.syncd,
        }
    }
}

/// The settings files of the daemons of one chassis.
#[derive(Clone, Debug)]
pub struct Settings {
    /// That of `syncd`.
    pub syncd: String,
    /// That of a second `syncd` between the two, which is the client of the first in version 1; none where `iccpd`
    /// talks to the first.
    pub beside: Option<String>,
    /// That of `iccpd`.
    pub iccpd: String,
}

impl Settings {
    /// The usual ones, with these MLAG ports.
    #[must_use]
    pub fn of(ctx: &Ctx, side: Side, ports: &[String], speech: Speech) -> Self {
        let run = run_directory(ctx, side);
        let protocol = speech.protocol(side);
        let mut syncd = format!("run-dir = {run:?}\n[access]\nusers = [{}]\n", ICCPD.uid);
        if protocol != Protocol::V2 {
            syncd += &format!(
                "[legacy]\nlisten = [{:?}]\nbridge = {BRIDGE:?}\npeer-link = {PEER_LINK:?}\nports = {ports:?}\n",
                protocol.setting()
            );
        }
        // Losing the session changes nothing, whatever is spoken, and A is the primary, whatever id its machine has: the
        // story of the pair is to be the same.
        let iccpd = format!(
            "[domain]\nid = 7\nlocal = \"{}\"\npeer = \"{}\"\nbridge = {BRIDGE:?}\n\
             peer-link = {PEER_LINK:?}\nports = {ports:?}\nsystem-mac = \"{SYSTEM_MAC}\"\npriority = {}\n\
             dialect = {:?}\nstrict-sonic = false\n\
             [syncd]\nsocket = {:?}\nuser = \"{}\"\n[control]\nsocket = {:?}\n",
            side.control_address(),
            side.peer().control_address(),
            match side {
                Side::A => 1,
                Side::B => 2,
            },
            speech.iccp.setting(),
            match protocol {
                Protocol::V2 => syncd_socket(ctx, side),
                Protocol::Sonic | Protocol::LinuxMclag => run.join(BESIDE).join("mclagsyncd.sock"),
            },
            SYNCD.uid,
            run.join("iccpd.sock"),
        );
        let beside = (protocol != Protocol::V2).then(|| {
            format!(
                "backend = \"record\"\nrun-dir = {:?}\n[access]\nusers = [{}]\n[mclagsyncd]\nprotocol = {:?}\n",
                run.join(BESIDE),
                ICCPD.uid,
                protocol.setting()
            )
        });
        Self {
            syncd,
            beside,
            iccpd,
        }
    }

    /// The same, with MLAG ports that carry data on one chassis when nobody has spoken LACP for three seconds.
    #[must_use]
    pub fn with_bypass(mut self, ports: &[String]) -> Self {
        let after = "strict-sonic = false\n";
        let bypass = format!("{after}lacp-bypass = {ports:?}\nlacp-bypass-after = \"3s\"\n");
        self.iccpd = self.iccpd.replace(after, &bypass);
        self
    }

    /// The same, with these MLAG ports declared to be of that kind.
    #[must_use]
    pub fn with_kind(mut self, ports: &[String], kind: LagKind) -> Self {
        self.iccpd = self.iccpd.replace(&format!("ports = {ports:?}\n"), "");
        for port in ports {
            let kind = kind.name();
            self.iccpd += &format!("[[domain.port]]\nname = {port:?}\nkind = {kind:?}\n");
        }
        self
    }

    /// The same, but the chassis leaves the pair when its `iccpd` ends.
    #[must_use]
    pub fn leaving(mut self) -> Self {
        self.iccpd.insert_str(0, "on-stop = \"leave\"\n");
        self
    }

    /// The same, but losing the session means what it means to SONiC.
    #[must_use]
    pub fn strict(mut self) -> Self {
        let (ours, theirs) = ("strict-sonic = false", "strict-sonic = true");
        self.iccpd = self.iccpd.replace(ours, theirs);
        self
    }
}

/// Directory of a second `syncd`, in that of the daemons.
const BESIDE: &str = "beside";

/// Where the daemons of a chassis have their sockets and settings.
#[must_use]
pub fn run_directory(ctx: &Ctx, side: Side) -> PathBuf {
    ctx.scratch().join(format!("{side}"))
}

/// The socket of that chassis' `syncd`.
#[must_use]
pub fn syncd_socket(ctx: &Ctx, side: Side) -> PathBuf {
    run_directory(ctx, side).join("mclagsyncd.sock")
}

/// One of the two daemons of a chassis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    /// The one that decides.
    Iccpd,
    /// The one that carries out.
    Syncd,
}

impl Which {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Iccpd, Self::Syncd];
}

/// Time for a member's loss to be noticed by everybody, in emulation.
pub const NOTICED: Duration = Duration::from_secs(30);

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
