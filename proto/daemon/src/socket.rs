//! Unix sockets that a daemon listens on.
//!
//! A socket is made under another name and renamed when it has its group and mode: nobody can connect before. One that
//! nobody listens on is replaced; anything else that is in the way is left alone. One that is removed while it is
//! listened on is made again: without its file nobody can connect.

use std::fs::{self, DirBuilder};
use std::future::poll_fn;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{Backlog, UnixAddr, bind, connect, listen};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{AccessFlags, Gid, access, chown, geteuid};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::lock::{Holder, peer, unix_socket};
use crate::process::chain;

/// What the name has more that a socket is made under.
const FRESH: &str = ".new";

/// What the path of a socket is for, which limits it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A program connects there.
    Connect,
    /// A daemon listens there: it makes the socket under a longer name.
    Listen,
}

impl Purpose {
    /// Longest path in bytes: `sun_path` without the final NUL (`unix(7)`).
    #[must_use]
    pub const fn longest(self) -> usize {
        match self {
            Self::Connect => 107,
            Self::Listen => Self::Connect.longest() - FRESH.len(),
        }
    }

    /// Whether a socket can have this path.
    ///
    /// # Errors
    ///
    /// When it is not absolute, or too long.
    pub fn check(self, path: &Path) -> Result<(), PathError> {
        let (length, longest) = (path.as_os_str().len(), self.longest());
        if !path.is_absolute() {
            return Err(PathError::Relative(path.to_owned()));
        }
        if length > longest {
            return Err(PathError::TooLong { length, longest });
        }
        Ok(())
    }
}

/// A path that no socket can have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It depends on where a program runs.
    #[error("{} is not an absolute path", .0.display())]
    Relative(PathBuf),
    /// The kernel does not take it.
    #[error("the path has {length} bytes; a Unix socket allows {longest}")]
    TooLong {
        /// Its length.
        length: usize,
        /// What is allowed.
        longest: usize,
    },
}

/// How often a socket is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Flag of a socket that listens, in `/proc/net/unix`: `__SO_ACCEPTCON`.
const LISTENS: u32 = 1 << 16;

/// Mode of a directory that is made for a socket.
const DIRECTORY_MODE: u32 = 0o755;

/// Where a daemon listens, and who may connect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The daemon, for the error of another one.
    pub program: &'static str,
    /// The socket. A directory that is missing is made.
    pub path: PathBuf,
    /// Its file mode.
    pub mode: u32,
    /// Its group; none for that of the process.
    pub group: Option<u32>,
    /// Connections that may wait to be accepted.
    pub backlog: i32,
}

/// Why nobody can be listened to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody listens there already.
    #[error("another {program}{} listens on {}", Holder(*.pid), .path.display())]
    InUse {
        /// This daemon.
        program: &'static str,
        /// The socket.
        path: PathBuf,
        /// Who it is, if that can be said.
        pid: Option<i32>,
    },
    /// Something that is not a socket is in the way.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// What somebody else left there cannot be removed.
    #[error(
        "cannot listen on {}: user {owner} has left a socket there on which nobody listens, and only that user and \
         root can remove it: rm {}", .path.display(), .left.display()
    )]
    LeftOver {
        /// The socket that is wanted.
        path: PathBuf,
        /// What is in the way of it.
        left: PathBuf,
        /// Whose that is.
        owner: u32,
    },
    /// The directory is not for us.
    #[error(
        "cannot listen on {}: user {user} may not make a socket in a directory of user {owner}, group {group}, mode {mode:o}",
        .path.display()
    )]
    Directory {
        /// The socket.
        path: PathBuf,
        /// Who we are.
        user: u32,
        /// Whose the directory is.
        owner: u32,
        /// The group that it is of.
        group: u32,
        /// Its mode.
        mode: u32,
    },
    /// The directory is for us, and not among those to which this process was confined at its start.
    #[error(
        "cannot listen on {}: its directory was made since this process started, which writes in those of its start \
         alone: restart it", .0.display()
    )]
    Confined(PathBuf),
    /// The system refused.
    #[error("cannot listen on {}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl ListenError {
    /// The system refused, and why, as far as that shows.
    fn refused(path: &Path, source: io::Error) -> Self {
        let user = geteuid().as_raw();
        let path = path.to_owned();
        if source.kind() != io::ErrorKind::PermissionDenied {
            return Self::Io { path, source };
        }
        for left in [path.clone(), fresh(&path)] {
            if let Ok(there) = fs::symlink_metadata(&left)
                && there.file_type().is_socket()
                && there.uid() != user
            {
                let owner = there.uid();
                return Self::LeftOver { path, left, owner };
            }
        }
        match path.parent().map(fs::metadata) {
            Some(Ok(directory)) => Self::Directory {
                path,
                user,
                owner: directory.uid(),
                group: directory.gid(),
                mode: directory.mode() & 0o7777,
            },
            _ => Self::Io { path, source },
        }
    }

    /// The same of this daemon by the name that it is installed under here, see [`crate::lock::LockError::of`].
    #[must_use]
    pub fn of(self, name: &'static str) -> Self {
        match self {
            Self::InUse { path, pid, .. } => Self::InUse {
                program: name,
                path,
                pid,
            },
            other => other,
        }
    }
}

/// A listening socket. Its file is removed when it is dropped, if it is still this one's.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    /// None for a socket that somebody else made.
    file: Option<File>,
}

#[derive(Debug)]
struct File {
    place: Place,
    id: FileId,
    /// When to look whether it is still there.
    look: Interval,
    /// Why it cannot be made again was written down.
    complained: bool,
}

/// Device and inode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct FileId(u64, u64);

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(|file| Self(file.dev(), file.ino()))
    }
}

impl Listener {
    /// Listen. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When that is not possible, or somebody listens there.
    pub fn bind(place: Place) -> Result<Self, ListenError> {
        let Place { program, path, .. } = &place;
        check_free(program, path)?;
        let (socket, id) = make(&place).map_err(|source| ListenError::refused(path, source))?;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let file = Some(File {
            place,
            id,
            look,
            complained: false,
        });
        Ok(Self { socket, file })
    }

    /// The next connection. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// When the system does not give it to us, as a rule for lack of descriptors.
    pub async fn accept(&mut self) -> io::Result<UnixStream> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// The same for whoever waits for several of them.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        if let Some(file) = &mut self.file {
            while file.look.poll_tick(cx).is_ready() {
                if let Some(socket) = file.made_again() {
                    self.socket = socket;
                }
            }
        }
        let accepted = self.socket.poll_accept(cx);
        accepted.map_ok(|(stream, _)| stream)
    }
}

impl File {
    /// The socket that takes the place of ours, if that is gone.
    fn made_again(&mut self) -> Option<UnixListener> {
        let Place { program, path, .. } = &self.place;
        if FileId::of(path).is_ok_and(|there| there == self.id) {
            self.complained = false;
            return None;
        }
        let made = check_free(program, path);
        let made = made.and_then(|()| make(&self.place).map_err(|source| self.refused(source)));
        let path = path.display();
        match made {
            Ok((socket, id)) => {
                tracing::warn!(%path, "socket was removed and is made again");
                self.id = id;
                self.complained = false;
                Some(socket)
            }
            Err(error) => {
                if !self.complained {
                    let error = chain(&error);
                    tracing::error!(%path, error, "socket was removed and cannot be made again");
                }
                self.complained = true;
                None
            }
        }
    }

    /// Why it cannot be made again, where it was made once. Rules of Landlock (`crate::sandbox`) are about directories as
    /// they were at the start, and are not among those that `access` goes by.
    fn refused(&self, source: io::Error) -> ListenError {
        let path = &self.place.path;
        let may = AccessFlags::W_OK | AccessFlags::X_OK;
        let is_open = |directory| access(directory, may).is_ok();
        let is_denied = source.raw_os_error() == Some(Errno::EACCES as i32);
        match is_denied && path.parent().is_some_and(is_open) {
            true => ListenError::Confined(path.clone()),
            false => ListenError::refused(path, source),
        }
    }
}

impl From<UnixListener> for Listener {
    /// A socket that somebody else made, and removes.
    fn from(socket: UnixListener) -> Self {
        Self { socket, file: None }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(File { place, id, .. }) = &self.file
            && FileId::of(&place.path).is_ok_and(|there| there == *id)
        {
            let _ = fs::remove_file(&place.path);
        }
    }
}

fn make(place: &Place) -> io::Result<(UnixListener, FileId)> {
    let path = &place.path;
    match path.parent() {
        Some(parent) if !parent.is_dir() => make_directory(parent)?,
        _ => {}
    }
    let fresh = fresh(path);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = unix_socket()?;
    // The file gets the mode of its descriptor.
    fchmod(&socket, Mode::empty())?;
    bind(socket.as_raw_fd(), &UnixAddr::new(&fresh)?)?;
    if let Some(group) = place.group {
        chown(&fresh, None, Some(Gid::from_raw(group)))?;
    }
    fs::set_permissions(&fresh, fs::Permissions::from_mode(place.mode))?;
    listen(&socket, Backlog::new(place.backlog)?)?;
    let listener = UnixListener::from_std(socket.into())?;
    let id = FileId::of(&fresh)?;
    fs::rename(&fresh, path)?;
    Ok((listener, id))
}

/// Make a directory for sockets, and those above it.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(DIRECTORY_MODE).create(path)
}

/// Remove what another user than this one has left where a socket is to be made, if nobody listens there.
pub(crate) fn remove_left_over(path: &Path, user: u32) -> io::Result<()> {
    for path in [path, &fresh(path)] {
        let is_left = match fs::symlink_metadata(path) {
            Ok(there) => there.file_type().is_socket() && there.uid() != user,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if is_left && !is_in_use(path)? {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Whether a socket may be made at `path`.
fn check_free(program: &'static str, path: &Path) -> Result<(), ListenError> {
    let failed = |source: io::Error| ListenError::Io {
        path: path.to_owned(),
        source,
    };
    let existing = match fs::symlink_metadata(path) {
        Ok(existing) => existing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !existing.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    match listener(path).map_err(|error| failed(error.into()))? {
        None => Ok(()),
        Some(pid) => Err(ListenError::InUse {
            program,
            path: path.to_owned(),
            pid,
        }),
    }
}

/// Whether somebody listens at the socket `path`, however busy or closed to us he is. Nobody does where nothing is.
///
/// # Errors
///
/// When that cannot be found out.
pub fn is_in_use(path: &Path) -> io::Result<bool> {
    Ok(listener(path)?.is_some())
}

/// Whether somebody listens at this socket, and who, if that can be said.
fn listener(path: &Path) -> nix::Result<Option<Option<i32>>> {
    let socket = unix_socket()?;
    match connect(socket.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) => Ok(Some(peer(&socket))),
        // More wait to be accepted than may.
        Err(Errno::EAGAIN) => Ok(Some(None)),
        // We may not ask, but the kernel lists who listens.
        Err(Errno::EACCES) => Ok(is_listed(path).then_some(None)),
        Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the kernel knows a socket that listens at this path, or was made for it under another name.
fn is_listed(path: &Path) -> bool {
    let Ok(list) = fs::read("/proc/net/unix") else {
        // Rather not replace what may be in use.
        return true;
    };
    let fresh = fresh(path);
    list.split(|byte| *byte == b'\n').any(|line| {
        // Number, references, protocol, flags, type, state, inode, path.
        let mut fields = line.splitn(4, |byte| *byte == b' ').skip(3);
        let listens = fields.next().is_some_and(|rest| {
            u32::from_str_radix(
                &String::from_utf8_lossy(rest.get(..8).unwrap_or_default()),
                16,
            )
            .is_ok_and(|flags| flags & LISTENS != 0)
        });
        listens
            && [path, fresh.as_path()].iter().any(|path| {
                line.strip_suffix(path.as_os_str().as_bytes())
                    .is_some_and(|rest| rest.ends_with(b" "))
            })
    })
}

/// The name that a socket is made under.
fn fresh(path: &Path) -> PathBuf {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(FRESH);
    PathBuf::from(fresh)
}

#[cfg(test)]
mod tests {
    use mclag_test_support::TempDir;

    use super::*;

    #[tokio::test]
    async fn the_longest_path_that_is_allowed_can_be_listened_on() {
        let dir = TempDir::new("socket");
        let rest = Purpose::Listen.longest() - dir.as_os_str().len() - 1;
        let place = |length| Place {
            program: "tests",
            path: dir.join("x".repeat(length)),
            mode: 0o600,
            group: None,
            backlog: 1,
        };
        drop(Listener::bind(place(rest)).unwrap());
        Listener::bind(place(rest + 1)).unwrap_err();
    }

    /// Input: a process that is confined to the directory of its socket, which is removed and made anew. Output: the
    /// error says what helps. Rules are per thread: one is sacrificed.
    #[test]
    fn a_directory_that_was_made_anew_takes_a_restart_where_writing_is_confined() {
        let dir = TempDir::new("anew");
        let run = dir.path("run");
        fs::create_dir(&run).unwrap();
        let place = Place {
            program: "tests",
            path: run.join("socket"),
            mode: 0o600,
            group: None,
            backlog: 1,
        };
        let (confined, is_confined) = std::sync::mpsc::channel();
        let (anew, is_anew) = std::sync::mpsc::channel();
        let ours = run.clone();
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            let _entered = runtime.enter();
            let directories = std::collections::BTreeSet::from([ours.as_path()]);
            let how = crate::sandbox::confine_writes(&directories).unwrap();
            let mut listener = Listener::bind(place).unwrap();
            confined.send(()).unwrap();
            is_anew.recv().unwrap();
            let file = listener.file.as_mut().unwrap();
            let error = make(&file.place)
                .map(drop)
                .map_err(|error| file.refused(error));
            (how, error.map_err(|error| error.to_string()))
        });
        is_confined.recv().unwrap();
        fs::remove_dir_all(&run).unwrap();
        fs::create_dir(&run).unwrap();
        anew.send(()).unwrap();
        let (how, made) = thread.join().unwrap();
        match how {
            crate::sandbox::Confined::Not => eprintln!("anew: skipped: the kernel has no Landlock"),
            _ => assert!(made.unwrap_err().ends_with("alone: restart it")),
        }
    }
}
