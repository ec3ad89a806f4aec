//! Writes the seeds of a fuzz target to a directory, one a file, as `cargo fuzz` wants them.
//!
//! `mclag-fuzz-seeds` lists the targets; `mclag-fuzz-seeds TARGET DIRECTORY` writes.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use mclag_tests::fuzz::{TARGETS, Target};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, directory] = args.as_slice() else {
        if !args.is_empty() {
            bail!("usage: mclag-fuzz-seeds [TARGET DIRECTORY]");
        }
        for target in TARGETS {
            println!("{}", target.name);
        }
        return Ok(());
    };
    let target = Target::named(name).with_context(|| format!("there is no target {name}"))?;
    let directory = PathBuf::from(directory);
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    for (number, seed) in target.seeds().into_iter().enumerate() {
        let path = directory.join(format!("seed-{number:03}"));
        fs::write(&path, seed).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
