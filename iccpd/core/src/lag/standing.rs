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
    /// The same, and what asked for it failed: perhaps for something else that the operation asks for.
    Failed,
    /// The same, and it is asked for anew.
    AskedAgain,
    /// It is in force (or lifted), for certain.
    Certain(bool),
    /// It was, and something else was asked for that was not confirmed; or it is to be lifted without being asked for.
    Doubtful(bool),
    /// It was asked for while it was not in force, and refused; or nothing is known but that the dataplane cannot do that
    /// at all, or failed again when it was asked anew: what failed may be something else that the operation asks for, but
    /// then nothing confirms isolation either. It is asked for until it is confirmed once, so that whoever waits for it
    /// learns when that is possible.
    Refused,
}

impl Standing {
    /// How it stands after `report`, with what is programmed by then. Total.
    #[must_use]
    pub fn after(self, report: Report, programmed: Programmed) -> Self {
        if let Some(isolation) = programmed.confirmed() {
            return Self::Certain(isolation == Isolation::On);
        }
        let wanted = programmed.sent().map(|want| want.isolation);
        match (self, report) {
            // It does that behind its last word, so whether it could is not known.
            (_, Report::Restored) => Self::Doubtful(false),
            (Self::Certain(is), Report::Sent(want)) => match want.isolation {
                Isolation::On if !is => Self::Doubtful(is),
                Isolation::Off if is => Self::Doubtful(is),
                Isolation::On | Isolation::Off | Isolation::Keep => self,
            },
            (
                Self::AskedAgain | Self::Certain(false) | Self::Doubtful(false),
                Report::Failed | Report::Unsupported,
            )
            | (Self::Unknown | Self::Failed, Report::Unsupported)
                if wanted == Some(Isolation::On) =>
            {
                Self::Refused
            }
            (Self::Unknown, Report::Failed) if wanted == Some(Isolation::On) => Self::Failed,
            (Self::Failed, Report::Repair) => Self::AskedAgain,
            (Self::Failed | Self::AskedAgain, Report::Lost) => Self::Unknown,
            (Self::Certain(is), Report::Failed | Report::Unsupported) => Self::Doubtful(is),
            (Self::Certain(_), Report::Done | Report::Repair | Report::Lost)
            | (
                Self::Unknown | Self::Failed | Self::AskedAgain | Self::Doubtful(_) | Self::Refused,
                _,
            ) => self,
        }
    }

    /// It is isolated as far as is known, where that is not certain; none where it is.
    #[must_use]
    pub const fn in_doubt(self) -> Option<bool> {
        match self {
            Self::Certain(true) => None,
            Self::Unknown | Self::Failed | Self::AskedAgain | Self::Doubtful(true) => Some(true),
            Self::Certain(false) | Self::Doubtful(false) | Self::Refused => Some(false),
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
    /// It confirmed that it does not.
    Lifted,
}

impl Hold {
    /// After `report`, with what is programmed by then. Total.
    #[must_use]
    pub fn after(self, report: Report, programmed: Programmed) -> Self {
        let passes = programmed
            .sent()
            .is_some_and(|want| want.traffic == Traffic::Pass);
        match (self, report) {
            (_, Report::Sent(want)) => match (self, want.traffic) {
                (Self::InForce, Traffic::Held)
                | (Self::Lifted, Traffic::Pass)
                | (_, Traffic::Keep) => self,
                (Self::InForce | Self::Ending, Traffic::Pass) => Self::Ending,
                (_, Traffic::Held) => Self::Sent,
                (_, Traffic::Pass) => Self::Off,
            },
            (_, Report::Done) if passes => Self::Lifted,
            (Self::Sent, Report::Done) => Self::InForce,
            // Something else of that operation failed.
            (Self::Lifted, Report::Done | Report::Failed | Report::Unsupported | Report::Lost) => {
                self
            }
            (Self::Ending, Report::Done)
            | (Self::Sent, Report::Lost)
            | (_, Report::Failed | Report::Unsupported | Report::Restored) => Self::Off,
            (Self::Off | Self::InForce, Report::Done)
            | (Self::Off | Self::InForce | Self::Ending, Report::Lost)
            | (_, Report::Repair) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Report::{Done, Failed, Lost, Repair, Restored, Sent, Unsupported};
    use super::Standing::{AskedAgain, Certain, Doubtful, Refused, Unknown};
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
    fn through(reports: &[Report]) -> (Standing, Hold) {
        let mut programmed = Programmed::default();
        let (mut standing, mut hold) = (Standing::default(), Hold::default());
        for report in reports {
            programmed = programmed.after(*report);
            standing = standing.after(*report, programmed);
            hold = hold.after(*report, programmed);
        }
        (standing, hold)
    }

    #[test]
    fn a_hold_that_was_confirmed_stands_until_something_else_is_asked_for() {
        let [held, pass, keep] = [Traffic::Held, Traffic::Pass, Traffic::Keep].map(|traffic| {
            Sent(PortWant {
                traffic,
                ..want(Isolation::Off)
            })
        });
        let rows: [(&[Report], Hold); 16] = [
            (&[], Hold::Off),
            (&[held], Hold::Sent),
            (&[held, Lost], Hold::Off),
            (&[held, Done], Hold::InForce),
            (&[held, Done, Lost], Hold::InForce),
            (&[held, Done, keep, Done, Lost], Hold::InForce),
            (&[held, Done, held, Repair, Lost], Hold::InForce),
            (&[held, Done, pass, Lost], Hold::Ending),
            (&[held, Done, pass, Done], Hold::Lifted),
            (&[held, Done, pass, Failed], Hold::Off),
            (&[pass, Done, pass, Failed, Lost, keep], Hold::Lifted),
            (&[pass, Done, held], Hold::Sent),
            (&[pass, Done, Restored], Hold::Off),
            (&[keep, Done], Hold::Off),
            (&[held, Failed], Hold::Off),
            (&[held, Done, Restored, Lost], Hold::Off),
        ];
        for (reports, expected) in rows {
            assert_eq!(through(reports).1, expected, "{reports:?}");
        }
    }

    #[test]
    fn what_was_confirmed_stands_until_something_else_is_asked_for() {
        let [on, off, keep] = [Isolation::On, Isolation::Off, Isolation::Keep]
            .map(want)
            .map(Sent);
        let rows: [(&[Report], Standing); 36] = [
            (&[], Unknown),
            (&[on], Unknown),
            (&[on, Lost], Unknown),
            (&[keep, Done], Unknown),
            (&[keep, Failed], Unknown),
            (&[off, Failed], Unknown),
            // An earlier run may have done it, and something else may have failed.
            (&[on, Failed], Standing::Failed),
            (&[on, Failed, keep, Failed, on, Failed], Standing::Failed),
            (&[on, Failed, Repair, on], AskedAgain),
            (&[on, Failed, Repair, keep, Failed], AskedAgain),
            (&[on, Failed, Repair, on, Lost], Unknown),
            (&[on, Failed, Repair, on, Failed], Refused),
            (&[on, Failed, Repair, on, Done], Certain(true)),
            (&[on, Unsupported], Refused),
            (&[keep, Unsupported], Unknown),
            (&[off, Done, on, Failed], Refused),
            (&[off, Done, on, Failed, Repair, on, Lost, on, off], Refused),
            (&[off, Done, on, Failed, Repair, on, Done], Certain(true)),
            (&[off, Done, on, Failed, off, Done], Certain(false)),
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
            assert_eq!(through(reports).0, standing, "{reports:?}");
        }
    }

    #[test]
    fn only_what_is_certainly_isolated_is_in_no_doubt() {
        for (standing, doubt) in [
            (Unknown, Some(true)),
            (Standing::Failed, Some(true)),
            (AskedAgain, Some(true)),
            (Certain(true), None),
            (Certain(false), Some(false)),
            (Doubtful(true), Some(true)),
            (Doubtful(false), Some(false)),
            (Refused, Some(false)),
        ] {
            assert_eq!(standing.in_doubt(), doubt, "{standing:?}");
        }
    }
}
