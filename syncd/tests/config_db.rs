//! CONFIG_DB on a real Redis, which `tests/scripts/deps` unpacks where the system has none.
#![cfg(feature = "sonic")]

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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
        let dir = TempDir::new(name);
        // Beside `target/tmp`, where Cargo has tests put what is temporary.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let unpacked = target.join("lab/vm/redis");
        let socket = dir.join("redis.sock");
        let mut command = program(&unpacked, "redis-server");
        command.args([
            "--port",
            "0",
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
        let redis = Self {
            dir,
            unpacked,
            server,
        };
        eventually("Redis listens", || socket.exists());
        redis.databases(r#"{"id": 4, "separator": "|", "instance": "redis"}"#);
        redis
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

    fn command(&self, database: u8, args: &[&str]) {
        let mut command = program(&self.unpacked, "redis-cli");
        command.arg("-s").arg(self.dir.join("redis.sock"));
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

/// That an empty database has no pair means nothing: it was not loaded yet, or flushed to be loaded again.
#[tokio::test]
async fn an_empty_database_is_none_and_neither_is_one_that_is_not_there() {
    let redis = Redis::start("config-db-empty");
    let error = redis.read().await.unwrap_err();
    assert!(
        error.contains("no row DEVICE_METADATA|localhost"),
        "{error}"
    );
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
