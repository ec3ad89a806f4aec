use super::*;
use crate::lag::Awaited;
use crate::policy::peer::SETTLED;
use Isolation::{Keep, Off, On};
use Pairing::{Apart, Leaving, Paired, Presumed, Unknown};

const REACHES: [Reachability; 6] = [
    Reachability::Synchronised,
    Reachability::Synchronising,
    Reachability::Connecting,
    Reachability::ConnectingApart,
    Reachability::PeerLink,
    Reachability::Nowhere,
];
const AT_PEER: [(&str, Option<bool>); 3] =
    [("up", Some(true)), ("down", Some(false)), ("none", None)];
const ON_LOSS: [(&str, OnLoss); 2] = [("hold", OnLoss::Hold), ("release", OnLoss::Release)];
const NO_YES: [(&str, bool); 2] = [("no", false), ("yes", true)];

/// Cells of a table: the inputs, which may be `*` or alternatives with `|`, then `=>` and the outcome.
struct Table<'a> {
    rows: Vec<(Vec<&'a str>, &'a str, usize)>,
}

impl<'a> Table<'a> {
    fn new(text: &'a str) -> Self {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let rows = lines.map(|line| {
            let (inputs, outcome) = line.split_once("=>").unwrap();
            (inputs.split_whitespace().collect(), outcome.trim(), 0)
        });
        Self {
            rows: rows.collect(),
        }
    }

    /// The outcome of the one row for these inputs.
    fn outcome(&mut self, inputs: &[&str]) -> &'a str {
        let mut fitting = self.rows.iter_mut().filter(|(cells, ..)| {
            assert_eq!(cells.len(), inputs.len(), "{cells:?}");
            let fits = |(cell, input): (&&str, &&str)| {
                *cell == "*" || cell.split('|').any(|choice| choice == *input)
            };
            cells.iter().zip(inputs).all(fits)
        });
        let Some((_, outcome, used)) = fitting.next() else {
            panic!("no row for {inputs:?}")
        };
        assert!(fitting.next().is_none(), "two rows for {inputs:?}");
        *used += 1;
        outcome
    }

    fn is_used_up(&self) -> bool {
        self.rows.iter().all(|(.., used)| *used > 0)
    }
}

fn situation(reach: Reachability, on_loss: OnLoss) -> Situation {
    Situation {
        reach,
        on_loss,
        has_peer_link: true,
        ports_known: true,
        settled: true,
    }
}

/// Every combination of inputs has one row.
#[test]
fn port_action_table() {
    // of another kind | on loss | reachability                       | at peer | settled | port => action
    // Of a peer that answers.
    let mut table = Table::new(
        "
        *   *       *                                                 *         *   waiting|forwarding => keep
        yes *       *                                                 *         *   down|held => hold

        no  hold    Synchronised|Synchronising                        *         *   down => hold
        no  hold    Connecting|PeerLink                               up        *   down => hold
        no  hold    Connecting|PeerLink                               down|none *   down => keep
        no  hold    ConnectingApart|Nowhere                           *         *   down => keep
        no  release Synchronised                                      *         *   down => hold
        no  release Synchronising|Connecting|ConnectingApart          *         *   down => keep
        no  release PeerLink|Nowhere                                  *         *   down => keep

        no  *       Synchronised|Synchronising|Connecting|ConnectingApart *     *   held => keep
        no  *       Nowhere                                           *         *   held => forward
        no  *       PeerLink                                          down      *   held => forward
        no  *       PeerLink                                          up|none   yes held => forward
        no  *       PeerLink                                          up|none   no  held => keep
        ",
    );
    let waits = [Awaited::Acknowledgement, Awaited::Time];
    let mut ports = vec![
        ("down", ForwardingState::Down),
        ("down", ForwardingState::DownHeld),
        ("down", ForwardingState::DownOpen),
        ("forwarding", ForwardingState::Forwarding),
    ];
    ports.extend(waits.map(|wait| ("waiting", ForwardingState::Waiting(wait))));
    ports.extend(waits.map(|wait| ("held", ForwardingState::WaitingHeld(wait))));
    let mut check = |reach: Reachability, (loss, on_loss), (peer, at_peer), (yes, settled)| {
        let situation = Situation {
            settled,
            ..situation(reach, on_loss)
        };
        for (word, port) in &ports {
            for (other, of_another_kind) in NO_YES {
                let reached = format!("{reach:?}");
                let want = table.outcome(&[other, loss, &reached, peer, yes, word]);
                let answer = Answer::Expected;
                let is = match situation.port_action(*port, of_another_kind, at_peer, answer) {
                    PortAction::Keep => "keep",
                    PortAction::Hold => "hold",
                    PortAction::Forward => "forward",
                };
                assert_eq!(is, want, "{other} {loss} {reach:?} {peer} {yes} {port:?}");
            }
        }
    };
    for reach in REACHES {
        for loss in ON_LOSS {
            for at_peer in AT_PEER {
                NO_YES
                    .into_iter()
                    .for_each(|settled| check(reach, loss, at_peer, settled));
            }
        }
    }
    assert!(table.is_used_up());
}

/// A peer whose dataplane is not at work is not waited for.
#[test]
fn only_a_held_port_of_a_synchronised_pair_goes_ahead_where_no_answer_can_come() {
    let waits = [Awaited::Acknowledgement, Awaited::Time].map(ForwardingState::WaitingHeld);
    let ports = [
        ForwardingState::Down,
        ForwardingState::DownHeld,
        ForwardingState::DownOpen,
        ForwardingState::Forwarding,
        ForwardingState::Waiting(Awaited::Acknowledgement),
    ];
    for reach in REACHES {
        for (_, on_loss) in ON_LOSS {
            for (_, at_peer) in AT_PEER {
                for port in ports.into_iter().chain(waits) {
                    let situation = situation(reach, on_loss);
                    let asked = |answer| situation.port_action(port, false, at_peer, answer);
                    let is_held = waits.contains(&port);
                    let want = match reach {
                        Reachability::Synchronised if is_held => PortAction::Forward,
                        _ => asked(Answer::Expected),
                    };
                    assert_eq!(asked(Answer::Never), want, "{reach:?} {port:?}");
                    assert_eq!(asked(Answer::Refused), asked(Answer::Expected));
                }
            }
        }
    }
}

/// Of a port that the peer cannot acknowledge.
#[test]
fn answer_table() {
    // reachability | port | delivers => answer
    let mut table = Table::new(
        "
        Synchronised       forwarding           *   => Never
        Synchronised       down|waiting|held    no  => Never
        Synchronised       down|waiting|held    yes => Refused
        Synchronising|Connecting|ConnectingApart|PeerLink|Nowhere * * => Expected
        ",
    );
    let ports = [
        ("down", ForwardingState::Down),
        ("down", ForwardingState::DownHeld),
        ("down", ForwardingState::DownOpen),
        (
            "waiting",
            ForwardingState::Waiting(Awaited::Acknowledgement),
        ),
        (
            "held",
            ForwardingState::WaitingHeld(Awaited::Acknowledgement),
        ),
        ("forwarding", ForwardingState::Forwarding),
    ];
    for reach in REACHES {
        for (word, port) in ports {
            for (yes, delivers) in NO_YES {
                let want = table.outcome(&[&format!("{reach:?}"), word, yes]);
                let is = situation(reach, OnLoss::Hold).answer(port, delivers);
                assert_eq!(format!("{is:?}"), want, "{reach:?} {port:?} {yes}");
            }
        }
    }
    assert!(table.is_used_up());
}

/// Every combination of inputs has one row.
#[test]
fn isolation_table() {
    // peer link | on loss | reachability                  | told | at peer | unasked => isolation
    // Of a port that is Presumed or Paired.
    let mut table = Table::new(
        "
        no  *       *                                        *   *         *   => off

        yes hold    Nowhere                                  *   *         *   => on

        yes hold    Synchronised|Connecting|ConnectingApart        yes up        *   => on
        yes hold    Synchronised|Connecting|ConnectingApart        yes down|none *   => off
        yes hold    Synchronised|Connecting|ConnectingApart        no  *         no  => as it was
        yes hold    Synchronised|Connecting|ConnectingApart        no  *         yes => on
        yes hold    PeerLink                                 yes up        *   => on
        yes hold    PeerLink                                 yes down|none *   => off
        yes hold    PeerLink                                 no  *         no  => as it was
        yes hold    PeerLink                                 no  *         yes => on
        yes hold    Synchronising                            no  *         yes => on
        yes hold    Synchronising                            no  *         no  => as it was
        yes hold    Synchronising                            yes *         *   => as it was

        yes release Synchronised|Connecting|ConnectingApart        yes up        *   => on
        yes release Synchronised|Connecting|ConnectingApart        yes down|none *   => off
        yes release Synchronised|Connecting|ConnectingApart        no  *         no  => as it was
        yes release Synchronised|Connecting|ConnectingApart        no  *         yes => on
        yes release PeerLink|Nowhere                         yes up        *   => on
        yes release PeerLink|Nowhere                         yes down|none *   => off
        yes release PeerLink|Nowhere                         no  *         no  => as it was
        yes release PeerLink|Nowhere                         no  *         yes => on
        yes release Synchronising                            no  *         yes => on
        yes release Synchronising                            no  *         no  => as it was
        yes release Synchronising                            yes *         *   => as it was
        ",
    );
    for reach in REACHES {
        for (loss, on_loss) in ON_LOSS {
            for (link, has_peer_link) in NO_YES {
                for (tells, ports_known) in NO_YES {
                    for (peer, at_peer) in AT_PEER {
                        for (asks, unasked) in NO_YES {
                            let reached = format!("{reach:?}");
                            let inputs = [link, loss, &reached, tells, peer, asks];
                            let want = table.outcome(&inputs);
                            for before in [Keep, Off, On] {
                                let situation = Situation {
                                    has_peer_link,
                                    ports_known,
                                    ..situation(reach, on_loss)
                                };
                                let want = match want {
                                    "on" => On,
                                    "off" => Off,
                                    "as it was" => before,
                                    other => panic!("{other}"),
                                };
                                for pairing in [Presumed, Paired] {
                                    let is = situation.isolation(pairing, at_peer, before, unasked);
                                    assert_eq!(is, want, "{inputs:?} {before:?} {pairing:?}");
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(table.is_used_up());
}

/// Every combination of inputs has one row, beside those of [`isolation_table`].
#[test]
fn isolation_table_of_a_port_whose_other_half_is_not_known_or_is_not_there() {
    // peer link | pairing | before | told | reachability => isolation
    let mut table = Table::new(
        "
        no  *       *      *   *       => off
        yes Leaving *      *   Nowhere => on
        yes Leaving On|Off *   Synchronised|Synchronising|Connecting|ConnectingApart|PeerLink => on
        yes Leaving Keep   *   Synchronised|Synchronising|Connecting|ConnectingApart|PeerLink => keep
        yes Unknown On|Off *   *       => on
        yes Unknown Keep   yes Synchronising => keep
        yes Unknown Keep   yes Synchronised|Connecting|ConnectingApart|PeerLink|Nowhere => on
        yes Unknown Keep   no  *       => as the other table says
        yes Apart   *      *   Nowhere => on
        yes Apart   *      *   Synchronised|Synchronising|Connecting|ConnectingApart|PeerLink => off
        ",
    );
    for (link, has_peer_link) in NO_YES {
        for pairing in [Leaving, Unknown, Apart] {
            for before in [Keep, Off, On] {
                for reach in REACHES {
                    let words = [
                        format!("{pairing:?}"),
                        format!("{before:?}"),
                        format!("{reach:?}"),
                    ];
                    for (tells, ports_known) in NO_YES {
                        let want = table.outcome(&[link, &words[0], &words[1], tells, &words[2]]);
                        for (_, at_peer) in AT_PEER {
                            for (_, unasked) in NO_YES {
                                let situation = Situation {
                                    has_peer_link,
                                    ports_known,
                                    ..situation(reach, OnLoss::Hold)
                                };
                                let isolation = |pairing| {
                                    situation.isolation(pairing, at_peer, before, unasked)
                                };
                                let want = match want {
                                    "on" => On,
                                    "off" => Off,
                                    "keep" => Keep,
                                    _ => isolation(Presumed),
                                };
                                assert_eq!(isolation(pairing), want, "{situation:?} {before:?}");
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(table.is_used_up());
}

/// The peer's word on a port's other half counts while both are synchronised. With strict SONiC every port
/// is one of the pair.
#[test]
fn word_table() {
    let mut table = Table::new(
        "
        *       Synchronised                                            yes => Named
        hold    Synchronised                                            no  => Absent
        release Synchronised                                            no  => Named
        *       Synchronising|Connecting|ConnectingApart|PeerLink|Nowhere *   => none
        ",
    );
    for reach in REACHES {
        for (loss, on_loss) in ON_LOSS {
            for (yes, named) in NO_YES {
                let want = table.outcome(&[loss, &format!("{reach:?}"), yes]);
                let word = situation(reach, on_loss).word(named);
                let word = word.map_or("none".to_owned(), |word| format!("{word:?}"));
                assert_eq!(word, want, "{reach:?} {loss} {named}");
            }
        }
    }
    assert!(table.is_used_up());
}

/// A port asks where there is somebody to ask who answers, or who delivers frames meanwhile.
#[test]
fn a_port_that_comes_back_asks_if_there_is_somebody_to_ask() {
    let mut table = Table::new(
        "
        Synchronised                                     acknowledged *         => asks
        Synchronised                                     presumed     up        => asks
        Synchronised                                     presumed     down|none => unopposed
        Synchronising|Connecting|ConnectingApart   *            *         => alone
        PeerLink|Nowhere                           *            *         => alone
        ",
    );
    let timeout = Duration::from_secs(5);
    let consents = [
        ("acknowledged", Consent::Acknowledged(timeout)),
        ("presumed", Consent::Presumed(SETTLED)),
    ];
    for reach in REACHES {
        for (word, consent) in consents {
            for (peer, at_peer) in AT_PEER {
                let reached = format!("{reach:?}");
                let want = table.outcome(&[&reached, word, peer]);
                let situation = situation(reach, OnLoss::Hold);
                let now = Time::ZERO;
                let is = match situation.link_up_with_peer(at_peer, consent, timeout, now) {
                    Event::LinksBack(wait) => {
                        assert_eq!(wait, Wait::new(consent, now));
                        "asks"
                    }
                    Event::LinksBackUnopposed => "unopposed",
                    Event::LinksBackAlone(wait) => {
                        assert_eq!(wait, Wait::new(Consent::Acknowledged(timeout), now));
                        "alone"
                    }
                    other => panic!("{other:?}"),
                };
                assert_eq!(is, want, "{reach:?} {word} {peer}");
            }
        }
    }
    assert!(table.is_used_up());
}

/// What session and peer link say, as one value.
#[test]
fn reachability_table() {
    use session::SessionState::{
        CapSent, ConnectFirst, Connecting, Dialling, Down, Exchange, Stage1, Stage2,
    };
    // (session, with the peer link, without)
    let table = [
        (Down, Reachability::PeerLink, Reachability::Nowhere),
        (Dialling, Reachability::PeerLink, Reachability::Nowhere),
        (
            CapSent,
            Reachability::Connecting,
            Reachability::ConnectingApart,
        ),
        (
            ConnectFirst,
            Reachability::Connecting,
            Reachability::ConnectingApart,
        ),
        (
            Connecting,
            Reachability::Connecting,
            Reachability::ConnectingApart,
        ),
        (
            Stage1,
            Reachability::Synchronising,
            Reachability::Synchronising,
        ),
        (
            Stage2,
            Reachability::Synchronising,
            Reachability::Synchronising,
        ),
        (
            Exchange,
            Reachability::Synchronised,
            Reachability::Synchronised,
        ),
    ];
    for (session, with, without) in table {
        assert_eq!(Reachability::of(session, true), with, "{session:?}");
        assert_eq!(Reachability::of(session, false), without, "{session:?}");
    }
}

/// Every combination of inputs has one row.
#[test]
fn bypass_table() {
    // own | can be held | reachability | settled | role | at the peer => what follows
    let mut table = Table::new(
        "
        Off                *   *             *   *         *             => none

        Ready|Found|Active *   Synchronised  *   *         Lacp          => Give
        Ready|Found|Active no  Synchronised  *   *         Ready|Down|Carries => Take
        Ready|Found|Active no  Synchronising|Connecting|ConnectingApart|PeerLink|Nowhere * * * => Take

        Ready  yes Synchronised  *   *         Carries       => none
        Ready  yes Synchronised  *   primary   Ready         => Take
        Ready  yes Synchronised  *   secondary Ready         => none
        Ready  yes Synchronised  *   *         Down          => Take
        Found  yes Synchronised  *   *         Carries       => Give
        Found  yes Synchronised  *   *         Ready|Down    => Take
        Active yes Synchronised  *   primary   Carries       => none
        Active yes Synchronised  *   secondary Carries       => Give
        Active yes Synchronised  *   *         Ready|Down    => Take

        Found|Active yes Synchronising|Connecting|ConnectingApart|PeerLink|Nowhere * * * => none

        Ready  yes Synchronising|Connecting|ConnectingApart * * *          => none
        Ready  yes PeerLink      *   *         Lacp|Carries  => none
        Ready  yes PeerLink      yes *         Ready|Down    => Take
        Ready  yes PeerLink      no  *         Ready|Down    => none
        Ready  yes Nowhere       yes *         *             => Take
        Ready  yes Nowhere       no  *         *             => none
        ",
    );
    let halves = [
        OtherHalf::Down,
        OtherHalf::Lacp,
        OtherHalf::Ready,
        OtherHalf::Carries,
    ];
    for own in [Bypass::Off, Bypass::Ready, Bypass::Found, Bypass::Active] {
        for reach in REACHES {
            for (yes, settled) in NO_YES {
                for (role, is_primary) in [("primary", true), ("secondary", false)] {
                    for other in halves {
                        let (own_text, other_text) = (format!("{own:?}"), format!("{other:?}"));
                        let reached = format!("{reach:?}");
                        for (holds, can_hold) in NO_YES {
                            let inputs = [&own_text, holds, &reached, yes, role, &other_text];
                            let want = table.outcome(&inputs);
                            for (_, on_loss) in ON_LOSS {
                                let situation = Situation {
                                    settled,
                                    ..situation(reach, on_loss)
                                };
                                let is = situation.bypass(own, is_primary, other, !can_hold);
                                let is = is.map_or("none".to_owned(), |event| format!("{event:?}"));
                                assert_eq!(is, want, "{inputs:?}");
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(table.is_used_up());
}

/// From any two states both chassis come to one that carries data alone, or to none where LACP agrees, whoever decides
/// first: a message may be on its way.
#[test]
fn between_two_that_are_synchronised_one_carries_data_in_the_end() {
    let lone = [Bypass::Ready, Bypass::Found, Bypass::Active];
    let word = |own: Bypass| OtherHalf::of(Some(own.carries()), own.advertised(false));
    let situation = situation(Reachability::Synchronised, OnLoss::Hold);
    for primary in lone {
        for secondary in lone {
            for first in [0, 1, 2] {
                let mut states = [primary, secondary];
                for round in 0..4 {
                    let heard = states;
                    for side in [0, 1] {
                        // In the first round perhaps one of them has not heard yet.
                        if round == 0 && first == side {
                            continue;
                        }
                        let other = word(heard[1 - side]);
                        if let Some(event) = situation.bypass(states[side], side == 0, other, false)
                        {
                            states[side] = states[side].after(event);
                        }
                    }
                }
                let carrying = states.iter().filter(|state| state.carries()).count();
                assert_eq!(carrying, 1, "{primary:?} {secondary:?} {first}: {states:?}");
            }
        }
        for other in [OtherHalf::Lacp, OtherHalf::Down] {
            let event = situation.bypass(primary, false, other, false).unwrap();
            let carries = primary.after(event).carries();
            assert_eq!(carries, other == OtherHalf::Down);
        }
    }
}

#[test]
fn what_the_peer_says_of_its_half() {
    for (at_peer, alone, half) in [
        (None, None, OtherHalf::Down),
        (Some(false), None, OtherHalf::Down),
        (Some(true), None, OtherHalf::Lacp),
        (Some(false), Some(Alone::Heard), OtherHalf::Lacp),
        (Some(false), Some(Alone::Ready), OtherHalf::Ready),
        (Some(true), Some(Alone::Carries), OtherHalf::Carries),
        (Some(false), Some(Alone::Carries), OtherHalf::Carries),
    ] {
        assert_eq!(OtherHalf::of(at_peer, alone), half);
    }
}
