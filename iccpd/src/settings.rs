//! The settings file: what an operator writes, checked before anything starts.
//!
//! Reading is in two steps: the module `file` mirrors the file and knows where each value
//! stands, [`Settings`] is the result, in which nothing needs to be checked again. Everything
//! that is wrong is reported at once, each with file, line, column and the text in question.
//!
//! Whether an interface exists is not checked here: it may appear later
//! (`spec/behaviour.md` 2.4), and `mclagctl status` shows what is waited for.

mod duration;
mod file;
mod problem;

use iccp_core::Config;
use mclag_proto::{DomainId, IfName, Mac};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use duration::Text as DurationText;
pub use problem::{Problem, SettingsError};

/// Where the settings are read from unless told otherwise.
pub const DEFAULT_FILE: &str = "/etc/mclag/iccpd.toml";
/// Where `syncd` listens unless told otherwise.
pub const DEFAULT_SYNCD_SOCKET: &str = "/run/mclag/syncd.sock";
/// Where `iccpd` listens for `mclagctl` unless told otherwise.
pub const DEFAULT_CONTROL_SOCKET: &str = "/run/mclag/iccpd.sock";
/// Who may use the control socket unless told otherwise: owner and group.
pub const DEFAULT_CONTROL_MODE: u32 = 0o660;
/// What is logged unless told otherwise.
pub const DEFAULT_LOG_FILTER: &str = "info";

/// Largest settings file that is read, in bytes: far more than 4094 ports need.
pub const MAX_FILE: u64 = 1 << 20;

/// Checked settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// The pair.
    pub domain: Domain,
    /// What a stop of the daemon means.
    pub on_stop: OnStop,
    /// Socket of `syncd`.
    pub syncd_socket: PathBuf,
    /// Socket for `mclagctl`.
    pub control_socket: PathBuf,
    /// File mode of the socket for `mclagctl`.
    pub control_mode: u32,
    /// What is logged, in the syntax of `tracing-subscriber`'s `EnvFilter`.
    pub log_filter: String,
}

/// Settings of the pair.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Domain {
    /// Number of the pair.
    pub id: DomainId,
    /// Own address of the control session.
    pub local: IpAddr,
    /// The other chassis' address.
    pub peer: IpAddr,
    /// TCP port of the control session, on both sides.
    pub tcp_port: u16,
    /// Interface that the control session is confined to.
    pub bind_device: Option<IfName>,
    /// The bridge.
    pub bridge: IfName,
    /// The peer link.
    pub peer_link: Option<IfName>,
    /// The MLAG ports.
    pub ports: BTreeSet<IfName>,
    /// LACP system id of the pair.
    pub system_mac: Option<Mac>,
    /// MAC that tells this chassis from the other; found by [`crate::node`] when absent.
    pub node_mac: Option<Mac>,
    /// Election priority.
    pub priority: u16,
    /// Interval of keepalives.
    pub keepalive: Duration,
    /// Silence after which the session is given up.
    pub session_timeout: Duration,
    /// How long a port waits for the peer's acknowledgement.
    pub ack_timeout: Duration,
    /// How long what the peer said is kept after the session is lost.
    pub restart_hold: Duration,
}

/// What a stop of the daemon means for the dataplane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnStop {
    /// It goes on forwarding as it is: the daemon is expected back soon.
    Keep,
    /// This chassis leaves the pair.
    Leave,
}

impl Settings {
    /// Read and check a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or anything in it is wrong.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        use std::io::Read as _;
        let unreadable = |source| SettingsError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        let len = file
            .take(MAX_FILE + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        if u64::try_from(len).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(SettingsError::TooLong {
                path: path.to_owned(),
                limit: MAX_FILE,
            });
        }
        Self::parse(path, &text)
    }

    /// Check the text of a file; `path` is what errors call it.
    ///
    /// # Errors
    ///
    /// When anything in it is wrong; all of it is reported.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        file::parse(text).map_err(|problems| SettingsError::wrong(path, text, problems))
    }
}

impl Domain {
    /// The settings as the core takes them.
    #[must_use]
    pub fn config(&self, node_mac: Mac) -> Config {
        Config {
            domain: self.id,
            local: self.local,
            peer: self.peer,
            bridge: self.bridge,
            peer_link: self.peer_link,
            ports: self.ports.clone(),
            system_mac: self.system_mac,
            node_mac,
            priority: self.priority,
            keepalive: self.keepalive,
            session_timeout: self.session_timeout,
            ack_timeout: self.ack_timeout,
            restart_hold: self.restart_hold,
            unique_ip: Default::default(),
            neighbours: true,
            on_loss: iccp_core::OnLoss::Hold,
        }
    }
}

/// The settings as a file that means the same, with every default written out.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            on_stop,
            syncd_socket,
            control_socket,
            control_mode,
            log_filter,
        } = self;
        let on_stop = match on_stop {
            OnStop::Keep => "keep",
            OnStop::Leave => "leave",
        };
        writeln!(f, "on-stop = \"{on_stop}\"")?;
        writeln!(f, "\n[domain]\n{domain}")?;
        writeln!(
            f,
            "[syncd]\nsocket = {}",
            Quoted(&syncd_socket.to_string_lossy())
        )?;
        writeln!(
            f,
            "\n[control]\nsocket = {}",
            Quoted(&control_socket.to_string_lossy())
        )?;
        writeln!(f, "mode = \"{control_mode:04o}\"")?;
        write!(f, "\n[log]\nfilter = {}", Quoted(log_filter))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            local,
            peer,
            tcp_port,
            bind_device,
            bridge,
            peer_link,
            ports,
            system_mac,
            node_mac,
            priority,
            keepalive,
            session_timeout,
            ack_timeout,
            restart_hold,
        } = self;
        writeln!(f, "id = {id}")?;
        writeln!(f, "local = \"{local}\"")?;
        writeln!(f, "peer = \"{peer}\"")?;
        writeln!(f, "tcp-port = {tcp_port}")?;
        if let Some(device) = bind_device {
            writeln!(f, "bind-device = {}", Quoted(device.as_str()))?;
        }
        writeln!(f, "bridge = {}", Quoted(bridge.as_str()))?;
        if let Some(peer_link) = peer_link {
            writeln!(f, "peer-link = {}", Quoted(peer_link.as_str()))?;
        }
        let ports: Vec<String> = ports
            .iter()
            .map(|p| Quoted(p.as_str()).to_string())
            .collect();
        writeln!(f, "ports = [{}]", ports.join(", "))?;
        if let Some(mac) = system_mac {
            writeln!(f, "system-mac = \"{mac}\"")?;
        }
        if let Some(mac) = node_mac {
            writeln!(f, "node-mac = \"{mac}\"")?;
        }
        writeln!(f, "priority = {priority}")?;
        writeln!(f, "keepalive = \"{}\"", DurationText(*keepalive))?;
        writeln!(
            f,
            "session-timeout = \"{}\"",
            DurationText(*session_timeout)
        )?;
        writeln!(f, "ack-timeout = \"{}\"", DurationText(*ack_timeout))?;
        writeln!(f, "restart-hold = \"{}\"", DurationText(*restart_hold))
    }
}

/// A text as a TOML basic string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\U{:08x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests;
