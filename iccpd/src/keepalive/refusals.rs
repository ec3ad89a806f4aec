//! Datagrams that are not believed: counted by kind, and said when a kind begins and when it ends.

use super::seal::Unsealed;
use iccp_core::Time;
use iccp_core::path::Refusal;
use mclag_proto::ctl::Counter;
use mclag_proto::keepalive::{self, DecodeError};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long after the last one of a kind it is over.
const QUIET: Duration = Duration::from_secs(10);

/// Why a datagram is not believed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    /// It is not from the peer's address and port.
    Source,
    /// A router has forwarded it.
    HopLimit,
    Version,
    TooShort,
    TooLong,
    Key,
    Value,
    Domain,
    /// It is one of ours, thrown back.
    Own,
    Order,
    Instance,
}

impl Kind {
    /// As operators read it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Source => "unknown source",
            Self::HopLimit => "forwarded by a router",
            Self::Version => "unknown version",
            Self::TooShort => "too short",
            Self::TooLong => "too long",
            Self::Key => "wrong key",
            Self::Value => "value out of range",
            Self::Domain => "wrong domain",
            Self::Own => "our own",
            Self::Order => "out of order or repeated",
            Self::Instance => "of another run, and proves nothing",
        }
    }
}

impl From<Refusal> for Kind {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Domain => Self::Domain,
            Refusal::Own => Self::Own,
            Refusal::Order => Self::Order,
            Refusal::Instance => Self::Instance,
        }
    }
}

impl From<Unsealed> for Kind {
    fn from(unsealed: Unsealed) -> Self {
        match unsealed {
            Unsealed::Key => Self::Key,
            Unsealed::Unreadable(DecodeError::Version(_)) => Self::Version,
            Unsealed::Unreadable(DecodeError::Length(len)) => match len < keepalive::LEN {
                true => Self::TooShort,
                false => Self::TooLong,
            },
            Unsealed::Unreadable(_) => Self::Value,
        }
    }
}

/// What is worth a line of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line {
    /// The first of a kind.
    Begins(Kind),
    /// There have been so many, and none any more.
    Ended(Kind, u64),
}

/// What was refused of one path.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<Kind, Refused>);

#[derive(Debug, Default)]
struct Refused {
    count: u64,
    /// Since the kind began, if it is not over: how many, and when the last one came.
    running: Option<(u64, Time)>,
}

impl Refusals {
    /// Count one.
    pub(super) fn add(&mut self, kind: Kind, now: Time) -> Option<Line> {
        let refused = self.0.entry(kind).or_default();
        refused.count = refused.count.saturating_add(1);
        let before = refused.running.map(|(count, _)| count);
        refused.running = Some((before.unwrap_or(0).saturating_add(1), now));
        before.is_none().then_some(Line::Begins(kind))
    }

    /// Kinds that are over by now, each of them said once.
    pub(super) fn ended(&mut self, now: Time) -> Vec<Line> {
        let over = self.0.iter_mut().filter_map(|(kind, refused)| {
            let is_over = |(_, last): &mut (u64, Time)| now - *last >= QUIET;
            let (count, _) = refused.running.take_if(is_over)?;
            Some(Line::Ended(*kind, count))
        });
        over.collect()
    }

    /// All of them.
    pub(super) fn counters(&self) -> Vec<Counter> {
        let all = self.0.iter().map(|(kind, refused)| Counter {
            name: kind.name().to_owned(),
            value: refused.count,
        });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_said_when_it_begins_and_when_it_ends() {
        let at = |ms| Time::new(Duration::from_millis(ms));
        let mut refusals = Refusals::default();
        assert_eq!(
            refusals.add(Kind::Key, at(0)),
            Some(Line::Begins(Kind::Key))
        );
        let second = refusals.add(Kind::Source, at(1));
        assert_eq!(second, Some(Line::Begins(Kind::Source)));
        for ms in 2..=1000 {
            assert_eq!(refusals.add(Kind::Key, at(ms)), None);
        }
        assert_eq!(refusals.ended(at(10_000)), []);
        assert_eq!(refusals.ended(at(10_001)), [Line::Ended(Kind::Source, 1)]);
        assert_eq!(refusals.ended(at(11_000)), [Line::Ended(Kind::Key, 1000)]);
        assert_eq!(refusals.ended(at(99_000)), []);
        let again = refusals.add(Kind::Key, at(99_000));
        assert_eq!(again, Some(Line::Begins(Kind::Key)));
        let shown = refusals.counters();
        let shown: Vec<_> = shown.iter().map(|c| (c.name.as_str(), c.value)).collect();
        assert_eq!(shown, [("unknown source", 1), ("wrong key", 1001)]);
    }
}
