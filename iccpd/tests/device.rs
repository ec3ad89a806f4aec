//! A control session that is confined to an interface (`bind-device`), and what becomes of it when that is another
//! one. In network namespaces of their own; where there are none to be had, a test says so and passes.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mclag_proto::iccp::{Body, Dialect, Message, encode};
use mclag_test_support::{PATIENCE, Process, TempDir, ask, eventually};
use nix::sched::{CloneFlags, setns, unshare};

/// Two network namespaces: that of the thread, with our end `near`, and one with the peer's.
struct Two {
    here: File,
    there: File,
    /// Lives in the other one, to name it by.
    keeper: Child,
}

impl Two {
    fn make() -> Option<Self> {
        let namespace = || File::open("/proc/thread-self/ns/net");
        unshare(CloneFlags::CLONE_NEWNET).ok()?;
        let there = namespace().unwrap();
        let mut keeper = Command::new("cat");
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        unshare(CloneFlags::CLONE_NEWNET).ok()?;
        Some(Self {
            here: namespace().unwrap(),
            there,
            keeper: keeper.ok()?,
        })
    }

    /// The cable, both ends up and with their addresses.
    fn lay(&self) -> bool {
        let peer = self.keeper.id();
        ip(&format!(
            "link add near type veth peer name far netns {peer}"
        )) && ip("address add 192.0.2.1/24 dev near")
            && ip("link set near up")
            && self.beyond(|| ip("address add 192.0.2.2/24 dev far") && ip("link set far up"))
    }

    fn beyond<T>(&self, work: impl FnOnce() -> T) -> T {
        setns(self.there.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
        let result = work();
        setns(self.here.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
        result
    }

    /// Connect to the daemon, as often as it takes, until it says something.
    fn is_spoken_to(&self) -> TcpStream {
        let mut found = None;
        eventually("the daemon speaks", || {
            found = self.beyond(|| {
                let to = SocketAddr::from(([192, 0, 2, 1], 8888));
                let stream = TcpStream::connect_timeout(&to, Duration::from_secs(1)).ok()?;
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let is_read = (&stream).read(&mut [0; 64]).is_ok_and(|read| read > 0);
                is_read.then_some(stream)
            });
            found.is_some()
        });
        found.unwrap()
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

fn ip(command: &str) -> bool {
    let mut ip = Command::new("ip");
    ip.args(command.split(' ')).stderr(Stdio::null());
    ip.status().is_ok_and(|status| status.success())
}

fn with_daemon(name: &'static str, test: impl FnOnce(&Two, &dyn Fn() -> String) + Send) {
    let body = || {
        let Some(two) = Two::make().filter(Two::lay) else {
            eprintln!("{name}: skipped: no network namespaces, no veth or no ip");
            return;
        };
        let place = TempDir::new("iccpd-device");
        let control = place.path("control.sock");
        let text = format!(
            "[domain]\nid = 7\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\nbind-device = \"near\"\n\
             dialect = \"sonic\"\nbridge = \"br0\"\npeer-link = \"peer0\"\nports = [\"bond1\"]\n\
             [syncd]\nsocket = \"{}\"\n[control]\nsocket = \"{}\"\n",
            place.path("syncd.sock").display(),
            control.display(),
        );
        let settings = place.write("iccpd.toml", &text);
        let log = File::create(place.path("log")).unwrap();
        let program = env!("CARGO_BIN_EXE_iccpd");
        let _process = Process::start(program, &["--settings".as_ref(), &settings], log);
        eventually("it answers", || ask(&control, "status").is_some());
        test(&two, &|| {
            let status = ask(&control, "status").unwrap();
            status["session"].as_str().unwrap().to_owned()
        });
    };
    std::thread::scope(|scope| scope.spawn(body).join().unwrap());
}

/// The word that makes a connection one of a peer.
fn capability(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    let body = Body::Capability;
    encode(&Message { id: 1, body }, Dialect::Sonic, &mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
}

/// Input: the interface is deleted, with a session on it, and made again. Output: the session ends with it, and
/// there is a new one on the new interface.
#[test]
fn a_control_interface_that_is_deleted_and_made_again_is_listened_on_again() {
    with_daemon("deleted", |two, state| {
        let mut stream = two.is_spoken_to();
        capability(&mut stream);
        eventually("connected", || state() != "down");
        assert!(ip("link del near"));
        eventually("it knows", || state() == "down");
        assert!(two.lay());
        two.is_spoken_to();
    });
}

/// Input: the interface gets another name, then there is another one of its own. Output: the session goes on with
/// the renamed one until then, and moves to the other.
#[test]
fn another_interface_of_the_same_name_is_listened_on() {
    with_daemon("renamed", |two, state| {
        let mut stream = two.is_spoken_to();
        assert!(ip("link set near name old"));
        capability(&mut stream);
        eventually("connected", || state() != "down");
        assert!(ip("address flush dev old") && two.beyond(|| ip("link set far name gone")));
        assert!(two.beyond(|| ip("address flush dev gone")));
        assert!(two.lay());
        two.is_spoken_to();
    });
}
