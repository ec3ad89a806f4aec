//! `mclag-lab`: the lab without a test harness around it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use iccp_core::record::Recording;
use mclag_tests::places::Places;
use mclag_tests::protocol::{Draw, Event};
use mclag_tests::scenario::Scenario;
use mclag_tests::session::{self, Audience, Verdict};
use mclag_tests::speech::Speech;
use mclag_tests::{demo, guest, measure, netns, probe, scenarios, stay};

/// Two MC-LAG chassis and their hosts on a real kernel, for tests, measurements and a demonstration.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Show a pair at work, in a screenful.
    Demo,
    /// Have a pair with two hosts come up, and stay until `down`.
    Up,
    /// Run a command, or a shell, in a chassis (swA, swB) or host (h1, h2, oA, oB) of the pair that is up.
    Shell {
        /// Where.
        place: String,
        /// The command and its arguments; a shell without one.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// End the pair that is up.
    Down,
    /// Run scenarios and tell what happens in them.
    Run {
        /// Only those with one of these words in their name.
        words: Vec<String>,
    },
    /// Measure, and print the figures.
    Measure {
        /// Only those with one of these words in their name: addresses, failover, dialects.
        words: Vec<String>,
    },
    /// List the scenarios and what each is about.
    List,
    /// Have the core decide again what it decided when a recording was made, and print it.
    ///
    /// Exits with an error if it decides otherwise, as another version may.
    Replay {
        /// A recording of iccpd, see `[record]` in its settings.
        file: PathBuf,
    },
    /// Tell whether scenarios can run on this system's own kernel.
    Probe,
    /// Keep a pair in this process (started by `up`).
    #[command(hide = true)]
    Keep,
    /// Run a job where the scenarios can run (started by the other commands).
    #[command(hide = true)]
    Guest { job: PathBuf },
    /// Run one scenario in this process (started by the guest).
    #[command(hide = true)]
    Scenario {
        name: String,
        prefix: String,
        results: PathBuf,
        programs: PathBuf,
        speech: Speech,
        seed: u64,
        count: u64,
    },
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: What) -> Result<ExitCode> {
    match what {
        What::Shell { place, command } => return stay::shell(place, command).map(ExitCode::from),
        What::Up => stay::up(),
        What::Down => stay::down(),
        What::Keep => stay::keep(),
        What::Demo => follow(&[demo::SCENARIO], Telling::Demo),
        What::Run { words } => {
            let mut from = scenarios::all();
            if !words.is_empty() {
                from.extend(scenarios::on_request());
            }
            follow(&choose(from, &words)?, Telling::Scenarios)
        }
        What::Measure { words } => {
            let chosen = choose(measure::SCENARIOS.to_vec(), &words)?;
            follow(&chosen, Telling::Scenarios)
        }
        What::List => {
            for scenario in [scenarios::all(), scenarios::on_request()].concat() {
                println!(
                    "{}\n    {}",
                    scenario.name,
                    scenario.about.replace('\n', "\n    ")
                );
            }
            Ok(())
        }
        What::Probe => {
            netns::require_root()?;
            let missing = probe::missing()?;
            for line in &missing {
                println!("{line}");
            }
            if missing.is_empty() {
                println!("this kernel can carry the lab");
            }
            Ok(())
        }
        What::Replay { file } => replay(&file),
        What::Guest { job } => guest::run(&job),
        What::Scenario {
            name,
            prefix,
            results,
            programs,
            speech,
            seed,
            count,
        } => {
            let draw = Draw { seed, count };
            guest::run_scenario(&name, &prefix, &results, &programs, speech, draw)
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

fn replay(file: &Path) -> Result<()> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    let recording = Recording::read(&bytes).with_context(|| file.display().to_string())?;
    let header = &recording.header;
    let replayed = recording.replay();
    println!("# {} domain {}", header.software, header.config.domain);
    if !header.from_start {
        println!("# begun while it ran: what it knew before is missing");
    }
    print!("{}", replayed.text);
    if let Some(line) = recording.cut {
        println!("# cut: line {line}, the last one, was not written to its end");
    }
    match replayed.differing.first() {
        None => Ok(()),
        Some(_) if !header.from_start => Ok(()),
        Some(line) => bail!(
            "{} decisions are others than when it was recorded, the first at line {line}",
            replayed.differing.len()
        ),
    }
}

fn choose(mut from: Vec<Scenario>, words: &[String]) -> Result<Vec<Scenario>> {
    from.retain(|scenario| {
        words.is_empty() || words.iter().any(|word| scenario.name.contains(word))
    });
    if from.is_empty() {
        bail!("no scenario has {} in its name", words.join(" or "));
    }
    Ok(from)
}

fn follow(chosen: &[Scenario], telling: Telling) -> Result<()> {
    let mut screen = Screen {
        telling,
        failures: 0,
    };
    session::run(&Places::of_this_program()?, chosen, &mut screen);
    match screen.failures {
        0 => Ok(()),
        count => bail!("{count} of {} failed", chosen.len()),
    }
}

/// What of a run is worth the screen.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Telling {
    Demo,
    Scenarios,
}

struct Screen {
    telling: Telling,
    failures: usize,
}

impl Audience for Screen {
    fn notice(&mut self, text: &str) {
        eprintln!("lab: {text}");
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Started { scenario } if self.telling == Telling::Scenarios => {
                println!("{scenario} ...")
            }
            Event::Log { text } if self.telling == Telling::Demo => println!("{text}"),
            Event::Log { text } => println!("    {text}"),
            Event::Measured { what, value } => println!("    {what}: {value}"),
            _ => {}
        }
    }

    fn verdict(&mut self, scenario: &str, verdict: Verdict) {
        let seconds = verdict.duration.as_secs_f64();
        match verdict.failure {
            None if self.telling == Telling::Demo => {}
            None => println!("{scenario}: ok ({seconds:.1} s)"),
            Some(reason) => {
                self.failures += 1;
                println!(
                    "{scenario}: FAILED ({seconds:.1} s)\n    {}",
                    reason.replace('\n', "\n    ")
                );
            }
        }
    }
}
