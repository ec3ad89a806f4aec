//! A daemon that root starts by hand: who it is then, and that it can do all the same what it has to.

use std::fs::{self, Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use mclag_daemon::process::UNUSABLE;
use mclag_test_support::{ByHand, TempDir, ask, eventually, status_of};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};

/// Numbers that nobody has.
const UID: u32 = 61_002;
const GID: u32 = 61_000;
const OPERATORS: u32 = 61_003;
const USER: &str = "61002:61000";

/// A daemon's files.
fn place(name: &str) -> ByHand {
    let place = ByHand {
        dir: TempDir::new(&format!("syncd-root-{name}")),
        program: env!("CARGO_BIN_EXE_mclagsyncd"),
        settings: "mclagsyncd.toml",
        control: "run/mclagsyncd-ctl.sock",
        request: "dataplane",
    };
    settings(&place, "");
    place
}

fn settings(place: &ByHand, more: &str) {
    let run = place.dir.path("run");
    let text = format!("run-dir = {run:?}\n[access]\nstatus-group = {OPERATORS}\n{more}");
    place.dir.write(place.settings, &text);
}

/// A directory for sockets as `packaging/tmpfiles.d` has it, and what an earlier daemon left there as root.
fn run_directory(place: &ByHand) {
    let run = place.dir.path("run");
    fs::create_dir(&run).unwrap();
    chown(&run, Some(0), Some(GID)).unwrap();
    set_permissions(&run, Permissions::from_mode(0o1771)).unwrap();
    drop(UnixListener::bind(place.dir.path("run/mclagsyncd.sock")).unwrap());
    drop(UnixListener::bind(place.control()).unwrap());
}

/// On a thread in a network namespace of its own. Only root can start a daemon as somebody else.
fn as_root(name: &str, test: impl FnOnce(ByHand) + Send) {
    if !geteuid().is_root() {
        eprintln!("{name}: skipped: only root changes to another user");
        return;
    }
    let body = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        test(place(name));
    };
    std::thread::scope(|scope| scope.spawn(body).join().unwrap());
}

#[test]
fn it_is_somebody_else_and_holds_one_capability_alone() {
    as_root("who", |place| {
        let process = place.start(&["--user", USER]);
        let pid = process.id();
        for (field, value) in [
            ("Uid", "61002 61002 61002 61002"),
            ("Gid", "61000 61000 61000 61000"),
            ("Groups", "61000 61003"),
            ("CapInh", "0000000000000000"),
            // CAP_NET_ADMIN is number 12.
            ("CapPrm", "0000000000001000"),
            ("CapEff", "0000000000001000"),
            ("CapBnd", "0000000000000000"),
            ("CapAmb", "0000000000000000"),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ] {
            assert_eq!(status_of(pid, field), value, "{field}");
        }
        let memory = fs::metadata(format!("/proc/{pid}/mem")).unwrap();
        assert_eq!(memory.uid(), 0);
        let view = ask(&place.control(), "dataplane").unwrap();
        assert_eq!(view["runs_as_root"], false);
        let directory = fs::metadata(place.dir.path("run")).unwrap();
        let mode = directory.mode() & 0o7777;
        assert_eq!((directory.uid(), directory.gid(), mode), (0, GID, 0o1771));
        eventually("it says so", || {
            place.log().contains("runs as another user than root")
                && place.log().contains("uid=61002")
        });
    });
}

/// Input: what an earlier daemon left as root, sockets and what it remembers of the dataplane; a reload; sockets that are
/// removed. Output: all of it is taken over and works, and sockets get their groups again.
#[test]
fn state_of_root_reloads_and_sockets_work_as_before() {
    as_root("works", |place| {
        run_directory(&place);
        let remembered = r#"{"bond1":{"learning":{"was":false},"backup":"untouched","system-mac":{"was":null}}}"#;
        let state = place.dir.path("run/mclagsyncd-originals.json");
        fs::write(&state, remembered).unwrap();
        set_permissions(&state, Permissions::from_mode(0o600)).unwrap();
        let mut process = place.start(&["--user", USER]);
        let is = |path: &PathBuf| {
            let file = fs::metadata(path).ok()?;
            Some((file.uid(), file.gid()))
        };
        assert_eq!(is(&place.control()), Some((UID, OPERATORS)));
        // Of an interface that is not there nothing needs to be remembered: it could remove the file.
        eventually("what was remembered is dealt with", || {
            !state.exists() || is(&state) == Some((UID, GID))
        });

        settings(&place, "[log]\nfilter = \"debug\"\n");
        process.signal(Signal::SIGHUP);
        eventually("it read its settings again", || {
            place.log().contains("configuration read again")
        });
        fs::remove_file(place.control()).unwrap();
        eventually("the socket is made again", || {
            is(&place.control()) == Some((UID, OPERATORS))
        });
        process.stop();
        assert!(!place.control().exists());
    });
}

#[test]
fn a_user_that_does_not_exist_is_named_with_the_command_that_makes_it() {
    as_root("absent", |place| {
        let (code, said) = place.ends(place.command(&["--user", "mclag-absent"]));
        assert_eq!(code, Some(i32::from(UNUSABLE)), "{said}");
        assert!(said.contains("    useradd --system"), "{said}");
        if User::from_name("mclag-syncd").unwrap().is_none() {
            let (code, said) = place.ends(place.command(&[]));
            assert_eq!(code, Some(i32::from(UNUSABLE)), "{said}");
            let command = "    useradd --system --gid mclag-dataplane --groups mclag ";
            assert!(said.contains(command), "{said}");
        }
    });
}

#[test]
fn it_stays_root_only_if_it_is_told_to_and_says_so() {
    as_root("stays", |place| {
        let process = place.start(&["--user", "0"]);
        let pid = process.id();
        assert_eq!(status_of(pid, "Uid"), "0 0 0 0");
        assert_eq!(status_of(pid, "CapPrm"), "0000000000001000");
        let view = ask(&place.control(), "dataplane").unwrap();
        assert_eq!(view["runs_as_root"], true);
        eventually("it says so", || place.log().contains("stays root"));
    });
}

/// Where the directory of its sockets is not for its user, it says whose it is, and does not begin to work without a way
/// to make its sockets again.
#[test]
fn a_directory_of_roots_is_explained() {
    as_root("directory", |place| {
        fs::create_dir(place.dir.path("run")).unwrap();
        set_permissions(place.dir.path("run"), Permissions::from_mode(0o755)).unwrap();
        let (code, said) = place.ends(place.command(&["--user", USER]));
        assert_eq!(code, Some(1));
        let wanted = "user 61002 may not make a socket in a directory of user 0, group 0, mode 755";
        assert!(said.contains(wanted), "{said}");
    });
}
