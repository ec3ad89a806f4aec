//! Lines on their way to standard error.
//!
//! Whoever reads there may be slow, hang or be gone, and a disk may be full: that costs lines, which are counted, and
//! never the daemon. A thread of its own writes, one line at a time; everybody else only puts lines into a bounded
//! queue. A line for which there is no room is lost, rather than an older one: what was logged first says why.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

/// Bytes that may wait: some thousand lines.
const ROOM: usize = 1 << 20;

/// Bytes that may wait beyond them of what must not be lost, such as why the process ends.
const RESERVE: usize = 1 << 18;

/// A reader that takes nothing for so long is not waited for.
const STALLED: Duration = Duration::from_secs(1);

/// Nor is one that has not taken all by then.
const LATEST: Duration = Duration::from_secs(5);

/// Lines that wait, and what became of the others.
#[derive(Debug)]
pub(super) struct Queue {
    room: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Box<[u8]>>,
    /// Bytes of them.
    bytes: usize,
    /// A line was taken and is not written yet.
    is_writing: bool,
    /// Lines that were written or given up.
    done: u64,
    /// Lines that nobody will read.
    lost: u64,
    /// How many of these were reported.
    reported: u64,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self::with_room(ROOM)
    }

    fn with_room(room: usize) -> Self {
        Self {
            room,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Have a line written, which ends with a line feed.
    pub(super) fn push(&self, line: &[u8]) {
        self.push_within(line, self.room);
    }

    /// Have a text of any length written before this returns, as long as somebody reads. It has room of its own,
    /// however many lines wait before it.
    pub(super) fn write_line(&self, text: &[u8]) {
        for piece in text.chunks(RESERVE) {
            self.push_within(piece, self.room.saturating_add(RESERVE));
            if !self.drain() {
                return;
            }
        }
    }

    fn push_within(&self, line: &[u8], room: usize) {
        let mut state = self.lock();
        if state.bytes.saturating_add(line.len()) > room {
            state.lost = state.lost.saturating_add(1);
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.into());
        drop(state);
        self.changed.notify_all();
    }

    /// Lines that were lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// Wait until everything is written, as long as somebody takes it; whether all was.
    pub(super) fn drain(&self) -> bool {
        let latest = Instant::now() + LATEST;
        let mut state = self.lock();
        while state.is_writing || !state.lines.is_empty() {
            let done = state.done;
            let is_same = |state: &mut State| {
                state.done == done && (state.is_writing || !state.lines.is_empty())
            };
            let waited = self.changed.wait_timeout_while(state, STALLED, is_same);
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() || Instant::now() >= latest {
                return false;
            }
            state = after;
        }
        true
    }

    /// Write line after line by `write`, for ever. `report` is told how many lines were lost since it was told last,
    /// when one could be written again; it may push a line.
    pub(super) fn write_all(
        &self,
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
        mut report: impl FnMut(u64),
    ) {
        loop {
            self.write_next(&mut write, &mut report);
        }
    }

    fn write_next(
        &self,
        write: &mut impl FnMut(&[u8]) -> io::Result<()>,
        report: &mut impl FnMut(u64),
    ) {
        let line = self.take();
        let written = write(&line);
        let unreported = {
            let mut state = self.lock();
            match written {
                Ok(()) => {
                    let reported = state.reported;
                    state.reported = state.lost;
                    state.lost - reported
                }
                Err(_) => {
                    state.lost = state.lost.saturating_add(1);
                    0
                }
            }
        };
        // Still counts as writing: who drains the queue waits for this line as well.
        if unreported > 0 {
            report(unreported);
        }
        let mut state = self.lock();
        state.is_writing = false;
        state.done = state.done.wrapping_add(1);
        drop(state);
        self.changed.notify_all();
    }

    fn take(&self) -> Box<[u8]> {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.is_writing = true;
                return line;
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing that holds the lock can panic half way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Standard error, as the thread that writes sees it.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    /// The last line ends in the middle.
    is_cut: bool,
}

impl Stderr {
    /// Write a line, however long it takes.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_cut {
            write_whole(b"\n").map_err(|(_, error)| error)?;
            self.is_cut = false;
        }
        write_whole(line).map_err(|(written, error)| {
            self.is_cut = written > 0;
            error
        })
    }
}

/// Or how much was written, and why not the rest.
fn write_whole(bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..)
        && !rest.is_empty()
    {
        // Not by `io::Stderr`: its lock would hold up whoever else in this process writes there.
        match write(io::stderr(), rest) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(Errno::EINTR) => {}
            // Whoever shares the file with us has made it so.
            Err(Errno::EAGAIN) => wait_for_room().map_err(|error| (written, error))?,
            Err(error) => return Err((written, error.into())),
        }
    }
    Ok(())
}

fn wait_for_room() -> io::Result<()> {
    let stderr = io::stderr();
    let mut wanted = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut wanted, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Write what waits; each line fails for which `write` says so. The lines that were written, and the reports.
    fn written(queue: &Queue, write: impl Fn(&[u8]) -> bool) -> (Vec<String>, Vec<u64>) {
        let (mut lines, mut reports) = (Vec::new(), Vec::new());
        while !queue.lock().lines.is_empty() {
            queue.write_next(
                &mut |line| {
                    if !write(line) {
                        return Err(io::ErrorKind::StorageFull.into());
                    }
                    lines.push(String::from_utf8(line.to_vec()).unwrap());
                    Ok(())
                },
                &mut |lost| reports.push(lost),
            );
        }
        (lines, reports)
    }

    #[test]
    fn lines_come_in_their_order_and_none_is_lost_while_somebody_reads() {
        let queue = Queue::new();
        let wanted: Vec<String> = (0..1000).map(|n| format!("line {n}\n")).collect();
        wanted.iter().for_each(|line| queue.push(line.as_bytes()));
        assert_eq!(written(&queue, |_| true), (wanted, vec![]));
        assert_eq!(queue.lost(), 0);
    }

    #[test]
    fn a_line_without_room_is_lost_and_reported_once_one_is_written() {
        let queue = Queue::with_room(6);
        for line in ["1\n", "2\n", "3\n", "4\n", "5\n"] {
            queue.push(line.as_bytes());
        }
        assert_eq!(queue.lost(), 2);
        let wanted = ["1\n", "2\n", "3\n"].map(str::to_owned).to_vec();
        assert_eq!(written(&queue, |_| true), (wanted, vec![2]));
        // There is room again.
        queue.push(b"6\n");
        assert_eq!(written(&queue, |_| true), (vec!["6\n".into()], vec![]));
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_and_the_next_one_is_tried() {
        let queue = Queue::new();
        queue.push(b"bad\n");
        queue.push(b"bad\n");
        assert_eq!(written(&queue, |_| false), (vec![], vec![]));
        assert_eq!(queue.lost(), 2);
        queue.push(b"good\n");
        assert_eq!(written(&queue, |_| true), (vec!["good\n".into()], vec![2]));
    }

    #[test]
    fn what_is_said_has_room_behind_a_full_queue_and_may_be_longer_than_it() {
        let queue: &'static Queue = Box::leak(Box::new(Queue::with_room(6)));
        for _ in 0..4 {
            queue.push(b"1\n");
        }
        let (sender, written) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            queue.write_all(
                |line| sender.send(line.to_vec()).map_err(io::Error::other),
                |_| {},
            );
        });
        let text = "all of it\n".repeat(300_000);
        queue.write_line(text.as_bytes());
        let written: Vec<u8> = written.try_iter().flatten().collect();
        assert_eq!(written, ["1\n1\n1\n", &text].concat().as_bytes());
    }

    #[test]
    fn who_drains_waits_for_a_reader_that_reads_and_for_no_other() {
        let queue: &'static Queue = Box::leak(Box::new(Queue::new()));
        let (sender, written) = std::sync::mpsc::channel();
        let (go, stop) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            queue.write_all(
                |line| {
                    // From the hundredth line on nothing is taken any more.
                    if line == b"100\n" {
                        let _ = stop.recv();
                    }
                    sender.send(line.to_vec()).map_err(io::Error::other)
                },
                |_| {},
            );
        });
        for number in 0..100 {
            queue.push(format!("{number}\n").as_bytes());
        }
        queue.drain();
        assert_eq!(written.try_iter().count(), 100);
        queue.push(b"100\n");
        queue.drain();
        assert_eq!(written.try_iter().count(), 0);
        drop(go);
    }
}
