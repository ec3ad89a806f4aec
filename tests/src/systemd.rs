//! A system whose process 1 is systemd, in namespaces of its own on the running kernel.
//!
//! It sees the root file system under a layer in memory, without the units that are enabled there, and has processes,
//! cgroups and mounts of its own. Only the network namespace is the caller's. Of what a system does when it starts,
//! nothing happens but the journal, which would take minutes under software emulation. All of it is gone when it is
//! dropped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::netns::{self, NetNs};
use crate::scenario::Ctx;
use crate::wait::{SOON, eventually};

/// systemd itself.
const INIT: &str = "/lib/systemd/systemd";

/// Where the directory of [`System::start`] is found inside.
pub const SOURCE: &str = "/mnt";

/// Joins a cgroup of its own, which is the root of all that can be seen in the namespaces.
///
/// `$0` is a directory to work in, `$1` the name of the cgroup, `$2` the program for the inside, `$3` and `$4` its arguments.
const OUTSIDE: &str = r#"
mkdir "$0/cgroup" "$0/layer" "$0/root"
mount -t cgroup2 cgroup2 "$0/cgroup"
mkdir "$0/cgroup/$1"
echo $$ >"$0/cgroup/$1/cgroup.procs"
exec unshare --cgroup --pid --ipc --uts --fork --kill-child sh -ec "$2" "$0" "$3" "$4"
"#;

/// Becomes process 1. `$0` is the directory to work in, `$1` what is to be found at `$2`.
const INSIDE: &str = r#"
mount -t tmpfs layer "$0/layer"
mkdir "$0/layer/upper" "$0/layer/work"
mount -t overlay -o "lowerdir=/,upperdir=$0/layer/upper,workdir=$0/layer/work" overlay "$0/root"
cd "$0/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom tty; do
    touch "dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount --bind "$1" ".$2"
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
rm -rf etc/systemd/system etc/mclag lib/systemd/system/*.target.wants
wants=etc/systemd/system/sysinit.target.wants
mkdir -p "$wants" run/old
ln -s /lib/systemd/system/systemd-journald.service "$wants/"
ln -s /lib/systemd/system/multi-user.target etc/systemd/system/default.target
[ -s etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
pivot_root . run/old
umount -l run/old
exec env -i container=mclag-lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
"#;

/// Removes the cgroup `$1`, with all below it, once nothing is left in them.
const REMOVE: &str = r#"
mkdir -p "$0/cgroup"
mount -t cgroup2 cgroup2 "$0/cgroup"
[ ! -d "$0/cgroup/$1" ] || find "$0/cgroup/$1" -depth -type d -exec rmdir {} +
"#;

/// A system that runs.
#[derive(Debug)]
pub struct System {
    directory: PathBuf,
    cgroup: String,
    ns: NetNs,
    /// Where its journal goes when it ends.
    log: PathBuf,
    outside: Child,
    init: u32,
}

impl System {
    /// Start one in `ns`, which finds `source` at [`SOURCE`], and wait until it is up.
    pub fn start(ctx: &Ctx, ns: &NetNs, source: &Path) -> Result<Self> {
        ensure!(
            Path::new(INIT).exists(),
            "no {INIT}: run 'make deps' to install systemd"
        );
        let directory = ctx.scratch().join("system");
        std::fs::create_dir(&directory).context("cannot make a directory")?;
        let cgroup = format!("{}system", ctx.prefix());
        let log = File::create(ctx.results().join("systemd.log")).context("cannot make a log")?;
        let errors = log.try_clone().context("cannot share a log")?;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private"])
            .args(["sh", "-ec", OUTSIDE])
            .args([directory.as_os_str(), cgroup.as_ref(), INSIDE.as_ref()])
            .args([source.as_os_str(), SOURCE.as_ref()])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        let outside = ns.enter(move || command.spawn().context("cannot run unshare"))?;
        let mut system = Self {
            directory,
            cgroup,
            ns: ns.clone(),
            log: ctx.results().join("journal.log"),
            outside,
            init: 0,
        };
        system.init = eventually("systemd is started", SOON, || system.find_init())?;
        eventually("the system is up", Duration::from_secs(120), || {
            system.run("systemctl is-active multi-user.target")
        })?;
        Ok(system)
    }

    /// The only child of `unshare`, once it has become systemd.
    fn find_init(&self) -> Result<u32> {
        let parent = self.outside.id();
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
        let init = children.trim().parse().context("no process yet")?;
        let name = std::fs::read_to_string(format!("/proc/{init}/comm"))?;
        ensure!(name.trim() == "systemd", "it is {} yet", name.trim());
        Ok(init)
    }

    /// Run a script for `sh` in it, as root in [`SOURCE`], to its end. The first command that fails ends it.
    pub fn output(&self, script: &str) -> Result<Output> {
        let mut command = self.command(script);
        self.ns
            .enter(move || command.stdin(Stdio::null()).output().context("nsenter"))
    }

    /// The same; what it wrote. A failing status is an error with the script's own words.
    pub fn run(&self, script: &str) -> Result<String> {
        let mut command = self.command(script);
        self.ns.enter(move || netns::run(&mut command))
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init.to_string()])
            .args([
                "--mount", "--pid", "--cgroup", "--ipc", "--uts", "--root", "--wd",
            ])
            .args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
            .args(["sh", "-ec", &format!("cd {SOURCE}\n{script}")]);
        command
    }

    /// What systemd says of a unit: the value of one of its properties.
    pub fn property(&self, unit: &str, name: &str) -> Result<String> {
        let text = self.run(&format!("systemctl show --value -p {name} {unit}"))?;
        Ok(text.trim().to_owned())
    }

    /// The journal of a unit, the words alone.
    pub fn journal(&self, unit: &str) -> Result<String> {
        self.run(&format!("journalctl --sync; journalctl -o cat -u {unit}"))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if let Ok(journal) = self.run("journalctl --sync; journalctl -o short-precise") {
            let _ = std::fs::write(&self.log, journal);
        }
        // The end of process 1 is the end of all; --kill-child sees to that. What fails here leaves a process or a
        // cgroup behind, which is all that can be said.
        let _ = self.outside.kill();
        let _ = self.outside.wait();
        let _ = eventually("its cgroup is empty", SOON, || {
            netns::run(
                Command::new("unshare")
                    .args(["--mount", "--propagation", "private"])
                    .args(["sh", "-ec", REMOVE])
                    .args([self.directory.as_os_str(), self.cgroup.as_ref()]),
            )
        });
    }
}
