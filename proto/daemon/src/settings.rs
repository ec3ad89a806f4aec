//! Reads a settings file, and says what is wrong with it, and where.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use mclag_proto::{IfName, Mac};
use nix::fcntl::OFlag;

/// Longest part of a line that is shown, in characters.
const MAX_EXCERPT: usize = 100;

/// Problems that are shown; of more than these, their number.
const MAX_PROBLEMS: usize = 20;

/// Longest message that is shown, in characters.
const MAX_MESSAGE: usize = 1000;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where, in bytes; `None` when it concerns the whole file.
    pub span: Option<Range<usize>>,
    /// What.
    pub message: String,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file could not be read.
    #[error("cannot read settings {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file is longer than any settings can be.
    #[error("settings {} are longer than {limit} bytes", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// What is allowed, in bytes.
        limit: u64,
    },
    /// The file was read, and says something that cannot be.
    #[error("{report}")]
    Wrong {
        /// All of it, ready to be shown.
        report: String,
    },
}

impl SettingsError {
    /// The system does not let us read `path`, or what it has is no text.
    #[must_use]
    pub fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }

    /// Whether the next attempt fails, too, unless somebody changes the file: not where the system could not read it.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Unreadable { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
            ),
            Self::TooLong { .. } | Self::Wrong { .. } => true,
        }
    }

    /// Problems with the text of a file, in the order in which they stand there. Of many, the first ones and how many
    /// more there are.
    pub fn wrong(path: &Path, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|p| p.span.as_ref().map_or(0, |s| s.start));
        let mut shown: Vec<String> = problems
            .iter()
            .take(MAX_PROBLEMS)
            .map(|problem| {
                Located {
                    path,
                    text,
                    problem,
                }
                .to_string()
            })
            .collect();
        let more = problems.len().saturating_sub(MAX_PROBLEMS);
        if more > 0 {
            shown.push(format!("{}: and {more} more", path.display()));
        }
        Self::Wrong {
            report: shown.join("\n"),
        }
    }
}

/// The contents of a settings file.
///
/// # Errors
///
/// When it cannot be read, or has more than `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, SettingsError> {
    let unreadable = |source| SettingsError::unreadable(path, source);
    let mut bytes = Vec::new();
    // A pipe that nobody writes to, or a terminal, would be waited for.
    let nonblocking = OFlag::O_NONBLOCK.bits();
    let opened = File::options()
        .read(true)
        .custom_flags(nonblocking)
        .open(path);
    let file = opened.map_err(unreadable)?;
    let is_file = file.metadata().map_err(unreadable)?.is_file();
    if !is_file {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Err(unreadable(error));
    }
    let limited = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    let length = limited.map_err(unreadable)?;
    if u64::try_from(length).unwrap_or(u64::MAX) > limit {
        return Err(SettingsError::TooLong {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

/// The name of an interface that Linux can have.
///
/// # Errors
///
/// When it is none, for a person.
pub fn interface(text: &str) -> Result<IfName, String> {
    let name = IfName::new(text).ok().filter(IfName::fits_kernel);
    name.ok_or_else(|| {
        let (shown, len, max) = (Shown(text), text.len(), IfName::KERNEL_MAX);
        if len > max {
            format!("{shown} has {len} bytes; Linux allows {max} in the name of an interface")
        } else {
            format!("{shown} is not an interface name: printable, without blank, '/' or ':'")
        }
    })
}

/// The MAC of one host.
///
/// # Errors
///
/// When it is none, for a person.
pub fn unicast_mac(text: &str) -> Result<Mac, String> {
    match text.parse::<Mac>() {
        Ok(mac) if mac.is_unicast() => Ok(mac),
        Ok(mac) => Err(format!("{mac} is not a unicast MAC")),
        Err(error) => Err(format!("{}: {error}", Shown(text))),
    }
}

/// The address of one host.
///
/// # Errors
///
/// When it is none, for a person.
pub fn unicast_address(text: &str) -> Result<IpAddr, String> {
    let address = text.parse::<IpAddr>();
    let address = address.map_err(|_| format!("{} is not an IP address", Shown(text)))?;
    // An IPv4 address in IPv6 clothes compares unequal to the same address without.
    let address = address.to_canonical();
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || broadcast {
        return Err(format!("{address} is not a unicast address"));
    }
    Ok(address)
}

/// A settings file as text.
///
/// # Errors
///
/// When it is not UTF-8.
pub fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, SettingsError> {
    str::from_utf8(bytes).map_err(|error| {
        SettingsError::unreadable(path, io::Error::new(io::ErrorKind::InvalidData, error))
    })
}

/// A problem with the line it is in.
struct Located<'a> {
    path: &'a Path,
    text: &'a str,
    problem: &'a Problem,
}

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let message = &self.problem.message;
        let message: String = message.chars().take(MAX_MESSAGE).collect();
        let Some(span) = &self.problem.span else {
            return write!(f, "{path}: {message}");
        };
        let (line, start) = line_of(self.text, span.start);
        let content = self.text[start..].lines().next().unwrap_or_default();
        let before = self.text[start..].get(..span.start.saturating_sub(start));
        let column = before.unwrap_or_default().chars().count();
        let marked = self.text.get(span.clone()).unwrap_or_default();
        let marked = marked.lines().next().map_or(1, |m| m.chars().count());

        // Of a long line, what is around the place.
        let (cut, begin) = match column {
            0..MAX_EXCERPT => ("", 0),
            _ => ("...", column - MAX_EXCERPT / 2),
        };
        let excerpt: String = content.chars().skip(begin).take(MAX_EXCERPT).collect();
        let indent = column - begin;
        let marks = "^".repeat(marked.clamp(1, MAX_EXCERPT - indent));
        // Not by a width of the format: those end at 65,535.
        let indent = " ".repeat(cut.len() + indent);

        writeln!(f, "{path}:{line}:{}: {message}", column + 1)?;
        let margin = line.to_string().len();
        writeln!(f, " {line} | {cut}{excerpt}")?;
        write!(f, " {:margin$} | {indent}{marks}", "")
    }
}

/// Number of the line that holds byte `at`, counted from 1, and where it begins.
pub fn line_of(text: &str, at: usize) -> (usize, usize) {
    let mut line = 1;
    let mut start = 0;
    for (index, _) in text
        .match_indices('\n')
        .take_while(|(index, _)| *index < at)
    {
        line += 1;
        start = index + 1;
    }
    (line, start)
}

/// A text in quotes, of which nobody wants to read more than a line.
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(40).collect();
        write!(f, "{shown:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_test_support::TempDir;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let dir = TempDir::new("settings");
        let fifo = dir.path("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        for path in [&fifo, Path::new("/dev/zero"), Path::new("/")] {
            let error = read(path, 100).unwrap_err();
            let SettingsError::Unreadable { source, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(
                source.to_string(),
                "not a regular file",
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_place_far_to_the_right_is_shown_with_what_is_around_it() {
        let text = format!("a = 1\nx = \"{}\" z\n", "y".repeat(70_000));
        let at = text.find('z').unwrap();
        let problem = Problem {
            span: Some(at..at + 1),
            message: "not expected".to_owned(),
        };
        let error = SettingsError::wrong(Path::new("f"), &text, vec![problem]);
        let y = "y".repeat(48);
        let wanted = format!(
            "f:2:70008: not expected\n 2 | ...{y}\" z\n   | {}^",
            " ".repeat(53)
        );
        assert_eq!(error.to_string(), wanted);
    }

    #[test]
    fn a_report_of_many_problems_names_the_first_ones_and_stays_short() {
        let text = "wrong ".repeat(2000);
        let problems = (0..2000).map(|number| Problem {
            span: Some(number * 6..number * 6 + 5),
            message: "not known".to_owned(),
        });
        let error = SettingsError::wrong(Path::new("f"), &text, problems.collect());
        let report = error.to_string();
        assert!(report.len() < 64 << 10, "{}", report.len());
        assert!(report.starts_with("f:1:1: not known\n"), "{report}");
        assert!(report.ends_with("\nf: and 1980 more"), "{report}");
    }
}
