//! Unix sockets that a daemon listens on.
//!
//! A socket is made under another name and renamed when it has its group and mode: nobody can connect before. One that
//! nobody listens on is replaced; anything else that is in the way is left alone.

use std::fs::{self, DirBuilder};
use std::future::poll_fn;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, chown};
use tokio::net::{UnixListener, UnixStream};

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
    #[error("another {program} listens on {}", .path.display())]
    InUse {
        /// This daemon.
        program: &'static str,
        /// The socket.
        path: PathBuf,
    },
    /// Something that is not a socket is in the way.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot listen on {}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// A listening socket. Its file is removed when it is dropped, if it is still this one's.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    /// None for a socket that somebody else made.
    file: Option<(Place, FileId)>,
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
        let made = make(&place).map_err(|source| ListenError::Io {
            path: path.clone(),
            source,
        });
        let (socket, id) = made?;
        Ok(Self {
            socket,
            file: Some((place, id)),
        })
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
        let accepted = self.socket.poll_accept(cx);
        accepted.map_ok(|(stream, _)| stream)
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
        if let Some((place, id)) = &self.file
            && FileId::of(&place.path).is_ok_and(|there| there == *id)
        {
            let _ = fs::remove_file(&place.path);
        }
    }
}

fn make(place: &Place) -> io::Result<(UnixListener, FileId)> {
    let path = &place.path;
    match path.parent() {
        Some(parent) if !parent.is_dir() => DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(parent)?,
        _ => {}
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
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
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ListenError::InUse {
            program,
            path: path.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}
