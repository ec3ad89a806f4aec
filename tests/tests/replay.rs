//! Recorded sessions of legacy daemons, played against ours: see [`mclag_tests::replay`].
//!
//! Needs the programs: `cargo build -p iccpd -p syncd` with the same profile.

use std::thread;

use anyhow::Result;
use mclag_tests::replay::stream::{Message, parse};

/// Recorded sessions: their names, and what was said.
macro_rules! recordings {
    ($kind:literal: $($name:literal)*) => {
        [$(($name, include_str!(concat!("../../replay/", $kind, "-", $name, ".txt")))),*]
    };
}

#[path = "replay/bad.rs"]
mod bad;
#[path = "replay/iccp.rs"]
mod iccp;
#[path = "replay/mclagsyncd.rs"]
mod mclagsyncd;
#[path = "replay/named.rs"]
mod named;
#[path = "replay/polled.rs"]
mod polled;

/// The messages of a recording, whatever connections they were on.
fn messages(text: &str) -> Vec<Message> {
    let sessions = parse(text).unwrap();
    sessions
        .into_iter()
        .flat_map(|session| session.messages)
        .collect()
}

/// All of `runs`, one after the other: those whose daemons name the same pair, which a chassis has once.
fn one_by_one<T>(runs: Vec<T>, run: impl Fn(u8, T) -> Result<()>) {
    for (number, one) in (0..).zip(runs) {
        run(number, one).unwrap_or_else(|error| panic!("{error:?}"));
    }
}

/// All of `runs`, side by side.
fn side_by_side<T: Send>(runs: Vec<T>, run: impl Fn(u8, T) -> Result<()> + Sync) {
    let run = &run;
    let failures: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(runs)
            .map(|(number, one)| scope.spawn(move || run(number, one)))
            .collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap());
        results
            .filter_map(|result| Some(format!("{:?}", result.err()?)))
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
