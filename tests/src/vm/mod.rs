//! The virtual machine: the distribution's kernel, the host's root file system, nothing installed.
//!
//! QEMU boots a kernel and a small initramfs made here. Its `init` mounts the host's `/` (9p, read only) under a layer
//! in memory, changes root into it and runs the lab's guest, so every program and library of the host is there. Logs go
//! to a second 9p share that is writable. Events come out of a virtio serial port that is QEMU's standard output.

mod cpio;

use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::console::{CONSOLES, port_name, socket_name};
use crate::places::Places;
use crate::wait::eventually;
use cpio::Archive;

/// Modules without which the host's root file system cannot be reached, loaded by the initramfs.
const BOOT_MODULES: [&str; 5] = [
    "virtio_pci",
    "virtio_console",
    "9pnet_virtio",
    "9p",
    "overlay",
];

/// Modules that scenarios need. Most would be loaded on demand, but a missing one is better noticed here.
const MODULES: &str = "bonding team team_mode_loadbalance team_mode_roundrobin team_mode_activebackup bridge 8021q veth \
     dummy nf_tables nft_meta_bridge sch_netem sch_ingress act_gact act_mirred cls_matchall cls_flower";

/// The guest's way to the results directory on the host.
const GUEST_RESULTS: &str = "/run/mclag-lab/results";

/// Lines of the console that explain a failure.
const EXCERPT: usize = 40;

/// Words that begin the kernel's explanation of its own end.
const LAST_WORDS: [&str; 3] = ["Kernel panic", "BUG:", "Oops:"];

/// A kernel to boot.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Kernel {
    /// One file with everything built in.
    Monolithic(PathBuf),
    /// An unpacked kernel package.
    Package { image: PathBuf, modules: PathBuf },
}

impl Kernel {
    /// The kernel that `MCLAG_LAB_KERNEL` names, or the one that `tests/scripts/deps` has unpacked.
    fn find(state: &Path) -> Result<Self> {
        if let Some(path) = std::env::var_os("MCLAG_LAB_KERNEL").filter(|path| !path.is_empty()) {
            let path = fs::canonicalize(&path).with_context(|| {
                format!(
                    "MCLAG_LAB_KERNEL: cannot find {}",
                    Path::new(&path).display()
                )
            })?;
            return Ok(Self::Monolithic(path));
        }
        let root = state.join("kernel");
        let release = fs::read_to_string(root.join("release"))
            .with_context(|| format!("no kernel below {}: run 'make deps'", root.display()))?;
        let release = release.trim();
        Ok(Self::Package {
            image: root.join("boot").join(format!("vmlinuz-{release}")),
            modules: root.join("lib/modules").join(release),
        })
    }

    fn image(&self) -> &Path {
        match self {
            Self::Monolithic(image) | Self::Package { image, .. } => image,
        }
    }
}

/// How QEMU runs the guest's instructions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accel {
    /// On the processor, at its speed.
    Kvm,
    /// Translated: ten to thirty times slower, and always possible.
    Emulation,
}

impl Accel {
    /// Hardware virtualisation where it can be opened, unless it was found not to work since this system started or
    /// `MCLAG_LAB_ACCEL=tcg` asks for emulation.
    #[must_use]
    pub fn choose(state: &Path) -> Self {
        let refused = std::env::var("MCLAG_LAB_ACCEL").is_ok_and(|value| value == "tcg");
        let failed = fs::read_to_string(state.join(KVM_FAILED)).is_ok_and(|text| text == boot_id());
        let opens = || {
            File::options()
                .read(true)
                .write(true)
                .open("/dev/kvm")
                .is_ok()
        };
        if !refused && !failed && opens() {
            Self::Kvm
        } else {
            Self::Emulation
        }
    }

    /// Remember that hardware virtualisation can be opened but does not work, until this system is started anew. Within
    /// a virtual machine that happens.
    pub fn remember_failure(state: &Path) -> Result<()> {
        fs::write(state.join(KVM_FAILED), boot_id())
            .context("cannot remember that KVM does not work")
    }

    /// From the start of QEMU to the first event of the guest.
    #[must_use]
    pub fn boot_limit(self) -> Duration {
        match self {
            Self::Kvm => Duration::from_secs(20),
            Self::Emulation => Duration::from_secs(180),
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Emulation => "tcg,thread=multi",
        }
    }
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "with KVM",
            Self::Emulation => "emulated",
        })
    }
}

const KVM_FAILED: &str = "kvm-failed";

/// A text that is another one after each start of this system.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// A running virtual machine. Dropping it ends QEMU.
#[derive(Debug)]
pub struct Vm {
    qemu: Child,
    /// Kept open: the guest's writes would block if QEMU saw the end of its input.
    _stdin: ChildStdin,
    console: PathBuf,
    /// Where this machine's part of the console begins.
    console_start: u64,
}

impl Vm {
    /// Boot and run `mclag-lab guest` on the job that lies in the results directory. Events arrive at the second value.
    ///
    /// The thread that calls this must outlive the machine: the kernel ends QEMU together with it, so that a killed
    /// test run leaves nothing behind.
    pub fn boot(places: &Places, accel: Accel) -> Result<(Self, ChildStdout)> {
        let kernel = Kernel::find(&places.state)?;
        let initramfs = places.initramfs();
        fs::write(&initramfs, build_initramfs(&kernel, &places.lab)?)
            .with_context(|| format!("cannot write {}", initramfs.display()))?;
        let console = places.console();
        // A second machine of the same run appends: the console of the first explains why there is a second.
        let console_start = File::options()
            .create(true)
            .append(true)
            .open(&console)
            .and_then(|file| file.metadata())
            .with_context(|| format!("cannot create {}", console.display()))?
            .len();
        let errors = File::create(places.results.join("qemu.log"))
            .context("cannot create the log of QEMU")?;

        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"])
            .args(["-accel", accel.option()])
            .args(["-cpu", "max", "-smp", "2", "-m", "1024"])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(kernel.image())
            .arg("-initrd")
            .arg(&initramfs)
            .args(["-append", KERNEL_COMMAND_LINE])
            .args([
                "-chardev",
                &format!("file,id=console,path={},append=on", option_value(&console)?),
            ])
            .args(["-serial", "chardev:console"])
            .args([
                "-device",
                "virtio-serial-pci",
                "-chardev",
                "stdio,id=lab,signal=off",
            ])
            .args(["-device", "virtserialport,chardev=lab,name=mclag.lab"])
            .args((0..CONSOLES).flat_map(console_options))
            .args([
                "-virtfs",
                "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap",
            ])
            .args([
                "-virtfs",
                &format!(
                    "local,path={},mount_tag=results,security_model=none,multidevs=remap",
                    option_value(&places.results)?
                ),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors);
        // A path to a socket may be shorter than that of a file: those of the consoles are relative to this.
        let mut qemu = command
            .current_dir(&places.results)
            .spawn()
            .context("cannot start QEMU (through setpriv): run 'make deps'")?;
        let stdin = qemu.stdin.take().context("QEMU has no input")?;
        let stdout = qemu.stdout.take().context("QEMU has no output")?;
        Ok((
            Self {
                qemu,
                _stdin: stdin,
                console,
                console_start,
            },
            stdout,
        ))
    }

    /// The results directory, as the guest sees it.
    #[must_use]
    pub fn guest_results() -> PathBuf {
        GUEST_RESULTS.into()
    }

    /// The part of the console that explains a failure: what follows the kernel's last words, or else its end.
    #[must_use]
    pub fn console_excerpt(&self) -> String {
        let bytes = fs::read(&self.console).unwrap_or_default();
        let start = usize::try_from(self.console_start).unwrap_or(usize::MAX);
        let text = String::from_utf8_lossy(bytes.get(start..).unwrap_or_default());
        format!("from {}:\n{}", self.console.display(), excerpt(&text))
    }

    /// How QEMU ended, if it does within a moment.
    pub fn ended(&mut self) -> Option<String> {
        let status = eventually("QEMU ends", Duration::from_secs(1), || {
            self.qemu.try_wait()?.context("it runs")
        });
        status.ok().map(describe)
    }

    /// End QEMU at once.
    pub fn kill(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A panic restarts at once and QEMU does not restart, so that a panic ends QEMU.
const KERNEL_COMMAND_LINE: &str = "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off net.ifnames=0 \
     bonding.max_bonds=0 dummy.numdummies=0 ifb.numifbs=0 mclag.lab";

/// True within the virtual machine of the lab.
#[must_use]
pub fn is_guest() -> bool {
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    command_line
        .split_whitespace()
        .any(|word| word == "mclag.lab")
}

/// Options of QEMU for one console ([`crate::console`]): a port of the machine that is a socket on this side.
fn console_options(number: u8) -> [String; 4] {
    let (name, socket) = (port_name(number), socket_name(number));
    [
        "-chardev".into(),
        format!("socket,id=console{number},path={socket},server=on,wait=off"),
        "-device".into(),
        format!("virtserialport,chardev=console{number},name={name}"),
    ]
}

/// A path within a comma-separated option of QEMU: a comma is written twice.
fn option_value(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(text.replace(',', ",,"))
}

fn excerpt(console: &str) -> String {
    let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
    let end = lines
        .iter()
        .position(|line| LAST_WORDS.iter().any(|words| line.contains(words)));
    let start = end.unwrap_or(lines.len().saturating_sub(EXCERPT));
    lines
        .iter()
        .skip(start)
        .take(EXCERPT)
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("QEMU ended with status {code}"),
        (None, Some(signal)) => format!("QEMU was ended by signal {signal}"),
        (None, None) => "QEMU ended".into(),
    }
}

/// Quote a value for the shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn build_initramfs(kernel: &Kernel, lab: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for directory in [
        "bin", "dev", "layer", "lower", "modules", "proc", "root", "sys",
    ] {
        archive.directory(directory);
    }
    archive.file("bin/busybox", &static_busybox()?);

    let (boot_modules, modules_dir) = match kernel {
        Kernel::Monolithic(_) => (Vec::new(), String::new()),
        Kernel::Package { modules, .. } => (load_order(modules)?, modules.display().to_string()),
    };
    let mut names = Vec::new();
    for module in &boot_modules {
        let path = Path::new(&modules_dir).join(module);
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or(module)
            .to_owned();
        archive.file(&format!("modules/{name}"), &content);
        names.push(name);
    }
    let job = Path::new(GUEST_RESULTS).join(crate::protocol::Job::FILE);
    archive.file(
        "init",
        include_str!("init")
            .replace("@boot_modules@", &names.join(" "))
            .as_bytes(),
    );
    let guest = include_str!("guest")
        .replace("@modules_dir@", &quote(&modules_dir))
        .replace("@modules@", MODULES)
        .replace("@lab@", &quote(&lab.display().to_string()))
        .replace("@job@", &quote(&job.display().to_string()));
    archive.file("guest", guest.as_bytes());
    Ok(archive.finish())
}

/// The file of the statically linked busybox.
fn static_busybox() -> Result<Vec<u8>> {
    for path in ["/bin/busybox", "/usr/bin/busybox"] {
        if let Ok(content) = fs::read(path) {
            ensure!(
                !contains(&content, b"/lib64/ld-linux"),
                "{path} is not linked statically: run 'make deps' to install busybox-static"
            );
            return Ok(content);
        }
    }
    bail!("no busybox: run 'make deps'")
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// The files of [`BOOT_MODULES`] and of what they depend on, in the order in which they must be loaded.
///
/// `modules` is the directory of a kernel release, with the index that `depmod` makes.
fn load_order(modules: &Path) -> Result<Vec<String>> {
    let read = |name: &str| {
        let path = modules.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    order_of(
        &BOOT_MODULES,
        &read("modules.dep")?,
        &read("modules.builtin")?,
    )
}

fn order_of(wanted: &[&str], dependencies: &str, builtin: &str) -> Result<Vec<String>> {
    let is = |path: &str, name: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        file.split_once(".ko")
            .is_some_and(|(stem, _)| stem.replace('-', "_") == name)
    };
    let mut order: Vec<String> = Vec::new();
    for name in wanted {
        let line = dependencies
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(path, _)| is(path, name));
        let Some((path, needs)) = line else {
            ensure!(
                builtin.lines().any(|path| is(path, name)),
                "the kernel package has no module {name}"
            );
            continue;
        };
        // The index lists what a module needs with the innermost need last.
        for file in needs.split_whitespace().rev().chain([path]) {
            if !order.iter().any(|known| known == file) {
                order.push(file.to_owned());
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko kernel/fs/netfs/netfs.ko
kernel/net/9p/9pnet.ko:
kernel/net/9p/9pnet_virtio.ko: kernel/net/9p/9pnet.ko kernel/drivers/virtio/virtio.ko
kernel/fs/netfs/netfs.ko:
kernel/drivers/block/virtio-blk.ko.xz:
";

    #[test]
    fn a_module_is_loaded_after_what_it_needs_and_once() {
        let order = order_of(&["9pnet_virtio", "9p"], DEPENDENCIES, "").unwrap();
        let names: Vec<_> = order
            .iter()
            .map(|path| path.rsplit('/').next().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "virtio.ko",
                "9pnet.ko",
                "9pnet_virtio.ko",
                "netfs.ko",
                "9p.ko"
            ]
        );
    }

    #[test]
    fn a_module_is_found_whatever_its_spelling_and_compression() {
        let order = order_of(&["virtio_blk"], DEPENDENCIES, "").unwrap();
        assert_eq!(order, ["kernel/drivers/block/virtio-blk.ko.xz"]);
    }

    #[test]
    fn a_built_in_module_needs_no_loading() {
        let order = order_of(
            &["overlay"],
            DEPENDENCIES,
            "kernel/fs/overlayfs/overlay.ko\n",
        )
        .unwrap();
        assert!(order.is_empty());
    }

    #[test]
    fn a_missing_module_is_named() {
        let error = order_of(&["overlay"], DEPENDENCIES, "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the kernel package has no module overlay"
        );
    }

    #[test]
    fn the_excerpt_begins_where_the_kernel_panics() {
        let trace = "call\n".repeat(3 * EXCERPT);
        let text = excerpt(&format!("boot\n[ 7.6] Kernel panic - not syncing\n{trace}"));
        assert!(text.starts_with("[ 7.6] Kernel panic"));
        assert_eq!(text.lines().count(), EXCERPT);
    }

    #[test]
    fn the_excerpt_of_a_healthy_console_is_its_end() {
        let text: String = (0..100)
            .map(|number| format!("line {number}\r\n"))
            .collect();
        assert!(excerpt(&text).starts_with("line 60\nline 61"));
        assert!(excerpt(&text).ends_with("line 99"));
    }

    #[test]
    fn quoting_survives_a_quote() {
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
