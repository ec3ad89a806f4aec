//! Whether a port is isolated, also while nobody is connected who could say so.

use super::{Programmed, Report};
use mclag_proto::sync::model::{Isolation, Traffic};

/// Isolation of a port as the kernel has it. A dataplane goes on as it was programmed when the process that
/// did that is gone or hangs, so what was confirmed outlives a connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Standing {
    /// It was never confirmed.
    #[default]
    Unknown,
    /// It is in force (or lifted), for certain.
    Certain(bool),
    /// It was, and something else was asked for that was not confirmed; or it is to be lifted without being asked for.
    Doubtful(bool),
}

impl Standing {
    /// How it stands after `report`, with what is programmed by then. Total.
    #[must_use]
    pub fn after(self, report: Report, programmed: Programmed) -> Self {
        if let Some(isolation) = programmed.confirmed() {
            return Self::Certain(isolation == Isolation::On);
        }
        match (self, report) {
            // It does that behind its last word, so whether it could is not known.
            (_, Report::Restored) => Self::Doubtful(false),
            (Self::Certain(is), Report::Sent(want)) => match want.isolation {
                Isolation::On if !is => Self::Doubtful(is),
                Isolation::Off if is => Self::Doubtful(is),
                Isolation::On | Isolation::Off | Isolation::Keep => self,
            },
            (Self::Certain(is), Report::Failed) => Self::Doubtful(is),
            (Self::Certain(_), Report::Done | Report::Repair | Report::Lost)
            | (Self::Unknown | Self::Doubtful(_), _) => self,
        }
    }

    /// It is isolated as far as is known, where that is not certain; none where it is.
    #[must_use]
    pub const fn in_doubt(self) -> Option<bool> {
        match self {
            Self::Certain(true) => None,
            Self::Unknown | Self::Doubtful(true) => Some(true),
            Self::Certain(false) | Self::Doubtful(false) => Some(false),
        }
    }
}

/// Whether the dataplane holds a port, which outlives a connection like [`Standing`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Hold {
    /// It does not, or that is not known.
    #[default]
    Off,
    /// It was sent that.
    Sent,
    /// It confirmed that.
    InForce,
    /// It did, and was sent the opposite since.
    Ending,
}

impl Hold {
    /// After `report`. Total.
    #[must_use]
    pub const fn after(self, report: Report) -> Self {
        match (self, report) {
            (_, Report::Sent(want)) => match (self, want.traffic) {
                (Self::InForce, Traffic::Held) | (_, Traffic::Keep) => self,
                (Self::InForce | Self::Ending, Traffic::Pass) => Self::Ending,
                (_, Traffic::Held) => Self::Sent,
                (_, Traffic::Pass) => Self::Off,
            },
            (Self::Sent, Report::Done) => Self::InForce,
            (Self::Ending, Report::Done)
            | (Self::Sent, Report::Lost)
            | (_, Report::Failed | Report::Restored) => Self::Off,
            (Self::Off | Self::InForce, Report::Done)
            | (Self::Off | Self::InForce | Self::Ending, Report::Lost)
            | (_, Report::Repair) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Report::{Done, Failed, Lost, Repair, Restored, Sent};
    use super::Standing::{Certain, Doubtful, Unknown};
    use super::*;
    use mclag_proto::sync::model::PortWant;

    fn want(isolation: Isolation) -> PortWant {
        PortWant {
            isolation,
            traffic: Traffic::Pass,
            redirect: false,
            system_mac: None,
        }
    }

    /// Through the machine of what is programmed, from nothing.
    fn through(reports: &[Report]) -> Standing {
        let mut programmed = Programmed::default();
        let mut standing = Standing::default();
        for report in reports {
            programmed = programmed.after(*report);
            standing = standing.after(*report, programmed);
        }
        standing
    }

    #[test]
    fn a_hold_that_was_confirmed_stands_until_something_else_is_asked_for() {
        let [held, pass, keep] = [Traffic::Held, Traffic::Pass, Traffic::Keep].map(|traffic| {
            Sent(PortWant {
                traffic,
                ..want(Isolation::Off)
            })
        });
        let rows: [(&[Report], Hold); 11] = [
            (&[], Hold::Off),
            (&[held], Hold::Sent),
            (&[held, Lost], Hold::Off),
            (&[held, Done], Hold::InForce),
            (&[held, Done, Lost], Hold::InForce),
            (&[held, Done, keep, Done, Lost], Hold::InForce),
            (&[held, Done, held, Repair, Lost], Hold::InForce),
            (&[held, Done, pass, Lost], Hold::Ending),
            (&[held, Done, pass, Done], Hold::Off),
            (&[held, Failed], Hold::Off),
            (&[held, Done, Restored, Lost], Hold::Off),
        ];
        for (reports, expected) in rows {
            let hold = reports
                .iter()
                .fold(Hold::Off, |hold, report| hold.after(*report));
            assert_eq!(hold, expected, "{reports:?}");
        }
    }

    #[test]
    fn what_was_confirmed_stands_until_something_else_is_asked_for() {
        let [on, off, keep] = [Isolation::On, Isolation::Off, Isolation::Keep]
            .map(want)
            .map(Sent);
        let rows: [(&[Report], Standing); 22] = [
            (&[], Unknown),
            (&[on], Unknown),
            (&[on, Lost], Unknown),
            (&[keep, Done], Unknown),
            (&[on, Failed], Unknown),
            (&[on, Done], Certain(true)),
            (&[off, Done], Certain(false)),
            (&[on, Done, Lost], Certain(true)),
            (&[off, Done, Lost], Certain(false)),
            // Asked for again on another connection, and not confirmed there.
            (&[on, Done, Lost, on], Certain(true)),
            (&[on, Done, Lost, keep, Done], Certain(true)),
            (&[on, Done, off], Doubtful(true)),
            (&[on, Done, off, Lost], Doubtful(true)),
            (&[on, Done, off, on], Doubtful(true)),
            (&[off, Done, on], Doubtful(false)),
            (&[on, Done, off, Done], Certain(false)),
            (&[on, Done, Failed], Doubtful(true)),
            (&[on, Done, Failed, Repair, on, Done], Certain(true)),
            // It was taken back on purpose.
            (&[on, Done, Restored, Lost], Doubtful(false)),
            (&[off, Done, Restored, Lost], Doubtful(false)),
            (&[on, Restored, Lost], Doubtful(false)),
            (&[on, Done, Restored, Lost, on, Done], Certain(true)),
        ];
        for (reports, standing) in rows {
            assert_eq!(through(reports), standing, "{reports:?}");
        }
    }

    #[test]
    fn only_what_is_certainly_isolated_is_in_no_doubt() {
        for (standing, doubt) in [
            (Unknown, Some(true)),
            (Certain(true), None),
            (Certain(false), Some(false)),
            (Doubtful(true), Some(true)),
            (Doubtful(false), Some(false)),
        ] {
            assert_eq!(standing.in_doubt(), doubt, "{standing:?}");
        }
    }
}
