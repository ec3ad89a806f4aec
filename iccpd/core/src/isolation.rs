//! Split horizon: which MLAG ports frames from the peer link must not leave through
//! (`spec/behaviour.md` 7).

use mclag_proto::sync::model::Isolation;

/// What this chassis knows of the port of the same name at the peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remote {
    /// The peer has not told all of its ports in this session: what was decided before stands.
    Untold,
    /// Nor can it be reached over the peer link: isolating costs nothing now, and will be right
    /// when the link is back before the session is.
    Unreachable,
    /// The peer has no such port.
    Absent,
    /// Down at the peer.
    Down,
    /// Up at the peer, or about to be.
    Up,
}

/// What to do with one MLAG port.
///
/// A frame from the peer link has been, or will be, delivered by the peer itself if the port is
/// up there; only then must it not leave here. The local port's state does not matter: while it
/// is down nothing leaves, and when it comes up the filter must already be right.
///
/// While the session is down nothing is lifted: the peer's daemon may be gone and its dataplane
/// alive, and then both would deliver every flooded frame (W-22).
#[must_use]
pub fn decide(has_peer_link: bool, remote: Remote, before: Isolation) -> Isolation {
    match remote {
        _ if !has_peer_link => Isolation::Off,
        Remote::Untold => before,
        Remote::Absent | Remote::Down => Isolation::Off,
        Remote::Up | Remote::Unreachable => Isolation::On,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Isolation::{Keep, Off, On};

    #[test]
    fn decision_table() {
        let cases = [
            (Remote::Up, Keep, On),
            (Remote::Up, Off, On),
            (Remote::Down, On, Off),
            (Remote::Absent, On, Off),
            (Remote::Untold, Keep, Keep),
            (Remote::Untold, On, On),
            (Remote::Untold, Off, Off),
            (Remote::Unreachable, Off, On),
        ];
        for (remote, before, want) in cases {
            assert_eq!(decide(true, remote, before), want, "{remote:?} {before:?}");
            assert_eq!(decide(false, remote, before), Off, "without a peer link");
        }
    }
}
