//! Files in a directory that others may write to, too.
//!
//! What is found there under a name of ours may be a link to something precious, a pipe that is waited at for ever, or
//! simply somebody else's. Nothing is followed, waited for or believed that is not a plain file of our own. On the way to
//! the directory links are followed if they belong to root or to us: `/var/run` is one, and what others link would
//! have root open what they may not.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, geteuid, unlinkat};

/// Links on the way to a file, as the kernel counts them.
const MAX_LINKS: usize = 40;

/// Mode of a file that is made for its owner alone.
const PRIVATE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// Open a file to read it.
///
/// # Errors
///
/// When it cannot be opened; when it is a link or no plain file, has another name, or belongs to somebody who is
/// neither root nor us.
pub fn open(path: &Path) -> io::Result<File> {
    checked(OFlag::O_RDONLY, path, &[Uid::from_raw(0), geteuid()])
}

/// Open a file to write it anew, for us alone (mode 0600). One that is there is emptied only when it is known to be ours.
///
/// # Errors
///
/// As [`open`], also when it belongs to root and we are somebody else.
pub fn open_to_write(path: &Path) -> io::Result<File> {
    let file = checked(OFlag::O_WRONLY | OFlag::O_CREAT, path, &[geteuid()])?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.set_len(0)?;
    Ok(file)
}

/// Give a file that root has left to somebody else, who writes it from now on. Without one nothing is done.
///
/// # Errors
///
/// As [`open`], or when it cannot be given.
pub(crate) fn hand_over(path: &Path, to: Uid, group: Gid) -> io::Result<()> {
    let owners = [Uid::from_raw(0), to];
    let file = match checked(OFlag::O_RDONLY, path, &owners) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    Ok(fchown(&file, Some(to), Some(group))?)
}

/// Make an empty file for its owner alone (mode 0600), if there is nothing of that name.
///
/// # Errors
///
/// When there is, or the system refuses.
pub(crate) fn make_absent(path: &Path) -> io::Result<()> {
    let (directory, name) = way(path)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    open_in(&directory, &name, flags, PRIVATE).map(drop)
}

/// Give a directory that root has just made to a group.
///
/// # Errors
///
/// When it is a link or no directory by now, belongs to somebody else, or cannot be given.
pub(crate) fn give_directory(path: &Path, group: Gid, mode: Mode) -> io::Result<()> {
    let (directory, name) = way(path)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let directory = open_in(&directory, &name, flags, Mode::empty())?;
    if directory.metadata()?.uid() != geteuid().as_raw() {
        return Err(refused("it belongs to somebody else"));
    }
    fchown(&directory, None, Some(group))?;
    Ok(fchmod(&directory, mode)?)
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.to_owned())
}

/// The directory of a file, and the file's name in it.
fn way(path: &Path) -> io::Result<(OwnedFd, OsString)> {
    let name = path.file_name().ok_or_else(|| refused("it is no file"))?;
    let step = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = |at: &OwnedFd, name: &OsStr| openat(at, name, step, Mode::empty());
    // Whoever gave up root's privileges may no longer enter the directory that root was in; an absolute path needs none.
    let start = if path.is_absolute() { "/" } else { "." };
    let mut at = openat(AT_FDCWD, start, step, Mode::empty())?;
    // The next one is the last.
    let mut steps = backwards(path.parent().unwrap_or(Path::new("")));
    let mut links = 0;
    while let Some(step) = steps.pop() {
        let next = open(&at, &step)?;
        let meta = fstat(&next)?;
        if SFlag::from_bits_truncate(meta.st_mode) & SFlag::S_IFMT != SFlag::S_IFLNK {
            at = next;
            continue;
        }
        if ![Uid::from_raw(0), geteuid()].contains(&Uid::from_raw(meta.st_uid)) {
            return Err(refused("a link on the way to it belongs to somebody else"));
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::ELOOP.into());
        }
        let target = readlinkat(&next, "")?;
        steps.extend(backwards(Path::new(&target)));
    }
    Ok((at, name.to_owned()))
}

fn backwards(path: &Path) -> Vec<OsString> {
    let steps = path.components().rev();
    let steps = steps.filter(|step| *step != Component::CurDir);
    steps.map(|step| step.as_os_str().to_owned()).collect()
}

fn open_in(directory: &OwnedFd, name: &OsStr, flags: OFlag, mode: Mode) -> io::Result<File> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = openat(directory, name, flags, mode).map_err(|error| match error {
        Errno::ELOOP => refused("it is a link"),
        Errno::ENXIO => refused("it is no plain file"),
        error => error.into(),
    })?;
    Ok(file.into())
}

fn checked(flags: OFlag, path: &Path, owners: &[Uid]) -> io::Result<File> {
    let (directory, name) = way(path)?;
    let file = open_in(&directory, &name, flags, PRIVATE)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(refused("it is no plain file"));
    }
    if meta.nlink() != 1 {
        return Err(refused("it has another name"));
    }
    if !owners.contains(&Uid::from_raw(meta.uid())) {
        return Err(refused("it belongs to somebody else"));
    }
    Ok(file)
}

/// What is in such a file, of at most `limit` bytes.
///
/// # Errors
///
/// As [`open`], or when it cannot be read or is longer.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    let length = file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(length).unwrap_or(u64::MAX) > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Make a file with this in it. Whatever has that name is removed first, and a link is not followed.
///
/// # Errors
///
/// When it cannot be removed, made or written.
pub fn make(path: &Path, contents: &[u8]) -> io::Result<()> {
    let (directory, name) = way(path)?;
    match unlinkat(&directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Err(error) if error != Errno::ENOENT => return Err(error.into()),
        _ => {}
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    let mode = Mode::from_bits_truncate(0o666);
    open_in(&directory, &name, flags, mode)?.write_all(contents)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, lchown, symlink};

    use mclag_test_support::TempDir;
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::stat::Mode;
    use nix::unistd::{chdir, mkfifo, setfsuid};

    use super::*;

    #[test]
    fn only_a_plain_file_of_our_own_is_read() {
        let dir = TempDir::new("read");
        let refusal = |path: &Path| read(path, 100).unwrap_err().to_string();
        let ours = dir.join("ours");
        fs::write(&ours, "text").unwrap();
        assert_eq!(read(&ours, 4).unwrap(), b"text");
        let error = read(&ours, 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let link = dir.join("link");
        symlink(&ours, &link).unwrap();
        assert_eq!(refusal(&link), "it is a link");
        let fifo = dir.join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert_eq!(refusal(&fifo), "it is no plain file");
        if geteuid().is_root() {
            let foreign = dir.join("foreign");
            fs::write(&foreign, "").unwrap();
            chown(&foreign, Some(65534), None).unwrap();
            assert_eq!(refusal(&foreign), "it belongs to somebody else");
        }
        fs::hard_link(&ours, dir.join("second")).unwrap();
        assert_eq!(refusal(&ours), "it has another name");
    }

    #[test]
    fn a_file_is_made_in_the_place_of_a_link_or_pipe_and_not_behind_it() {
        let dir = TempDir::new("make");
        let target = dir.join("target");
        fs::write(&target, "precious").unwrap();
        let path = dir.join("new");
        symlink(&target, &path).unwrap();
        make(&path, b"ours").unwrap();
        assert_eq!(read(&path, 100).unwrap(), b"ours");
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        make(&path, b"again").unwrap();
        assert_eq!(read(&path, 100).unwrap(), b"again");
    }

    #[test]
    fn a_link_is_not_followed_and_another_kind_of_file_not_written() {
        let directory = TempDir::new("kinds");
        let target = directory.path("target");
        fs::write(&target, "precious").unwrap();
        let link = directory.path("link");
        symlink(&target, &link).unwrap();
        assert!(open_to_write(&link).is_err());
        let second = directory.path("second");
        fs::hard_link(&target, &second).unwrap();
        assert!(open_to_write(&second).is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(open_to_write(&directory).is_err());
        let fifo = directory.path("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert!(
            open_to_write(&fifo).is_err(),
            "and nobody waits for its reader"
        );
    }

    /// Input: files in a directory that is reached by a link, or by links to it; a link of ours, one of somebody else, and
    /// one that leads to itself. Output: only the links of others, and those without an end, are not followed.
    #[test]
    fn links_on_the_way_are_followed_if_they_are_ours() {
        let directory = TempDir::new("way");
        fs::create_dir(directory.path("real")).unwrap();
        fs::write(directory.path("real/file"), "text").unwrap();
        let link = |target: &str, name: &str| {
            let link = directory.path(name);
            symlink(target, &link).unwrap();
            link
        };
        let to_it = link("./real", "link");
        link(&to_it.to_string_lossy(), "to-link");
        link("../real/..", "real/up");
        for way in ["real", "link", "to-link", "real/up/link", "real/../link"] {
            let file = directory.path(way).join("file");
            assert_eq!(read(&file, 4).unwrap(), b"text", "{way}");
            make(&directory.path(way).join("made"), way.as_bytes()).unwrap();
            assert_eq!(directory.read("real/made").unwrap(), way);
        }
        link("endless", "endless");
        assert!(open(&directory.path("endless/file")).is_err());
        assert!(open(&directory.path("real/file/file")).is_err());
        if !geteuid().is_root() {
            return;
        }
        lchown(&to_it, Some(65534), None).unwrap();
        let refusal = "a link on the way to it belongs to somebody else";
        for way in ["link", "to-link", "real/up/link"] {
            let file = directory.path(way).join("file");
            let new = directory.path(way).join("new");
            assert_eq!(read(&file, 4).unwrap_err().to_string(), refusal);
            assert_eq!(open_to_write(&new).unwrap_err().to_string(), refusal);
            assert_eq!(make(&new, b"").unwrap_err().to_string(), refusal);
            assert_eq!(make_absent(&new).unwrap_err().to_string(), refusal);
            let given = hand_over(&file, Uid::from_raw(65534), Gid::from_raw(65534));
            assert_eq!(given.unwrap_err().to_string(), refusal);
        }
        assert!(!directory.path("real/new").exists());
    }

    /// Input: a current directory of root alone, and a thread that may no more than somebody else. Output: a file is opened
    /// by its absolute path, and none by a relative one.
    #[test]
    fn an_absolute_path_does_not_need_the_current_directory() {
        if !geteuid().is_root() {
            eprintln!("files: skipped: only root has a directory that others may not enter");
            return;
        }
        let body = || {
            let (place, private) = (TempDir::new("absolute"), TempDir::new("private"));
            let file = place.write("file", "text");
            private.write("file", "text");
            fs::set_permissions(&*private, Permissions::from_mode(0o700)).unwrap();
            unshare(CloneFlags::CLONE_FS).unwrap();
            chdir(&*private).unwrap();
            assert_eq!(read(Path::new("file"), 4).unwrap(), b"text");
            // Of this thread alone, and with it go root's privileges over files.
            setfsuid(Uid::from_raw(65534));
            let relative = read(Path::new("file"), 4).map_err(|error| error.kind());
            let absolute = read(&file, 4).map_err(|error| error.kind());
            setfsuid(Uid::from_raw(0));
            assert_eq!(relative, Err(io::ErrorKind::PermissionDenied));
            assert_eq!(absolute.as_deref(), Ok(b"text".as_slice()));
        };
        std::thread::scope(|scope| scope.spawn(body).join().unwrap());
    }

    /// Input: a directory, a link to one, and one of somebody else. Output: only the first is given away.
    #[test]
    fn only_a_directory_of_our_own_is_given_away() {
        let place = TempDir::new("give");
        let (real, link) = (place.path("real"), place.path("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        let mode = |mode| Mode::from_bits_truncate(mode);
        let is = || fs::metadata(&real).unwrap().mode() & 0o7777;
        let own = nix::unistd::getegid();
        let before = is();
        assert!(give_directory(&link, own, mode(0o1771)).is_err());
        assert!(give_directory(&place.write("file", ""), own, mode(0o1771)).is_err());
        assert_eq!(is(), before);
        give_directory(&real, own, mode(0o1771)).unwrap();
        assert_eq!(is(), 0o1771);
        if geteuid().is_root() {
            chown(&real, Some(65534), None).unwrap();
            assert!(give_directory(&real, own, mode(0o755)).is_err());
            assert_eq!(is(), 0o1771);
        }
    }

    #[test]
    fn the_file_is_for_its_owner_alone_also_when_it_is_there_already() {
        let directory = TempDir::new("mode");
        let path = directory.path("recording");
        fs::write(&path, "of before").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        open_to_write(&path).unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.len()), (0o600, 0));
    }
}
