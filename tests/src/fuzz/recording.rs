//! Recordings of what the core was told.

use iccp_core::record::{Entry, Recording};

/// A recording: it is read or its first bad line named, it can be written and reads the same, and the
/// core decides on whatever it says.
pub fn recording(bytes: &[u8]) {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').count();
    let mut recording = match Recording::read(bytes) {
        Ok(recording) => recording,
        Err(error) => {
            assert!(error.line <= lines.max(1), "{error}");
            return;
        }
    };
    let cut = recording.cut.take();
    assert!(cut.is_none_or(|line| line == lines), "{cut:?} of {lines}");
    let entries: String = recording.entries.iter().map(Entry::line).collect();
    let again = recording.header.line() + &entries;
    assert_eq!(Recording::read(again.as_bytes()).as_ref(), Ok(&recording));
    let replayed = recording.replay();
    assert_eq!(recording.replay(), replayed, "the same again");
}
