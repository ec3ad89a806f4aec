//! A control session that is signed with a key: who is let in, and how the key is changed.

use std::fs::{File, Permissions, set_permissions};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use mclag_netlink::tcp::{self, Key};
use mclag_test_support::{Process, TempDir, ask, eventually};
use nix::sys::signal::Signal;
use tokio::net::TcpSocket;
use tokio::time::timeout;

/// Whether a connection with this key comes about.
fn is_let_in(from: IpAddr, to: IpAddr, port: u16, key: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        // An empty one is none.
        tcp::sign(&socket, to, Key::new(key.as_bytes()).ok().as_ref()).unwrap();
        let connect = socket.connect(SocketAddr::new(to, port));
        matches!(
            timeout(Duration::from_millis(500), connect).await,
            Ok(Ok(_))
        )
    })
}

/// Input: a daemon with a key, another key in its file, a file that others can read, settings without a key and with
/// another file, settings that cannot be used, each with a reload. Output: the key that the settings name counts, none
/// where they name none, and the one before where that cannot be found out.
#[test]
fn the_key_is_read_again_at_a_reload() {
    let process = std::process::id().to_le_bytes()[0] % 200 + 10;
    let [local, peer] = [1, 2].map(|host| IpAddr::from([127, process, 250, host]));
    let port = 18_890;
    let probe = std::net::TcpListener::bind((local, 0)).unwrap();
    if let Err(error) = tcp::sign(&probe, peer, Key::new(b"x").ok().as_ref()) {
        eprintln!("key: skipped: {error}");
        return;
    }
    let place = TempDir::new("iccpd-key");
    let write = |key: &str, mode| {
        let file = place.write("key", key);
        set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        file
    };
    let control = place.path("control.sock");
    let text = format!(
        "[domain]\nid = 7\nlocal = \"{local}\"\npeer = \"{peer}\"\ntcp-port = {port}\nkey-file = \"{}\"\n\
         bridge = \"br-absent\"\npeer-link = \"peer-absent\"\nports = []\n\
         [syncd]\nsocket = \"{}\"\n[control]\nsocket = \"{}\"\n",
        write("one\n", 0o600).display(),
        place.path("syncd.sock").display(),
        control.display(),
    );
    let settings = place.write("iccpd.toml", &text);
    let log = File::create(place.path("log")).unwrap();
    let program = env!("CARGO_BIN_EXE_iccpd");
    let process = Process::start(program, &["--settings".as_ref(), &settings], log);
    eventually("it answers", || ask(&control, "peer").is_some());
    assert_eq!(ask(&control, "peer").unwrap()["signed"], true);
    eventually("it listens", || is_let_in(peer, local, port, "one"));
    assert!(!is_let_in(peer, local, port, "two"));

    write("two\n", 0o600);
    process.signal(Signal::SIGHUP);
    eventually("the other key counts", || {
        is_let_in(peer, local, port, "two")
    });
    assert!(!is_let_in(peer, local, port, "one"));

    write("three\n", 0o644);
    process.signal(Signal::SIGHUP);
    eventually("it says why not", || {
        let log = place.read("log").unwrap_or_default();
        log.contains("can be read by others than its owner")
            && log.contains("keeping the previous key")
    });
    assert!(is_let_in(peer, local, port, "two"));

    // Without a key, and with another file of one.
    let line = text
        .lines()
        .find(|line| line.starts_with("key-file"))
        .unwrap();
    place.write("iccpd.toml", &text.replace(line, ""));
    process.signal(Signal::SIGHUP);
    eventually("no key is needed", || is_let_in(peer, local, port, ""));
    assert_eq!(ask(&control, "peer").unwrap()["signed"], false);
    let moved = place.write("moved", "four\n");
    set_permissions(&moved, Permissions::from_mode(0o600)).unwrap();
    place.write(
        "iccpd.toml",
        &text.replace(line, &format!("key-file = {moved:?}")),
    );
    process.signal(Signal::SIGHUP);
    eventually("the key of the other file counts", || {
        is_let_in(peer, local, port, "four")
    });
    assert!(!is_let_in(peer, local, port, ""));
    assert_eq!(ask(&control, "peer").unwrap()["signed"], true);

    // Settings that cannot be read take no key away.
    place.write("iccpd.toml", "nonsense");
    process.signal(Signal::SIGHUP);
    eventually("it says so", || {
        let log = place.read("log").unwrap_or_default();
        log.matches("keeping the previous key").count() == 2
    });
    assert!(is_let_in(peer, local, port, "four"));

    // Nor do settings without a pair bring one.
    place.write("iccpd.toml", "[syncd]\nnames-pair = true\n");
    process.signal(Signal::SIGHUP);
    eventually("it says so", || {
        let log = place.read("log").unwrap_or_default();
        log.contains("no longer describes a pair")
            && log.matches("keeping the previous key").count() == 3
    });
    assert!(is_let_in(peer, local, port, "four"));
    assert_eq!(ask(&control, "peer").unwrap()["signed"], true);
}

/// Input: settings with keys of TCP-AO are checked, and used. Output: where the kernel has none they are refused, in words that say
/// so; where it has, nothing is said against them.
#[test]
fn a_kernel_without_tcp_ao_is_named() {
    let place = TempDir::new("iccpd-tcp-ao");
    let file = place.write("key", "secret\n");
    set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "[domain]\nid = 7\nlocal = \"127.0.0.1\"\npeer = \"127.0.0.2\"\nbridge = \"br-absent\"\nports = []\n\
         tcp-ao = [{{ id = 1, key-file = {file:?} }}]\n[control]\nsocket = {:?}\n",
        place.path("control.sock")
    );
    let settings = place.write("iccpd.toml", &text);
    let is_supported = tcp::ao::is_supported().unwrap();
    for arguments in [&["--check=use"][..], &["--user", "root"]] {
        if is_supported && arguments[0] == "--user" {
            // It would run.
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_iccpd"))
            .arg("--settings")
            .arg(&settings)
            .args(arguments)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_supported, "{words}");
        let is_named = words.contains("this kernel has no TCP-AO with HMAC-SHA-1 (CONFIG_TCP_AO");
        assert_eq!(is_named, !is_supported, "{words}");
    }
}
