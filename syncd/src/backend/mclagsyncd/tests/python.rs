//! A model of `mclagsyncd.py` with its faults (`spec/mclagsyncd-protocol.md` 2.2, 2.3; 12, items 4 to 6), on a real
//! socket. Its time is counted in entries.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};

use super::*;

/// What it takes at a time; what was sent beyond is cut.
const READ: usize = 64 * 1024;

struct Python {
    stream: std::net::TcpStream,
    /// What it was sent and has not done: it starts a program for each entry.
    to_do: VecDeque<ClientMessage>,
    table: HashMap<FdbKey, IfName>,
    /// What it said of the table to this client.
    told: HashMap<FdbKey, IfName>,
    /// Entries that it has carried out.
    entries: usize,
    /// The number of entries at each isolation list.
    isolated: Vec<usize>,
    /// Bytes that were lost because a message was cut.
    lost: usize,
}

impl Python {
    async fn accept(client: &mut Client, listener: &TcpListener) -> Self {
        let stream = accept(client, listener).await.into_std().unwrap();
        stream.set_nonblocking(true).unwrap();
        Self {
            stream,
            to_do: VecDeque::new(),
            table: HashMap::new(),
            told: HashMap::new(),
            entries: 0,
            isolated: Vec::new(),
            lost: 0,
        }
    }

    /// Do what takes as long as one entry: it reads when it has nothing else to do.
    fn step(&mut self) {
        if self.to_do.is_empty() {
            self.read();
        }
        while let Some(message) = self.to_do.pop_front() {
            match message {
                ClientMessage::SetFdb(mut records) => {
                    let record = records.remove(0);
                    if !records.is_empty() {
                        self.to_do.push_front(ClientMessage::SetFdb(records));
                    }
                    self.entry(&record);
                    return;
                }
                ClientMessage::PortIsolate(_) => self.isolated.push(self.entries),
                ClientMessage::GetFdbChanges => self.answer(),
                _ => {}
            }
        }
    }

    fn read(&mut self) {
        let mut bytes = vec![0; 1 << 20];
        let count = match self.stream.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        };
        let taken = count.min(READ);
        self.lost += count - taken;
        let mut decoder = Decoder::v1();
        decoder.push(&bytes[..taken]);
        while let Some(frame) = decoder.next_frame().unwrap() {
            let decoded = ClientMessage::decode(&frame, Dialect::LinuxMclag);
            self.to_do
                .extend(decoded.unwrap().map(|decoded| decoded.message));
        }
        self.lost += decoder.pending();
    }

    /// An entry that it has is not found, and so it is to be told again.
    fn entry(&mut self, record: &FdbRecord) {
        self.entries += 1;
        let FdbRecord { vid, mac, .. } = *record;
        let key = FdbKey { vid, mac };
        match record.port {
            Some(port) if record.op == RecordOp::Add => {
                let before = self.table.insert(key, port);
                if before != Some(port) {
                    self.told.insert(key, port);
                } else {
                    self.told.insert(key, name("other"));
                }
            }
            _ => {
                self.table.remove(&key);
                self.told.remove(&key);
            }
        }
    }

    /// All deletions, then all additions.
    fn answer(&mut self) {
        let record = |(key, port): (&FdbKey, &IfName), op| FdbRecord {
            mac: key.mac,
            vid: key.vid,
            port: Some(*port),
            kind: FdbKind::Dynamic,
            op,
        };
        let gone = self
            .told
            .iter()
            .filter(|(key, port)| self.table.get(key) != Some(port));
        let new = self
            .table
            .iter()
            .filter(|(key, port)| self.told.get(key) != Some(port));
        let mut records: Vec<_> = gone.map(|entry| record(entry, RecordOp::Delete)).collect();
        records.extend(new.map(|entry| record(entry, RecordOp::Add)));
        for part in ServerMessage::Fdb(records).split(Dialect::LinuxMclag) {
            let bytes = part.encode(Dialect::LinuxMclag).unwrap();
            self.stream.write_all(&bytes).unwrap();
        }
        self.told.clone_from(&self.table);
    }

    fn is_done(&self) -> bool {
        self.to_do.is_empty()
    }
}

fn entry(number: u16, port: &str) -> Op {
    let [high, low] = number.to_be_bytes();
    let key = FdbKey {
        vid: Vid::DEFAULT,
        mac: Mac([2, 0, 0, 0, high, low]),
    };
    let kind = mclag_proto::sync::model::FdbKind::Tracked;
    let port = name(port);
    Op::Fdb {
        key,
        want: FdbWant { port, kind },
    }
}

fn isolated(port: &str) -> Op {
    Op::Port {
        port: name(port),
        want: PortWant {
            isolation: Isolation::On,
            traffic: Traffic::Keep,
            redirect: false,
            system_mac: None,
        },
    }
}

/// The pair with its ports, synchronised.
fn pair() -> Vec<Op> {
    vec![
        Op::SnapshotBegin(Section::Ports),
        Op::Domain(DomainWant {
            bridge: name("Bridge"),
            peer_link: Some(name("peerlink")),
            peer_link_learning: false,
        }),
        Op::SnapshotEnd(Section::Ports),
        Op::Pair(PairState {
            domain: DomainId::new(1).unwrap(),
            active: None,
            up: true,
            system_mac: None,
        }),
        // It isolates nothing but members.
        Op::Members {
            port: name("bond1"),
            members: vec![name("swp1")],
        },
    ]
}

/// Everything that happens at the client until nothing more does without the server.
async fn until_quiet(client: &mut Client) -> Vec<ServerEvent> {
    let mut all = Vec::new();
    while let Ok(happened) = timeout(Duration::from_millis(60), client.next()).await {
        all.push(happened);
    }
    all
}

/// The server is asked nothing while the client is not driven, and does one entry each time.
async fn work(client: &mut Client, server: &mut Python, entries: usize) -> Vec<ServerEvent> {
    let mut all = Vec::new();
    for _ in 0..entries {
        server.step();
        if server.is_done() {
            all.extend(until_quiet(client).await);
        }
    }
    all
}

/// As many turns as that takes: the kernel may take its time to acknowledge what was read.
async fn work_until(
    client: &mut Client,
    server: &mut Python,
    is_done: impl Fn(&Client, &Python) -> bool,
) -> Vec<ServerEvent> {
    let mut all = Vec::new();
    for _ in 0..1_000_000 {
        if is_done(client, server) {
            return all;
        }
        all.extend(work(client, server, 1).await);
    }
    panic!("it never comes to that");
}

#[tokio::test(start_paused = true)]
async fn entries_end_complete_and_isolation_waits_for_a_handful_of_them() {
    for count in [1000_u16, 5000] {
        let listener = listener().await;
        let mut client = client(&listener, Some(Dialect::LinuxMclag));
        let mut server = Python::accept(&mut client, &listener).await;
        greeted(&mut client, Dialect::LinuxMclag).await;
        client.send(1, &pair());
        let ops: Vec<Op> = (0..count).map(|number| entry(number, "bond1")).collect();
        for (batch, ops) in (2..).zip(ops.chunks(500)) {
            client.send(batch, ops);
        }
        until_quiet(&mut client).await;
        work(&mut client, &mut server, 100).await;
        let before = (server.entries, server.isolated.len());
        client.send(99, &[isolated("bond1")]);
        let is_isolated = |_: &Client, server: &Python| server.isolated.len() > before.1;
        let happened = work_until(&mut client, &mut server, is_isolated).await;
        let after = server.isolated[before.1] - before.0;
        // Those it is at, and those that wait in its socket: at 64 a second half of one.
        assert!(after <= 32, "isolated after {after} of {count} entries");
        let is_answer = |event: &ServerEvent| {
            matches!(
                event,
                ServerEvent::Done {
                    batch: 99,
                    isolates: true,
                    ..
                }
            )
        };
        assert!(
            happened.iter().any(is_answer),
            "nobody waits for the entries"
        );
        let is_over = |client: &Client, server: &Python| {
            client.is_idle() && server.is_done() && server.entries >= usize::from(count)
        };
        work_until(&mut client, &mut server, is_over).await;
        assert_eq!(server.table.len(), usize::from(count));
        assert_eq!((server.lost, server.entries), (0, usize::from(count)));
    }
}

/// `spec/mclagsyncd-protocol.md` 12, item 6: all of it is set again, and comes back as deleted and as added, in
/// messages of their own.
#[tokio::test(start_paused = true)]
async fn entries_that_are_reported_as_deleted_and_added_are_neither_news_nor_set_again() {
    deleted_and_added(300, None).await;
}

/// Input: the same in a pair that has another VLAN as well, in which an addition of VLAN 1 is not believed.
#[tokio::test(start_paused = true)]
async fn an_addition_that_is_not_believed_takes_back_the_deletion_before_it() {
    let Op::Fdb { key, want } = entry(0, "bond1") else {
        panic!("no entry");
    };
    let vid = Vid::new(10).unwrap();
    let in_vlan_10 = Op::Fdb {
        key: FdbKey { vid, ..key },
        want,
    };
    deleted_and_added(30, Some(in_vlan_10)).await;
}

/// With `count` entries of VLAN 1, and `other`.
async fn deleted_and_added(count: u16, other: Option<Op>) {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::LinuxMclag));
    let mut server = Python::accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::LinuxMclag).await;
    let ops = (0..count).map(|number| entry(number, "bond1"));
    let ops: Vec<Op> = ops.chain(other).collect();
    client.send(1, &ops);
    for number in 0..count {
        let Op::Fdb { key, want } = entry(number, "bond1") else {
            panic!("no entry");
        };
        server.table.insert(key, want.port);
    }
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.extend(work(&mut client, &mut server, ops.len()).await);
        // It is polled again.
        seen.extend(timeout(POLL, async { client.next().await }).await);
    }
    let is_news = |event: &&ServerEvent| matches!(event, ServerEvent::Event(Event::Fdb { .. }));
    assert_eq!(seen.iter().find(is_news), None);
    assert_eq!(server.entries, ops.len(), "each is set once");

    // One that is really gone is told, if not at once.
    let is_of_vlan_1 = |key: &&FdbKey| key.vid == Vid::DEFAULT;
    let gone = *server.table.keys().find(is_of_vlan_1).unwrap();
    server.table.remove(&gone);
    let aged = ServerEvent::Event(Event::Fdb {
        key: gone,
        observation: Observation::Aged,
    });
    let mut seen = Vec::new();
    while !seen.contains(&aged) {
        seen.extend(work(&mut client, &mut server, 10).await);
        seen.extend(timeout(POLL, async { client.next().await }).await);
    }
    assert_eq!(seen.iter().filter(is_news).count(), 1);
}
