//! Every scenario of the lab as a test. All chosen ones share the boots of two virtual machines, where such are needed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use mclag_tests::lanes::{self, LANES};
use mclag_tests::places::Places;
use mclag_tests::probe::{self, Ground};
use mclag_tests::protocol::Event;
use mclag_tests::scenario::Scenario;
use mclag_tests::scenarios;
use mclag_tests::session::{self, Audience, Verdict};

/// Lines of a scenario's log that go into the explanation of its failure.
const LOG_TAIL: usize = 60;

fn main() {
    let mut args = Arguments::from_args();
    // The scenarios run one after the other in their guests. Several threads make the harness print a test's line when
    // it ends and not when it starts, so that figures can be printed above it.
    args.test_threads = Some(1 + LANES);

    let mut senders = HashMap::new();
    let mut trials = Vec::new();
    // The run begins with the first test that waits for it: never for `--list`.
    let start = Arc::new(Mutex::new(None::<Box<dyn FnOnce() + Send>>));
    for scenario in scenarios_for(&args) {
        let (sender, receiver) = mpsc::channel();
        let start = Arc::clone(&start);
        let trial = Trial::test(scenario.name, move || judge(&start, &receiver));
        if !args.is_filtered_out(&trial) {
            senders.insert(scenario.name.to_owned(), (scenario, sender));
        }
        trials.push(trial);
    }
    trials.push(Trial::test(
        "the_lab_survives_broken_scenarios",
        broken_scenarios,
    ));
    *start.lock().expect("no thread runs yet") = Some(Box::new(move || run(senders)));
    libtest_mimic::run(&args, trials).exit();
}

/// All, and of those on request the ones that are named.
fn scenarios_for(args: &Arguments) -> Vec<Scenario> {
    let is_named = |scenario: &Scenario| {
        let word = args.filter.as_ref();
        word.is_some_and(|word| scenario.name.contains(word.as_str()))
    };
    let named = scenarios::on_request().into_iter().filter(is_named);
    scenarios::all().into_iter().chain(named).collect()
}

/// Held while guests are running: the one with broken scenarios is not to disturb them.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn run(senders: HashMap<String, (Scenario, Sender<Verdict>)>) {
    let _alone = alone();
    let chosen: Vec<Scenario> = [scenarios::all(), scenarios::on_request()]
        .concat()
        .into_iter()
        .filter(|scenario| senders.contains_key(scenario.name))
        .collect();
    if let Err(error) = run_lanes(&chosen, senders) {
        eprintln!("lab: {error:#}");
    }
}

/// On this system's own kernel they run one after the other: that is quick, and some tables are those of all namespaces.
fn run_lanes(
    chosen: &[Scenario],
    mut senders: HashMap<String, (Scenario, Sender<Verdict>)>,
) -> Result<()> {
    let places = Places::of(Path::new(env!("CARGO_BIN_EXE_mclag-lab")))?;
    let lanes = match probe::ground()? {
        Ground::Host => 1,
        Ground::Machine(_) => LANES,
    };
    thread::scope(|scope| {
        for (lane, number) in lanes::deal(chosen, lanes).into_iter().zip(1..) {
            let places = match number {
                1 => places.clone(),
                _ => places.beside(&format!("results-{number}")),
            };
            let senders = lane
                .iter()
                .filter_map(|scenario| senders.remove_entry(scenario.name))
                .collect();
            let mut tests = Tests { senders };
            scope.spawn(move || session::run(&places, &lane, &mut tests));
        }
    });
    Ok(())
}

/// The lab itself: run scenarios that go wrong in every way, in a guest of their own.
///
/// Each gets its verdict with the right reason, even those that come after the end of the kernel.
fn broken_scenarios() -> Result<(), Failed> {
    let _alone = alone();
    let mut scenarios = scenarios::broken();
    if matches!(probe::ground()?, Ground::Host) {
        scenarios.retain(|scenario| scenario.name != "broken_panics_the_kernel");
    }
    let mut verdicts = Verdicts::default();
    let places = Places::of(Path::new(env!("CARGO_BIN_EXE_mclag-lab")))?.beside("results-broken");
    session::run(&places, &scenarios, &mut verdicts);
    for scenario in scenarios {
        let reason = match scenario.name {
            "broken_hangs" => "took longer than its limit of 3s",
            "broken_crashes" => "signal: 6",
            "broken_leaves_things_behind" => "forgotten",
            "broken_panics_the_kernel" => "Kernel panic - not syncing",
            "broken_fails" => "two and two make five",
            other => return Err(format!("what is {other} expected to say?").into()),
        };
        match &verdicts.0[..] {
            [(name, Some(failure)), ..] if name == scenario.name && failure.contains(reason) => {
                verdicts.0.remove(0)
            }
            other => {
                return Err(format!("{}: wanted '{reason}', got {other:#?}", scenario.name).into());
            }
        };
    }
    match &verdicts.0[..] {
        [] => Ok(()),
        more => Err(format!("more verdicts than scenarios: {more:?}").into()),
    }
}

/// Only remembers who failed and why.
#[derive(Default)]
struct Verdicts(Vec<(String, Option<String>)>);

impl Audience for Verdicts {
    fn notice(&mut self, _text: &str) {}

    fn event(&mut self, _event: &Event) {}

    fn verdict(&mut self, scenario: &str, verdict: Verdict) {
        self.0.push((scenario.to_owned(), verdict.failure));
    }
}

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Tests {
    senders: HashMap<String, (Scenario, Sender<Verdict>)>,
}

impl Audience for Tests {
    fn notice(&mut self, text: &str) {
        eprintln!("lab: {text}");
    }

    fn event(&mut self, _event: &Event) {}

    fn verdict(&mut self, scenario: &str, verdict: Verdict) {
        if let Some((_, sender)) = self.senders.get(scenario) {
            // Nobody waits any more only when the harness itself is ending.
            let _ = sender.send(verdict);
        }
    }
}

/// Wait for the verdict of one scenario.
fn judge(
    start: &Mutex<Option<Box<dyn FnOnce() + Send>>>,
    verdicts: &Receiver<Verdict>,
) -> Result<(), Failed> {
    if let Some(run) = start
        .lock()
        .expect("no thread panics while it holds this")
        .take()
    {
        thread::spawn(run);
    }
    let verdict = verdicts
        .recv()
        .map_err(|_| Failed::from("the lab gave no verdict"))?;
    println!("    took {:.1} s", verdict.duration.as_secs_f64());
    for (what, value) in &verdict.figures {
        println!("    {what}: {value}");
    }
    match verdict.failure {
        None => Ok(()),
        Some(reason) => {
            let tail = &verdict.log[verdict.log.len().saturating_sub(LOG_TAIL)..];
            let told = if tail.is_empty() {
                String::new()
            } else {
                format!("\nit told:\n{}", tail.join("\n"))
            };
            Err(format!(
                "after {:.1} s: {reason}{told}",
                verdict.duration.as_secs_f64()
            )
            .into())
        }
    }
}
