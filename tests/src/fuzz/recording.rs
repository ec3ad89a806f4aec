//! Recordings of what the core was told.

use iccp_core::record::{Entry, Recording};

/// A recording: it is read or its first bad line named, it can be written and reads the same, and the
/// core decides on whatever it says.
pub fn recording(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let recording = match Recording::read(text) {
        Ok(recording) => recording,
        Err(error) => {
            assert!(error.line <= text.lines().count().max(1), "{error}");
            return;
        }
    };
    let entries: String = recording.entries.iter().map(Entry::line).collect();
    let again = recording.header.line() + &entries;
    assert_eq!(Recording::read(&again).as_ref(), Ok(&recording));
    let replayed = recording.replay();
    assert_eq!(recording.replay(), replayed, "the same again");
}
