//! Writes down what the core is told, so that it can decide the same again ([`iccp_core::record`]).
//!
//! A thread writes; nothing here waits for the disk, but for a moment at the end of the program. A disk
//! that is slower than what happens ends the recording, and so does its bound: one with a gap, or without
//! its beginning, could not be replayed.
//!
//! The file is made with mode 0600. One that is there already is replaced if it is a plain file of our
//! own with one name; a link is not followed.

use iccp_core::record::{Digest, Entry, Header};
use iccp_core::{Batch, Config, Input, Time};
use mclag_daemon::files;
use mclag_proto::iccp::Message;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::thread;
use std::time::Duration;

/// Lines that may wait for the disk.
const QUEUE: usize = 1 << 14;

/// How long the end of the program waits for the disk: less than a service manager gives it (`TimeoutStopSec`
/// of the unit, 5 s), or nobody is told that the recording is cut.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a recording goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Bytes after which the recording ends.
    pub max_size: u64,
}

impl Place {
    /// Bytes after which a recording ends, unless the settings say so: hours of a quiet pair.
    pub const MAX_SIZE: u64 = 64 << 20;
}

/// The recording, if there is one. To drop it ends that, and waits for the disk.
#[derive(Debug, Default)]
pub struct Recorder {
    place: Option<Place>,
    writing: Option<Writing>,
    written: Option<Written>,
}

/// Tells when a thread has written everything, by being closed.
#[derive(Debug)]
struct Written {
    closed: Receiver<()>,
    /// How long the end of the program waits for that.
    patience: Duration,
}

#[derive(Debug)]
struct Writing {
    lines: SyncSender<String>,
    /// Bytes that may still come.
    room: u64,
    /// What was given since the domain was asked last.
    digest: Digest,
    /// It took something in since.
    has_input: bool,
}

impl Recorder {
    /// Nothing is recorded until [`Recorder::begin`].
    #[must_use]
    pub const fn new(place: Option<Place>) -> Self {
        Self {
            place,
            writing: None,
            written: None,
        }
    }

    /// Record what a domain of this configuration takes in from now on. `from_start`: it took in
    /// nothing before.
    pub fn begin(&mut self, config: &Config, from_start: bool) {
        self.end("another begins");
        let Some(Place { file, max_size }) = self.place.clone() else {
            return;
        };
        let (lines, queue) = sync_channel(QUEUE);
        let name = file.display().to_string();
        let (end, written) = sync_channel(0);
        let before = self.written.take();
        let spawned = thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                let _end: SyncSender<()> = end;
                // It may be the same file.
                if let Some(before) = before {
                    let _ = before.closed.recv();
                }
                write(&file, &queue);
            });
        if let Err(error) = spawned {
            tracing::warn!(file = name, %error, "cannot record");
            return;
        }
        self.written = Some(Written {
            closed: written,
            patience: PATIENCE,
        });
        tracing::info!(file = name, from_start, max_size, "recording begins");
        self.writing = Some(Writing {
            lines,
            room: max_size,
            digest: Digest::default(),
            has_input: false,
        });
        self.add(Header::new(config.clone(), from_start).line());
    }

    /// Begin if nothing is recorded, else end.
    pub fn toggle(&mut self, config: Option<&Config>) {
        match config {
            _ if self.writing.is_some() => self.end("asked to"),
            _ if self.place.is_none() => {
                tracing::warn!("nothing is recorded: the settings name no file in [record]");
            }
            Some(config) => self.begin(config, false),
            None => tracing::warn!("nothing is recorded: there is no pair"),
        }
    }

    /// End it, for this reason.
    pub fn end(&mut self, reason: &str) {
        if self.writing.take().is_some() {
            tracing::info!(reason, "recording ends");
        }
    }

    /// The domain takes this in.
    pub fn input(&mut self, input: &Input, now: Time) {
        if let Some(writing) = &mut self.writing {
            writing.has_input = true;
            self.add(Entry::input(input.clone(), now).line());
        }
    }

    /// It gave a batch.
    pub fn batch(&mut self, batch: &Batch) {
        if let Some(writing) = &mut self.writing {
            writing.digest.batch(batch);
        }
    }

    /// It gave a message.
    pub fn message(&mut self, message: &Message) {
        if let Some(writing) = &mut self.writing {
            writing.digest.message(message);
        }
    }

    /// It was asked for all batches, and for messages until there was none more (`exhausted`) or no
    /// room.
    pub fn polled(&mut self, exhausted: bool, now: Time) {
        if let Some(writing) = &mut self.writing {
            let digest = std::mem::take(&mut writing.digest);
            if std::mem::take(&mut writing.has_input) || !digest.is_empty() {
                self.add(digest.entry(exhausted, now).line());
            }
        }
    }

    fn add(&mut self, line: String) {
        let Some(writing) = &mut self.writing else {
            return;
        };
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let Some(room) = writing.room.checked_sub(length) else {
            return self.end("the file has its size");
        };
        writing.room = room;
        match writing.lines.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.end("the disk is too slow"),
            Err(TrySendError::Disconnected(_)) => self.end("the file cannot be written"),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end("the program ends");
        if let Some(Written { closed, patience }) = self.written.take()
            && closed.recv_timeout(patience) == Err(RecvTimeoutError::Timeout)
        {
            tracing::warn!("the disk is too slow: the recording is cut");
        }
    }
}

/// What the thread does, until nobody sends.
fn write(path: &Path, lines: &Receiver<String>) {
    if let Err(error) = try_write(path, lines) {
        tracing::warn!(file = %path.display(), %error, "cannot record");
    }
}

fn try_write(path: &Path, lines: &Receiver<String>) -> io::Result<()> {
    let mut file = io::BufWriter::new(files::open_to_write(path)?);
    loop {
        let line = match lines.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Disconnected) => return file.flush(),
            Err(TryRecvError::Empty) => {
                file.flush()?;
                match lines.recv() {
                    Ok(line) => line,
                    Err(_) => return Ok(()),
                }
            }
        };
        file.write_all(line.as_bytes())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iccp_core::record::Recording;
    use mclag_test_support::TempDir;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn recorder(max_size: u64, lines: SyncSender<String>) -> Recorder {
        Recorder {
            place: None,
            writing: Some(Writing {
                lines,
                room: max_size,
                digest: Digest::default(),
                has_input: false,
            }),
            written: None,
        }
    }

    fn config() -> Config {
        let name = |text| mclag_proto::IfName::new(text).unwrap();
        Config {
            ports: [name("bond1")].into(),
            ..Config::new(
                mclag_proto::DomainId::new(1).unwrap(),
                [192, 0, 2, 1].into(),
                [192, 0, 2, 2].into(),
                name("br0"),
                mclag_proto::Mac([2, 0, 0, 0, 0, 1]),
            )
        }
    }

    fn read(file: &Path) -> Recording {
        Recording::read(&std::fs::read(file).unwrap()).unwrap()
    }

    /// The thread is one that dawdles when nothing more comes.
    #[test]
    fn the_end_of_the_program_waits_for_the_last_line() {
        let (lines, queue) = sync_channel(100);
        let (end, written) = sync_channel::<()>(0);
        let mut recorder = recorder(u64::MAX, lines);
        recorder.written = Some(Written {
            closed: written,
            patience: Duration::MAX,
        });
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let thread = thread::spawn(move || {
            let lines = queue.iter().count();
            (0..10_000).for_each(|_| thread::yield_now());
            count.store(lines, Ordering::SeqCst);
            drop(end);
        });
        for _ in 0..10 {
            recorder.input(&Input::Timeout, Time::ZERO);
        }
        drop(recorder);
        assert_eq!(done.load(Ordering::SeqCst), 10);
        thread.join().unwrap();
    }

    #[test]
    fn what_was_recorded_is_in_the_file_when_the_recorder_is_dropped() {
        let directory = TempDir::new("whole");
        let file = directory.path("recording");
        let max_size = u64::MAX;
        let place = Place {
            file: file.clone(),
            max_size,
        };
        let mut recorder = Recorder::new(Some(place));
        recorder.begin(&config(), true);
        for _ in 0..1000 {
            recorder.input(&Input::Timeout, Time::ZERO);
        }
        drop(recorder);
        let recording = read(&file);
        assert_eq!((recording.entries.len(), recording.cut), (1000, None));
    }

    /// Both threads write to the same file.
    #[test]
    fn a_recording_that_follows_another_one_is_alone_in_the_file() {
        let directory = TempDir::new("second");
        let file = directory.path("recording");
        let max_size = u64::MAX;
        let place = Place {
            file: file.clone(),
            max_size,
        };
        let mut recorder = Recorder::new(Some(place));
        recorder.begin(&config(), true);
        for _ in 1..QUEUE {
            recorder.input(&Input::Timeout, Time::ZERO);
        }
        recorder.begin(&config(), false);
        recorder.input(&Input::LinksEnd, Time::ZERO);
        drop(recorder);
        let recording = read(&file);
        assert!(!recording.header.from_start);
        assert_eq!(
            recording.entries,
            [Entry::input(Input::LinksEnd, Time::ZERO)]
        );
    }

    #[test]
    fn a_recording_ends_at_its_bound() {
        let (lines, queue) = sync_channel(100);
        let mut recorder = recorder(100, lines);
        for _ in 0..10 {
            recorder.input(&Input::Timeout, Time::ZERO);
        }
        assert!(recorder.writing.is_none());
        let written: usize = queue.try_iter().map(|line| line.len()).sum();
        assert!((50..=100).contains(&written), "{written}");
    }

    #[test]
    fn a_disk_that_is_too_slow_ends_the_recording_and_holds_nobody_up() {
        let (lines, queue) = sync_channel(3);
        let mut recorder = recorder(u64::MAX, lines);
        for _ in 0..10 {
            recorder.input(&Input::Timeout, Time::ZERO);
        }
        assert!(recorder.writing.is_none());
        assert_eq!(queue.try_iter().count(), 3);
    }
}
