//! Where a daemon may write: the directories of its sockets and of its state, and nowhere else.
//!
//! The kernel has to have Landlock, and it switched on. What is read is not confined: settings are
//! read again wherever they are, and so are users, groups and what the kernel tells of interfaces.

use std::collections::BTreeSet;
use std::path::Path;

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, path_beneath_rules,
};

/// What the kernel does of what it was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Confined {
    /// All of it.
    Fully,
    /// What it knows; it is older.
    Partly,
    /// Nothing.
    Not,
}

/// Writing could not be confined.
#[derive(Debug, thiserror::Error)]
#[error("cannot confine where files are written")]
pub struct WritesError(#[from] RulesetError);

/// From now on, this thread and those that it starts make, write and remove files in these directories alone, and in
/// those below them, and execute nothing. A directory that is not there now is not among them later. What is open stays
/// open.
///
/// # Errors
///
/// When the kernel refuses. That it cannot is none.
pub fn confine_writes(directories: &BTreeSet<&Path>) -> Result<Confined, WritesError> {
    let handled = AccessFs::from_write(ABI::V5) | AccessFs::Execute;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)?
        .create()?
        .add_rules(path_beneath_rules(directories, needed()))?;
    Ok(match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Confined::Fully,
        RulesetStatus::PartiallyEnforced => Confined::Partly,
        RulesetStatus::NotEnforced => Confined::Not,
    })
}

/// What is done in a directory of sockets and state.
fn needed() -> BitFlags<AccessFs> {
    AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::RemoveFile
        | AccessFs::MakeReg
        | AccessFs::MakeSock
        | AccessFs::MakeSym
}

/// Say how [`confine_writes`] went, which is done before there is a log.
pub fn log_writes(confined: Result<Confined, WritesError>) {
    match confined {
        Ok(Confined::Fully) => tracing::info!("files are written where they have to be alone"),
        Ok(Confined::Partly) => tracing::info!(
            "files are written where they have to be alone, as far as this kernel can see to it"
        ),
        Ok(Confined::Not) => {
            tracing::warn!(
                "where files are written is not confined: the kernel has no Landlock, or its calls are refused"
            )
        }
        Err(error) => {
            let error = crate::process::chain(&error);
            tracing::warn!(error, "where files are written is not confined");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use mclag_test_support::TempDir;

    use super::*;

    /// Rules are per thread: one is sacrificed. None where the kernel cannot.
    fn confined(directories: &BTreeSet<&Path>, work: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| match confine_writes(directories).unwrap() {
                Confined::Not => eprintln!("writes: skipped: the kernel has no Landlock"),
                Confined::Partly | Confined::Fully => work(),
            });
            thread.join().unwrap();
        });
    }

    #[test]
    fn files_are_made_and_removed_in_these_directories_and_nowhere_else() {
        let (ours, other) = (TempDir::new("writes"), TempDir::new("writes-other"));
        let theirs = other.write("theirs", "precious");
        confined(&BTreeSet::from([&*ours, Path::new("/nonexistent")]), || {
            let file = ours.write("file", "text");
            fs::rename(&file, ours.join("state")).unwrap();
            symlink("state", ours.join("link")).unwrap();
            drop(UnixListener::bind(ours.join("socket")).unwrap());
            fs::remove_file(ours.join("socket")).unwrap();
            let denied =
                |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
            assert!(denied(fs::write(other.join("file"), "text").unwrap_err()));
            assert!(denied(fs::write(&theirs, "text").unwrap_err()));
            assert!(denied(fs::remove_file(&theirs).unwrap_err()));
            assert!(denied(
                UnixListener::bind(other.join("socket")).unwrap_err()
            ));
            assert!(denied(fs::create_dir(ours.join("directory")).unwrap_err()));
            assert_eq!(fs::read_to_string(&theirs).unwrap(), "precious");
        });
    }
}
