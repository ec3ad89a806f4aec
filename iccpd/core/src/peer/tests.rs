use super::*;
use Known::{Before, Current, Synchronised};
use Past::{Forgotten, Released, Restarting, Stale, Unknown};

/// State, change, state.
const TRANSITIONS: [(Known, Change, Known); 88] = [
    (Before(Unknown), Change::Told, Synchronised(Unknown)),
    (Before(Unknown), Change::InStep, Current),
    (Before(Unknown), Change::Lost, Before(Unknown)),
    (Before(Unknown), Change::LostToRestart, Before(Unknown)),
    (Before(Unknown), Change::LostAtOnce, Before(Released)),
    (Before(Unknown), Change::Overdue, Before(Unknown)),
    (Before(Unknown), Change::Forgotten, Before(Forgotten)),
    (Before(Unknown), Change::Released, Before(Released)),
    (Before(Stale), Change::Told, Synchronised(Stale)),
    (Before(Stale), Change::InStep, Current),
    (Before(Stale), Change::Lost, Before(Stale)),
    (Before(Stale), Change::LostToRestart, Before(Stale)),
    (Before(Stale), Change::LostAtOnce, Before(Released)),
    (Before(Stale), Change::Overdue, Before(Stale)),
    (Before(Stale), Change::Forgotten, Before(Forgotten)),
    (Before(Stale), Change::Released, Before(Released)),
    (Before(Restarting), Change::Told, Synchronised(Restarting)),
    (Before(Restarting), Change::InStep, Current),
    (Before(Restarting), Change::Lost, Before(Restarting)),
    (
        Before(Restarting),
        Change::LostToRestart,
        Before(Restarting),
    ),
    (Before(Restarting), Change::LostAtOnce, Before(Restarting)),
    (Before(Restarting), Change::Overdue, Before(Stale)),
    (Before(Restarting), Change::Forgotten, Before(Forgotten)),
    (Before(Restarting), Change::Released, Before(Released)),
    (Before(Forgotten), Change::Told, Synchronised(Forgotten)),
    (Before(Forgotten), Change::InStep, Current),
    (Before(Forgotten), Change::Lost, Before(Stale)),
    (Before(Forgotten), Change::LostToRestart, Before(Stale)),
    (Before(Forgotten), Change::LostAtOnce, Before(Released)),
    (Before(Forgotten), Change::Overdue, Before(Forgotten)),
    (Before(Forgotten), Change::Forgotten, Before(Forgotten)),
    (Before(Forgotten), Change::Released, Before(Released)),
    (Before(Released), Change::Told, Synchronised(Released)),
    (Before(Released), Change::InStep, Current),
    (Before(Released), Change::Lost, Before(Released)),
    (Before(Released), Change::LostToRestart, Before(Released)),
    (Before(Released), Change::LostAtOnce, Before(Released)),
    (Before(Released), Change::Overdue, Before(Released)),
    (Before(Released), Change::Forgotten, Before(Forgotten)),
    (Before(Released), Change::Released, Before(Released)),
    (Synchronised(Unknown), Change::Told, Synchronised(Unknown)),
    (Synchronised(Unknown), Change::InStep, Current),
    (Synchronised(Unknown), Change::Lost, Before(Unknown)),
    (
        Synchronised(Unknown),
        Change::LostToRestart,
        Before(Unknown),
    ),
    (Synchronised(Unknown), Change::LostAtOnce, Before(Released)),
    (
        Synchronised(Unknown),
        Change::Overdue,
        Synchronised(Unknown),
    ),
    (Synchronised(Unknown), Change::Forgotten, Before(Forgotten)),
    (Synchronised(Unknown), Change::Released, Before(Released)),
    (Synchronised(Stale), Change::Told, Synchronised(Stale)),
    (Synchronised(Stale), Change::InStep, Current),
    (Synchronised(Stale), Change::Lost, Before(Stale)),
    (Synchronised(Stale), Change::LostToRestart, Before(Stale)),
    (Synchronised(Stale), Change::LostAtOnce, Before(Released)),
    (Synchronised(Stale), Change::Overdue, Synchronised(Stale)),
    (Synchronised(Stale), Change::Forgotten, Before(Forgotten)),
    (Synchronised(Stale), Change::Released, Before(Released)),
    (
        Synchronised(Restarting),
        Change::Told,
        Synchronised(Restarting),
    ),
    (Synchronised(Restarting), Change::InStep, Current),
    (Synchronised(Restarting), Change::Lost, Before(Restarting)),
    (
        Synchronised(Restarting),
        Change::LostToRestart,
        Before(Restarting),
    ),
    (
        Synchronised(Restarting),
        Change::LostAtOnce,
        Before(Restarting),
    ),
    (
        Synchronised(Restarting),
        Change::Overdue,
        Synchronised(Stale),
    ),
    (
        Synchronised(Restarting),
        Change::Forgotten,
        Before(Forgotten),
    ),
    (Synchronised(Restarting), Change::Released, Before(Released)),
    (
        Synchronised(Forgotten),
        Change::Told,
        Synchronised(Forgotten),
    ),
    (Synchronised(Forgotten), Change::InStep, Current),
    (Synchronised(Forgotten), Change::Lost, Before(Stale)),
    (
        Synchronised(Forgotten),
        Change::LostToRestart,
        Before(Stale),
    ),
    (
        Synchronised(Forgotten),
        Change::LostAtOnce,
        Before(Released),
    ),
    (
        Synchronised(Forgotten),
        Change::Overdue,
        Synchronised(Forgotten),
    ),
    (
        Synchronised(Forgotten),
        Change::Forgotten,
        Before(Forgotten),
    ),
    (Synchronised(Forgotten), Change::Released, Before(Released)),
    (Synchronised(Released), Change::Told, Synchronised(Released)),
    (Synchronised(Released), Change::InStep, Current),
    (Synchronised(Released), Change::Lost, Before(Released)),
    (
        Synchronised(Released),
        Change::LostToRestart,
        Before(Released),
    ),
    (Synchronised(Released), Change::LostAtOnce, Before(Released)),
    (
        Synchronised(Released),
        Change::Overdue,
        Synchronised(Released),
    ),
    (Synchronised(Released), Change::Forgotten, Before(Forgotten)),
    (Synchronised(Released), Change::Released, Before(Released)),
    (Current, Change::Told, Current),
    (Current, Change::InStep, Current),
    (Current, Change::Lost, Before(Stale)),
    (Current, Change::LostToRestart, Before(Restarting)),
    (Current, Change::LostAtOnce, Before(Released)),
    (Current, Change::Overdue, Current),
    (Current, Change::Forgotten, Before(Forgotten)),
    (Current, Change::Released, Before(Released)),
];

/// Every state with every change, each once.
#[test]
fn transition_table() {
    for (number, (from, change, to)) in TRANSITIONS.into_iter().enumerate() {
        assert_eq!(from.after(change), to, "{from:?} + {change:?}");
        let same = |(other, again, _): &(Known, Change, Known)| (*other, *again) == (from, change);
        assert_eq!(TRANSITIONS.iter().position(same), Some(number));
    }
}

/// That it left is not that it told all of its ports, which were none; for isolation it comes to the
/// same, since none of them delivers a frame.
#[test]
fn what_each_state_means() {
    // (state, its ports are known, named in this session, given up, expected back)
    let rows = [
        (Before(Unknown), false, false, false, false),
        (Before(Stale), false, false, false, false),
        (Before(Restarting), false, false, false, true),
        (Before(Forgotten), true, false, false, false),
        (Before(Released), true, false, true, false),
        (Synchronised(Unknown), true, true, false, false),
        (Synchronised(Stale), true, true, false, false),
        (Synchronised(Restarting), true, true, false, true),
        (Synchronised(Forgotten), true, true, false, false),
        (Synchronised(Released), true, true, true, false),
        (Current, true, true, false, false),
    ];
    for (known, told, heard, released, restarting) in rows {
        assert_eq!(known.is_heard(), heard, "{known:?}");
        let is = (known.is_told(), known.is_released(), known.is_restarting());
        assert_eq!(is, (told, released, restarting), "{known:?}");
    }
}
