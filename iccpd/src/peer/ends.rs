//! How reading from the peer ended, in the counters of the legacy tool
//! (`spec/mclagdctl-protocol.md` 5.8).

use mclag_proto::mclagdctl::{Counters, Global};

/// What the earlier daemons read by itself, before the rest of a message
/// (`spec/iccp.md` 1): *header* there, as opposed to *TLV* or *body*.
const HEADER: usize = 8;

/// Ends of connections, by where in a message they came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ends {
    closed_in_header: u32,
    closed_in_body: u32,
    failed_in_header: u32,
    failed_in_body: u32,
}

impl Ends {
    /// The peer closed the connection, so many bytes into a message.
    pub(super) const fn closed(&mut self, at: usize) {
        let count = match at {
            0..HEADER => &mut self.closed_in_header,
            HEADER.. => &mut self.closed_in_body,
        };
        *count = count.wrapping_add(1);
    }

    /// Reading failed, so many bytes into a message.
    pub(super) const fn failed(&mut self, at: usize) {
        let count = match at {
            0..HEADER => &mut self.failed_in_header,
            HEADER.. => &mut self.failed_in_body,
        };
        *count = count.wrapping_add(1);
    }

    /// Add them to what else was counted.
    pub fn add_to(&self, counters: &mut Counters) {
        counters.add(Global::HeaderZeroLength, self.closed_in_header);
        counters.add(Global::BodyZeroLength, self.closed_in_body);
        counters.add(Global::HeaderReadError, self.failed_in_header);
        counters.add(Global::BodyReadError, self.failed_in_body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `spec/mclagdctl-protocol.md` 5.8
    #[test]
    fn the_first_eight_bytes_of_a_message_are_its_header() {
        let mut ends = Ends::default();
        for at in [0, 7, 8, 5000] {
            ends.closed(at);
        }
        for at in [0, 3, 7, 8] {
            ends.failed(at);
        }
        let mut counters = Counters::default();
        ends.add_to(&mut counters);
        for (counter, value) in [
            (Global::HeaderZeroLength, 2),
            (Global::BodyZeroLength, 2),
            (Global::HeaderReadError, 3),
            (Global::BodyReadError, 1),
        ] {
            assert_eq!(counters.global(counter), value, "{counter:?}");
        }
    }
}
