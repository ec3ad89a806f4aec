//! CONFIG_DB on a real Redis, which `tests/scripts/deps` unpacks where the system has none.
#![cfg(feature = "sonic")]

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, thread};

use mclag_daemon::process::chain;
use mclag_proto::sync::v1::{DomainAttributes, DomainOp, DomainRecord, InterfaceRecord, RecordOp};
use mclag_proto::{DomainId, IfName, Mac};
use mclag_test_support::{TempDir, eventually};
use syncd::backend::mclagsyncd::Configured;
use syncd::sonic::config_db;

/// A Redis of its own, with nothing in it.
struct Redis {
    dir: TempDir,
    /// Where the programs are, if the system has none.
    unpacked: PathBuf,
    server: Child,
}

impl Redis {
    fn start(name: &str) -> Self {
        Self::try_start(name, 0).expect("nothing that it could collide with")
    }

    /// Listening at a port of the loopback, too; none if that is taken.
    fn try_start(name: &str, port: u16) -> Option<Self> {
        let dir = TempDir::new(name);
        // Beside `target/tmp`, where Cargo has tests put what is temporary.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let unpacked = target.join("lab/vm/redis");
        let socket = dir.join("redis.sock");
        let mut command = program(&unpacked, "redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--appendonly",
            "no",
            "--databases",
            "16",
        ]);
        command
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(&*dir);
        let server = command.stdout(Stdio::null()).spawn();
        let server = server.expect("redis-server runs: see tests/scripts/deps");
        let mut redis = Self {
            dir,
            unpacked,
            server,
        };
        let mut has_ended = false;
        eventually("Redis listens", || {
            has_ended = redis.server.try_wait().unwrap().is_some();
            has_ended || socket.exists()
        });
        if has_ended {
            return None;
        }
        redis.databases(r#"{"id": 4, "separator": "|", "instance": "redis"}"#);
        Some(redis)
    }

    /// Without a socket, the file names this port.
    fn only_at(&self, port: u16) {
        let text = format!(
            r#"{{"INSTANCES": {{"redis": {{"hostname": "127.0.0.1", "port": {port}}}}},
                "DATABASES": {{"CONFIG_DB": {{"id": 4, "separator": "|", "instance": "redis"}}}}}}"#
        );
        self.dir.write("database_config.json", &text);
    }

    /// The file that says where CONFIG_DB is.
    fn databases(&self, config_db: &str) -> PathBuf {
        let socket = self.dir.join("redis.sock");
        let text = format!(
            r#"{{"INSTANCES": {{"redis": {{"unix_socket_path": {socket:?}}}}},
                "DATABASES": {{"CONFIG_DB": {config_db}}}}}"#
        );
        self.dir.write("database_config.json", &text)
    }

    fn client(&self) -> Command {
        let mut command = program(&self.unpacked, "redis-cli");
        command.arg("-s").arg(self.dir.join("redis.sock"));
        command
    }

    fn command(&self, database: u8, args: &[&str]) {
        let mut command = self.client();
        command.args(["-e", "-n", &database.to_string()]).args(args);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
    }

    async fn read(&self) -> Result<Configured, String> {
        let read = config_db::read(&self.dir.join("database_config.json")).await;
        read.map_err(|error| chain(&error))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn program(unpacked: &Path, name: &str) -> Command {
    let path = unpacked.join("usr/bin").join(name);
    if !path.exists() {
        return Command::new(name);
    }
    let mut command = Command::new(path);
    let directories = fs::read_dir(unpacked.join("usr/lib")).unwrap();
    let libraries = directories.map(|entry| entry.unwrap().path());
    let libraries = std::env::join_paths(libraries).unwrap();
    command.env("LD_LIBRARY_PATH", libraries);
    command
}

/// The rows of `vectors/redis/c-daemon-active.txt`, and others.
fn configure(redis: &Redis, database: u8, separator: &str) {
    let key = |parts: &[&str]| parts.join(separator);
    let set = |key: String, fields: &[&str]| {
        redis.command(database, &[&["hset", &key], fields].concat());
    };
    set(
        key(&["DEVICE_METADATA", "localhost"]),
        &["mac", "02:00:00:00:00:a1", "platform", "x86_64-kvm"],
    );
    set(
        key(&["MCLAG_DOMAIN", "1"]),
        &[
            "source_ip",
            "10.98.0.1",
            "peer_ip",
            "10.98.0.2",
            "peer_link",
            "PortChannel1000",
            "keepalive_interval",
            "1",
            "session_timeout",
            "15",
        ],
    );
    set(
        key(&["MCLAG_INTERFACE", "1", "PortChannel0001"]),
        &["if_type", "PortChannel"],
    );
    set(
        key(&["MCLAG_UNIQUE_IP", "Vlan20"]),
        &["unique_ip", "enable"],
    );
    set(
        key(&["MCLAG_DOMAIN_OF_ANOTHER", "9"]),
        &["source_ip", "10.98.0.9"],
    );
    redis.command(database, LOADED);
}

/// What SONiC does when it has loaded all rows.
const LOADED: &[&str] = &["set", "CONFIG_DB_INITIALIZED", "1"];

fn not_loaded(redis: &Redis) -> String {
    let socket = redis.dir.join("redis.sock");
    let socket = socket.display();
    format!("CONFIG_DB_INITIALIZED is not set at {socket}: SONiC has not loaded its configuration")
}

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn domain() -> DomainRecord {
    DomainRecord {
        op: DomainOp::Add,
        domain: DomainId::new(1).unwrap(),
        keepalive_s: 1,
        session_timeout_s: 15,
        local: Some([10, 98, 0, 1].into()),
        peer: Some([10, 98, 0, 2].into()),
        peer_link: Some(name("PortChannel1000")),
        system_mac: Mac([2, 0, 0, 0, 0, 0xa1]),
        attributes: DomainAttributes::from_bits_retain(0x1f),
    }
}

#[tokio::test]
async fn the_pair_is_read_as_redis_has_it() {
    let redis = Redis::start("config-db");
    configure(&redis, 4, "|");
    let pair = redis.read().await.unwrap();
    assert_eq!(pair.domains, [domain()]);
    let ports = pair.ports.iter().map(|port| port.port);
    assert_eq!(ports.collect::<Vec<_>>(), [name("PortChannel0001")]);
    let unique_ips = pair.unique_ips.iter().map(|unique| unique.interface);
    assert_eq!(unique_ips.collect::<Vec<_>>(), [name("Vlan20")]);
    assert_eq!(pair.wrong, [""; 0]);

    redis.command(4, &["del", "MCLAG_DOMAIN|1"]);
    let without = redis.read().await.unwrap();
    assert_eq!(without.domains, []);
}

/// More keys than one answer has, among thousands of others.
#[tokio::test]
async fn no_port_is_missed_in_a_large_database() {
    let redis = Redis::start("config-db-large");
    configure(&redis, 4, "|");
    let fill = "for i = 1, 4000 do redis.call('hset', KEYS[1] .. i, 'NULL', 'NULL') end";
    redis.command(4, &["eval", fill, "1", "MCLAG_INTERFACE|1|PortChannel1"]);
    redis.command(4, &["eval", fill, "1", "VLAN|Vlan"]);
    let pair = redis.read().await.unwrap();
    assert_eq!(pair.ports.len(), 4001);
    let port = |number: u32| InterfaceRecord {
        op: RecordOp::Add,
        domain: DomainId::new(1).unwrap(),
        port: name(&format!("PortChannel1{number}")),
    };
    for number in [1, 999, 1000, 4000] {
        assert!(pair.ports.contains(&port(number)), "{number}");
    }
    redis.command(
        4,
        &[
            "eval",
            &fill.replace("4000", "9000"),
            "1",
            "MCLAG_INTERFACE|1|p",
        ],
    );
    let error = redis.read().await.unwrap_err();
    assert_eq!(error, "MCLAG_INTERFACE has more than 8192 rows");
}

/// `spec/sonic-redis.md` 1.
#[tokio::test]
async fn the_file_of_databases_says_number_and_separator() {
    let redis = Redis::start("config-db-elsewhere");
    redis.databases(r#"{"id": 7, "separator": "~", "instance": "redis"}"#);
    configure(&redis, 7, "~");
    let pair = redis.read().await.unwrap();
    assert_eq!(pair.domains, [domain()]);
    assert_eq!(pair.ports.len(), 1);
}

/// A row of another kind, values and keys that are none.
#[tokio::test]
async fn what_cannot_be_used_is_named_and_the_rest_counts() {
    let redis = Redis::start("config-db-wrong");
    configure(&redis, 4, "|");
    redis.command(4, &["hset", "MCLAG_DOMAIN|1", "peer_ip", "fe80::1"]);
    redis.command(4, &["set", "MCLAG_DOMAIN|2", "text"]);
    redis.command(
        4,
        &[
            "hset",
            "MCLAG_INTERFACE|1|a name that is too long",
            "NULL",
            "NULL",
        ],
    );
    let pair = redis.read().await.unwrap();
    let peer = None;
    assert_eq!(pair.domains, [DomainRecord { peer, ..domain() }]);
    assert_eq!(pair.ports.len(), 1);
    let [row, peer, port] = pair.wrong.as_slice() else {
        panic!("{pair:?}");
    };
    assert!(row.starts_with("CONFIG_DB MCLAG_DOMAIN|2: "), "{row}");
    assert!(row.contains("WRONGTYPE"), "{row}");
    assert_eq!(
        peer,
        "CONFIG_DB MCLAG_DOMAIN|1 peer_ip: \"fe80::1\" is not an IPv4 address"
    );
    assert!(
        port.contains("MCLAG_INTERFACE|1|a name that is too long"),
        "{port}"
    );
}

/// That a database has no pair, or less of it, means nothing before it was loaded, and when it is flushed to be loaded
/// again. An empty one that was loaded has none.
#[tokio::test]
async fn a_database_that_is_not_loaded_is_none_and_neither_is_one_that_is_not_there() {
    let redis = Redis::start("config-db-empty");
    assert_eq!(redis.read().await, Err(not_loaded(&redis)));
    configure(&redis, 4, "|");
    for value in ["0", ""] {
        redis.command(4, &["set", "CONFIG_DB_INITIALIZED", value]);
        assert_eq!(redis.read().await, Err(not_loaded(&redis)), "{value:?}");
    }
    redis.command(4, &["del", "MCLAG_INTERFACE|1|PortChannel0001"]);
    redis.command(4, &["del", "CONFIG_DB_INITIALIZED"]);
    assert_eq!(redis.read().await, Err(not_loaded(&redis)));
    redis.command(4, &["set", "CONFIG_DB_INITIALIZED", "true"]);
    assert_eq!(redis.read().await.unwrap().domains, [domain()]);
    redis.command(4, &["flushdb"]);
    redis.command(4, LOADED);
    assert_eq!(redis.read().await, Ok(Configured::default()));

    fs::remove_file(redis.dir.join("redis.sock")).unwrap();
    let error = redis.read().await.unwrap_err();
    assert!(error.contains("redis.sock: "), "{error}");
    assert!(error.contains("No such file"), "{error}");
}

#[tokio::test]
async fn a_redis_that_hangs_is_not_waited_for() {
    let redis = Redis::start("config-db-hangs");
    let socket = redis.dir.join("redis.sock");
    fs::remove_file(&socket).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    let error = redis.read().await.unwrap_err();
    assert!(error.contains("redis.sock"), "{error}");
}

#[tokio::test]
async fn a_redis_without_a_socket_is_read_at_its_address() {
    let free = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    // Whoever takes the port meanwhile does not take the next one.
    let (mut redis, port) = (0..10)
        .map(|_| free())
        .find_map(|port| Some((Redis::try_start("config-db-tcp", port)?, port)))
        .expect("a port that stays free");
    configure(&redis, 4, "|");
    redis.only_at(port);
    let pair = redis.read().await.unwrap();
    assert_eq!(pair.domains, [domain()]);
    redis.server.kill().unwrap();
    redis.server.wait().unwrap();
    let error = redis.read().await.unwrap_err();
    let place = format!("cannot read 127.0.0.1:{port}: ");
    assert!(error.starts_with(&place), "{error}");
}

/// Passes on what a client says to Redis, and has something happen before the first word with `moment` in it.
fn passing_on(redis: &Redis, moment: &'static str, happens: impl FnOnce() + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = redis.dir.join("redis.sock");
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = UnixStream::connect(socket).unwrap();
        let mut answers = (server.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut answers.0, &mut answers.1));
        let mut happens = Some(happens);
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = client.read(&mut buffer) {
            let words = String::from_utf8_lossy(&buffer[..len]);
            if words.contains(moment) {
                happens.take().into_iter().for_each(|happens| happens());
            }
            server.write_all(&buffer[..len]).unwrap();
        }
    });
    port
}

/// Input: the database is flushed while it is read; it has less than all rows when reading begins, and all of them and the
/// word for it when it ends. Output: neither is a pair, nor the absence of one.
#[tokio::test]
async fn a_database_that_is_loaded_while_it_is_read_is_none() {
    let redis = Redis::start("config-db-meanwhile");
    for (before, meanwhile) in [(LOADED, &["flushdb"][..]), (&["flushdb"], LOADED)] {
        configure(&redis, 4, "|");
        redis.command(4, before);
        let mut command = redis.client();
        command.args(["-e", "-n", "4"]).args(meanwhile);
        let happens = move || assert!(command.output().unwrap().status.success());
        redis.only_at(passing_on(&redis, "MCLAG_DOMAIN|*", happens));
        let error = redis.read().await.unwrap_err();
        assert!(
            error.contains("has not loaded its configuration"),
            "{error}"
        );
    }
}
