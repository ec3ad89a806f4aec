//! What an installation has under the names from when this program was called `syncd`.
//!
//! SONiC's ASIC daemon has that name, so the program has another now. Nothing has to be moved by hand: settings under the old
//! name are read, what is remembered of the dataplane is taken over, and the old names of the sockets lead to the new ones.

use std::fmt;
use std::fs::read_link;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::{Path, PathBuf};

use mclag_daemon::{files, socket};

use crate::settings::{CONTROL, ORIGINALS, SOCKET};

/// Name of the settings file.
const SETTINGS: &str = "mclagsyncd.toml";

/// What it was called.
const OLD_SETTINGS: &str = "syncd.toml";

/// Sockets of the run directory, and what they were called.
const SOCKETS: [(&str, &str); 2] = [(SOCKET, "syncd.sock"), (CONTROL, "syncd-ctl.sock")];

/// What the file was called that remembers settings from before.
pub(crate) const OLD_ORIGINALS: &str = "syncd-originals.json";

/// The settings file of a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingsFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it should be called, if it has its old name.
    pub better: Option<PathBuf>,
}

impl SettingsFile {
    /// The file in `directory`, if there is one. One with the old name counts only without one with the new.
    #[must_use]
    pub fn find(directory: &Path) -> Option<Self> {
        let (path, old) = (directory.join(SETTINGS), directory.join(OLD_SETTINGS));
        if path.exists() {
            return Some(Self { path, better: None });
        }
        old.exists().then_some(Self {
            path: old,
            better: Some(path),
        })
    }
}

/// Something was found under an old name.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The file that remembers settings from before has its new name now.
    TakenOver {
        /// The new name.
        path: PathBuf,
    },
    /// Both are there: the one with the new name counts.
    Ignored {
        /// The old name.
        path: PathBuf,
    },
    /// What has the name of that file was not written by an earlier version, and is left alone.
    NotOurs {
        /// The old name.
        path: PathBuf,
        /// What it is.
        reason: String,
    },
    /// An old name does not lead to the socket.
    NotLinked {
        /// The old name.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakenOver { path } => {
                let path = path.display();
                write!(f, "what an earlier version remembered is in {path} now")
            }
            Self::Ignored { path } => {
                let path = path.display();
                write!(f, "{path} of an earlier version is ignored; remove it")
            }
            Self::NotOurs { path, reason } => {
                let path = path.display();
                write!(f, "{path} is ignored: {reason}")
            }
            Self::NotLinked { path, reason } => {
                let path = path.display();
                write!(
                    f,
                    "clients that use the old name {path} are not served: {reason}"
                )
            }
        }
    }
}

/// An earlier version is in the way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// It runs.
    #[error("an earlier version of this program answers at {}; stop it first", .0.display())]
    Running(PathBuf),
    /// It may run.
    #[error("cannot find out whether an earlier version of this program answers at {}", .path.display())]
    Unknown {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// What it remembers cannot be taken over.
    #[error("cannot rename {}", .path.display())]
    Rename {
        /// The file with the old name.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// Take over what an earlier version left in the run directory. To be called before anything listens there.
///
/// # Errors
///
/// When an earlier version runs, or what it remembers of the dataplane cannot be taken over.
pub fn take_over(run_dir: &Path) -> Result<Option<Notice>, MigrateError> {
    // It may answer at either socket, and nothing is touched if it does.
    for (_, old) in SOCKETS {
        let old = run_dir.join(old);
        if old.is_symlink() {
            continue;
        }
        match socket::is_in_use(&old) {
            Ok(false) => {}
            Ok(true) => return Err(MigrateError::Running(old)),
            Err(source) => return Err(MigrateError::Unknown { path: old, source }),
        }
    }
    originals(run_dir)
}

/// Make the old names of the sockets lead to the new ones. To be called once these are listened at.
#[must_use]
pub fn link_old_names(run_dir: &Path) -> Vec<Notice> {
    let mut notices = Vec::new();
    for (new, old) in SOCKETS {
        let path = run_dir.join(old);
        if let Err(error) = link(new, &path) {
            let reason = error.to_string();
            notices.push(Notice::NotLinked { path, reason });
        }
    }
    notices
}

fn originals(run_dir: &Path) -> Result<Option<Notice>, MigrateError> {
    let (new, old) = (run_dir.join(ORIGINALS), run_dir.join(OLD_ORIGINALS));
    match files::open(&old) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let reason = error.to_string();
            return Ok(Some(Notice::NotOurs { path: old, reason }));
        }
    }
    if new.symlink_metadata().is_ok() {
        return Ok(Some(Notice::Ignored { path: old }));
    }
    match std::fs::rename(&old, &new) {
        Ok(()) => Ok(Some(Notice::TakenOver { path: new })),
        Err(source) => Err(MigrateError::Rename { path: old, source }),
    }
}

/// Make `old` lead to the file `new` of the same directory, in the place of a socket that nobody answers at.
fn link(new: &str, old: &Path) -> io::Result<()> {
    match old.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => {
            return if read_link(old)? == Path::new(new) {
                Ok(())
            } else {
                Err(io::Error::other("it is a link that leads elsewhere"))
            };
        }
        Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(old)?,
        Ok(_) => return Err(io::Error::other("it is not a socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    symlink(new, old)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::net::{UnixListener, UnixStream};

    use mclag_test_support::TempDir;
    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn settings_with_the_old_name_are_read_as_long_as_there_are_none_with_the_new() {
        let dir = TempDir::new("migrate-settings");
        let (new, old) = (dir.join("mclagsyncd.toml"), dir.join("syncd.toml"));
        assert_eq!(SettingsFile::find(&dir), None);
        dir.write("syncd.toml", "");
        let found = SettingsFile::find(&dir).unwrap();
        assert_eq!((found.path, found.better), (old, Some(new.clone())));
        dir.write("mclagsyncd.toml", "");
        let found = SettingsFile::find(&dir).unwrap();
        assert_eq!((found.path, found.better), (new, None));
    }

    #[test]
    fn what_an_earlier_version_remembered_is_taken_over_once() {
        let dir = TempDir::new("migrate-originals");
        dir.write("syncd-originals.json", "old");
        let path = dir.join("mclagsyncd-originals.json");
        let taken = take_over(&dir).unwrap();
        assert_eq!(taken, Some(Notice::TakenOver { path }));
        assert_eq!(dir.read("mclagsyncd-originals.json").unwrap(), "old");
        assert_eq!(dir.read("syncd-originals.json"), None);
        assert_eq!(take_over(&dir).unwrap(), None);
        // What came later counts, and nothing is lost.
        dir.write("syncd-originals.json", "older");
        let path = dir.join("syncd-originals.json");
        let taken = take_over(&dir).unwrap();
        assert_eq!(taken, Some(Notice::Ignored { path }));
        assert_eq!(dir.read("mclagsyncd-originals.json").unwrap(), "old");
        assert_eq!(dir.read("syncd-originals.json").unwrap(), "older");
    }

    #[test]
    fn old_names_of_sockets_lead_to_the_new_ones() {
        let dir = TempDir::new("migrate-sockets");
        // Left behind by an earlier version that was killed.
        drop(UnixListener::bind(dir.join("syncd.sock")).unwrap());
        assert_eq!(take_over(&dir).unwrap(), None);
        assert_eq!(link_old_names(&dir), []);
        for (new, old) in [
            ("mclagsyncd.sock", "syncd.sock"),
            ("mclagsyncd-ctl.sock", "syncd-ctl.sock"),
        ] {
            let listener = UnixListener::bind(dir.join(new)).unwrap();
            UnixStream::connect(dir.join(old)).unwrap();
            listener.accept().unwrap();
        }
        assert_eq!(link_old_names(&dir), [], "and they stay");
    }

    #[test]
    fn a_link_of_somebody_else_is_left_alone_and_said() {
        let dir = TempDir::new("migrate-elsewhere");
        symlink("/elsewhere", dir.join("syncd.sock")).unwrap();
        let notices = link_old_names(&dir);
        assert!(
            matches!(&notices[..], [Notice::NotLinked { path, .. }] if path.ends_with("syncd.sock")),
            "{notices:?}"
        );
    }

    #[test]
    fn an_earlier_version_that_runs_is_left_alone() {
        let dir = TempDir::new("migrate-running");
        let socket = dir.join("syncd-ctl.sock");
        let _running = UnixListener::bind(&socket).unwrap();
        dir.write("syncd-originals.json", "its own");
        let error = take_over(&dir).unwrap_err().to_string();
        assert!(error.contains("syncd-ctl.sock"), "{error}");
        assert_eq!(dir.read("syncd-originals.json").unwrap(), "its own");
        UnixStream::connect(&socket).unwrap();
        assert!(!dir.join("syncd.sock").is_symlink());
    }

    #[test]
    fn an_earlier_version_that_accepts_nobody_is_neither_waited_for_nor_replaced() {
        let dir = TempDir::new("migrate-stopped");
        let path = dir.join("syncd.sock");
        let running = listener_for_two(&path);
        // Until no more may wait to be accepted.
        let mut waiting = Vec::new();
        while let Some(client) = connected(&path) {
            waiting.push(client);
        }
        let inode = path.symlink_metadata().unwrap().ino();
        let error = take_over(&dir).unwrap_err();
        assert!(matches!(error, MigrateError::Running(_)), "{error}");
        assert_eq!(path.symlink_metadata().unwrap().ino(), inode);
        drop(running);
    }

    /// A socket at which two may wait.
    fn listener_for_two(path: &Path) -> std::os::fd::OwnedFd {
        use nix::sys::socket::{Backlog, UnixAddr, bind, listen};
        use std::os::fd::AsRawFd as _;
        let socket = unix_socket();
        bind(socket.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
        listen(&socket, Backlog::new(1).unwrap()).unwrap();
        socket
    }

    fn unix_socket() -> std::os::fd::OwnedFd {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap()
    }

    fn connected(path: &Path) -> Option<std::os::fd::OwnedFd> {
        use nix::sys::socket::{UnixAddr, connect};
        use std::os::fd::AsRawFd as _;
        let socket = unix_socket();
        let address = UnixAddr::new(path).unwrap();
        connect(socket.as_raw_fd(), &address)
            .is_ok()
            .then_some(socket)
    }

    #[test]
    fn what_an_earlier_version_did_not_write_is_ignored() {
        let dir = TempDir::new("migrate-not-ours");
        let old = dir.join("syncd-originals.json");
        let ignored = || {
            let notice = take_over(&dir).unwrap();
            assert!(
                matches!(&notice, Some(Notice::NotOurs { path, .. }) if *path == old),
                "{notice:?}"
            );
            assert!(!dir.join("mclagsyncd-originals.json").exists());
            std::fs::remove_file(&old).unwrap();
        };
        dir.write("target", "precious");
        symlink(dir.join("target"), &old).unwrap();
        ignored();
        nix::unistd::mkfifo(&old, Mode::S_IRWXU).unwrap();
        ignored();
        if nix::unistd::geteuid().is_root() {
            dir.write("syncd-originals.json", "{}");
            std::os::unix::fs::chown(&old, Some(65534), None).unwrap();
            ignored();
        }
    }

    #[test]
    fn what_is_no_socket_is_not_replaced() {
        let dir = TempDir::new("migrate-file");
        dir.write("syncd.sock", "somebody's");
        let notices = link_old_names(&dir);
        assert!(
            matches!(&notices[..], [Notice::NotLinked { path, .. }] if path.ends_with("syncd.sock")),
            "{notices:?}"
        );
        assert_eq!(dir.read("syncd.sock").unwrap(), "somebody's");
    }
}
