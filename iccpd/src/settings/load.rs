//! Reads a settings file of whichever kind.

use super::legacy::{self, Legacy, Warning};
use super::{LEGACY_FILE, MAX_FILE, Settings, file};
use mclag_daemon::settings::{self as daemon, SettingsError};
use std::io;
use std::path::Path;

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

/// Read and check a settings file, TOML or `iccpd.conf`.
///
/// A file whose name ends in `.toml` is TOML; any other is what it looks like. As with the earlier
/// daemons, [`LEGACY_FILE`] need not exist: then the shim describes the pair.
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
    if looks_like_legacy(path, bytes) {
        return parse_legacy(path, Some(bytes));
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
    let (settings, legacy) = legacy::parse(bytes).map_err(|problems| SettingsError::Wrong {
        report: legacy::report(path, &problems),
    })?;
    Ok(Loaded {
        settings,
        legacy: Some(legacy),
        odd: Vec::new(),
    })
}

/// How every TOML file of ours begins, but for comments.
const TOML_BEGINS: [&[u8]; 5] = [b"on-stop", b"[domain]", b"[syncd]", b"[control]", b"[log]"];

/// The first line that says anything tells: a table of ours begins a TOML file, a known key an
/// `iccpd.conf`. Where neither does, the file's name decides.
fn looks_like_legacy(path: &Path, bytes: &[u8]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    if extension == Some("toml") {
        return false;
    }
    for line in bytes.split(|b| *b == b'\n') {
        let line = legacy::trim_start(line);
        if TOML_BEGINS.iter().any(|begin| line.starts_with(begin)) {
            return false;
        }
        if legacy::is_known(line) {
            return true;
        }
    }
    extension == Some("conf")
}
