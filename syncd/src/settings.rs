//! The settings file: what an operator writes, checked before anything starts.
//!
//! Everything in it has a default; without a file the defaults count. Whatever is wrong is
//! reported with file, line and column.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mclag_daemon::log;
use mclag_daemon::settings::{self as daemon, Problem};
use mclag_daemon::socket::Purpose;
use mclag_proto::IfName;
use nix::unistd::{Gid, Group, User, getegid, geteuid, getgroups};
use serde::Deserialize;
use toml::Spanned;

use crate::legacy;
use crate::server::Access;

mod legacy_table;
mod mclagsyncd_table;

pub use mclagsyncd_table::{Mclagsyncd, Protocol};

pub use mclag_daemon::settings::SettingsError;

/// Where the settings file is unless told otherwise.
pub const DEFAULT_DIRECTORY: &str = "/etc/mclag";

/// Run directory unless told otherwise.
pub const DEFAULT_RUN_DIR: &str = "/run/mclag";

/// What is logged unless told otherwise.
pub const DEFAULT_LOG_FILTER: &str = "info";

/// The group that may ask how the dataplane is unless told otherwise, where it exists.
const OPERATORS: &str = "mclag";

/// Largest settings file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 20;

/// Name of the socket in the run directory.
pub(crate) const SOCKET: &str = "mclagsyncd.sock";

/// Name of the operator's socket in the run directory.
pub(crate) const CONTROL: &str = "mclagsyncd-ctl.sock";

/// Name of the file in the run directory that remembers settings from before.
pub(crate) const ORIGINALS: &str = "mclagsyncd-originals.json";

/// Name of the file in the run directory that remembers the pair that a foreign server named.
pub(crate) const PAIR: &str = "mclagsyncd-pair.json";

/// Checked settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// The dataplane.
    pub backend: BackendKind,
    /// Directory of the socket and of what has to be remembered over a restart.
    pub run_dir: PathBuf,
    /// What happens to the dataplane when the server stops.
    pub on_stop: OnStop,
    /// How long the dataplane stays as it is without a client; none: for ever.
    pub restore_after: Option<Duration>,
    /// Who may connect.
    pub access: Access,
    /// What is logged, in the syntax of `tracing-subscriber`'s `EnvFilter`.
    pub log_filter: String,
    /// The bridge of the pair; none for the first that a client names.
    pub bridge: Option<IfName>,
    /// Interfaces outside of it that may get another address and neighbours; with none, LAGs.
    pub routed: Vec<IfName>,
    /// Ports that the dataplane of [`BackendKind::Record`] has.
    pub record_ports: Vec<IfName>,
    /// Where legacy clients are listened for, and what they are told.
    pub legacy: legacy::Options,
    /// A foreign server that keeps the forwarding table; the dataplane does the rest beside it.
    pub mclagsyncd: Option<Mclagsyncd>,
}

/// Which dataplane to work on.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// The bridge, bonds and filter of the running kernel.
    #[default]
    Linux,
    /// None: remembers what it is asked. For trying things out.
    Record,
}

/// What happens to the dataplane when the server stops.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum OnStop {
    /// It goes on forwarding as it is: the server is expected back soon.
    #[default]
    Leave,
    /// It is made what it was without us.
    Restore,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[derive(Default)]
struct File {
    backend: BackendKind,
    run_dir: Option<Spanned<PathBuf>>,
    on_stop: OnStop,
    restore_after: Option<Spanned<Value>>,
    bridge: Option<Spanned<String>>,
    routed: Vec<Spanned<String>>,
    access: AccessTable,
    log: LogTable,
    record: RecordTable,
    legacy: legacy_table::LegacyTable,
    mclagsyncd: Option<Spanned<mclagsyncd_table::MclagsyncdTable>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct AccessTable {
    users: Vec<Spanned<Value>>,
    group: Option<Spanned<Value>>,
    status_group: Option<Spanned<Value>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct LogTable {
    filter: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RecordTable {
    ports: Vec<Spanned<String>>,
}

/// A name or a number.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a name or a number that is not negative"
)]
enum Value {
    Number(u32),
    Text(String),
}

impl Settings {
    /// Read and check a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or anything in it is wrong.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let bytes = daemon::read(path, MAX_FILE)?;
        Self::parse(path, daemon::text(path, &bytes)?)
    }

    /// Check the text of a file; `path` is what errors call it.
    ///
    /// # Errors
    ///
    /// When anything in it is wrong; all of it is reported.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let mut problems = Vec::new();
        let settings = match toml::from_str::<File>(text) {
            Ok(file) => check(file, &mut problems),
            Err(error) => {
                problems.push(Problem {
                    span: error.span(),
                    message: error.message().trim_end().to_owned(),
                });
                check(File::default(), &mut Vec::new())
            }
        };
        if problems.is_empty() {
            return Ok(settings);
        }
        Err(SettingsError::wrong(path, text, problems))
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join(SOCKET)
    }

    /// The operator's socket.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.run_dir.join(CONTROL)
    }

    /// What of these settings differs from those that a server was started with and counts only
    /// from its next start on, by the names it has in the file.
    #[must_use]
    pub fn for_next_start(&self, started: &Self) -> Vec<&'static str> {
        let differs = [
            ("backend", self.backend != started.backend),
            ("run-dir", self.run_dir != started.run_dir),
            ("[access] group", self.access.group != started.access.group),
            (
                "[access] status-group",
                self.access.status_group != started.access.status_group,
            ),
            ("[log] filter", self.log_filter != started.log_filter),
            ("[record] ports", self.record_ports != started.record_ports),
            (
                "[legacy] listen",
                self.legacy.listen != started.legacy.listen,
            ),
            (
                "[legacy] bridge",
                self.legacy.bridge != started.legacy.bridge,
            ),
            ("[mclagsyncd]", self.mclagsyncd != started.mclagsyncd),
        ];
        let differs = differs.into_iter().filter(|(_, differs)| *differs);
        differs.map(|(name, _)| name).collect()
    }

    /// Files of the run directory that are written: those below, also by the names that they have while they are written
    /// and had in earlier versions.
    #[must_use]
    pub fn state_files(&self) -> Vec<PathBuf> {
        let earlier = self.run_dir.join(crate::migrate::OLD_ORIGINALS);
        let files = [self.originals(), self.pair()];
        let fresh = files.iter().map(|file| file.with_extension("new"));
        fresh.chain([earlier]).chain(files.clone()).collect()
    }

    /// The file that remembers settings from before.
    #[must_use]
    pub fn originals(&self) -> PathBuf {
        self.run_dir.join(ORIGINALS)
    }

    /// The file that remembers the pair that a foreign server named.
    #[must_use]
    pub fn pair(&self) -> PathBuf {
        self.run_dir.join(PAIR)
    }
}

fn check(file: File, problems: &mut Vec<Problem>) -> Settings {
    let File {
        backend,
        run_dir,
        on_stop,
        restore_after,
        bridge,
        routed,
        access,
        log,
        record,
        legacy,
        mclagsyncd,
    } = file;
    let mut wrong = |span: Range<usize>, message: String| {
        problems.push(Problem {
            span: Some(span),
            message,
        });
    };
    let run_dir = match run_dir {
        None => PathBuf::from(DEFAULT_RUN_DIR),
        Some(dir) => {
            let span = dir.span();
            let dir = dir.into_inner();
            if !dir.is_absolute() {
                wrong(span, format!("{}: not an absolute path", dir.display()));
            } else if Purpose::Listen.check(&dir.join(CONTROL)).is_err() {
                wrong(span, "the path is too long for a socket in it".to_owned());
            }
            dir
        }
    };
    let restore_after = restore_after.and_then(|text| {
        let span = text.span();
        let parsed = match text.into_inner() {
            Value::Number(seconds) => Ok(Some(Duration::from_secs(seconds.into()))),
            Value::Text(text) => duration(&text),
        };
        parsed.unwrap_or_else(|message| {
            wrong(span, message);
            None
        })
    });
    let bridge = bridge.and_then(|name| match IfName::new(name.get_ref()) {
        Ok(name) => Some(name),
        Err(error) => {
            wrong(name.span(), error.to_string());
            None
        }
    });
    let mut found = Access::default();
    for user in access.users {
        match id_of("user", user.get_ref(), user_id) {
            Ok(id) => found.users.push(id),
            Err(message) => wrong(user.span(), message),
        }
    }
    if let Some(group) = access.group {
        match id_of("group", group.get_ref(), group_id) {
            Ok(id) => found.group = Some(id),
            Err(message) => wrong(group.span(), message),
        }
    }
    found.status_group = match access.status_group {
        None => operators(),
        Some(group) => match id_of("group", group.get_ref(), group_id) {
            Ok(id) => Some(id),
            Err(message) => {
                wrong(group.span(), message);
                None
            }
        },
    };
    let log_filter = log.filter.map(|filter| {
        if let Err(error) = log::parse_filter(filter.get_ref()) {
            wrong(filter.span(), error.to_string());
        }
        filter.into_inner()
    });
    let record_ports = names(record.ports, &mut wrong);
    let routed = names(routed, &mut wrong);
    let legacy = legacy_table::check(legacy, &mut wrong);
    let mclagsyncd = mclagsyncd.map(|table| {
        if !legacy.listen.is_empty() {
            let message = "a legacy client connects to that server itself: `listen` of [legacy] \
                           cannot be used beside it";
            wrong(table.span(), message.to_owned());
        }
        mclagsyncd_table::check(table.get_ref(), &mut wrong)
    });
    Settings {
        backend,
        run_dir,
        on_stop,
        restore_after,
        bridge,
        routed,
        access: found,
        log_filter: log_filter.unwrap_or_else(|| DEFAULT_LOG_FILTER.to_owned()),
        record_ports,
        legacy,
        mclagsyncd,
    }
}

/// Names of interfaces, each once.
fn names(
    values: Vec<Spanned<String>>,
    wrong: &mut impl FnMut(Range<usize>, String),
) -> Vec<IfName> {
    let mut names = Vec::new();
    for value in values {
        match IfName::new(value.get_ref()) {
            Ok(name) if names.contains(&name) => {
                wrong(value.span(), format!("{name} is named twice"));
            }
            Ok(name) => names.push(name),
            Err(error) => wrong(value.span(), error.to_string()),
        }
    }
    names
}

fn duration(text: &str) -> Result<Option<Duration>, String> {
    if text == "never" {
        return Ok(None);
    }
    let unit = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(unit.unwrap_or(text.len()));
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    let number: u32 = number.parse().unwrap_or(0);
    match u64::from(number) * scale {
        0 => Err("expected \"never\", or a duration such as \"30s\", \"5m\", \"1h\"".to_owned()),
        seconds => Ok(Some(Duration::from_secs(seconds))),
    }
}

fn id_of(
    what: &str,
    value: &Value,
    look_up: impl Fn(&str) -> nix::Result<Option<u32>>,
) -> Result<u32, String> {
    match value {
        Value::Number(id) => Ok(*id),
        Value::Text(name) => match look_up(name) {
            Ok(Some(id)) => Ok(id),
            Ok(None) => Err(format!("there is no {what} {name:?}")),
            Err(error) => Err(format!("cannot look up {what} {name:?}: {error}")),
        },
    }
}

/// The group of operators, if there is one and we may give it a socket.
fn operators() -> Option<u32> {
    let group = group_id(OPERATORS).ok().flatten()?;
    let is_ours = || getgroups().is_ok_and(|groups| groups.contains(&Gid::from_raw(group)));
    (geteuid().is_root() || getegid().as_raw() == group || is_ours()).then_some(group)
}

fn user_id(name: &str) -> nix::Result<Option<u32>> {
    Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
}

fn group_id(name: &str) -> nix::Result<Option<u32>> {
    Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
}

/// What would be used, as a settings file.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = match self.backend {
            BackendKind::Linux => "linux",
            BackendKind::Record => "record",
        };
        let on_stop = match self.on_stop {
            OnStop::Leave => "leave",
            OnStop::Restore => "restore",
        };
        writeln!(f, "backend = {backend:?}")?;
        writeln!(f, "run-dir = {:?}", self.run_dir.display().to_string())?;
        writeln!(f, "on-stop = {on_stop:?}")?;
        match self.restore_after {
            None => writeln!(f, "restore-after = \"never\"")?,
            Some(after) => writeln!(f, "restore-after = \"{}s\"", after.as_secs())?,
        }
        if let Some(bridge) = self.bridge {
            writeln!(f, "bridge = {:?}", bridge.as_str())?;
        }
        writeln!(f, "routed = {:?}", self.routed)?;
        writeln!(f, "\n[access]\nusers = {:?}", self.access.users)?;
        if let Some(group) = self.access.group {
            writeln!(f, "group = {group}")?;
        }
        if let Some(group) = self.access.status_group {
            writeln!(f, "status-group = {group}")?;
        }
        writeln!(f, "\n[log]\nfilter = {:?}", self.log_filter)?;
        if self.backend == BackendKind::Record {
            writeln!(f, "\n[record]\nports = {:?}", self.record_ports)?;
        }
        legacy_table::show(&self.legacy, f)?;
        match &self.mclagsyncd {
            Some(mclagsyncd) => mclagsyncd.fmt(f),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
