//! What a dataplane says before there is a pair to take it.
//!
//! A shim is greeted first and names the pair then. So little was said by that time that it can be
//! kept; of anything more it is only remembered that it was said, and it has to be said again.

use iccp_core::Input;
use mclag_proto::sync::model::Event;

/// What was said.
#[derive(Debug, Default)]
pub struct Missed {
    /// In order: that the dataplane is there, and that it begins to list its addresses.
    kept: Vec<Input>,
    /// There was more.
    more: bool,
}

impl Missed {
    /// A pair took it, and is gone.
    #[must_use]
    pub const fn everything() -> Self {
        Self {
            kept: Vec::new(),
            more: true,
        }
    }

    /// Nobody takes this.
    pub fn take_in(&mut self, input: Input) {
        match input {
            // It says everything from the beginning, or more than before.
            Input::SyncdUp { .. } => {
                let listing = self.kept.split_off(self.kept.len().min(1));
                self.kept = std::iter::once(input).chain(listing).collect();
            }
            Input::SyncdDown => *self = Self::default(),
            Input::SyncdEvent(Event::SnapshotBegin | Event::SnapshotEnd)
                if (1..3).contains(&self.kept.len()) =>
            {
                self.kept.push(input);
            }
            Input::SyncdEvent(_) => self.more = true,
            _ => {}
        }
    }

    /// What a new pair has to be told; none if the dataplane has to say it again.
    #[must_use]
    pub fn into_inputs(self) -> Option<Vec<Input>> {
        (!self.more).then_some(self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::sync::model::{Abilities, FdbKey, Sight};
    use mclag_proto::{Mac, Vid};

    fn up(backend: &str) -> Input {
        Input::SyncdUp {
            abilities: Abilities::default(),
            backend: backend.into(),
            window: 1,
        }
    }

    fn missed(inputs: impl IntoIterator<Item = Input>) -> Option<Vec<Input>> {
        let mut missed = Missed::default();
        inputs.into_iter().for_each(|input| missed.take_in(input));
        missed.into_inputs()
    }

    const BEGIN: Input = Input::SyncdEvent(Event::SnapshotBegin);
    const END: Input = Input::SyncdEvent(Event::SnapshotEnd);

    #[test]
    fn a_greeting_is_kept_and_a_newer_one_counts() {
        assert_eq!(missed([]), Some(Vec::new()));
        assert_eq!(missed([up("a"), BEGIN]), Some(vec![up("a"), BEGIN]));
        let again = [up("a"), BEGIN, END, up("b")];
        assert_eq!(missed(again), Some(vec![up("b"), BEGIN, END]));
        let anew = [up("a"), BEGIN, Input::SyncdDown, up("b")];
        assert_eq!(missed(anew), Some(vec![up("b")]));
        assert_eq!(missed([up("a"), Input::SyncdDown]), Some(Vec::new()));
    }

    #[test]
    fn what_is_more_than_a_greeting_has_to_be_said_again() {
        let key = FdbKey {
            vid: Vid::DEFAULT,
            mac: Mac([2, 0, 0, 0, 0, 1]),
        };
        let sight = Sight::Aged;
        let event = Input::SyncdEvent(Event::Fdb { key, sight });
        assert_eq!(missed([up("a"), BEGIN, event.clone()]), None);
        let gone = [up("a"), BEGIN, event, Input::SyncdDown, up("a")];
        assert_eq!(missed(gone), Some(vec![up("a")]));
        let after = Missed::everything();
        assert_eq!(after.into_inputs(), None);
    }
}
