//! The guest: runs the scenarios of a job one after the other, each in a process of its own and with a deadline.
//!
//! A scenario that crashes or hangs costs its own result only. After each, whatever way it ended, processes and
//! namespaces with its prefix are looked for: a scenario that passed and left some behind has failed after all.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::demo;
use crate::measure;
use crate::netns;
use crate::places::{PROGRAMS, Places};
use crate::protocol::{Draw, Event, Job};
use crate::scenario::{Ctx, Scenario};
use crate::scenarios;
use crate::speech::Speech;
use crate::stay;

/// Directory of everything that lives only as long as the lab.
const RUN: &str = "/run/mclag-lab";

/// A scenario's output that waits to be passed on; more makes the scenario wait.
const LINES: usize = 256;

/// Run the job that `path` describes.
pub fn run(path: &Path) -> Result<()> {
    let job = Job::load(path)?;
    let programs = install_programs(&Places::of_this_program()?.lab)?;
    tell(&Event::Ready {
        kernel: read_line("/proc/sys/kernel/osrelease"),
        uptime_ms: uptime_ms(),
    })?;
    for (number, name) in job.scenarios.iter().enumerate() {
        tell(&Event::Started {
            scenario: name.clone(),
        })?;
        let start = Instant::now();
        let prefix = format!("lab{}-{number}-", std::process::id());
        let mut outcome = run_apart(name, &prefix, &job, &programs);
        let left = sweep(&prefix);
        if outcome.is_ok() {
            outcome = left;
        }
        tell(&Event::Finished {
            scenario: name.clone(),
            failure: outcome.err().map(|error| format!("{error:#}")),
            duration_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        })?;
    }
    fs::remove_dir_all(&programs)
        .with_context(|| format!("cannot remove {}", programs.display()))?;
    tell(&Event::Done)
}

/// Run one scenario in this process. The failure, if any, is the program's error.
pub fn run_scenario(
    name: &str,
    prefix: &str,
    results: &Path,
    programs: &Path,
    speech: Speech,
    draw: Draw,
) -> Result<()> {
    let scenario = find(name)?;
    let mut ctx = Ctx::new(name, prefix, results, programs, speech, draw)?;
    (scenario.run)(&mut ctx)
}

fn find(name: &str) -> Result<Scenario> {
    let known = [
        scenarios::all(),
        scenarios::on_request(),
        scenarios::broken(),
        vec![demo::SCENARIO, stay::SCENARIO],
        measure::SCENARIOS.to_vec(),
    ]
    .concat();
    known
        .into_iter()
        .find(|scenario| scenario.name == name)
        .with_context(|| format!("no scenario {name}"))
}

/// Run one scenario in a process of its own, and end it and all its children when its time is over.
fn run_apart(name: &str, prefix: &str, job: &Job, programs: &Path) -> Result<()> {
    let limit = find(name)?.limit;
    let results = job.results.as_path();
    let errors = results.join(format!("{name}.stderr"));
    let mut child = Command::new(std::env::current_exe()?)
        .arg("scenario")
        .args([name, prefix])
        .args([results, programs])
        .arg(job.speech.to_string())
        .args([job.draw.seed, job.draw.count].map(|number| number.to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(
            fs::File::create(&errors)
                .with_context(|| format!("cannot create {}", errors.display()))?,
        )
        .process_group(0)
        .spawn()
        .context("cannot start the scenario's process")?;
    let outcome = follow(&mut child, limit);
    // Daemons of the scenario are in its process group. An empty group is an error that means nothing.
    let group = Pid::from_raw(i32::try_from(child.id()).context("process id out of range")?);
    let _ = killpg(group, Signal::SIGKILL);
    let status = child
        .wait()
        .context("cannot wait for the scenario's process")?;
    outcome?;
    if !status.success() {
        let text = fs::read_to_string(&errors).unwrap_or_default();
        bail!(
            "{}",
            if text.trim().is_empty() {
                status.to_string()
            } else {
                text.trim().to_owned()
            }
        );
    }
    Ok(())
}

/// Pass the scenario's lines on until it ends.
fn follow(child: &mut Child, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    let output = child.stdout.take().context("the scenario has no output")?;
    let (sender, lines) = mpsc::sync_channel(LINES);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => match Event::parse(&line) {
                Ok(event) => tell(&event)?,
                Err(text) => tell(&Event::Log {
                    text: text.to_owned(),
                })?,
            },
            Err(RecvTimeoutError::Timeout) => bail!("took longer than its limit of {limit:?}"),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Remove what a scenario left behind, and say what it was.
fn sweep(prefix: &str) -> Result<()> {
    let mut left = netns::remove_all(prefix)?;
    let scratch = Path::new(RUN).join(prefix);
    if scratch.exists() {
        fs::remove_dir_all(&scratch)
            .with_context(|| format!("cannot remove {}", scratch.display()))?;
        left.push(scratch.display().to_string());
    }
    ensure!(left.is_empty(), "left behind: {}", left.join(", "));
    Ok(())
}

/// Copy the programs under test to a place where an unprivileged user can run them: their directory on the host may be
/// closed to others. Those that are not built are missed only by the scenarios that need them.
fn install_programs(lab: &Path) -> Result<PathBuf> {
    let from = lab.parent().context("mclag-lab has no directory")?;
    let to = Path::new(RUN).join(format!("bin-{}", std::process::id()));
    fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;
    for directory in [Path::new(RUN), &to] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot open {} to all users", directory.display()))?;
    }
    for name in PROGRAMS {
        let source = from.join(name);
        if source.is_file() {
            let target = to.join(name);
            fs::copy(&source, &target)
                .with_context(|| format!("cannot copy {}", source.display()))?;
            fs::set_permissions(&target, fs::Permissions::from_mode(0o755))
                .with_context(|| format!("cannot open {} to all users", target.display()))?;
        }
    }
    Ok(to)
}

fn tell(event: &Event) -> Result<()> {
    event
        .send(io::stdout().lock())
        .context("cannot tell the host")
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

fn uptime_ms() -> u64 {
    let text = read_line("/proc/uptime");
    let seconds = text
        .split(' ')
        .next()
        .and_then(|word| word.parse::<f64>().ok());
    seconds.map_or(0, |seconds| {
        Duration::from_secs_f64(seconds)
            .as_millis()
            .try_into()
            .unwrap_or(u64::MAX)
    })
}
