//! Gives up every privilege but the one that the backend needs, before anybody is listened to.

use caps::{CapSet, Capability, CapsHashSet};

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
    /// What the backend needs was not given to the process.
    #[error("{0} is needed to change the dataplane; start as root or grant it")]
    Missing(Capability),
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
    let write = |set, value: &CapsHashSet| {
        caps::set(None, set, value).map_err(|source| SandboxError::Set { set, source })
    };
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
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set).map_err(|source| SandboxError::Set { set, source })?;
    }
    write(CapSet::Effective, &kept)?;
    write(CapSet::Permitted, &kept)?;
    nix::sys::prctl::set_no_new_privs().map_err(SandboxError::NoNewPrivs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Capabilities are per thread: one is sacrificed.
    fn sacrifice(work: impl FnOnce() + Send + 'static) {
        std::thread::spawn(work).join().unwrap();
    }

    #[test]
    fn nothing_is_left_where_nothing_is_needed() {
        sacrifice(|| {
            enter(None).unwrap();
            enter(None).unwrap();
            for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
                assert!(caps::read(None, set).unwrap().is_empty(), "{set:?}");
            }
            assert!(nix::sys::prctl::get_no_new_privs().unwrap());
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
