//! A peer that repeats itself without end, on real sockets (`docs/security.md`).

use super::{Daemon, PATIENCE, PORT, TempDir, address, replies};
use mclag_proto::iccp::ext::{Announce, Extension, ShutdownNotice, VERSION};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, Body, ConfigFlag, Decoder, Dialect, Message, PortState,
    RgId, Status, Tlv, encode,
};
use mclag_proto::sync::model::{Event, FdbKey, Observation};
use mclag_proto::sync::v2::{Codec, ServerMessage};
use mclag_proto::{AggregatorId, IfName, Mac, Vid};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

const RG: RgId = RgId(7);
/// Messages of a kind that are sent at least.
const MANY: u32 = 5_000;
/// Messages that are sent at a time.
const BURST: u32 = 500;
/// Lines that a kind of message may have written, the end of the flood included.
const LINES: usize = 60;

fn tlv(tlv: Tlv) -> Body {
    Body::Application { rg: RG, tlv }
}

fn port() -> IfName {
    IfName::new("bond-absent1").unwrap()
}

type Make = fn(u32) -> Body;

/// What makes lines, or answers.
const FLOODS: [(&str, Make); 7] = [
    ("Sync Request", |n| {
        let number = u16::try_from(n & 0x7fff).unwrap();
        tlv(Tlv::SyncRequest { number })
    }),
    ("shutdown notice", |n| {
        let shutdown_notice = if n.is_multiple_of(2) {
            ShutdownNotice::Leave
        } else {
            ShutdownNotice::Restart
        };
        tlv(Tlv::Extension(Extension::ShutdownNotice(shutdown_notice)))
    }),
    ("priority", |n| {
        tlv(Tlv::Extension(Extension::Announce(Announce {
            version: VERSION,
            priority: if n.is_multiple_of(2) { 0 } else { u16::MAX },
            node_mac: Mac([2, 9, 9, 9, 9, 9]),
            software: "flood".into(),
        })))
    }),
    ("state", |n| {
        let state = if n.is_multiple_of(2) {
            PortState::Down
        } else {
            PortState::Up
        };
        let id = AggregatorId::of(&port());
        tlv(Tlv::AggregatorState(AggregatorState { id, state }))
    }),
    ("purge", |n| {
        tlv(Tlv::AggregatorConfig(AggregatorConfig {
            id: AggregatorId::of(&port()),
            name: port(),
            mac: Mac([2, 9, 9, 9, 9, 9]),
            flag: if n.is_multiple_of(2) {
                ConfigFlag::Purge
            } else {
                ConfigFlag::Present
            },
        }))
    }),
    ("refusal", |n| Body::Notification {
        rg: RG,
        status: Status::NONE,
        rejected: n + 1_000_000,
    }),
    ("Sync Data", |n| {
        let end = !n.is_multiple_of(2);
        tlv(Tlv::SyncData { number: 0, end })
    }),
];

/// The peer of a daemon, which it dialled.
struct Flooder {
    stream: TcpStream,
    /// Addresses that the daemon announced.
    macs: Receiver<Mac>,
    /// Numbers of the requests that it answered.
    answers: Receiver<u16>,
}

impl Flooder {
    /// Accept the daemon and get synchronised with it.
    fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        let (sender, macs) = channel();
        let reading = stream.try_clone().unwrap();
        let (answered, answers) = channel();
        thread::spawn(move || read(reading, &sender, &answered));
        let mut this = Self {
            stream,
            macs,
            answers,
        };
        let sender = "flood".to_owned();
        this.send([Body::Capability, Body::Connect { rg: RG, sender }]);
        this.catch_up(0);
        this.send([false, true].map(|end| tlv(Tlv::SyncData { number: 0, end })));
        this
    }

    /// Wait until the daemon has taken in all that was sent; `number` is one of its own.
    fn catch_up(&mut self, number: u16) {
        self.send([tlv(Tlv::SyncRequest { number })]);
        while self.answers.recv_timeout(PATIENCE).expect("an answer") != number {}
    }

    fn send(&mut self, bodies: impl IntoIterator<Item = Body>) {
        let mut bytes = Vec::new();
        for body in bodies {
            let message = Message { id: 1, body };
            encode(&message, Dialect::Sonic, &mut bytes).unwrap();
        }
        self.stream.write_all(&bytes).unwrap();
    }
}

impl Drop for Flooder {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Read until the end: which addresses are announced, and that the answer is complete.
fn read(mut stream: TcpStream, macs: &Sender<Mac>, answered: &Sender<u16>) {
    let mut decoder = Decoder::new(Dialect::Sonic);
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        decoder.push(&buffer[..len]);
        for message in decoder.by_ref() {
            match message.unwrap().body {
                Body::Application {
                    tlv: Tlv::MacInfo(entries),
                    ..
                } => entries.iter().for_each(|entry| {
                    let _ = macs.send(entry.mac);
                }),
                Body::Application {
                    tlv: Tlv::SyncData { number, end: true },
                    ..
                } => {
                    let _ = answered.send(number);
                }
                _ => {}
            }
        }
    }
}

/// Stands in for `syncd`: agrees with everything, and sees a host when it is told to.
fn attentive_syncd(path: &Path) -> Sender<Mac> {
    let listener = UnixListener::bind(path).unwrap();
    let (sender, hosts) = channel::<Mac>();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seeing = stream.try_clone().unwrap();
        let greeted = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                // The first message was the listing.
                for (number, mac) in (2..).zip(hosts) {
                    assert!(greeted.load(Ordering::SeqCst), "nobody has connected");
                    // A port that the kernel has: of others new addresses are kept back.
                    let observation = Observation::Learned {
                        port: IfName::new("lo").unwrap(),
                        configured: false,
                    };
                    let key = FdbKey {
                        vid: Vid::DEFAULT,
                        mac,
                    };
                    let events = vec![Event::Fdb { key, observation }];
                    let message = ServerMessage::Events { number, events };
                    let _ = seeing.write_all(&message.encode().unwrap());
                }
            });
            let mut codec = Codec::server();
            let mut buffer = vec![0; 1 << 16];
            while let Ok(len @ 1..) = stream.read(&mut buffer) {
                codec.push(&buffer[..len]);
                while let Some(message) = codec.next_message().unwrap() {
                    for reply in replies(message, 0) {
                        let _ = stream.write_all(&reply.encode().unwrap());
                    }
                    greeted.store(true, Ordering::SeqCst);
                }
            }
        });
    });
    sender
}

/// Input: a daemon whose peer sends one kind of message after the other without end, until what `syncd`
/// sees meanwhile has arrived at the peer. Output: it arrives, each time; a bounded number of lines is
/// written, and how many were not.
#[test]
fn whatever_floods_in_local_events_are_handled_and_lines_are_few() {
    let place = TempDir::new("iccpd-flood");
    let listener = TcpListener::bind(SocketAddr::new(address(14, 2), PORT)).unwrap();
    let hosts = attentive_syncd(&place.path("syncd1.sock"));
    let daemon = Daemon::start_patient(&place, 14, 1, "", "20s");
    let mut flooder = Flooder::accept(&listener);
    daemon.wait("status", |status| {
        status["session"] == "up" && status["syncd"]["connected"] == true
    });
    let mut before = daemon.log().lines().count();
    let mut heard = BTreeSet::new();
    for (round, (kind, make)) in (0..).zip(FLOODS) {
        let start = Instant::now();
        let mac = Mac([2, 0, 0, 0, 0xf1, round]);
        let mut sent = 0;
        while sent < MANY || !heard.contains(&mac) {
            if sent == MANY / 2 {
                hosts.send(mac).unwrap();
            }
            flooder.send((sent..sent + BURST).map(make));
            sent += BURST;
            heard.extend(flooder.macs.try_iter());
            assert!(
                start.elapsed() < PATIENCE,
                "{kind}: nothing else is handled; sent {sent}, heard {heard:?}: {}",
                daemon.log()
            );
        }
        flooder.catch_up(0xff00 + u16::from(round));
        let lines = daemon.log().lines().count();
        assert!(lines - before <= LINES, "{kind}: {} lines", lines - before);
        before = lines;
    }
    let status = daemon.wait("status", |_| true);
    assert_eq!(status["session"], "up", "the flood cost the session");
    let left_out = "lines left out of the log";
    let start = Instant::now();
    while !daemon.log().contains(left_out) {
        assert!(start.elapsed() < PATIENCE, "{}", daemon.log());
        thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Input: a peer that connects, is let in and goes away, as fast as it can. Output: few lines; and the
/// peer that comes to stay has a session.
#[test]
fn a_peer_that_connects_without_end_writes_few_lines() {
    let place = TempDir::new("iccpd-churn");
    let daemon = Daemon::start_patient(&place, 15, 2, "", "20s");
    let to = SocketAddr::new(address(15, 2), PORT);
    daemon.wait("status", |_| true);
    for _ in 0..1000 {
        let Some(mut stream) = connect_from(SocketAddr::new(address(15, 1), 0), to) else {
            continue;
        };
        let mut bytes = Vec::new();
        let sender = "churn".to_owned();
        for body in [Body::Capability, Body::Connect { rg: RG, sender }] {
            encode(&Message { id: 1, body }, Dialect::Sonic, &mut bytes).unwrap();
        }
        let _ = stream.write_all(&bytes);
        let _ = stream.read(&mut [0; 64]);
    }
    let lines = daemon.log().lines().count();
    assert!(lines <= 3 * LINES, "{lines} lines");
    let other = Daemon::start(&place, 15, 1);
    other.wait("status", |status| status["session"] == "up");
}

/// The standard library cannot connect from an address.
fn connect_from(from: SocketAddr, to: SocketAddr) -> Option<TcpStream> {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket,
    };
    use std::os::fd::AsRawFd as _;
    let family = AddressFamily::Inet;
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(fd.as_raw_fd(), &SockaddrStorage::from(from)).unwrap();
    connect(fd.as_raw_fd(), &SockaddrStorage::from(to)).ok()?;
    Some(TcpStream::from(fd))
}
