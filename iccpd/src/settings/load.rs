//! Reads a settings file of whichever kind.

use super::legacy::{self, Legacy, Warning, Weight};
use super::{LEGACY_FILE, MAX_FILE, Settings, file};
use mclag_daemon::settings::{self as daemon, SettingsError};
use std::io;
use std::path::{Path, PathBuf};

/// Settings, and how they came about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What else there is to say when they were an `iccpd.conf`.
    pub legacy: Option<Legacy>,
    /// What is odd about a TOML file, in the order of its lines.
    odd: Vec<Warning>,
}

impl Loaded {
    /// What a reader of the file should know, in the order of its lines.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        self.legacy
            .as_ref()
            .map_or(&self.odd, |legacy| &legacy.warnings)
    }

    /// The verdict on the file, which `path` names: whether it does what it says. A daemon uses one that
    /// does not all the same, as the daemon does for which it was written.
    ///
    /// # Errors
    ///
    /// When one of the warnings is of something that the daemon for which the file was written reads
    /// otherwise than it was meant.
    pub fn verdict(&self, path: &Path) -> Result<(), Misread> {
        let mut warnings = self.warnings().iter();
        match warnings.any(|w| w.weight == Weight::Misread) {
            true => Err(Misread(path.to_owned())),
            false => Ok(()),
        }
    }

    /// The settings as a TOML file that means the same, with every default written out; `path` is
    /// where they were read from.
    #[must_use]
    pub fn to_toml(&self, path: &Path) -> String {
        match &self.legacy {
            Some(legacy) => legacy.to_toml(&self.settings, path),
            None => format!("{}\n", self.settings),
        }
    }
}

/// A file that can be used, and is read otherwise than it was meant.
#[derive(Debug, thiserror::Error)]
#[error("{} does not do what it says with the daemon that it is for: see the warnings", .0.display())]
pub struct Misread(PathBuf);

/// Read and check a settings file, TOML or `iccpd.conf`.
///
/// A file whose name ends in `.toml` is TOML; any other is what it looks like. As with the earlier
/// daemons, [`LEGACY_FILE`] need not exist: then the dataplane describes the pair.
///
/// # Errors
///
/// When it cannot be read, or what it says cannot be used. An `iccpd.conf` is read as leniently
/// as the earlier daemons do, see [`legacy`].
pub fn load(path: &Path) -> Result<Loaded, SettingsError> {
    let bytes = match daemon::read(path, MAX_FILE) {
        Err(SettingsError::Unreadable { source, .. })
            if source.kind() == io::ErrorKind::NotFound && path == Path::new(LEGACY_FILE) =>
        {
            return parse_legacy(path, None);
        }
        result => result?,
    };
    parse(path, &bytes)
}

/// Check the contents of a file as [`load`] does.
///
/// # Errors
///
/// See [`load`].
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Loaded, SettingsError> {
    match kind(path, bytes) {
        Kind::Toml => {}
        Kind::Legacy => return parse_legacy(path, Some(bytes)),
        Kind::Interfaces { line } => {
            let path = path.display();
            let report = format!(
                "{path}:{line}: this is a file of interfaces (ifupdown), which describes no pair: \
                 neither settings in TOML nor an iccpd.conf"
            );
            return Err(SettingsError::Wrong { report });
        }
    }
    let text = daemon::text(path, bytes)?;
    let (settings, odd) =
        file::parse(text).map_err(|problems| SettingsError::wrong(path, text, problems))?;
    Ok(Loaded {
        settings,
        legacy: None,
        odd,
    })
}

fn parse_legacy(path: &Path, bytes: Option<&[u8]>) -> Result<Loaded, SettingsError> {
    let (settings, legacy) = legacy::parse(bytes).map_err(|unusable| SettingsError::Wrong {
        report: legacy::report(path, &unusable),
    })?;
    Ok(Loaded {
        settings,
        legacy: Some(legacy),
        odd: Vec::new(),
    })
}

/// How every TOML file of ours begins, but for comments.
const TOML_BEGINS: [&[u8]; 5] = [b"on-stop", b"[domain]", b"[syncd]", b"[control]", b"[log]"];

/// How an `/etc/network/interfaces` begins, but for comments.
const INTERFACES_BEGINS: [&[u8]; 4] = [b"auto ", b"iface ", b"allow-hotplug ", b"source"];

/// What a file is.
enum Kind {
    Toml,
    Legacy,
    /// None of ours; the line, counted from 1, that tells.
    Interfaces {
        line: usize,
    },
}

/// The first line that says anything tells: a table of ours begins a TOML file, a known key an
/// `iccpd.conf`. Where neither does, the file's name decides.
fn kind(path: &Path, bytes: &[u8]) -> Kind {
    let extension = path.extension().and_then(|e| e.to_str());
    if extension == Some("toml") {
        return Kind::Toml;
    }
    for (at, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = legacy::trim_start(line);
        let begins = |words: &[&[u8]]| words.iter().any(|word| line.starts_with(word));
        if begins(&TOML_BEGINS) {
            return Kind::Toml;
        } else if legacy::is_known(line) {
            return Kind::Legacy;
        } else if begins(&INTERFACES_BEGINS) {
            return Kind::Interfaces { line: at + 1 };
        }
    }
    match extension {
        Some("conf") => Kind::Legacy,
        _ => Kind::Toml,
    }
}
