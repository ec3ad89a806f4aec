//! The units of `packaging`, under a systemd of the lab's own, set up by the commands of the README.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::netns::NetNs;
use crate::places::PROGRAMS;
use crate::scenario::{Ctx, Scenario};
use crate::systemd::System;
use crate::wait::{SOON, eventually};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "the_units_run_under_systemd",
    about: "Follow the README on a system that has nothing but systemd: bridge and bonds, programs, units, users, and in \
            the end the removal.\n\
            Each daemon answers once it is started, is its user without a capability too many, confines itself, and is \
            started again when it hangs, and so does the one for a host with a foreign mclagsyncd. A unit waits for its \
            daemon's word, which comes when it serves. A reload takes effect, or fails with the cause and changes nothing; \
            so does a start, once and not over and over. A second iccpd is refused. They stop in order, and the program \
            takes the place of an earlier version. In the end nothing is left.",
    limit: std::time::Duration::from_secs(900),
    run: the_units_run_under_systemd,
}];

const README: &str = include_str!("../../../README.md");

/// What the commands of the README install, where they find it.
const PACKAGING: [(&str, &str); 7] = [
    (
        "packaging/examples/iccpd.toml",
        include_str!("../../../packaging/examples/iccpd.toml"),
    ),
    (
        "packaging/systemd/iccpd.service",
        include_str!("../../../packaging/systemd/iccpd.service"),
    ),
    (
        "packaging/systemd/mclagsyncd.service",
        include_str!("../../../packaging/systemd/mclagsyncd.service"),
    ),
    (
        "packaging/examples/mclag-syncd.toml",
        include_str!("../../../packaging/examples/mclag-syncd.toml"),
    ),
    (
        "packaging/systemd/mclag-syncd.service",
        include_str!("../../../packaging/systemd/mclag-syncd.service"),
    ),
    (
        "packaging/sysusers.d/mclag.conf",
        include_str!("../../../packaging/sysusers.d/mclag.conf"),
    ),
    (
        "packaging/tmpfiles.d/mclag.conf",
        include_str!("../../../packaging/tmpfiles.d/mclag.conf"),
    ),
];

/// Both units, and what each of its daemons has: user and capabilities in effect.
const UNITS: [(&str, &str, &str); 2] = [
    ("mclagsyncd", "mclag-syncd", "0000000000001000"),
    ("iccpd", "mclag-iccpd", "0000000000000000"),
];

/// The one in the place of the first, where a foreign program is called mclagsyncd.
const BESIDE: (&str, &str, &str) = ("mclag-syncd", "mclag-syncd", "0000000000001000");

fn the_units_run_under_systemd(ctx: &mut Ctx) -> Result<()> {
    let ns = NetNs::create(&format!("{}swA", ctx.prefix()))?;
    let source = source(ctx)?;
    let system = System::start(ctx, &ns, &source)?;
    ctx.log("systemd is up");
    network(&system)?;
    install(&system)?;
    ctx.log("installed as the README says");
    privileges(&system, &UNITS)?;
    readiness(&system)?;
    reload(&system)?;
    start_without_use(&system)?;
    second(&system)?;
    ctx.log("reloads and refusals are as they should be");
    hangs(&system)?;
    order(&system)?;
    beside(&system)?;
    ctx.log("ran beside a foreign mclagsyncd");
    change_over(&system)?;
    ctx.log("changed over");
    removal(&system)
}

/// A directory like the one that the README's commands are run in.
fn source(ctx: &Ctx) -> Result<PathBuf> {
    let source = ctx.scratch().join("source");
    let write = |path: &str, text: &str| -> Result<()> {
        let path = source.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&source))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for (path, text) in PACKAGING {
        write(path, text)?;
    }
    let programs = source.join("target/release");
    fs::create_dir_all(&programs).context("cannot make a directory")?;
    for name in PROGRAMS {
        fs::copy(ctx.program(name)?, programs.join(name)).context("cannot copy a program")?;
    }
    Ok(source)
}

/// The commands of the README in the first block of them that has `words`.
fn commands(words: &str) -> Result<String> {
    let blocks = README
        .split("\n\n")
        .filter(|block| block.starts_with("    "));
    let mut blocks = blocks.filter(|block| block.contains(words));
    let block = blocks.next();
    block
        .map(str::to_owned)
        .with_context(|| format!("the README has no commands with {words:?}"))
}

/// The interfaces of the README's example, and a firewall.
fn network(system: &System) -> Result<()> {
    for name in ["eth0", "swp1", "swp3", "swp4"] {
        system.run(&format!("ip link add {name} type dummy"))?;
    }
    system.run(&commands("ip link add br0 type bridge")?)?;
    system.run("nft 'add table inet filter; add chain inet filter input { type filter hook input priority 0; }'")?;
    system.run(&commands("nft add rule inet filter")?).map(drop)
}

fn install(system: &System) -> Result<()> {
    let programs = commands("install -m 755 target/release/iccpd")?;
    // The programs are built already, and the check is not content with the example.
    let programs: Vec<&str> = programs
        .lines()
        .filter(|line| !["cargo build --release", "iccpd --check"].contains(&line.trim()))
        .collect();
    system.run(&programs.join("\n"))?;
    let refused = refused(system, "iccpd --check")?;
    ensure!(refused.contains("is the example as it comes"), "{refused}");
    set(system, "ports", r#"["bond1"]"#)?;
    let checked = system.run("iccpd --check")?;
    ensure!(!checked.contains("waited for"), "{checked}");
    system.run(&commands("systemctl enable --now mclagsyncd iccpd")?)?;
    // Nothing waits for an answer here. A daemon that is quick enough passes also where the unit does not wait for its
    // word.
    system.run(&commands("mclagctl macs --vlan 10")?).map(drop)
}

/// Have a unit be otherwise.
fn drop_in(system: &System, unit: &str, text: &str) -> Result<()> {
    let directory = format!("/run/systemd/system/{unit}.service.d");
    system
        .run(&format!(
            "mkdir -p {directory}; printf '{text}' >{directory}/lab.conf; systemctl daemon-reload"
        ))
        .map(drop)
}

fn no_drop_in(system: &System, unit: &str) -> Result<()> {
    system
        .run(&format!(
            "rm -r /run/systemd/system/{unit}.service.d; systemctl daemon-reload"
        ))
        .map(drop)
}

/// A daemon that cannot say that it is ready never is; one that can says it when it answers, and not before.
fn readiness(system: &System) -> Result<()> {
    for (unit, ..) in UNITS {
        let deaf =
            "[Service]\\nUnsetEnvironment=NOTIFY_SOCKET\\nTimeoutStartSec=3s\\nRestart=no\\n";
        drop_in(system, unit, deaf)?;
        refused(system, &format!("systemctl restart {unit}"))?;
        let result = system.property(unit, "Result")?;
        ensure!(result == "timeout", "{unit} ended with {result}");
        // What comes behind the word of readiness finds the socket.
        let test = format!("[Service]\\nExecStartPost=/usr/bin/test -S /run/mclag/{unit}.sock\\n");
        drop_in(system, unit, &test)?;
        system.run(&format!("systemctl restart {unit}"))?;
        no_drop_in(system, unit)?;
    }
    system.run("mclagctl status").map(drop)
}

/// Change one setting of the pair.
fn set(system: &System, name: &str, value: &str) -> Result<()> {
    system
        .run(&format!(
            "sed -i 's/^{name} = .*/{name} = {value}/' /etc/mclag/iccpd.toml"
        ))
        .map(drop)
}

/// What a script wrote to standard error that has to fail.
fn refused(system: &System, script: &str) -> Result<String> {
    let output = system.output(script)?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        !output.status.success(),
        "{script} did not fail, and wrote {text}"
    );
    Ok(text)
}

fn privileges(system: &System, units: &[(&str, &str, &str)]) -> Result<()> {
    for (unit, user, capabilities) in units.iter().copied() {
        let pid = system.property(unit, "MainPID")?;
        let status = system.run(&format!("cat /proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(|text| text.split_whitespace().collect::<Vec<_>>())
                .with_context(|| format!("no {name} in:\n{status}"))
        };
        let id = system.run(&format!("id -u {user}"))?;
        ensure!(field("Uid:")? == [id.trim(); 4], "{unit} is not {user}");
        for set in ["CapPrm:", "CapEff:"] {
            ensure!(field(set)? == [capabilities], "{unit}:\n{status}");
        }
        for set in ["CapInh:", "CapAmb:"] {
            ensure!(field(set)? == ["0000000000000000"], "{unit}:\n{status}");
        }
        ensure!(field("NoNewPrivs:")? == ["1"], "{unit} may gain privileges");
        // The unit's filter leaves the calls by which a daemon confines itself further.
        let journal = system.journal(unit)?;
        for line in [
            "system calls that are never needed are refused",
            "files are written where they have to be",
        ] {
            ensure!(
                journal.contains(line),
                "{unit} does not say: {line}\n{journal}"
            );
        }
    }
    Ok(())
}

/// The MLAG ports that iccpd goes by.
fn ports(system: &System) -> Result<Vec<String>> {
    let text = system.run("mclagctl interfaces --json")?;
    let reply: serde_json::Value = serde_json::from_str(&text).context("no JSON")?;
    let ports = reply["interfaces"].as_array().context("no interfaces")?;
    let names = ports.iter().filter_map(|port| port["name"].as_str());
    let names = names.filter(|name| name.starts_with("bond"));
    Ok(names.map(str::to_owned).collect())
}

fn reload(system: &System) -> Result<()> {
    set(system, "ports", r#"["bond1", "bond7"]"#)?;
    system.run("systemctl reload iccpd")?;
    eventually("the reload takes effect", SOON, || {
        let ports = ports(system)?;
        ensure!(ports == ["bond1", "bond7"], "{ports:?}");
        Ok(())
    })?;
    system.run("cp /etc/mclag/iccpd.toml /tmp/good.toml")?;
    set(system, "ports", r#"["bond1", 7]"#)?;
    refused(system, "systemctl reload iccpd")?;
    let journal = system.journal("iccpd")?;
    let cause = "invalid type: integer `7`, expected a string";
    ensure!(journal.contains(cause), "no cause in:\n{journal}");
    let ports = ports(system)?;
    ensure!(
        ports == ["bond1", "bond7"],
        "{ports:?} after a reload that failed"
    );

    system.run("echo 'on-stop = \"sometimes\"' >/etc/mclag/mclagsyncd.toml")?;
    refused(system, "systemctl reload mclagsyncd")?;
    let journal = system.journal("mclagsyncd")?;
    ensure!(journal.contains("sometimes"), "no cause in:\n{journal}");
    system.run("rm /etc/mclag/mclagsyncd.toml; systemctl reload mclagsyncd")?;
    for (unit, ..) in UNITS {
        let state = system.property(unit, "ActiveState")?;
        ensure!(state == "active", "{unit} is {state}");
    }
    Ok(())
}

/// With a configuration that cannot be used, which is there still.
fn start_without_use(system: &System) -> Result<()> {
    refused(system, "systemctl restart iccpd")?;
    let now =
        ["ActiveState", "ExecMainStatus", "NRestarts"].map(|name| system.property("iccpd", name));
    let [state, status, restarts] = now;
    let now = (state?, status?, restarts?);
    let expected = ("failed".to_owned(), "78".to_owned(), "0".to_owned());
    ensure!(now == expected, "{now:?}");
    system.run("mv /tmp/good.toml /etc/mclag/iccpd.toml; systemctl start iccpd")?;
    system.run("mclagctl status").map(drop)
}

fn second(system: &System) -> Result<()> {
    let pid = system.property("iccpd", "MainPID")?;
    let cause = refused(system, "iccpd")?;
    ensure!(
        cause.contains(&format!("another iccpd (pid {pid})")),
        "{cause}"
    );
    let still = system.property("iccpd", "MainPID")?;
    ensure!(still == pid, "iccpd {pid} is {still} now");
    system.run("mclagctl status").map(drop)
}

/// With less patience than usual, which takes a minute.
fn hangs(system: &System) -> Result<()> {
    for (unit, ..) in UNITS {
        let patience = system.property(unit, "WatchdogUSec")?;
        ensure!(patience == "1min", "{unit} may hang for {patience}");
        drop_in(system, unit, "[Service]\\nWatchdogSec=10s\\n")?;
    }
    system.run("systemctl restart mclagsyncd iccpd")?;
    for (unit, ..) in UNITS {
        let pid = system.property(unit, "MainPID")?;
        system.run(&format!("kill -STOP {pid}"))?;
        eventually("systemd starts it again", SOON, || {
            let restarts = system.property(unit, "NRestarts")?;
            let state = system.property(unit, "ActiveState")?;
            ensure!(
                restarts == "1" && state == "active",
                "{unit} is {state}, started again {restarts} times"
            );
            Ok(())
        })?;
    }
    system.run("mclagctl status; mclagctl dataplane").map(drop)
}

/// As when the system goes down and comes up: `iccpd` ends before its dataplane, and begins after it.
fn order(system: &System) -> Result<()> {
    let moment = |unit, name| -> Result<u64> {
        let text = system.property(unit, &format!("{name}TimestampMonotonic"))?;
        text.parse().context("no moment")
    };
    system.run(
        "printf '[Unit]\\nRequires=basic.target\\nAllowIsolate=yes\\n' >/run/systemd/system/lab.target\n\
         systemctl daemon-reload\n\
         systemctl isolate lab.target",
    )?;
    ensure!(
        moment("iccpd", "InactiveEnter")? <= moment("mclagsyncd", "ActiveExit")?,
        "mclagsyncd was stopped before iccpd"
    );
    for (unit, ..) in UNITS {
        let result = system.property(unit, "Result")?;
        ensure!(result == "success", "{unit} ended with {result}");
    }
    system.run("systemctl isolate multi-user.target; mclagctl status")?;
    ensure!(
        moment("mclagsyncd", "ActiveEnter")? <= moment("iccpd", "InactiveExit")?,
        "iccpd was started before mclagsyncd"
    );
    Ok(())
}

/// Where another program is called mclagsyncd: our own stands in for it, as a server of version 1 that has no dataplane.
/// The unit takes the place of the usual one, has its privileges, and reaches that server from within its confines.
fn beside(system: &System) -> Result<()> {
    system.run(
        "mkdir /run/foreign\n\
         printf 'backend = \"record\"\nrun-dir = \"/run/foreign\"\n[legacy]\nlisten = [\"sonic\"]\nbridge = \"br0\"\n' \
         >/run/foreign/foreign.toml\n\
         systemd-run --unit=foreign --service-type=notify \
         /usr/sbin/mclagsyncd -c /run/foreign/foreign.toml --user root\n\
         systemctl disable mclagsyncd",
    )?;
    system.run(&commands("packaging/systemd/mclag-syncd.service")?)?;
    let usual = system.property("mclagsyncd", "ActiveState")?;
    ensure!(usual == "inactive", "mclagsyncd is {usual} beside it");
    eventually("both are connected", SOON, || {
        let status = system.run("mclagctl status")?;
        let backend = "connected, backend mclagsyncd-v1, sonic + linux";
        ensure!(status.contains(backend), "{status}");
        // There is no Redis here.
        ensure!(
            status.contains("not used: cannot read /var/run/redis/redis.sock"),
            "{status}"
        );
        Ok(())
    })?;
    privileges(system, &[BESIDE])?;
    system.run("systemctl reload mclag-syncd")?;
    let pid = system.property(BESIDE.0, "MainPID")?;
    system.run(&format!("kill -KILL {pid}"))?;
    eventually("systemd starts it again", SOON, || {
        let restarts = system.property(BESIDE.0, "NRestarts")?;
        ensure!(restarts == "1", "started again {restarts} times");
        system.run("mclagctl dataplane").map(drop)
    })?;
    system
        .run(
            "systemctl disable --now mclag-syncd; systemctl stop foreign\n\
             rm /usr/sbin/mclag-syncd /etc/systemd/system/mclag-syncd.service /etc/mclag/mclagsyncd.toml\n\
             rm -r /run/foreign\n\
             systemctl start mclagsyncd; mclagctl status",
        )
        .map(drop)
}

/// From a `syncd.service` of before, which is stood in for by a process with nothing but its name, its configuration and what
/// it remembered.
fn change_over(system: &System) -> Result<()> {
    system.run(
        "systemctl disable --now mclagsyncd\n\
         mv /run/mclag/mclagsyncd-originals.json /run/mclag/syncd-originals.json\n\
         rm -f /run/mclag/*syncd*.sock\n\
         echo 'on-stop = \"leave\"' >/etc/mclag/syncd.toml\n\
         cp /usr/bin/sleep /usr/sbin/syncd\n\
         printf '[Service]\\nExecStart=/usr/sbin/syncd infinity\\n[Install]\\nWantedBy=multi-user.target\\n' \
         >/etc/systemd/system/syncd.service\n\
         systemctl daemon-reload; systemctl enable --now syncd",
    )?;
    system.run(&commands("systemctl disable --now syncd")?)?;
    let old = system.property("syncd", "LoadState")?;
    ensure!(old == "not-found", "syncd is {old}");
    for (unit, ..) in UNITS {
        let state = system.run(&format!(
            "systemctl is-active {unit}; systemctl is-enabled {unit}"
        ))?;
        ensure!(state == "active\nenabled\n", "{unit} is {state}");
    }
    let journal = system.journal("mclagsyncd")?;
    let taken_over =
        "what an earlier version remembered is in /run/mclag/mclagsyncd-originals.json now";
    ensure!(journal.contains(taken_over), "not said:\n{journal}");
    // As the log has it: what the reload checks first says it, too.
    let old_name = "WARN mclagsyncd: configuration is read from /etc/mclag/syncd.toml, the name of earlier versions";
    ensure!(journal.matches(old_name).count() == 1, "{journal}");
    system.run("systemctl reload mclagsyncd")?;
    eventually("the reload says so, too", SOON, || {
        let journal = system.journal("mclagsyncd")?;
        ensure!(journal.matches(old_name).count() == 2, "{journal}");
        Ok(())
    })?;
    system.run(
        "test -S /run/mclag/syncd.sock; test -S /run/mclag/syncd-ctl.sock; mclagctl dataplane",
    )?;
    system
        .run("mv /etc/mclag/syncd.toml /etc/mclag/mclagsyncd.toml; systemctl reload mclagsyncd")
        .map(drop)
}

fn removal(system: &System) -> Result<()> {
    let filter = "nft list tables bridge";
    eventually("the filter is installed", SOON, || {
        let tables = system.run(filter)?;
        ensure!(!tables.trim().is_empty(), "no table");
        Ok(())
    })?;
    system.run("echo 'on-stop = \"restore\"' >/etc/mclag/mclagsyncd.toml")?;
    system.run(&commands("rm /usr/sbin/iccpd /usr/sbin/mclagsyncd")?)?;
    let tables = system.run(filter)?;
    ensure!(tables.trim().is_empty(), "left behind: {tables}");
    let files =
        system.run("find /etc /usr/bin /usr/sbin -maxdepth 3 -name '*mclag*' -o -name 'iccpd*'")?;
    ensure!(files.is_empty(), "left behind: {files}");
    for (unit, ..) in UNITS {
        let state = system.property(unit, "LoadState")?;
        ensure!(state == "not-found", "{unit} is {state}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_the_readme_are_found() {
        for words in [
            "iccpd --check",
            "systemd-sysusers",
            "systemctl disable --now iccpd mclagsyncd",
        ] {
            let block = commands(words).unwrap();
            assert!(
                block.lines().all(|line| line.starts_with("    ")),
                "{block}"
            );
        }
        assert!(commands("no such command").is_err());
    }

    #[test]
    fn what_the_commands_install_is_there() {
        let installs = [
            commands("install -D -m 644 packaging/examples/iccpd.toml"),
            commands("packaging/systemd"),
            commands("packaging/systemd/mclag-syncd.service"),
        ];
        for block in installs {
            let block = block.unwrap();
            let words = block.split_whitespace();
            for path in words.filter(|word| word.starts_with("packaging/")) {
                assert!(PACKAGING.iter().any(|(name, _)| *name == path), "{path}");
            }
        }
    }
}
