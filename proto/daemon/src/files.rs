//! Files in a directory that others may write to, too.
//!
//! What is found there under a name of ours may be a link to something precious, a pipe that is waited at for ever, or
//! simply somebody else's. Nothing is followed, waited for or believed that is not a plain file of our own.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid, fchown, geteuid};

/// Open a file to read it.
///
/// # Errors
///
/// When it cannot be opened; when it is a link or no plain file, has another name, or belongs to somebody who is
/// neither root nor us.
pub fn open(path: &Path) -> io::Result<File> {
    checked(
        File::options().read(true),
        path,
        &[Uid::from_raw(0), geteuid()],
    )
}

/// Open a file to write it anew, for us alone (mode 0600). One that is there is emptied only when it is known to be ours.
///
/// # Errors
///
/// As [`open`], also when it belongs to root and we are somebody else.
pub fn open_to_write(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = checked(&mut options, path, &[geteuid()])?;
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
    let file = match checked(File::options().read(true), path, &owners) {
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
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map(drop)
}

fn checked(options: &mut OpenOptions, path: &Path, owners: &[Uid]) -> io::Result<File> {
    let refused = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = options.custom_flags(flags.bits()).open(path);
    let file =
        opened.map_err(
            |error| match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                Errno::ELOOP => refused("it is a link"),
                Errno::ENXIO => refused("it is no plain file"),
                _ => error,
            },
        )?;
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
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    file.write_all(contents)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use mclag_test_support::TempDir;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

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
