//! The host's side of a run: starts the guest where it can run, and turns its events into one verdict per scenario.
//!
//! Nothing the guest does can hang the caller. Every phase has a deadline: the boot, each scenario, the pause between
//! two, and the whole. When the guest is lost, the scenario that was running is to blame, and the rest is tried again
//! in a fresh guest.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::places::Places;
use crate::probe::{self, Ground};
use crate::protocol::{Draw, Event, Job};
use crate::scenario::Scenario;
use crate::speech::Speech;
use crate::vm::{Accel, Vm};

/// What a scenario may take beyond its own limit, for the guest to end it and to clean up.
const GRACE: Duration = Duration::from_secs(30);
/// From the end of one scenario to the start of the next.
const BETWEEN: Duration = Duration::from_secs(60);
/// All scenarios together, on a machine that has much else to do; each has a limit of its own.
const WHOLE: Duration = Duration::from_secs(60 * 60);
/// Guests started for one run.
const GUESTS: usize = 3;
/// Events that wait to be looked at; more makes the guest wait.
const QUEUE: usize = 1024;

/// How one scenario ended.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Why it failed; nothing if it passed.
    pub failure: Option<String>,
    /// How long it took, as its own kernel saw it.
    pub duration: Duration,
    /// What it reported, in order.
    pub log: Vec<String>,
    /// The figures it measured, with what they mean.
    pub figures: Vec<(String, String)>,
}

impl Verdict {
    fn failed(reason: String) -> Self {
        Self {
            failure: Some(reason),
            duration: Duration::ZERO,
            log: Vec::new(),
            figures: Vec::new(),
        }
    }
}

/// Someone who follows a run while it happens.
pub trait Audience {
    /// Something about the lab itself: a boot, a kernel.
    fn notice(&mut self, text: &str);
    /// An event of a scenario.
    fn event(&mut self, event: &Event);
    /// The end of a scenario.
    fn verdict(&mut self, scenario: &str, verdict: Verdict);
}

/// Run `scenarios`. Every one of them gets exactly one verdict, whatever happens.
pub fn run(places: &Places, scenarios: &[Scenario], audience: &mut dyn Audience) {
    let taken = places.take(|| {
        audience.notice("another run of the lab uses the same directory: waiting for its end");
    });
    let mut run = Run {
        limits: scenarios
            .iter()
            .map(|scenario| (scenario.name.to_owned(), scenario.limit))
            .collect(),
        waiting: scenarios
            .iter()
            .map(|scenario| scenario.name.to_owned())
            .collect(),
        deadline: Instant::now() + whole(scenarios),
        audience,
    };
    let outcome = taken.and_then(|_lock| run.guests(places));
    let reason = outcome.map_or_else(
        |error| format!("{error:#}"),
        |()| format!("{GUESTS} guests were lost"),
    );
    for name in std::mem::take(&mut run.waiting) {
        run.audience
            .verdict(&name, Verdict::failed(format!("was not run: {reason}")));
    }
}

/// How long all of them may take: longer than usual for one that may itself.
fn whole(scenarios: &[Scenario]) -> Duration {
    let longest = scenarios.iter().map(|scenario| scenario.limit + GRACE);
    longest.max().unwrap_or_default().max(WHOLE)
}

struct Run<'a> {
    limits: HashMap<String, Duration>,
    /// Scenarios without a verdict, in order.
    waiting: Vec<String>,
    /// The end of all.
    deadline: Instant,
    audience: &'a mut dyn Audience,
}

/// The scenario that is running, and what it has told so far.
struct Current {
    name: String,
    start: Instant,
    log: Vec<String>,
    figures: Vec<(String, String)>,
}

impl Run<'_> {
    /// Start guests, one after the other, until every scenario has a verdict or there were [`GUESTS`].
    fn guests(&mut self, places: &Places) -> Result<()> {
        for _ in 0..GUESTS {
            let before = self.waiting.len();
            if before == 0 {
                break;
            }
            match self.one_guest(places) {
                // Where not even one verdict was reached, a further guest would be lost in the same way.
                Err(error) if self.waiting.len() == before => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Start a guest and follow it to its end. An error means that it was lost.
    fn one_guest(&mut self, places: &Places) -> Result<()> {
        let mut guest = Guest::start(places, &self.waiting, self.audience)?;
        let start = Instant::now();
        let mut phase = (
            start + guest.boot_limit(),
            "the guest did not start".to_owned(),
        );
        let mut current: Option<Current> = None;
        let mut ready = false;
        loop {
            let (limit, reason) = &phase;
            let deadline = (*limit).min(self.deadline);
            let line = match guest
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => line,
                Err(cause) => {
                    let reason = match cause {
                        RecvTimeoutError::Timeout if *limit > self.deadline => {
                            format!("all scenarios together took longer than {WHOLE:?}")
                        }
                        RecvTimeoutError::Timeout => reason.clone(),
                        RecvTimeoutError::Disconnected => "the guest ended".into(),
                    };
                    if !ready && guest.falls_back(places)? {
                        self.audience.notice("KVM is there but does not work: using emulation until the next restart");
                        return self.one_guest(places);
                    }
                    return Err(self.lost(guest.explain(&reason), current));
                }
            };
            let event = match Event::parse(&line) {
                Ok(event) => event,
                Err(text) => Event::Log {
                    text: text.to_owned(),
                },
            };
            match &event {
                Event::Ready { kernel, uptime_ms } => {
                    ready = true;
                    self.audience.notice(&format!(
                        "kernel {kernel}: guest ready after {:.1} s (kernel up for {:.1} s)",
                        start.elapsed().as_secs_f64(),
                        Duration::from_millis(*uptime_ms).as_secs_f64()
                    ));
                }
                Event::Started { scenario } => {
                    let limit = self.limits.get(scenario).copied().unwrap_or_default() + GRACE;
                    phase = (
                        Instant::now() + limit,
                        format!("hung for {limit:?}, its own guest included"),
                    );
                    current = Some(Current {
                        name: scenario.clone(),
                        start: Instant::now(),
                        log: Vec::new(),
                        figures: Vec::new(),
                    });
                }
                Event::Log { text } => {
                    if let Some(current) = &mut current {
                        current.log.push(text.clone());
                    }
                }
                Event::Measured { what, value } => {
                    if let Some(current) = &mut current {
                        current.figures.push((what.clone(), value.clone()));
                    }
                }
                Event::Finished {
                    scenario,
                    failure,
                    duration_ms,
                } => {
                    phase = (
                        Instant::now() + BETWEEN,
                        "the guest stopped between two scenarios".into(),
                    );
                    let told = current.take();
                    let (log, figures) = told
                        .map(|told| (told.log, told.figures))
                        .unwrap_or_default();
                    self.audience.event(&event);
                    self.give_verdict(
                        scenario,
                        Verdict {
                            failure: failure.clone(),
                            duration: Duration::from_millis(*duration_ms),
                            log,
                            figures,
                        },
                    );
                    continue;
                }
                Event::Done => return Ok(()),
            }
            self.audience.event(&event);
        }
    }

    /// The guest is gone: blame the scenario that was running.
    fn lost(&mut self, reason: String, current: Option<Current>) -> anyhow::Error {
        if let Some(current) = current {
            self.give_verdict(
                &current.name,
                Verdict {
                    failure: Some(reason.clone()),
                    duration: current.start.elapsed(),
                    log: current.log,
                    figures: current.figures,
                },
            );
        }
        anyhow::Error::msg(reason)
    }

    fn give_verdict(&mut self, scenario: &str, verdict: Verdict) {
        let before = self.waiting.len();
        self.waiting.retain(|name| name != scenario);
        if self.waiting.len() < before {
            self.audience.verdict(scenario, verdict);
        }
    }
}

/// A running guest, on this kernel or in a machine. Dropping it ends it.
struct Guest {
    lines: Receiver<String>,
    body: Body,
}

enum Body {
    Host(Child),
    Machine(Vm, Accel),
}

impl Guest {
    fn start(places: &Places, scenarios: &[String], audience: &mut dyn Audience) -> Result<Self> {
        let path = places.results.join(Job::FILE);
        let mut job = Job {
            scenarios: scenarios.to_vec(),
            results: places.results.clone(),
            speech: Speech::of_environment()?,
            draw: Draw::of_environment()?,
        };
        match probe::ground()? {
            Ground::Host => {
                audience.notice("running on this system's own kernel");
                job.store(&path)?;
                let mut child = Command::new("setpriv")
                    .args(["--pdeathsig", "KILL", "--"])
                    .arg(&places.lab)
                    .arg("guest")
                    .arg(&path)
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .spawn()
                    .context("cannot start the guest on this system")?;
                let output = child.stdout.take().context("the guest has no output")?;
                Ok(Self {
                    lines: read_lines(output),
                    body: Body::Host(child),
                })
            }
            Ground::Machine(reason) => {
                let accel = Accel::choose(&places.state);
                audience.notice(&format!("booting a virtual machine, {accel} ({reason})"));
                job.results = Vm::guest_results();
                job.store(&path)?;
                let (vm, output) = Vm::boot(places, accel)?;
                Ok(Self {
                    lines: read_lines(output),
                    body: Body::Machine(vm, accel),
                })
            }
        }
    }

    fn boot_limit(&self) -> Duration {
        match &self.body {
            Body::Host(_) => GRACE,
            Body::Machine(_, accel) => accel.boot_limit(),
        }
    }

    /// After a boot that failed: whether there is another way to boot. If so, the guest is ended.
    fn falls_back(&mut self, places: &Places) -> Result<bool> {
        match &mut self.body {
            Body::Machine(vm, Accel::Kvm) => {
                vm.kill();
                Accel::remember_failure(&places.state)?;
                Ok(true)
            }
            Body::Host(_) | Body::Machine(_, Accel::Emulation) => Ok(false),
        }
    }

    /// Everything known about why the guest is gone.
    fn explain(&mut self, reason: &str) -> String {
        match &mut self.body {
            Body::Host(_) => reason.to_owned(),
            Body::Machine(vm, _) => {
                let ended = vm
                    .ended()
                    .map(|how| format!(" ({how})"))
                    .unwrap_or_default();
                format!("{reason}{ended}\n{}", vm.console_excerpt())
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Body::Host(child) = &mut self.body {
            // Both fail only if it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Lines of a program, readable with a deadline. The thread ends with the program, or with its last reader.
fn read_lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(QUEUE);
    thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
