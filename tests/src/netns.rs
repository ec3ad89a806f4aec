//! Network namespaces: made, entered and removed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use mclag_netlink::{LinkOp, LinkSetting, Op};
use nix::sched::{CloneFlags, setns};

/// Where `ip netns` keeps its names.
const DIRECTORY: &str = "/run/netns";

/// A network namespace of our own. It is gone when the last clone is dropped, with every process in it.
#[derive(Clone, Debug)]
pub struct NetNs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    file: File,
}

impl NetNs {
    /// Make a namespace with loopback up and IPv6 off: router solicitations and the like would be counted as traffic.
    pub fn create(name: &str) -> Result<Self> {
        run(Command::new("ip").args(["netns", "add", name]))?;
        let path = Path::new(DIRECTORY).join(name);
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let namespace = Self(Arc::new(Inner {
            name: name.to_owned(),
            file,
        }));
        namespace.ip("link set lo up")?;
        namespace.enter(|| {
            for scope in ["all", "default"] {
                let path = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
                if Path::new(&path).exists() {
                    fs::write(&path, "1").with_context(|| format!("cannot write {path}"))?;
                }
            }
            Ok(())
        })?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Do something inside, in a thread of its own, and wait for it.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                self.join()?;
                work()
            });
            match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Move the calling thread inside, for the rest of its life. Sockets it opens and processes it starts belong there.
    pub fn join(&self) -> Result<()> {
        setns(&self.0.file, CloneFlags::CLONE_NEWNET)
            .with_context(|| format!("cannot enter namespace {}", self.name()))
    }

    /// Run a program inside and return what it wrote. A failing status is an error with the program's own words.
    pub fn run(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Result<String> {
        let mut command = Command::new(program);
        command.args(args);
        self.enter(move || run(&mut command))
            .with_context(|| format!("in namespace {}", self.name()))
    }

    /// Run commands of `ip`, one a line. The first that fails ends it.
    pub fn ip(&self, commands: &str) -> Result<()> {
        self.batch("ip", commands)
    }

    /// Set an interface up or down, as `ip link set` does, without the program: links flap faster than an emulated machine
    /// starts programs.
    pub fn set_link(&self, dev: &str, is_up: bool) -> Result<()> {
        let change = async {
            let mut kernel = mclag_netlink::Kernel::open()?;
            let link = kernel
                .link(&dev.parse()?)
                .await?
                .context("no such interface")?;
            let change = Op::Link(LinkOp {
                link: link.index,
                set: LinkSetting::AdminUp(is_up),
            });
            let results = kernel.apply(&[change]).await;
            Ok(results.into_iter().collect::<Result<(), _>>()?)
        };
        let state = if is_up { "up" } else { "down" };
        self.enter(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build()?.block_on(change)
        })
        .with_context(|| format!("cannot set {dev} in {} {state}", self.name()))
    }

    /// Run commands of `bridge`, one a line. The first that fails ends it.
    pub fn bridge(&self, commands: &str) -> Result<()> {
        self.batch("bridge", commands)
    }

    /// Run commands of `tc`, one a line. The first that fails ends it.
    pub fn tc(&self, commands: &str) -> Result<()> {
        self.batch("tc", commands)
    }

    fn batch(&self, program: &str, commands: &str) -> Result<()> {
        batch(
            Command::new(program).args(["-netns", self.name(), "-batch", "-"]),
            commands,
        )
        .with_context(|| format!("in namespace {}", self.name()))
    }

    /// What `ip`, `bridge` or another tool prints as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self, program: &str, args: &[&str]) -> Result<T> {
        let text = self.run(program, args)?;
        // `ip` and `bridge` write nothing at all where the answer is an empty list.
        let text = if text.trim().is_empty() {
            "[]"
        } else {
            text.trim()
        };
        serde_json::from_str(text)
            .with_context(|| format!("cannot read the output of {program} {}", args.join(" ")))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What could not be removed is found, and reported, by whoever looks after the scenario.
        let _ = remove(&self.name);
    }
}

/// Run commands of `ip` outside of any namespace, one a line.
pub fn ip(commands: &str) -> Result<()> {
    batch(Command::new("ip").args(["-batch", "-"]), commands)
}

/// Remove every namespace whose name begins with `prefix`. Returns the names.
pub fn remove_all(prefix: &str) -> Result<Vec<String>> {
    let names = list(prefix)?;
    for name in &names {
        remove(name)?;
    }
    Ok(names)
}

/// The names of all namespaces that begin with `prefix`.
pub fn list(prefix: &str) -> Result<Vec<String>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        // Nobody has made a namespace yet.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context(format!("cannot list {DIRECTORY}")),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry
            .with_context(|| format!("cannot list {DIRECTORY}"))?
            .file_name();
        names.extend(
            name.to_str()
                .filter(|name| name.starts_with(prefix))
                .map(str::to_owned),
        );
    }
    names.sort();
    Ok(names)
}

fn remove(name: &str) -> Result<()> {
    let processes = run(Command::new("ip").args(["netns", "pids", name]))?;
    for pid in processes
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
    {
        // A process that ends by itself meanwhile is no error. One thread of our own may be inside; never end ourselves.
        if pid != std::process::id().cast_signed() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
    run(Command::new("ip").args(["netns", "delete", name])).map(drop)
}

/// Run a program to its end and return what it wrote.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    checked(command, &output)
}

fn batch(command: &mut Command, commands: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    let mut input = child.stdin.take().context("the program has no input")?;
    // A program that stops reading at a bad line says why by itself.
    let _ = input.write_all(commands.as_bytes());
    drop(input);
    let output = child
        .wait_with_output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    checked(command, &output)
        .map(drop)
        .with_context(|| format!("batch:\n{}", numbered(commands)))
}

fn checked(command: &Command, output: &Output) -> Result<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!(
            "{} failed ({}): {}",
            shown(command),
            output.status,
            errors.trim()
        );
    }
    String::from_utf8(output.stdout.clone())
        .with_context(|| format!("{} wrote something other than text", shown(command)))
}

fn shown(command: &Command) -> String {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

fn numbered(commands: &str) -> String {
    let lines = commands.lines().enumerate();
    lines
        .map(|(number, line)| format!("{:4}  {line}\n", number + 1))
        .collect()
}

/// Require that this process may make namespaces.
pub fn require_root() -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the lab needs root where it runs"
    );
    Ok(())
}
