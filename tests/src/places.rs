//! Where the lab finds programs and keeps its files.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The programs under test, by file name.
pub const PROGRAMS: [&str; 3] = ["iccpd", "mclagsyncd", "mclagctl"];

/// The directories that one run of the lab uses on the host.
#[derive(Clone, Debug)]
pub struct Places {
    /// The `mclag-lab` program; the programs under test lie next to it.
    pub lab: PathBuf,
    /// The unpacked kernel package of the virtual machine.
    pub state: PathBuf,
    /// Logs of the latest run: the console, and what the programs under test wrote. Beside them lies what belongs to
    /// this run alone, under the same name: a lock, and the initramfs of the virtual machine.
    pub results: PathBuf,
}

impl Places {
    /// The places that belong to the `mclag-lab` program at `lab`, which is `TARGET/PROFILE/mclag-lab`.
    pub fn of(lab: &Path) -> Result<Self> {
        let lab =
            fs::canonicalize(lab).with_context(|| format!("cannot find {}", lab.display()))?;
        let target = lab.parent().and_then(Path::parent).with_context(|| {
            format!("{} does not lie in a cargo target directory", lab.display())
        })?;
        let state = target.join("lab/vm");
        Ok(Self {
            results: state.join("results"),
            state,
            lab,
        })
    }

    /// The places that belong to the running program.
    pub fn of_this_program() -> Result<Self> {
        Self::of(&env::current_exe().context("cannot find the running program")?)
    }

    /// The same with another directory of logs below the same state, so that both can be used at the same time.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        Self {
            results: self.state.join(name),
            ..self.clone()
        }
    }

    /// The initramfs of the virtual machine.
    #[must_use]
    pub fn initramfs(&self) -> PathBuf {
        self.results.with_extension("initramfs")
    }

    /// The console of the virtual machine.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        self.results.join("console.log")
    }

    /// The lock that a run holds.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.results.with_extension("lock")
    }

    /// Take these places for one run, and empty the results directory, so that a log found there belongs to this run.
    ///
    /// Another run keeps them until it ends; `waiting` is called once before waiting for that. They are given back when
    /// the file is dropped, or the process ends in whatever way.
    pub fn take(&self, waiting: impl FnOnce()) -> Result<File> {
        fs::create_dir_all(&self.state)
            .with_context(|| format!("cannot create {}", self.state.display()))?;
        let path = self.lock_file();
        let lock =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                lock.lock()
                    .with_context(|| format!("cannot lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        if self.results.exists() {
            fs::remove_dir_all(&self.results)
                .with_context(|| format!("cannot empty {}", self.results.display()))?;
        }
        fs::create_dir_all(&self.results)
            .with_context(|| format!("cannot create {}", self.results.display()))?;
        Ok(lock)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use mclag_test_support::TempDir;

    use super::*;

    fn places(dir: &TempDir) -> Places {
        Places {
            lab: PathBuf::new(),
            results: dir.path("results"),
            state: dir.to_path_buf(),
        }
    }

    #[test]
    fn runs_with_logs_of_their_own_do_not_wait_for_each_other() {
        let dir = TempDir::new("places-beside");
        let places = places(&dir);
        let nobody = || panic!("nobody uses the same directory");
        let first = places.take(nobody).unwrap();
        let beside = places.beside("results-2");
        let second = beside.take(nobody).unwrap();
        assert!(places.results.exists() && beside.results.exists());
        assert_ne!(places.initramfs(), beside.initramfs());
        drop((first, second));
    }

    #[test]
    fn two_runs_do_not_share_their_places() {
        let dir = TempDir::new("places-shared");
        let places = places(&dir);
        let first = places.take(|| panic!("nobody else is here")).unwrap();
        fs::write(places.results.join("log"), "first").unwrap();
        let (sender, waits) = mpsc::channel();
        let second = thread::spawn({
            let places = places.clone();
            move || places.take(|| sender.send(()).unwrap()).map(drop)
        });
        waits.recv().unwrap();
        assert!(places.results.join("log").exists());
        drop(first);
        second.join().unwrap().unwrap();
        assert!(!places.results.join("log").exists());
    }
}
