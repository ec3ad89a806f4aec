//! Where the lab finds programs and keeps its files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The programs under test, by file name.
pub const PROGRAMS: [&str; 3] = ["iccpd", "syncd", "mclagctl"];

/// The directories that one run of the lab uses on the host.
#[derive(Clone, Debug)]
pub struct Places {
    /// The `mclag-lab` program; the programs under test lie next to it.
    pub lab: PathBuf,
    /// The unpacked kernel package and the initramfs of the virtual machine.
    pub state: PathBuf,
    /// Logs of the latest run: the console, and what the programs under test wrote.
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

    /// The console of the virtual machine.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        self.results.join("console.log")
    }

    /// Empty the results directory, so that a log found there belongs to this run.
    pub fn prepare(&self) -> Result<()> {
        if self.results.exists() {
            fs::remove_dir_all(&self.results)
                .with_context(|| format!("cannot empty {}", self.results.display()))?;
        }
        fs::create_dir_all(&self.results)
            .with_context(|| format!("cannot create {}", self.results.display()))
    }
}
