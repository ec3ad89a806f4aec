//! A second daemon for the same pair of the same chassis, however it comes about: it ends, says who has the pair, and
//! touches neither session nor socket of the first one.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use mclag_proto::DomainId;
use mclag_proto::sync::model::Abilities;
use mclag_proto::sync::settings::{DomainSettings, PairSettings};
use mclag_proto::sync::v2::{
    Capabilities, ClientMessage, Codec, ServerHello, ServerMessage, VERSION,
};
use mclag_test_support::{Process, TempDir, as_ourselves, ask, eventually};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::os::fd::AsRawFd as _;

/// A first daemon, and what is like its own or not for a second one.
struct First {
    place: TempDir,
    number: u8,
    process: Process,
    control: PathBuf,
    inode: u64,
}

impl First {
    fn start(name: &str, number: u8) -> Self {
        let place = TempDir::new(&format!("iccpd-second-{name}"));
        let control = place.path("control.sock");
        let settings = settings(&place, "first.toml", number, 7, "control.sock");
        let log = std::fs::File::create(place.path("log")).unwrap();
        let program = env!("CARGO_BIN_EXE_iccpd");
        let process = Process::start(program, &["--settings".as_ref(), &settings], log);
        eventually("it answers", || ask(&control, "status").is_some());
        let inode = std::fs::metadata(&control).unwrap().ino();
        Self {
            place,
            number,
            process,
            control,
            inode,
        }
    }

    /// Start a second one for `domain`, which has to end; what it says.
    fn refuses(&self, domain: u16, control: &str, user: Option<u32>) -> String {
        let settings = settings(&self.place, "second.toml", self.number, domain, control);
        let log = self.place.path("second.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_iccpd"));
        command.arg("--settings").arg(settings).stdin(Stdio::null());
        command.stderr(std::fs::File::create(&log).unwrap());
        match user {
            Some(user) => command.uid(user).gid(user),
            None => command.args(as_ourselves()),
        };
        let mut second = Process::from(command.spawn().unwrap());
        let status = second.end();
        let said = std::fs::read_to_string(&log).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        said
    }

    fn pair_is_taken(&self) -> String {
        let (pid, local) = (self.process.id(), local(self.number, 1));
        format!("iccpd: another iccpd (pid {pid}) has domain 7 at {local}\n")
    }

    fn listens_as_before(&self) {
        assert!(ask(&self.control, "status").is_some());
        assert_eq!(std::fs::metadata(&self.control).unwrap().ino(), self.inode);
        let log = std::fs::read_to_string(self.place.path("log")).unwrap();
        assert!(!log.contains("socket was removed"), "{log}");
    }
}

fn local(number: u8, host: u8) -> String {
    let process = std::process::id() % 200 + 10;
    format!("127.{process}.{number}.{host}")
}

/// Settings of a domain; each but 7 has an address of its own.
fn settings(place: &TempDir, file: &str, number: u8, domain: u16, control: &str) -> PathBuf {
    let host = if domain == 7 { 1 } else { 3 };
    let text = format!(
        "[domain]\nid = {domain}\nlocal = \"{}\"\npeer = \"{}\"\ntcp-port = 18891\nbridge = \"br-absent\"\n\
         peer-link = \"peer-absent\"\nports = [\"bond-absent1\"]\n\
         [syncd]\nsocket = {:?}\n[control]\nsocket = {:?}\n",
        local(number, host),
        local(number, host + 1),
        place.path("syncd.sock"),
        place.path(control),
    );
    place.write(file, &text)
}

#[test]
fn a_pair_is_taken_whose_control_socket_was_removed_and_the_socket_is_made_again() {
    let first = First::start("removed", 111);
    std::fs::remove_file(&first.control).unwrap();
    assert_eq!(
        first.refuses(7, "control.sock", None),
        first.pair_is_taken()
    );
    eventually("the socket is made again", || {
        ask(&first.control, "status").is_some()
    });
    let mode = std::fs::metadata(&first.control)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn a_pair_is_taken_whatever_the_path_of_the_control_socket() {
    let first = First::start("other", 112);
    assert_eq!(first.refuses(7, "other.sock", None), first.pair_is_taken());
    assert!(!first.place.path("other.sock").exists());
    first.listens_as_before();
}

/// The session's address and port are taken as well, for whichever domain.
#[test]
fn a_session_is_taken_whatever_the_number_of_the_domain() {
    let first = First::start("session", 113);
    let settings = first.place.path("second.toml");
    settings_with(&settings, &first);
    let output = Command::new(env!("CARGO_BIN_EXE_iccpd"))
        .args(as_ourselves())
        .arg("--settings")
        .arg(&settings)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (pid, local) = (first.process.id(), local(113, 1));
    let wanted =
        format!("iccpd: another iccpd (pid {pid}) has the session at {local}, port 18891\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), wanted);
    first.listens_as_before();
}

fn settings_with(path: &Path, first: &First) {
    let text = std::fs::read_to_string(first.place.path("first.toml")).unwrap();
    let text = text
        .replace("id = 7", "id = 8")
        .replace("control.sock", "other.sock");
    std::fs::write(path, text).unwrap();
}

/// A daemon that does not come to accepting connections is there all the same.
#[test]
fn a_socket_is_in_use_whose_queue_is_full() {
    let first = First::start("full", 114);
    first.process.signal(Signal::SIGSTOP);
    let mut waiting = Vec::new();
    loop {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let client = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
        let address = UnixAddr::new(&first.control).unwrap();
        if connect(client.as_raw_fd(), &address).is_err() {
            break;
        }
        waiting.push(client);
    }
    assert_eq!(
        first.refuses(7, "control.sock", None),
        first.pair_is_taken()
    );
    // Another pair may have a daemon of its own, but not this socket.
    let wanted = format!(
        "iccpd: another iccpd listens on {}\n",
        first.control.display()
    );
    assert!(first.refuses(8, "control.sock", None).ends_with(&wanted));
    drop(waiting);
    first.process.signal(Signal::SIGCONT);
    first.listens_as_before();
}

/// Of a user who may not connect. Only root can be somebody else.
#[test]
fn a_socket_is_in_use_that_may_not_be_connected_to() {
    let first = First::start("denied", 115);
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(first.place.path(""), open).unwrap();
    let nobody = Some(65_534);
    assert_eq!(
        first.refuses(7, "control.sock", nobody),
        first.pair_is_taken()
    );
    let wanted = format!(
        "iccpd: another iccpd listens on {}\n",
        first.control.display()
    );
    let said = first.refuses(8, "control.sock", nobody);
    assert!(said.ends_with(&wanted), "{said}");
    first.listens_as_before();
}

/// Stands in for a `syncd` that names this pair, or none. Whoever is connected hears it at the beginning.
#[derive(Clone)]
struct Naming(Arc<Mutex<(Option<PairSettings>, Option<UnixStream>)>>);

impl Naming {
    /// The daemon may connect as often as it likes, to one after the other.
    fn start(socket: &Path, named: PairSettings) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let naming = Self(Arc::new(Mutex::new((Some(named), None))));
        let served = naming.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let named = {
                    let mut state = served.0.lock().unwrap();
                    state.1 = Some(stream.try_clone().unwrap());
                    state.0.clone()
                };
                serve(stream, named.as_ref());
            }
        });
        naming
    }

    fn names_none(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = None;
        if let Some(stream) = &state.1 {
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn serve(mut stream: UnixStream, named: Option<&PairSettings>) {
    let mut codec = Codec::server();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        codec.push(&buffer[..len]);
        while let Some(message) = codec.next_message().unwrap() {
            match message {
                ClientMessage::Hello(_) => {
                    let hello = ServerHello {
                        version: VERSION,
                        capabilities: Capabilities::SETTINGS,
                        abilities: Abilities::default(),
                        backend: "naming".into(),
                        window: 8,
                    };
                    say(&stream, &ServerMessage::Hello(hello));
                    let events = PairSettings::events(named).collect();
                    say(&stream, &ServerMessage::Events { number: 1, events });
                }
                ClientMessage::Batch { number, ops } => {
                    let results = vec![Ok(()); ops.len()];
                    say(&stream, &ServerMessage::BatchResult { number, results });
                }
                _ => {}
            }
        }
    }
}

fn say(mut stream: &UnixStream, message: &ServerMessage) {
    // The daemon may have gone.
    let _ = stream.write_all(&message.encode().unwrap());
}

/// Input: the dataplane names a pair, and then none. Output: another daemon may have it then.
#[test]
fn a_pair_that_the_dataplane_no_longer_names_is_free() {
    let number = 116;
    let place = TempDir::new("iccpd-second-named");
    let syncd = Naming::start(
        &place.path("syncd.sock"),
        PairSettings {
            domain: DomainSettings {
                domain: DomainId::new(7).unwrap(),
                local: local(number, 1).parse().unwrap(),
                peer: local(number, 2).parse().unwrap(),
                peer_link: None,
                system_mac: None,
                keepalive_s: None,
                session_timeout_s: None,
            },
            ports: Default::default(),
            unique_ip: Default::default(),
        },
    );
    let named = format!(
        "[syncd]\nsocket = {:?}\nnames-pair = true\n[control]\nsocket = {:?}\n",
        place.path("syncd.sock"),
        place.path("control.sock"),
    );
    let named = place.write("named.toml", &named);
    let log = std::fs::File::create(place.path("log")).unwrap();
    let program = env!("CARGO_BIN_EXE_iccpd");
    let first = Process::start(program, &["--settings".as_ref(), &named], log);
    let control = place.path("control.sock");
    let has_none = || {
        let status = ask(&control, "status");
        status.map(|status| status.to_string().contains("no pair is configured"))
    };
    eventually("it has the pair", || has_none() == Some(false));
    syncd.names_none();
    eventually("it has none", || has_none() == Some(true));
    let other = settings(&place, "second.toml", number, 7, "other.sock");
    let log = std::fs::File::create(place.path("second.log")).unwrap();
    let _second = Process::start(program, &["--settings".as_ref(), &other], log);
    eventually("another one has it", || {
        ask(&place.path("other.sock"), "status").is_some()
    });
    drop(first);
}
