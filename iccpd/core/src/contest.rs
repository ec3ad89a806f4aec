//! Which of two connections from the peer's address counts.
//!
//! Either the peer has restarted unseen, or something else on its chassis looks what listens here, perhaps to take
//! the session: whoever has a shell there has the address, too. So the one that is up goes on while its other end
//! answers, which the transport finds out; one that a secret vouches for needs no such proof.

/// The connection that is up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum First {
    /// It has ended, or its other end knows nothing of it, or does not answer.
    Gone,
    /// Its other end has not said a word since it was made.
    Mute,
    /// Its other end has spoken; whether it is still there is being found out.
    Asked,
    /// It was asked, and had the time to answer.
    Probed {
        /// Anything was heard from it since.
        heard: bool,
    },
    /// This chassis made it: a peer that lives does not dial the one that dials.
    MadeHere,
}

/// The one that came while it was up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Second {
    /// It has not said its first word.
    Mute,
    /// It has said a first word as a peer does, which anybody can.
    Spoke,
    /// And it is signed with the pair's key.
    Signed,
}

/// What becomes of the second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It takes the place of the first.
    Take,
    /// That is not known yet.
    Wait,
    /// It is closed.
    Refuse,
}

/// Decide. How long a mute second may stay so is up to the transport.
#[must_use]
pub const fn decide(first: First, second: Second) -> Verdict {
    use Verdict::{Refuse, Take, Wait};
    match (first, second) {
        (First::Gone, _) => Take,
        (First::MadeHere, _) => Refuse,
        (_, Second::Mute) => Wait,
        (_, Second::Signed) => Take,
        (First::Mute | First::Probed { heard: false }, Second::Spoke) => Take,
        (First::Asked, Second::Spoke) => Wait,
        (First::Probed { heard: true }, Second::Spoke) => Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::{First, Second, Verdict, decide};

    #[test]
    fn no_word_takes_a_session_whose_other_end_answers() {
        use Verdict::{Refuse, Take, Wait};
        let table = [
            // (Mute, Spoke, Signed)
            (First::Gone, [Take, Take, Take]),
            (First::Mute, [Wait, Take, Take]),
            (First::Asked, [Wait, Wait, Take]),
            (First::Probed { heard: true }, [Wait, Refuse, Take]),
            (First::Probed { heard: false }, [Wait, Take, Take]),
            (First::MadeHere, [Refuse, Refuse, Refuse]),
        ];
        for (first, verdicts) in table {
            let seconds = [Second::Mute, Second::Spoke, Second::Signed];
            assert_eq!(
                seconds.map(|second| decide(first, second)),
                verdicts,
                "{first:?}"
            );
        }
    }
}
