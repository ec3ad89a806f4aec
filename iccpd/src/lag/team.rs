//! LACP inspection of team devices: teamd's control socket, the request *StateDump*.
//!
//! teamd makes its socket for its own user alone, which is root as a rule; an operator has to open
//! it to `iccpd` after each start of teamd (`packaging/systemd/teamd@.service`). Where that was not
//! done, the carriers of the team and of its members have to do.

use mclag_proto::{IfName, LacpPartner, Mac};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Where teamd puts its sockets.
pub const RUN_DIR: &str = "/var/run/teamd";

/// How long teamd may take to answer.
const DEADLINE: Duration = Duration::from_millis(500);
/// Longest answer in bytes; one member takes about one KiB.
const MAX_REPLY: usize = 256 * 1024;
const REQUEST: &[u8] = b"REQUEST\nStateDump\n";

/// Actor state bits of a member that carries data: collecting and distributing
/// (IEEE 802.1AX, `Actor_State`).
const COLLECTING_DISTRIBUTING: u32 = 0x30;
/// State bit of a side that agrees to the member's place in the aggregator: synchronization (the
/// same).
const SYNCHRONIZATION: u32 = 0x08;

/// What a team says of itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TeamState {
    /// Its runner is LACP.
    pub lacp: bool,
    /// The LACP partner.
    pub partner: Option<LacpPartner>,
    /// Whether each member may carry data.
    pub members: BTreeMap<IfName, bool>,
}

/// Why a team's state is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeamError {
    /// The socket is there, and not for this process.
    #[error("{}: only its owner may ask this teamd; open the socket to this user", .0.display())]
    Denied(PathBuf),
    /// The socket cannot be used.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// No answer in time.
    #[error("teamd does not answer within {} ms", DEADLINE.as_millis())]
    Silent,
    /// teamd refused.
    #[error("teamd answers {0:?}")]
    Refused(String),
    /// The answer cannot be read.
    #[error("teamd's answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// Socket of the teamd that runs this team.
#[must_use]
pub fn socket(run_dir: &Path, team: &IfName) -> PathBuf {
    run_dir.join(format!("{team}.sock"))
}

/// Ask teamd.
///
/// # Errors
///
/// When there is no answer within half a second, or not a usable one.
pub async fn state(socket: PathBuf) -> Result<TeamState, TeamError> {
    let reply = timeout(DEADLINE, ask(&socket))
        .await
        .map_err(|_| TeamError::Silent)?;
    match reply {
        Ok(reply) => parse(&reply),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(TeamError::Denied(socket))
        }
        Err(source) => Err(TeamError::Io {
            path: socket,
            source,
        }),
    }
}

async fn ask(socket: &Path) -> io::Result<Vec<u8>> {
    let mut stream = connect(socket)?;
    stream.write_all(REQUEST).await?;
    // One read is one record. A record that does not fit is cut, and then is not JSON.
    let mut reply = vec![0; MAX_REPLY];
    let len = stream.read(&mut reply).await?;
    reply.truncate(len);
    Ok(reply)
}

/// teamd speaks in records; a stream type reads and writes them one by one all the same.
fn connect(path: &Path) -> io::Result<UnixStream> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    use std::os::fd::AsRawFd as _;
    let fd: OwnedFd = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    UnixStream::from_std(fd.into())
}

#[derive(Deserialize)]
struct Dump {
    #[serde(default)]
    ports: BTreeMap<String, Port>,
    setup: Setup,
}

#[derive(Deserialize)]
struct Setup {
    #[serde(default)]
    runner_name: String,
}

#[derive(Deserialize)]
struct Port {
    link: Option<Up>,
    link_watches: Option<Up>,
    runner: Option<Runner>,
}

#[derive(Deserialize)]
struct Up {
    up: bool,
}

#[derive(Deserialize)]
struct Runner {
    #[serde(default)]
    selected: bool,
    aggregator: Option<Aggregator>,
    actor_lacpdu_info: Option<LacpduInfo>,
    partner_lacpdu_info: Option<LacpduInfo>,
}

#[derive(Deserialize)]
struct Aggregator {
    selected: bool,
}

#[derive(Deserialize)]
struct LacpduInfo {
    state: Option<u32>,
    system: Option<String>,
    #[serde(default)]
    key: u16,
}

impl Port {
    fn is_up(&self) -> bool {
        let watched = self.link_watches.as_ref().or(self.link.as_ref());
        watched.is_some_and(|w| w.up)
    }

    fn is_distributing(&self, lacp: bool) -> bool {
        self.is_up() && (!lacp || self.runner.as_ref().is_some_and(Runner::is_distributing))
    }

    fn partner(&self) -> Option<LacpPartner> {
        let info = self.runner.as_ref()?.partner_lacpdu_info.as_ref()?;
        let system: Mac = info.system.as_deref()?.parse().ok()?;
        let key = info.key;
        (!system.is_zero()).then_some(LacpPartner { system, key })
    }
}

impl Runner {
    fn is_distributing(&self) -> bool {
        let chosen = self.aggregator.as_ref().is_none_or(|a| a.selected);
        let state = self.actor_lacpdu_info.as_ref().and_then(|i| i.state);
        let carries = state.is_none_or(|s| s & COLLECTING_DISTRIBUTING == COLLECTING_DISTRIBUTING);
        let partner = self.partner_lacpdu_info.as_ref().and_then(|i| i.state);
        // teamd sends nothing through a member before its partner agrees.
        let agreed = partner.is_none_or(|s| s & SYNCHRONIZATION != 0);
        self.selected && chosen && carries && agreed
    }
}

fn parse(reply: &[u8]) -> Result<TeamState, TeamError> {
    let Some(json) = reply.strip_prefix(b"REPLY_SUCCESS\n") else {
        let shown: String = String::from_utf8_lossy(reply).chars().take(80).collect();
        return Err(TeamError::Refused(shown));
    };
    // The text ends with the record, or with a NUL before it.
    let json = json.split(|b| *b == 0).next().unwrap_or_default();
    let dump: Dump = serde_json::from_slice(json)?;
    let lacp = dump.setup.runner_name == "lacp";
    let distributing = dump.ports.values().filter(|p| p.is_distributing(lacp));
    Ok(TeamState {
        lacp,
        partner: distributing.filter_map(Port::partner).next(),
        members: dump
            .ports
            .iter()
            .filter_map(|(name, port)| Some((IfName::new(name).ok()?, port.is_distributing(lacp))))
            .collect(),
    })
}

#[cfg(test)]
mod tests;
