//! The file with the key of the control session.

use mclag_daemon::files;
use mclag_netlink::tcp::Key;
use mclag_netlink::tcp::ao::{self, AoKey, AoKeys};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Keys;
use crate::peer::Signing;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read, or others could have written it.
    #[error("cannot read the key {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error("the key {} can be read by others than its owner: chmod 0400", .0.display())]
    Open(PathBuf),
    /// It is none.
    #[error("the key {} has {len} bytes, not 1 to {}", .path.display(), Key::MAX)]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length, without the end of a line.
        len: usize,
    },
    /// There are none, or too many of them, or two with one id.
    #[error("{0} keys of TCP-AO: not 1 to {max} with distinct ids", max = AoKeys::MAX)]
    Count(usize),
    /// This kernel has none.
    #[error(
        "this kernel has no TCP-AO with HMAC-SHA-1 (CONFIG_TCP_AO, from Linux 6.7 on): use key-file (TCP-MD5)"
    )]
    NoTcpAo,
    /// It cannot be asked.
    #[error("cannot find out whether this kernel has TCP-AO")]
    Unknown(#[source] io::Error),
    /// The service manager has given no credentials.
    #[error("the key {} is a credential, and systemd has given none (LoadCredential=)", .0.display())]
    NoCredentials(PathBuf),
}

impl KeyError {
    /// This user may not read it; another one may.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// Read what both chassis sign the session with.
///
/// # Errors
///
/// When a key cannot be read, is not for this user alone, or is none, or when this kernel cannot sign so.
pub fn signing(keys: &Keys) -> Result<Signing, KeyError> {
    match keys {
        Keys::None => Ok(Signing::Unsigned),
        Keys::Md5(path) => Ok(Signing::Md5(read(path)?)),
        Keys::Ao(list) => {
            if !ao::is_supported().map_err(KeyError::Unknown)? {
                return Err(KeyError::NoTcpAo);
            }
            let key = |(id, path): &(u8, PathBuf)| {
                let secret = read(path)?;
                Ok(AoKey { id: *id, secret })
            };
            let keys: Vec<AoKey> = list.iter().map(key).collect::<Result<_, KeyError>>()?;
            AoKeys::new(&keys)
                .map(Signing::Ao)
                .map_err(|_| KeyError::Count(keys.len()))
        }
    }
}

/// Read a key. A path that is not absolute is the name of a credential of systemd's.
///
/// # Errors
///
/// When it cannot be read, is not for this user alone, or is no key.
fn read(path: &Path) -> Result<Key, KeyError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    read_from(path, credentials.as_deref())
}

fn read_from(path: &Path, credentials: Option<&Path>) -> Result<Key, KeyError> {
    let path = match (path.is_absolute(), credentials) {
        (true, _) => path.to_owned(),
        (false, Some(directory)) => directory.join(path),
        (false, None) => return Err(KeyError::NoCredentials(path.to_owned())),
    };
    let unreadable = |source| KeyError::Unreadable {
        path: path.clone(),
        source,
    };
    let mode = files::open(&path).and_then(|file| file.metadata());
    let mode = mode.map_err(unreadable)?.permissions().mode();
    // Who may read a credential is systemd's business, which shows in an access list.
    let is_credential = credentials.is_some_and(|directory| path.starts_with(directory));
    if mode & 0o077 != 0 && !is_credential {
        return Err(KeyError::Open(path));
    }
    let bytes = files::read(&path, MAX_FILE).map_err(unreadable)?;
    let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    Key::new(secret).map_err(|_| KeyError::Length {
        path,
        len: secret.len(),
    })
}

/// More than a key.
const MAX_FILE: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_test_support::TempDir;
    use std::fs::{Permissions, set_permissions};

    fn words(result: Result<Key, KeyError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_key_is_read_from_a_file_of_its_owner_alone() {
        let place = TempDir::new("key");
        let file = place.write("key", "secret\n");
        let mode = |mode| set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        for open in [0o440, 0o604, 0o620] {
            mode(open);
            assert!(
                words(read_from(&file, None)).contains("chmod 0400"),
                "{open:o}"
            );
        }
        mode(0o400);
        assert_eq!(read_from(&file, None).ok(), Key::new(b"secret").ok());
        let link = place.path("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(words(read_from(&link, None)).contains("cannot read the key"));
        assert!(words(read_from(&place.path("absent"), None)).contains("cannot read the key"));
    }

    #[test]
    fn a_relative_path_is_a_credential() {
        let place = TempDir::new("credential");
        set_permissions(place.write("pair", "secret"), Permissions::from_mode(0o440)).unwrap();
        let name = Path::new("pair");
        assert_eq!(read_from(name, Some(&place)).ok(), Key::new(b"secret").ok());
        assert!(words(read_from(name, None)).contains("LoadCredential="));
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_length() {
        let place = TempDir::new("no-key");
        for (text, len) in [
            (String::new(), 0),
            ("\n".to_owned(), 0),
            ("x".repeat(81), 81),
        ] {
            let file = place.write("key", &text);
            set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            let expected = format!("has {len} bytes, not 1 to 80");
            assert!(words(read_from(&file, None)).ends_with(&expected));
        }
    }
}
