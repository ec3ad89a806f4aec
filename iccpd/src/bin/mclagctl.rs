//! `mclagctl`: shows what a running `iccpd` knows.

use clap::{Parser, Subcommand};
use iccpd::ctl::client::{Client, ClientError};
use iccpd::ctl::show;
use iccpd::settings::DEFAULT_CONTROL_SOCKET;
use mclag_proto::ctl::MacLine;
use mclag_proto::{IfName, Mac, Vid};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show the state of an MC-LAG pair, as this chassis sees it.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  mclagctl status                     Is the pair healthy?
  mclagctl interfaces                 Which ports are up on which side?
  mclagctl macs --vlan 10             Who is in VLAN 10, and where?
  mclagctl macs --mac 02:00:5e:00:00:01
  mclagctl peer                       What happened to the session, and who was refused?
  mclagctl --json macs | jq '.macs[] | select(.stale)'

Exit status:
  0  answered
  1  no usable answer, or another error
  2  wrong arguments
  3  iccpd is not running"
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
    Status,
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
    /// The session with the other chassis, with counters and refused connections.
    Peer,
}

fn parse_vid(text: &str) -> Result<Vid, String> {
    let number: u16 = text.parse().map_err(|_| "not a number".to_owned())?;
    Vid::try_from(number).map_err(|error| error.to_string())
}

const FAILED: u8 = 1;
const NOT_RUNNING: u8 = 3;

fn main() -> ExitCode {
    let args = Args::parse();
    let text = match run(&args) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("mclagctl: {error}");
            return ExitCode::from(match error {
                ClientError::NotRunning(_) => NOT_RUNNING,
                _ => FAILED,
            });
        }
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mclagctl: cannot print: {error}");
            ExitCode::from(FAILED)
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn run(args: &Args) -> Result<String, ClientError> {
    let mut client = Client::connect(&args.socket)?;
    Ok(match &args.view {
        View::Status => {
            let status = client.status()?;
            if args.json {
                json(&status)
            } else {
                show::status(&status)
            }
        }
        View::Interfaces => {
            let interfaces = client.interfaces()?;
            if args.json {
                json(&json!({ "interfaces": interfaces }))
            } else {
                show::interfaces(&interfaces)
            }
        }
        View::Macs { vlan, mac, port } => {
            let macs = client.macs(|line| matches(line, *vlan, *mac, *port))?;
            if args.json {
                json(&json!({ "macs": macs }))
            } else {
                show::macs(&macs)
            }
        }
        View::Peer => {
            let peer = client.peer()?;
            if args.json {
                json(&peer)
            } else {
                show::peer(&peer)
            }
        }
    })
}

fn matches(line: &MacLine, vlan: Option<Vid>, mac: Option<Mac>, port: Option<IfName>) -> bool {
    vlan.is_none_or(|vid| line.vid == vid)
        && mac.is_none_or(|mac| line.mac == mac)
        && port.is_none_or(|port| [line.port, line.local, line.remote].contains(&Some(port)))
}

fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("replies have no maps with odd keys");
    format!("{text}\n")
}
