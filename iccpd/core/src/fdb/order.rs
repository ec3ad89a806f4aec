//! In which order two chassis observed a host, so that they end at the same place of it however its
//! moves and their messages crossed (`docs/adr/0019-order-of-moves.md`).
//!
//! Each observation has a sequence, one more than that of the newest one that its chassis knew of: what
//! was observed in the knowledge of the other's is newer. Two of the same sequence were made while
//! neither chassis knew of the other's. Then the primary decides, by the age that each side sends with its own, for
//! there is no common clock; the secondary keeps its own until it hears. The peer's age at its arrival is
//! the shortest that it can be, so that the primary errs by no more than the message took, and
//! in favour of its peer. The host's next frame mends that.
//!
//! Not here: what follows, which is the table's.

use super::FdbKey;
use crate::Time;
use mclag_proto::iccp::ext::MacOrder;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Most addresses of which it is remembered where they stand. Of others, which did not move lately, it
/// is presumed that they never did: a chassis that forgets and finds its own newer hears of the other's
/// again, and both agree.
const MAX_REMEMBERED: usize = 1 << 14;

/// A sequence of observations of one address, compared as RFC 1982 has it for 16 bits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Sequence(u16);

impl Sequence {
    pub(super) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// That of the newer one; of two without an order that of the other, so that what follows is newer
    /// than what this one gave way to.
    pub(super) fn newer(self, other: Self) -> Self {
        match self.order(other) {
            Some(Ordering::Less) | None => other,
            Some(Ordering::Equal | Ordering::Greater) => self,
        }
    }

    /// None if they are as far apart as can be, where each would be newer than the other.
    fn order(self, other: Self) -> Option<Ordering> {
        let distance = self.0.wrapping_sub(other.0).cast_signed();
        (distance != i16::MIN).then(|| distance.cmp(&0))
    }
}

/// An observation, as far as it can be compared with others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Observed {
    pub(super) sequence: Sequence,
    /// When; none if it is not known, which is before any time.
    pub(super) at: Option<Time>,
}

impl Observed {
    /// What was observed when nothing was known, and nobody knows when.
    pub(super) const FIRST: Self = Self {
        sequence: Sequence(1),
        at: None,
    };
}

/// Which of two observations in different places counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Newer {
    /// That of this chassis; the peer finds so, too, or will hear.
    Own,
    /// That of this chassis, which the peer cannot know: it has to be said, as newer than both.
    OwnDecided,
    /// The peer's.
    Peers,
}

/// Compare. Of an odd pair one chassis is the primary.
pub(super) fn newer(own: Observed, peers: Observed, is_primary: bool) -> Newer {
    match peers.sequence.order(own.sequence) {
        Some(Ordering::Greater) => Newer::Peers,
        Some(Ordering::Less) => Newer::Own,
        Some(Ordering::Equal) if !is_primary => Newer::Own,
        Some(Ordering::Equal) if own.at >= peers.at => Newer::OwnDecided,
        Some(Ordering::Equal) => Newer::Peers,
        None if is_primary => Newer::Own,
        None => Newer::Peers,
    }
}

/// What is known of the order of moves.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    /// Orders are exchanged with this peer.
    pub(super) is_ordered: bool,
    /// The sequence of the newest observation that is known of either chassis, and when this one
    /// made its own; with the number of the note.
    remembered: BTreeMap<FdbKey, (Observed, u64)>,
    /// The same by the number of the note: the oldest first.
    oldest: BTreeMap<u64, FdbKey>,
    /// Number of the newest note.
    number: u64,
    /// What the peer said of addresses that it is about to advertise.
    announced: BTreeMap<FdbKey, Observed>,
}

impl Moves {
    /// The newest sequence of an address, which somebody is `known` to observe or not.
    pub(super) fn sequence(&self, key: &FdbKey, known: bool) -> Sequence {
        self.own(key, known).sequence
    }

    /// The observation of this chassis, if that is the newest one that it knows of.
    pub(super) fn own(&self, key: &FdbKey, known: bool) -> Observed {
        match self.remembered.get(key) {
            Some((observed, _)) => *observed,
            None if known => Observed::FIRST,
            None => Observed::default(),
        }
    }

    /// The peer may have observed the address somewhere after what this chassis advertised of it, which is given up there
    /// then.
    pub(super) fn may_be_overtaken(&self, key: &FdbKey) -> bool {
        self.is_ordered && self.own(key, true).sequence != Observed::FIRST.sequence
    }

    /// This is where an address stands now, and when this chassis observed it, if that is known.
    pub(super) fn note(&mut self, key: FdbKey, sequence: Sequence, at: Option<Time>) {
        let observed = Observed { sequence, at };
        if observed == Observed::FIRST && !self.remembered.contains_key(&key) {
            return; // it goes without saying
        }
        self.number += 1;
        if let Some((_, before)) = self.remembered.insert(key, (observed, self.number)) {
            self.oldest.remove(&before);
        }
        self.oldest.insert(self.number, key);
        if self.oldest.len() > MAX_REMEMBERED
            && let Some((_, key)) = self.oldest.pop_first()
        {
            self.remembered.remove(&key);
        }
    }

    /// The peer says where addresses stand that it is about to advertise. What it said before and did
    /// not advertise is of no account.
    pub(super) fn announced(&mut self, orders: &[MacOrder], now: Time) {
        let orders = orders.iter().map(|order| {
            let key = FdbKey {
                vid: order.vid,
                mac: order.mac,
            };
            let observed = Observed {
                sequence: Sequence(order.sequence),
                // Its age may be longer than this chassis has run.
                at: order.age.map(|age| Time::ZERO + (now - (Time::ZERO + age))),
            };
            (key, observed)
        });
        self.announced = orders.collect();
    }

    /// What the peer said of an address that it advertises now.
    pub(super) fn take(&mut self, key: &FdbKey) -> Observed {
        self.announced.remove(key).unwrap_or(Observed::FIRST)
    }

    /// What was said in a session that is gone is of no account; when this chassis observed what, is.
    pub(super) fn session_begins(&mut self, is_ordered: bool) {
        self.is_ordered = is_ordered;
        self.announced.clear();
        for (observed, _) in self.remembered.values_mut() {
            observed.sequence = Observed::FIRST.sequence;
        }
    }

    /// What to say of an address; none if that is what is presumed of one of which nothing is said.
    pub(super) fn order(&self, key: FdbKey, now: Time) -> Option<MacOrder> {
        let own = self.own(&key, true);
        (own != Observed::FIRST).then(|| MacOrder {
            mac: key.mac,
            vid: key.vid,
            sequence: own.sequence.0,
            age: own.at.map(|at| now - at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::{Mac, Vid};
    use std::time::Duration;

    fn at(millis: u64) -> Time {
        Time::new(Duration::from_millis(millis))
    }

    fn key(last: u16) -> FdbKey {
        let [high, low] = last.to_be_bytes();
        let mac = Mac([2, 0, 0, 0, high, low]);
        let vid = Vid::DEFAULT;
        FdbKey { vid, mac }
    }

    #[test]
    fn the_newer_is_who_knew_of_the_other_and_else_the_primary_decides_by_age() {
        use Newer::{Own, OwnDecided, Peers};
        // Own sequence and time, the peer's, what the secondary finds, and the primary.
        for ((own, own_at), (peers, peers_at), secondary, primary) in [
            ((1, Some(10)), (2, Some(5)), Peers, Peers),
            ((2, Some(5)), (1, Some(10)), Own, Own),
            ((1, Some(10)), (1, Some(5)), Own, OwnDecided),
            ((1, Some(5)), (1, Some(10)), Own, Peers),
            ((1, Some(5)), (1, Some(5)), Own, OwnDecided),
            ((1, None), (1, None), Own, OwnDecided),
            ((1, None), (1, Some(0)), Own, Peers),
            ((1, Some(0)), (1, None), Own, OwnDecided),
            // Round the end of the numbers.
            ((0xffff, None), (0, None), Peers, Peers),
            ((3, None), (0xfff0, Some(9)), Own, Own),
        ] {
            let of = |sequence, millis: Option<u64>| Observed {
                sequence: Sequence(sequence),
                at: millis.map(at),
            };
            let (own, peers) = (of(own, own_at), of(peers, peers_at));
            assert_eq!(newer(own, peers, false), secondary, "{own:?} {peers:?}");
            assert_eq!(newer(own, peers, true), primary, "{own:?} {peers:?}");
        }
    }

    /// The serial numbers of RFC 1982 have no order where they are as far apart as can be.
    #[test]
    fn both_chassis_find_the_same_one_newer_however_far_apart_the_sequences_are() {
        let of = |sequence| Observed {
            sequence: Sequence(sequence),
            at: Some(at(1)),
        };
        for own in [0, 1, 0x7fff, 0x8000, 0xffff_u16] {
            for distance in 1..=u16::MAX {
                let (own, peers) = (of(own), of(own.wrapping_add(distance)));
                let both = [newer(own, peers, true), newer(peers, own, false)];
                let agree = [[Newer::Own, Newer::Peers], [Newer::Peers, Newer::Own]];
                assert!(agree.contains(&both), "{own:?} {peers:?}: {both:?}");
                // Whichever gave way is ahead of the other with its next observation.
                let (lost, won) = match both[0] {
                    Newer::Own => (peers, own),
                    _ => (own, peers),
                };
                let next = lost.sequence.newer(won.sequence).next();
                assert_eq!(next.order(won.sequence), Some(Ordering::Greater));
            }
        }
    }

    #[test]
    fn so_many_are_remembered_and_the_oldest_are_given_up() {
        let mut moves = Moves::default();
        let (five, six) = (Sequence(5), Sequence(6));
        let last = u16::try_from(MAX_REMEMBERED).unwrap();
        for number in 0..last {
            moves.note(key(number), five, Some(at(1)));
        }
        moves.note(key(0), six, None);
        assert_eq!(moves.own(&key(1), true).at, Some(at(1)));
        moves.note(key(last), five, None);
        assert_eq!(moves.own(&key(1), true), Observed::FIRST);
        assert_eq!(moves.own(&key(1), false), Observed::default());
        assert_eq!(moves.own(&key(2), true).at, Some(at(1)));
        assert_eq!(moves.sequence(&key(0), true), six, "moved since");
        assert_eq!(moves.remembered.len(), MAX_REMEMBERED);
        assert_eq!(moves.oldest.len(), MAX_REMEMBERED);
    }

    #[test]
    fn a_host_that_keeps_moving_takes_the_place_of_no_other() {
        let mut moves = Moves::default();
        moves.note(key(0), Sequence(5), Some(at(1)));
        for _ in 0..MAX_REMEMBERED {
            let sequence = moves.sequence(&key(1), true).next();
            moves.note(key(1), sequence, Some(at(2)));
        }
        assert_eq!(moves.own(&key(0), true).at, Some(at(1)));
        assert_eq!(moves.remembered.len(), 2);
        assert_eq!(moves.oldest.len(), 2);
    }

    #[test]
    fn the_peers_ages_become_times_of_this_chassis() {
        let mut moves = Moves::default();
        let order = |last, sequence, age: Option<u64>| MacOrder {
            mac: key(last).mac,
            vid: key(last).vid,
            sequence,
            age: age.map(Duration::from_millis),
        };
        let orders = [
            order(1, 7, Some(30)),
            order(2, 8, None),
            order(3, 9, Some(5000)),
        ];
        moves.announced(&orders, at(100));
        let taken = |moves: &mut Moves, last| {
            let Observed { sequence, at } = moves.take(&key(last));
            (sequence.0, at)
        };
        assert_eq!(taken(&mut moves, 1), (7, Some(at(70))));
        assert_eq!(taken(&mut moves, 1), (1, None), "once");
        assert_eq!(taken(&mut moves, 2), (8, None));
        assert_eq!(taken(&mut moves, 3), (9, Some(at(0))), "longer than this");
        moves.announced(&orders, at(100));
        moves.session_begins(true);
        assert_eq!(taken(&mut moves, 1), (1, None), "of a session that is gone");
        moves.note(key(1), Sequence(7), Some(at(9)));
        moves.session_begins(true);
        let own = moves.own(&key(1), true);
        assert_eq!((own.sequence, own.at), (Sequence(1), Some(at(9))));
    }

    #[test]
    fn what_goes_without_saying_is_not_said() {
        let mut moves = Moves::default();
        let mut said = |sequence, at_millis: Option<u64>| {
            moves.note(key(1), Sequence(sequence), at_millis.map(at));
            let order = moves.order(key(1), at(100))?;
            Some((order.sequence, order.age))
        };
        assert_eq!(said(1, None), None);
        assert_eq!(said(2, None), Some((2, None)));
        let age = Some(Duration::from_millis(60));
        assert_eq!(said(1, Some(40)), Some((1, age)));
        assert_eq!(said(1, None), None);
    }
}
