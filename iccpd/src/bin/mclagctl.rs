//! `mclagctl`: shows what a running `iccpd` knows, and converts settings.
//!
//! Called by the name of `mclagdctl` it takes the arguments of that tool and prints its text.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use iccpd::ctl::client::{Client, ClientError};
use iccpd::ctl::show;
use iccpd::interfaces::Interfaces;
use iccpd::mclagdctl::client as legacy;
use iccpd::settings::{self, DEFAULT_CONTROL_SOCKET};
use iccpd::system;
use mclag_daemon::log::write_line;
use mclag_daemon::process;
use mclag_proto::ctl::dataplane::{ConfigDb, Dataplane};
use mclag_proto::ctl::{MacLine, Status};
use mclag_proto::{IfName, Mac, Vid};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show the state of an MC-LAG pair, as this chassis sees it.
#[derive(Parser)]
#[command(
    name = env!("CARGO_BIN_NAME"),
    version,
    after_help = "\
Examples:
  mclagctl status                     Is the pair healthy?
  mclagctl interfaces                 Which ports are up on which side?
  mclagctl macs --vlan 10             Who is in VLAN 10, and where?
  mclagctl macs --mac 02:00:5e:00:00:01
  mclagctl neighbours --interface vlan10
  mclagctl peer                       What happened to the session, and who was refused?
  mclagctl dataplane                  What does mclagsyncd do, and for whom?
  mclagctl --json macs | jq '.macs[] | select(.stale)'
  mclagctl forget-pair                SONiC's pair is gone; forget it
  mclagctl config check               What does the iccpd.conf of SONiC or linux-mclag say?
  mclagctl config convert -o /etc/mclag/iccpd.toml

Called by the name of mclagdctl it behaves as that tool. Then the environment may name the socket \
in MCLAGDCTL_SOCKET, and in MCLAGDCTL_DIALECT the dialect, sonic or linux-mclag, that is otherwise \
found out.

Exit status:
  0  answered; the configuration can be used
  1  no usable answer, or another error; the configuration cannot be used
  2  wrong arguments
  3  iccpd, or for `dataplane` and `forget-pair` mclagsyncd, is not running"
)]
struct Args {
    /// Print the answer as JSON. Fields may be added in later versions, never renamed.
    #[arg(long, global = true)]
    json: bool,
    /// Control socket of iccpd.
    #[arg(short, long, global = true, value_name = "PATH",
          default_value = DEFAULT_CONTROL_SOCKET)]
    socket: PathBuf,
    #[command(subcommand)]
    view: View,
}

#[derive(Subcommand)]
enum View {
    /// The pair at a glance: session, role, ports, addresses, warnings.
    Status {
        /// Control socket of mclagsyncd, which knows whether a pair that SONiC's server named is still
        /// confirmed [default: beside the socket that iccpd uses].
        #[arg(long, value_name = "PATH")]
        syncd_socket: Option<PathBuf>,
    },
    /// The peer link and every MLAG port, with members and VLANs, on both sides.
    #[command(visible_alias = "ports")]
    Interfaces,
    /// The address table: where frames go, and who has seen the host.
    Macs {
        /// Only addresses of this VLAN, 1 to 4094.
        #[arg(long, value_name = "ID", value_parser = parse_vid)]
        vlan: Option<Vid>,
        /// Only this address.
        #[arg(long, value_name = "ADDRESS")]
        mac: Option<Mac>,
        /// Only addresses that are forwarded to this port, or seen on it by either side.
        #[arg(long, value_name = "NAME")]
        port: Option<IfName>,
    },
    /// The neighbour table (ARP and ND): which MAC an address is behind, and who knows it.
    #[command(visible_alias = "neighbors")]
    Neighbours {
        /// Only neighbours on this interface.
        #[arg(long, value_name = "NAME")]
        interface: Option<IfName>,
        /// Only this address.
        #[arg(long, value_name = "ADDRESS")]
        address: Option<IpAddr>,
    },
    /// The session with the other chassis, with counters and refused connections.
    Peer,
    /// What mclagsyncd does and for whom; also for an iccpd of SONiC or linux-mclag.
    Dataplane {
        /// Control socket of mclagsyncd.
        #[arg(long, value_name = "PATH", default_value = DEFAULT_SYNCD_CONTROL_SOCKET)]
        syncd_socket: PathBuf,
    },
    /// Have mclagsyncd forget the pair that SONiC's server named once and does not confirm.
    ///
    /// It remembers the pair across connections and restarts, for that server names it only once. Needed
    /// where the pair was deleted meanwhile.
    ForgetPair {
        /// Control socket of mclagsyncd.
        #[arg(long, value_name = "PATH", default_value = DEFAULT_SYNCD_CONTROL_SOCKET)]
        syncd_socket: PathBuf,
    },
    /// Configuration files, iccpd.conf or TOML; iccpd need not be running.
    #[command(subcommand)]
    Config(Config),
}

#[derive(Subcommand)]
enum Config {
    /// Print a configuration file as TOML, with every default and where values come from.
    ///
    /// Warnings, such as what the earlier daemons silently ignore, go to standard error.
    Convert {
        /// The configuration file.
        #[arg(default_value = settings::LEGACY_FILE)]
        file: PathBuf,
        /// Where to write to instead of standard output; what is there is replaced.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check a configuration file.
    Check {
        /// The configuration file.
        #[arg(default_value = settings::LEGACY_FILE)]
        file: PathBuf,
        /// Fail if there is a warning.
        #[arg(long)]
        strict: bool,
    },
}

fn parse_vid(text: &str) -> Result<Vid, String> {
    let number: u16 = text.parse().map_err(|_| "not a number".to_owned())?;
    Vid::try_from(number).map_err(|error| error.to_string())
}

/// Name of the socket at which `syncd` answers operators.
const SYNCD_CONTROL: &str = "mclagsyncd-ctl.sock";

/// Where that is unless told otherwise.
const DEFAULT_SYNCD_CONTROL_SOCKET: &str = "/run/mclag/mclagsyncd-ctl.sock";

const FAILED: u8 = 1;
const NOT_RUNNING: u8 = 3;

fn main() -> ExitCode {
    let program = std::env::args_os().next().unwrap_or_default();
    if Path::new(&program).file_name() == Some(legacy::NAME.as_ref()) {
        return legacy_main(&program.to_string_lossy());
    }
    let args = Args::parse();
    let text = match run(&args) {
        Ok(text) => text,
        Err(Failure::Client(error)) => {
            process::complain("mclagctl", &error);
            return ExitCode::from(match error {
                ClientError::NotRunning(_) | ClientError::SyncdNotRunning(_) => NOT_RUNNING,
                _ => FAILED,
            });
        }
        Err(Failure::Config(error)) => {
            process::complain("mclagctl", error.as_ref());
            return ExitCode::from(FAILED);
        }
    };
    match process::print(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::complain("mclagctl", &error);
            ExitCode::from(FAILED)
        }
    }
}

/// Why there is nothing to print.
enum Failure {
    Client(ClientError),
    Config(anyhow::Error),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

/// Behave as the tool of the legacy daemons whose name this program was called by.
fn legacy_main(program: &str) -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let place = legacy::Place::from_env(|name| std::env::var_os(name));
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    match legacy::run(program, &args, &place, &mut out, &mut err) {
        Ok(status) => ExitCode::from(status),
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

fn run(args: &Args) -> Result<String, Failure> {
    let connect = || Client::connect(&args.socket);
    Ok(match &args.view {
        View::Config(command) => config(command).map_err(Failure::Config)?,
        View::Status { syncd_socket } => {
            let mut status = connect()?.status()?;
            let config_db = ask_syncd(&mut status, syncd_socket.as_deref());
            let all = Shown {
                status: &status,
                config_db: config_db.as_ref(),
            };
            shown(args, &all, || show::status(&status, config_db.as_ref()))
        }
        View::Interfaces => {
            let interfaces = connect()?.interfaces()?;
            shown(args, &BTreeMap::from([("interfaces", &interfaces)]), || {
                show::interfaces(&interfaces)
            })
        }
        View::Macs { vlan, mac, port } => {
            let macs = connect()?.macs(|line| matches(line, *vlan, *mac, *port))?;
            shown(args, &BTreeMap::from([("macs", &macs)]), || {
                show::macs(&macs)
            })
        }
        View::Neighbours { interface, address } => {
            let neighbours = connect()?.neighbours(|line| {
                interface.is_none_or(|name| name == line.interface)
                    && address.is_none_or(|address| address == line.address)
            })?;
            shown(args, &BTreeMap::from([("neighbours", &neighbours)]), || {
                show::neighbours(&neighbours)
            })
        }
        View::Peer => {
            let peer = connect()?.peer()?;
            shown(args, &peer, || show::peer(&peer))
        }
        View::Dataplane { syncd_socket } => {
            let dataplane = Client::connect_to_syncd(syncd_socket)?.dataplane()?;
            shown(args, &dataplane, || show::dataplane(&dataplane))
        }
        View::ForgetPair { syncd_socket } => {
            let domain = Client::connect_to_syncd(syncd_socket)?.forget_pair()?;
            shown(args, &BTreeMap::from([("forgotten", &domain)]), || {
                format!("the pair of domain {domain} is forgotten\n")
            })
        }
    })
}

/// What was asked for, as `--json` has it or as `text` makes it.
fn shown(args: &Args, value: &impl Serialize, text: impl FnOnce() -> String) -> String {
    if !args.json {
        return text();
    }
    let json = serde_json::to_string_pretty(value).expect("replies have no maps with odd keys");
    format!("{json}\n")
}

/// A status, with what mclagsyncd alone knows.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    status: &'a Status,
    config_db: Option<&'a ConfigDb>,
}

/// Have the status say what mclagsyncd knows of the pair, as far as it answers: without it there is a status, too.
/// Whether CONFIG_DB decides which pair there is, if it is looked at.
fn ask_syncd(status: &mut Status, syncd_socket: Option<&Path>) -> Option<ConfigDb> {
    let beside = || Some(status.syncd.socket.as_ref()?.with_file_name(SYNCD_CONTROL));
    let socket = syncd_socket.map(Path::to_owned).or_else(beside)?;
    let shown = Client::connect_to_syncd(&socket).and_then(|mut client| client.dataplane());
    let Dataplane {
        remembered,
        config_db,
        ..
    } = shown.ok()?;
    let remembered = remembered.filter(|pair| pair.domain == status.domain);
    status.pair_unconfirmed_for_s = remembered.map(|pair| pair.unconfirmed_for_s);
    config_db
}

/// What to print of a settings file; warnings go to standard error right away.
fn config(command: &Config) -> anyhow::Result<String> {
    let (Config::Convert { file, .. } | Config::Check { file, .. }) = command;
    let loaded = settings::load(file)?;
    for warning in loaded.warnings() {
        write_line(&warning.located(file).to_string());
    }
    match command {
        Config::Check { strict, .. } => {
            loaded.verdict(file)?;
            let settings = &loaded.settings;
            let interfaces = Interfaces::when_asked();
            let domain = settings.domain.as_ref();
            let bridge = settings.chassis.find_bridge(domain, &interfaces);
            system::check(settings, bridge, file).1?;
            let count = loaded.warnings().len();
            anyhow::ensure!(
                !strict || count == 0,
                "{} has warnings: {count}",
                file.display()
            );
            Ok(format!("{} can be used\n", file.display()))
        }
        Config::Convert { output: None, .. } => Ok(loaded.to_toml(file)),
        Config::Convert {
            output: Some(output),
            ..
        } => {
            let toml = loaded.to_toml(file);
            replace(output, &toml).with_context(|| format!("cannot write {}", output.display()))?;
            Ok(String::new())
        }
    }
}

/// Write a file whole or not at all: half of one may be valid and mean something else.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // Nobody misses it if it is not there.
        let _ = fs::remove_file(&new);
    }
    written
}

fn matches(line: &MacLine, vlan: Option<Vid>, mac: Option<Mac>, port: Option<IfName>) -> bool {
    vlan.is_none_or(|vid| line.vid == vid)
        && mac.is_none_or(|mac| line.mac == mac)
        && port.is_none_or(|port| [line.port, line.local, line.remote].contains(&Some(port)))
}
