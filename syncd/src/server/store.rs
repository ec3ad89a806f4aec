//! The file that remembers what settings were before they were changed.

use std::io;
use std::path::PathBuf;

use mclag_daemon::files;

use crate::reconcile::Originals;

/// Largest file that is read, in bytes; a few thousand ports fit.
const MAX_LEN: u64 = 1 << 20;

/// A file with originals in it.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
}

impl Store {
    /// The file at `path`; it need not exist.
    ///
    /// # Errors
    ///
    /// When it could not be written, for that has to be known before anything is changed.
    pub fn open(path: PathBuf) -> Result<Self, StoreError> {
        let store = Self { path };
        let probe = store.fresh_path();
        files::make(&probe, b"").map_err(|e| store.fail("write", e))?;
        std::fs::remove_file(&probe).map_err(|e| store.fail("write", e))?;
        Ok(store)
    }

    /// What is in it; nothing if it does not exist.
    ///
    /// # Errors
    ///
    /// When it cannot be read or holds something else.
    pub fn load(&self) -> Result<Originals, StoreError> {
        let text = match files::read(&self.path, MAX_LEN) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Originals::default());
            }
            Err(error) => return Err(self.fail("read", error)),
        };
        serde_json::from_slice(&text).map_err(|source| StoreError::Content {
            path: self.path.clone(),
            source,
        })
    }

    /// Replace what is in it, at once: a crash leaves the old content or the new.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn save(&self, originals: &Originals) -> Result<(), StoreError> {
        if originals.is_empty() {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(self.fail("remove", error))
                }
                _ => Ok(()),
            };
        }
        let text = serde_json::to_vec(originals).map_err(|source| StoreError::Content {
            path: self.path.clone(),
            source,
        })?;
        let fresh = self.fresh_path();
        files::make(&fresh, &text).map_err(|e| self.fail("write", e))?;
        std::fs::rename(&fresh, &self.path).map_err(|e| self.fail("replace", e))
    }

    fn fresh_path(&self) -> PathBuf {
        self.path.with_extension("new")
    }

    fn fail(&self, doing: &'static str, source: io::Error) -> StoreError {
        StoreError::Io {
            doing,
            path: self.path.clone(),
            source,
        }
    }
}

/// Originals cannot be kept.
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
    #[error("{} is damaged; remove it to forget what settings were before", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use mclag_test_support::TempDir;

    use super::*;

    #[test]
    fn links_and_pipes_under_its_names_are_neither_followed_nor_waited_for() {
        use nix::sys::stat::Mode;
        let dir = TempDir::new("store-links");
        let (path, target) = (dir.join("originals.json"), dir.join("target"));
        std::fs::write(&target, "{}").unwrap();
        let fresh = dir.join("originals.new");
        std::os::unix::fs::symlink(&target, &fresh).unwrap();
        let store = Store::open(path.clone()).unwrap();
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
        let store = Store::open(path.clone()).unwrap();
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
