//! What is counted outside of the core, for `dump debug counters`
//! (`spec/mclagdctl-protocol.md` 5.8).

use crate::peer;
use mclag_proto::mclagdctl::{Counters, Global};

/// Counters since the daemon started, as far as the core of the present pair does not have them.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Of the pairs that are no more.
    past: Counters,
}

/// What the I/O layer sees at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Connections to the peer.
    pub peer: peer::Ends,
    /// Times that netlink failed or lost events.
    pub kernel_errors: u32,
}

impl Counted {
    /// A pair is no more.
    pub fn pair_ends(&mut self, counters: Counters, ends: peer::Ends) {
        let mut counters = counters;
        ends.add_to(&mut counters);
        add(&mut self.past, &counters);
    }

    /// Add all of it to what the core counted.
    pub fn complete(&self, seen: &Seen, counters: &mut Counters) {
        add(counters, &self.past);
        seen.peer.add_to(counters);
        counters.add(Global::NetlinkError, seen.kernel_errors);
    }
}

/// Everything but what was said to the peer: its rows are those of one pair.
fn add(sum: &mut Counters, more: &Counters) {
    for counter in Global::ALL {
        sum.add(*counter, more.global(*counter));
    }
    let rows = sum.to_syncd.iter_mut().chain(&mut sum.from_syncd);
    for (row, more) in rows.zip(more.to_syncd.iter().chain(&more.from_syncd)) {
        row.ok += more.ok;
        row.error += more.error;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::mclagdctl::{OkError, ToSyncd, TxRx};

    fn of_a_pair() -> Counters {
        let mut counters = Counters {
            iccp: vec![[TxRx::default(); 29]],
            ..Counters::default()
        };
        counters.add(Global::SessionDown, 2);
        counters.to_syncd[ToSyncd::SetFdb as usize] = OkError { ok: 5, error: 1 };
        counters
    }

    /// A dataplane that deletes its pair and names it again does not make the counters begin anew.
    #[test]
    fn what_ended_pairs_counted_is_not_forgotten() {
        let mut counted = Counted::default();
        counted.pair_ends(of_a_pair(), peer::Ends::default());
        counted.pair_ends(of_a_pair(), peer::Ends::default());
        let mut counters = of_a_pair();
        let seen = Seen {
            kernel_errors: 3,
            ..Seen::default()
        };
        counted.complete(&seen, &mut counters);
        assert_eq!(counters.global(Global::SessionDown), 6);
        assert_eq!(counters.global(Global::NetlinkError), 3);
        let row = counters.to_syncd[ToSyncd::SetFdb as usize];
        assert_eq!((row.ok, row.error), (15, 3));
        assert_eq!(counters.iccp.len(), 1);
    }
}
