//! A pair that stays until it is told to end, for a person to try things on.
//!
//! `mclag-lab up` starts `mclag-lab keep` in the background, which runs the scenario below as other commands run
//! theirs. That one serves consoles ([`crate::console`]) in place of ending. Files lie in the results directory of a
//! run of its own, and its lock is held while the pair is there.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::console::agent::{self, Place};
use crate::console::client;
use crate::mlag::Mlag;
use crate::places::Places;
use crate::protocol::Event;
use crate::scenario::{Ctx, Scenario};
use crate::session::{self, Audience, Verdict};
use crate::topology::{Options, Side};
use crate::wait::eventually;

/// Dual-homed hosts of the pair.
const HOSTS: u8 = 2;
/// What the scenario says when the pair can be used.
const READY: &str = "The pair is up.";
/// To come up, under emulation; to end, with everything it made.
const PATIENCE: Duration = Duration::from_secs(600);

/// The pair as a scenario. Not among the tests: it does not end by itself.
pub const SCENARIO: Scenario = Scenario {
    name: "stay",
    about: "A pair comes up and stays until it is told to end.",
    limit: Duration::from_secs(10 * 365 * 24 * 3600),
    run: stay,
};

fn stay(ctx: &mut Ctx) -> Result<()> {
    let mlag = Mlag::up(ctx, Options::with_hosts(HOSTS))?;
    let places = places(ctx, &mlag)?;
    let names: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
    ctx.log(format!("Chassis and hosts: {}.", names.join(", ")));
    let results = ctx.results().parent().context("no results directory")?;
    agent::serve(places, results, || ctx.log(READY))
}

/// Every chassis and host. Within a chassis, `mclagctl` asks its own daemon.
fn places(ctx: &Ctx, mlag: &Mlag) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for side in Side::BOTH {
        let programs = ctx.scratch().join(format!("programs-{side}"));
        fs::create_dir(&programs).context("cannot make a directory for programs")?;
        let script = programs.join("mclagctl");
        fs::write(&script, mlag.at(side).ctl_script()).context("cannot write mclagctl")?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
            .context("cannot write mclagctl")?;
        places.push(place(ctx, mlag.switch(side).ns.name(), Some(programs))?);
    }
    for host in mlag.all_hosts() {
        places.push(place(ctx, host.ns.name(), None)?);
    }
    Ok(places)
}

fn place(ctx: &Ctx, namespace: &str, programs: Option<PathBuf>) -> Result<Place> {
    let name = namespace.trim_start_matches(ctx.prefix()).to_owned();
    let profile = ctx.scratch().join(format!("profile-{name}"));
    fs::write(&profile, format!("PS1='{name}# '\nunset HISTFILE\n"))
        .context("cannot write a profile")?;
    Ok(Place {
        namespace: namespace.to_owned(),
        name,
        programs,
        profile,
    })
}

/// Where the pair of this program's directory has its files.
fn own_places() -> Result<Places> {
    Ok(Places::of_this_program()?.beside("pair"))
}

/// Whether the pair is there, or on its way.
fn is_there(places: &Places) -> Result<bool> {
    let path = places.lock_file();
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).context(format!("cannot open {}", path.display())),
    };
    match lock.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => {
            Err(error).context(format!("cannot lock {}", path.display()))
        }
    }
}

/// Have a pair come up, and stay.
pub fn up() -> Result<()> {
    let places = own_places()?;
    ensure!(
        !is_there(&places)?,
        "a pair is up already: end it with 'mclag-lab down'"
    );
    fs::create_dir_all(&places.state)
        .with_context(|| format!("cannot create {}", places.state.display()))?;
    let path = places.results.with_extension("log");
    let log = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let errors = log.try_clone().context("cannot share the log")?;
    // A group of its own: neither Ctrl-C nor the end of this terminal ends it.
    let mut keeper = Command::new(&places.lab)
        .arg("keep")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .context("cannot start mclag-lab")?;
    let mut shown = 0;
    let outcome = eventually("the pair is up", PATIENCE, || {
        let text = fs::read_to_string(&path)?;
        let new = text.get(shown..).unwrap_or_default();
        print!("{new}");
        shown = text.len();
        std::io::stdout().flush()?;
        if text.lines().any(|line| line == READY) {
            return Ok(true);
        }
        match keeper.try_wait()? {
            Some(_) => Ok(false),
            None => bail!("not yet: see {}", path.display()),
        }
    })?;
    ensure!(outcome, "the pair did not come up: see {}", path.display());
    println!(
        "\n    mclag-lab shell swA                   a prompt in chassis A; exit leaves it\n    \
         mclag-lab shell swB mclagctl status   one command\n    \
         mclag-lab down                        end the pair"
    );
    Ok(())
}

/// Keep a pair in this process until it is told to end.
pub fn keep() -> Result<()> {
    let mut told = Told::default();
    session::run(&own_places()?, &[SCENARIO], &mut told);
    match told.failure {
        None => Ok(()),
        Some(reason) => bail!("{reason}"),
    }
}

/// Run a program, or a shell, in a chassis or host of the pair. Returns its exit status.
pub fn shell(place: String, command: Vec<String>) -> Result<u8> {
    let places = own_places()?;
    ensure!(
        is_there(&places)?,
        "no pair is up: start one with 'mclag-lab up'"
    );
    client::run(&places.results, place, command)
}

/// End the pair, and wait until everything it made is gone.
pub fn down() -> Result<()> {
    let places = own_places()?;
    ensure!(is_there(&places)?, "no pair is up");
    client::down(&places.results)?;
    eventually("the pair has ended", PATIENCE, || {
        ensure!(!is_there(&places)?, "it is still there");
        Ok(())
    })
}

/// Writes down what happens, for [`up`].
#[derive(Default)]
struct Told {
    failure: Option<String>,
}

impl Audience for Told {
    fn notice(&mut self, text: &str) {
        println!("lab: {text}");
    }

    fn event(&mut self, event: &Event) {
        if let Event::Log { text } = event {
            println!("{text}");
        }
    }

    fn verdict(&mut self, _: &str, verdict: Verdict) {
        self.failure = verdict.failure;
    }
}
