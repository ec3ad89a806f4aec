//! `mclag-soak`: looks for schedules of faults on which the pair fails.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use mclag_sim::schedule::Drawn;

/// Run schedules of faults until the time is over.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// The seed of the first schedule; the others follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run the schedule of the seed alone, and print what happens in it.
    #[arg(long)]
    replay: bool,
    /// Violations to print before the search ends.
    #[arg(long, default_value_t = 5)]
    most: u64,
    /// Print the schedule of a violation as it was drawn, not the smallest one that is like it.
    #[arg(long)]
    as_drawn: bool,
}

/// Runs that may be spent on making a schedule small.
const SHRINK_RUNS: usize = 2_000;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    // What a panic says is part of the outcome.
    std::panic::set_hook(Box::new(|_| {}));
    if arguments.replay {
        return replay(arguments.seed);
    }
    let next = AtomicU64::new(arguments.seed);
    let counted = Counted::default();
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let workers = thread::available_parallelism().map_or(1, |count| count.get());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while Instant::now() < end
                    && counted.violations.load(Ordering::Relaxed) < arguments.most
                {
                    counted.run(next.fetch_add(1, Ordering::Relaxed), arguments.as_drawn);
                }
            });
        }
    });
    let schedules = counted.schedules.load(Ordering::Relaxed);
    let violations = counted.violations.load(Ordering::Relaxed);
    let virtual_seconds = counted.virtual_seconds.load(Ordering::Relaxed);
    println!("{virtual_seconds} virtual seconds");
    println!("{schedules} schedules, violations: {violations}");
    Ok(ExitCode::from(u8::from(violations > 0)))
}

#[derive(Debug, Default)]
struct Counted {
    schedules: AtomicU64,
    violations: AtomicU64,
    virtual_seconds: AtomicU64,
}

impl Counted {
    fn run(&self, seed: u64, as_drawn: bool) {
        let drawn = match Drawn::from_seed(seed) {
            Ok(drawn) => drawn,
            Err(error) => {
                self.violations.fetch_add(1, Ordering::Relaxed);
                println!("seed {seed}: {error}");
                return;
            }
        };
        let outcome = drawn.schedule().run(false);
        self.schedules.fetch_add(1, Ordering::Relaxed);
        self.virtual_seconds
            .fetch_add(outcome.lasted.as_secs(), Ordering::Relaxed);
        if let Some(violation) = outcome.violation {
            self.violations.fetch_add(1, Ordering::Relaxed);
            if as_drawn {
                println!("seed {seed}: {}\n{}", violation.what, drawn.schedule());
                return;
            }
            let small = drawn.smallest_failing(SHRINK_RUNS);
            let shown = small.run(true);
            let trace = shown.trace.join("\n");
            let shown = shown.violation.unwrap_or(violation);
            println!(
                "seed {seed}: {}\n{trace}\nsmallest schedule:\n{small}",
                shown.what
            );
        }
    }
}

fn replay(seed: u64) -> anyhow::Result<ExitCode> {
    let outcome = Drawn::from_seed(seed)?.schedule().run(true);
    println!("{}", outcome.trace.join("\n"));
    let failed = outcome.violation.is_some();
    if let Some(violation) = outcome.violation {
        println!("seed {seed}: {}", violation.what);
    }
    Ok(ExitCode::from(u8::from(failed)))
}
