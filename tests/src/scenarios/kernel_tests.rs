//! Tests that other crates keep for a real kernel, on a kernel that has everything.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::scenario::{Ctx, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "kernel_tests_of_other_crates_pass_without_skipping",
    about: "Run the test programs that `tests/scripts/kernel-tests` has built.\n\
            All pass, and none says that this kernel lacks something.",
    limit: Duration::from_secs(600),
    run: kernel_tests_of_other_crates_pass_without_skipping,
}];

fn kernel_tests_of_other_crates_pass_without_skipping(ctx: &mut Ctx) -> Result<()> {
    let place = ctx.kernel_tests()?;
    let hint = || {
        format!(
            "no kernel tests in {}: run tests/scripts/kernel-tests",
            place.display()
        )
    };
    let entries = fs::read_dir(&place).with_context(hint)?;
    let mut programs = entries.collect::<Result<Vec<_>, _>>()?;
    programs.sort_by_key(fs::DirEntry::file_name);
    ensure!(!programs.is_empty(), hint());
    for program in programs {
        let name = program.file_name().to_string_lossy().into_owned();
        // One at a time, so that what they print stays in order, and uncaptured, because a skipped test only says so.
        let output = Command::new(program.path())
            .args(["--test-threads", "1", "--nocapture"])
            .output();
        let output = output.with_context(|| format!("cannot run the kernel tests of {name}"))?;
        let text = [output.stdout, output.stderr].concat();
        fs::write(ctx.results().join(format!("{name}.log")), &text)
            .context("cannot keep the log")?;
        let text = String::from_utf8_lossy(&text);
        ensure!(
            output.status.success(),
            "kernel tests of {name} failed:\n{text}"
        );
        let skipped: Vec<_> = text
            .lines()
            .filter(|line| line.contains(": skipped: "))
            .collect();
        ensure!(
            skipped.is_empty(),
            "kernel tests of {name}:\n{}",
            skipped.join("\n")
        );
        let passed = text
            .lines()
            .find(|line| line.starts_with("test result: ok."));
        ensure!(
            passed.is_some_and(|line| !line.contains(" 0 passed")),
            "kernel tests of {name} ran nothing:\n{text}"
        );
    }
    Ok(())
}
