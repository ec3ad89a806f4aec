//! Programs under test, running in a namespace with exactly the privileges that they have in production.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::netns::NetNs;
use crate::scenario::Ctx;
use crate::wait::eventually;

/// The user that a daemon runs as, in words of numbers: no such user needs to exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Account {
    /// User.
    pub uid: u32,
    /// Group. Daemons of one chassis share it, and with it their run directory.
    pub gid: u32,
    /// The only capabilities it has: for example `net_admin`.
    pub capabilities: &'static [&'static str],
}

/// The group of both daemons.
pub const GROUP: u32 = 61_000;

/// The account of `iccpd`: talks to the network, may change nothing. It gives up the one capability it begins with
/// (`docs/adr/0010-observing-replies.md`).
pub const ICCPD: Account = Account {
    uid: 61_001,
    gid: GROUP,
    capabilities: &["net_raw"],
};

/// The account of `syncd`: may change the network, does not talk to it.
pub const SYNCD: Account = Account {
    uid: 61_002,
    gid: GROUP,
    capabilities: &["net_admin"],
};

/// The account of `teamd`, which distributions run as root: with what it needs to make teams and to speak LACP.
pub const TEAMD: Account = Account {
    uid: 0,
    gid: 0,
    capabilities: &["net_admin", "net_raw"],
};

/// Root, as far as a daemon needs root to become somebody else.
pub const ROOT: Account = Account {
    uid: 0,
    gid: 0,
    capabilities: &[
        "net_admin",
        "net_raw",
        "setuid",
        "setgid",
        "setpcap",
        "chown",
        "fowner",
        "dac_override",
    ],
};

/// Puts the directory `$0` at `$1` and goes on as the rest of the arguments, in a mount namespace of its own.
const SEEING: &str = r#"mkdir -p "$1"; mount --bind "$0" "$1"; shift; exec "$@""#;

/// What to run, where and as whom.
#[derive(Clone, Debug)]
pub struct Program {
    /// Path of the program, see [`Ctx::program`].
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to its environment.
    pub env: Vec<(String, String)>,
    /// Who it is.
    pub account: Account,
    /// Where it is.
    pub ns: NetNs,
    /// A directory that it finds at another place than everybody else.
    pub sees: Option<(PathBuf, PathBuf)>,
    /// The file that its standard output and error go to. Every start appends.
    pub log: PathBuf,
}

impl Program {
    /// The program of that name with a log of its own among the scenario's results.
    pub fn new(ctx: &Ctx, name: &str, ns: &NetNs, account: Account) -> Result<Self> {
        Ok(Self {
            path: ctx.program(name)?,
            ..Self::system(ctx, name, ns, account)
        })
    }

    /// The same for a program of the system's.
    #[must_use]
    pub fn system(ctx: &Ctx, name: &str, ns: &NetNs, account: Account) -> Self {
        let place = ns.name().trim_start_matches(ctx.prefix());
        Self {
            path: name.into(),
            args: Vec::new(),
            env: Vec::new(),
            account,
            ns: ns.clone(),
            sees: None,
            log: ctx.results().join(format!("{place}-{name}.log")),
        }
    }

    /// Have it, and nobody else, find `directory` at `place`. Both have to be absolute.
    #[must_use]
    pub fn sees(mut self, directory: &Path, place: &Path) -> Self {
        self.sees = Some((directory.to_owned(), place.to_owned()));
        self
    }

    /// Add an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Add a variable to its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Start it.
    pub fn start(self) -> Result<Daemon> {
        let child = self.spawn()?;
        Ok(Daemon {
            program: self,
            child: Some(child),
        })
    }

    /// Run it to its end and return what it wrote, whatever its status: for programs that answer and exit.
    pub fn output(&self) -> Result<std::process::Output> {
        let mut command = self.command();
        self.ns
            .enter(move || {
                command
                    .stdin(Stdio::null())
                    .output()
                    .context("cannot run it")
            })
            .with_context(|| self.path.display().to_string())
    }

    fn spawn(&self) -> Result<Child> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot open {}", self.log.display()))?;
        let errors = log.try_clone().context("cannot share the log")?;
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        self.ns
            .enter(move || command.spawn().context("cannot start it"))
            .with_context(|| self.path.display().to_string())
    }

    fn command(&self) -> Command {
        let Account {
            uid,
            gid,
            capabilities,
        } = self.account;
        let names = capabilities.iter().map(|name| format!(",+{name}"));
        let set = format!("-all{}", names.collect::<String>());
        let mut command = match &self.sees {
            None => Command::new("setpriv"),
            Some((directory, place)) => {
                let mut command = Command::new("unshare");
                command
                    .args(["--mount", "--", "sh", "-ec", SEEING])
                    .args([directory, place])
                    .arg("setpriv");
                command
            }
        };
        command
            .args([format!("--reuid={uid}"), format!("--regid={gid}")])
            .args(["--clear-groups", "--no-new-privs"])
            .args([
                format!("--bounding-set={set}"),
                format!("--inh-caps={set}"),
                format!("--ambient-caps={set}"),
            ])
            .arg("--")
            .arg(&self.path)
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A running daemon. It is killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    program: Program,
    child: Option<Child>,
}

impl Daemon {
    /// Its process number; none while it does not run.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Require that it is running. The error has the end of its log.
    pub fn require_running(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else {
            bail!("{} was stopped", self.program.path.display());
        };
        if let Some(status) = child
            .try_wait()
            .context("cannot ask for the status of a daemon")?
        {
            self.child = None;
            bail!(
                "{} ended by itself ({status}); its log ends with:\n{}",
                self.program.path.display(),
                self.log_tail()
            );
        }
        Ok(())
    }

    /// Kill it without giving it a chance to tidy up.
    pub fn kill(&mut self) -> Result<()> {
        self.require_running()?;
        self.signal(Signal::SIGKILL)?;
        self.wait_for_end(Duration::from_secs(10)).map(drop)
    }

    /// Ask it to stop, and return how it ended.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.require_running()?;
        self.signal(Signal::SIGTERM)?;
        self.wait_for_end(limit)
    }

    /// Wait until it ends, as a [signal][Self::signal] told it to, and return how.
    pub fn end(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.wait_for_end(limit)
    }

    /// Start it again, after it ended.
    pub fn start(&mut self) -> Result<()> {
        ensure!(
            self.child.is_none(),
            "{} is running already",
            self.program.path.display()
        );
        self.child = Some(self.program.spawn()?);
        Ok(())
    }

    /// Start it again as root does by hand, after it ended: it has to become its account by itself.
    pub fn start_by_root(&mut self) -> Result<()> {
        let Account { uid, gid, .. } = std::mem::replace(&mut self.program.account, ROOT);
        let user = format!("{uid}:{gid}");
        self.program.args.extend(["--user".into(), user.into()]);
        self.start()
    }

    /// The users that it runs as: real, effective, saved and of files.
    pub fn users(&self) -> Result<Vec<u32>> {
        let status = self.status()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        let users = line.context("no user in the status of a process")?;
        let users = users.split_whitespace().map(str::parse);
        users
            .collect::<Result<_, _>>()
            .context("a user is not a number")
    }

    /// Send it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().context("the daemon is not running")?;
        let pid = Pid::from_raw(i32::try_from(pid).context("process id out of range")?);
        kill(pid, signal)
            .with_context(|| format!("cannot send {signal} to {}", self.program.path.display()))
    }

    /// Everything it has written, over all starts.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.program.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Memory in use that is its own, in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = self.status()?;
        status_field(&status, "VmRSS:")?
            .parse()
            .context("memory is not a number")
    }

    /// What its threads have had of a processor.
    pub fn processor(&self) -> Result<Duration> {
        let pid = self.pid().context("the daemon is not running")?;
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{pid}/task")).context("the daemon has ended")? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let first = text.split_whitespace().next();
            nanos += first
                .unwrap_or_default()
                .parse::<u64>()
                .context("no time")?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// The capabilities it has in effect, as a bit set.
    pub fn capabilities(&self) -> Result<u64> {
        let status = self.status()?;
        u64::from_str_radix(status_field(&status, "CapEff:")?, 16)
            .context("capabilities are not a number")
    }

    fn status(&self) -> Result<String> {
        let pid = self.pid().context("the daemon is not running")?;
        fs::read_to_string(format!("/proc/{pid}/status")).context("the daemon has ended")
    }

    fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("the daemon is not running")?;
        let what = format!("{} ends", self.program.path.display());
        let status = eventually(&what, limit, || child.try_wait()?.context("still running"))?;
        self.child = None;
        Ok(status)
    }

    fn log_tail(&self) -> String {
        const LINES: usize = 20;
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail only if it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn status_field<'a>(status: &'a str, name: &str) -> Result<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next())
        .with_context(|| format!("no {name} in the status of a process"))
}

/// Make a directory that belongs to `account` and is open to its group: a daemon's run or state directory.
pub fn make_directory(path: &Path, account: Account) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
    chown(path, Some(account.uid), Some(account.gid))
        .with_context(|| format!("cannot give {} away", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o770))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_status_is_found() {
        let status = "Name:\ticcpd\nVmRSS:\t    4312 kB\nCapEff:\t0000000000001000\n";
        assert_eq!(status_field(status, "VmRSS:").unwrap(), "4312");
        assert_eq!(status_field(status, "CapEff:").unwrap(), "0000000000001000");
        assert!(status_field(status, "CapPrm:").is_err());
    }
}
