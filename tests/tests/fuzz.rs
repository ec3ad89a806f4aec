//! Every fuzz target, on the same inputs every time: its seeds, their beginnings, and variations of them.
//!
//! What `make fuzz` searches for without end is tried here in seconds; see [`mclag_tests::fuzz`].

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mclag_tests::fuzz::{Mutations, TARGETS, Target};

/// Variations tried for each target.
const VARIATIONS: usize = 3000;

/// Beginnings tried of each seed: all of a short one, every so many bytes of a longer one.
const BEGINNINGS: usize = 256;

/// Run a target; if it fails, with the input that it fails on.
fn run(target: &Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{} fails on {hex}", target.name);
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn every_target_has_seeds() {
    for target in TARGETS {
        assert!(target.seeds().len() >= 4, "{}", target.name);
    }
}

#[test]
fn seeds_and_their_beginnings_break_nothing() {
    for target in TARGETS {
        for seed in target.seeds() {
            let step = seed.len() / BEGINNINGS + 1;
            for len in (0..seed.len()).step_by(step).chain([seed.len()]) {
                run(target, &seed[..len]);
            }
        }
    }
}

#[test]
fn variations_of_the_seeds_break_nothing() {
    for target in TARGETS {
        let seeds = target.seeds();
        for input in Mutations::new(&seeds).take(VARIATIONS) {
            run(target, &input);
        }
    }
}

/// Each target has a program, and nothing else has.
#[test]
fn every_target_can_be_run_by_make_fuzz() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let names: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    let listed = |directory: &str, extension: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz.join(directory)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .map(|name| name.strip_suffix(extension).unwrap().to_owned())
            .collect()
    };
    assert_eq!(listed("fuzz_targets", ".rs"), names);
    assert_eq!(listed("seeds", ".txt"), names);
    for name in &names {
        let program = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("fuzz::{name}(")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), names.len());
}
