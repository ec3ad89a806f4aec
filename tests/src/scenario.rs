//! One scenario: what it is, what it gets, and the process it runs in.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::places::Places;
use crate::protocol::{Draw, Event};
use crate::speech::Speech;

/// A story with an expected end.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// A statement that is true when the scenario passes, written as an identifier.
    pub name: &'static str,
    /// The story in words: what is done, and what must be seen.
    pub about: &'static str,
    /// The longest it may take, under software emulation.
    pub limit: Duration,
    /// The story as a program.
    pub run: fn(&mut Ctx) -> Result<()>,
}

impl Scenario {
    /// A limit that suits most stories.
    pub const LIMIT: Duration = Duration::from_secs(120);
}

/// What a running scenario has around it.
#[derive(Debug)]
pub struct Ctx {
    prefix: String,
    results: PathBuf,
    programs: PathBuf,
    scratch: PathBuf,
    speech: Speech,
    draw: Draw,
}

impl Ctx {
    /// The surroundings of scenario `name`, with its own directory below `results` and its own prefix for names.
    pub fn new(
        name: &str,
        prefix: &str,
        results: &Path,
        programs: &Path,
        speech: Speech,
        draw: Draw,
    ) -> Result<Self> {
        let results = results.join(name);
        fs::create_dir_all(&results)
            .with_context(|| format!("cannot create {}", results.display()))?;
        let scratch = Path::new("/run/mclag-lab").join(prefix);
        fs::create_dir_all(&scratch)
            .with_context(|| format!("cannot create {}", scratch.display()))?;
        Ok(Self {
            prefix: prefix.to_owned(),
            results,
            programs: programs.to_owned(),
            scratch,
            speech,
            draw,
        })
    }

    /// What the names of all namespaces of this scenario begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The directory of this scenario's logs, on the host after the run.
    #[must_use]
    pub fn results(&self) -> &Path {
        &self.results
    }

    /// A directory for sockets and settings. Any user may enter it; it is gone after the scenario.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Where `tests/scripts/kernel-tests` puts its programs.
    pub fn kernel_tests(&self) -> Result<PathBuf> {
        let lab = Places::of_this_program()?.lab;
        Ok(lab.with_file_name("kernel-tests"))
    }

    /// What the pair of this scenario speaks if it does not choose.
    #[must_use]
    pub const fn speech(&self) -> Speech {
        self.speech
    }

    /// What to draw at random from.
    #[must_use]
    pub const fn draw(&self) -> Draw {
        self.draw
    }

    /// The program under test of that name.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let path = self.programs.join(name);
        anyhow::ensure!(
            path.is_file(),
            "no program {name} next to mclag-lab: build it first, with the same profile"
        );
        Ok(path)
    }

    /// Tell the reader of the test's output what is going on.
    pub fn log(&self, text: impl Display) {
        self.send(&Event::Log {
            text: text.to_string(),
        });
    }

    /// Report a figure, for example `("lost towards the host", "3 frames")`.
    pub fn measured(&self, what: impl Display, value: impl Display) {
        self.send(&Event::Measured {
            what: what.to_string(),
            value: value.to_string(),
        });
    }

    fn send(&self, event: &Event) {
        // The reader is gone only when the whole lab is being torn down.
        let _ = event.send(io::stdout().lock());
    }
}

impl Drop for Ctx {
    fn drop(&mut self) {
        // What remains is reported by the guest, which looks after every scenario whatever way it ended.
        let _ = fs::remove_dir_all(&self.scratch);
    }
}
