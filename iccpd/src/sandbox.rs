//! Gives up every privilege before the first byte is read from anybody.
//!
//! `iccpd` parses what the network sends, so it holds nothing worth taking: no capability, and
//! no way to get one by executing something. What needs privilege is `syncd`'s business; the packet
//! sockets that it may have opened before are described in `docs/adr/0010-observing-replies.md`.

use caps::{CapSet, CapsHashSet};

/// Why the process would keep a privilege.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A capability set could not be read or changed.
    #[error("cannot empty the {set:?} capability set")]
    Set {
        /// The set.
        set: CapSet,
        /// The system's words.
        source: caps::errors::CapsError,
    },
    /// Capabilities are still held after all were dropped.
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

/// Drop everything.
///
/// Capabilities belong to threads: call this while there is only one.
///
/// # Errors
///
/// When something would be kept. The caller must not go on then.
pub fn enter() -> Result<(), SandboxError> {
    let read = |set| caps::read(None, set).map_err(|source| SandboxError::Set { set, source });

    // The bounding set limits what can be gained, it is not held. Shrinking it takes
    // CAP_SETPCAP; a process without that has nothing to lose here, since no_new_privs keeps
    // it from gaining anything.
    if read(CapSet::Effective)?.contains(&caps::Capability::CAP_SETPCAP) {
        caps::clear(None, CapSet::Bounding).map_err(|source| SandboxError::Set {
            set: CapSet::Bounding,
            source,
        })?;
    }
    // Ambient first: it must stay a part of permitted and inheritable.
    for set in [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ] {
        caps::clear(None, set).map_err(|source| SandboxError::Set { set, source })?;
    }
    for set in [
        CapSet::Ambient,
        CapSet::Inheritable,
        CapSet::Effective,
        CapSet::Permitted,
    ] {
        let held = read(set)?;
        if !held.is_empty() {
            let held = names(&held);
            return Err(SandboxError::Held { set, held });
        }
    }
    nix::sys::prctl::set_no_new_privs().map_err(SandboxError::NoNewPrivs)
}

fn names(set: &CapsHashSet) -> String {
    let mut names: Vec<String> = set.iter().map(ToString::to_string).collect();
    names.sort();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_capability_is_left_in_any_set_that_can_be_used() {
        // Capabilities are per thread: this one is sacrificed.
        let thread = std::thread::spawn(|| {
            enter().unwrap();
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
        thread.join().unwrap();
    }

    #[test]
    fn entering_twice_is_harmless() {
        let thread = std::thread::spawn(|| {
            enter().unwrap();
            enter().unwrap();
        });
        thread.join().unwrap();
    }
}
