//! Echoes: the dataplane reports what we do ourselves like what others do, and later than it is done. While a later action
//! of ours on the same entry is under way, the report of an earlier one is neither how the entry is nor where a host is.

use std::collections::HashMap;

use mclag_proto::sync::model::FdbKey;

use crate::dataplane::FdbEntry;

/// An entry as a report has it; none if it is gone.
type State = Option<FdbEntry>;

/// What a report of an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Report {
    /// Of something that others did. With actions of ours whose echoes are still to come, it happened before these.
    News,
    /// Of an action of ours, behind which there are others.
    Overtaken,
    /// Of our last action.
    Last,
}

/// What is to be reported of our own actions.
///
/// The dataplane reports in the order in which things happened, but not everything need be reported: reports are lost, and
/// an action that changes nothing has none. So what is expected ends when the dataplane was found to have no reports
/// left: once for what was done before, twice for what was done since.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    recent: HashMap<FdbKey, Expected>,
    older: HashMap<FdbKey, Expected>,
}

/// As a rule there is one.
#[derive(Debug)]
struct Expected {
    last: State,
    /// The oldest first.
    before: Vec<State>,
}

impl Echoes {
    /// An action of ours made an entry this.
    pub(super) fn expect(&mut self, key: FdbKey, state: State) {
        let expected = self.older.remove(&key);
        let recent = self.recent.entry(key);
        if let Some(expected) = expected {
            recent.or_insert(expected).add(state);
        } else {
            let add = |expected: &mut Expected| expected.add(state);
            recent.and_modify(add).or_insert(Expected {
                last: state,
                before: Vec::new(),
            });
        }
    }

    /// What this report is. Whatever was to be reported before it is not to be any more.
    pub(super) fn report(&mut self, key: &FdbKey, state: State) -> Report {
        for expected in [&mut self.older, &mut self.recent] {
            let Some(of_key) = expected.get_mut(key) else {
                continue;
            };
            if let Some(at) = of_key.before.iter().position(|before| *before == state) {
                of_key.before.drain(..=at);
                return Report::Overtaken;
            }
            if of_key.last == state {
                expected.remove(key);
                return Report::Last;
            }
        }
        Report::News
    }

    /// The dataplane was found to have nothing to report.
    pub(super) fn nothing_is_left(&mut self) {
        self.older = std::mem::take(&mut self.recent);
    }
}

impl Expected {
    /// One that changes nothing is not reported.
    fn add(&mut self, state: State) {
        if self.last != state {
            self.before.push(self.last);
            self.last = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use mclag_proto::{IfName, Mac, Vid};

    use super::*;
    use crate::dataplane::EntryKind;

    fn on(port: &str) -> State {
        let kind = EntryKind::Dynamic;
        let port = IfName::new(port).unwrap();
        Some(FdbEntry { port, kind })
    }

    const KEY: FdbKey = FdbKey {
        vid: Vid::DEFAULT,
        mac: Mac([2, 0, 0, 0, 0, 1]),
    };

    #[test]
    fn a_report_is_of_the_last_action_of_an_earlier_one_or_news() {
        use Report::{Last, News, Overtaken};
        let (a, b, c) = (on("a"), on("b"), on("c"));
        // What was done; what is reported, and what that is.
        for (done, reports) in [
            (&[][..], &[(a, News)][..]),
            (&[a], &[(a, Last), (a, News)]),
            (&[a, b], &[(a, Overtaken), (b, Last), (b, News)]),
            (&[a, b], &[(c, News), (a, Overtaken), (c, News), (b, Last)]),
            // The report of the first was lost.
            (&[a, b], &[(b, Last), (a, News)]),
            (&[a, None, b], &[(None, Overtaken), (a, News), (b, Last)]),
            // There and back again.
            (&[a, b, a], &[(a, Overtaken), (b, Overtaken), (a, Last)]),
            // Twice the same is one change.
            (&[a, a], &[(a, Last), (a, News)]),
        ] {
            let mut echoes = Echoes::default();
            for state in done {
                echoes.expect(KEY, *state);
            }
            for (state, is) in reports {
                assert_eq!(echoes.report(&KEY, *state), *is, "{done:?} {state:?}");
            }
        }
    }

    #[test]
    fn nothing_is_expected_for_ever() {
        let mut echoes = Echoes::default();
        echoes.expect(KEY, on("a"));
        echoes.nothing_is_left();
        echoes.expect(KEY, on("b"));
        echoes.nothing_is_left();
        assert_eq!(echoes.report(&KEY, on("a")), Report::Overtaken);
        echoes.nothing_is_left();
        assert_eq!(echoes.report(&KEY, on("b")), Report::News);
    }
}
