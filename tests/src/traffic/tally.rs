//! Counting the frames of one stream at one place.

use std::fmt;
use std::time::Duration;

/// The highest frame number that is told apart. A stream at 10 000 frames a second reaches it after half an hour; the
/// table of what has been seen stays below 2 MiB.
pub(super) const MOST: u32 = 1 << 24;

/// What arrived of one stream at one place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Different frames that arrived.
    pub received: u64,
    /// Further copies of frames that had arrived before.
    pub duplicated: u64,
    /// Frames whose first copy arrived after one that was sent later.
    pub reordered: u64,
    /// The longest time without a new frame, between the first and the last.
    pub longest_gap: Duration,
    /// The longest time a frame's first copy was under way.
    pub longest_way: Duration,
    /// Number of the frame that ended the longest gap.
    pub gap_ended_at: u32,
    /// When the latest copy arrived.
    pub(super) latest_copy: Duration,
    seen: Vec<u64>,
    highest: Option<u32>,
    latest: Duration,
}

impl Tally {
    /// Count a frame that was sent at `sent` and arrived at `arrived`, on the same clock.
    pub(super) fn count(&mut self, number: u32, sent: Duration, arrived: Duration) {
        if number >= MOST {
            return;
        }
        self.latest_copy = arrived;
        let (word, bit) = (number as usize / 64, 1u64 << (number % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit != 0 {
            self.duplicated += 1;
            return;
        }
        self.seen[word] |= bit;
        if self.received > 0 {
            let gap = arrived.saturating_sub(self.latest);
            if gap > self.longest_gap {
                self.longest_gap = gap;
                self.gap_ended_at = number;
            }
        }
        self.received += 1;
        self.latest = arrived;
        self.longest_way = self.longest_way.max(arrived.saturating_sub(sent));
        match self.highest {
            Some(highest) if number < highest => self.reordered += 1,
            _ => self.highest = Some(number),
        }
    }

    /// All copies that arrived.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.received + self.duplicated
    }

    /// How many of `sent` frames never arrived.
    #[must_use]
    pub fn lost(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.received)
    }

    /// True if frame `number` has arrived.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.seen
            .get(number as usize / 64)
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// True if each of `sent` frames arrived, and none twice.
    #[must_use]
    pub fn is_exactly_once(&self, sent: u64) -> bool {
        self.received == sent && self.duplicated == 0
    }

    /// The tally in words, for a number of frames that were sent.
    #[must_use]
    pub fn of(&self, sent: u64) -> Summary<'_> {
        Summary { tally: self, sent }
    }
}

/// A tally together with what was sent. Shown as one line.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    tally: &'a Tally,
    sent: u64,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, sent } = self;
        write!(
            f,
            "{} lost and {} duplicated of {sent}, {} out of order, longest gap {:.1} ms, longest way {:.1} ms",
            tally.lost(*sent),
            tally.duplicated,
            tally.reordered,
            tally.longest_gap.as_secs_f64() * 1e3,
            tally.longest_way.as_secs_f64() * 1e3,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Count frames that arrive one millisecond apart.
    fn arriving(numbers: &[u32]) -> Tally {
        let mut tally = Tally::default();
        for (index, number) in (0..).zip(numbers) {
            tally.count(*number, Duration::ZERO, Duration::from_millis(index));
        }
        tally
    }

    #[test]
    fn a_complete_stream_is_exactly_once() {
        assert!(arriving(&[0, 1, 2]).is_exactly_once(3));
    }

    #[test]
    fn a_missing_frame_is_lost() {
        let tally = arriving(&[0, 2]);
        assert_eq!(
            (tally.lost(3), tally.has(1), tally.has(2)),
            (1, false, true)
        );
        assert!(!tally.is_exactly_once(3));
    }

    #[test]
    fn a_second_copy_is_a_duplicate_and_hides_no_loss() {
        let tally = arriving(&[0, 0, 2]);
        assert_eq!((tally.duplicated, tally.lost(3), tally.copies()), (1, 1, 3));
        assert!(!tally.is_exactly_once(3));
    }

    #[test]
    fn a_late_frame_is_out_of_order_once() {
        assert_eq!(arriving(&[0, 2, 1, 3]).reordered, 1);
    }

    #[test]
    fn the_gap_is_measured_between_new_frames() {
        let mut tally = Tally::default();
        for (number, ms) in [(0, 100), (1, 101), (1, 140), (2, 151), (3, 152)] {
            tally.count(number, Duration::ZERO, Duration::from_millis(ms));
        }
        assert_eq!(tally.longest_gap, Duration::from_millis(50));
        assert_eq!(tally.gap_ended_at, 2);
    }

    #[test]
    fn a_number_beyond_the_table_costs_no_memory() {
        let mut tally = Tally::default();
        tally.count(u32::MAX, Duration::ZERO, Duration::ZERO);
        assert_eq!(tally, Tally::default());
    }
}
