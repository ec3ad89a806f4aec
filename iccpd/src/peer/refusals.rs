//! Who was refused, and how often.

use mclag_proto::ctl::{Refusal, SessionError};
use std::net::IpAddr;
use tokio::time::Instant;

/// Addresses that are remembered. When there are more, the one not seen for longest is
/// forgotten, together with its count.
pub(super) const MAX: usize = 32;

/// Longest reason that is kept, in characters: a peer can make some of them long.
const MAX_REASON: usize = 200;

/// Refusals by address, newest first.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    list: Vec<Refusal>,
    /// When the newest one was refused.
    last: Option<Instant>,
}

impl Refusals {
    /// Count a refusal. True if the address has not been refused for this reason just before, which
    /// is worth a log line.
    pub(super) fn add(&mut self, address: IpAddr, reason: &str) -> bool {
        let reason: String = reason.chars().take(MAX_REASON).collect();
        let known = self.list.iter().position(|r| r.address == address);
        let known = known.map(|index| self.list.remove(index));
        let is_new = known.as_ref().is_none_or(|r| r.reason != reason);
        let count = known.map_or(0, |r| r.count).saturating_add(1);
        self.list.truncate(MAX - 1);
        let refusal = Refusal {
            address,
            reason,
            count,
        };
        self.list.insert(0, refusal);
        self.last = Some(Instant::now());
        is_new
    }

    /// The newest one, and how long ago that was.
    pub(super) fn last(&self) -> Option<SessionError> {
        let (refusal, at) = self.list.first().zip(self.last)?;
        Some(SessionError {
            text: format!("{} refused: {}", refusal.address, refusal.reason),
            for_s: at.elapsed().as_secs(),
        })
    }

    pub(super) fn list(&self) -> Vec<Refusal> {
        self.list.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_is_counted_and_moves_to_the_front() {
        let mut refusals = Refusals::default();
        assert!(refusals.add(address(1), "a"));
        assert!(refusals.add(address(2), "b"));
        assert!(!refusals.add(address(1), "a"));
        assert!(refusals.add(address(1), "c"));
        let shown: Vec<_> = refusals
            .list()
            .into_iter()
            .map(|r| (r.address, r.reason, r.count))
            .collect();
        assert_eq!(
            shown,
            [(address(1), "c".into(), 3), (address(2), "b".into(), 1)]
        );
    }

    #[test]
    fn no_more_than_the_newest_are_remembered() {
        let mut refusals = Refusals::default();
        for last in 0..=255 {
            refusals.add(address(last), "x");
        }
        let list = refusals.list();
        assert_eq!(list.len(), MAX);
        assert_eq!(list[0].address, address(255));
        assert_eq!(list[MAX - 1].address, address(224));
    }
}
