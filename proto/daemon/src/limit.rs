//! Keeps what others can provoke from filling the log.
//!
//! A line is of a *kind*, and about a *subject*: a port, an address, or nothing in particular. Each
//! subject of a kind has a bucket of its own, so a port that flaps does not silence the others, and all
//! of a kind together have one, so a thousand subjects do not make a thousand times as many lines. What
//! was left out is counted by kind, and said with the next line of the kind or when none comes any more.
//!
//! [`Limiter`] and [`Bucket`] have no clock: whoever asks says what time it is. [`Log`] has.

use crate::time::wait_until;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long after the last line that was left out the flood is over.
const QUIET: Duration = Duration::from_secs(2);

/// Subjects of one kind that are told apart. What is about others shares a bucket.
const MAX_SUBJECTS: usize = 1024;

/// So many lines at once, and one more per interval.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// Lines at once, at least 1.
    pub burst: u32,
    /// Interval, at least a millisecond.
    pub every: Duration,
}

/// A kind of line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kind {
    /// Its name, as the log has it.
    pub name: &'static str,
    /// Lines about one subject.
    pub each: Rate,
    /// Lines of the kind.
    pub all: Rate,
}

impl Kind {
    /// Lines that come one by one, as a rule.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            each: Rate {
                burst: 10,
                every: Duration::from_secs(1),
            },
            // A failure of everything makes a line for each port, of which there may be hundreds.
            all: Rate {
                burst: 1024,
                every: Duration::from_millis(250),
            },
        }
    }

    /// The same, with so many lines about one subject at once.
    #[must_use]
    pub const fn at_once(self, burst: u32) -> Self {
        let each = Rate { burst, ..self.each };
        Self { each, ..self }
    }
}

/// Lines that were left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// Their kind.
    pub kind: &'static str,
    /// How many.
    pub lines: u64,
}

/// What was written lately, and what was not.
#[derive(Debug, Default)]
pub struct Limiter {
    kinds: BTreeMap<&'static str, Lines>,
}

/// Lines of a kind.
#[derive(Debug)]
struct Lines {
    all: Bucket,
    subjects: BTreeMap<String, Bucket>,
    left_out: u64,
    /// When the last one was left out.
    last: Instant,
}

/// What a rate leaves of what happens.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    rate: Rate,
    tokens: u32,
    since: Instant,
}

impl Bucket {
    /// A bucket of which nothing was taken.
    #[must_use]
    pub const fn full(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            tokens: rate.burst,
            since: now,
        }
    }

    /// Whether one more is within the rate; it counts then.
    pub fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let has = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        has
    }

    fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens == self.rate.burst
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        let refills = elapsed.as_millis() / self.rate.every.as_millis().max(1);
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        if refills > 0 {
            self.tokens = self.tokens.saturating_add(refills).min(self.rate.burst);
            self.since = now;
        }
    }
}

impl Lines {
    /// Whether one more line about a subject is within its rate. Subjects that nothing was said about
    /// lately are forgotten.
    fn take(&mut self, subject: &str, rate: Rate, now: Instant) -> bool {
        let is_new = !self.subjects.contains_key(subject);
        if is_new && self.subjects.len() >= MAX_SUBJECTS {
            self.subjects.retain(|_, bucket| !bucket.is_full(now));
        }
        let shares = is_new && self.subjects.len() >= MAX_SUBJECTS;
        let subject = if shares { "" } else { subject };
        let bucket = self.subjects.entry(subject.to_owned());
        bucket.or_insert(Bucket::full(rate, now)).take(now)
    }
}

impl Limiter {
    /// Whether a line of this kind about `subject` may be written now; if so, how many of the kind
    /// were left out since the last one.
    pub fn allow(&mut self, kind: Kind, subject: &str, now: Instant) -> Option<u64> {
        let lines = self.kinds.entry(kind.name).or_insert_with(|| Lines {
            all: Bucket::full(kind.all, now),
            subjects: BTreeMap::new(),
            left_out: 0,
            last: now,
        });
        // A subject is not asked, and needs no bucket, where the kind has none left.
        let mut all = lines.all;
        if !(all.take(now) && lines.take(subject, kind.each, now)) {
            lines.left_out += 1;
            lines.last = now;
            return None;
        }
        lines.all = all;
        Some(std::mem::take(&mut lines.left_out))
    }

    /// When it will be time for [`Limiter::ended`]; not before a line was left out.
    #[must_use]
    pub fn next_end(&self) -> Option<Instant> {
        let ends = self.kinds.values().filter(|lines| lines.left_out > 0);
        ends.map(|lines| lines.last + QUIET).min()
    }

    /// What was left out of floods that are over, each of them said once.
    pub fn ended(&mut self, now: Instant) -> Vec<LeftOut> {
        let mut ended = Vec::new();
        for (kind, lines) in &mut self.kinds {
            if lines.left_out > 0 && lines.last + QUIET <= now {
                let lines = std::mem::take(&mut lines.left_out);
                ended.push(LeftOut { kind, lines });
            }
        }
        ended
    }
}

/// A limiter of lines of the log.
#[derive(Debug, Default)]
pub struct Log(Limiter);

impl Log {
    /// Whether a line of this kind about `subject` may be written now. What was left out before it is
    /// written down.
    pub fn takes(&mut self, kind: Kind, subject: &str) -> bool {
        let left_out = self.0.allow(kind, subject, Instant::now());
        if let Some(lines @ 1..) = left_out {
            let kind = kind.name;
            write_line(LeftOut { kind, lines });
        }
        left_out.is_some()
    }

    /// Wait for the end of a flood and write down what was left out of it. Does not end; dropping it
    /// loses nothing.
    pub async fn write_what_was_left_out(&mut self) {
        loop {
            wait_until(self.0.next_end().map(Into::into)).await;
            self.0
                .ended(Instant::now())
                .into_iter()
                .for_each(write_line);
        }
    }
}

fn write_line(LeftOut { kind, lines }: LeftOut) {
    tracing::warn!(kind, lines, "lines left out of the log");
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: Kind = Kind::new("port");
    const PEER: Kind = Kind::new("peer").at_once(30);
    const SECOND: Duration = Duration::from_secs(1);

    fn written(limiter: &mut Limiter, kind: Kind, subject: &str, now: Instant) -> usize {
        let allowed = (0..100_000).filter(|_| limiter.allow(kind, subject, now).is_some());
        allowed.count()
    }

    #[test]
    fn a_flood_about_one_subject_is_cut_and_counted() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        assert_eq!(written(&mut limiter, PORT, "bond1", start), 10);
        assert_eq!(limiter.allow(PORT, "bond1", start + SECOND), Some(99_990));
        assert_eq!(limiter.allow(PORT, "bond1", start + SECOND), None);
    }

    #[test]
    fn a_port_that_flaps_silences_no_other_and_no_other_kind() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        written(&mut limiter, PORT, "bond1", start);
        assert!(limiter.allow(PORT, "bond2", start).is_some());
        assert_eq!(written(&mut limiter, PEER, "", start), 30);
    }

    #[test]
    fn five_hundred_ports_that_fail_at_once_are_written_down() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        for port in 0..512 {
            let line = limiter.allow(PORT, &format!("bond{port}"), start);
            assert_eq!(line, Some(0), "{port}");
        }
    }

    #[test]
    fn however_many_subjects_there_are_the_kind_has_a_bound() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        let mut lines = 0;
        for second in 0..10 {
            for subject in 0..20_000 {
                let now = start + SECOND * second;
                let subject = subject.to_string();
                lines += usize::from(limiter.allow(PORT, &subject, now).is_some());
            }
        }
        assert_eq!(lines, 1024 + 9 * 4);
        let subjects = &limiter.kinds["port"].subjects;
        assert!(subjects.len() <= MAX_SUBJECTS + 1, "{}", subjects.len());
    }

    #[test]
    fn the_end_of_a_flood_is_said_once_and_not_before_it_ends() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        assert!(limiter.allow(PORT, "bond1", start).is_some());
        assert_eq!(limiter.next_end(), None, "nothing was left out");
        written(&mut limiter, PORT, "bond1", start);
        // It goes on.
        let last = start + SECOND / 2;
        assert_eq!(limiter.allow(PORT, "bond1", last), None);
        let end = limiter.next_end().unwrap();
        assert_eq!(end, last + QUIET);
        assert_eq!(limiter.ended(end - Duration::from_millis(1)), []);
        let (kind, lines) = ("port", 99_992);
        assert_eq!(limiter.ended(end), [LeftOut { kind, lines }]);
        assert_eq!(limiter.ended(end), []);
        assert_eq!(limiter.next_end(), None);
    }

    /// A subject that was quiet for long enough makes room for another.
    #[test]
    fn subjects_that_are_quiet_are_forgotten() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        for subject in 0..MAX_SUBJECTS {
            limiter.allow(PORT, &subject.to_string(), start);
        }
        let later = start + SECOND;
        assert_eq!(
            written(&mut limiter, PORT, "late", later),
            4,
            "as the kind allows"
        );
        let subjects = &limiter.kinds["port"].subjects;
        assert_eq!(subjects.len(), 1);
    }
}
