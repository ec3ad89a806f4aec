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
    /// otherwise than it was meant, or the file is the example that nobody has changed.
    pub fn verdict(&self, path: &Path) -> Result<(), Unfit> {
        let mut warnings = self.warnings().iter();
        if warnings.any(|w| w.weight == Weight::Misread) {
            return Err(Unfit::Misread(path.to_owned()));
        }
        match self.is_example() {
            true => Err(Unfit::Example(path.to_owned())),
            false => Ok(()),
        }
    }

    /// Whether it says what the example says that comes with the program, which describes no pair of anybody's.
    fn is_example(&self) -> bool {
        file::parse(EXAMPLE).is_ok_and(|(example, _)| example == self.settings)
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

/// A file that can be used, and does not do what its author wants.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It is read otherwise than it was meant.
    #[error("{} does not do what it says with the daemon that it is for: see the warnings", .0.display())]
    Misread(PathBuf),
    /// Nothing was changed in it.
    #[error("{} is the example as it comes: write down the addresses and ports of your pair", .0.display())]
    Example(PathBuf),
}

const EXAMPLE: &str = include_str!("../../../packaging/examples/iccpd.toml");

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

/// Tables of our TOML files, with one of which every one begins, but for comments and [`TOML_KEYS`].
const TOML_TABLES: [&[u8]; 5] = [b"domain", b"syncd", b"control", b"log", b"record"];

/// Keys of our TOML files before any table.
const TOML_KEYS: [&[u8]; 1] = [b"on-stop"];

/// How an `/etc/network/interfaces` begins, but for comments (interfaces(5)).
const INTERFACES_WORDS: [&[u8]; 11] = [
    b"auto",
    b"iface",
    b"mapping",
    b"allow-auto",
    b"allow-hotplug",
    b"no-auto-down",
    b"no-scripts",
    b"rename",
    b"source",
    b"source-directory",
    b"template",
];

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
        if is_toml(line) {
            return Kind::Toml;
        } else if legacy::is_known(line) {
            return Kind::Legacy;
        } else if begins_with(line, &INTERFACES_WORDS).is_some_and(is_blank) {
            return Kind::Interfaces { line: at + 1 };
        }
    }
    match extension {
        Some("conf") => Kind::Legacy,
        _ => Kind::Toml,
    }
}

/// A table of ours, `[domain]` or `[[control.mclagdctl]]`, or a key of ours.
fn is_toml(line: &[u8]) -> bool {
    let Some(table) = line.strip_prefix(b"[") else {
        let ends = |rest: &[u8]| is_blank(rest) || rest.starts_with(b"=");
        return begins_with(line, &TOML_KEYS).is_some_and(ends);
    };
    let table = legacy::trim_start(table.strip_prefix(b"[").unwrap_or(table));
    let ends = |rest: &[u8]| is_blank(rest) || rest.starts_with(b"]") || rest.starts_with(b".");
    begins_with(table, &TOML_TABLES).is_some_and(ends)
}

/// What follows the longest of these words that the line begins with.
fn begins_with<'a>(line: &'a [u8], words: &[&[u8]]) -> Option<&'a [u8]> {
    let rests = words.iter().filter_map(|word| line.strip_prefix(*word));
    rests.min_by_key(|rest| rest.len())
}

fn is_blank(rest: &[u8]) -> bool {
    rest.starts_with(b" ") || rest.starts_with(b"\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(text: &str) -> &'static str {
        match kind(Path::new("settings"), text.as_bytes()) {
            Kind::Toml => "toml",
            Kind::Legacy => "legacy",
            Kind::Interfaces { .. } => "interfaces",
        }
    }

    /// The rest of each of these files would make it an `iccpd.conf`.
    #[test]
    fn whatever_a_file_of_ours_begins_with_shows_what_it_is() {
        let example = include_str!("../../../packaging/examples/iccpd.toml");
        let switched_on = example.lines().map(|line| line.trim_start_matches("# "));
        let tables: Vec<&str> = switched_on.filter(|line| line.starts_with('[')).collect();
        assert!(tables.len() >= 6, "{tables:?}");
        let others = [
            "on-stop = \"keep\"",
            "on-stop=\"keep\"",
            "[ record ]",
            "[log] # x",
        ];
        for line in tables.into_iter().chain(others) {
            assert_eq!(is(&format!("# a\n{line}\nmclag_id:1\n")), "toml", "{line}");
        }
        for line in ["on-stopped:1", "[domains]", "[logs]", "[x.record]"] {
            assert_eq!(is(&format!("{line}\nmclag_id:1\n")), "legacy", "{line}");
        }
    }

    #[test]
    fn a_word_that_only_begins_like_one_of_interfaces_is_none() {
        for word in INTERFACES_WORDS {
            let word = str::from_utf8(word).unwrap();
            for (line, kind) in [
                (format!("{word} x"), "interfaces"),
                (format!("  {word}\tx"), "interfaces"),
                (format!("{word}x y"), "legacy"),
                (format!("{word}: x"), "legacy"),
                (format!("{word}_ip:10.0.0.1"), "legacy"),
                (word.to_owned(), "legacy"),
            ] {
                assert_eq!(is(&format!("{line}\nmclag_id:1\n")), kind, "{line}");
            }
        }
    }

    #[test]
    fn a_key_of_linux_mclag_ends_where_a_word_does() {
        for (line, kind) in [
            ("bind_lacp:a", "legacy"),
            ("bind_lacp = a", "legacy"),
            ("bind_lacps:a", "toml"),
            ("mclag_id:1", "legacy"),
        ] {
            assert_eq!(is(&format!("{line}\n[domain]\n")), kind, "{line}");
        }
    }
}
