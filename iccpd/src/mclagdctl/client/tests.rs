//! The client against daemons that answer as the specification says, and as it says they must not.

use super::*;
use mclag_proto::Mac;
use mclag_proto::iccp::EntryOp;
use mclag_proto::mclagdctl::text::port_list;
use mclag_proto::mclagdctl::{
    AgeFlags, LearnedFrom, MacField, MacRecord, MacType, Neighbour, NeighbourOp, PeerPort,
    PortKind, PortState, ReplyWriter, Role, State, Text,
};
use mclag_test_support::TempDir;
use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::thread;

use Dialect::{LinuxMclag, Sonic};

/// Where the daemon of a test listens in its directory.
const SOCKET: &str = "sock";

/// A daemon for as long as the test runs. What it does with a request: so many bytes, then it
/// closes the connection; or nothing.
fn daemon(answer: impl Fn([u8; Request::LEN]) -> Option<Vec<u8>> + Send + 'static) -> TempDir {
    let dir = TempDir::new("mclagdctl-client");
    let listener = UnixListener::bind(dir.path(SOCKET)).unwrap();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; Request::LEN];
            if stream.read_exact(&mut request).is_err() {
                continue;
            }
            match answer(request) {
                Some(reply) => stream.write_all(&reply).unwrap(),
                None => held.push(stream),
            }
        }
    });
    dir
}

struct Printed {
    status: u8,
    out: String,
    err: String,
}

fn run_as(path: &Path, dialect: Option<Dialect>, line: &str) -> Printed {
    let place = Place {
        socket: path.join(SOCKET),
        dialect,
        timeout: Duration::from_millis(300),
    };
    let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run("mclagdctl", &args, &place, &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Printed {
        status,
        out: text(out),
        err: text(err),
    }
}

fn run_line(path: &Path, line: &str) -> Printed {
    run_as(path, None, line)
}

fn failed(printed: &Printed) -> &str {
    assert_eq!((printed.status, printed.out.as_str()), (1, ""));
    &printed.err
}

fn reply(data: &Data, dialect: Dialect) -> Vec<u8> {
    let mut reply = ReplyWriter::new(data.command(), dialect).unwrap();
    reply.push(data);
    reply.finish(Outcome::Success)
}

fn state(dialect: Dialect) -> Data {
    Data::State(vec![State {
        id: Some(1),
        operational: true,
        synchronised: true,
        local: "10.0.0.1".into(),
        peer: "10.0.0.2".into(),
        peer_link: None,
        peer_link_mac: Mac::ZERO,
        role: Role::Active,
        ports: port_list(["bond1"], dialect == LinuxMclag),
        session_timeout: 15,
        keepalive: 1,
        log_level: Text::new("NOTICE"),
    }])
}

fn macs(count: usize) -> Data {
    let record = MacRecord {
        op: EntryOp::Add,
        kind: MacType::Dynamic,
        mac: MacField::Address(Mac([2, 0, 0, 0, 0, 7])),
        vid: 100,
        interface: "bond1".into(),
        origin: "bond1".into(),
        age: AgeFlags::default(),
    };
    Data::Mac(vec![record; count])
}

fn arps(count: usize) -> Data {
    let record = Neighbour {
        op: NeighbourOp::Added,
        interface: "Vlan100".into(),
        address: "10.1.2.50".into(),
        mac: Mac([2, 0, 0, 0, 0, 7]),
        learned: LearnedFrom::Remote,
    };
    Data::Arp(vec![record; count])
}

fn peer_ports(count: usize) -> Data {
    let record = PeerPort {
        aggregator: 1,
        kind: PortKind::PortChannel,
        name: "bond1".into(),
        mac: Mac([2, 0, 0, 0, 0, 7]),
        state: PortState::Up,
        channel: 1,
        active: true,
    };
    Data::PeerPorts(vec![record; count])
}

/// A linux-mclag daemon: what it does not know it closes, an unknown id it answers with 12 bytes.
fn linux(count: usize) -> TempDir {
    daemon(move |wire| {
        let Ok(request) = Request::decode(&wire, LinuxMclag) else {
            return Some(Vec::new());
        };
        if request.id > 1 {
            let [a, b, c, d, ..] = wire;
            return Some(vec![12, 0, 0, 0, a, b, c, d, 0, 0, 0, 0]);
        }
        let data = match request.command {
            Command::State => state(LinuxMclag),
            Command::Mac => macs(count),
            Command::Arp => arps(count),
            Command::PeerPorts => peer_ports(count),
            Command::LocalPorts => Data::LocalPorts(Vec::new()),
            other => panic!("{other:?} is not of this dialect"),
        };
        Some(reply(&data, LinuxMclag))
    })
}

/// `spec/mclagdctl-protocol.md` 9. Also for numbers of records whose sizes fit both dialects: 72
/// of 71 bytes are 71 of 72, and 7 ports of 84 bytes are no unique-IP interfaces.
#[test]
fn a_daemon_of_the_other_dialect_is_recognised_however_much_it_has() {
    for count in [0, 1, 3, 19, 72] {
        let path = linux(count);
        let printed = run_line(&path, "dump state");
        assert_eq!(printed.status, 0, "{}", printed.err);
        assert!(printed.out.contains("\nEnabled PortChannel: bond1,\n"));

        let printed = run_line(&path, "dump mac -i 1");
        assert_eq!(printed.status, 0, "{}", printed.err);
        assert_eq!(
            printed.out,
            text::render(&macs(count), LinuxMclag),
            "{count}"
        );
        let printed = run_line(&path, "dump arp -i 1");
        assert_eq!(
            printed.out,
            text::render(&arps(count), LinuxMclag),
            "{count}"
        );
        let printed = run_line(&path, "dump portlist peer -i 1");
        assert_eq!(
            printed.out,
            text::render(&peer_ports(count), LinuxMclag),
            "{count}"
        );
        for line in ["dump nd -i 1", "dump unique_ip -i 1"] {
            let printed = run_line(&path, line);
            let words = line.strip_suffix(" -i 1").unwrap();
            let want = format!("iccpd speaks the linux-mclag dialect, which has no \"{words}\"\n");
            assert_eq!(failed(&printed), want, "{count}");
        }
        for line in ["dump debug counters", "config loglevel"] {
            let printed = run_line(&path, line);
            assert_eq!(failed(&printed), "Failed to read data length from mclagd\n");
        }
    }
}

/// `spec/mclagdctl-protocol.md` 3, quirks: an error of linux-mclag is cut short.
#[test]
fn an_error_that_is_cut_short_is_one() {
    let path = linux(1);
    for line in ["dump mac -i 9", "dump arp -i 9", "dump portlist local -i 9"] {
        let printed = run_line(&path, line);
        let err = failed(&printed);
        assert!(err.starts_with("Failed to read data"), "{line}: {err}");
    }
    let printed = run_as(&path, Some(LinuxMclag), "dump mac -i 9");
    assert_eq!(failed(&printed), "Failed to read data from mclagd\n");
}

/// A sonic daemon is asked in its own numbers, however much it has.
#[test]
fn a_sonic_daemon_is_taken_for_one() {
    for count in [0, 1, 51, 71, 102] {
        let path = daemon(move |wire| {
            let request = Request::decode(&wire, Sonic).unwrap();
            let data = match request.command {
                Command::State => state(Sonic),
                Command::Mac => macs(count),
                Command::Arp => arps(count),
                Command::PeerPorts => peer_ports(count),
                other => panic!("{other:?}"),
            };
            Some(reply(&data, Sonic))
        });
        for (line, data) in [
            ("dump mac -i 1", macs(count)),
            ("dump arp -i 1", arps(count)),
            ("dump portlist peer -i 1", peer_ports(count)),
        ] {
            let printed = run_line(&path, line);
            assert_eq!((printed.status, printed.err.as_str()), (0, ""), "{line}");
            assert_eq!(printed.out, text::render(&data, Sonic), "{line} {count}");
        }
    }
}

#[test]
fn the_dialect_may_be_given() {
    let path = linux(2);
    let printed = run_as(&path, Some(LinuxMclag), "dump mac -i 1");
    assert_eq!(printed.out, text::render(&macs(2), LinuxMclag));
    let printed = run_as(&path, Some(LinuxMclag), "dump nd -i 1");
    assert_eq!(printed.status, 1);
    assert!(printed.out.starts_with("mclagdctl [options] command"));
    assert_eq!(printed.err, "Unknown command \"nd\".\n");

    let place = |socket: Option<&str>, dialect: Option<&str>| {
        Place::from_env(|name| match name {
            SOCKET_VARIABLE => socket.map(Into::into),
            DIALECT_VARIABLE => dialect.map(Into::into),
            other => panic!("{other}"),
        })
    };
    let default = place(None, None);
    assert_eq!(default.socket, Path::new(DEFAULT_SOCKET));
    assert_eq!(default.dialect, None);
    assert_eq!(default.timeout, Duration::from_secs(10));
    let given = place(Some("/tmp/x"), Some("linux-mclag"));
    assert_eq!(given.socket, Path::new("/tmp/x"));
    assert_eq!(given.dialect, Some(LinuxMclag));
    assert_eq!(place(None, Some("cumulus")).dialect, None);
}

/// The table of `spec/mclagdctl-protocol.md` 6, its second half.
#[test]
fn every_failure_has_its_message() {
    let answering = |reply: &[u8]| {
        let reply = reply.to_vec();
        daemon(move |_| Some(reply.clone()))
    };
    let header = |length: i32, kind: u8, result: i8| {
        let mut reply = length.to_le_bytes().to_vec();
        reply.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
        reply.extend(i32::from(result).to_le_bytes());
        reply
    };
    for (reply, line, message) in [
        (
            vec![],
            "dump state",
            "Failed to read data length from mclagd",
        ),
        (
            vec![1, 0],
            "dump state",
            "Failed to read data length from mclagd",
        ),
        (header(0, 1, -1), "dump state", "pkt len = 0, error"),
        (header(-5, 1, -1), "dump state", "pkt len = -5, error"),
        (
            header(i32::MAX, 1, -1),
            "dump state",
            "pkt len = 2147483647, error",
        ),
        (
            header(3, 1, -1),
            "dump state",
            "Failed to read data from mclagd",
        ),
        (
            header(400, 1, -1),
            "dump state",
            "Failed to read data from mclagd",
        ),
        (
            header(12, 2, -1),
            "dump state",
            "Reply info type from mclagd error",
        ),
        (header(12, 1, -2), "dump state", "No exist sys in iccpd!"),
        (
            header(12, 4, -3),
            "dump mac -i 77",
            "Mclag-id 77 hasn't been configured in iccpd!",
        ),
        (header(12, 1, -4), "dump state", "exec error in iccpd!"),
        (header(12, 1, 9), "dump state", "exec error in iccpd!"),
        (
            header(12, 9, 0),
            "config loglevel",
            "Config loglevel failed!",
        ),
    ] {
        let printed = run_line(&answering(&reply), line);
        assert_eq!(failed(&printed), format!("{message}\n"), "{reply:?}");
    }
}

#[test]
fn records_that_make_no_sense_are_named_with_their_place() {
    let mut bytes = reply(&state(Sonic), Sonic);
    bytes[16 + 76..][..32].fill(b'x');
    let path = daemon(move |_| Some(bytes.clone()));
    let printed = run_line(&path, "dump state");
    assert_eq!(
        failed(&printed),
        "Failed to read data from mclagd\npeer link at byte 92 does not end with a NUL\n"
    );
}

/// `spec/mclagdctl-protocol.md` 3, quirks: a remainder is ignored.
#[test]
fn what_is_left_behind_the_last_record_is_ignored() {
    let mut bytes = reply(&macs(1), Sonic);
    bytes.extend([0xff; 3]);
    let length = u32::try_from(bytes.len() - 4).unwrap();
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[8..12].copy_from_slice(&(length - 12).to_le_bytes());
    let path = daemon(move |_| Some(bytes.clone()));
    let printed = run_line(&path, "dump mac -i 1");
    assert_eq!(printed.out, text::render(&macs(1), Sonic));
}

/// `spec/mclagdctl-protocol.md` 1, 6
#[test]
fn a_daemon_that_does_not_answer_is_given_up() {
    let path = daemon(|_| None);
    let printed = run_line(&path, "dump state");
    assert_eq!(printed.status, 1);
    assert_eq!(printed.out, "Mclagdctl:Select timeout:Success\n");
    assert_eq!(printed.err, "Failed to read data length from mclagd\n");
}

/// `spec/mclagdctl-protocol.md` 6: nothing is printed.
#[test]
fn no_daemon_is_a_silent_failure() {
    let nobody = Path::new("/nonexistent/mclagdctl.sock");
    for line in ["dump state", "dump mac"] {
        assert_eq!(failed(&run_line(nobody, line)), "");
    }
}

/// `spec/mclagdctl-protocol.md` 6
#[test]
fn an_id_that_is_missing_is_asked_for() {
    let path = daemon(|_| panic!("nothing is to be asked"));
    for line in [
        "dump arp",
        "dump nd",
        "dump mac",
        "dump unique_ip",
        "dump portlist local",
        "dump portlist peer",
        "dump mac -i 0",
        "dump mac -i 3 -l critical",
    ] {
        let want = "Need to specify mclag-id through the parameter i !\n";
        assert_eq!(failed(&run_line(&path, line)), want, "{line}");
    }
}

/// `spec/mclagdctl-protocol.md` 6
#[test]
fn help_is_printed_where_it_belongs() {
    let nobody = Path::new("/nonexistent/mclagdctl.sock");
    let help = args::help("mclagdctl", Sonic);
    let printed = run_line(nobody, "--help");
    assert_eq!((printed.status, printed.err.as_str()), (0, ""));
    assert_eq!(printed.out, help);
    for (line, err) in [
        ("", "None or incomplete command\n"),
        ("dump what", "Unknown command \"what\".\n"),
        ("-z", "mclagdctl: invalid option -- 'z'\nunknown option.\n"),
        ("-l x config loglevel", "unknown option \"l\".\n"),
    ] {
        let printed = run_line(nobody, line);
        assert_eq!((printed.status, printed.out.as_str()), (1, help.as_str()));
        assert_eq!(printed.err, err);
    }
}
