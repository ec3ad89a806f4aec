//! Gives up every privilege but the one that a daemon cannot do without, before the first byte is read from anybody.
//!
//! `iccpd` parses what the network sends, so it holds nothing worth taking: no capability, and no way to get one by
//! executing something; the packet sockets that it may have opened before are described in
//! `docs/adr/0010-observing-replies.md`. What needs a privilege is `syncd`'s business, which keeps that one.

mod filter;
mod writes;

use crate::process::chain;
use caps::{CapSet, CapsHashSet};

pub use caps::Capability;
pub use filter::{FilterError, refuse_calls};
pub use writes::{Confined, WritesError, confine_writes, log_writes};

/// Why the process would keep a privilege, or lacks one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A capability set could not be read or changed.
    #[error("cannot change the {set:?} capability set")]
    Set {
        /// The set.
        set: CapSet,
        /// The system's words.
        source: caps::errors::CapsError,
    },
    /// What is needed was not given to the process.
    #[error("{0} is needed to change the dataplane; start as root or grant it")]
    Missing(Capability),
    /// More is held than is needed after all else was dropped.
    #[error("still holds capabilities in its {set:?} set: {held}")]
    Held {
        /// The set.
        set: CapSet,
        /// Their names.
        held: String,
    },
    /// `no_new_privs` could not be set.
    #[error("cannot set no_new_privs")]
    NoNewPrivs(#[source] nix::errno::Errno),
}

/// Drop everything but `needed`.
///
/// Capabilities belong to threads: call this while there is only one.
///
/// # Errors
///
/// When something would be kept, or `needed` is not there. The caller must not go on then.
pub fn enter(needed: Option<Capability>) -> Result<(), SandboxError> {
    let read = |set| caps::read(None, set).map_err(|source| SandboxError::Set { set, source });
    let kept: CapsHashSet = needed.into_iter().collect();
    let permitted = read(CapSet::Permitted)?;
    if let Some(missing) = kept.difference(&permitted).next() {
        return Err(SandboxError::Missing(*missing));
    }
    // The bounding set limits what can be gained, it is not held. Shrinking it takes
    // CAP_SETPCAP; a process without that has nothing to lose here, since no_new_privs keeps it
    // from gaining anything.
    if read(CapSet::Effective)?.contains(&Capability::CAP_SETPCAP) {
        caps::clear(None, CapSet::Bounding).map_err(|source| SandboxError::Set {
            set: CapSet::Bounding,
            source,
        })?;
    }
    // Ambient first: it must stay a part of permitted and inheritable.
    let none = CapsHashSet::new();
    let sets = [
        (CapSet::Ambient, &none),
        (CapSet::Inheritable, &none),
        (CapSet::Effective, &kept),
        (CapSet::Permitted, &kept),
    ];
    for (set, left) in sets {
        caps::set(None, set, left).map_err(|source| SandboxError::Set { set, source })?;
    }
    for (set, left) in sets {
        let held = read(set)?;
        if held != *left {
            let held = names(&held);
            return Err(SandboxError::Held { set, held });
        }
    }
    nix::sys::prctl::set_no_new_privs().map_err(SandboxError::NoNewPrivs)
}

/// Say how [`refuse_calls`] went, which is done before there is a log.
pub fn log_filter(filtered: Result<(), FilterError>) {
    match filtered {
        Ok(()) => tracing::info!("system calls that are never needed are refused from now on"),
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(error, "system calls are not filtered");
        }
    }
}

fn names(set: &CapsHashSet) -> String {
    let mut names: Vec<String> = set.iter().map(ToString::to_string).collect();
    names.sort();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Capabilities are per thread: one is sacrificed.
    fn sacrifice(work: impl FnOnce() + Send + 'static) {
        std::thread::spawn(work).join().unwrap();
    }

    #[test]
    fn no_capability_is_left_in_any_set_that_can_be_used() {
        sacrifice(|| {
            enter(None).unwrap();
            for set in [
                CapSet::Ambient,
                CapSet::Inheritable,
                CapSet::Effective,
                CapSet::Permitted,
            ] {
                assert!(caps::read(None, set).unwrap().is_empty(), "{set:?}");
            }
            assert!(nix::sys::prctl::get_no_new_privs().unwrap());
        });
    }

    #[test]
    fn entering_twice_is_harmless() {
        sacrifice(|| {
            enter(None).unwrap();
            enter(None).unwrap();
        });
    }

    #[test]
    fn only_what_is_needed_is_left_and_its_lack_is_an_error() {
        sacrifice(|| {
            let needed = Capability::CAP_NET_ADMIN;
            let has = caps::has_cap(None, CapSet::Permitted, needed).unwrap();
            match enter(Some(needed)) {
                Ok(()) => {
                    assert!(has);
                    let left = caps::read(None, CapSet::Effective).unwrap();
                    assert_eq!(left, CapsHashSet::from([needed]));
                }
                Err(SandboxError::Missing(missing)) => {
                    assert!(!has);
                    assert_eq!(missing, needed);
                }
                Err(other) => panic!("{other}"),
            }
        });
    }
}
