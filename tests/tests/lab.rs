//! Every scenario of the lab as a test. All chosen ones share one boot of the virtual machine, where one is needed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};
use mclag_tests::places::Places;
use mclag_tests::protocol::Event;
use mclag_tests::scenario::Scenario;
use mclag_tests::scenarios;
use mclag_tests::session::{self, Audience, Verdict};

/// Lines of a scenario's log that go into the explanation of its failure.
const LOG_TAIL: usize = 60;

fn main() {
    let mut args = Arguments::from_args();
    // The scenarios run one after the other in their guest. A second thread makes the harness print a test's line when
    // it ends and not when it starts, so that figures can be printed above it.
    args.test_threads = Some(2);

    let mut senders = HashMap::new();
    let mut trials = Vec::new();
    // The run begins with the first test that waits for it: never for `--list`.
    let start = Arc::new(Mutex::new(None::<Box<dyn FnOnce() + Send>>));
    for scenario in scenarios::all() {
        let (sender, receiver) = mpsc::channel();
        let start = Arc::clone(&start);
        let trial = Trial::test(scenario.name, move || judge(&start, &receiver));
        if !args.is_filtered_out(&trial) {
            senders.insert(scenario.name.to_owned(), (scenario, sender));
        }
        trials.push(trial);
    }
    *start.lock().expect("no thread runs yet") = Some(Box::new(move || run(senders)));
    libtest_mimic::run(&args, trials).exit();
}

fn run(senders: HashMap<String, (Scenario, Sender<Verdict>)>) {
    let chosen: Vec<Scenario> = scenarios::all()
        .into_iter()
        .filter(|scenario| senders.contains_key(scenario.name))
        .collect();
    let mut tests = Tests { senders };
    match Places::of(Path::new(env!("CARGO_BIN_EXE_mclag-lab"))) {
        Ok(places) => session::run(&places, &chosen, &mut tests),
        Err(error) => eprintln!("lab: {error:#}"),
    }
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
