//! Whether an input takes a way for frames or gives one. Level by level only the last state counts, but a
//! port that is lost and comes back between two looks must have been seen to be lost: its peer has to
//! isolate it again first.

use super::Links;
use crate::input::{Input, Link, LinkKind};

/// What an interface that changed may do to the ports.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Turn {
    /// One may be lost.
    takes: bool,
    /// One may come.
    gives: bool,
}

impl Turn {
    const BOTH: Self = Self {
        takes: true,
        gives: true,
    };

    /// Both of them.
    #[must_use]
    pub const fn and(self, later: Self) -> Self {
        Self {
            takes: self.takes || later.takes,
            gives: self.gives || later.gives,
        }
    }

    /// Nothing that was lost may have come with the later one, and nothing been lost that had come.
    #[must_use]
    pub const fn goes_with(self, later: Self) -> bool {
        let both = self.and(later);
        !(both.takes && both.gives)
    }

    const fn between(before: bool, now: bool) -> Self {
        Self {
            takes: before && !now,
            gives: now && !before,
        }
    }
}

impl Links {
    /// What an input does to the interfaces as they are; none for what has to be looked at by itself:
    /// what is no interface, a listing, and whatever comes before the first one is complete.
    #[must_use]
    pub fn turn(&self, input: &Input) -> Option<Turn> {
        if !self.is_ready() {
            return None;
        }
        match input {
            Input::Link(link) => Some(match self.by_index(link.index) {
                Some(before) => turn(before, link),
                None => Turn::BOTH,
            }),
            Input::LinkGone { index } => Some(Turn {
                takes: self.by_index(*index).is_some(),
                gives: false,
            }),
            _ => None,
        }
    }
}

fn turn(before: &Link, now: &Link) -> Turn {
    let is_same = before.name == now.name
        && before.mac == now.mac
        && before.master == now.master
        && before.member.is_some() == now.member.is_some()
        && is_same_kind(before.kind, now.kind);
    if !is_same {
        return Turn::BOTH;
    }
    let distributes = |link: &Link| link.member.is_some_and(|member| member.distributing);
    // Whether anybody speaks LACP is looked at each time.
    let alone = |link: &Link| link.member.is_some_and(|member| member.alone);
    if alone(before) != alone(now) {
        return Turn::BOTH;
    }
    Turn::between(before.running, now.running)
        .and(Turn::between(before.admin_up, now.admin_up))
        .and(Turn::between(distributes(before), distributes(now)))
}

/// Who is at the other end of a LAG comes and goes with its members.
fn is_same_kind(before: LinkKind, now: LinkKind) -> bool {
    let without_partner = |kind| match kind {
        LinkKind::Lag {
            lacp, min_links, ..
        } => LinkKind::Lag {
            lacp,
            min_links,
            partner: None,
        },
        other => other,
    };
    without_partner(before) == without_partner(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::LagMember;
    use mclag_proto::{IfName, LacpPartner, Mac};

    fn member(up: bool) -> Link {
        Link {
            index: 5,
            name: IfName::new("swp1").unwrap(),
            mac: None,
            admin_up: true,
            running: up,
            master: Some(1),
            kernel_name: None,
            blocked: false,
            kind: LinkKind::Other,
            member: Some(LagMember {
                distributing: up,
                alone: false,
            }),
        }
    }

    fn lag(partner: Option<LacpPartner>, min_links: u32) -> Link {
        let lacp = true;
        Link {
            kind: LinkKind::Lag {
                lacp: Some(lacp),
                partner,
                min_links,
            },
            member: None,
            ..member(true)
        }
    }

    #[test]
    fn what_is_lost_goes_with_what_is_lost_and_what_comes_with_what_comes() {
        let system = Mac([2, 0, 0, 0, 0, 1]);
        let partner = Some(LacpPartner { system, key: 1 });
        let renamed = Link {
            name: IfName::new("swp2").unwrap(),
            ..member(true)
        };
        let elsewhere = Link {
            master: Some(2),
            ..member(true)
        };
        let not_distributing = Link {
            running: true,
            ..member(false)
        };
        // Before, now, what is taken and given.
        for (before, now, takes, gives) in [
            (member(true), member(true), false, false),
            (member(true), member(false), true, false),
            (member(false), member(true), false, true),
            (member(true), not_distributing.clone(), true, false),
            (not_distributing, member(true), false, true),
            (member(true), renamed, true, true),
            (member(true), elsewhere, true, true),
            (lag(partner, 1), lag(None, 1), false, false),
            (lag(partner, 1), lag(partner, 2), true, true),
        ] {
            let mut links = Links::default();
            links.begin();
            links.upsert(before.clone());
            assert_eq!(links.turn(&Input::Link(now.clone())), None, "being listed");
            links.end();
            let turn = links.turn(&Input::Link(now.clone()));
            assert_eq!(turn, Some(Turn { takes, gives }), "{before:?} {now:?}");
        }
        let (takes, gives) = (member(false), member(true));
        let takes = turn(&gives, &takes);
        let gives = turn(&member(false), &gives);
        assert!(takes.goes_with(takes) && gives.goes_with(gives));
        assert!(!takes.goes_with(gives) && !gives.goes_with(takes));
        assert!(!Turn::BOTH.goes_with(Turn::default()));
    }
}
