//! The user that a daemon changes to when root starts it.
//!
//! A service manager starts daemons as the users that their units name. Whoever starts one by hand as root gets the
//! same: what the daemon needs of root's is made ready first, then it is that user for good. Capabilities can be had again
//! after the change, for [`crate::sandbox`] decides which of them are kept.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use caps::{CapSet, Capability, CapsHashSet, securebits};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::stat::Mode;
use nix::unistd::{
    Gid, Group, Uid, User, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid,
};

use crate::{files, socket};

/// Mode of a directory of sockets that is made as root: all of the group put sockets into it, nobody replaces those of
/// others, and operators get at them. As `packaging/tmpfiles.d` has it.
const DIRECTORY_MODE: Mode = Mode::from_bits_truncate(0o1771);

/// Who a daemon is unless it is told otherwise, by names, as `packaging/sysusers.d` has them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Usual {
    /// The daemon, for errors.
    pub program: &'static str,
    /// Its user.
    pub user: &'static str,
    /// Its group, which its sockets get.
    pub group: &'static str,
    /// Another group that it is in.
    pub other: &'static str,
    /// That of the two which may write to the directory of sockets.
    pub writers: &'static str,
}

/// Who a daemon is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Identity {
    /// Who started it, who is not root.
    AsStarted,
    /// Root, as somebody asked for.
    Root,
    /// Somebody else than root, who started it, or root in another group.
    Other(Account),
}

/// A user and his groups, in numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
    /// All of them, in order, the one above included.
    groups: Vec<Gid>,
    writers: Gid,
}

/// Files that a daemon needs, whoever it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Needs {
    /// Sockets that it listens on. Their directories are made, and what others left there is removed.
    pub sockets: Vec<PathBuf>,
    /// Files that it writes and makes by itself. Those that root left are given to it.
    pub state: Vec<PathBuf>,
    /// Files that it writes, also where it may not make any: they are made for it.
    pub written: Vec<PathBuf>,
    /// Files that it reads again later.
    pub read: Vec<PathBuf>,
}

impl Needs {
    /// Directories in which it writes.
    #[must_use]
    pub fn directories(&self) -> BTreeSet<&Path> {
        let files = self.sockets.iter().chain(&self.state).chain(&self.written);
        files.filter_map(|file| file.parent()).collect()
    }
}

/// A daemon cannot be who it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Users or groups are missing.
    #[error(
        "{program} changes to the user {user} when root starts it, and lacks {lacking}; make that with\n{commands}\n\
         or name another user with --user, or `--user root` to stay root"
    )]
    Lacking {
        /// The daemon.
        program: &'static str,
        /// Its user.
        user: &'static str,
        /// What is missing.
        lacking: String,
        /// What makes it, one command in a line.
        commands: String,
    },
    /// There is no such user or group.
    #[error(
        "--user {asked}: there is no {kind} {name}; make it with\n    {command}\n\
         or write a number, or `--user root` to stay root"
    )]
    Unknown {
        /// What was asked for.
        asked: String,
        /// A user or a group.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What makes it.
        command: String,
    },
    /// A number of a user that no name belongs to.
    #[error("--user {0}: no user has this number, so say which group, too: --user {0}:GROUP")]
    NoGroup(u32),
    /// Only root can become somebody else.
    #[error(
        "--user {asked}: only root can change to another user or group, and this is user {own}"
    )]
    NotRoot {
        /// What was asked for.
        asked: String,
        /// Who runs this.
        own: u32,
    },
    /// The system does not say.
    #[error("cannot look up {name}")]
    LookUp {
        /// User or group.
        name: String,
        /// The system's words.
        source: Errno,
    },
    /// A file is for root alone.
    #[error(
        "user {user}, whom root changes to at the start, cannot read {}, and has to at a reload: \
         give it to that user or its group", .path.display()
    )]
    Unreadable {
        /// Who.
        user: String,
        /// The file.
        path: PathBuf,
    },
    /// The change was refused.
    #[error("cannot change to user {user}: {doing}; `--user root` stays root")]
    Change {
        /// Who.
        user: String,
        /// What was refused.
        doing: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// The change was not refused and did not happen.
    #[error("did not become user {0}")]
    Unchanged(String),
}

impl AccountError {
    /// Whether the next attempt fails, too, unless somebody changes something.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        match self {
            Self::Lacking { .. } | Self::Unknown { .. } | Self::NoGroup(_) => true,
            Self::NotRoot { .. } | Self::Unreadable { .. } => true,
            Self::LookUp { .. } | Self::Change { .. } | Self::Unchanged(_) => false,
        }
    }
}

impl Identity {
    /// Who to be: with `asked` as `USER` or `USER:GROUP`, by names or numbers, and else the usual one if root starts it.
    ///
    /// # Errors
    ///
    /// When there is no such user, or this one cannot become somebody else.
    pub fn find(asked: Option<&str>, usual: &Usual) -> Result<Self, AccountError> {
        let own = getresuid().map_or(Uid::effective(), |all| all.effective);
        let account = match asked {
            None if !own.is_root() => return Ok(Self::AsStarted),
            None => Account::usual(usual)?,
            // Without a name, in a container for example.
            Some(asked) if asked == own.to_string() => Account::of_numbers(own, Gid::effective()),
            Some(asked) => Account::asked(asked)?,
        };
        let is_in_group =
            asked.is_none_or(|asked| !asked.contains(':')) || account.gid == Gid::effective();
        if account.uid == own && is_in_group {
            return Ok(match own.is_root() {
                true => Self::Root,
                false => Self::AsStarted,
            });
        }
        if !own.is_root() {
            let asked = asked.unwrap_or(usual.user).to_owned();
            let own = own.as_raw();
            return Err(AccountError::NotRoot { asked, own });
        }
        Ok(Self::Other(account))
    }

    /// Have it be in this group, too, whose sockets it makes.
    #[must_use]
    pub fn with_group(self, group: Option<u32>) -> Self {
        match (self, group) {
            (Self::Other(account), Some(group)) => Self::Other(account.with_group(group)),
            (other, _) => other,
        }
    }

    /// Become that, with what is needed made ready first. Capabilities stay, but are not in effect.
    ///
    /// They belong to threads, and so does the user: call this while there is only one.
    ///
    /// # Errors
    ///
    /// When the system refuses, or a file cannot be read afterwards. The caller must not go on then.
    pub fn take_on(&self, needs: &Needs) -> Result<(), AccountError> {
        let Self::Other(account) = self else {
            for directory in needs.sockets.iter().filter_map(|path| path.parent()) {
                // Whoever listens there says why it could not be made.
                let _ = socket::make_directory(directory);
            }
            return Ok(());
        };
        account.make_ready(needs);
        account.become_it()?;
        account.find_readable(needs)
    }

    /// Say who it is now.
    pub fn log(&self) {
        match self {
            Self::AsStarted => {}
            Self::Root => tracing::info!(
                "stays root, without capabilities that are not needed: whoever takes it over can change root's files"
            ),
            Self::Other(account) if account.uid.is_root() => tracing::info!(
                gid = account.gid.as_raw(),
                "stays root in another group, without capabilities that are not needed: whoever takes it over can change \
                 root's files"
            ),
            Self::Other(account) => tracing::info!(
                user = %account.name, uid = account.uid.as_raw(), gid = account.gid.as_raw(),
                "runs as another user than root, who started it"
            ),
        }
    }
}

impl Account {
    fn usual(usual: &Usual) -> Result<Self, AccountError> {
        let user = user(usual.user)?;
        let [group, other] = [usual.group, usual.other].map(group);
        let (group, other) = (group?, other?);
        let (Some(user), Some(group), Some(other)) = (&user, &group, &other) else {
            return Err(usual.lacking(user.is_none(), [&group, &other]));
        };
        let writers = match usual.writers == usual.group {
            true => group.gid,
            false => other.gid,
        };
        let account = Self::of(user, group.gid)?.with_group(other.gid.as_raw());
        Ok(Self { writers, ..account })
    }

    fn asked(asked: &str) -> Result<Self, AccountError> {
        let (name, wanted_group) = match asked.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (asked, None),
        };
        let unknown = |kind, name: &str, command| AccountError::Unknown {
            asked: asked.to_owned(),
            kind,
            name: name.to_owned(),
            command,
        };
        let gid = match wanted_group {
            None => None,
            Some(name) => Some(match name.parse() {
                Ok(number) => Gid::from_raw(number),
                Err(_) => {
                    let found = group(name)?;
                    let command = || format!("groupadd --system {name}");
                    found.ok_or_else(|| unknown("group", name, command()))?.gid
                }
            }),
        };
        let found = match name.parse() {
            Ok(number) => {
                let number = Uid::from_raw(number);
                let user = User::from_uid(number).map_err(|e| look_up(name, e))?;
                match (user, gid) {
                    (Some(user), _) => user,
                    (None, Some(gid)) => return Ok(Self::of_numbers(number, gid)),
                    // Root may have no entry in a container, and stays what it is.
                    (None, None) if number.is_root() => {
                        return Ok(Self::of_numbers(number, Gid::from_raw(0)));
                    }
                    (None, None) => return Err(AccountError::NoGroup(number.as_raw())),
                }
            }
            Err(_) => {
                let command = || {
                    let shell = "/usr/sbin/nologin";
                    format!("useradd --system --no-create-home --shell {shell} {name}")
                };
                user(name)?.ok_or_else(|| unknown("user", name, command()))?
            }
        };
        Self::of(&found, gid.unwrap_or(found.gid))
    }

    /// A user with all groups that he would have if he logged in.
    fn of(user: &User, gid: Gid) -> Result<Self, AccountError> {
        let name = std::ffi::CString::new(user.name.as_str());
        let name = name.map_err(|_| look_up(&user.name, Errno::EINVAL))?;
        let groups = nix::unistd::getgrouplist(&name, gid);
        let groups = groups.map_err(|error| look_up(&user.name, error))?;
        let account = Self {
            name: user.name.clone(),
            uid: user.uid,
            gid,
            groups: Vec::new(),
            writers: gid,
        };
        let all = groups.into_iter().chain([gid]);
        Ok(all.fold(account, |account, group| account.with_group(group.as_raw())))
    }

    fn of_numbers(uid: Uid, gid: Gid) -> Self {
        Self {
            name: uid.to_string(),
            uid,
            gid,
            groups: vec![gid],
            writers: gid,
        }
    }

    fn with_group(mut self, group: u32) -> Self {
        self.groups.push(Gid::from_raw(group));
        self.groups.sort_by_key(|group| group.as_raw());
        self.groups.dedup();
        self
    }

    /// Whoever uses what could not be made ready says what is wrong with it, and as whom.
    fn make_ready(&self, needs: &Needs) {
        for path in &needs.sockets {
            let _ = self.make_directory(path);
            let _ = socket::remove_left_over(path, self.uid.as_raw());
        }
        for path in &needs.written {
            let _ = files::make_absent(path);
        }
        for path in needs.state.iter().chain(&needs.written) {
            let _ = files::hand_over(path, self.uid, self.gid);
        }
    }

    fn find_readable(&self, needs: &Needs) -> Result<(), AccountError> {
        for path in &needs.read {
            match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    let (user, path) = (self.name.clone(), path.clone());
                    return Err(AccountError::Unreadable { user, path });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The directory of a socket, if there is none.
    fn make_directory(&self, socket: &Path) -> io::Result<()> {
        let Some(directory) = socket.parent().filter(|parent| !parent.exists()) else {
            return Ok(());
        };
        socket::make_directory(directory)?;
        files::give_directory(directory, self.writers, DIRECTORY_MODE)
    }

    fn become_it(&self) -> Result<(), AccountError> {
        let refused = |doing, source: io::Error| AccountError::Change {
            user: self.name.clone(),
            doing,
            source,
        };
        let (uid, gid) = (self.uid, self.gid);
        let capabilities = |error: caps::errors::CapsError| io::Error::other(error.to_string());
        securebits::set_keepcaps(true)
            .map_err(|error| refused("capabilities are not kept", capabilities(error)))?;
        setgroups(&self.groups).map_err(|e| refused("its groups are refused", e.into()))?;
        setresgid(gid, gid, gid).map_err(|e| refused("its group is refused", e.into()))?;
        setresuid(uid, uid, uid).map_err(|e| refused("the user is refused", e.into()))?;
        securebits::set_keepcaps(false)
            .map_err(|error| refused("capabilities are kept for ever", capabilities(error)))?;
        // Those in effect went with the user. Only to give up all that could be gained takes one again: with others it
        // would find out too late what the user may not do.
        let needed = CapsHashSet::from([Capability::CAP_SETPCAP]);
        caps::read(None, CapSet::Permitted)
            .map(|permitted| &permitted & &needed)
            .and_then(|needed| caps::set(None, CapSet::Effective, &needed))
            .map_err(|error| refused("capabilities are gone", capabilities(error)))?;
        // Others of that user, who may be no daemon of ours, are not to read what root has read here, whatever
        // fs.suid_dumpable says.
        prctl::set_dumpable(false).map_err(|e| refused("memory can be read", e.into()))?;
        match self.is_in_force() {
            Ok(true) => Ok(()),
            Ok(false) => Err(AccountError::Unchanged(self.name.clone())),
            Err(error) => Err(refused("it is not known who this is", error.into())),
        }
    }

    fn is_in_force(&self) -> nix::Result<bool> {
        let (uids, gids) = (getresuid()?, getresgid()?);
        let mut groups = getgroups()?;
        groups.sort_by_key(|group| group.as_raw());
        let uids = [uids.real, uids.effective, uids.saved];
        let gids = [gids.real, gids.effective, gids.saved];
        Ok(uids == [self.uid; 3] && gids == [self.gid; 3] && groups == self.groups)
    }
}

impl Usual {
    fn lacking(&self, user: bool, [group, other]: [&Option<Group>; 2]) -> AccountError {
        let mut lacking = Vec::new();
        let mut commands = Vec::new();
        for (name, found) in [(self.group, group), (self.other, other)] {
            if found.is_none() {
                lacking.push(format!("the group {name}"));
                commands.push(format!("    groupadd --system {name}"));
            }
        }
        if user {
            lacking.push("that user".to_owned());
            let Self {
                user, group, other, ..
            } = self;
            commands.push(format!(
                "    useradd --system --gid {group} --groups {other} --no-create-home --home-dir / \
                 --shell /usr/sbin/nologin {user}"
            ));
        }
        AccountError::Lacking {
            program: self.program,
            user: self.user,
            lacking: lacking.join(", "),
            commands: commands.join("\n"),
        }
    }
}

fn user(name: &str) -> Result<Option<User>, AccountError> {
    User::from_name(name).map_err(|error| look_up(name, error))
}

fn group(name: &str) -> Result<Option<Group>, AccountError> {
    Group::from_name(name).map_err(|error| look_up(name, error))
}

fn look_up(name: &str, source: Errno) -> AccountError {
    AccountError::LookUp {
        name: name.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: Usual = Usual {
        program: "tests",
        user: "mclag-absent-user",
        group: "mclag-absent",
        other: "mclag-absent-too",
        writers: "mclag-absent-too",
    };

    #[test]
    fn what_is_lacking_is_named_with_the_commands_that_make_it() {
        let error = Account::usual(&ABSENT).unwrap_err();
        assert!(error.is_lasting());
        assert_eq!(
            error.to_string(),
            "tests changes to the user mclag-absent-user when root starts it, and lacks the group mclag-absent, \
             the group mclag-absent-too, that user; make that with\n    \
             groupadd --system mclag-absent\n    \
             groupadd --system mclag-absent-too\n    \
             useradd --system --gid mclag-absent --groups mclag-absent-too --no-create-home --home-dir / \
             --shell /usr/sbin/nologin mclag-absent-user\n\
             or name another user with --user, or `--user root` to stay root"
        );
        let root = Usual {
            user: "root",
            group: "root",
            ..ABSENT
        };
        let error = Account::usual(&root).unwrap_err().to_string();
        assert!(
            error.contains("lacks the group mclag-absent-too; make that with\n    groupadd --system mclag-absent-too\nor"),
            "{error}"
        );
    }

    #[test]
    fn users_are_taken_by_name_or_number_with_a_group_or_their_own() {
        let account = |asked| Account::asked(asked).unwrap();
        let numbers = |asked| {
            let account: Account = account(asked);
            (account.uid.as_raw(), account.gid.as_raw())
        };
        assert_eq!(numbers("root"), (0, 0));
        assert_eq!(numbers("0"), (0, 0));
        assert_eq!(numbers("61001:61000"), (61_001, 61_000));
        assert_eq!(account("61001:61000").groups, [Gid::from_raw(61_000)]);
        assert_eq!(numbers("root:61000").1, 61_000);
        let with_more = account("61001:61000").with_group(5).with_group(61_000);
        assert_eq!(with_more.groups, [5, 61_000].map(Gid::from_raw));
        for (asked, said) in [
            (
                "mclag-absent",
                "there is no user mclag-absent; make it with\n    useradd --system ",
            ),
            (
                "root:mclag-absent",
                "make it with\n    groupadd --system mclag-absent\n",
            ),
            (
                "3999999999",
                "say which group, too: --user 3999999999:GROUP",
            ),
            ("", "there is no user "),
        ] {
            let error = Account::asked(asked).unwrap_err();
            assert!(error.is_lasting());
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn whoever_started_it_may_be_named_and_nobody_changes_then() {
        let own = Uid::effective();
        let is = Identity::find(Some(&own.to_string()), &ABSENT).unwrap();
        let wanted = match own.is_root() {
            true => Identity::Root,
            false => Identity::AsStarted,
        };
        assert_eq!(is, wanted);
        assert_eq!(is.with_group(Some(7)), wanted);
        wanted.take_on(&Needs::default()).unwrap();
    }
}
