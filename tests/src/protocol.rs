//! What a running lab tells its host: one line of JSON per event.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::speech::Speech;

/// What the guest is asked to run. Handed over as a file, because a kernel command line is short.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Job {
    /// Names of scenarios, run in this order.
    pub scenarios: Vec<String>,
    /// Where logs go, as seen by the guest.
    pub results: PathBuf,
    /// What pairs speak, where a scenario does not choose.
    pub speech: Speech,
    /// What scenarios draw at random from.
    pub draw: Draw,
}

/// What scenarios draw at random from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Draw {
    /// Seed of the first schedule; the others follow.
    pub seed: u64,
    /// How many schedules.
    pub count: u64,
}

impl Draw {
    /// As `MCLAG_LAB_SEED` and `MCLAG_LAB_COUNT` say: from the first seed, a handful.
    pub fn of_environment() -> Result<Self> {
        Ok(Self {
            seed: number("MCLAG_LAB_SEED", 1)?,
            count: number("MCLAG_LAB_COUNT", 5)?,
        })
    }
}

fn number(variable: &str, usual: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .with_context(|| format!("{variable} is a number, not {text:?}")),
        _ => Ok(usual),
    }
}

impl Job {
    /// File name of a job, within the results directory.
    pub const FILE: &str = "job.json";

    /// Read a job from `path`.
    pub fn load(path: &Path) -> Result<Self> {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not a job", path.display()))
    }

    /// Write the job to `path`.
    pub fn store(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).context("cannot encode the job")?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Something that happened in the lab.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The guest is running and about to start the first scenario.
    Ready {
        /// Release of the kernel.
        kernel: String,
        /// Milliseconds since that kernel started.
        uptime_ms: u64,
    },
    /// A scenario begins.
    Started {
        /// Its name.
        scenario: String,
    },
    /// A scenario has something to tell.
    Log {
        /// One or more lines.
        text: String,
    },
    /// A scenario has measured something.
    Measured {
        /// What was measured.
        what: String,
        /// The figure and its unit.
        value: String,
    },
    /// A scenario came to its end.
    Finished {
        /// Its name.
        scenario: String,
        /// Why it failed; nothing if it passed.
        failure: Option<String>,
        /// How long it took.
        duration_ms: u64,
    },
    /// All scenarios of the job are finished.
    Done,
}

impl Event {
    /// Write the event as one line, at once.
    pub fn send(&self, mut out: impl Write) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        out.write_all(&line)?;
        out.flush()
    }

    /// Read the event of one line. A line that is none (a program's stray output) is returned as it is.
    pub fn parse(line: &str) -> Result<Self, &str> {
        serde_json::from_str(line).map_err(|_| line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_its_line() {
        let event = Event::Finished {
            scenario: "one".into(),
            failure: Some("two\nlines".into()),
            duration_ms: 7,
        };
        let mut bytes = Vec::new();
        event.send(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(Event::parse(&text), Ok(event));
    }

    #[test]
    fn stray_output_is_not_an_event() {
        assert_eq!(
            Event::parse("RTNETLINK answers: File exists"),
            Err("RTNETLINK answers: File exists")
        );
    }
}
