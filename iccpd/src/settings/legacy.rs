//! The `iccpd.conf` of earlier daemons (`spec/config-formats.md` 1).
//!
//! Both generations of it are read, and what they would make of a file is what we make of it:
//! SONiC's, and that of linux-mclag, which lists its ports with `bind_lacp`. A file is
//! linux-mclag's if that key comes before any `mclag_interface`, else SONiC's.
//!
//! Those daemons swallow mistakes silently: they ignore lines they do not know, end a line at the
//! first blank, cut it after 511 bytes, drop names they do not like. A [`Warning`] tells of each.
//! Only where they get nothing at all out of a line, it is read as it was probably meant: blanks
//! around separators and commas, `=` for `:`, IPv6 addresses, and a few keys of ours.
//!
//! No mistake makes a file useless as a whole, except that a pair must be described somewhere: SONiC's
//! server may do that at run time, linux-mclag's cannot. And a server that the file names is named in
//! the settings of our own `mclagsyncd`.

mod lines;
mod pair;
mod read;

use super::{Chassis, DEFAULT_CONTROL_MODE, DEFAULT_CONTROL_SOCKET, DEFAULT_LOG_FILTER, OnStop};
use super::{IccpDialect, LegacySocket, Settings, Syncd, server};
use iccp_core::OnLoss;
use lines::{Key, meant, original};
use mclag_proto::iccp::Dialect;
use mclag_proto::mclagdctl;
use read::Reading;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;

pub(super) use lines::trim_start;
pub(super) use pair::MAX_SONIC_ID;

/// Most warnings that are kept of one file; of the rest, only the number is told.
pub const MAX_WARNINGS: usize = 100;

/// Something that a reader of the file should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// The line, counted from 1; 0 when it is about the whole file.
    pub line: usize,
    /// What it does to the meaning of the file.
    pub weight: Weight,
    /// What, in one line.
    pub message: String,
    /// What to write instead, one line of the file each; empty if that is for the author to know.
    pub instead: Vec<String>,
}

/// What a [`Warning`] does to the meaning of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weight {
    /// The file is read as it was meant, by the earlier daemon as well.
    Note,
    /// The daemon that the file is for makes something else of it than it says.
    Misread,
}

impl Warning {
    /// With the name of the file, as editors expect it.
    #[must_use]
    pub fn located<'a>(&'a self, path: &'a Path) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            write!(f, "{}:", path.display())?;
            if self.line > 0 {
                write!(f, "{}:", self.line)?;
            }
            write!(f, " warning: {}", self.message)?;
            for line in &self.instead {
                f.write_str("\n  instead: ")?;
                for c in line.chars() {
                    match c {
                        // The line is to be copied.
                        '"' | '\'' => f.write_char(c)?,
                        c => write!(f, "{}", c.escape_debug())?,
                    }
                }
            }
            Ok(())
        })
    }
}

/// How settings came out of an `iccpd.conf`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Legacy {
    /// Whose file it is; `None` when no key tells, and it was read as SONiC's.
    pub generation: Option<Dialect>,
    /// In the order of lines, at most [`MAX_WARNINGS`] and one.
    pub warnings: Vec<Warning>,
    /// Where values come from, by their key in our TOML.
    origins: BTreeMap<&'static str, String>,
}

impl Legacy {
    /// The settings as TOML, with comments that say where values come from.
    #[must_use]
    pub fn to_toml(&self, settings: &Settings, path: &Path) -> String {
        let mut toml = format!(
            "# Converted from {}, read as {}.\n",
            // One line, whatever the name.
            path.display().to_string().escape_debug(),
            match self.generation {
                Some(Dialect::Sonic) => "a file of SONiC's iccpd",
                Some(Dialect::LinuxMclag) => "a file of linux-mclag's iccpd",
                None => "a file of SONiC's iccpd (no key tells)",
            }
        );
        toml += &format!(
            "# Where the server runs that it was made for, {} has to say so:\n",
            server::FILE
        );
        for line in server::table(self.generation.unwrap_or_default().name(), None) {
            toml += &format!("#     {line}\n");
        }
        if settings.domain.is_none() {
            toml += "# It does not describe a pair: that has to arrive from that server.\n";
        }
        if settings.chassis.bridge.is_none() {
            toml += "# `bridge` is not set: it is the one that the peer link or a port is a \
                     member of when\n# iccpd starts, or else \"Bridge\".\n";
        }
        for line in settings.to_string().lines() {
            toml += line;
            let key = line.split(" = ").next().unwrap_or_default();
            if let Some(origin) = self.origins.get(key) {
                toml += "  # ";
                toml += origin;
            }
            toml += "\n";
        }
        toml
    }
}

/// Read a file; `None` when there is none. Nothing can be used when the pair is described neither
/// there nor anywhere else; then the warnings say what is missing.
pub(super) fn parse(bytes: Option<&[u8]>) -> Result<(Settings, Legacy), Unusable> {
    let mut reading = Reading::new(bytes.unwrap_or_default());
    if bytes.is_none() {
        reading.warn(0, "there is no such file".into());
    }
    let generation = reading.generation();
    let (dialect, names_pair) = match generation {
        Some(Dialect::Sonic) => (IccpDialect::Sonic, true),
        Some(Dialect::LinuxMclag) => (IccpDialect::LinuxMclag, false),
        None => (IccpDialect::Auto, true),
    };
    let mut syncd = Syncd {
        names_pair,
        ..Syncd::default()
    };
    let mut chassis = Chassis {
        dialect,
        // That is what those daemons do, and their operators expect.
        on_loss: OnLoss::Release,
        ..Chassis::default()
    };
    reading.read(&mut syncd, &mut chassis);
    let domain = reading.pair(&syncd, &mut chassis);
    let is_enough = domain.is_some() || syncd.names_pair;
    let names_server = reading.names_server;
    let (warnings, mut origins) = reading.finish();
    if names_server {
        return Err(Unusable {
            why: "a server is named that has to be named elsewhere",
            warnings,
        });
    }
    if !is_enough {
        return Err(Unusable {
            why: "no pair is described completely",
            warnings,
        });
    }
    let whose = "as the daemon that the file is for";
    if generation.is_some() {
        origins.insert("dialect", whose.into());
    }
    origins.entry("names-pair").or_insert_with(|| whose.into());
    origins.insert("strict-sonic", whose.into());
    let settings = Settings {
        domain,
        chassis,
        on_stop: OnStop::Keep,
        syncd,
        control_socket: DEFAULT_CONTROL_SOCKET.into(),
        control_mode: DEFAULT_CONTROL_MODE,
        mclagdctl: vec![LegacySocket {
            path: mclagdctl::DEFAULT_SOCKET.into(),
            dialect: generation.unwrap_or_default(),
            mode: DEFAULT_CONTROL_MODE,
        }],
        log_filter: DEFAULT_LOG_FILTER.into(),
        record: None,
    };
    let legacy = Legacy {
        generation,
        warnings,
        origins,
    };
    Ok((settings, legacy))
}

/// A file that cannot be used.
pub(super) struct Unusable {
    why: &'static str,
    /// What is odd about it; among that the reason.
    warnings: Vec<Warning>,
}

/// Why a file cannot be used, and what else is odd about it, one line each.
pub(super) fn report(path: &Path, unusable: &Unusable) -> String {
    let mut report = format!("{}: {}", path.display(), unusable.why);
    for warning in &unusable.warnings {
        report += &format!("\n{}", warning.located(path));
    }
    report
}

/// Whether a line begins with a key that an earlier daemon knows.
pub(super) fn is_known(line: &[u8]) -> bool {
    let sonic = original(line, Dialect::Sonic);
    sonic.is_some() || meant(line).is_some_and(|(key, _)| key == Key::BindLacp)
}

#[cfg(test)]
mod tests;
