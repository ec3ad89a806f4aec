//! A file that remembers something until the next start of the daemon.

use std::io;
use std::marker::PhantomData;
use std::path::PathBuf;

use mclag_daemon::files;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a file can remember.
pub trait Stored: DeserializeOwned + Default + PartialEq + Serialize {
    /// Longest file that is read, in bytes.
    const MAX_LEN: u64;
    /// What is forgotten with the file, for an operator who has to remove it.
    const WHAT: &'static str;
}

/// A file with a value in it; without a file it is the default.
#[derive(Debug)]
pub struct Store<T> {
    path: PathBuf,
    value: PhantomData<fn() -> T>,
}

impl<T: Stored> Store<T> {
    /// The file at `path`; it need not exist.
    ///
    /// # Errors
    ///
    /// When it could not be written, for that has to be known before anything depends on it.
    pub fn open(path: PathBuf) -> Result<Self, StoreError> {
        let store = Self {
            path,
            value: PhantomData,
        };
        let probe = store.fresh_path();
        files::make(&probe, b"").map_err(|e| store.fail("write", e))?;
        std::fs::remove_file(&probe).map_err(|e| store.fail("write", e))?;
        Ok(store)
    }

    /// What is in it; the default if it does not exist.
    ///
    /// # Errors
    ///
    /// When it cannot be read or holds something else.
    pub fn load(&self) -> Result<T, StoreError> {
        let text = match files::read(&self.path, T::MAX_LEN) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(error) => return Err(self.fail("read", error)),
        };
        serde_json::from_slice(&text).map_err(|error| self.damaged(error))
    }

    /// Replace what is in it, at once: a crash leaves the old content or the new.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn save(&self, value: &T) -> Result<(), StoreError> {
        if *value == T::default() {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(self.fail("remove", error))
                }
                _ => Ok(()),
            };
        }
        let text = serde_json::to_vec(value).map_err(|error| self.damaged(error))?;
        let fresh = self.fresh_path();
        files::make(&fresh, &text).map_err(|e| self.fail("write", e))?;
        std::fs::rename(&fresh, &self.path).map_err(|e| self.fail("replace", e))
    }

    fn fresh_path(&self) -> PathBuf {
        self.path.with_extension("new")
    }

    fn damaged(&self, source: serde_json::Error) -> StoreError {
        StoreError::Content {
            path: self.path.clone(),
            what: T::WHAT,
            source,
        }
    }

    fn fail(&self, doing: &'static str, source: io::Error) -> StoreError {
        StoreError::Io {
            doing,
            path: self.path.clone(),
            source,
        }
    }
}

/// Nothing can be remembered in the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refuses.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} is damaged; remove it to forget {what}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is forgotten with it.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use mclag_test_support::TempDir;

    use super::*;
    use crate::reconcile::Originals;

    #[test]
    fn links_and_pipes_under_its_names_are_neither_followed_nor_waited_for() {
        use nix::sys::stat::Mode;
        let dir = TempDir::new("store-links");
        let (path, target) = (dir.join("originals.json"), dir.join("target"));
        std::fs::write(&target, "{}").unwrap();
        let fresh = dir.join("originals.new");
        std::os::unix::fs::symlink(&target, &fresh).unwrap();
        let store = Store::<Originals>::open(path.clone()).unwrap();
        assert_eq!(store.fresh_path(), fresh);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "{}");
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let error = store.load().unwrap_err();
        assert!(
            matches!(error, StoreError::Io { doing: "read", .. }),
            "{error}"
        );
        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let error = store.load().unwrap_err();
        assert!(
            matches!(error, StoreError::Io { doing: "read", .. }),
            "{error}"
        );
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it_and_a_missing_one_is_empty() {
        let dir = TempDir::new("store");
        let path = dir.path("originals.json");
        let store = Store::<Originals>::open(path.clone()).unwrap();
        assert_eq!(store.load().unwrap(), Originals::default());
        std::fs::write(&path, r#"{"bond1": {"learning": {"was": 7}}}"#).unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
        let good = r#"{"bond1":{"learning":{"was":false},"backup":"untouched","system-mac":{"was":null}}}"#;
        std::fs::write(&path, good).unwrap();
        let originals = store.load().unwrap();
        store.save(&originals).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), good);
        store.save(&Originals::default()).unwrap();
        assert!(!path.exists());
    }
}
