//! A daemon that root starts by hand: who it is then, and that it can do all the same what it could before.

use std::fs::{self, Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;

use mclag_daemon::process::UNUSABLE;
use mclag_test_support::{ByHand, TempDir, ask, eventually, status_of};
use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};

/// Numbers that nobody has.
const UID: u32 = 61_001;
const GID: u32 = 61_000;
const USER: &str = "61001:61000";

/// A daemon's files, and which pair it has, which no other test has. Only root can start one as somebody else.
fn place(name: &str, number: u8) -> Option<ByHand> {
    if !geteuid().is_root() {
        eprintln!("{name}: skipped: only root changes to another user");
        return None;
    }
    let place = ByHand {
        dir: TempDir::new(&format!("iccpd-root-{name}")),
        program: env!("CARGO_BIN_EXE_iccpd"),
        settings: "iccpd.toml",
        control: "run/iccpd.sock",
        request: "status",
    };
    settings(&place, number, "", "");
    Some(place)
}

/// Write settings with these lines more: of the pair, and at the end.
fn settings(place: &ByHand, number: u8, pair: &str, more: &str) {
    let process = std::process::id().to_le_bytes()[0] % 200 + 10;
    let text = format!(
        "[domain]\nid = 7\nlocal = \"127.{process}.{number}.1\"\npeer = \"127.{process}.{number}.2\"\n\
         tcp-port = 18893\nbridge = \"br-absent\"\nports = []\n{pair}\n\
         [syncd]\nsocket = {:?}\n[control]\nsocket = {:?}\n{more}",
        place.dir.path("syncd.sock"),
        place.control(),
    );
    place.dir.write(place.settings, &text);
}

#[test]
fn it_is_somebody_else_and_holds_no_privilege() {
    let Some(place) = place("who", 160) else {
        return;
    };
    let process = place.start(&["--user", USER]);
    let pid = process.id();
    for (field, value) in [
        ("Uid", "61001 61001 61001 61001"),
        ("Gid", "61000 61000 61000 61000"),
        ("Groups", "61000"),
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ] {
        assert_eq!(status_of(pid, field), value, "{field}");
    }
    // Of a process that others may look into, its user has this.
    let memory = fs::metadata(format!("/proc/{pid}/mem")).unwrap();
    assert_eq!(memory.uid(), 0);
    // All of its threads are the same.
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        assert!(
            status.contains("\nUid:\t61001\t61001\t61001\t61001\n"),
            "{status}"
        );
        assert!(status.contains("\nCapPrm:\t0000000000000000\n"), "{status}");
    }
    assert_eq!(
        ask(&place.control(), "status").unwrap()["runs_as_root"],
        false
    );
    let directory = fs::metadata(place.dir.path("run")).unwrap();
    let mode = directory.mode() & 0o7777;
    assert_eq!((directory.uid(), directory.gid(), mode), (0, GID, 0o1771));
    eventually("it says so", || {
        place.log().contains("runs as another user than root") && place.log().contains("uid=61001")
    });
}

/// Input: another port in the settings and another key, each with a reload; recordings, in a directory in which it may
/// make no file; its socket removed. Output: all of it works as for root.
#[test]
fn reloads_keys_recordings_and_sockets_work_as_before() {
    let Some(place) = place("works", 161) else {
        return;
    };
    let key = place.dir.write("key", "one\n");
    chown(&key, Some(UID), Some(GID)).unwrap();
    set_permissions(&key, Permissions::from_mode(0o400)).unwrap();
    let recording = place.dir.path("recording.jsonl");
    let keyed = format!("key-file = {key:?}");
    let record = format!("[record]\nfile = {recording:?}\n");
    settings(&place, 161, &keyed, &record);
    let process = place.start(&["--user", USER]);
    assert_eq!(ask(&place.control(), "peer").unwrap()["signed"], true);
    let recorded = || fs::read_to_string(&recording).unwrap_or_default();
    eventually("it records", || recorded().contains("br-absent"));
    let owner = fs::metadata(&recording).unwrap();
    assert_eq!((owner.uid(), owner.mode() & 0o777), (UID, 0o600));

    // The peer link is new.
    let peer_link = format!("{keyed}\npeer-link = \"peer-absent\"");
    settings(&place, 161, &peer_link, &record);
    process.signal(Signal::SIGHUP);
    eventually("the peer link counts", || {
        let status = ask(&place.control(), "status").unwrap();
        status["peer_link"] == "peer-absent"
    });
    set_permissions(&key, Permissions::from_mode(0o000)).unwrap();
    chown(&key, Some(0), Some(0)).unwrap();
    process.signal(Signal::SIGHUP);
    eventually("a key of root's is none", || {
        place.log().contains("keeping the previous key")
    });

    process.signal(Signal::SIGUSR2);
    eventually("the recording ends", || {
        place.log().contains("recording ends")
    });
    process.signal(Signal::SIGUSR2);
    eventually("another one begins", || {
        recorded().contains("peer-absent") && !recorded().is_empty()
    });
    fs::remove_file(place.control()).unwrap();
    eventually("the socket is made again", || {
        ask(&place.control(), "status").is_some()
    });
}

#[test]
fn a_user_that_does_not_exist_is_named_with_the_command_that_makes_it() {
    let Some(place) = place("absent", 162) else {
        return;
    };
    let (code, said) = place.ends(place.command(&["--user", "mclag-absent"]));
    assert_eq!(code, Some(i32::from(UNUSABLE)), "{said}");
    assert!(said.contains("    useradd --system"), "{said}");
    if User::from_name("mclag-iccpd").unwrap().is_none() {
        let (code, said) = place.ends(place.command(&[]));
        assert_eq!(code, Some(i32::from(UNUSABLE)), "{said}");
        assert!(
            said.contains("    useradd --system --gid mclag --groups mclag-dataplane "),
            "{said}"
        );
    }
    assert!(!place.dir.path("run").exists());
}

#[test]
fn settings_that_could_not_be_read_again_are_refused() {
    let Some(place) = place("unreadable", 163) else {
        return;
    };
    let settings = place.dir.path("iccpd.toml");
    set_permissions(&settings, Permissions::from_mode(0o600)).unwrap();
    let (code, said) = place.ends(place.command(&["--user", USER]));
    assert_eq!(code, Some(i32::from(UNUSABLE)), "{said}");
    assert!(
        said.contains("user 61001") && said.contains("cannot read"),
        "{said}"
    );
    assert!(said.contains(settings.to_str().unwrap()), "{said}");
}

#[test]
fn it_stays_root_only_if_it_is_told_to_and_says_so() {
    let Some(place) = place("stays", 164) else {
        return;
    };
    let process = place.start(&["--user", "root"]);
    let pid = process.id();
    assert_eq!(status_of(pid, "Uid"), "0 0 0 0");
    assert_eq!(status_of(pid, "CapPrm"), "0000000000000000");
    assert_eq!(
        ask(&place.control(), "status").unwrap()["runs_as_root"],
        true
    );
    eventually("it says so", || place.log().contains("stays root"));
}

/// Input: root by name, and another group. Output: root in that group, as far as sockets and processes show it.
#[test]
fn root_is_in_the_group_that_was_named_with_it() {
    let Some(place) = place("group", 166) else {
        return;
    };
    let process = place.start(&["--user", "root:61000"]);
    let pid = process.id();
    assert_eq!(status_of(pid, "Uid"), "0 0 0 0");
    assert_eq!(status_of(pid, "Gid"), "61000 61000 61000 61000");
    for set in ["CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status_of(pid, set), "0000000000000000", "{set}");
    }
    assert_eq!(fs::metadata(place.control()).unwrap().gid(), GID);
    let status = ask(&place.control(), "status").unwrap();
    assert_eq!(status["runs_as_root"], true);
    eventually("it says so", || {
        place.log().contains("stays root in another group") && place.log().contains("gid=61000")
    });
}

/// A directory as `packaging/tmpfiles.d` has it, with a socket that an earlier daemon left as root. Output: started as
/// root it makes room; as somebody else it says what is in the way.
#[test]
fn what_an_earlier_daemon_left_as_root_is_removed_or_explained() {
    let Some(place) = place("left", 165) else {
        return;
    };
    let run = place.dir.path("run");
    fs::create_dir(&run).unwrap();
    chown(&run, Some(0), Some(GID)).unwrap();
    set_permissions(&run, Permissions::from_mode(0o1771)).unwrap();
    let leave = || drop(UnixListener::bind(place.control()).unwrap());
    leave();
    let mut command = place.command(&[]);
    command.uid(UID).gid(GID);
    let (code, said) = place.ends(command);
    assert_eq!(code, Some(1), "{said}");
    let control = place.control();
    let wanted = format!(
        "user 0 has left a socket there on which nobody listens, and only that user and root can remove it: rm {}",
        control.display()
    );
    assert!(said.contains(&wanted), "{said}");

    let mut process = place.start(&["--user", USER]);
    assert_eq!(fs::metadata(&control).unwrap().uid(), UID);
    process.stop();
    assert!(!control.exists());
}
