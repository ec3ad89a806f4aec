//! Recordings of reports, and what the core decides on them.
//!
//! Each file `NAME.jsonl` of `tests/recordings` is what an `iccpd` was told; `NAME.txt` beside it is what
//! is decided. With `UPDATE_RECORDINGS=1` in the environment the latter are written anew: look at the
//! difference before it is committed.

use iccp_core::record::Recording;
use std::fs;
use std::path::{Path, PathBuf};

fn recordings() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let entries = fs::read_dir(directory).expect("there are recordings");
    let files = entries.map(|entry| entry.expect("it can be listed").path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_recording_leads_to_the_decisions_beside_it() {
    let recordings = recordings();
    assert!(!recordings.is_empty());
    for path in recordings {
        let bytes = fs::read(&path).expect("it can be read");
        let recording =
            Recording::read(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let decided = recording.replay().text;
        let beside = path.with_extension("txt");
        if std::env::var_os("UPDATE_RECORDINGS").is_some() {
            fs::write(&beside, &decided).expect("it can be written");
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        let mut lines = (1..).zip(expected.lines().zip(decided.lines()));
        if let Some((number, (expected, decided))) = lines.find(|(_, (one, other))| one != other) {
            panic!(
                "{} line {number}: decided\n{decided}\nnot\n{expected}",
                beside.display()
            );
        }
        assert_eq!(
            expected.len(),
            decided.len(),
            "{}: one goes on",
            beside.display()
        );
    }
}
